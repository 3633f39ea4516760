//! Single values of a table, for people and for JSON.

use std::fmt;

use polars_arrow::array::BooleanArray;
use polars_arrow::datatypes::ArrowDataType;
use serde::{Serialize, Serializer};

use super::Table;
use super::batch::downcast;
use super::columns::{ShownColumn, primitive, short_float};
use crate::DataError;

/// A value of a table.
///
/// As text ([`Display`](fmt::Display)) it is for people: long fractions are rounded, and a missing value is an empty text. Serialised,
/// it keeps everything: text has the same characters, numbers have the digits of a CSV file, and a missing value is null. Numbers that
/// JSON does not know, infinity and NaN, are text.
#[derive(Clone, Debug, PartialEq)]
pub enum CellValue {
    /// A missing value.
    Missing,
    /// A truth value.
    Truth(bool),
    /// An integer.
    Integer(i128),
    /// A 32-bit float.
    Single(f32),
    /// A 64-bit float.
    Double(f64),
    /// A text.
    Text(String),
    /// A value of another type, such as a date: as a CSV file holds it, and for people.
    Other {
        /// As a CSV file holds it.
        exact: String,
        /// For people.
        shown: String,
    },
}

impl fmt::Display for CellValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CellValue::Missing => Ok(()),
            CellValue::Truth(value) => value.fmt(f),
            CellValue::Integer(value) => value.fmt(f),
            CellValue::Single(value) => f.write_str(&short_float((*value).into())),
            CellValue::Double(value) => f.write_str(&short_float(*value)),
            CellValue::Text(text) | CellValue::Other { shown: text, .. } => f.write_str(text),
        }
    }
}

impl Serialize for CellValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CellValue::Missing => serializer.serialize_unit(),
            CellValue::Truth(value) => serializer.serialize_bool(*value),
            CellValue::Integer(value) => serializer.serialize_i128(*value),
            CellValue::Single(value) if value.is_finite() => serializer.serialize_f32(*value),
            CellValue::Double(value) if value.is_finite() => serializer.serialize_f64(*value),
            CellValue::Single(_) | CellValue::Double(_) => serializer.collect_str(self),
            CellValue::Text(text) | CellValue::Other { exact: text, .. } => serializer.serialize_str(text),
        }
    }
}

impl Table {
    /// The values of a row, in the order of the columns.
    pub fn row_values(&self, row: usize) -> Vec<CellValue> {
        let row = self.batch.slice(row, 1);
        row.columns().iter().map(|array| value(&ShownColumn::of(array.as_ref()))).collect()
    }

    /// The values of a column as a CSV file holds them, without quotation marks; `None` where one is missing.
    ///
    /// # Errors
    /// When the column does not exist.
    pub fn exact_texts(&self, column: &str) -> Result<Vec<Option<String>>, DataError> {
        let column = ShownColumn::of(self.batch.columns()[self.place(column)?].as_ref());
        let text = |row: usize| match &column {
            ShownColumn::Text(texts) => texts.get(row).map(str::to_owned),
            other => {
                let mut text = Vec::new();
                other.write_csv(row, &mut text);
                (!text.is_empty()).then(|| String::from_utf8(text).unwrap_or_default())
            }
        };
        Ok((0..self.rows()).map(text).collect())
    }

    /// The values of a row for people, in the order of the columns; an empty text where one is missing.
    pub fn row_text(&self, row: usize) -> Vec<String> {
        self.row_values(row).iter().map(CellValue::to_string).collect()
    }
}

/// The first value of a column.
fn value(column: &ShownColumn<'_>) -> CellValue {
    let Some(shown) = column.display(0) else { return CellValue::Missing };
    let array = match column {
        ShownColumn::Text(_) => return CellValue::Text(shown.into_owned()),
        ShownColumn::Times(_) => return other(column, &shown),
        ShownColumn::Other(array) => *array,
    };
    macro_rules! whole {
        ($type:ty) => {
            CellValue::Integer(primitive::<$type>(array).value(0).into())
        };
    }
    match array.dtype() {
        ArrowDataType::Boolean => CellValue::Truth(downcast::<BooleanArray>(array).value(0)),
        ArrowDataType::Int8 => whole!(i8),
        ArrowDataType::Int16 => whole!(i16),
        ArrowDataType::Int32 => whole!(i32),
        ArrowDataType::Int64 => whole!(i64),
        ArrowDataType::UInt8 => whole!(u8),
        ArrowDataType::UInt16 => whole!(u16),
        ArrowDataType::UInt32 => whole!(u32),
        ArrowDataType::UInt64 => whole!(u64),
        ArrowDataType::Float32 => CellValue::Single(primitive::<f32>(array).value(0)),
        ArrowDataType::Float64 => CellValue::Double(primitive::<f64>(array).value(0)),
        _ => other(column, &shown),
    }
}

/// The first value of a column, as a CSV file holds it.
fn other(column: &ShownColumn<'_>, shown: &str) -> CellValue {
    let mut exact = Vec::new();
    column.write_csv(0, &mut exact);
    CellValue::Other { exact: String::from_utf8(exact).unwrap_or_default(), shown: shown.into() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use super::*;
    use crate::table::Values;

    #[test]
    fn json_keeps_the_characters_of_text_and_the_digits_of_numbers() {
        let text = "id,code\n1E5,1.10\n12345678901234567890123,null\n,007\n";
        let table = Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
        let (scores, shares) = ([0.1f32, 1.234_567_9e-9, f32::INFINITY], [0.1 + 0.2, 1e300, 0.5]);
        let columns = [
            ("score", Values::Scores(&scores[..])),
            ("p_value", Values::Shares(&shares)),
            ("rank", Values::Counts(&[u64::MAX, 2, 3])),
            ("flagged", Values::Truths(&[true, false, true])),
        ];
        let table = table.with_columns(&columns).unwrap();
        let json = |row: usize| serde_json::to_string(&table.row_values(row)).unwrap();
        assert_eq!(json(0), r#"["1E5","1.10",0.1,0.30000000000000004,18446744073709551615,true]"#);
        assert_eq!(json(1), r#"["12345678901234567890123","null",1.2345679e-9,1e+300,2,false]"#);
        assert_eq!(json(2), r#"[null,"007","inf",0.5,3,true]"#);
        let exact = |column: &str| table.exact_texts(column).unwrap();
        assert_eq!(exact("code"), [Some("1.10".into()), Some("null".into()), Some("007".into())]);
        assert_eq!((&exact("id")[2], &exact("p_value")[0]), (&None, &Some("0.30000000000000004".into())));
        assert!(table.exact_texts("none").is_err());
        let shown: Vec<String> = table.row_values(0).iter().map(CellValue::to_string).collect();
        assert_eq!(shown, ["1E5", "1.10", "0.1", "0.3", "18446744073709551615", "true"]);
    }
}
