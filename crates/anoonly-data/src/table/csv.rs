//! CSV files as batches of text columns.

mod delimiter;
mod records;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};

use polars_arrow::array::{MutableBinaryViewArray, Utf8ViewArray};

pub use self::delimiter::Delimiter;
use self::delimiter::recognised;
use self::records::{MisplacedQuote, RecordFault, RecordReader};
use super::batch::{Batch, text_bytes};
use super::options::{FileColumns, ReadOptions};
use super::{batch, malformed};
use crate::DataError;

/// The cells for which memory is reserved before they are read.
const RESERVED_CELLS: usize = 1 << 20;

/// The rows of a CSV file after its header line.
pub(super) struct CsvRows {
    path: PathBuf,
    records: RecordReader,
    delimiter: u8,
    columns: FileColumns,
    memory_limit: u64,
    /// Rows read up to now.
    rows: usize,
}

impl CsvRows {
    /// Reads the header.
    pub(super) fn new(
        path: &Path,
        source: impl Read + Send + 'static,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let mut records = RecordReader::new(source);
        let found = records.beginning().map(|(bytes, whole)| match options.delimiter {
            Some(delimiter) => delimiter.byte(),
            None => recognised(bytes, whole),
        });
        let delimiter = found.map_err(|fault| failed(path, fault, 1, 0, &[]))?;
        records.delimit(delimiter);
        let header = match records.advance() {
            Err(fault) => return Err(failed(path, fault, records.line(), 0, &[])),
            Ok(false) => 0,
            Ok(true) => records.len(),
        };
        let names = (0..header).map(|column| match std::str::from_utf8(&records.field(column)) {
            // There may be spaces around a name, as in `a, b`.
            Ok(name) => Ok(name.trim().to_owned()),
            Err(_) => Err(DataError::NameNotUtf8 { path: path.into(), number: column + 1 }),
        });
        let columns = FileColumns::choose(path, names.collect::<Result<_, _>>()?, &options.columns)?;
        Ok(Self { path: path.into(), records, delimiter, columns, memory_limit: options.memory_limit, rows: 0 })
    }

    /// The next rows, at most `most` of them. Every column is text; an empty field is a missing value. Empty lines are skipped.
    pub(super) fn next_rows(&mut self, most: usize) -> Result<Batch, DataError> {
        let places = self.columns.places();
        let reserved = most.min(1 << 12).min(RESERVED_CELLS / places.len().max(1));
        let mut builders: Vec<MutableBinaryViewArray<str>> =
            places.iter().map(|_| MutableBinaryViewArray::with_capacity(reserved)).collect();
        let (mut height, mut memory) = (0, 0);
        while height < most {
            match self.records.advance() {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => {
                    return Err(failed(&self.path, fault, self.records.line(), self.rows + 1, self.columns.names()));
                }
            }
            let (fields, expected) = (self.records.len() as u64, self.columns.names().len() as u64);
            if fields != expected {
                let (path, row, line) = (self.path.clone(), self.rows + 1, self.records.line());
                return Err(DataError::UnequalRow { path, row, line, fields, expected });
            }
            for (&place, builder) in places.iter().zip(&mut builders) {
                let field = self.records.field(place);
                memory += text_bytes(field.len());
                match std::str::from_utf8(&field) {
                    Ok("") => builder.push_null(),
                    Ok(text) => builder.push_value(text),
                    Err(_) => {
                        let (path, column) = (self.path.clone(), self.columns.names()[place].clone());
                        return Err(DataError::ValueNotUtf8 { path, column, row: self.rows + 1 });
                    }
                }
            }
            if memory > self.memory_limit {
                return Err(DataError::TooLarge { path: self.path.clone(), limit: self.memory_limit });
            }
            self.rows += 1;
            height += 1;
        }
        let columns = builders.into_iter().zip(self.columns.wanted()).map(|(builder, name)| {
            let column: Utf8ViewArray = builder.into();
            (name.to_owned(), column.boxed())
        });
        batch(&self.path, height, columns.collect())
    }

    /// What separates the fields.
    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The columns of the file.
    pub(super) fn columns(&self) -> &FileColumns {
        &self.columns
    }
}

/// What is wrong with a record that begins on a line; row 0 is the header.
fn failed(path: &Path, fault: RecordFault, line: u64, row: usize, names: &[String]) -> DataError {
    let path = path.to_owned();
    match fault {
        RecordFault::Io(error) => read_failed(&path, &error),
        RecordFault::TooLong(limit) => DataError::LongRow { path, row, line, limit: limit as u64 },
        RecordFault::Quote(MisplacedQuote { fault, field, breaks }) => {
            let column = names.get(field).cloned().unwrap_or_else(|| (field + 1).to_string());
            DataError::MisplacedQuote { path, row, line: line + breaks, column, fault }
        }
    }
}

/// Compressed content that ends early or is damaged makes the file malformed; any other error is a failure to read.
fn read_failed(path: &Path, error: &std::io::Error) -> DataError {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::UnexpectedEof => malformed(path, "the compressed file ends too early"),
        Kind::InvalidInput | Kind::InvalidData => malformed(path, format!("not gzip, or damaged: {error}")),
        kind => DataError::Io { path: path.into(), source: kind.into() },
    }
}
