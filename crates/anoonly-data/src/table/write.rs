//! Tables into files, block by block.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::io::csv::write::BatchedWriter as CsvBatches;
use polars::io::parquet::write::BatchedWriter as ParquetBatches;
use polars::prelude::*;
use tempfile::NamedTempFile;

use super::Table;
use crate::DataError;
use anoonly_core::temporary_beside;

/// A file that tables of the same columns are written to one after another. It has its name only once it is whole.
pub struct TableWriter {
    path: PathBuf,
    goal: Goal,
    rows: Option<Rows>,
}

/// Where the rows go.
enum Goal {
    Parquet(NamedTempFile),
    Csv(NamedTempFile),
    Stream(Option<Box<dyn Write + Send>>),
}

enum Rows {
    Parquet(Box<ParquetBatches<File>>),
    Csv(Box<CsvBatches<Text>>, Text),
}

/// Text on its way into a file or stream, held in two places: polars writes it, and we see its end through, which a
/// [`BufWriter`] that is dropped does not.
#[derive(Clone)]
struct Text(Arc<Mutex<BufWriter<Box<dyn Write + Send>>>>);

impl Text {
    fn new(to: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(BufWriter::new(to))))
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<Box<dyn Write + Send>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that has gone away, as `head` does, is no error.
impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.lock().write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.lock().flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// Values of a column that is added to a table.
pub enum Values<'a> {
    /// Scores.
    Scores(&'a [f32]),
    /// Shares.
    Shares(&'a [f64]),
    /// Counts.
    Counts(&'a [u64]),
    /// Truth values.
    Truths(&'a [bool]),
}

impl TableWriter {
    /// A new `.csv` or `.parquet` file.
    ///
    /// # Errors
    /// When its name ends otherwise, or no file can be made in its folder.
    pub fn create(path: &Path) -> Result<Self, DataError> {
        // Only the kind: the whole message would name the temporary file.
        let file = || temporary_beside(path).map_err(|error| failed(path, error.kind()));
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let goal = match ending.as_str() {
            "csv" => Goal::Csv(file()?),
            "parquet" => Goal::Parquet(file()?),
            _ => return Err(failed(path, "the name must end in .csv or .parquet")),
        };
        Ok(Self { path: path.into(), goal, rows: None })
    }

    /// CSV text to a stream; `name` stands for it in errors.
    pub fn stream(name: &Path, stream: impl Write + Send + 'static) -> Self {
        Self { path: name.into(), goal: Goal::Stream(Some(Box::new(stream))), rows: None }
    }

    /// Writes the rows of a table; the first one gives the columns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, table: &Table) -> Result<(), DataError> {
        let path = &self.path;
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => none.insert(Rows::start(&mut self.goal, path, table.frame.schema())?),
        };
        let written = match rows {
            Rows::Parquet(rows) => rows.write_batch(&table.frame),
            Rows::Csv(rows, _) => rows.write_batch(&table.frame),
        };
        written.map_err(|error| failed(path, error))
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When that fails; there is no file then.
    pub fn finish(mut self) -> Result<(), DataError> {
        let path = self.path;
        match &mut self.rows {
            Some(Rows::Parquet(rows)) => rows.finish().map(|_| ()).map_err(|error| failed(&path, error))?,
            Some(Rows::Csv(rows, text)) => {
                rows.finish().map_err(|error| failed(&path, error))?;
                text.flush().map_err(|error| failed(&path, error))?;
            }
            None => {}
        }
        match self.goal {
            Goal::Parquet(file) | Goal::Csv(file) => {
                file.as_file().sync_all().map_err(|error| failed(&path, error))?;
                file.persist(&path).map_err(|error| failed(&path, error.error))?;
            }
            Goal::Stream(_) => {}
        }
        Ok(())
    }
}

impl Rows {
    fn start(goal: &mut Goal, path: &Path, schema: &Schema) -> Result<Self, DataError> {
        let again = |file: &NamedTempFile| file.as_file().try_clone().map_err(|error| failed(path, error));
        let sink: Box<dyn Write + Send> = match goal {
            Goal::Parquet(file) => {
                let rows = ParquetWriter::new(again(file)?).batched(schema).map_err(|error| failed(path, error))?;
                return Ok(Rows::Parquet(Box::new(rows)));
            }
            Goal::Csv(file) => Box::new(again(file)?),
            Goal::Stream(stream) => stream.take().unwrap_or_else(|| Box::new(std::io::sink())),
        };
        let text = Text::new(sink);
        let rows = CsvWriter::new(text.clone()).batched(schema).map_err(|error| failed(path, error))?;
        Ok(Rows::Csv(Box::new(rows), text))
    }
}

impl Table {
    /// Some of the columns, in the order given; none of them leaves a table without columns.
    ///
    /// # Errors
    /// When one is not there.
    pub fn select(&self, columns: &[String]) -> Result<Table, DataError> {
        let missing = columns.iter().find(|name| !self.columns().contains(&name.as_str()));
        if let Some(name) = missing {
            let hint = crate::names::nearest(name, self.columns().into_iter());
            return Err(DataError::NoColumn { path: self.path.clone(), column: name.clone(), hint });
        }
        let frame = self.frame.select(columns.iter().map(String::as_str)).map_err(|error| self.malformed(error))?;
        Ok(Table { path: self.path.clone(), frame, before: self.before })
    }

    /// The numbers of the rows in their file, counted from 1.
    pub fn row_numbers(&self) -> Vec<u64> {
        (0..self.rows()).map(|row| self.row(row) as u64).collect()
    }

    /// The same rows with further columns behind.
    ///
    /// # Errors
    /// When a name stands there already, or there is not one value a row.
    pub fn with_columns(self, columns: &[(&str, Values<'_>)]) -> Result<Table, DataError> {
        let column = |(name, values): &(&str, Values<'_>)| {
            let name = (*name).into();
            match values {
                Values::Scores(values) => Column::new(name, values),
                Values::Shares(values) => Column::new(name, values),
                Values::Counts(values) => Column::new(name, values),
                Values::Truths(values) => Column::new(name, values),
            }
        };
        let columns: Vec<Column> = self.frame.columns().iter().cloned().chain(columns.iter().map(column)).collect();
        let height = columns.first().map_or(0, Column::len);
        let frame = DataFrame::new(height, columns).map_err(|error| self.malformed(error))?;
        Ok(Table { path: self.path, frame, before: self.before })
    }

    /// The values of a row as text, in the order of the columns; empty where one is missing.
    pub fn row_text(&self, row: usize) -> Vec<String> {
        let text = |column: &Column| match column.get(row) {
            Ok(AnyValue::Null) | Err(_) => String::new(),
            Ok(value) => super::plain_text(&value),
        };
        self.frame.columns().iter().map(text).collect()
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> DataError {
    let reason = error.to_string().lines().next().unwrap_or_default().to_owned();
    DataError::Output { path: path.into(), reason }
}
