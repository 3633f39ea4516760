//! Files as typed tables, and tables as samples.

mod arrow;
mod batch;
mod blocks;
mod builder;
mod columns;
mod csv;
mod guard;
mod ipc;
mod labels;
mod memory;
mod npz;
mod options;
mod parquet;
mod search;
mod times;
mod values;
mod write;
mod written;

pub use arrow::{ArrowArrayStream, ArrowStream};
pub use blocks::Blocks;
pub use builder::{MemoryColumn, TableBuilder, TickUnit};
pub use csv::Delimiter;
pub use guard::is_reading;
pub use labels::{LabelColumn, LabelValue, Labels};
pub use options::{ReadOptions, WantedColumns};
pub use search::TextSearch;
pub use values::CellValue;
pub use write::{TableWriter, Values};

pub use crate::names::shortened;
pub(crate) use columns::{TextColumn, numbers, truths, whole_numbers};
pub(crate) use times::times;
pub(crate) use written::WrittenNumbers;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use polars_arrow::datatypes::ArrowDataType;

use self::batch::{ArrayRef, Batch};
use self::blocks::BlockSize;
use self::columns::{ShownColumn, refuse_unsupported, type_name};
use crate::DataError;
use crate::encode::{Cells, truth};
use anoonly_core::{Samples, did_you_mean};

/// A table of typed, named columns, and the file it came from.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    batch: Batch,
    /// The number of rows of the file before these, for one block of several.
    before: usize,
    origin: TableOrigin,
}

/// What is known about the file of a table, besides its rows.
#[derive(Clone, Debug)]
struct TableOrigin {
    /// The names of all its columns, also of those that were not read.
    columns: Arc<[String]>,
    /// What separates the fields of a text file. `None` for formats that have types and missing values of their own.
    delimiter: Option<u8>,
}

/// The file formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    GzippedCsv,
    Parquet,
    Ipc,
    Npz,
}

impl Format {
    /// The format, from the ending of the file name.
    fn of(path: &Path) -> Result<Self, DataError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending {
            "csv" | "tsv" => Ok(Format::Csv),
            "gz" if name.ends_with(".csv.gz") => Ok(Format::GzippedCsv),
            "parquet" => Ok(Format::Parquet),
            "arrow" | "feather" | "ipc" => Ok(Format::Ipc),
            "npz" => Ok(Format::Npz),
            _ => Err(DataError::UnknownFormat { path: path.into() }),
        }
    }
}

impl Table {
    /// Reads a file whose format follows from the ending of its name: `.csv`, `.tsv` or `.csv.gz` with a header line, `.parquet`,
    /// Arrow's IPC file format (`.arrow`, `.feather`, `.ipc`) or `.npz`. The columns of a CSV file are text; labels and features
    /// parse them.
    ///
    /// An npz file holds a matrix `X` of shape `[rows, columns]`, and may hold a vector `y` with one label a row, of any float or
    /// integer type. Its columns are named `x0`, `x1`, … and `y`.
    ///
    /// # Errors
    /// When the file cannot be read, does not fit its format, or exceeds the [limit of memory](ReadOptions::MEMORY_LIMIT).
    pub fn read(path: &Path) -> Result<Self, DataError> {
        Self::read_with(path, &ReadOptions::default())
    }

    /// Reads a file as [`read`](Self::read) does, with options.
    ///
    /// # Errors
    /// When the file cannot be read, does not fit its format, or exceeds the limit of memory.
    pub fn read_with(path: &Path, options: &ReadOptions) -> Result<Self, DataError> {
        Blocks::open(path, options, BlockSize::Whole)?.whole()
    }

    /// Reads all of a CSV text, for example from standard input; `name` stands for the file in errors.
    ///
    /// # Errors
    /// When the text cannot be read or is not a table.
    pub fn read_csv(name: &Path, source: impl std::io::Read + Send + 'static) -> Result<Self, DataError> {
        Self::read_csv_with(name, source, &ReadOptions::default())
    }

    /// Reads all of a CSV text as [`read_csv`](Self::read_csv) does, with options.
    ///
    /// # Errors
    /// When the text cannot be read, is not a table, or exceeds the limit of memory.
    pub fn read_csv_with(
        name: &Path,
        source: impl std::io::Read + Send + 'static,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        Blocks::of_csv(name, source, options, BlockSize::Whole)?.whole()
    }

    /// Reads an npz file that is held in memory; `name` stands for the file in errors.
    ///
    /// # Errors
    /// When the bytes are not an npz file as [`read`](Self::read) expects it.
    pub fn from_npz(name: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        let (batch, columns) = npz::read(name, std::io::Cursor::new(bytes), &ReadOptions::default())?;
        Self::checked(name, batch, TableOrigin { columns, delimiter: None })
    }

    /// Refuses a table without rows, and columns of an unsupported type.
    fn checked(path: &Path, batch: Batch, origin: TableOrigin) -> Result<Self, DataError> {
        let types = batch.columns().iter().map(|column| column.dtype());
        refuse_unsupported(path, batch.names().iter().map(String::as_str).zip(types))?;
        if batch.rows() == 0 {
            return Err(DataError::NoRows { path: path.into() });
        }
        Ok(Self { path: path.into(), batch, before: 0, origin })
    }

    /// Whether [`read`](Self::read) knows the ending of the file name.
    pub fn can_read(path: &Path) -> bool {
        Format::of(path).is_ok()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.batch.rows()
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<&str> {
        self.batch.names().iter().map(String::as_str).collect()
    }

    /// The names of all columns of the file, also of those that were not read.
    pub fn file_columns(&self) -> &[String] {
        &self.origin.columns
    }

    /// The element type of each column: `text`, or for example `f64` or `datetime[ms]`.
    pub fn types(&self) -> Vec<String> {
        let name = |column: &ArrayRef| match column.dtype() {
            // A text file has texts, however they are stored.
            ArrowDataType::Dictionary(..) if self.origin.delimiter.is_some() => "text".into(),
            dtype => type_name(dtype),
        };
        self.batch.columns().iter().map(name).collect()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place of a column among the columns.
    ///
    /// # Errors
    /// When the column does not exist.
    pub fn place(&self, name: &str) -> Result<usize, DataError> {
        self.batch.place(name).ok_or_else(|| DataError::NoColumn {
            path: self.path.clone(),
            column: name.into(),
            hint: did_you_mean(name, self.origin.columns.iter().map(String::as_str)),
        })
    }

    /// Some of the rows, without copies.
    pub(crate) fn slice(&self, start: usize, rows: usize) -> Self {
        let (path, origin) = (self.path.clone(), self.origin.clone());
        Self { path, batch: self.batch.slice(start, rows), before: self.before + start, origin }
    }

    /// The columns for other libraries: those of a text file are texts.
    fn plain_batch(&self) -> Cow<'_, Batch> {
        match self.origin.delimiter {
            Some(_) => Cow::Owned(self.batch.with_texts()),
            None => Cow::Borrowed(&self.batch),
        }
    }

    /// The typed values of a column.
    pub(crate) fn cells(&self, name: &str) -> Result<Cells, DataError> {
        let column = self.batch.columns()[self.place(name)?].as_ref();
        // In a text file, words such as `NA` stand for missing values.
        Ok(Cells::of(column, self.origin.delimiter.is_some()))
    }

    /// Whether the commas of the file can be decimal marks: in a text file whose delimiter is a semicolon or a tab.
    pub(crate) fn comma_is_free(&self) -> bool {
        matches!(self.origin.delimiter, Some(b';' | b'\t'))
    }

    /// The number of a row in its file, counted from 1.
    pub(crate) fn row(&self, row: usize) -> usize {
        self.before + row + 1
    }

    /// Takes the labels from one column and `f32` features from all others. A missing label is
    /// [`Label::Unlabelled`](anoonly_core::Label::Unlabelled).
    ///
    /// # Errors
    /// Names the first cell that is not a label, not a number, missing, NaN, infinite or too large for `f32`.
    pub fn samples(&self, label: &LabelColumn) -> Result<Samples, DataError> {
        let Labels { column: label_name, labels, .. } = self.labels(label)?;
        let names: Vec<&str> = self.columns().into_iter().filter(|column| *column != label_name).collect();
        let mut features = Array2::zeros((self.rows(), names.len()));
        for (mut target, name) in features.columns_mut().into_iter().zip(names) {
            let values = self.numbers(name)?;
            target.iter_mut().zip(values).for_each(|(target, value)| *target = value);
        }
        Samples::new(features, labels).map_err(|error| self.malformed(error))
    }

    /// The values of a column as finite `f32`.
    fn numbers(&self, name: &str) -> Result<Vec<f32>, DataError> {
        let wide = self.wide_numbers(name)?;
        let mut range = (f64::INFINITY, f64::NEG_INFINITY);
        let mut rounding = 0.0f64;
        let narrow = |(row, value): (usize, Option<f64>)| match value {
            Some(value) if (value as f32).is_finite() => {
                range = (range.0.min(value), range.1.max(value));
                rounding = rounding.max((f64::from(value as f32) - value).abs());
                Ok(value as f32)
            }
            other => Err(DataError::NotFiniteCell {
                path: self.path.clone(),
                column: name.into(),
                row: self.row(row),
                value: match other {
                    None => "the value is missing".into(),
                    Some(value) if value.is_finite() => format!("{value:e} is too large for a 32-bit float"),
                    Some(value) => format!("the value is {value}"),
                },
            }),
        };
        let values = wide.into_iter().enumerate().map(narrow).collect::<Result<_, _>>()?;
        if rounding > COARSEST * (range.1 - range.0) {
            return Err(DataError::TooCoarse {
                path: self.path.clone(),
                column: name.into(),
                low: range.0,
                high: range.1,
            });
        }
        Ok(values)
    }

    /// The values of a column as `f64`, truth values as 0 and 1. Text is parsed as numbers or truth values.
    fn wide_numbers(&self, name: &str) -> Result<Vec<Option<f64>>, DataError> {
        let not_numeric = |row: usize, value: &str| DataError::NotNumeric {
            path: self.path.clone(),
            column: name.into(),
            row: self.row(row),
            value: value.into(),
        };
        // A word for a missing value is no number.
        let cells = self.cells(name)?.with_texts();
        match cells {
            Cells::Numbers(_) | Cells::Written(_) | Cells::Truths(_) | Cells::Missing(_) => {
                Ok(cells.floats().unwrap_or_default())
            }
            Cells::Dates(_) => {
                let column = ShownColumn::of(self.batch.columns()[self.place(name)?].as_ref());
                Err(not_numeric(0, &column.display(0).unwrap_or("null".into())))
            }
            Cells::Text(texts) => {
                let parse = |(row, text): (usize, Option<&str>)| {
                    let parsed = text.map(|text| {
                        text.trim().parse().ok().or_else(|| truth(text)).ok_or_else(|| not_numeric(row, text))
                    });
                    parsed.transpose()
                };
                texts.iter().enumerate().map(parse).collect()
            }
        }
    }

    fn malformed(&self, error: impl std::fmt::Display) -> DataError {
        malformed(&self.path, error)
    }
}

/// A column is refused when rounding to `f32` moves a value by more than this share of the column's range.
const COARSEST: f64 = 1e-3;

fn open(path: &Path) -> Result<File, DataError> {
    let failed = |source| DataError::Io { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    // A folder can be opened like a file; only reading from it fails.
    match file.metadata().map_err(failed)?.is_dir() {
        true => Err(failed(std::io::ErrorKind::IsADirectory.into())),
        false => Ok(file),
    }
}

/// Named columns of `rows` values each as a batch.
fn batch(path: &Path, rows: usize, columns: Vec<(String, ArrayRef)>) -> Result<Batch, DataError> {
    refuse_duplicates(path, columns.iter().map(|(name, _)| name.as_str()))?;
    Batch::new(rows, columns).map_err(|reason| malformed(path, reason))
}

fn refuse_duplicates<'a>(path: &Path, mut names: impl Iterator<Item = &'a str>) -> Result<(), DataError> {
    let mut seen = HashSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(name) => Err(DataError::DuplicateColumn { path: path.into(), column: name.into() }),
        None => Ok(()),
    }
}

fn malformed(path: &Path, error: impl std::fmt::Display) -> DataError {
    DataError::Malformed { path: path.into(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
