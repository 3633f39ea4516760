//! The page around the figures.

use comfy_table::{Cell, Row, Table};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A figure or a table of the report.
pub struct Figure {
    /// Its place in the page.
    pub id: &'static str,
    /// What it shows, in a few words.
    pub title: String,
    /// What is to be seen, or why there is nothing.
    pub content: Result<Markup, String>,
    /// How to read it, and what it does not say.
    pub caption: Markup,
}

impl Figure {
    fn markup(&self) -> Markup {
        html! {
            @match &self.content {
                Ok(content) => figure id=(self.id) {
                    h2 { (self.title) }
                    div class="scroll" { (content) }
                    figcaption { (self.caption) }
                },
                Err(reason) => section id=(self.id) class="absent" {
                    h2 { (self.title) }
                    p { "Not drawn: " (reason) }
                },
            }
        }
    }
}

/// A page of figures.
pub fn page(title: &str, head: &Markup, figures: &[Figure], tail: &Markup) -> String {
    let body = html! {
        (head)
        nav aria-label="Contents" {
            ol { @for figure in figures { li { a href={ "#" (figure.id) } { (figure.title) } } } }
        }
        @for figure in figures { (figure.markup()) }
        (tail)
    };
    whole(title, &body)
}

/// A whole page, which needs nothing besides itself. Its policy keeps it from loading or running anything.
pub fn whole(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main { (body) }
            }
        }
    };
    page.into_string()
}

/// A table of the summary as HTML; its first `names` columns hold names, and all others numbers. `title` tells what the name
/// of a column is called on the page.
pub fn table(table: &Table, names: usize, title: impl Fn(&str, String) -> String) -> Markup {
    let class = |column: usize| if column < names { "name" } else { "number" };
    let header: Vec<String> = table.header().iter().flat_map(|row| row.cell_iter()).map(Cell::content).collect();
    let first = |row: &Row| row.cell_iter().next().map(Cell::content);
    let rows: Vec<(bool, &Row)> = {
        let mut before = None;
        table.row_iter().map(|row| (std::mem::replace(&mut before, first(row)) == first(row), row)).collect()
    };
    html! {
        table {
            thead {
                tr {
                    @for (column, name) in header.iter().enumerate() {
                        th scope="col" class=(class(column)) { (name) }
                    }
                }
            }
            tbody {
                @for (again, row) in rows {
                    tr class=(if again { "again" } else { "first" }) {
                        @for (column, (name, cell)) in header.iter().zip(row.cell_iter()).enumerate() {
                            td class=(class(column)) { (title(name, cell.content())) }
                        }
                    }
                }
            }
        }
    }
}
