//! What can be wrong with data.

use std::path::PathBuf;

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
    /// A feature in memory is NaN or infinite.
    #[error("row {row}, feature column {column} holds {value}: every feature must be a finite number")]
    NotFinite {
        /// The row.
        row: usize,
        /// The feature column.
        column: usize,
        /// What stands there.
        value: f32,
    },
    /// There are more or fewer labels than rows.
    #[error("{rows} rows of features but {labels} labels")]
    LabelCount {
        /// Rows of features.
        rows: usize,
        /// Labels.
        labels: usize,
    },
    /// There is nothing to work on.
    #[error("{rows} rows of {columns} features: at least one row and one feature are needed")]
    Empty {
        /// Rows.
        rows: usize,
        /// Feature columns.
        columns: usize,
    },
    /// No row is labelled an anomaly.
    #[error("no row is labelled an anomaly: at least one is needed")]
    NoAnomalies,
    /// A label count above what the training side has.
    #[error("{count} labelled anomalies asked for, but the training rows hold only {anomalies}: lower the label count")]
    TooFewAnomalies {
        /// Labels asked for.
        count: usize,
        /// Anomalies there are.
        anomalies: usize,
    },
    /// A class has too few rows to stand on both sides of a split.
    #[error("{anomalies} anomalies and {others} other rows: a split needs at least two of each")]
    TooFewToSplit {
        /// Anomalies.
        anomalies: usize,
        /// Other rows.
        others: usize,
    },
    /// Rows that are equal must stay together, which leaves a side without one of the classes.
    #[error(
        "too many equal rows: kept together, they leave one side of the split without anomalies or without normal rows"
    )]
    EqualRowsPreventSplit,
    /// A label ratio that is no share.
    #[error("label ratio {ratio}: must be above 0 and at most 1")]
    BadRatio {
        /// The ratio.
        ratio: f64,
    },
    /// A noise with a level it cannot have.
    #[error("level {level} of {noise}: must be {must}")]
    NoiseLevel {
        /// The noise.
        noise: &'static str,
        /// The level.
        level: f64,
        /// What it has to be.
        must: &'static str,
    },
    /// A name that no noise has.
    #[error("unknown noise `{name}`: use one of {} or {}", crate::noise::Noise::NAMES.join(", "), crate::noise::Noise::NORMAL_CLEAN)]
    UnknownNoise {
        /// The name.
        name: String,
    },
    /// A name that no kind of synthetic anomalies has.
    #[error("unknown synthetic anomalies `{name}`: use {}", crate::synthetic::Synthetic::ALL.map(|kind| kind.name()).join(", "))]
    UnknownSynthetic {
        /// The name.
        name: String,
    },
    /// Too few normal rows for synthetic ones like them.
    #[error("{normals} normal rows: synthetic rows are made after at least two; leave the set out")]
    TooFewToImitate {
        /// Normal rows.
        normals: usize,
    },
    /// No model for synthetic rows can be fitted to the normal ones.
    #[error(
        "no synthetic rows can be made after the normal ones: drop columns that follow from others, or leave the set out"
    )]
    TooCloseToImitate,
    /// A label count of 0.
    #[error("label count 0: at least one labelled anomaly is needed")]
    BadCount,
    /// No protocol has this name.
    #[error("unknown protocol `{name}`: use adbench or clean")]
    UnknownProtocol {
        /// The name given.
        name: String,
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
    /// An error in a named data set.
    #[error("data set `{name}`: {source}")]
    InDataset {
        /// The data set.
        name: String,
        /// What is wrong with it.
        source: Box<DataError>,
    },
}

impl DataError {
    /// Says which data set the error is about.
    pub fn in_dataset(self, name: &str) -> Self {
        DataError::InDataset { name: name.into(), source: Box::new(self) }
    }
}
