//! Errors of labelling sessions.

use std::fmt;
use std::io;
use std::path::PathBuf;

use anoonly_core::{CoreError, excerpt};
use anoonly_data::DataError;
use anoonly_train::{FitError, ScoreError};

use super::TableDifference;
use crate::PipelineError;

/// Why a session cannot be opened, answered or finished. Rows are counted from 1, as in their file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabellingError {
    /// The table, a setting of the detector or a fit is invalid.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A setting of the session is invalid.
    #[error("{setting}: {reason}")]
    Setting {
        /// The setting.
        setting: LabellingSetting,
        /// What is wrong with it.
        reason: String,
    },
    /// A row does not exist.
    #[error("no row {row}: the table has {rows} rows")]
    NoRow {
        /// The row.
        row: u64,
        /// The number of rows of the table.
        rows: usize,
    },
    /// A row is held out for the calibration, which is without choice.
    #[error(
        "row {row} is held out for the calibration of p-values, which would not hold if some of its rows were labelled"
    )]
    HeldOutRow {
        /// The row.
        row: u64,
    },
    /// No row has an identifier.
    #[error("no row has the identifier {}", shown(identifier))]
    UnknownIdentifier {
        /// The identifier, one value for each identifier column.
        identifier: Vec<String>,
    },
    /// Several rows have an identifier.
    #[error("rows {} have the identifier {}; name the row by its number", numbers(rows), shown(identifier))]
    AmbiguousIdentifier {
        /// The identifier, one value for each identifier column.
        identifier: Vec<String>,
        /// The rows.
        rows: Vec<u64>,
    },
    /// A condition does not fit the values of its column.
    #[error("column {}: a column of kind `{kind}` has no test `{test}`", excerpt(column))]
    UnfitCondition {
        /// The column.
        column: String,
        /// What its values are.
        kind: &'static str,
        /// The test.
        test: &'static str,
    },
    /// Another process writes to the journal.
    #[error("{}: another process uses this journal", path.display())]
    JournalInUse {
        /// The journal.
        path: PathBuf,
    },
    /// The journal cannot be read or written.
    #[error("{}: {source}", path.display())]
    JournalIo {
        /// The journal.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file to be resumed is empty.
    #[error("{}: the journal is empty", path.display())]
    EmptyJournal {
        /// The journal.
        path: PathBuf,
    },
    /// The file is no journal, or its first line is damaged.
    #[error("{}: not the journal of a labelling session: {reason}", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// What is wrong with its first line.
        reason: String,
    },
    /// The format of the journal is of a later version.
    #[error("{}: the journal has format {found}, and this version reads formats up to {known}", path.display())]
    JournalVersion {
        /// The journal.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The highest format that is read.
        known: u32,
    },
    /// A line of the journal is damaged.
    #[error("{}, line {line}: {reason}", path.display())]
    DamagedLine {
        /// The journal.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The journal is that of another table.
    #[error("{}: the journal was begun with {recorded}, and {} differs: {difference}", path.display(), table.display())]
    OtherTable {
        /// The journal.
        path: PathBuf,
        /// The file of the table at hand.
        table: PathBuf,
        /// The name of the file of the journal's table.
        recorded: String,
        /// How the two differ.
        difference: TableDifference,
    },
    /// The journal was begun with another setting, on which the session depends.
    #[error("{}: the journal was begun with another {setting}: {recorded}, not {given}", path.display())]
    OtherSetting {
        /// The journal.
        path: PathBuf,
        /// The setting.
        setting: LabellingSetting,
        /// Its value in the journal.
        recorded: String,
        /// The value at hand.
        given: String,
    },
}

/// A setting of a [`LabellingSetup`](super::LabellingSetup) or a [`Session`](super::Session).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LabellingSetting {
    /// The label column.
    Label,
    /// The column of notes.
    Notes,
    /// The detector: its method, strategy, seed, columns, identifiers and held-out share.
    Detector,
}

impl fmt::Display for LabellingSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LabellingSetting::Label => "label column",
            LabellingSetting::Notes => "column of notes",
            LabellingSetting::Detector => "detector",
        })
    }
}

impl From<DataError> for LabellingError {
    fn from(error: DataError) -> Self {
        PipelineError::from(error).into()
    }
}

impl From<CoreError> for LabellingError {
    fn from(error: CoreError) -> Self {
        PipelineError::from(error).into()
    }
}

impl From<FitError> for LabellingError {
    fn from(error: FitError) -> Self {
        PipelineError::from(error).into()
    }
}

impl From<ScoreError> for LabellingError {
    fn from(error: ScoreError) -> Self {
        PipelineError::from(error).into()
    }
}

/// An identifier for people.
fn shown(identifier: &[String]) -> String {
    identifier.iter().map(|value| format!("`{}`", excerpt(value))).collect::<Vec<_>>().join(", ")
}

/// Row numbers for people; after ten of them, only their number follows.
fn numbers(rows: &[u64]) -> String {
    let mut list = rows.iter().take(10).map(u64::to_string).collect::<Vec<_>>().join(", ");
    if rows.len() > 10 {
        list.push_str(&format!(", … {} in all", rows.len()));
    }
    list
}
