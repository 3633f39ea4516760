//! CSV files as batches of columns, part by part; parts are parsed in parallel.

mod delimiter;
mod fields;
mod records;
#[cfg(test)]
mod tests;
mod typed;

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use self::delimiter::Delimiter;
use self::delimiter::recognised;
use self::fields::{RecordLayout, SplitFault, SplitRecords, UNREAD};
use self::records::{MisplacedQuote, RecordFault, RecordReader};
use self::typed::{NotUtf8, TypedColumn};
use super::batch::Batch;
use super::options::{FileColumns, ReadOptions};
use super::{batch, malformed};
use crate::DataError;

/// More rows than the first part of a file lets expect, for those that are shorter.
const EXCESS: f64 = 1.1;

/// The rows of a CSV file after its header line.
pub(super) struct CsvRows {
    path: PathBuf,
    records: RecordReader,
    layout: RecordLayout,
    columns: FileColumns,
    memory_limit: u64,
    /// The bytes of all rows, as far as they are known.
    bytes: Option<u64>,
    /// The places of the numbers in the first row of one line, once it is known.
    numeric: Option<Vec<usize>>,
    /// Parts that were read together and follow.
    parts: VecDeque<Part>,
    /// Why there are no parts after those.
    fault: Option<RecordFault>,
    /// Rows of earlier parts.
    rows: usize,
    /// The line on which the next part begins, counted from 1.
    line: u64,
}

/// Rows that were read together.
struct Part {
    rows: usize,
    lines: u64,
    columns: Vec<TypedColumn>,
    fault: Option<PartFault>,
}

/// Why a part has no further rows.
enum PartFault {
    Split(SplitFault),
    /// A value is not UTF-8: its row in the part, and its column among those that are read.
    NotUtf8(usize, usize),
}

impl Part {
    fn of(records: &mut SplitRecords, layout: &RecordLayout) -> Self {
        let mut fault = records.fault.take().map(PartFault::Split);
        let mut rows = records.rows;
        let mut columns = Vec::with_capacity(layout.read);
        for slot in 0..layout.read {
            match TypedColumn::of(records, slot, layout) {
                Ok(column) => columns.push(column),
                // The first row comes first, and in it the first column.
                Err(NotUtf8 { row }) if row < rows => {
                    rows = row;
                    fault = Some(PartFault::NotUtf8(row, slot));
                }
                Err(_) => {}
            }
        }
        Self { rows, lines: records.lines, columns, fault }
    }
}

impl CsvRows {
    /// Reads the header of a source with this number of bytes, as far as it is known.
    pub(super) fn new(
        path: &Path,
        source: impl Read + Send + 'static,
        bytes: Option<u64>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let mut records = RecordReader::new(source);
        let found = records.beginning().map(|(bytes, whole)| match options.delimiter {
            Some(delimiter) => delimiter.byte(),
            None => recognised(bytes, whole),
        });
        let delimiter = found.map_err(|fault| failed(path, fault, 1, 0, &[]))?;
        records.delimit(delimiter);
        let header = records.header().map_err(|fault| failed(path, fault, records.line(), 0, &[]))?;
        let names = header.iter().enumerate().map(|(column, name)| match std::str::from_utf8(name) {
            // There may be spaces around a name, as in `a, b`.
            Ok(name) => Ok(name.trim().to_owned()),
            Err(_) => Err(DataError::NameNotUtf8 { path: path.into(), number: column + 1 }),
        });
        let columns = FileColumns::choose(path, names.collect::<Result<_, _>>()?, &options.columns)?;
        let mut slots = vec![UNREAD; header.len()];
        columns.places().iter().zip(0..).for_each(|(&place, slot)| slots[place] = slot);
        let layout = RecordLayout { delimiter, width: header.len(), slots, read: columns.places().len() };
        let line = records.line();
        Ok(Self {
            path: path.into(),
            records,
            layout,
            columns,
            memory_limit: options.memory_limit,
            bytes,
            numeric: None,
            parts: VecDeque::new(),
            fault: None,
            rows: 0,
            line,
        })
    }

    /// The next rows. An empty field is a missing value, and empty lines are skipped. No rows follow after none.
    pub(super) fn next_rows(&mut self) -> Result<Batch, DataError> {
        let (rows, columns) = self.next_part()?.unwrap_or_else(|| (0, self.no_rows()));
        self.batch(rows, columns)
    }

    /// All rows.
    pub(super) fn all_rows(&mut self) -> Result<Batch, DataError> {
        let (mut all, mut columns) = (0, self.no_rows());
        let mut expected = 0;
        while let Some((rows, part)) = self.next_part()? {
            if all == 0 {
                expected = self.expected_rows(rows);
            }
            all += rows;
            columns.iter_mut().zip(part).for_each(|(column, part)| column.append(part, expected));
            self.check_memory(&columns)?;
        }
        self.batch(all, columns)
    }

    /// About how many rows the file has, after a first part with this number of them. Columns that grow little by little leave gaps in
    /// the memory, and nobody touches what is reserved but not used.
    fn expected_rows(&self, first: usize) -> usize {
        let parts = self.bytes.unwrap_or_default().min(self.memory_limit) as f64 / self.records.part_bytes() as f64;
        (EXCESS * parts * first as f64) as usize
    }

    fn no_rows(&self) -> Vec<TypedColumn> {
        (0..self.layout.read).map(|_| TypedColumn::Small(Vec::new())).collect()
    }

    fn batch(&self, rows: usize, columns: Vec<TypedColumn>) -> Result<Batch, DataError> {
        let columns = columns.into_iter().zip(self.columns.wanted());
        let columns = columns.map(|(column, name)| (name.to_owned(), column.into_array())).collect();
        batch(&self.path, rows, columns)
    }

    fn check_memory(&self, columns: &[TypedColumn]) -> Result<(), DataError> {
        match columns.iter().map(TypedColumn::memory).sum::<u64>() > self.memory_limit {
            true => Err(DataError::TooLarge { path: self.path.clone(), limit: self.memory_limit }),
            false => Ok(()),
        }
    }

    /// The next part that has rows: their number, and the columns.
    fn next_part(&mut self) -> Result<Option<(usize, Vec<TypedColumn>)>, DataError> {
        loop {
            if self.parts.is_empty() && self.fault.is_none() {
                self.read_parts();
            }
            let Some(Part { rows, lines, columns, fault }) = self.parts.pop_front() else {
                let (row, names) = (self.rows + 1, self.columns.names());
                return match self.fault.take() {
                    Some(fault) => Err(failed(&self.path, fault, self.line, row, names)),
                    None => Ok(None),
                };
            };
            let (row, line) = (self.rows + rows + 1, self.line + lines);
            let path = || self.path.clone();
            match fault {
                Some(PartFault::Split(SplitFault::Quote(quote))) => {
                    return Err(failed(&self.path, RecordFault::Quote(quote), line, row, self.columns.names()));
                }
                Some(PartFault::Split(SplitFault::Unequal(fields))) => {
                    let expected = self.layout.width as u64;
                    return Err(DataError::UnequalRow { path: path(), row, line, fields, expected });
                }
                Some(PartFault::NotUtf8(row, slot)) => {
                    let column = self.columns.names()[self.columns.places()[slot]].clone();
                    return Err(DataError::ValueNotUtf8 { path: path(), column, row: self.rows + row + 1 });
                }
                None => {}
            }
            self.rows += rows;
            self.line += lines;
            if rows > 0 {
                self.check_memory(&columns)?;
                return Ok(Some((rows, columns)));
            }
        }
    }

    /// Reads one part for each thread.
    fn read_parts(&mut self) {
        // What the first row shows is needed for all rows after it.
        let most = if self.numeric.is_some() { rayon::current_num_threads() } else { 1 };
        let mut texts = Vec::with_capacity(most);
        while texts.len() < most {
            match self.records.part() {
                Ok(text) if text.is_empty() => break,
                Ok(text) => texts.push(text),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        let (layout, numeric) = (&self.layout, self.numeric.as_deref());
        let parse = |text: Vec<u8>| {
            let mut records = SplitRecords::of(text, layout, numeric);
            (Part::of(&mut records, layout), records.numeric)
        };
        let parts: Vec<_> = texts.into_par_iter().map(parse).collect();
        for (part, numeric) in parts {
            self.numeric = self.numeric.take().or(numeric);
            self.parts.push_back(part);
        }
    }

    /// What separates the fields.
    pub(super) fn delimiter(&self) -> u8 {
        self.layout.delimiter
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
