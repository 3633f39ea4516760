//! The values of a column, read in the way that its encoding asks for.

use chrono::NaiveDateTime;

use super::Unknown;
use super::cells::{Cells, ColumnKind};
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
        let (mut values, mut other_kind) = (Vec::with_capacity(texts.len()), Vec::new());
        for (row, text) in texts.iter_known().enumerate() {
            let value = match text {
                None => None,
                Some(text) => match read(text) {
                    Reading::Value(value) => Some(value),
                    Reading::Missing => None,
                    Reading::Other => {
                        self.refuse(row, || text.into())?;
                        other_kind.push(row);
                        None
                    }
                },
            };
            values.push(value);
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
