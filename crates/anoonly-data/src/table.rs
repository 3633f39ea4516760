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
            Some("npz") => {
                open()?;
                npz::read(path)?
            }
            Some("csv") => {
                let options = CsvReadOptions::default().with_has_header(true).with_infer_schema_length(None);
                options.into_reader_with_file_handle(open()?).finish().map_err(malformed)?
            }
            Some("parquet") => ParquetReader::new(open()?).finish().map_err(malformed)?,
            _ => return Err(DataError::UnknownFormat { path: path.into() }),
        };
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
        let frame = ParquetReader::new(Cursor::new(bytes)).finish().map_err(|error| malformed(path, error))?;
        Ok(Self { path: path.into(), frame })
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
        wanted.iter().copied().find(|name| found.contains(name)).ok_or_else(|| DataError::NoLabelColumn {
            path: self.path.clone(),
            wanted: wanted.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
            found: shortened(&found),
        })
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
        if !(column.dtype().is_primitive_numeric() || column.dtype().is_bool()) {
            let series = column.as_materialized_series();
            let not_number = |value: &AnyValue<'_>| !value.is_null() && plain_text(value).parse::<f64>().is_err();
            let (row, value) =
                series.iter().enumerate().find(|(_, value)| not_number(value)).unwrap_or((0, AnyValue::Null));
            let value = if value.is_null() { format!("type {}", column.dtype()) } else { plain_text(&value) };
            return Err(DataError::NotNumeric { path: self.path.clone(), column: column_name(), row: row + 1, value });
        }
        let wide = column.cast(&DataType::Float64).map_err(|error| self.malformed(error))?;
        let wide = wide.f64().map_err(|error| self.malformed(error))?;
        let narrow = |(row, value): (usize, Option<f64>)| match value {
            Some(value) if (value as f32).is_finite() => Ok(value as f32),
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
        wide.iter().enumerate().map(narrow).collect()
    }

    fn malformed(&self, error: impl std::fmt::Display) -> DataError {
        malformed(&self.path, error)
    }
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
