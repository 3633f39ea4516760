//! Tables that Python hands over and gets back.

use std::path::{Path, PathBuf};

use anoonly::data::DataError;
use anoonly::data::table::{
    ArrowArrayStream, ArrowStream, CellValue, MemoryColumn, ReadOptions, TickUnit, Values, WantedColumns,
};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::errors::raise;
use crate::work::run_quietly;

/// What errors call a table that is not a file.
pub const IN_MEMORY: &str = "table";

/// A table of typed, named columns.
#[pyclass(frozen, name = "Table", module = "anoonly._native")]
pub struct NativeTable {
    pub table: anoonly::Table,
}

#[pymethods]
impl NativeTable {
    /// Reads the columns `only` of a file, or all, without those of `drop`.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf, only: Option<Vec<String>>, drop: Vec<String>) -> PyResult<Self> {
        let read = move || {
            let options = ReadOptions { columns: wanted(only, drop), ..ReadOptions::default() };
            anoonly::Table::read_with(&path, &options)
        };
        Ok(Self { table: run_quietly(py, read)?.map_err(|error| raise(py, &error.into()))? })
    }

    /// Takes the columns `only` of an object with the method `__arrow_c_stream__`, or all, without those of `drop`.
    #[staticmethod]
    fn from_arrow(
        py: Python<'_>,
        rows: &Bound<'_, PyAny>,
        only: Option<Vec<String>>,
        drop: Vec<String>,
    ) -> PyResult<Self> {
        let stream = taken(rows)?;
        // Without the interpreter: a stream may wait for threads that need it.
        let table = run_quietly(py, move || {
            let name = Path::new(IN_MEMORY);
            anoonly::Table::of_arrow(name, stream_of(name, stream)?, &wanted(only, drop))
        })?;
        Ok(Self { table: table.map_err(|error| raise(py, &error.into()))? })
    }

    /// A matrix as a table with the columns `x0`, `x1`, ….
    #[staticmethod]
    fn from_matrix(py: Python<'_>, matrix: Matrix<'_>) -> PyResult<Self> {
        let (rows, columns) = match &matrix {
            Matrix::F32(matrix) => (matrix.as_array().nrows(), matrix.as_array().ncols()),
            Matrix::F64(matrix) => (matrix.as_array().nrows(), matrix.as_array().ncols()),
        };
        let mut table = NativeTableBuilder::new(rows);
        for column in 0..columns {
            let values = match &matrix {
                Matrix::F32(matrix) => MemoryColumn::F32(matrix.as_array().column(column).to_vec()),
                Matrix::F64(matrix) => MemoryColumn::F64(matrix.as_array().column(column).to_vec()),
            };
            table.add(py, &format!("x{column}"), values, None)?;
        }
        table.finish(py)
    }

    /// The number of rows.
    #[getter]
    fn rows(&self) -> usize {
        self.table.rows()
    }

    /// The names of the columns.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        self.table.columns()
    }

    /// The type of each column.
    #[getter]
    fn types(&self) -> Vec<String> {
        self.table.types()
    }

    /// The values of a column.
    fn column<'py>(&self, py: Python<'py>, name: String) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let column = self.table.select(&[name]).map_err(|error| raise(py, &error.into()))?;
        (0..column.rows()).flat_map(|row| column.row_values(row)).map(|value| python_value(py, value)).collect()
    }

    /// The rows from `start` on, at most `count`, as text for people.
    fn rows_as_text(&self, start: usize, count: usize) -> Vec<Vec<String>> {
        let end = self.table.rows().min(start.saturating_add(count));
        (start..end).map(|row| self.table.row_text(row)).collect()
    }

    /// The same rows with labels in a further column; `None` for an unlabelled row.
    fn with_labels(&self, py: Python<'_>, name: String, labels: Vec<Option<String>>) -> PyResult<Self> {
        let labels: Vec<Option<&str>> = labels.iter().map(Option::as_deref).collect();
        let table = self.table.clone().with_columns(&[(&name, Values::Texts(&labels))]);
        Ok(Self { table: table.map_err(|error| raise(py, &error.into()))? })
    }

    /// The rows as a stream of Arrow's C stream interface.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A producer may ignore the schema that is asked for.
        drop(requested_schema);
        PyCapsule::new_with_value(py, self.table.to_arrow(), c"arrow_array_stream")
    }
}

/// The columns `only`, or all, without those of `drop`.
fn wanted(only: Option<Vec<String>>, drop: Vec<String>) -> WantedColumns {
    match only {
        Some(only) => WantedColumns::Only(only.into_iter().filter(|name| !drop.contains(name)).collect()),
        None => WantedColumns::Except(drop),
    }
}

/// A matrix of floats.
#[derive(FromPyObject)]
enum Matrix<'py> {
    F64(PyReadonlyArray2<'py, f64>),
    F32(PyReadonlyArray2<'py, f32>),
}

/// A value as an object of Python.
pub fn python_value(py: Python<'_>, value: CellValue) -> PyResult<Bound<'_, PyAny>> {
    Ok(match value {
        CellValue::Missing => py.None().into_bound(py),
        CellValue::Truth(value) => value.into_pyobject(py)?.to_owned().into_any(),
        CellValue::Integer(value) => value.into_pyobject(py)?.into_any(),
        CellValue::Single(value) => value.into_pyobject(py)?.into_any(),
        CellValue::Double(value) => value.into_pyobject(py)?.into_any(),
        CellValue::Text(text) | CellValue::Other { exact: text, .. } => text.into_pyobject(py)?.into_any(),
    })
}

/// Takes the stream of an object with the method `__arrow_c_stream__`.
fn taken(object: &Bound<'_, PyAny>) -> PyResult<ArrowArrayStream> {
    let capsule = object.call_method0("__arrow_c_stream__")?;
    let capsule =
        capsule.cast::<PyCapsule>().map_err(|_| PyTypeError::new_err("__arrow_c_stream__ gave no capsule"))?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<ArrowArrayStream>();
    // SAFETY: a capsule of this name holds such a structure. What is left behind is marked as released, as the interface asks.
    #[expect(unsafe_code, reason = "the interface is made of C structures")]
    Ok(unsafe { std::ptr::replace(pointer.as_ptr(), ArrowArrayStream::empty()) })
}

/// The rows or values of a stream that a capsule held.
fn stream_of(name: &Path, stream: ArrowArrayStream) -> Result<ArrowStream, DataError> {
    // SAFETY: the stream comes from a capsule of the name that the interface reserves for such streams.
    #[expect(unsafe_code, reason = "the interface is made of C structures")]
    unsafe {
        ArrowStream::new(name, stream)
    }
}

/// A table that is made column by column.
#[pyclass(name = "TableBuilder", module = "anoonly._native")]
pub struct NativeTableBuilder {
    builder: Option<anoonly::data::table::TableBuilder>,
}

impl NativeTableBuilder {
    fn add(&mut self, py: Python<'_>, column: &str, values: MemoryColumn, missing: Option<&[bool]>) -> PyResult<()> {
        let builder = self.builder.as_mut().ok_or_else(finished)?;
        builder.add(column, values, missing).map_err(|error| raise(py, &error.into()))
    }
}

fn finished() -> PyErr {
    PyValueError::new_err("the table is finished")
}

/// A column of numbers or truth values.
#[derive(FromPyObject)]
enum Numbers<'py> {
    F64(PyReadonlyArray1<'py, f64>),
    F32(PyReadonlyArray1<'py, f32>),
    I64(PyReadonlyArray1<'py, i64>),
    I32(PyReadonlyArray1<'py, i32>),
    I16(PyReadonlyArray1<'py, i16>),
    I8(PyReadonlyArray1<'py, i8>),
    U64(PyReadonlyArray1<'py, u64>),
    U32(PyReadonlyArray1<'py, u32>),
    U16(PyReadonlyArray1<'py, u16>),
    U8(PyReadonlyArray1<'py, u8>),
    Truths(PyReadonlyArray1<'py, bool>),
}

#[pymethods]
impl NativeTableBuilder {
    #[new]
    fn new(rows: usize) -> Self {
        Self { builder: Some(anoonly::data::table::TableBuilder::new(Path::new(IN_MEMORY), rows)) }
    }

    /// Adds a column of numbers or truth values.
    fn add_numbers(
        &mut self,
        py: Python<'_>,
        column: &str,
        values: Numbers<'_>,
        missing: Option<PyReadonlyArray1<'_, bool>>,
    ) -> PyResult<()> {
        let missing = missing.map(|missing| missing.as_array().to_vec());
        let values = match values {
            Numbers::F64(values) => MemoryColumn::F64(values.as_array().to_vec()),
            Numbers::F32(values) => MemoryColumn::F32(values.as_array().to_vec()),
            Numbers::I64(values) => MemoryColumn::I64(values.as_array().to_vec()),
            Numbers::I32(values) => MemoryColumn::I32(values.as_array().to_vec()),
            Numbers::I16(values) => MemoryColumn::I16(values.as_array().to_vec()),
            Numbers::I8(values) => MemoryColumn::I8(values.as_array().to_vec()),
            Numbers::U64(values) => MemoryColumn::U64(values.as_array().to_vec()),
            Numbers::U32(values) => MemoryColumn::U32(values.as_array().to_vec()),
            Numbers::U16(values) => MemoryColumn::U16(values.as_array().to_vec()),
            Numbers::U8(values) => MemoryColumn::U8(values.as_array().to_vec()),
            Numbers::Truths(values) => MemoryColumn::Truths(values.as_array().to_vec()),
        };
        self.add(py, column, values, missing.as_deref())
    }

    /// Notes a column that is not looked at.
    fn skip(&mut self, column: &str) -> PyResult<()> {
        self.builder.as_mut().ok_or_else(finished)?.skip(column);
        Ok(())
    }

    /// Adds a column of texts; `None` for a missing one.
    fn add_texts(&mut self, py: Python<'_>, column: &str, texts: Vec<Option<String>>) -> PyResult<()> {
        self.add(py, column, MemoryColumn::Texts(texts), None)
    }

    /// Adds a column of categories, each given by its place among `texts`; below 0 for a missing one.
    fn add_categories(
        &mut self,
        py: Python<'_>,
        column: &str,
        places: PyReadonlyArray1<'_, i64>,
        texts: Vec<String>,
    ) -> PyResult<()> {
        let places = places.as_array().iter().map(|&place| usize::try_from(place).ok()).collect();
        self.add(py, column, MemoryColumn::Categories { places, texts }, None)
    }

    /// Adds a column of times in units since 1970, in UTC where there is a zone.
    fn add_times(
        &mut self,
        py: Python<'_>,
        column: &str,
        ticks: PyReadonlyArray1<'_, i64>,
        unit: &str,
        zone: Option<String>,
    ) -> PyResult<()> {
        let unit = match unit {
            "s" => TickUnit::Seconds,
            "ms" => TickUnit::Milliseconds,
            "us" => TickUnit::Microseconds,
            "ns" => TickUnit::Nanoseconds,
            other => return Err(PyValueError::new_err(format!("unknown unit of time: {other}"))),
        };
        let ticks = ticks.as_array().to_vec();
        // NumPy and pandas mark a missing time so.
        let missing: Vec<bool> = ticks.iter().map(|&ticks| ticks == i64::MIN).collect();
        self.add(py, column, MemoryColumn::Times { ticks, unit, zone }, Some(&missing))
    }

    /// Adds a column of an object with the method `__arrow_c_stream__` that gives single values.
    fn add_arrow(&mut self, py: Python<'_>, column: &str, values: &Bound<'_, PyAny>) -> PyResult<()> {
        let builder = self.builder.as_mut().ok_or_else(finished)?;
        let stream = taken(values)?;
        let added = py.detach(|| builder.add_arrow(column, stream_of(Path::new(IN_MEMORY), stream)?));
        added.map_err(|error| raise(py, &error.into()))
    }

    /// The table.
    fn finish(&mut self, py: Python<'_>) -> PyResult<NativeTable> {
        let builder = self.builder.take().ok_or_else(finished)?;
        Ok(NativeTable { table: builder.finish().map_err(|error| raise(py, &error.into()))? })
    }
}
