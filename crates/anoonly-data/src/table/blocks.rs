//! Tables in blocks of rows, for files that do not fit into memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::batch::Batch;
use super::csv::CsvRows;
use super::guard::guarded;
use super::parquet::ParquetRows;
use super::{Format, Table, open};
use crate::DataError;

/// The number of cells in a block. The intermediate results for a block take some tens of megabytes.
const CELLS: usize = 1 << 21;

/// The rows of a table in blocks, in file order; see [`Table::blocks`].
pub struct Blocks {
    path: PathBuf,
    source: BlockSource,
    /// Rows returned up to now.
    given: usize,
    ended: bool,
}

enum BlockSource {
    Csv(Box<CsvRows>),
    Parquet(Box<ParquetRows>),
    /// The rest of a file that was read as a whole.
    Whole(Batch),
}

impl Table {
    /// The rows of a file in blocks. CSV and Parquet are read block by block, so memory does not grow with the number of rows.
    /// Arrow IPC and npz files are read as a whole.
    ///
    /// # Errors
    /// When the file cannot be opened, or its beginning does not fit its format. Each block reports its own errors.
    pub fn blocks(path: &Path) -> Result<Blocks, DataError> {
        let source = match Format::of(path)? {
            Format::Csv => BlockSource::Csv(Box::new(CsvRows::new(path, open(path)?)?)),
            Format::GzippedCsv => BlockSource::Csv(Box::new(CsvRows::new(path, MultiGzDecoder::new(open(path)?))?)),
            Format::Parquet => {
                let block = |columns, _| block_rows(columns);
                let rows = guarded(path, || ParquetRows::open(path, open(path)?, block))?;
                BlockSource::Parquet(Box::new(rows))
            }
            Format::Ipc | Format::Npz => BlockSource::Whole(Table::read(path)?.batch),
        };
        Ok(Blocks { path: path.into(), source, given: 0, ended: false })
    }

    /// The rows of an open Parquet file in blocks; `name` stands for it in errors.
    ///
    /// # Errors
    /// When the file is not a Parquet file.
    pub fn parquet_blocks(name: &Path, file: File) -> Result<Blocks, DataError> {
        let block = |columns, _| block_rows(columns);
        let rows = guarded(name, || ParquetRows::open(name, file, block))?;
        Ok(Blocks { path: name.into(), source: BlockSource::Parquet(Box::new(rows)), given: 0, ended: false })
    }

    /// The rows of CSV text that is read from `source`, such as standard input; `name` stands for the file in errors.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn csv_blocks(name: &Path, source: impl Read + Send + 'static) -> Result<Blocks, DataError> {
        let source = BlockSource::Csv(Box::new(CsvRows::new(name, source)?));
        Ok(Blocks { path: name.into(), source, given: 0, ended: false })
    }
}

impl Blocks {
    fn next_batch(&mut self) -> Result<Batch, DataError> {
        match &mut self.source {
            BlockSource::Csv(rows) => {
                let most = block_rows(rows.width());
                rows.next_rows(most)
            }
            BlockSource::Parquet(rows) => {
                let path = &self.path;
                guarded(path, || rows.next_rows())
            }
            BlockSource::Whole(rest) => {
                let rows = block_rows(rest.columns().len()).min(rest.rows());
                let block = rest.slice(0, rows);
                *rest = rest.slice(rows, rest.rows() - rows);
                Ok(block)
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
        let block = self.next_batch().and_then(|batch| match batch.rows() {
            0 if !first => Ok(None),
            _ => Table::checked(&self.path, batch).map(Some),
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
