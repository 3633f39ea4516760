//! CSV files as batches of text columns.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};
use polars_arrow::array::{MutableBinaryViewArray, Utf8ViewArray};

use super::batch::Batch;
use super::{batch, malformed, refuse_duplicates};
use crate::DataError;

/// The delimiters that are recognised.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// The rows of a CSV file after its header line.
pub(super) struct CsvRows {
    path: PathBuf,
    reader: Reader<Box<dyn BufRead + Send>>,
    names: Vec<String>,
    record: ByteRecord,
    delimiter: u8,
    /// Rows read up to now.
    rows: usize,
}

impl CsvRows {
    /// Reads the header. The delimiter is whichever of comma, semicolon, tab and bar occurs most often in it.
    pub(super) fn new(path: &Path, source: impl Read + Send + 'static) -> Result<Self, DataError> {
        let mut source = BufReader::with_capacity(1 << 16, source);
        let start = source.fill_buf().map_err(|error| read_failed(path, &error))?;
        let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let count = |delimiter: u8| line.iter().filter(|&&byte| byte == delimiter).count();
        let delimiter = DELIMITERS.into_iter().rev().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',');
        let source: Box<dyn BufRead + Send> = Box::new(source);
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(source);
        let header = reader.byte_headers().map_err(|error| failed(path, 0, error))?.clone();
        let names: Vec<String> = header
            .iter()
            .enumerate()
            .map(|(column, name)| match std::str::from_utf8(name) {
                // There may be spaces around a name, as in `a, b`.
                Ok(name) => Ok(name.trim().to_owned()),
                Err(_) => Err(DataError::NameNotUtf8 { path: path.into(), number: column + 1 }),
            })
            .collect::<Result<_, _>>()?;
        refuse_duplicates(path, names.iter().map(String::as_str))?;
        Ok(Self { path: path.into(), reader, names, record: ByteRecord::new(), delimiter, rows: 0 })
    }

    /// The next rows, at most `most` of them. Every column is text; an empty field is a missing value. Blank lines are skipped.
    pub(super) fn next_rows(&mut self, most: usize) -> Result<Batch, DataError> {
        let mut builders: Vec<MutableBinaryViewArray<str>> =
            self.names.iter().map(|_| MutableBinaryViewArray::with_capacity(most.min(1 << 12))).collect();
        let mut height = 0;
        while height < most {
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.map_err(|error| failed(&self.path, self.rows + 1, error))? {
                break;
            }
            for ((field, builder), name) in self.record.iter().zip(&mut builders).zip(&self.names) {
                match std::str::from_utf8(field) {
                    Ok("") => builder.push_null(),
                    Ok(text) => builder.push_value(text),
                    Err(_) => {
                        let (path, column) = (self.path.clone(), name.clone());
                        return Err(DataError::ValueNotUtf8 { path, column, row: self.rows + 1 });
                    }
                }
            }
            self.rows += 1;
            height += 1;
        }
        let columns = builders.into_iter().zip(&self.names).map(|(builder, name)| {
            let column: Utf8ViewArray = builder.into();
            (name.clone(), column.boxed())
        });
        batch(&self.path, height, columns.collect())
    }

    /// What separates the fields.
    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The number of columns.
    pub(super) fn width(&self) -> usize {
        self.names.len()
    }
}

fn failed(path: &Path, row: usize, error: csv::Error) -> DataError {
    match error.into_kind() {
        ErrorKind::Io(error) => read_failed(path, &error),
        ErrorKind::UnequalLengths { expected_len, len, pos } => DataError::UnequalRow {
            path: path.into(),
            row,
            line: pos.map(|pos| pos.line()),
            fields: len,
            expected: expected_len,
        },
        other => malformed(path, format!("row {row}: {other:?}")),
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
