//! The values of a column, read in the way that its encoding asks for.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

use super::Unknown;
use super::cells::{Cells, ColumnKind, whole_digits};
use super::column::{EncodedColumn, Encoding};
use super::context::{ReadValue, ValueContext};
use super::notation::Notation;
use super::value::{Reading, ValueReader, whole_category};
use crate::DataError;
use crate::table::Table;

/// The values of a column. `None` where one is missing.
pub(super) struct ReadValues<T> {
    pub values: Vec<Option<T>>,
    /// The rows whose value is of another kind and counts as missing.
    pub other_kind: Vec<usize>,
}

impl<T> ReadValues<T> {
    fn all(values: Vec<Option<T>>) -> Self {
        Self { values, other_kind: Vec::new() }
    }
}

/// A column of a table that is read in a known way.
#[derive(Clone, Copy)]
pub(super) struct ColumnSource<'a> {
    pub table: &'a Table,
    pub name: &'a str,
    pub kind: ColumnKind,
    pub notation: Notation,
    pub unknown: Unknown,
}

impl<'a> ColumnSource<'a> {
    pub(super) fn of(table: &'a Table, column: &'a EncodedColumn, unknown: Unknown) -> Self {
        Self { table, name: &column.name, kind: column.kind, notation: column.notation, unknown }
    }

    fn reader(&self) -> ValueReader {
        ValueReader { kind: self.kind, notation: self.notation }
    }

    /// The values of a column of numbers or truth values.
    pub(super) fn numbers(&self, cells: &Cells) -> Result<ReadValues<f64>, DataError> {
        match cells {
            Cells::Written(numbers) if self.kind == ColumnKind::Number && self.notation.is_plain() => {
                return Ok(ReadValues::all(numbers.values()));
            }
            // Other notations may read another value.
            Cells::Written(_) => return self.numbers(&cells.as_texts()),
            _ => {}
        }
        let reader = self.reader();
        match (self.kind, cells, cells.floats()) {
            (_, Cells::Text(_), _) | (_, _, None) => self.parsed(cells, |text| reader.number_of_text(text)),
            (ColumnKind::Truth, _, Some(mut values)) => {
                let mut other_kind = Vec::new();
                for (row, value) in values.iter_mut().enumerate() {
                    let other = value.filter(|&value| matches!(reader.number(value), Reading::Other));
                    if let Some(other) = other {
                        self.refuse(row, || other.to_string())?;
                        *value = None;
                        other_kind.push(row);
                    }
                }
                Ok(ReadValues { values, other_kind })
            }
            (_, _, Some(values)) => Ok(ReadValues::all(values)),
        }
    }

    /// The values of a column of dates.
    pub(super) fn dates(&self, cells: &Cells) -> Result<ReadValues<NaiveDateTime>, DataError> {
        match (cells, cells.floats()) {
            (Cells::Dates(values), _) => Ok(ReadValues::all(values.clone())),
            (Cells::Missing(rows), _) => Ok(ReadValues::all(vec![None; *rows])),
            (Cells::Written(_), _) => self.dates(&cells.as_texts()),
            (Cells::Numbers(_), Some(numbers)) => {
                let (mut values, mut other_kind) = (Vec::with_capacity(numbers.len()), Vec::new());
                for (row, number) in numbers.into_iter().enumerate() {
                    values.push(match number.map(|number| (number, self.reader().date_of_number(number))) {
                        Some((_, Reading::Value(date))) => Some(date),
                        Some((number, Reading::Other)) => {
                            self.refuse(row, || number.to_string())?;
                            other_kind.push(row);
                            None
                        }
                        Some((_, Reading::Missing)) | None => None,
                    });
                }
                Ok(ReadValues { values, other_kind })
            }
            _ => self.parsed(cells, |text| self.reader().date_of_text(text)),
        }
    }

    /// The values of a column that is stored as text, or with another type.
    fn parsed<T: Clone>(&self, cells: &Cells, read: impl Fn(&str) -> Reading<T>) -> Result<ReadValues<T>, DataError> {
        let Cells::Text(texts) = cells else {
            let other_kind: Vec<usize> =
                cells.categories().enumerate().filter_map(|(row, value)| value.map(|_| row)).collect();
            if let Some(&row) = other_kind.first() {
                self.refuse(row, || cells.categories().nth(row).flatten().unwrap_or_default())?;
            }
            return Ok(ReadValues { values: vec![None; self.table.rows()], other_kind });
        };
        let read = |text: Option<&str>| text.map_or(Reading::Missing, &read);
        let (mut values, mut other_kind) = (Vec::with_capacity(texts.len()), Vec::new());
        let mut add = |row: usize, value: Reading<T>| -> Result<(), DataError> {
            values.push(match value {
                Reading::Value(value) => Some(value),
                Reading::Missing => None,
                Reading::Other => {
                    self.refuse(row, || texts.known(row).unwrap_or_default().into())?;
                    other_kind.push(row);
                    None
                }
            });
            Ok(())
        };
        match texts.distinct().filter(|distinct| distinct.len() <= texts.len()) {
            // Each text is parsed once.
            Some(distinct) => {
                let distinct: Vec<Reading<T>> = distinct.into_iter().map(read).collect();
                let value = |row| texts.place(row).map_or(Reading::Missing, |place| distinct[place].clone());
                (0..texts.len()).try_for_each(|row| add(row, value(row)))?;
            }
            None => texts.iter_known().enumerate().try_for_each(|(row, text)| add(row, read(text)))?,
        }
        Ok(ReadValues { values, other_kind })
    }

    /// The error for a value of another kind, unless such values are accepted.
    fn refuse(&self, row: usize, value: impl FnOnce() -> String) -> Result<(), DataError> {
        if self.unknown == Unknown::Accept {
            return Ok(());
        }
        let (path, column) = (self.table.path().into(), self.name.into());
        Err(DataError::OtherKind { path, column, row: self.table.row(row), value: value(), kind: self.kind.name() })
    }
}

/// The values of a column as categories; `None` where one is missing. Whole numbers without their fraction of zeros where `whole`
/// says that all categories are whole numbers.
pub(super) fn categories(cells: &Cells, whole: bool) -> impl Iterator<Item = Option<String>> + '_ {
    cells.categories().map(move |category| match category {
        Some(text) if whole => Some(whole_category(text)),
        other => other,
    })
}

impl EncodedColumn {
    /// Where the value of a table's only row lies among the training rows.
    pub(super) fn context_in(&self, row: &Table) -> Result<Option<ValueContext>, DataError> {
        let cells = row.cells(&self.name)?;
        let source = ColumnSource::of(row, self, Unknown::Accept);
        Ok(match &self.encoding {
            Encoding::Number { .. } => self.context_of_only(&source.numbers(&cells)?, ReadValue::Number),
            Encoding::Date { .. } => self.context_of_only(&source.dates(&cells)?, ReadValue::Date),
            Encoding::OneHot { whole, .. } | Encoding::Frequency { whole, .. } => {
                let category = categories(&cells, *whole).next().flatten();
                self.context(category.as_deref().map_or(ReadValue::Missing, ReadValue::Category))
            }
        })
    }

    /// The context of the first value that was read. A value of another kind has none.
    fn context_of_only<T: Copy>(
        &self,
        read: &ReadValues<T>,
        known: fn(T) -> ReadValue<'static>,
    ) -> Option<ValueContext> {
        match read.other_kind.is_empty() {
            true => self.context(read.values.first().copied().flatten().map_or(ReadValue::Missing, known)),
            false => None,
        }
    }
}

/// The category of a row, which has one.
pub(super) fn category(cells: &Cells, whole: bool, row: usize) -> String {
    categories(cells, whole).nth(row).flatten().unwrap_or_default()
}

/// What a function finds for the category of each row; `None` where a value is missing. The function is called once for each category
/// where the table holds it once.
pub(super) fn looked_up<V: Copy>(cells: &Cells, whole: bool, find: impl Fn(&str) -> V) -> Vec<Option<V>> {
    if let Cells::Text(texts) = cells {
        let find = |text: &str| find(if whole { whole_digits(text).unwrap_or(text) } else { text });
        return match texts.distinct().filter(|distinct| distinct.len() <= texts.len()) {
            Some(distinct) => {
                let found: Vec<Option<V>> = distinct.into_iter().map(|text| text.map(find)).collect();
                (0..texts.len()).map(|row| found[texts.place(row)?]).collect()
            }
            None => texts.iter_known().map(|text| text.map(find)).collect(),
        };
    }
    categories(cells, whole).map(|category| category.map(|category| find(&category))).collect()
}

/// The number of rows of each category.
pub(super) fn category_counts(cells: &Cells) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    if let Cells::Text(texts) = cells
        && let Some(distinct) = texts.distinct()
    {
        let mut rows = vec![0; distinct.len()];
        (0..texts.len()).filter_map(|row| texts.place(row)).for_each(|place| rows[place] += 1);
        let counted = distinct.into_iter().zip(rows).filter(|(_, rows)| *rows > 0);
        counted.for_each(|(text, rows)| {
            text.into_iter().for_each(|text| *counts.entry(text.to_owned()).or_default() += rows)
        });
        return counts;
    }
    for category in categories(cells, false).flatten() {
        *counts.entry(category).or_default() += 1;
    }
    counts
}
