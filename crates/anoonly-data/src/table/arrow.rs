//! Tables from and to other libraries in the same process, through Arrow's
//! [C stream interface](https://arrow.apache.org/docs/format/CStreamInterface.html).

use std::path::Path;

use polars_arrow::array::{DictionaryArray, StructArray, Utf8Array, new_empty_array};
use polars_arrow::datatypes::{ArrowDataType, Field, IntegerType};
use polars_arrow::ffi::{ArrowArrayStreamReader, export_iterator};

use super::batch::{ArrayRef, Batch, Categories, downcast, joined};
use super::columns::refuse_unsupported;
use super::options::{FileColumns, WantedColumns};
use super::{Table, TableOrigin, malformed};
use crate::DataError;

pub use polars_arrow::ffi::ArrowArrayStream;

/// Rows, or the values of one column, that another library of the process gives part by part.
pub struct ArrowStream(ArrowArrayStreamReader<Box<ArrowArrayStream>>);

impl ArrowStream {
    /// Takes over a stream; `name` stands for it in errors.
    ///
    /// # Safety
    /// The stream must keep the rules of the C stream interface.
    ///
    /// # Errors
    /// When the stream was released before, or its schema cannot be read.
    #[expect(unsafe_code, reason = "the interface is made of C structures")]
    pub unsafe fn new(name: &Path, stream: ArrowArrayStream) -> Result<Self, DataError> {
        // SAFETY: the caller promises that the stream keeps the rules.
        let reader = unsafe { ArrowArrayStreamReader::try_new(Box::new(stream)) };
        reader.map(Self).map_err(|error| malformed(name, error))
    }

    /// The next part of the values.
    #[expect(unsafe_code, reason = "the interface is made of C structures")]
    fn next(&mut self, name: &Path) -> Result<Option<ArrayRef>, DataError> {
        // SAFETY: the caller of `new` promises that the stream keeps the rules.
        let array = unsafe { self.0.next() };
        array.transpose().map_err(|error| malformed(name, error))
    }

    /// All values of a stream of single values, as a column of this name.
    pub(super) fn column(mut self, name: &Path, column: &str) -> Result<ArrayRef, DataError> {
        let stored = self.0.field().dtype().to_storage().clone();
        refuse_unsupported(name, [(column, &stored)])?;
        let mut parts = Vec::new();
        while let Some(part) = self.next(name)? {
            let rows = part.len();
            let part = Batch::new(rows, vec![(column.to_owned(), stored_as(part, &stored))]);
            parts.push(part.map_err(|error| malformed(name, error))?.columns()[0].clone());
        }
        match &parts[..] {
            [] => Ok(new_empty_array(stored)),
            [only] => Ok(only.clone()),
            several => joined(several).map_err(|error| malformed(name, error)),
        }
    }
}

/// An array as what it stores, without the name of an extension type.
fn stored_as(mut array: ArrayRef, stored: &ArrowDataType) -> ArrayRef {
    *array.dtype_mut() = stored.clone();
    array
}

impl Table {
    /// The rows that a stream gives, without copies of the columns that are stored as tables store them. `name` stands for the table
    /// in errors.
    ///
    /// # Errors
    /// When there are no rows, the stream gives no rows but single values, or a column is of a type that is not supported.
    pub fn of_arrow(name: &Path, mut stream: ArrowStream, wanted: &WantedColumns) -> Result<Self, DataError> {
        let failed = |reason: String| malformed(name, reason);
        let ArrowDataType::Struct(fields) = stream.0.field().dtype().to_storage().clone() else {
            return Err(failed("the Arrow stream holds single values instead of rows".into()));
        };
        let names = fields.iter().map(|field| field.name.to_string()).collect();
        let columns = FileColumns::choose(name, names, wanted)?;
        let stored: Vec<&ArrowDataType> =
            columns.places().iter().map(|&place| fields[place].dtype().to_storage()).collect();
        refuse_unsupported(name, columns.wanted().zip(stored.iter().copied()))?;
        let mut batches = Vec::new();
        while let Some(part) = stream.next(name)? {
            let rows = part.len();
            if rows == 0 {
                continue;
            }
            let part: &StructArray = downcast(part.as_ref());
            let arrays = columns.places().iter().zip(&stored);
            let arrays = arrays.map(|(&place, stored)| stored_as(part.values()[place].clone(), stored));
            let named = columns.wanted().map(str::to_owned).zip(arrays).collect();
            batches.push(Batch::new(rows, named).map_err(failed)?);
        }
        let no_rows = || DataError::NoRows { path: name.into() };
        let batch = Batch::concat(batches).map_err(failed)?.ok_or_else(no_rows)?;
        Self::checked(name, batch, TableOrigin { columns: columns.names().clone(), delimiter: None })
    }

    /// The rows as a stream for another library, in one part. Texts become texts with 64-bit offsets, which every library reads.
    pub fn to_arrow(&self) -> ArrowArrayStream {
        let arrays: Vec<ArrayRef> = self.batch.columns().iter().map(exchanged).collect();
        let fields = self.batch.names().iter().zip(&arrays);
        let fields = fields.map(|(name, array)| Field::new(name.as_str().into(), array.dtype().clone(), true));
        let dtype = ArrowDataType::Struct(fields.collect());
        let rows = match StructArray::try_new(dtype.clone(), self.rows(), arrays, None) {
            Ok(rows) => rows,
            Err(error) => unreachable!("the columns of a table have the same length: {error}"),
        };
        let part: ArrayRef = Box::new(rows);
        export_iterator(Box::new(std::iter::once(Ok(part))), Field::new("".into(), dtype, false))
    }
}

/// A column as other libraries read it.
fn exchanged(array: &ArrayRef) -> ArrayRef {
    match array.dtype() {
        ArrowDataType::Utf8View => {
            let texts: &polars_arrow::array::Utf8ViewArray = downcast(array.as_ref());
            texts.iter().collect::<Utf8Array<i64>>().boxed()
        }
        ArrowDataType::Dictionary(..) => {
            let keys = downcast::<DictionaryArray<u32>>(array.as_ref()).keys().clone();
            let categories = Categories::of(array.as_ref());
            let texts = categories.texts().collect::<Utf8Array<i64>>().boxed();
            let dtype = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(texts.dtype().clone()), false);
            match DictionaryArray::try_new(dtype, keys, texts) {
                Ok(array) => array.boxed(),
                Err(error) => unreachable!("every key has a value: {error}"),
            }
        }
        _ => array.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A table that went out as a stream and came back.
    fn back(table: &Table, wanted: &WantedColumns) -> Result<Table, DataError> {
        let name = Path::new("memory");
        #[expect(unsafe_code, reason = "the interface is made of C structures")]
        // SAFETY: the stream is one of this module.
        let stream = unsafe { ArrowStream::new(name, table.to_arrow()) }?;
        Table::of_arrow(name, stream, wanted)
    }

    #[test]
    fn tables_survive_the_way_through_a_stream() {
        let text = "id,\"a, b\",c\n1,x,2024-01-01\n,\"y \"\"z\"\"\",\n3,,2024-01-03\n";
        let table = Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
        let table = table.with_columns(&[("score", crate::table::Values::Scores(&[0.1, f32::MAX, -1.0]))]).unwrap();
        let all = back(&table, &WantedColumns::All).unwrap();
        assert_eq!(all.columns(), table.columns());
        assert_eq!(all.types(), table.types());
        for row in 0..3 {
            assert_eq!(all.row_values(row), table.row_values(row));
        }
        let some = back(&table, &WantedColumns::Only(vec!["c".into(), "none".into()])).unwrap();
        assert_eq!(some.columns(), ["c"]);
        assert_eq!(some.file_columns(), ["id", "a, b", "c", "score"]);
    }

    #[test]
    fn a_stream_of_single_values_is_no_table() {
        let table = Table::read_csv(Path::new("memory"), Cursor::new("a\n1\n")).unwrap();
        let field = Field::new("a".into(), table.batch.columns()[0].dtype().clone(), true);
        let part = Ok(table.batch.columns()[0].clone());
        let stream = export_iterator(Box::new(std::iter::once(part)), field);
        #[expect(unsafe_code, reason = "the interface is made of C structures")]
        // SAFETY: the stream is one of polars-arrow.
        let stream = unsafe { ArrowStream::new(Path::new("memory"), stream) }.unwrap();
        let error = Table::of_arrow(Path::new("memory"), stream, &WantedColumns::All).unwrap_err();
        assert!(error.to_string().contains("single values"), "{error}");
    }
}
