//! The values of columns as a table holds them, for comparisons. Features are rounded to 32 bits, and these are not.

use std::collections::HashMap;

use chrono::NaiveDateTime;

use super::Unknown;
use super::cells::{Cells, ColumnKind, number, truth, whole_digits};
use super::column::{EncodedColumn, Encoding};
use super::values::{ColumnSource, categories};
use crate::DataError;
use crate::table::{Table, TextColumn};

/// The values of all rows of a column.
#[derive(Clone, Debug)]
pub enum ColumnValues {
    /// Numbers; NaN where one is missing. Times are seconds since 1970 in the local time of the column, to a fraction of a microsecond.
    Numbers(Vec<f64>),
    /// Categories and truth values.
    Categories(CategoryValues),
    /// Texts that are no categories, such as identifiers.
    Texts(TextValues),
}

/// A column of categories.
#[derive(Clone, Debug)]
pub struct CategoryValues {
    names: Vec<String>,
    codes: Vec<u32>,
    reading: NameReading,
}

/// What a text means in a column of categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameReading {
    Exact,
    /// `117` and `117.0` are the same category.
    WholeNumbers,
    /// `true` and `yes` are the same.
    Truths,
}

/// A column of texts.
#[derive(Clone)]
pub struct TextValues(TextColumn);

/// The code of a missing value.
const NONE: u32 = u32::MAX;

impl ColumnValues {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        match self {
            ColumnValues::Numbers(values) => values.len(),
            ColumnValues::Categories(categories) => categories.codes.len(),
            ColumnValues::Texts(texts) => texts.0.len(),
        }
    }

    /// Whether the value of a row is missing.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            ColumnValues::Numbers(values) => values[row].is_nan(),
            ColumnValues::Categories(categories) => categories.codes[row] == NONE,
            ColumnValues::Texts(texts) => texts.get(row).is_none(),
        }
    }
}

impl CategoryValues {
    /// The names of the categories, in alphabetical order; of truth values, the names of false and true. A name may have no row.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The place of the category of a row among the [`names`](Self::names); `None` where the value is missing.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn code(&self, row: usize) -> Option<usize> {
        Some(self.codes[row]).filter(|&code| code != NONE).map(|code| code as usize)
    }

    /// The place of the category that a text names.
    pub fn code_of(&self, text: &str) -> Option<usize> {
        match self.reading {
            NameReading::Exact => self.names.binary_search_by(|name| name.as_str().cmp(text)).ok(),
            NameReading::WholeNumbers => {
                let digits = whole_digits(text).unwrap_or(text);
                self.names.binary_search_by(|name| name.as_str().cmp(digits)).ok()
            }
            NameReading::Truths => self.names.iter().position(|name| name == text).or_else(|| truth_code(text)),
        }
    }

    fn new(values: impl Iterator<Item = Option<String>>, reading: NameReading) -> Self {
        let mut places: HashMap<String, u32> = HashMap::new();
        let mut codes: Vec<u32> = values
            .map(|value| match value {
                None => NONE,
                Some(value) => match places.get(&value) {
                    Some(&place) => place,
                    None => {
                        let place = places.len() as u32;
                        places.insert(value, place);
                        place
                    }
                },
            })
            .collect();
        let mut sorted: Vec<(String, u32)> = places.into_iter().collect();
        sorted.sort_unstable();
        let mut code_of_place = vec![0; sorted.len()];
        sorted.iter().enumerate().for_each(|(code, &(_, place))| code_of_place[place as usize] = code as u32);
        codes.iter_mut().filter(|code| **code != NONE).for_each(|code| *code = code_of_place[*code as usize]);
        Self { names: sorted.into_iter().map(|(name, _)| name).collect(), codes, reading }
    }

    /// Truth values. `written` are the texts of the rows, where the column is text: its first words for false and true are the names.
    fn of_truths<'a>(values: &[Option<f64>], written: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut names: [Option<String>; 2] = [None, None];
        for (value, text) in values.iter().zip(written) {
            if let (Some(value), Some(text)) = (value, text) {
                names[usize::from(*value == 1.0)].get_or_insert_with(|| text.trim().to_owned());
            }
            if names.iter().all(Option::is_some) {
                break;
            }
        }
        let [no, yes] = names;
        let names = vec![no.unwrap_or_else(|| false.to_string()), yes.unwrap_or_else(|| true.to_string())];
        let codes = values.iter().map(|value| value.map_or(NONE, |value| u32::from(value == 1.0))).collect();
        Self { names, codes, reading: NameReading::Truths }
    }
}

fn truth_code(text: &str) -> Option<usize> {
    let number = || number(text).filter(|&value| value == 0.0 || value == 1.0);
    truth(text).or_else(number).map(|value| usize::from(value == 1.0))
}

impl TextValues {
    /// The text of a row; `None` where it is missing.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.0.known(row)
    }
}

impl std::fmt::Debug for TextValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextValues").field("rows", &self.0.len()).finish()
    }
}

impl EncodedColumn {
    /// The values of this column of a table, read as for its features but not rounded. Values of another kind than those of the training
    /// rows count as missing.
    ///
    /// # Errors
    /// When the table does not have the column.
    pub fn values(&self, table: &Table) -> Result<ColumnValues, DataError> {
        let mut cells = table.cells(&self.name)?;
        if !matches!((&self.encoding, self.kind), (Encoding::Number { .. }, ColumnKind::Number)) {
            cells = cells.with_texts();
        }
        let source = ColumnSource::of(table, self, Unknown::Accept);
        Ok(match (&self.encoding, self.kind) {
            (Encoding::Number { .. }, ColumnKind::Truth) => {
                let values = source.numbers(&cells)?.values;
                ColumnValues::Categories(match &cells {
                    Cells::Text(texts) => CategoryValues::of_truths(&values, texts.iter_known()),
                    _ => CategoryValues::of_truths(&values, std::iter::empty()),
                })
            }
            (Encoding::Number { .. }, _) => ColumnValues::Numbers(or_nan(source.numbers(&cells)?.values)),
            (Encoding::Date { .. }, _) => ColumnValues::Numbers(in_seconds(&source.dates(&cells)?.values)),
            (Encoding::OneHot { whole, .. } | Encoding::Frequency { whole, .. }, _) => {
                let reading = if *whole { NameReading::WholeNumbers } else { NameReading::Exact };
                ColumnValues::Categories(CategoryValues::new(categories(&cells, *whole), reading))
            }
        })
    }
}

impl Table {
    /// The values of a column that is no feature, as it looks, and their kind: `None` for text. A text file whose values are all numbers
    /// has numbers.
    ///
    /// # Errors
    /// When the column does not exist.
    pub fn column_values(&self, column: &str) -> Result<(Option<ColumnKind>, ColumnValues), DataError> {
        let cells = self.cells(column)?;
        let cells = match cells {
            Cells::Written(numbers) if !numbers.all_missing() => {
                return Ok((Some(ColumnKind::Number), ColumnValues::Numbers(or_nan(numbers.values()))));
            }
            other => other.with_texts(),
        };
        Ok(match cells {
            Cells::Written(numbers) => (None, ColumnValues::Numbers(vec![f64::NAN; numbers.len()])),
            Cells::Numbers(_) => {
                (Some(ColumnKind::Number), ColumnValues::Numbers(or_nan(cells.floats().unwrap_or_default())))
            }
            Cells::Truths(values) => {
                let truths = CategoryValues::of_truths(&values, std::iter::empty());
                (Some(ColumnKind::Truth), ColumnValues::Categories(truths))
            }
            Cells::Dates(values) => (Some(ColumnKind::Date), ColumnValues::Numbers(in_seconds(&values))),
            Cells::Missing(rows) => (None, ColumnValues::Numbers(vec![f64::NAN; rows])),
            Cells::Text(texts) => {
                let parse = |text: Option<&str>| text.map_or(Some(f64::NAN), number);
                let numbers: Option<Vec<f64>> = texts.iter_known().map(parse).collect();
                match numbers.filter(|numbers| numbers.iter().any(|number| !number.is_nan())) {
                    Some(numbers) => (Some(ColumnKind::Number), ColumnValues::Numbers(numbers)),
                    None => (None, ColumnValues::Texts(TextValues(texts))),
                }
            }
        })
    }
}

fn or_nan(values: Vec<Option<f64>>) -> Vec<f64> {
    values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect()
}

fn in_seconds(times: &[Option<NaiveDateTime>]) -> Vec<f64> {
    let seconds = |time: NaiveDateTime| {
        let time = time.and_utc();
        time.timestamp() as f64 + f64::from(time.timestamp_subsec_nanos()) / 1e9
    };
    times.iter().map(|time| time.map_or(f64::NAN, seconds)).collect()
}
