//! Errors of rows of plain values.

use anoonly_core::excerpt;

use crate::encode::ColumnKind;
use crate::names::shortened;

/// What is wrong with a row of plain values.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// Columns that the encoder was fitted on are missing.
    #[error("no column {}, which the model was fitted on", list(missing))]
    MissingColumns {
        /// Their names.
        missing: Vec<String>,
    },
    /// A column was not in the training table.
    #[error("unknown column `{}`{hint}", excerpt(column))]
    UnknownColumn {
        /// Its name.
        column: String,
        /// Similar names, as the end of the sentence.
        hint: String,
    },
    /// A column is named twice.
    #[error("column `{}` is named twice", excerpt(column))]
    DuplicateColumn {
        /// Its name.
        column: String,
    },
    /// A row has another number of values than columns were named.
    #[error("{found} values for {expected} columns")]
    ValueCount {
        /// The number of columns.
        expected: usize,
        /// The number of values.
        found: usize,
    },
    /// The columns were matched with those of another model.
    #[error("the columns were matched with those of another model")]
    OtherColumns,
    /// A value is not of the kind that the column had during training.
    #[error("column `{}`: `{}` is not a {}, as the column held in training", excerpt(column), excerpt(value), kind.name())]
    OtherKind {
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// The kind of the column.
        kind: ColumnKind,
    },
    /// A category that occurred in no training row, in a one-hot column (at most 16 categories). In a column with more categories, a new
    /// one counts as a category that no training row has.
    #[error("column `{}`: the category `{}` did not occur in training", excerpt(column), excerpt(value))]
    NewCategory {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A number is infinite or too large, and the model is of format 1, which does not know the range of the training rows.
    #[error("column `{}`: {value:e} is not finite, or too large for a 32-bit float", excerpt(column))]
    NotFinite {
        /// The column.
        column: String,
        /// The value.
        value: f64,
    },
    /// What is wrong with one of several rows.
    #[error("row {row}: {error}")]
    InRow {
        /// The row, counted from 1.
        row: usize,
        /// What is wrong.
        error: Box<RowError>,
    },
}

fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    shortened(&names.iter().map(String::as_str).collect::<Vec<_>>())
}
