//! Columns of any kind as numeric features.
//!
//! An [`Encoder`] is fitted on a table and then turns any table with the same columns into features. Numbers are centred on
//! their median, and truth values become 0 and 1. Categories become one-hot features or, when there are many, their frequency.
//! Dates become positions in the year, the week and the day, as far as the training rows go around them. A missing number becomes
//! the median, and an additional feature marks it. Columns that new rows must leave, such as row numbers and elapsed time, are no
//! features. The encoder is plain serde data, so that a model file can hold it.

mod cells;
mod column;
mod context;
mod dates;
#[cfg(feature = "tables")]
mod exact;
#[cfg(feature = "tables")]
mod fitting;
mod notation;
#[cfg(feature = "tables")]
mod reading;
#[cfg(feature = "tables")]
mod roles;
mod row;
mod training_values;
mod unseen;
mod value;
#[cfg(feature = "tables")]
mod values;
mod written_dates;

#[cfg(feature = "tables")]
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::ops::Range;

use ndarray::Array2;
#[cfg(feature = "tables")]
use ndarray::{ArrayViewMut2, Axis};
#[cfg(feature = "tables")]
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

#[cfg(feature = "tables")]
use crate::DataError;
#[cfg(feature = "tables")]
use crate::table::Table;
#[cfg(feature = "tables")]
use anoonly_core::did_you_mean;

#[cfg(feature = "tables")]
pub(crate) use cells::{Cells, truth};
pub use cells::{ColumnKind, MISSING_WORDS, is_missing};
#[cfg(feature = "tables")]
use column::Written;
pub use column::{EncodedColumn, Encoding};
pub use context::{IntervalShare, ReadValue, ValueContext};
pub use dates::DatePart;
#[cfg(feature = "tables")]
pub use exact::{CategoryValues, ColumnValues, TextValues};
#[cfg(feature = "tables")]
use fitting::{NoFeature, check_together, fit_column};
pub use notation::Notation;
pub use row::{RowColumns, RowError, RowValue};
pub use training_values::{KeptNumbers, TrainingValues};
pub use unseen::{FirstUnseen, SeenValues, UnseenInColumn, UnseenValues};

/// The number of features that are written at a time, so that they stay in the cache.
#[cfg(feature = "tables")]
const BLOCK_CELLS: usize = 1 << 18;
/// Fewer rows at a time would take longer.
#[cfg(feature = "tables")]
const LEAST_ROWS: usize = 256;
/// The number of values that are judged at a time: each takes some 30 bytes.
#[cfg(feature = "tables")]
const FIT_VALUES: usize = 1 << 23;

/// The roles of a table's columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderOptions {
    /// Columns that are not features: the label and identifiers.
    pub apart: Vec<String>,
    /// Columns to leave out.
    pub drop: Vec<String>,
    /// Columns whose values are categories although they look like numbers, such as postal codes.
    pub categories: Vec<String>,
    /// Columns to use although their values look like identifiers or go on with time.
    pub keep: Vec<String>,
    /// The largest number of categories that are encoded one-hot. A column with more becomes the frequency of its categories.
    pub one_hot: usize,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self { apart: Vec::new(), drop: Vec::new(), categories: Vec::new(), keep: Vec::new(), one_hot: 16 }
    }
}

/// How the columns of a table become features, as learned from a training table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    columns: Vec<EncodedColumn>,
}

/// A column that is left out, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The column.
    pub column: String,
    /// The reason.
    pub reason: String,
    /// Whether the column holds information, so that it can be used all the same ([`EncoderOptions::keep`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub usable: bool,
}

/// How an encoder treats columns and values that did not occur in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A missing column, a value of another kind, and a new category in a one-hot column (at most 16 categories) are errors. In a column
    /// with more categories, a new one counts as a category that no training row has.
    Refuse,
    /// Missing columns and values of another kind count as missing values, and a new category as none of the known ones. At least one
    /// column must be there.
    Accept,
}

/// The features of a table.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Finite values, of shape `[rows, features]`.
    pub features: Array2<f32>,
    /// The number of values that were missing, or counted as missing, and were filled in.
    pub filled: usize,
    /// The values outside of what the training rows held.
    pub unseen: UnseenValues,
    /// The rows, counted from 0, with a number that is infinite or very far from those of the training rows. In the features, such a
    /// number is a million times their range away.
    pub far: Vec<usize>,
}

#[cfg(feature = "tables")]
impl Encoder {
    /// Learns the encoding of each column from all rows of a table. Columns that are empty, constant, different in nearly every row,
    /// such as customer numbers, or that go on with the rows, such as row numbers and elapsed time, are left out; the second value
    /// lists them.
    ///
    /// # Errors
    /// When an option names a column that does not exist, when a column mixes numbers and other text or holds an infinite number,
    /// or when no column is left.
    pub fn fit(table: &Table, options: &EncoderOptions) -> Result<(Self, Vec<LeftOut>), DataError> {
        let names = table.columns();
        let read: HashSet<&str> = names.iter().copied().collect();
        let unread = || table.file_columns().iter().map(String::as_str).filter(|name| !read.contains(name));
        let there: HashSet<&str> = unread().chain(names.iter().copied()).collect();
        for name in [&options.apart, &options.drop, &options.categories, &options.keep].into_iter().flatten() {
            if !there.contains(name.as_str()) {
                let hint = did_you_mean(name, names.iter().copied().chain(unread()));
                return Err(DataError::NoColumn { path: table.path().into(), column: name.clone(), hint });
            }
        }
        let apart: HashSet<&str> = options.apart.iter().map(String::as_str).collect();
        let dropped: HashSet<&str> = options.drop.iter().map(String::as_str).collect();
        let dropped_on_request = |name: &str| {
            let reason = "it was dropped on request".into();
            LeftOut { column: name.into(), reason, usable: false }
        };
        // A column that was dropped need not have been read.
        let unread: BTreeSet<&str> = unread().filter(|name| dropped.contains(name)).collect();
        let mut left_out: Vec<LeftOut> = unread.into_iter().map(dropped_on_request).collect();
        let (given, used): (Vec<&str>, Vec<&str>) =
            names.into_iter().filter(|name| !apart.contains(name)).partition(|name| dropped.contains(name));
        let not_read = left_out.len();
        left_out.extend(given.into_iter().map(dropped_on_request));
        let mut columns = Vec::new();
        // Columns are judged in parallel, as far as their values fit into memory.
        let together = (FIT_VALUES / table.rows().max(1)).max(1);
        for names in used.chunks(together) {
            let fitted: Vec<_> = names.par_iter().map(|name| fit_column(table, name, options)).collect();
            for (&name, fitted) in names.iter().zip(fitted) {
                match fitted? {
                    Ok(column) => columns.push(column),
                    Err(NoFeature { reason, usable }) => left_out.push(LeftOut { column: name.into(), reason, usable }),
                }
            }
        }
        left_out[not_read..].sort_by_key(|left| table.place(&left.column).unwrap_or_default());
        check_together(table, &columns)?;
        match columns.is_empty() {
            true => Err(DataError::NothingToLearnFrom { path: table.path().into() }),
            false => Ok((Self { columns }, left_out)),
        }
    }

    /// The columns of a table as features. Columns that the encoder was not fitted on are ignored.
    ///
    /// # Errors
    /// When `unknown` refuses a column or value, or when a number is infinite or too large and the encoder is from a model of format 1,
    /// which does not know the range of the training rows.
    pub fn encode(&self, table: &Table, unknown: Unknown) -> Result<Encoded, DataError> {
        let there: HashSet<&str> = table.columns().into_iter().collect();
        let missing: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let missing: Vec<String> = missing.into_iter().filter(|name| !there.contains(name.as_str())).collect();
        // Without any of its columns, every row would get the same score.
        if (unknown == Unknown::Refuse && !missing.is_empty()) || missing.len() == self.columns.len() {
            let missing: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
            return Err(DataError::MissingColumns {
                path: table.path().into(),
                missing: crate::table::shortened(&missing),
            });
        }
        let mut features = Array2::zeros((table.rows(), self.width()));
        let rows = (BLOCK_CELLS / self.width().max(1)).max(LEAST_ROWS);
        let blocks: Vec<_> = features.axis_chunks_iter_mut(Axis(0), rows).enumerate().collect();
        let written = blocks
            .into_par_iter()
            .map(|(block, target)| self.write(&table.slice(block * rows, target.nrows()), &there, unknown, target));
        let written = match written.collect::<Result<Vec<_>, _>>() {
            Ok(written) => written,
            // The first column with an error names it, whatever its row.
            Err(_) => vec![self.write(table, &there, unknown, features.view_mut())?],
        };
        let mut columns = vec![UnseenInColumn::default(); self.columns.len()];
        let (mut filled, mut far) = (0, Vec::new());
        for (block, written) in written.into_iter().enumerate() {
            let mut far_rows = Vec::new();
            for (column, written) in columns.iter_mut().zip(written) {
                filled += written.filled;
                far_rows.extend(written.far.into_iter().map(|row| block * rows + row));
                match block {
                    0 => *column = written.unseen,
                    _ => column.add(written.unseen),
                }
            }
            far_rows.sort_unstable();
            far_rows.dedup();
            far.extend(far_rows);
        }
        columns.retain(|column| column.total() > 0);
        Ok(Encoded { features, filled, unseen: UnseenValues { rows: table.rows(), columns }, far })
    }

    /// Writes the features of some rows, column by column.
    fn write(
        &self,
        table: &Table,
        there: &HashSet<&str>,
        unknown: Unknown,
        mut features: ArrayViewMut2<'_, f32>,
    ) -> Result<Vec<Written>, DataError> {
        let spans = self.columns.iter().zip(self.spans());
        let written = spans.map(|(column, span)| {
            let cells = match there.contains(column.name.as_str()) {
                true => table.cells(&column.name)?,
                false => Cells::Missing(table.rows()),
            };
            column.write(table, &cells, unknown, features.slice_axis_mut(Axis(1), span.into()))
        });
        written.collect()
    }

    /// Where the values of a row lie among the training rows, in the order of the columns. A column that the table does not have counts as
    /// missing. `None` where the model does not know ([`EncodedColumn::context`]).
    ///
    /// # Errors
    /// When a column cannot be read.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn contexts(&self, table: &Table, row: usize) -> Result<Vec<Option<ValueContext>>, DataError> {
        let row = table.rows_at(&[row])?;
        let there: HashSet<&str> = row.columns().into_iter().collect();
        let context = |column: &EncodedColumn| match there.contains(column.name.as_str()) {
            true => column.context_in(&row),
            false => Ok(column.context(ReadValue::Missing)),
        };
        self.columns.iter().map(context).collect()
    }
}

impl Encoder {
    /// The columns.
    pub fn columns(&self) -> &[EncodedColumn] {
        &self.columns
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        self.columns.iter().map(EncodedColumn::width).sum()
    }

    /// The range of features that each column becomes.
    pub fn spans(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        let span = |column: &EncodedColumn| {
            let start = end;
            end += column.width();
            start..end
        };
        self.columns.iter().map(span).collect()
    }

    /// A name for each feature, such as `city = Rome`.
    pub fn feature_names(&self) -> Vec<String> {
        self.columns.iter().flat_map(EncodedColumn::feature_names).collect()
    }

    /// Checks an encoder that was read from a file.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        if let Some(column) = self.columns.iter().find(|column| !seen.insert(&column.name)) {
            return Err(format!("column `{}` is listed twice", column.name));
        }
        match self.columns.iter().find(|column| !column.is_sound()) {
            Some(column) => Err(format!("the encoding of column `{}` is invalid", column.name)),
            None if self.columns.is_empty() => Err("it has no columns".into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "tables")]
mod tests;
