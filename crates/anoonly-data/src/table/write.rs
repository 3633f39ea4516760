//! Tables into files, block by block.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars_arrow::array::{BooleanArray, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, StatisticsOptions, Version, WriteOptions, ZstdLevel, row_group_iter,
};
use tempfile::NamedTempFile;

use super::batch::{ArrayRef, Batch};
use super::columns::{ShownColumn, quoted};
use super::{Table, batch};
use crate::DataError;
use anoonly_core::temporary_beside;

/// A file to which tables with the same columns are written one after another. It gets its name only once it is complete.
pub struct TableWriter {
    path: PathBuf,
    goal: Goal,
    sink: Option<Sink>,
}

/// Where the rows go.
enum Goal {
    Parquet(NamedTempFile),
    Csv(NamedTempFile),
    Stream(Option<Box<dyn Write + Send>>),
}

/// A file or stream after its first rows.
enum Sink {
    Parquet(Box<FileWriter<BufWriter<File>>>),
    Csv(BufWriter<Box<dyn Write + Send>>),
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
    /// Creates a `.csv` or `.parquet` file.
    ///
    /// # Errors
    /// When the file name has another ending, or no file can be created in its folder.
    pub fn create(path: &Path) -> Result<Self, DataError> {
        // Only the kind of the error: its whole message would name the temporary file.
        let file = || temporary_beside(path).map_err(|error| failed(path, error.kind()));
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let goal = match ending.as_str() {
            "csv" => Goal::Csv(file()?),
            "parquet" => Goal::Parquet(file()?),
            _ => return Err(failed(path, "the name must end in .csv or .parquet")),
        };
        Ok(Self { path: path.into(), goal, sink: None })
    }

    /// Writes CSV text to a stream; `name` stands for it in errors.
    pub fn stream(name: &Path, stream: impl Write + Send + 'static) -> Self {
        Self { path: name.into(), goal: Goal::Stream(Some(Box::new(stream))), sink: None }
    }

    /// Writes the rows of a table. The first table determines the columns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, table: &Table) -> Result<(), DataError> {
        let path = &self.path;
        let sink = match &mut self.sink {
            Some(sink) => sink,
            none => none.insert(Sink::start(&mut self.goal, path, table)?),
        };
        match sink {
            // A row group for each block, so that memory stays bounded.
            Sink::Parquet(writer) => write_row_group(writer, &table.batch).map_err(|error| failed(path, error)),
            Sink::Csv(text) => write_text(text, &csv_rows(table)).map_err(|error| failed(path, error)),
        }
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When that fails; no file exists then.
    pub fn finish(self) -> Result<(), DataError> {
        let path = self.path;
        match self.sink {
            Some(Sink::Parquet(mut writer)) => {
                writer.end(None).map_err(|error| failed(&path, error))?;
                writer.into_inner().flush().map_err(|error| failed(&path, error))?;
            }
            Some(Sink::Csv(mut text)) => unless_broken_pipe(text.flush()).map_err(|error| failed(&path, error))?,
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

impl Sink {
    fn start(goal: &mut Goal, path: &Path, table: &Table) -> Result<Self, DataError> {
        let again = |file: &NamedTempFile| file.as_file().try_clone().map_err(|error| failed(path, error));
        let target: Box<dyn Write + Send> = match goal {
            Goal::Parquet(file) => {
                let options = WriteOptions {
                    statistics: StatisticsOptions::default(),
                    version: Version::V1,
                    compression: CompressionOptions::Zstd(ZstdLevel::try_new(1).ok()),
                    data_page_size: None,
                };
                let writer = FileWriter::try_new(BufWriter::new(again(file)?), schema(&table.batch), options);
                return Ok(Sink::Parquet(Box::new(writer.map_err(|error| failed(path, error))?)));
            }
            Goal::Csv(file) => Box::new(again(file)?),
            Goal::Stream(stream) => stream.take().unwrap_or_else(|| Box::new(io::sink())),
        };
        let mut text = BufWriter::new(target);
        let mut header = Vec::new();
        for (place, name) in table.columns().into_iter().enumerate() {
            if place > 0 {
                header.push(b',');
            }
            quoted(name, &mut header);
        }
        header.push(b'\n');
        write_text(&mut text, &header).map_err(|error| failed(path, error))?;
        Ok(Sink::Csv(text))
    }
}

/// The columns of a Parquet file.
fn schema(batch: &Batch) -> ArrowSchema {
    let fields = batch.names().iter().zip(batch.columns());
    fields.map(|(name, column)| Field::new(name.as_str().into(), column.dtype().clone(), true)).collect()
}

/// Writes the rows of a batch as a row group.
fn write_row_group(writer: &mut FileWriter<BufWriter<File>>, batch: &Batch) -> Result<(), String> {
    let schema = schema(batch);
    if schema != *writer.schema() {
        return Err("the columns differ from those of the first table".to_owned());
    }
    let rows = RecordBatchT::try_new(batch.rows(), Arc::new(schema), batch.columns().to_vec());
    let encodings: Vec<Vec<Encoding>> = batch.columns().iter().map(|column| vec![encoding(column.dtype())]).collect();
    let fields = writer.parquet_schema().fields().to_vec();
    let columns = row_group_iter(rows.map_err(|error| error.to_string())?, encodings.into(), fields, writer.options());
    writer.write(batch.rows() as u64, columns).map_err(|error| error.to_string())
}

/// Floats rarely repeat, and truth values and missing columns have no dictionary.
fn encoding(dtype: &ArrowDataType) -> Encoding {
    match dtype {
        ArrowDataType::Float32 | ArrowDataType::Float64 | ArrowDataType::Boolean | ArrowDataType::Null => {
            Encoding::Plain
        }
        _ => Encoding::RleDictionary,
    }
}

/// The rows of a table as lines of a CSV file.
fn csv_rows(table: &Table) -> Vec<u8> {
    let columns: Vec<ShownColumn<'_>> =
        table.batch.columns().iter().map(|array| ShownColumn::of(array.as_ref())).collect();
    let mut text = Vec::new();
    for row in 0..table.rows() {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            column.write_csv(row, &mut text);
        }
        text.push(b'\n');
    }
    text
}

fn write_text(text: &mut BufWriter<Box<dyn Write + Send>>, bytes: &[u8]) -> io::Result<()> {
    unless_broken_pipe(text.write_all(bytes))
}

/// A reader that has gone away, as `head` does, is no error.
fn unless_broken_pipe(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

impl Table {
    /// Some of the columns, in the order given. No names give a table without columns.
    ///
    /// # Errors
    /// When a column does not exist.
    pub fn select(&self, columns: &[String]) -> Result<Table, DataError> {
        let places = columns.iter().map(|name| self.place(name)).collect::<Result<Vec<_>, _>>()?;
        let (path, batch, origin) = (self.path.clone(), self.batch.project(&places), self.origin.clone());
        Ok(Table { path, batch, before: self.before, origin })
    }

    /// The numbers of the rows in their file, counted from 1.
    pub fn row_numbers(&self) -> Vec<u64> {
        (0..self.rows()).map(|row| self.row(row) as u64).collect()
    }

    /// The same rows with further columns after the present ones.
    ///
    /// # Errors
    /// When a name exists already, or a column does not hold one value a row.
    pub fn with_columns(self, columns: &[(&str, Values<'_>)]) -> Result<Table, DataError> {
        let added = columns.iter().map(|(name, values)| {
            let values: ArrayRef = match values {
                Values::Scores(values) => PrimitiveArray::from_slice(values).boxed(),
                Values::Shares(values) => PrimitiveArray::from_slice(values).boxed(),
                Values::Counts(values) => PrimitiveArray::from_slice(values).boxed(),
                Values::Truths(values) => BooleanArray::from_slice(values).boxed(),
            };
            ((*name).to_owned(), values)
        });
        let present = self.columns().into_iter().map(str::to_owned).zip(self.batch.columns().iter().cloned());
        let columns: Vec<(String, ArrayRef)> = present.chain(added).collect();
        let height = columns.first().map_or(0, |(_, column)| column.len());
        let batch = batch(&self.path, height, columns)?;
        Ok(Table { batch, ..self })
    }

    /// The values of a row for people, in the order of the columns; an empty text where one is missing.
    pub fn row_text(&self, row: usize) -> Vec<String> {
        let row = self.batch.slice(row, 1);
        let text = |array: &ArrayRef| {
            ShownColumn::of(array.as_ref()).display(0).map(|text| text.into_owned()).unwrap_or_default()
        };
        row.columns().iter().map(text).collect()
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> DataError {
    DataError::Output { path: path.into(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn written(table: &Table, ending: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("table.{ending}"));
        let mut writer = TableWriter::create(&path).unwrap();
        writer.write(table).unwrap();
        writer.write(table).unwrap();
        writer.finish().unwrap();
        (folder, path)
    }

    #[test]
    fn written_tables_are_read_back_the_same() {
        let table = Table::read_csv(Path::new("memory"), Cursor::new("a,\"b, c\"\n1,\"x \"\"y\"\"\"\n,z\n")).unwrap();
        let scores = [0.1f32, 1e-20];
        let table =
            table.with_columns(&[("score", Values::Scores(&scores)), ("rank", Values::Counts(&[2, 1]))]).unwrap();
        let (_folder, csv) = written(&table, "csv");
        let text = std::fs::read_to_string(csv).unwrap();
        let rows = "1,\"x \"\"y\"\"\",0.1,2\n,z,1e-20,1\n";
        assert_eq!(text, format!("a,\"b, c\",score,rank\n{rows}{rows}"));
        let (_folder, parquet) = written(&table, "parquet");
        let again = Table::read(&parquet).unwrap();
        assert_eq!(again.types(), ["text", "text", "f32", "u64"]);
        assert_eq!(again.rows(), 4);
        assert_eq!(again.batch.slice(2, 2).columns(), table.batch.columns());
    }

    #[test]
    fn tables_of_one_parquet_file_have_the_same_columns() {
        let table = |text: &'static str| Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::create(&folder.path().join("table.parquet")).unwrap();
        writer.write(&table("a\n1\n")).unwrap();
        assert!(matches!(writer.write(&table("b\n1\n")), Err(DataError::Output { .. })));
    }

    #[test]
    fn columns_must_fit_the_rows_and_have_new_names() {
        let table = || Table::read_csv(Path::new("memory"), Cursor::new("a\n1\n2\n")).unwrap();
        assert!(matches!(table().with_columns(&[("b", Values::Counts(&[1]))]), Err(DataError::Malformed { .. })));
        assert!(matches!(
            table().with_columns(&[("a", Values::Counts(&[1, 2]))]),
            Err(DataError::DuplicateColumn { .. })
        ));
    }
}
