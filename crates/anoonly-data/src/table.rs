//! Files as typed tables, and tables as samples.

mod blocks;
mod csv;
mod guard;
mod labels;
mod memory;
mod npz;
mod write;

pub use blocks::Blocks;
pub use guard::is_reading;
pub use labels::{LabelColumn, Labels, ReadValue};
pub use write::{TableWriter, Values};

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use ndarray::Array2;
use polars::io::mmap::MmapBytesReader;
use polars::prelude::*;

use crate::DataError;
use crate::encode::{Cells, number, truth};
use anoonly_core::Samples;

/// A table of typed, named columns, and the file it came from.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    frame: DataFrame,
    /// Rows of the file before these, where they are one block of several.
    before: usize,
}

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    GzippedCsv,
    Parquet,
    Ipc,
    Npz,
}

impl Format {
    /// The format by the ending of the file name.
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
    /// Reads `.csv`, `.tsv` or `.csv.gz` (with a header line), `.parquet`, Arrow's IPC file format (`.arrow`, `.feather`, `.ipc`) or
    /// `.npz`, by the ending of the file name. The columns of a CSV file are text until something is made of them.
    ///
    /// An npz file holds a matrix `X` of shape `[rows, columns]` and a vector `y` of as many labels, of any float or
    /// integer type; its columns are then named `x0`, `x1`, … and `y`.
    ///
    /// # Errors
    /// When the file cannot be read or is not what its ending says.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let frame = match Format::of(path)? {
            Format::Csv => csv::CsvRows::new(path, open(path)?)?.next_rows(usize::MAX),
            Format::GzippedCsv => csv::CsvRows::new(path, MultiGzDecoder::new(open(path)?))?.next_rows(usize::MAX),
            Format::Parquet => guard::guarded(path, || {
                parquet_reader(path, open(path)?)?.finish().map_err(|error| malformed(path, error))
            }),
            Format::Ipc => guard::guarded(path, || read_ipc(path, open(path)?)),
            Format::Npz => npz::read(path),
        };
        Self::checked(path, frame?)
    }

    /// Reads all of a CSV text, as from standard input; `name` stands for the file in errors.
    ///
    /// # Errors
    /// When it cannot be read or is no table.
    pub fn read_csv(name: &Path, source: impl std::io::Read + Send + 'static) -> Result<Self, DataError> {
        Self::checked(name, csv::CsvRows::new(name, source)?.next_rows(usize::MAX)?)
    }

    /// Refuses a table without rows, and columns without a name.
    fn checked(path: &Path, frame: DataFrame) -> Result<Self, DataError> {
        let nameless = frame.columns().iter().position(|column| column.name().trim().is_empty());
        if let Some(column) = nameless {
            return Err(malformed(
                path,
                format!(
                    "column {} has no name: give it one, and leave it out (--drop) if it only counts the rows",
                    column + 1
                ),
            ));
        }
        if frame.height() == 0 {
            return Err(malformed(path, "no rows in it"));
        }
        Ok(Self { path: path.into(), frame, before: 0 })
    }

    /// Whether [`read`](Self::read) knows the ending of the file name.
    pub fn can_read(path: &Path) -> bool {
        Format::of(path).is_ok()
    }

    /// Reads a Parquet file that is held in memory; `path` is its name in errors.
    ///
    /// # Errors
    /// When the bytes are no Parquet file.
    pub fn from_parquet(path: &Path, bytes: &'static [u8]) -> Result<Self, DataError> {
        let reader = parquet_reader(path, Cursor::new(bytes))?;
        Self::checked(path, reader.finish().map_err(|error| malformed(path, error))?)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<&str> {
        self.frame.columns().iter().map(|column| column.name().as_str()).collect()
    }

    /// The element type of each column, as `f64`, or `text`.
    pub fn types(&self) -> Vec<String> {
        let told = |dtype: &DataType| match dtype {
            DataType::String => "text".to_owned(),
            dtype => dtype.to_string(),
        };
        self.frame.columns().iter().map(|column| told(column.dtype())).collect()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The typed values of a column.
    pub(crate) fn cells(&self, name: &str) -> Result<Cells, DataError> {
        self.frame.column(name).and_then(Cells::of).map_err(|error| self.malformed(error))
    }

    /// The number of a row in its file, counted from 1.
    pub(crate) fn row(&self, row: usize) -> usize {
        self.before + row + 1
    }

    /// Takes the labels from one column and `f32` features from all others. A missing label is
    /// [`Label::Unlabelled`](anoonly_core::Label::Unlabelled).
    ///
    /// # Errors
    /// Names the first cell that is no label, no number, missing, NaN, infinite or too large for `f32`.
    pub fn samples(&self, label: &LabelColumn) -> Result<Samples, DataError> {
        let Labels { column: label_name, labels, .. } = self.labels(label)?;
        let columns: Vec<&Column> = self.frame.columns().iter().filter(|column| *column.name() != label_name).collect();
        let mut features = Array2::zeros((self.rows(), columns.len()));
        for (mut target, column) in features.columns_mut().into_iter().zip(columns) {
            let values = self.numbers(column)?;
            target.iter_mut().zip(values).for_each(|(target, value)| *target = value);
        }
        Samples::new(features, labels).map_err(|error| self.malformed(error))
    }

    /// A column's values as finite `f32`.
    fn numbers(&self, column: &Column) -> Result<Vec<f32>, DataError> {
        let column_name = || column.name().to_string();
        let wide = self.wide_numbers(column)?;
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
                column: column_name(),
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
                column: column_name(),
                low: range.0,
                high: range.1,
            });
        }
        Ok(values)
    }

    /// A column's values as `f64`, truth values as 0 and 1; text is read as numbers where all of it can be.
    fn wide_numbers(&self, column: &Column) -> Result<Vec<Option<f64>>, DataError> {
        let cells = Cells::of(column).map_err(|error| self.malformed(error))?;
        let not_numeric = |row: usize, value: &str| DataError::NotNumeric {
            path: self.path.clone(),
            column: column.name().to_string(),
            row: self.row(row),
            value: value.into(),
        };
        match cells {
            Cells::Numbers(values) | Cells::Truths(values) => Ok(values),
            Cells::Dates(_) => Err(not_numeric(0, &plain_text(&column.get(0).unwrap_or(AnyValue::Null)))),
            Cells::Text(texts) => {
                let read = |(row, text): (usize, Option<&str>)| {
                    let read =
                        text.map(|text| number(text).or_else(|| truth(text)).ok_or_else(|| not_numeric(row, text)));
                    read.transpose()
                };
                texts.iter().enumerate().map(read).collect()
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
    // A folder opens like a file and then cannot be read.
    match file.metadata().map_err(failed)?.is_dir() {
        true => Err(failed(std::io::ErrorKind::IsADirectory.into())),
        false => Ok(file),
    }
}

/// A reader of a Parquet file whose columns hold one value a row.
fn parquet_reader<R: MmapBytesReader>(path: &Path, file: R) -> Result<ParquetReader<R>, DataError> {
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema().map_err(|error| malformed(path, error))?;
    refuse_nested(path, &schema)?;
    Ok(reader)
}

/// Reads a file of Arrow's IPC format whose columns hold one value a row.
fn read_ipc(path: &Path, file: File) -> Result<DataFrame, DataError> {
    let mut reader = IpcReader::new(file);
    let schema = reader.schema().map_err(|error| malformed(path, error))?;
    refuse_nested(path, &schema)?;
    reader.finish().map_err(|error| malformed(path, error))
}

/// Refuses a file with a column of a type that holds more than one value a row, or that nothing here can read.
fn refuse_nested(path: &Path, schema: &ArrowSchema) -> Result<(), DataError> {
    use ArrowDataType as T;
    let readable = |dtype: &T| match dtype {
        T::Null | T::Boolean | T::Float32 | T::Float64 | T::Utf8 | T::LargeUtf8 | T::Utf8View => true,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => true,
        T::Date32 | T::Date64 | T::Timestamp(..) | T::Decimal(..) => true,
        T::Dictionary(_, values, _) => matches!(**values, T::Utf8 | T::LargeUtf8 | T::Utf8View),
        _ => false,
    };
    match schema.iter().find(|(_, field)| !readable(field.dtype())) {
        Some((name, field)) => {
            let reason = format!("column `{name}` has type {:?}: turn it into numbers or drop it", field.dtype());
            Err(malformed(path, reason))
        }
        None => Ok(()),
    }
}

fn malformed(path: &Path, error: impl std::fmt::Display) -> DataError {
    // Only the first line: polars adds advice on its own options below it.
    let reason = error.to_string().lines().next().unwrap_or_default().to_owned();
    DataError::Malformed { path: path.into(), reason }
}

/// A value as it stands in the file, text without quotes.
fn plain_text(value: &AnyValue<'_>) -> String {
    value.str_value().into_owned()
}

/// The names as a list, cut after ten.
pub fn shortened(names: &[&str]) -> String {
    let mut list = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 10 {
        list.push_str(&format!(", … {} in all", names.len()));
    }
    list
}

#[cfg(test)]
mod tests;
