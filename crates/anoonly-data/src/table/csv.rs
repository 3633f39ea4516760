//! CSV files as tables of text, in blocks of rows.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};
use polars::prelude::*;

use super::malformed;
use crate::DataError;

/// What may stand between two fields.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// The rows of a CSV file after its header line.
pub(super) struct CsvRows {
    path: PathBuf,
    reader: Reader<Box<dyn BufRead + Send>>,
    names: Vec<String>,
    record: ByteRecord,
    /// Rows read so far.
    rows: usize,
}

impl CsvRows {
    /// Reads the header. The delimiter is the one of comma, semicolon, tab and bar that the header holds most often.
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
                // As after the comma of `a, b`.
                Ok(name) => Ok(name.trim().to_owned()),
                Err(_) => Err(malformed(path, format!("the name of column {} {NOT_UTF8}", column + 1))),
            })
            .collect::<Result<_, _>>()?;
        let mut seen = HashSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(malformed(path, format!("two columns are named `{name}`: rename or drop one of them")));
        }
        Ok(Self { path: path.into(), reader, names, record: ByteRecord::new(), rows: 0 })
    }

    /// The next rows, at most so many; a cell is text, or missing where nothing stands in it. A blank line is no row.
    pub(super) fn next_rows(&mut self, most: usize) -> Result<DataFrame, DataError> {
        let builder = |name: &String| StringChunkedBuilder::new(name.as_str().into(), most.min(1 << 12));
        let mut columns: Vec<StringChunkedBuilder> = self.names.iter().map(builder).collect();
        let mut height = 0;
        while height < most {
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.map_err(|error| failed(&self.path, self.rows + 1, error))? {
                break;
            }
            for ((field, builder), name) in self.record.iter().zip(&mut columns).zip(&self.names) {
                match std::str::from_utf8(field) {
                    Ok("") => builder.append_null(),
                    Ok(text) => builder.append_value(text),
                    Err(_) => {
                        let reason = format!("column `{name}`, row {}: the value {NOT_UTF8}", self.rows + 1);
                        return Err(malformed(&self.path, reason));
                    }
                }
            }
            self.rows += 1;
            height += 1;
        }
        let columns = columns.into_iter().map(|builder| builder.finish().into_column()).collect();
        DataFrame::new(height, columns).map_err(|error| malformed(&self.path, error))
    }

    /// The number of columns.
    pub(super) fn width(&self) -> usize {
        self.names.len()
    }
}

const NOT_UTF8: &str = "is not UTF-8: save the file in that encoding";

fn failed(path: &Path, row: usize, error: csv::Error) -> DataError {
    match error.into_kind() {
        ErrorKind::Io(error) => read_failed(path, &error),
        ErrorKind::UnequalLengths { expected_len, len, pos } => {
            let line = pos.map_or_else(String::new, |pos| format!(" (line {})", pos.line()));
            let fields = if len == 1 { "1 field".into() } else { format!("{len} fields") };
            malformed(path, format!("row {row}{line} has {fields}, but the header has {expected_len}"))
        }
        other => malformed(path, format!("row {row}: {other:?}")),
    }
}

/// A file whose compressed content breaks off or is spoilt is malformed; anything else is a failure to read.
fn read_failed(path: &Path, error: &std::io::Error) -> DataError {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::UnexpectedEof => malformed(path, "the compressed file ends too early"),
        Kind::InvalidInput | Kind::InvalidData => malformed(path, format!("not gzip, or spoilt: {error}")),
        kind => DataError::Io { path: path.into(), source: kind.into() },
    }
}
