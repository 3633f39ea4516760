//! Files as typed tables, and tables as samples.

mod npz;

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use polars::prelude::*;

use crate::{DataError, Label, Samples};

/// A table of typed, named columns, and the file it came from.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    frame: DataFrame,
}

/// Which column holds the labels, and how its values are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelColumn {
    /// The first of these columns that is there holds 1 or true for an anomaly and 0 or false for a normal row.
    ZeroOne(Vec<String>),
    /// The column holds a class; rows of one class are the anomalies.
    Class {
        /// The column.
        column: String,
        /// The class that is the anomaly, as text.
        anomaly: String,
    },
}

impl LabelColumn {
    /// The label column of benchmark files: `label`, or `y` as in ADBench's npz files.
    pub fn benchmark() -> Self {
        LabelColumn::ZeroOne(vec!["label".into(), "y".into()])
    }
}

impl Table {
    /// Reads `.npz`, `.csv` (with a header line) or `.parquet`, by the ending of the file name.
    ///
    /// An npz file holds a matrix `X` of shape `[rows, columns]` and a vector `y` of as many labels, of any float or
    /// integer type; its columns are then named `x0`, `x1`, … and `y`.
    ///
    /// # Errors
    /// When the file cannot be read or is not what its ending says.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let open = || File::open(path).map_err(|source| DataError::Io { path: path.into(), source });
        let malformed = |error: PolarsError| malformed(path, error);
        let frame = match extension(path).as_deref() {
            Some("npz") => npz::read(path)?,
            Some("csv") => {
                let options = CsvReadOptions::default().with_has_header(true).with_infer_schema_length(None);
                options.into_reader_with_file_handle(open()?).finish().map_err(malformed)?
            }
            Some("parquet") => read_parquet(path, open()?)?,
            _ => return Err(DataError::UnknownFormat { path: path.into() }),
        };
        Self::checked(path, frame)
    }

    /// Refuses a table without rows and columns that cannot be told apart by their names.
    fn checked(path: &Path, frame: DataFrame) -> Result<Self, DataError> {
        let names: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
        // polars renames the second of two columns of one name so.
        let twice =
            names.iter().filter_map(|name| name.rsplit_once("_duplicated_")).find(|(first, _)| names.contains(first));
        if let Some((name, _)) = twice {
            return Err(malformed(path, format!("two columns are named `{name}`: rename or drop one of them")));
        }
        if let Some(column) = names.iter().position(|name| name.trim().is_empty()) {
            return Err(malformed(
                path,
                format!("column {} has no name: name it, or drop it if it is an index", column + 1),
            ));
        }
        if frame.height() == 0 {
            return Err(malformed(path, "no rows in it"));
        }
        Ok(Self { path: path.into(), frame })
    }

    /// Whether [`read`](Self::read) knows the ending of the file name.
    pub fn can_read(path: &Path) -> bool {
        matches!(extension(path).as_deref(), Some("npz" | "csv" | "parquet"))
    }

    /// Reads a Parquet file that is held in memory; `path` is its name in errors.
    ///
    /// # Errors
    /// When the bytes are no Parquet file.
    pub fn from_parquet(path: &Path, bytes: &'static [u8]) -> Result<Self, DataError> {
        Self::checked(path, read_parquet(path, Cursor::new(bytes))?)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<&str> {
        self.frame.columns().iter().map(|column| column.name().as_str()).collect()
    }

    /// Takes the labels from one column and `f32` features from all others. A missing label is [`Label::Unlabelled`].
    ///
    /// # Errors
    /// Names the first cell that is no label, no number, missing, NaN, infinite or too large for `f32`.
    pub fn samples(&self, label: &LabelColumn) -> Result<Samples, DataError> {
        let label_name = self.label_name(label)?;
        let labels = self.labels(label, label_name)?;
        let columns: Vec<&Column> = self.frame.columns().iter().filter(|column| column.name() != label_name).collect();
        let mut features = Array2::zeros((self.rows(), columns.len()));
        for (mut target, column) in features.columns_mut().into_iter().zip(columns) {
            let values = self.numbers(column)?;
            target.iter_mut().zip(values).for_each(|(target, value)| *target = value);
        }
        Samples::new(features, labels).map_err(|error| self.malformed(error))
    }

    fn label_name<'a>(&self, label: &'a LabelColumn) -> Result<&'a str, DataError> {
        let wanted: Vec<&str> = match label {
            LabelColumn::ZeroOne(names) => names.iter().map(String::as_str).collect(),
            LabelColumn::Class { column, .. } => vec![column],
        };
        let found = self.columns();
        let mut there = wanted.iter().copied().filter(|name| found.contains(name));
        match (there.next(), there.next()) {
            (Some(name), None) => Ok(name),
            // The one that is not taken would become a feature, and give the labels away.
            (Some(name), Some(other)) => {
                Err(self.malformed(format!("both `{name}` and `{other}` could be the labels: rename or drop one")))
            }
            (None, _) => Err(DataError::NoLabelColumn {
                path: self.path.clone(),
                wanted: wanted.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
                found: shortened(&found),
            }),
        }
    }

    fn labels(&self, rule: &LabelColumn, name: &str) -> Result<Vec<Label>, DataError> {
        let column = self.frame.column(name).map_err(|error| self.malformed(error))?;
        let values = column.as_materialized_series().iter();
        let read = |(row, value): (usize, AnyValue<'_>)| match (rule, &value) {
            (_, AnyValue::Null) => Ok(Label::Unlabelled),
            (LabelColumn::Class { anomaly, .. }, _) => {
                Ok(if plain_text(&value) == *anomaly { Label::Anomaly } else { Label::Normal })
            }
            (LabelColumn::ZeroOne(_), _) => match value.extract::<f64>() {
                Some(1.0) => Ok(Label::Anomaly),
                Some(0.0) => Ok(Label::Normal),
                // Text is read as its number.
                _ if plain_text(&value).trim() == "1" => Ok(Label::Anomaly),
                _ if plain_text(&value).trim() == "0" => Ok(Label::Normal),
                _ => Err(DataError::BadLabel {
                    path: self.path.clone(),
                    column: name.into(),
                    row: row + 1,
                    value: plain_text(&value),
                }),
            },
        };
        values.enumerate().map(read).collect()
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
                row: row + 1,
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

    /// A column's values as `f64`; text is read as numbers where all of it can be.
    fn wide_numbers(&self, column: &Column) -> Result<Vec<Option<f64>>, DataError> {
        let series = column.as_materialized_series();
        if series.dtype().is_primitive_numeric() || series.dtype().is_bool() {
            let wide = series.cast(&DataType::Float64).map_err(|error| self.malformed(error))?;
            return Ok(wide.f64().map_err(|error| self.malformed(error))?.iter().collect());
        }
        let read = |(row, value): (usize, AnyValue<'_>)| {
            let text = plain_text(&value);
            match text.trim().parse::<f64>() {
                _ if value.is_null() => Ok(None),
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(DataError::NotNumeric {
                    path: self.path.clone(),
                    column: column.name().to_string(),
                    row: row + 1,
                    value: text,
                }),
            }
        };
        series.iter().enumerate().map(read).collect()
    }

    fn malformed(&self, error: impl std::fmt::Display) -> DataError {
        malformed(&self.path, error)
    }
}

/// A column is refused when rounding to `f32` moves a value by more than this share of the column's range.
const COARSEST: f64 = 1e-3;

/// Reads a Parquet file whose columns are numbers, truth values or text.
fn read_parquet<R: polars::io::mmap::MmapBytesReader>(path: &Path, file: R) -> Result<DataFrame, DataError> {
    use ArrowDataType as T;
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema().map_err(|error| malformed(path, error))?;
    for (name, field) in schema.iter() {
        let readable = matches!(
            field.dtype(),
            T::Null
                | T::Boolean
                | T::Int8
                | T::Int16
                | T::Int32
                | T::Int64
                | T::UInt8
                | T::UInt16
                | T::UInt32
                | T::UInt64
                | T::Float32
                | T::Float64
                | T::Utf8
                | T::LargeUtf8
                | T::Utf8View
        );
        if !readable {
            let reason = format!("column `{name}` has type {:?}: turn it into numbers or drop it", field.dtype());
            return Err(malformed(path, reason));
        }
    }
    reader.finish().map_err(|error| malformed(path, error))
}

fn malformed(path: &Path, error: impl std::fmt::Display) -> DataError {
    // Only the first line: polars adds advice on its own options below it.
    let reason = error.to_string().lines().next().unwrap_or_default().to_owned();
    DataError::Malformed { path: path.into(), reason }
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// A value as it stands in the file, text without quotes.
fn plain_text(value: &AnyValue<'_>) -> String {
    value.str_value().into_owned()
}

/// The names as a list, cut after ten.
fn shortened(names: &[&str]) -> String {
    let mut list = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 10 {
        list.push_str(&format!(", … {} in all", names.len()));
    }
    list
}

#[cfg(test)]
mod tests;
