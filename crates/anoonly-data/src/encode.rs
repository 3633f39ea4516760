//! Columns of any kind as numeric features.
//!
//! An [`Encoder`] is fitted on a table and then turns any table of the same columns into features: numbers as they are,
//! truth values as 0 and 1, categories one-hot or, where they are many, as how frequent they are, dates as places on the
//! circles of the year, the week and the day. A missing number becomes the median, with a column beside it that says so. The
//! encoder is plain serde data, so that a model file can hold it.

mod cells;
mod column;

use std::collections::HashSet;
use std::ops::Range;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::names::nearest;
use crate::table::Table;

pub(crate) use cells::{Cells, number, truth};
pub use cells::{Kind, is_missing};
pub use column::{DatePart, EncodedColumn, Encoding};

/// What the columns of a table are to a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderOptions {
    /// Columns that are no features: the label and identifiers.
    pub apart: Vec<String>,
    /// Columns to leave out.
    pub drop: Vec<String>,
    /// Columns whose values are categories even where they look like numbers, as postal codes do.
    pub categories: Vec<String>,
    /// The most categories that get a feature each; where there are more, a column becomes the frequency of its categories.
    pub one_hot: usize,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self { apart: Vec::new(), drop: Vec::new(), categories: Vec::new(), one_hot: 16 }
    }
}

/// How the columns of a table become features, as learned from one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    columns: Vec<EncodedColumn>,
}

/// A column that is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The column.
    pub column: String,
    /// Why.
    pub reason: String,
}

/// What an encoder does with what no training row held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is an error: a missing column, a value of another kind, a category that is new.
    Refuse,
    /// Missing columns and values of another kind count as missing, a new category as none of the known ones.
    Accept,
}

/// Features of a table, and what was done to get them.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Finite values, of shape `[rows, features]`.
    pub features: Array2<f32>,
    /// Values that were missing, or taken for missing, and were filled in.
    pub filled: usize,
}

impl Encoder {
    /// Learns from all rows of a table what its columns hold. Columns that are empty, constant or different in nearly every row,
    /// as names and numbers of customers are, are left out.
    ///
    /// # Errors
    /// When an option names a column that is not there, a column holds numbers and something else, or an infinite number, or
    /// when no column is left.
    pub fn fit(table: &Table, options: &EncoderOptions) -> Result<(Self, Vec<LeftOut>), DataError> {
        let names = table.columns();
        let there: HashSet<&str> = names.iter().copied().collect();
        for name in [&options.apart, &options.drop, &options.categories].into_iter().flatten() {
            if !there.contains(name.as_str()) {
                let hint = nearest(name, names.iter().copied());
                return Err(DataError::NoColumn { path: table.path().into(), column: name.clone(), hint });
            }
        }
        let apart: HashSet<&str> = options.apart.iter().map(String::as_str).collect();
        let dropped: HashSet<&str> = options.drop.iter().map(String::as_str).collect();
        let (mut columns, mut left_out) = (Vec::new(), Vec::new());
        for name in names.into_iter().filter(|name| !apart.contains(name)) {
            let fitted = match dropped.contains(name) {
                true => Err("it was asked for".to_owned()),
                false => EncodedColumn::fit(table, name, options)?,
            };
            match fitted {
                Ok(column) => columns.push(column),
                Err(reason) => left_out.push(LeftOut { column: name.into(), reason }),
            }
        }
        match columns.is_empty() {
            true => Err(DataError::NothingToLearnFrom { path: table.path().into() }),
            false => Ok((Self { columns }, left_out)),
        }
    }

    /// The columns of a table as features. Columns that the encoder was not fitted on are not looked at.
    ///
    /// # Errors
    /// When a number is infinite or too large, or when the table holds something unknown that is refused.
    pub fn encode(&self, table: &Table, unknown: Unknown) -> Result<Encoded, DataError> {
        let there: HashSet<&str> = table.columns().into_iter().collect();
        let missing: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let missing: Vec<String> = missing.into_iter().filter(|name| !there.contains(name.as_str())).collect();
        if unknown == Unknown::Refuse && !missing.is_empty() {
            let missing: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
            return Err(DataError::MissingColumns {
                path: table.path().into(),
                missing: crate::table::shortened(&missing),
            });
        }
        let mut features = Array2::zeros((table.rows(), self.width()));
        let mut filled = 0;
        for (column, span) in self.columns.iter().zip(self.spans()) {
            let cells = match there.contains(column.name.as_str()) {
                true => table.cells(&column.name)?,
                false => Cells::nothing(table.rows()),
            };
            let target = features.slice_axis_mut(Axis(1), span.into());
            filled += column.write(table, &cells, unknown, target)?;
        }
        Ok(Encoded { features, filled })
    }

    /// The columns.
    pub fn columns(&self) -> &[EncodedColumn] {
        &self.columns
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        self.columns.iter().map(EncodedColumn::width).sum()
    }

    /// The features of each column.
    pub fn spans(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        let span = |column: &EncodedColumn| {
            let start = end;
            end += column.width();
            start..end
        };
        self.columns.iter().map(span).collect()
    }

    /// A name for each feature, as `city = Rome`.
    pub fn feature_names(&self) -> Vec<String> {
        self.columns.iter().flat_map(EncodedColumn::feature_names).collect()
    }

    /// Checks an encoder that was read from a file.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        if let Some(column) = self.columns.iter().find(|column| !seen.insert(&column.name)) {
            return Err(format!("column `{}` stands in it twice", column.name));
        }
        match self.columns.iter().find(|column| !column.is_sound()) {
            Some(column) => Err(format!("the encoding of column `{}` cannot be", column.name)),
            None if self.columns.is_empty() => Err("no columns in it".into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
