//! Named columns with the same number of rows.

use std::collections::HashMap;
use std::sync::Arc;

use polars_arrow::array::{
    Array, DictionaryArray, DictionaryKey, MutableBinaryViewArray, PrimitiveArray, Utf8Array, Utf8ViewArray, View,
};
use polars_arrow::compute::concatenate::concatenate_unchecked;
use polars_arrow::datatypes::{ArrowDataType, IntegerType, TimeUnit};
use polars_arrow::match_integer_type;

use super::written::WrittenNumbers;

/// A column in memory.
pub(super) type ArrayRef = Box<dyn Array>;

/// Columns with the same number of rows. Texts are of type `Utf8View`, and categories are dictionaries of such texts with `u32` keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Batch {
    rows: usize,
    names: Arc<ColumnNames>,
    columns: Vec<ArrayRef>,
}

/// Names of columns and their places: tables may have a hundred thousand columns, and each is asked for by its name.
#[derive(Debug, PartialEq)]
struct ColumnNames {
    in_order: Vec<String>,
    /// The place of each name; of equal names, the first.
    places: HashMap<String, usize>,
}

impl ColumnNames {
    fn new(in_order: Vec<String>) -> Arc<Self> {
        let mut places = HashMap::with_capacity(in_order.len());
        for (place, name) in in_order.iter().enumerate() {
            places.entry(name.clone()).or_insert(place);
        }
        Arc::new(Self { in_order, places })
    }
}

impl Batch {
    /// Columns of `rows` values each, converted to the types that tables hold.
    ///
    /// # Errors
    /// Names the first column of another length.
    pub(super) fn new(rows: usize, columns: Vec<(String, ArrayRef)>) -> Result<Self, String> {
        if let Some((name, column)) = columns.iter().find(|(_, column)| column.len() != rows) {
            return Err(format!("column `{name}` has {} rows instead of {rows}", column.len()));
        }
        let (names, columns) = columns.into_iter().map(|(name, column)| (name, in_table_type(column))).unzip();
        Ok(Self { rows, names: ColumnNames::new(names), columns })
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names.in_order
    }

    /// The place of a column.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.names.places.get(name).copied()
    }

    /// The columns, in the order of their names.
    pub(super) fn columns(&self) -> &[ArrayRef] {
        &self.columns
    }

    /// The bytes that the values take in memory.
    pub(super) fn memory(&self) -> u64 {
        self.columns.iter().map(|column| memory(column.as_ref())).sum()
    }

    /// `rows` rows from row `start` on.
    pub(super) fn slice(&self, start: usize, rows: usize) -> Self {
        let columns = self.columns.iter().map(|column| column.sliced(start, rows)).collect();
        Self { rows, names: self.names.clone(), columns }
    }

    /// The columns of a text file as plain texts, however they are stored.
    pub(super) fn with_texts(&self) -> Self {
        let text = |column: &ArrayRef| match column.dtype() {
            ArrowDataType::Dictionary(..) => with_texts(Categories::of(column.as_ref()).iter()),
            dtype if WrittenNumbers::is(dtype) => WrittenNumbers::of(column.as_ref()).texts().boxed(),
            _ => column.clone(),
        };
        Self { rows: self.rows, names: self.names.clone(), columns: self.columns.iter().map(text).collect() }
    }

    /// Some of the columns, by their places.
    pub(super) fn project(&self, places: &[usize]) -> Self {
        let names = places.iter().map(|&place| self.names.in_order[place].clone()).collect();
        let columns = places.iter().map(|&place| self.columns[place].clone()).collect();
        Self { rows: self.rows, names: ColumnNames::new(names), columns }
    }

    /// The rows of several batches with the same columns, one batch after another. `None` when there are no batches.
    pub(super) fn concat(mut batches: Vec<Batch>) -> Result<Option<Self>, String> {
        if batches.len() < 2 {
            return Ok(batches.pop());
        }
        let rows = batches.iter().map(Batch::rows).sum();
        let names = batches[0].names.clone();
        // The parts of a column are dropped before the next column is joined, so that no column is in memory twice for long.
        let mut parts: Vec<_> = batches.into_iter().map(|batch| batch.columns.into_iter()).collect();
        let columns = names.in_order.iter().map(|_| {
            let parts: Vec<ArrayRef> = parts.iter_mut().filter_map(Iterator::next).collect();
            joined(&parts)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Self { rows, names, columns }))
    }
}

/// The bytes that a text takes in a column of texts.
pub(super) fn text_bytes(length: usize) -> u64 {
    let elsewhere = if length > View::MAX_INLINE_SIZE as usize { length } else { 0 };
    (size_of::<View>() + elsewhere) as u64
}

/// The bytes that the values of a column take, without those of categories.
fn memory(array: &dyn Array) -> u64 {
    let width = match array.dtype() {
        ArrowDataType::Utf8View => {
            let views = downcast::<Utf8ViewArray>(array).views().iter();
            return views.map(|view| text_bytes(view.length as usize)).sum();
        }
        ArrowDataType::Null => return 0,
        ArrowDataType::Boolean | ArrowDataType::Int8 | ArrowDataType::UInt8 => 1,
        ArrowDataType::Int16 | ArrowDataType::UInt16 => 2,
        ArrowDataType::Int32 | ArrowDataType::UInt32 | ArrowDataType::Float32 | ArrowDataType::Date32 => 4,
        ArrowDataType::Dictionary(..) => 4,
        ArrowDataType::Decimal(..) => 16,
        other if *other.to_storage() == ArrowDataType::UInt32 => 4,
        _ => 8,
    };
    width * array.len() as u64
}

/// Arrays of one type, one after another.
pub(super) fn joined(parts: &[ArrayRef]) -> Result<ArrayRef, String> {
    match parts.first().map(|first| first.dtype()) {
        Some(ArrowDataType::Dictionary(..)) => {
            let categories: Vec<_> = parts.iter().map(|part| Categories::of(part.as_ref())).collect();
            Ok(with_categories(categories.iter().flat_map(Categories::iter)))
        }
        _ => concatenate_unchecked(parts).map_err(|error| error.to_string()),
    }
}

/// A dictionary of texts with `u32` keys, as all columns of categories in a [`Batch`] are.
#[derive(Clone)]
pub(super) struct Categories {
    keys: PrimitiveArray<u32>,
    values: Utf8ViewArray,
}

impl Categories {
    /// The categories of a column.
    ///
    /// # Panics
    /// When the column is not a dictionary of texts with `u32` keys.
    pub(super) fn of(array: &dyn Array) -> Self {
        let array: &DictionaryArray<u32> = downcast(array);
        Self { keys: array.keys().clone(), values: downcast::<Utf8ViewArray>(array.values().as_ref()).clone() }
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The text of a row; `None` where it is missing.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.values.get(self.key(row)?)
    }

    /// The category of a row among the [`texts`](Self::texts); `None` where it is missing.
    pub(super) fn key(&self, row: usize) -> Option<usize> {
        self.keys.is_valid(row).then(|| self.keys.value(row) as usize)
    }

    /// The texts of all categories.
    pub(super) fn texts(&self) -> impl Iterator<Item = Option<&str>> + '_ {
        self.values.iter()
    }

    fn iter(&self) -> impl Iterator<Item = Option<&str>> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// An array as its concrete type.
///
/// # Panics
/// When the array is of another type. Every reader makes arrays that fit their data type.
pub(super) fn downcast<T: 'static>(array: &dyn Array) -> &T {
    match array.as_any().downcast_ref() {
        Some(array) => array,
        None => unreachable!("the array of type {:?} has an unexpected layout", array.dtype()),
    }
}

/// Texts as a column of categories. They get their keys in the order in which they first occur.
pub(super) fn with_categories<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut places: HashMap<&str, u32> = HashMap::new();
    let mut values = MutableBinaryViewArray::<str>::new();
    let keys: Vec<Option<u32>> = texts
        .map(|text| {
            text.map(|text| {
                let next = places.len() as u32;
                *places.entry(text).or_insert_with(|| {
                    values.push_value(text);
                    next
                })
            })
        })
        .collect();
    let dtype = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false);
    let values: Utf8ViewArray = values.into();
    match DictionaryArray::try_new(dtype, PrimitiveArray::from(keys), values.boxed()) {
        Ok(array) => array.boxed(),
        Err(error) => unreachable!("every key has a value: {error}"),
    }
}

/// Texts as a column.
fn with_texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let texts: Utf8ViewArray = MutableBinaryViewArray::<str>::from_iter(texts).into();
    texts.boxed()
}

/// A column in one of the types that tables hold: text as views, categories with `u32` keys, seconds and dates with 64 bits as
/// milliseconds.
fn in_table_type(array: ArrayRef) -> ArrayRef {
    match array.dtype() {
        ArrowDataType::Utf8 => with_texts(downcast::<Utf8Array<i32>>(array.as_ref()).iter()),
        ArrowDataType::LargeUtf8 => with_texts(downcast::<Utf8Array<i64>>(array.as_ref()).iter()),
        ArrowDataType::Dictionary(IntegerType::UInt32, values, _) if **values == ArrowDataType::Utf8View => array,
        ArrowDataType::Dictionary(key, ..) => {
            match_integer_type!(key, |$T| with_common_keys::<$T>(downcast(array.as_ref())))
        }
        ArrowDataType::Date64 => {
            let dtype = ArrowDataType::Timestamp(TimeUnit::Millisecond, None);
            downcast::<PrimitiveArray<i64>>(array.as_ref()).clone().to(dtype).boxed()
        }
        // Without a name, there is no zone.
        ArrowDataType::Timestamp(unit, Some(zone)) if zone.is_empty() => {
            let dtype = ArrowDataType::Timestamp(*unit, None);
            in_table_type(downcast::<PrimitiveArray<i64>>(array.as_ref()).clone().to(dtype).boxed())
        }
        ArrowDataType::Timestamp(TimeUnit::Second, zone) => {
            let dtype = ArrowDataType::Timestamp(TimeUnit::Millisecond, zone.clone());
            let seconds = downcast::<PrimitiveArray<i64>>(array.as_ref()).iter();
            let milliseconds = seconds.map(|seconds| seconds.and_then(|seconds| seconds.checked_mul(1000)));
            milliseconds.collect::<PrimitiveArray<i64>>().to(dtype).boxed()
        }
        _ => array,
    }
}

/// A dictionary of texts as categories with `u32` keys.
fn with_common_keys<K: DictionaryKey>(array: &DictionaryArray<K>) -> ArrayRef {
    let values = in_table_type(array.values().clone());
    let values: &Utf8ViewArray = downcast(values.as_ref());
    with_categories(array.keys_iter().map(|key| key.and_then(|key| values.get(key))))
}
