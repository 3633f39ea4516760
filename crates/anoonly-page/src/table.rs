//! Tables as Markdown and as HTML.

use comfy_table::{Cell, CellAlignment, Row, Table, presets};
use maud::{Markup, html};

/// An empty Markdown table. The first `names` columns hold names; all others hold numbers and are aligned to the right.
pub fn markdown_table(header: &[&str], names: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header);
    for column in names..header.len() {
        table.column_mut(column).into_iter().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    }
    table
}

/// Renders a table as HTML. The first `names` columns hold names; all others hold numbers.
///
/// `title` maps the name of a column and the text of a cell to the text that the page shows.
pub fn html_table(table: &Table, names: usize, title: impl Fn(&str, String) -> String) -> Markup {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_renders_as_markdown_and_as_html() {
        let mut table = markdown_table(&["model", "AUROC"], 1);
        table.add_row(["a", "0.5"]).add_row(["a", "0.75"]);
        let text = table.to_string();
        assert!(text.lines().all(|line| line.starts_with('|') && line.ends_with('|')), "{text}");
        assert!(text.contains("|   0.5 |") || text.contains("|  0.5 |"), "numbers are aligned to the right: {text}");
        let page =
            html_table(&table, 1, |column, cell| if column == "model" { "<A>".into() } else { cell }).into_string();
        assert!(page.contains("<td class=\"name\">&lt;A&gt;</td><td class=\"number\">0.75</td>"), "{page}");
        assert_eq!(
            (page.matches("class=\"first\"").count(), page.matches("class=\"again\"").count()),
            (1, 1),
            "{page}"
        );
    }
}
