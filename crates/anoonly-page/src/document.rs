//! The HTML document around figures and text.

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::PageError;
use crate::draw::px;

/// The style sheet of all pages: colours for light and dark, type, tables and figures.
pub const STYLE: &str = include_str!("style.css");

/// A figure or a table of a page, under its own heading.
pub struct Figure {
    /// The id of its element, unique on the page.
    pub id: &'static str,
    /// The heading.
    pub title: String,
    /// The drawing or the table, or the reason why there is none.
    pub content: Result<Markup, String>,
    /// How to read it, and what it does not show.
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

/// Renders a page of figures: `head`, a table of contents, the figures and `tail`.
pub fn figures_page(title: &str, head: &Markup, figures: &[Figure], tail: &Markup) -> String {
    let body = html! {
        (head)
        nav aria-label="Contents" {
            ol { @for figure in figures { li { a href={ "#" (figure.id) } { (figure.title) } } } }
        }
        @for figure in figures { (figure.markup()) }
        (tail)
    };
    page(title, &body)
}

/// Renders a whole page. It needs no other file, and its policy keeps it from loading or running anything.
pub fn page(title: &str, body: &Markup) -> String {
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
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
            }
        }
    };
    page.into_string()
}

/// Renders a picture as an SVG file that brings its own style sheet, for use outside of a page. `size` is its width and height in the
/// units of its view box.
pub fn picture_file(picture: &Markup, (width, height): (f64, f64)) -> String {
    let (width, height) = (px(width), px(height));
    let file = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
            style { (PreEscaped(STYLE)) }
            rect width=(width) height=(height) class="paper" {}
            (picture)
        }
    };
    file.into_string() + "\n"
}

/// Writes a page or a picture. The file appears under its name only when it is complete.
///
/// # Errors
/// When the file cannot be written.
pub fn write_page(path: &Path, page: &str) -> Result<(), PageError> {
    let failed = |error: std::io::Error| PageError { path: path.into(), reason: error.to_string() };
    anoonly_core::write_whole(path, page.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_whole_and_a_wrong_path_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let body = page("A <title>", &html! { p { "text" } });
        assert!(body.contains("<title>A &lt;title&gt;</title>") && body.contains("default-src 'none'"), "{body}");
        write_page(&path, &body).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), body);
        assert!(write_page(folder.path(), &body).unwrap_err().to_string().ends_with("it is a folder"));
        let missing = folder.path().join("missing").join("page.html");
        let error = write_page(&missing, &body).unwrap_err();
        assert_eq!((error.path, error.reason.starts_with("no folder `")), (missing, true));
    }

    #[test]
    fn a_picture_file_is_an_svg_document_with_its_style() {
        let picture = picture_file(&html! { svg { text { "a < b" } } }, (960.0, 420.5));
        assert!(
            picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"420.5\""),
            "{picture}"
        );
        assert!(picture.contains("color-scheme") && picture.contains("a &lt; b") && picture.ends_with("</svg>\n"));
    }

    #[test]
    fn a_figure_without_content_gives_its_reason() {
        let figure = |id, content| Figure { id, title: id.to_owned(), content, caption: html! { p { "caption" } } };
        let figures = [figure("drawn", Ok(html! { svg {} })), figure("absent", Err("too few <rows>".into()))];
        let text = figures_page("Figures", &html! {}, &figures, &html! { p { "tail" } });
        assert!(text.contains("<figure id=\"drawn\">") && text.contains("<section id=\"absent\" class=\"absent\">"));
        assert!(text.contains("Not drawn: too few &lt;rows&gt;") && text.contains("<a href=\"#absent\">absent</a>"));
    }
}
