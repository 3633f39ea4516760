//! Tables in blocks of rows, for files that do not fit into memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use polars::prelude::*;

use super::csv::CsvRows;
use super::guard::guarded;
use super::{Format, Table, malformed, open, parquet_reader};
use crate::DataError;

/// Cells in a block: what is made of them takes some tens of megabytes.
const CELLS: usize = 1 << 21;

/// The rows of a table in blocks, in their order; see [`Table::blocks`].
pub struct Blocks {
    path: PathBuf,
    source: Rows,
    /// Rows given so far.
    given: usize,
    ended: bool,
}

enum Rows {
    Csv(Box<CsvRows>),
    /// A Parquet file by its row groups: their lengths, and the rows before the next one.
    Parquet {
        file: File,
        groups: VecDeque<usize>,
        before: usize,
        read: DataFrame,
    },
    /// A file that was read as a whole.
    Whole(DataFrame),
}

impl Table {
    /// The rows of a file in blocks. CSV goes block by block and Parquet row group by row group, so that the memory taken does
    /// not grow with the file; Arrow IPC and npz files are read as a whole.
    ///
    /// # Errors
    /// When the file cannot be opened, or its beginning is not what its ending says; each block tells what is wrong with it.
    pub fn blocks(path: &Path) -> Result<Blocks, DataError> {
        let source = match Format::of(path)? {
            Format::Csv => Rows::Csv(Box::new(CsvRows::new(path, open(path)?)?)),
            Format::GzippedCsv => Rows::Csv(Box::new(CsvRows::new(path, MultiGzDecoder::new(open(path)?))?)),
            Format::Parquet => guarded(path, || {
                let file = open(path)?;
                let again = file.try_clone().map_err(|source| DataError::Io { path: path.into(), source })?;
                let mut reader = parquet_reader(path, again)?;
                let metadata = reader.get_metadata().map_err(|error| malformed(path, error))?;
                let groups =
                    metadata.row_groups.iter().map(|group| group.num_rows()).filter(|&rows| rows > 0).collect();
                Ok(Rows::Parquet { file, groups, before: 0, read: DataFrame::empty() })
            })?,
            Format::Ipc | Format::Npz => Rows::Whole(Table::read(path)?.frame),
        };
        Ok(Blocks { path: path.into(), source, given: 0, ended: false })
    }

    /// The rows of CSV text that is read from `source`, as from standard input; `name` stands for the file in errors.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn csv_blocks(name: &Path, source: impl Read + Send + 'static) -> Result<Blocks, DataError> {
        let source = Rows::Csv(Box::new(CsvRows::new(name, source)?));
        Ok(Blocks { path: name.into(), source, given: 0, ended: false })
    }
}

impl Blocks {
    fn next_frame(&mut self) -> Result<DataFrame, DataError> {
        match &mut self.source {
            Rows::Csv(rows) => {
                let most = block_rows(rows.width());
                rows.next_rows(most)
            }
            Rows::Whole(frame) => Ok(cut(frame)),
            Rows::Parquet { file, groups, before, read } => {
                if read.height() == 0
                    && let Some(rows) = groups.pop_front()
                {
                    let again = file.try_clone().map_err(|source| DataError::Io { path: self.path.clone(), source })?;
                    *read = guarded(&self.path, || {
                        let reader = parquet_reader(&self.path, again)?.with_slice(Some((*before, rows)));
                        reader.finish().map_err(|error| malformed(&self.path, error))
                    })?;
                    *before += rows;
                }
                Ok(cut(read))
            }
        }
    }
}

impl Iterator for Blocks {
    type Item = Result<Table, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let first = self.given == 0;
        let block = self.next_frame().and_then(|frame| match frame.height() {
            0 if !first => Ok(None),
            _ => Table::checked(&self.path, frame).map(Some),
        });
        match block {
            Ok(Some(mut table)) => {
                table.before = self.given;
                self.given += table.rows();
                Some(Ok(table))
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

fn block_rows(columns: usize) -> usize {
    (CELLS / columns.max(1)).clamp(1, 1 << 16)
}

/// Takes a block's rows from the front.
fn cut(frame: &mut DataFrame) -> DataFrame {
    let rows = block_rows(frame.width()).min(frame.height());
    let block = frame.slice(0, rows);
    *frame = frame.slice(rows as i64, frame.height() - rows);
    block
}
