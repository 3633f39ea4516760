//! Rows that contain a text.

use polars_arrow::datatypes::ArrowDataType;

use super::Table;
use super::batch::Categories;
use super::columns::ShownColumn;
use super::written::WrittenNumbers;

/// Finds rows that contain a text in any cell, as [`CellValue`](super::CellValue) shows it. Capital letters count like small ones.
pub struct TextSearch<'a> {
    needle: Needle,
    columns: Vec<SearchedColumn<'a>>,
}

enum SearchedColumn<'a> {
    Shown(ShownColumn<'a>),
    /// For each category whether it contains the text, and the category of each row.
    Categories(Vec<bool>, Categories),
}

/// A text in small letters.
struct Needle {
    text: String,
    ascii: bool,
}

/// The characters of numbers, truth values and times.
const PLAIN: &str = "0123456789+-.:aefilnrstuz ";

impl Table {
    /// A search for a text in all cells. Threads may share it.
    pub fn search(&self, text: &str) -> TextSearch<'_> {
        let needle = Needle { text: text.to_lowercase(), ascii: text.is_ascii() };
        let is_plain = needle.text.chars().all(|c| PLAIN.contains(c));
        let mut columns = Vec::new();
        for array in self.batch.columns() {
            columns.push(match array.dtype() {
                ArrowDataType::Dictionary(..) => {
                    let categories = Categories::of(array.as_ref());
                    let found = categories.texts().map(|text| text.is_some_and(|text| needle.is_in(text))).collect();
                    SearchedColumn::Categories(found, categories)
                }
                ArrowDataType::Utf8View => SearchedColumn::Shown(ShownColumn::of(array.as_ref())),
                dtype if WrittenNumbers::is(dtype) => SearchedColumn::Shown(ShownColumn::of(array.as_ref())),
                _ if is_plain => SearchedColumn::Shown(ShownColumn::of(array.as_ref())),
                _ => continue,
            });
        }
        TextSearch { needle, columns }
    }
}

impl TextSearch<'_> {
    /// Whether a row contains the text.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn is_in(&self, row: usize) -> bool {
        self.needle.text.is_empty()
            || self.columns.iter().any(|column| match column {
                SearchedColumn::Shown(column) => column.display(row).is_some_and(|text| self.needle.is_in(&text)),
                SearchedColumn::Categories(found, categories) => categories.key(row).is_some_and(|key| found[key]),
            })
    }
}

impl Needle {
    fn is_in(&self, text: &str) -> bool {
        if !text.is_ascii() {
            return text.to_lowercase().contains(&self.text);
        }
        // Bytes of the text are letters.
        let (text, needle) = (text.as_bytes(), self.text.as_bytes());
        let Some(&first) = needle.first() else { return true };
        self.ascii
            && text
                .windows(needle.len())
                .any(|part| part[0].to_ascii_lowercase() == first && part.eq_ignore_ascii_case(needle))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use super::*;
    use crate::table::{CellValue, Values};

    #[test]
    fn a_search_finds_what_cells_show() {
        let text = "name,size\nLima,1\nÄpfel,\nK\u{212a}m,3\nNA,20\n\"a,B\",\u{202e}x\n";
        let table = Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
        let (scores, truths) = ([1.5f32, f32::INFINITY, 1e-9, f32::NAN, 2_000_000.0], [true, false, true, false, true]);
        let columns = [("score", Values::Scores(&scores[..])), ("flag", Values::Truths(&truths))];
        let table = table.with_columns(&columns).unwrap();
        for needle in [
            "",
            "lima",
            "LIM",
            "äpf",
            "ÄPF",
            "kk",
            "k\u{212a}",
            "na",
            "1",
            "1.5",
            "inf",
            "e-9",
            "2e6",
            "TRUE",
            "a,b",
            "x",
            "xyz",
        ] {
            let search = table.search(needle);
            for row in 0..table.rows() {
                let shown = table.row_values(row).iter().map(CellValue::to_string).collect::<Vec<_>>();
                let expected = shown.iter().any(|cell| cell.to_lowercase().contains(&needle.to_lowercase()));
                assert_eq!(search.is_in(row), expected, "{needle} in {shown:?}");
            }
        }
    }
}
