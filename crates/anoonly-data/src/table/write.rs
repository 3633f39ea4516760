//! Tables into files, block by block.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{ArrayRef, Batch};
use super::columns::{ShownColumn, quoted};
use super::{Table, batch, malformed};
use crate::DataError;
use anoonly_core::{WholeFile, check_writable};
use polars_arrow::array::{BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, StatisticsOptions, Version, WriteOptions, ZstdLevel, row_group_iter,
};
use rayon::prelude::*;

/// A file to which tables with the same columns are written one after another. It gets its name only once it is complete
/// ([`WholeFile`]).
pub struct TableWriter {
    path: PathBuf,
    /// The file under its temporary name; `None` for a stream and for a file without a name.
    whole: Option<WholeFile>,
    sink: Sink,
    style: CsvStyle,
    /// Rows that will be in the next row group of a Parquet file.
    waiting: Vec<Batch>,
}

/// A row group of a Parquet file has at least this number of rows, unless it is the last one.
const GROUP_ROWS: usize = 1 << 16;
/// The number of rows whose CSV text is made on one thread.
const TEXT_ROWS: usize = 1 << 12;

/// How CSV text is written.
#[derive(Clone, Copy)]
struct CsvStyle {
    delimiter: u8,
    guarded: bool,
}

impl CsvStyle {
    /// With commas, and text as it is.
    const PLAIN: Self = Self { delimiter: b',', guarded: false };
}

/// Where the rows go.
enum Sink {
    /// No rows yet.
    Unused,
    ParquetFile(File),
    Parquet(Box<FileWriter<BufWriter<File>>>),
    CsvStream(Box<dyn Write + Send>),
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
    /// Texts; `None` for a missing one.
    Texts(&'a [Option<&'a str>]),
    /// Truth values.
    Truths(&'a [bool]),
}

impl TableWriter {
    /// Checks before long work whether [`create`](Self::create) can write a file.
    ///
    /// # Errors
    /// As `create`.
    pub fn check(path: &Path) -> Result<(), DataError> {
        is_parquet(path)?;
        check_writable(path).map_err(|error| failed(path, error))
    }

    /// Creates a `.csv` or `.parquet` file.
    ///
    /// # Errors
    /// When the file name has another ending, or no file can be created in its folder.
    pub fn create(path: &Path) -> Result<Self, DataError> {
        let parquet = is_parquet(path)?;
        let whole = WholeFile::create(path).map_err(|error| failed(path, error))?;
        let file = whole.file().try_clone().map_err(|error| failed(path, error.kind()))?;
        let sink = if parquet { Sink::ParquetFile(file) } else { Sink::CsvStream(Box::new(file)) };
        Ok(Self { whole: Some(whole), ..Self::of(path, sink) })
    }

    /// Writes CSV text to a stream; `name` stands for it in errors.
    pub fn stream(name: &Path, stream: impl Write + Send + 'static) -> Self {
        Self::of(name, Sink::CsvStream(Box::new(stream)))
    }

    fn of(path: &Path, sink: Sink) -> Self {
        Self { path: path.into(), whole: None, sink, style: CsvStyle::PLAIN, waiting: Vec::new() }
    }

    /// Writes Parquet to an open file, such as one without a name; `name` stands for it in errors.
    pub fn parquet(name: &Path, file: File) -> Self {
        Self::of(name, Sink::ParquetFile(file))
    }

    /// Guards text in CSV against spreadsheets, which would run it as a formula: text that begins with `=`, `+`, `-`, `@`, a tab or a
    /// carriage return, and is not a number, gets a `'` before it. Parquet files stay as they are.
    pub fn guarded(mut self) -> Self {
        self.style.guarded = true;
        self
    }

    /// Separates the fields of CSV as the file of a table does, if that is CSV too. The numbers of a file with semicolons may have
    /// decimal commas, which only such a file may have.
    pub fn delimited_as(mut self, table: &Table) -> Self {
        self.style.delimiter = table.origin.delimiter.unwrap_or(b',');
        self
    }

    /// Writes the rows of a table. The first table determines the columns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, table: &Table) -> Result<(), DataError> {
        let (path, style) = (&self.path, self.style);
        self.sink = match std::mem::replace(&mut self.sink, Sink::Unused) {
            Sink::ParquetFile(file) => Sink::Parquet(start_parquet(path, file, &table.plain_batch())?),
            Sink::CsvStream(stream) => {
                let mut text = BufWriter::new(stream);
                write_text(&mut text, &csv_header(table, style)).map_err(|error| failed(path, error))?;
                Sink::Csv(text)
            }
            started => started,
        };
        match &mut self.sink {
            Sink::Parquet(writer) => {
                let batch = table.plain_batch().into_owned();
                if schema(&batch) != *writer.schema() {
                    return Err(failed(path, "the columns differ from those of the first table"));
                }
                self.waiting.push(batch);
                match self.waiting.iter().map(Batch::rows).sum::<usize>() < GROUP_ROWS {
                    true => Ok(()),
                    false => write_row_group(writer, &mut self.waiting).map_err(|error| failed(path, error)),
                }
            }
            Sink::Csv(text) => write_text(text, &csv_rows(table, style)).map_err(|error| failed(path, error)),
            Sink::Unused | Sink::ParquetFile(_) | Sink::CsvStream(_) => Err(failed(path, "an earlier write failed")),
        }
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When that fails; an earlier file of that name is unchanged then.
    pub fn finish(self) -> Result<(), DataError> {
        let path = self.path;
        match self.sink {
            Sink::Parquet(mut writer) => {
                write_row_group(&mut writer, &mut { self.waiting }).map_err(|error| failed(&path, error))?;
                writer.end(None).map_err(|error| failed(&path, error))?;
                writer.into_inner().flush().map_err(|error| failed(&path, error))?;
            }
            Sink::Csv(mut text) => unless_broken_pipe(text.flush()).map_err(|error| failed(&path, error))?,
            Sink::Unused | Sink::ParquetFile(_) | Sink::CsvStream(_) => {}
        }
        self.whole.map_or(Ok(()), WholeFile::finish).map_err(|error| failed(&path, error))
    }
}

/// Whether the ending of a file name is that of Parquet, not of CSV.
fn is_parquet(path: &Path) -> Result<bool, DataError> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => Ok(false),
        "parquet" => Ok(true),
        _ => Err(failed(path, "the name must end in .csv or .parquet")),
    }
}

fn start_parquet(path: &Path, file: File, batch: &Batch) -> Result<Box<FileWriter<BufWriter<File>>>, DataError> {
    let options = WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::Zstd(ZstdLevel::try_new(1).ok()),
        data_page_size: None,
    };
    let writer = FileWriter::try_new(BufWriter::new(file), schema(batch), options);
    writer.map(Box::new).map_err(|error| failed(path, error))
}

/// The names of the columns as a line of a CSV file.
fn csv_header(table: &Table, CsvStyle { delimiter, guarded }: CsvStyle) -> Vec<u8> {
    let mut header = Vec::new();
    for (place, name) in table.columns().into_iter().enumerate() {
        if place > 0 {
            header.push(delimiter);
        }
        quoted(&shown(name, guarded), delimiter, &mut header);
    }
    header.push(b'\n');
    header
}

/// A text as it is written: with a `'` before it if it is guarded and a spreadsheet would take it for a formula.
fn shown(text: &str, guarded: bool) -> Cow<'_, str> {
    match guarded && text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err() {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

/// The columns of a Parquet file.
fn schema(batch: &Batch) -> ArrowSchema {
    let fields = batch.names().iter().zip(batch.columns());
    fields.map(|(name, column)| Field::new(name.as_str().into(), column.dtype().clone(), true)).collect()
}

/// Writes the rows of some batches as a row group, if there are any, and so bounds their memory.
fn write_row_group(writer: &mut FileWriter<BufWriter<File>>, batches: &mut Vec<Batch>) -> Result<(), String> {
    let Some(batch) = Batch::concat(std::mem::take(batches))? else { return Ok(()) };
    let schema = schema(&batch);
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
fn csv_rows(table: &Table, style: CsvStyle) -> Vec<u8> {
    let columns: Vec<ShownColumn<'_>> =
        table.batch.columns().iter().map(|array| ShownColumn::of(array.as_ref())).collect();
    let starts: Vec<usize> = (0..table.rows()).step_by(TEXT_ROWS).collect();
    let texts = starts.into_par_iter().map(|start| {
        let mut text = Vec::new();
        let end = table.rows().min(start + TEXT_ROWS);
        csv_lines(&columns, start..end, style, &mut text);
        text
    });
    texts.collect::<Vec<_>>().concat()
}

/// Appends the lines of some rows.
fn csv_lines(columns: &[ShownColumn<'_>], rows: Range<usize>, style: CsvStyle, text: &mut Vec<u8>) {
    let CsvStyle { delimiter, guarded } = style;
    for row in rows {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                text.push(delimiter);
            }
            match column {
                ShownColumn::Text(texts) => {
                    texts.get(row).into_iter().for_each(|value| quoted(&shown(value, guarded), delimiter, text));
                }
                column => column.write_csv(row, text),
            }
        }
        text.push(b'\n');
    }
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

    /// Some of the rows, in the order given.
    ///
    /// # Errors
    /// When there are none.
    ///
    /// # Panics
    /// When a row does not exist.
    pub fn rows_at(&self, rows: &[usize]) -> Result<Table, DataError> {
        let parts = rows.iter().map(|&row| self.batch.slice(row, 1)).collect();
        let batch = Batch::concat(parts).map_err(|reason| malformed(&self.path, reason))?;
        let batch = batch.ok_or_else(|| DataError::NoRows { path: self.path.clone() })?;
        Ok(Table { path: self.path.clone(), batch, before: 0, origin: self.origin.clone() })
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
                Values::Texts(values) => Utf8ViewArray::from_slice(values).boxed(),
            };
            ((*name).to_owned(), values)
        });
        let present = self.columns().into_iter().map(str::to_owned).zip(self.batch.columns().iter().cloned());
        let columns: Vec<(String, ArrayRef)> = present.chain(added).collect();
        let height = columns.first().map_or(0, |(_, column)| column.len());
        let batch = batch(&self.path, height, columns)?;
        Ok(Table { batch, ..self })
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
        assert_eq!(again.batch.slice(2, 2).columns(), table.plain_batch().columns());
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
    fn text_that_a_spreadsheet_would_run_is_guarded_in_csv() {
        let text = "id,=x\n=1+1,a\n+49 30,@b\n-5,-1e3\n'=,+.5\n\"\t=2\",-b\n";
        let table = || Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let mut writer = TableWriter::create(&path).unwrap().guarded();
        writer.write(&table()).unwrap();
        writer.finish().unwrap();
        let expected = "id,'=x\n'=1+1,a\n'+49 30,'@b\n-5,-1e3\n'=,+.5\n'\t=2,'-b\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        let (_folder, verbatim) = written(&table(), "csv");
        assert!(std::fs::read_to_string(verbatim).unwrap().contains("\n=1+1,a\n+49 30,@b\n"));
        let path = folder.path().join("table.parquet");
        let mut writer = TableWriter::create(&path).unwrap().guarded();
        writer.write(&table()).unwrap();
        writer.finish().unwrap();
        assert_eq!(Table::read(&path).unwrap().batch.columns(), table().plain_batch().columns());
    }

    #[test]
    fn a_table_is_written_with_the_delimiter_of_its_file() {
        let text = "a;\"b;c\"\n1,5;x\n;\"y;z\"\n";
        let table = || Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
        let notes = [None, Some("1,5; \"so\"")];
        let noted = table().with_columns(&[("note", Values::Texts(&notes))]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let mut writer = TableWriter::create(&path).unwrap().delimited_as(&noted);
        writer.write(&noted).unwrap();
        writer.finish().unwrap();
        let expected = "a;\"b;c\";note\n1,5;x;\n;\"y;z\";\"1,5; \"\"so\"\"\"\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(Table::read(&path).unwrap().plain_batch().columns(), noted.plain_batch().columns());
        let (_folder, parquet) = written(&noted, "parquet");
        assert_eq!(Table::read(&parquet).unwrap().batch.slice(0, 2).columns(), noted.plain_batch().columns());
    }

    #[test]
    fn a_file_without_a_name_is_written_and_read_back() {
        let table = Table::read_csv(Path::new("memory"), Cursor::new("a\nx\n")).unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut writer = TableWriter::parquet(Path::new("rows"), file.try_clone().unwrap());
        writer.write(&table).unwrap();
        writer.finish().unwrap();
        let blocks: Vec<Table> =
            Table::parquet_blocks(Path::new("rows"), file).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!((blocks.len(), blocks[0].batch.columns()), (1, table.plain_batch().columns()));
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
