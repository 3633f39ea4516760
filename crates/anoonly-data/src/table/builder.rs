//! Tables in memory, made column by column.

use std::path::{Path, PathBuf};

use polars_arrow::array::{BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};

use super::arrow::ArrowStream;
use super::batch::{ArrayRef, with_categories};
use super::{Table, TableOrigin, batch, columns::refuse_unsupported};
use crate::DataError;

/// A table in memory that is made column by column.
pub struct TableBuilder {
    name: PathBuf,
    rows: usize,
    columns: Vec<(String, ArrayRef)>,
    skipped: Vec<String>,
}

/// The values of a column in memory, one a row.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the variants are named after the types of their values")]
pub enum MemoryColumn {
    Truths(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Texts; `None` for a missing one.
    Texts(Vec<Option<String>>),
    /// Categories; `None` for a missing one.
    Categories {
        /// The place of each row's category.
        places: Vec<Option<usize>>,
        /// All categories.
        texts: Vec<String>,
    },
    /// Points in time.
    Times {
        /// The number of units since 1970 began, in UTC if there is a zone and in local time otherwise.
        ticks: Vec<i64>,
        /// The unit.
        unit: TickUnit,
        /// The time zone.
        zone: Option<String>,
    },
}

/// The unit of a [`MemoryColumn::Times`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are self-explanatory")]
pub enum TickUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl TableBuilder {
    /// A table of this number of rows, without columns. `name` stands for it in errors.
    pub fn new(name: &Path, rows: usize) -> Self {
        Self { name: name.into(), rows, columns: Vec::new(), skipped: Vec::new() }
    }

    /// Adds a column. `missing` marks the rows whose value is missing; texts and categories say so themselves.
    ///
    /// # Errors
    /// When the type of the column is not supported, or its zone is unknown.
    pub fn add(&mut self, column: &str, values: MemoryColumn, missing: Option<&[bool]>) -> Result<(), DataError> {
        let present = missing.map(|missing| missing.iter().map(|&missing| !missing).collect::<Bitmap>());
        macro_rules! numbers {
            ($values:expr) => {
                PrimitiveArray::from_vec($values).with_validity(present).boxed()
            };
        }
        let array = match values {
            MemoryColumn::Truths(values) => BooleanArray::from_slice(values).with_validity(present).boxed(),
            MemoryColumn::I8(values) => numbers!(values),
            MemoryColumn::I16(values) => numbers!(values),
            MemoryColumn::I32(values) => numbers!(values),
            MemoryColumn::I64(values) => numbers!(values),
            MemoryColumn::U8(values) => numbers!(values),
            MemoryColumn::U16(values) => numbers!(values),
            MemoryColumn::U32(values) => numbers!(values),
            MemoryColumn::U64(values) => numbers!(values),
            MemoryColumn::F32(values) => numbers!(values),
            MemoryColumn::F64(values) => numbers!(values),
            MemoryColumn::Texts(texts) => Utf8ViewArray::from_slice(texts).boxed(),
            MemoryColumn::Categories { places, texts } => {
                with_categories(places.iter().map(|place| place.and_then(|place| texts.get(place).map(String::as_str))))
            }
            MemoryColumn::Times { ticks, unit, zone } => {
                let unit = match unit {
                    TickUnit::Seconds => TimeUnit::Second,
                    TickUnit::Milliseconds => TimeUnit::Millisecond,
                    TickUnit::Microseconds => TimeUnit::Microsecond,
                    TickUnit::Nanoseconds => TimeUnit::Nanosecond,
                };
                let dtype = ArrowDataType::Timestamp(unit, zone.map(Into::into));
                PrimitiveArray::from_vec(ticks).to(dtype).with_validity(present).boxed()
            }
        };
        refuse_unsupported(&self.name, [(column, array.dtype())])?;
        self.columns.push((column.to_owned(), array));
        Ok(())
    }

    /// Adds a column whose values a stream gives.
    ///
    /// # Errors
    /// When the type of the values is not supported.
    pub fn add_arrow(&mut self, column: &str, stream: ArrowStream) -> Result<(), DataError> {
        let array = stream.column(&self.name, column)?;
        self.columns.push((column.to_owned(), array));
        Ok(())
    }

    /// Notes that where the values come from has a column that is not looked at.
    pub fn skip(&mut self, column: &str) {
        self.skipped.push(column.to_owned());
    }

    /// The table.
    ///
    /// # Errors
    /// When there are no rows, two columns have the same name, one has none, or a column has another number of values.
    pub fn finish(self) -> Result<Table, DataError> {
        if let Some(place) = self.columns.iter().position(|(name, _)| name.trim().is_empty()) {
            return Err(DataError::NamelessColumn { path: self.name, number: place + 1 });
        }
        let batch = batch(&self.name, self.rows, self.columns)?;
        let columns = batch.names().iter().cloned().chain(self.skipped).collect();
        let origin = TableOrigin { columns, delimiter: None };
        Table::checked(&self.name, batch, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::CellValue;

    #[test]
    fn columns_become_a_table_with_their_missing_values() {
        let mut table = TableBuilder::new(Path::new("memory"), 3);
        let missing = [false, true, false];
        table.add("whole", MemoryColumn::I16(vec![1, 0, -3]), Some(&missing)).unwrap();
        table.add("yes", MemoryColumn::Truths(vec![true, true, false]), None).unwrap();
        let texts = MemoryColumn::Texts(vec![Some("x".into()), None, Some(String::new())]);
        table.add("text", texts, None).unwrap();
        let kinds =
            MemoryColumn::Categories { places: vec![Some(1), None, Some(0)], texts: vec!["a".into(), "b".into()] };
        table.add("kind", kinds, None).unwrap();
        let ticks = vec![0, 86_400, -1];
        let times = MemoryColumn::Times { ticks, unit: TickUnit::Seconds, zone: Some("Europe/Berlin".into()) };
        table.add("time", times, Some(&missing)).unwrap();
        table.skip("other");
        let table = table.finish().unwrap();
        assert_eq!(table.file_columns().last().unwrap(), "other");
        assert_eq!(table.types(), ["i16", "bool", "text", "cat", "datetime[ms, Europe/Berlin]"]);
        assert_eq!(table.row_text(0), ["1", "true", "x", "b", "1970-01-01T01:00:00+01:00"]);
        assert_eq!(table.row_values(1)[0], CellValue::Missing);
        assert_eq!(table.row_text(2)[3], "a");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let name = Path::new("memory");
        let column = || MemoryColumn::F64(vec![1.0, 2.0]);
        let with = |names: &[&str], rows: usize| {
            let mut table = TableBuilder::new(name, rows);
            names.iter().try_for_each(|name| table.add(name, column(), None))?;
            table.finish()
        };
        assert!(with(&["a", "b"], 2).is_ok());
        assert!(matches!(with(&["a", "a"], 2), Err(DataError::DuplicateColumn { .. })));
        assert!(matches!(with(&["a", " "], 2), Err(DataError::NamelessColumn { number: 2, .. })));
        assert!(matches!(with(&["a"], 3), Err(DataError::Malformed { .. })));
        let times = MemoryColumn::Times { ticks: vec![0], unit: TickUnit::Seconds, zone: Some("Mars".into()) };
        assert!(matches!(
            TableBuilder::new(name, 1).add("t", times, None),
            Err(DataError::UnknownZone { zone, .. }) if zone == "Mars"
        ));
    }
}
