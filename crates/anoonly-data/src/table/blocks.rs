//! Tables in blocks of rows, for files that do not fit into memory.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::batch::Batch;
use super::csv::CsvRows;
use super::guard::guarded;
use super::options::ReadOptions;
use super::parquet::ParquetRows;
use super::{Format, Table, TableOrigin, ipc, npz, open};
use crate::DataError;

/// The number of cells in a block. The intermediate results for a block take some tens of megabytes.
const CELLS: usize = 1 << 21;

/// The rows of a table in blocks, in file order; see [`Table::blocks`].
pub struct Blocks {
    path: PathBuf,
    source: BlockSource,
    size: BlockSize,
    origin: TableOrigin,
    /// Rows returned up to now.
    given: usize,
    ended: bool,
}

/// The number of rows of a block.
#[derive(Clone, Copy)]
pub(super) enum BlockSize {
    /// All rows.
    Whole,
    /// So many that a block has about [`CELLS`] cells.
    Cells,
}

impl BlockSize {
    /// The most rows of a block with this number of columns.
    pub(super) fn rows(self, columns: usize) -> usize {
        match self {
            BlockSize::Whole => usize::MAX,
            BlockSize::Cells => (CELLS / columns.max(1)).clamp(1, 1 << 16),
        }
    }
}

enum BlockSource {
    Csv(Box<CsvRows>),
    Parquet(Box<ParquetRows>),
    /// The rest of a file that was read as a whole.
    Rest(Batch),
}

impl Table {
    /// The rows of a file in blocks. CSV and Parquet are read block by block, so memory does not grow with the number of rows.
    /// Arrow IPC and npz files are read as a whole.
    ///
    /// # Errors
    /// When the file cannot be opened, or its beginning does not fit its format. Each block reports its own errors.
    pub fn blocks(path: &Path) -> Result<Blocks, DataError> {
        Self::blocks_with(path, &ReadOptions::default())
    }

    /// The rows of a file in blocks as [`blocks`](Self::blocks) gives them, with options.
    ///
    /// # Errors
    /// As [`blocks`](Self::blocks), and when a block exceeds the limit of memory.
    pub fn blocks_with(path: &Path, options: &ReadOptions) -> Result<Blocks, DataError> {
        Blocks::open(path, options, BlockSize::Cells)
    }

    /// The rows of this table in blocks, without copies.
    pub fn in_blocks(&self) -> Blocks {
        let source = BlockSource::Rest(self.batch.clone());
        let (path, origin) = (self.path.clone(), self.origin.clone());
        Blocks { path, source, size: BlockSize::Cells, origin, given: 0, ended: false }
    }

    /// The rows of an open Parquet file in blocks; `name` stands for it in errors.
    ///
    /// # Errors
    /// When the file is not a Parquet file.
    pub fn parquet_blocks(name: &Path, file: File) -> Result<Blocks, DataError> {
        Blocks::of_parquet(name, file, &ReadOptions::default(), BlockSize::Cells)
    }

    /// The rows of CSV text that is read from `source`, such as standard input; `name` stands for the file in errors.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn csv_blocks_with(
        name: &Path,
        source: impl Read + Send + 'static,
        options: &ReadOptions,
    ) -> Result<Blocks, DataError> {
        Blocks::of_csv(name, source, options, BlockSize::Cells)
    }
}

impl Blocks {
    /// Opens a file, in blocks of a size.
    pub(super) fn open(path: &Path, options: &ReadOptions, size: BlockSize) -> Result<Self, DataError> {
        let (source, columns) = match Format::of(path)? {
            Format::Csv => {
                let file = open(path)?;
                let bytes = file.metadata().ok().map(|metadata| metadata.len());
                return Self::of_csv_bytes(path, file, bytes, options, size);
            }
            Format::GzippedCsv => return Self::of_csv(path, MultiGzDecoder::new(open(path)?), options, size),
            Format::Parquet => return Self::of_parquet(path, open(path)?, options, size),
            Format::Ipc => {
                let (batch, columns) = guarded(path, || ipc::read(path, open(path)?, options))?;
                (BlockSource::Rest(batch), columns)
            }
            Format::Npz => {
                let (batch, columns) = guarded(path, || npz::read(path, BufReader::new(open(path)?), options))?;
                (BlockSource::Rest(batch), columns)
            }
        };
        let origin = TableOrigin { columns, delimiter: None };
        Ok(Self { path: path.into(), source, size, origin, given: 0, ended: false })
    }

    /// Begins to read a Parquet file, in blocks of a size.
    fn of_parquet(name: &Path, file: File, options: &ReadOptions, size: BlockSize) -> Result<Self, DataError> {
        let rows = guarded(name, || ParquetRows::open(name, file, options, size))?;
        let origin = TableOrigin { columns: rows.columns().names().clone(), delimiter: None };
        let source = BlockSource::Parquet(Box::new(rows));
        Ok(Self { path: name.into(), source, size, origin, given: 0, ended: false })
    }

    /// Begins to read CSV text, in blocks of a size.
    pub(super) fn of_csv(
        name: &Path,
        source: impl Read + Send + 'static,
        options: &ReadOptions,
        size: BlockSize,
    ) -> Result<Self, DataError> {
        Self::of_csv_bytes(name, source, None, options, size)
    }

    /// As [`of_csv`](Self::of_csv), of a source with this number of bytes, as far as it is known.
    fn of_csv_bytes(
        name: &Path,
        source: impl Read + Send + 'static,
        bytes: Option<u64>,
        options: &ReadOptions,
        size: BlockSize,
    ) -> Result<Self, DataError> {
        let rows = CsvRows::new(name, source, bytes, options)?;
        let origin = TableOrigin { columns: rows.columns().names().clone(), delimiter: Some(rows.delimiter()) };
        let source = BlockSource::Csv(Box::new(rows));
        Ok(Self { path: name.into(), source, size, origin, given: 0, ended: false })
    }

    /// All rows as one table.
    pub(super) fn whole(mut self) -> Result<Table, DataError> {
        self.next().unwrap_or(Err(DataError::NoRows { path: self.path }))
    }

    fn next_batch(&mut self) -> Result<Batch, DataError> {
        match &mut self.source {
            BlockSource::Csv(rows) => match self.size {
                BlockSize::Whole => rows.all_rows(),
                BlockSize::Cells => rows.next_rows(),
            },
            BlockSource::Parquet(rows) => {
                let path = &self.path;
                guarded(path, || rows.next_rows())
            }
            BlockSource::Rest(rest) => {
                let rows = self.size.rows(rest.columns().len()).min(rest.rows());
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
            _ => Table::checked(&self.path, batch, self.origin.clone()).map(Some),
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
