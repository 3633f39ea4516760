//! What can be wrong with data.

use std::path::PathBuf;

use anoonly_core::CoreError;

/// What is wrong with a file, a table, its labels or a label budget.
///
/// Rows and feature columns are counted from 1, the header of a CSV file not counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file or folder cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file opens but is not what its ending says.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The ending of the file name is not one that is read.
    #[error("{}: cannot tell the format: the name must end in .csv, .tsv, .csv.gz, .parquet, .arrow, .feather, .ipc or .npz", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file has no column for the labels.
    #[error("{}: no column {wanted} with the labels (columns, between commas: {found})", path.display())]
    NoLabelColumn {
        /// The file.
        path: PathBuf,
        /// The name or names that would do.
        wanted: String,
        /// The columns it has.
        found: String,
    },
    /// A label is none of those the rule knows.
    #[error("{}: column `{column}`, row {row}: `{value}` is no label: write 1 for an anomaly, 0 for a normal row", path.display())]
    BadLabel {
        /// The file.
        path: PathBuf,
        /// The label column.
        column: String,
        /// The first row at fault.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// No row holds the value that marks anomalies.
    #[error("{}: no row of column `{column}` holds `{anomaly}`, which is to mark anomalies (values, between commas: {found})", path.display())]
    NoSuchAnomaly {
        /// The file.
        path: PathBuf,
        /// The label column.
        column: String,
        /// The value looked for.
        anomaly: String,
        /// The values there are.
        found: String,
    },
    /// A column that is asked for by name is not there.
    #[error("{}: no column `{column}`{hint}", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
        /// The nearest names, as the end of a sentence.
        hint: String,
    },
    /// A column holds numbers for the most part, but not only.
    #[error(
        "{}: column `{column}` holds numbers for the most part, but `{value}` in row {row}: mend such values, or take the column for categories (--category {column}) or leave it out (--drop {column})",
        path.display()
    )]
    Mixed {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first row at fault.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// A value is not of the kind that the column held when the detector was fitted.
    #[error("{}: column `{column}`, row {row}: `{value}` is no {kind}, which the column held in training; mend it, or take such values for missing (--lenient)", path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first row at fault.
        row: usize,
        /// What stands there.
        value: String,
        /// What it should be.
        kind: &'static str,
    },
    /// A category that no training row held.
    #[error("{}: column `{column}`, row {row}: no training row held the category `{value}`; mend it, or take such values for none of the known ones (--lenient)", path.display())]
    NewCategory {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first row at fault.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// A column that a detector was fitted on is not there.
    #[error("{}: no column {missing}, which the detector was fitted on; add it, or take its values for missing (--lenient)", path.display())]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// The names.
        missing: String,
    },
    /// No column is left from which a detector could learn.
    #[error("{}: no column is left to learn from: all are constant, empty, dropped, identifiers or the label", path.display())]
    NothingToLearnFrom {
        /// The file.
        path: PathBuf,
    },
    /// A feature column holds something other than numbers.
    #[error("{}: column `{column}`, row {row}: `{value}` is not a number; encode or drop the column", path.display())]
    NotNumeric {
        /// The file.
        path: PathBuf,
        /// The feature column.
        column: String,
        /// The first row at fault.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// A feature is missing, NaN, infinite or outside of what `f32` holds.
    #[error("{}: column `{column}`, row {row}: {value}; fill or drop such rows first", path.display())]
    NotFiniteCell {
        /// The file.
        path: PathBuf,
        /// The feature column.
        column: String,
        /// The first row at fault.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// A feature whose values differ by too little for their size.
    #[error("{}: column `{column}`: its values, {low} to {high}, are too close together for 32-bit floats; subtract {low} from them", path.display())]
    TooCoarse {
        /// The file.
        path: PathBuf,
        /// The feature column.
        column: String,
        /// Its lowest value.
        low: f64,
        /// Its highest value.
        high: f64,
    },
    /// A row of a benchmark set without its truth.
    #[error("{}: row {row} has no label: a bench needs the truth of every row", path.display())]
    NoTruth {
        /// The file.
        path: PathBuf,
        /// The first row at fault.
        row: usize,
    },
    /// No data set fits a name or pattern.
    #[error("no data set fits `{pattern}` in {place}{hint}")]
    UnknownDataset {
        /// The name or pattern given.
        pattern: String,
        /// Where it was looked for.
        place: String,
        /// The nearest names, as the end of a sentence.
        hint: String,
    },
    /// A folder holds no data set.
    #[error("{}: no .npz, .csv, .parquet or Arrow file in this folder or below it", path.display())]
    NoDatasets {
        /// The folder.
        path: PathBuf,
    },
    /// Two files of a folder have one name.
    #[error("{} and {} are both data set `{name}`: rename one of them", first.display(), second.display())]
    SameName {
        /// The name.
        name: String,
        /// A file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// What is wrong with the samples, once they are read.
    #[error(transparent)]
    Core(#[from] CoreError),
}
