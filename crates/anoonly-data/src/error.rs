//! Errors of files, tables and labels.

use std::fmt;
use std::path::PathBuf;

use anoonly_core::{CoreError, excerpt};

/// What is wrong with a file, a table, its labels or the catalogue.
///
/// Rows and columns are counted from 1; the header of a CSV file is not a row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file does not have the format that its name says.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reader's message.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The ending of a file name belongs to no format.
    #[error("{}: unknown file format: the name must end in .csv, .tsv, .csv.gz, .parquet, .arrow, .feather, .ipc or .npz", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The name of a file cannot be the name of a data set.
    #[error("{}: the file name is not valid Unicode; rename the file", path.display())]
    NotUnicode {
        /// The file.
        path: PathBuf,
    },
    /// A table has no rows.
    #[error("{}: the table has no rows", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A column has no name.
    #[error("{}: column {number} has no name; give it one", path.display())]
    NamelessColumn {
        /// The file.
        path: PathBuf,
        /// The number of the column.
        number: usize,
    },
    /// Two columns have the same name.
    #[error("{}: two columns are named `{column}`; rename or remove one of them", path.display(), column = excerpt(column))]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// A column has a type from which no features can be made.
    #[error("{}: column `{column}` has the unsupported type {found}; convert it to numbers or text, or remove it", path.display(), column = excerpt(column))]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A Parquet file is compressed by a method that is not supported.
    #[error("{}: {compression} compression is not supported; write the file with zstd, snappy, gzip, lz4 or no compression", path.display())]
    UnsupportedCompression {
        /// The file.
        path: PathBuf,
        /// The compression method.
        compression: &'static str,
    },
    /// The name of a column in a CSV file is not UTF-8.
    #[error("{}: the name of column {number} is not UTF-8; save the file in that encoding", path.display())]
    NameNotUtf8 {
        /// The file.
        path: PathBuf,
        /// The number of the column.
        number: usize,
    },
    /// A value in a CSV file is not UTF-8.
    #[error("{}: column `{column}`, row {row}: the value is not UTF-8; save the file in that encoding", path.display(), column = excerpt(column))]
    ValueNotUtf8 {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row.
        row: usize,
    },
    /// A row of a CSV file has more or fewer fields than the header.
    #[error(
        "{}: row {row} (line {line}) has {fields} field{}, but the header has {expected}",
        path.display(),
        if *fields == 1 { "" } else { "s" }
    )]
    UnequalRow {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// The line of the file on which the row starts.
        line: u64,
        /// The number of fields in the row.
        fields: u64,
        /// The number of fields in the header.
        expected: u64,
    },
    /// A quotation mark in a CSV file is out of place.
    #[error("{}: {}, column {column}: {fault}", path.display(), row_and_line(*row, *line), column = excerpt(column))]
    MisplacedQuote {
        /// The file.
        path: PathBuf,
        /// The row; 0 for the header.
        row: usize,
        /// The line of the file with the quotation mark that opens the value.
        line: u64,
        /// The column, or its number where it has no name.
        column: String,
        /// What is wrong with it.
        fault: QuoteFault,
    },
    /// A row of a CSV file, or its header, is too long to be one.
    #[error("{}: {} is longer than {}, as no row of a table is", path.display(), row_and_line(*row, *line), size(*limit))]
    LongRow {
        /// The file.
        path: PathBuf,
        /// The row; 0 for the header.
        row: usize,
        /// The line of the file on which the row starts.
        line: u64,
        /// The greatest length in bytes.
        limit: u64,
    },
    /// The cells of a table take more memory than they may.
    #[error("{}: the table takes more than {} of memory, which is the limit; raise it, or read fewer rows or columns", path.display(), size(*limit))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A column holds times of a zone that is not known.
    #[error("{}: column `{column}`: unknown time zone `{zone}`; use a name such as America/New_York, an offset such as +01:00, or no zone", path.display(), column = excerpt(column))]
    UnknownZone {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The name of the zone.
        zone: String,
    },
    /// The table has no label column.
    #[error("{}: no label column {wanted} (columns: {found})", path.display())]
    NoLabelColumn {
        /// The file.
        path: PathBuf,
        /// The name or names that the column may have.
        wanted: String,
        /// The columns of the table.
        found: String,
    },
    /// Two columns could be the label column.
    #[error("{}: both `{first}` and `{second}` could hold the labels; rename or remove one of them", path.display(), first = excerpt(first), second = excerpt(second))]
    AmbiguousLabelColumn {
        /// The file.
        path: PathBuf,
        /// A candidate.
        first: String,
        /// Another one.
        second: String,
    },
    /// A value of the label column is not a label.
    #[error("{}: column `{column}`, row {row}: `{value}` is neither an anomaly nor a normal label; the column holds {}; use 1 for an anomaly and 0 for a normal row", path.display(), ValueCount::list(found), column = excerpt(column), value = excerpt(value))]
    BadLabel {
        /// The file.
        path: PathBuf,
        /// The label column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
        /// Every distinct value of the column that does not leave a row unlabelled, the most frequent first.
        found: Vec<ValueCount>,
    },
    /// No row holds the value that marks anomalies.
    #[error("{}: column `{column}`: no row holds `{anomaly}`, the value that marks anomalies; the column holds {}", path.display(), ValueCount::list(found), column = excerpt(column), anomaly = excerpt(anomaly))]
    NoSuchAnomaly {
        /// The file.
        path: PathBuf,
        /// The label column.
        column: String,
        /// The value that marks anomalies.
        anomaly: String,
        /// Every distinct value of the column that does not leave a row unlabelled, the most frequent first.
        found: Vec<ValueCount>,
    },
    /// A column that was named does not exist.
    #[error("{}: no column `{column}`{hint}", path.display(), column = excerpt(column))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
        /// Similar names, as the end of the sentence.
        hint: String,
    },
    /// A column holds mostly numbers or mostly dates, but also other text.
    #[error("{}: column `{column}`, row {row}: `{value}` is not a {kind}, but most values of the column are; correct such values", path.display(), column = excerpt(column), value = excerpt(value))]
    Mixed {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
        /// The kind of most values.
        kind: &'static str,
    },
    /// A number is written with a decimal comma or with marks between groups of digits, in a file that uses the comma otherwise.
    #[error("{}: column `{column}`, row {row}: `{}` may be a number with a decimal comma or with marks between the thousands; write such numbers as 1234.56, or separate the fields of the file with semicolons and write 1234,56", path.display(), excerpt(value), column = excerpt(column))]
    OtherDecimals {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
    },
    /// The order of day, month and year does not follow from the dates of a column.
    #[error("{}: column `{column}`, row {row}: the order of day and month in `{}` does not follow from the dates of the column; write dates as 2026-03-31, the year first", path.display(), excerpt(value), column = excerpt(column))]
    AmbiguousDate {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
    },
    /// A value looks like a date, but in no form that is read.
    #[error("{}: column `{column}`, row {row}: `{value}` looks like a date, but is not one of a known form; write dates as 2026-03-31 and times as 2026-03-31 10:00:00", path.display(), column = excerpt(column), value = excerpt(value))]
    UnknownDate {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
    },
    /// A column has more categories than a model keeps.
    #[error("{}: column `{column}` has {categories} different values, more than the {most} categories or 16 MiB of text that a model keeps of a column; join its values into fewer", path.display(), column = excerpt(column))]
    TooManyCategories {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The number of its different values.
        categories: usize,
        /// The largest number that a model keeps.
        most: usize,
    },
    /// Many rows lie outside of what the training rows held.
    #[error("{}: column `{column}`: of {rows} rows, {summary}; scores of such rows mean little: check that the table is like the training table, or train again with newer rows or without the column", path.display(), column = excerpt(column))]
    UnlikeTraining {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The number of rows of the table.
        rows: usize,
        /// The values, by how they differ.
        summary: String,
    },
    /// A value is not of the kind that the column had during training.
    #[error("{}: column `{column}`, row {row}: `{value}` is not a {kind}, as the column held in training; correct it", path.display(), column = excerpt(column), value = excerpt(value))]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
        /// The kind of the column.
        kind: &'static str,
    },
    /// A category that occurred in no training row, in a one-hot column (at most 16 categories). In a column with more categories, a new
    /// one counts as a category that no training row has.
    #[error("{}: column `{column}`, row {row}: the category `{value}` did not occur in training; correct it", path.display(), column = excerpt(column), value = excerpt(value))]
    NewCategory {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
    },
    /// Columns that the detector was fitted on do not exist.
    #[error("{}: no column {missing}, which the detector was fitted on; add it", path.display())]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// Their names.
        missing: String,
    },
    /// No column is left to fit a detector on.
    #[error("{}: no column to learn from: every column is constant, empty, dropped, an identifier, a time or counter that goes on, or the label", path.display())]
    NothingToLearnFrom {
        /// The file.
        path: PathBuf,
    },
    /// A feature column holds something other than numbers.
    #[error("{}: column `{column}`, row {row}: `{value}` is not a number; encode or remove the column", path.display(), column = excerpt(column), value = excerpt(value))]
    NotNumeric {
        /// The file.
        path: PathBuf,
        /// The feature column.
        column: String,
        /// The first such row.
        row: usize,
        /// The value.
        value: String,
    },
    /// A feature is missing, NaN, infinite or outside of the range of `f32`.
    #[error("{}: column `{column}`, row {row}: {value}; fill in or remove such rows first", path.display(), column = excerpt(column), value = excerpt(value))]
    NotFiniteCell {
        /// The file.
        path: PathBuf,
        /// The feature column.
        column: String,
        /// The first such row.
        row: usize,
        /// What is wrong with the value.
        value: String,
    },
    /// A feature whose values differ too little for their size.
    #[error("{}: column `{column}`: its values, {low} to {high}, are too close together for 32-bit floats; subtract {low} from them", path.display(), column = excerpt(column))]
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
    /// A row of a benchmark data set has no label.
    #[error("{}: row {row} has no label; a benchmark needs the true label of every row", path.display())]
    NoTruth {
        /// The file.
        path: PathBuf,
        /// The first such row.
        row: usize,
    },
    /// No data set matches a name or pattern.
    #[error("no data set matches `{pattern}` in {place}{hint}", pattern = excerpt(pattern))]
    UnknownDataset {
        /// The name or pattern.
        pattern: String,
        /// Where it was looked for.
        place: String,
        /// Similar names, as the end of the sentence.
        hint: String,
    },
    /// A folder holds no data set.
    #[error("{}: no .npz, .csv, .parquet or Arrow file in this folder or below it", path.display())]
    NoDatasets {
        /// The folder.
        path: PathBuf,
    },
    /// Two files have the same name.
    #[error("{} and {} are both data set `{name}`; rename one of them", first.display(), second.display(), name = excerpt(name))]
    SameName {
        /// The name.
        name: String,
        /// A file.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
    },
    /// The samples of a table are not valid.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// What is wrong with a quotation mark in a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteFault {
    /// It opens a value and is never closed.
    NeverClosed,
    /// Text follows the quotation mark that closes the value.
    TextAfter,
    /// It is closed on a later line, but each of the lines looks like a row of its own.
    SpansRows {
        /// The number of lines.
        lines: u64,
    },
}

impl fmt::Display for QuoteFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuoteFault::NeverClosed => write!(formatter, "a quotation mark is opened and never closed")?,
            QuoteFault::TextAfter => write!(formatter, "text follows a closing quotation mark")?,
            QuoteFault::SpansRows { lines } => {
                write!(formatter, "a quotation mark joins {lines} lines that look like rows")?;
            }
        }
        write!(formatter, "; a value with a quotation mark in it is written as \"a \"\"b\"\" c\"")
    }
}

fn row_and_line(row: usize, line: u64) -> String {
    match row {
        0 => format!("the header (line {line})"),
        _ => format!("row {row} (line {line})"),
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len()).rev().find(|&power| bytes >> (10 * power) > 0).unwrap_or(0);
    let value = bytes as f64 / (1u64 << (10 * power)) as f64;
    format!("{} {}", (10.0 * value).round() / 10.0, units[power])
}

/// A value of a column, and the number of rows that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueCount {
    /// The value.
    pub value: String,
    /// The number of rows.
    pub rows: usize,
}

impl fmt::Display for ValueCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.rows == 1 { "row" } else { "rows" };
        write!(f, "`{}` ({} {rows})", excerpt(&self.value), self.rows)
    }
}

impl ValueCount {
    /// The values as a list; after ten of them, only their number follows.
    fn list(values: &[ValueCount]) -> String {
        let shown: Vec<String> = values.iter().take(10).map(ValueCount::to_string).collect();
        let more = if values.len() > 10 { format!(", … {} values in all", values.len()) } else { String::new() };
        shown.join(", ") + &more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (64 << 20, "64 MiB"), (3 << 29, "1.5 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
