//! Tables from and to other libraries in the same process, through Arrow's
//! [C stream interface](https://arrow.apache.org/docs/format/CStreamInterface.html).

use std::path::Path;

use polars_arrow::array::{
    Array, BooleanArray, DictionaryArray, PrimitiveArray, StructArray, Utf8Array, Utf8ViewArray, new_empty_array,
};
use polars_arrow::datatypes::{ArrowDataType, Field, IntegerType, PhysicalType};
use polars_arrow::ffi::{ArrowArrayStreamReader, export_iterator};
use polars_arrow::match_integer_type;
use polars_arrow::types::PrimitiveType;

use super::batch::{ArrayRef, Batch, Categories, downcast, joined};
use super::columns::refuse_unsupported;
use super::guard::guarded;
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
        let read = || unsafe { ArrowArrayStreamReader::try_new(Box::new(stream)) };
        guarded(name, || read().map(Self).map_err(|error| malformed(name, error)))
    }

    /// The next part of the values.
    #[expect(unsafe_code, reason = "the interface is made of C structures")]
    fn next(&mut self, name: &Path) -> Result<Option<ArrayRef>, DataError> {
        // SAFETY: the caller of `new` promises that the stream keeps the rules.
        let array = unsafe { self.0.next() };
        array.transpose().map_err(|error| malformed(name, error))
    }

    /// All values of a stream of single values, as a column of this name.
    pub(super) fn column(self, name: &Path, column: &str) -> Result<ArrayRef, DataError> {
        guarded(name, || self.read_column(name, column))
    }

    fn read_column(mut self, name: &Path, column: &str) -> Result<ArrayRef, DataError> {
        let plain = plain_type(self.0.field().dtype());
        refuse_unsupported(name, [(column, &plain)])?;
        let mut parts = Vec::new();
        while let Some(part) = self.next(name)? {
            let rows = part.len();
            let part = Batch::new(rows, vec![(column.to_owned(), in_plain_type(part))]);
            parts.push(part.map_err(|error| malformed(name, error))?.columns()[0].clone());
        }
        match &parts[..] {
            [] => Ok(new_empty_array(plain)),
            [only] => Ok(only.clone()),
            several => joined(several).map_err(|error| malformed(name, error)),
        }
    }
}

/// What an array stores: without the name of an extension type, and decimals and dictionaries of anything but text in their plain form.
fn plain_type(dtype: &ArrowDataType) -> ArrowDataType {
    match dtype.to_storage() {
        ArrowDataType::Decimal32(precision, scale) | ArrowDataType::Decimal64(precision, scale) => {
            ArrowDataType::Decimal(*precision, *scale)
        }
        ArrowDataType::Dictionary(_, values, _) if is_plain(values) => plain_type(values),
        other => other.clone(),
    }
}

/// Whether a dictionary of such values is stored as the values themselves: of numbers, times and truth values.
fn is_plain(dtype: &ArrowDataType) -> bool {
    matches!(dtype.to_physical_type(), PhysicalType::Primitive(_) | PhysicalType::Boolean)
}

/// An array in its [`plain_type`], which tables can hold.
fn in_plain_type(mut array: ArrayRef) -> ArrayRef {
    *array.dtype_mut() = array.dtype().to_storage().clone();
    let plain = plain_type(array.dtype());
    macro_rules! wide {
        ($type:ty) => {{
            let values: &PrimitiveArray<$type> = downcast(array.as_ref());
            values.iter().map(|value| value.map(|&value| i128::from(value))).collect::<PrimitiveArray<i128>>()
        }};
    }
    match array.dtype() {
        ArrowDataType::Decimal32(..) => wide!(i32).to(plain).boxed(),
        ArrowDataType::Decimal64(..) => wide!(i64).to(plain).boxed(),
        ArrowDataType::Dictionary(key, values, _) if is_plain(values) => match_integer_type!(key, |$K| {
            let array: &DictionaryArray<$K> = downcast(array.as_ref());
            let places: Vec<Option<usize>> = array.keys_iter().collect();
            looked_up(in_plain_type(array.values().clone()).as_ref(), &places, plain)
        }),
        _ => array,
    }
}

/// The values at these places.
fn looked_up(values: &dyn Array, places: &[Option<usize>], dtype: ArrowDataType) -> ArrayRef {
    macro_rules! numbers {
        ($type:ty) => {{
            let values: &PrimitiveArray<$type> = downcast(values);
            let at = |place: &usize| values.is_valid(*place).then(|| values.value(*place));
            let found = places.iter().map(|place| place.as_ref().and_then(at));
            found.collect::<PrimitiveArray<$type>>().to(dtype).boxed()
        }};
    }
    match values.dtype().to_physical_type() {
        PhysicalType::Boolean => {
            let values: &BooleanArray = downcast(values);
            let at = |place: &usize| values.is_valid(*place).then(|| values.value(*place));
            places.iter().map(|place| place.as_ref().and_then(at)).collect::<BooleanArray>().boxed()
        }
        PhysicalType::Primitive(PrimitiveType::Int8) => numbers!(i8),
        PhysicalType::Primitive(PrimitiveType::Int16) => numbers!(i16),
        PhysicalType::Primitive(PrimitiveType::Int32) => numbers!(i32),
        PhysicalType::Primitive(PrimitiveType::Int64) => numbers!(i64),
        PhysicalType::Primitive(PrimitiveType::Int128) => numbers!(i128),
        PhysicalType::Primitive(PrimitiveType::UInt8) => numbers!(u8),
        PhysicalType::Primitive(PrimitiveType::UInt16) => numbers!(u16),
        PhysicalType::Primitive(PrimitiveType::UInt32) => numbers!(u32),
        PhysicalType::Primitive(PrimitiveType::UInt64) => numbers!(u64),
        PhysicalType::Primitive(PrimitiveType::Float32) => numbers!(f32),
        PhysicalType::Primitive(PrimitiveType::Float64) => numbers!(f64),
        other => unreachable!("values of the type {other:?} are refused before"),
    }
}

impl Table {
    /// The rows that a stream gives, without copies of the columns that are stored as tables store them. `name` stands for the table
    /// in errors.
    ///
    /// # Errors
    /// When there are no rows, a row is null as a whole, the stream gives no rows but single values, or a column is of a type that is
    /// not supported.
    pub fn of_arrow(name: &Path, stream: ArrowStream, wanted: &WantedColumns) -> Result<Self, DataError> {
        guarded(name, || Self::read_arrow(name, stream, wanted))
    }

    fn read_arrow(name: &Path, mut stream: ArrowStream, wanted: &WantedColumns) -> Result<Self, DataError> {
        let failed = |reason: String| malformed(name, reason);
        let ArrowDataType::Struct(fields) = stream.0.field().dtype().to_storage().clone() else {
            return Err(failed("the Arrow stream holds single values instead of rows".into()));
        };
        let names = fields.iter().map(|field| field.name.to_string()).collect();
        let columns = FileColumns::choose(name, names, wanted)?;
        let plain: Vec<ArrowDataType> =
            columns.places().iter().map(|&place| plain_type(fields[place].dtype())).collect();
        refuse_unsupported(name, columns.wanted().zip(&plain))?;
        let mut batches = Vec::new();
        while let Some(part) = stream.next(name)? {
            let rows = part.len();
            if rows == 0 {
                continue;
            }
            let part: &StructArray = downcast(part.as_ref());
            if part.null_count() > 0 {
                return Err(failed("the Arrow stream holds rows that are null as a whole; leave them out".into()));
            }
            let arrays = columns.places().iter().map(|&place| in_plain_type(part.values()[place].clone()));
            let named = columns.wanted().map(str::to_owned).zip(arrays).collect();
            batches.push(Batch::new(rows, named).map_err(failed)?);
        }
        let no_rows = || DataError::NoRows { path: name.into() };
        let batch = Batch::concat(batches).map_err(failed)?.ok_or_else(no_rows)?;
        Self::checked(name, batch, TableOrigin { columns: columns.names().clone(), delimiter: None })
    }

    /// The rows as a stream for another library, in one part. Texts become texts with 64-bit offsets, which every library reads.
    pub fn to_arrow(&self) -> ArrowArrayStream {
        let batch = self.plain_batch();
        let arrays: Vec<ArrayRef> = batch.columns().iter().map(exchanged).collect();
        let fields = batch.names().iter().zip(&arrays);
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
            let texts: &Utf8ViewArray = downcast(array.as_ref());
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
    fn dictionaries_of_numbers_become_numbers() {
        let values: ArrayRef = PrimitiveArray::<i64>::from_vec(vec![7, -3]).boxed();
        let keys: PrimitiveArray<i8> = [Some(1), None, Some(0)].into_iter().collect();
        let dtype = ArrowDataType::Dictionary(IntegerType::Int8, Box::new(ArrowDataType::Int64), false);
        let array = DictionaryArray::try_new(dtype, keys, values).unwrap().boxed();
        let plain = in_plain_type(array);
        let expected: PrimitiveArray<i64> = [Some(-3), None, Some(7)].into_iter().collect();
        assert_eq!(plain, expected.boxed());
        let decimals = PrimitiveArray::<i32>::from_vec(vec![150]).to(ArrowDataType::Decimal32(5, 2)).boxed();
        assert_eq!(crate::table::numbers(in_plain_type(decimals).as_ref()), [Some(1.5)]);
    }

    #[test]
    fn rows_that_are_null_as_a_whole_are_refused() {
        let values: ArrayRef = PrimitiveArray::<i64>::from_vec(vec![1, 2]).boxed();
        let dtype = ArrowDataType::Struct(vec![Field::new("a".into(), ArrowDataType::Int64, true)]);
        let validity = Some([true, false].into_iter().collect());
        let rows = StructArray::try_new(dtype.clone(), 2, vec![values], validity).unwrap();
        let stream = export_iterator(Box::new(std::iter::once(Ok(rows.boxed()))), Field::new("".into(), dtype, true));
        #[expect(unsafe_code, reason = "the interface is made of C structures")]
        // SAFETY: the stream is one of polars-arrow.
        let stream = unsafe { ArrowStream::new(Path::new("memory"), stream) }.unwrap();
        let error = Table::of_arrow(Path::new("memory"), stream, &WantedColumns::All).unwrap_err();
        assert!(error.to_string().contains("null as a whole"), "{error}");
    }

    #[test]
    fn a_stream_of_single_values_is_no_table() {
        let table = Table::read_csv(Path::new("memory"), Cursor::new("a\n1\n")).unwrap();
        let column = table.plain_batch().columns()[0].clone();
        let field = Field::new("a".into(), column.dtype().clone(), true);
        let part = Ok(column);
        let stream = export_iterator(Box::new(std::iter::once(part)), field);
        #[expect(unsafe_code, reason = "the interface is made of C structures")]
        // SAFETY: the stream is one of polars-arrow.
        let stream = unsafe { ArrowStream::new(Path::new("memory"), stream) }.unwrap();
        let error = Table::of_arrow(Path::new("memory"), stream, &WantedColumns::All).unwrap_err();
        assert!(error.to_string().contains("single values"), "{error}");
    }
}
