//! The column types that tables hold, and their values as text.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow_schema::{DataType, Schema, TimeUnit};
use chrono::{DateTime, NaiveDateTime, TimeDelta};

use crate::DataError;

/// Refuses a schema with a column that holds several values a row, or values of a type that has no features.
pub(super) fn refuse_unsupported(path: &Path, schema: &Schema) -> Result<(), DataError> {
    use DataType as T;
    let supported = |dtype: &T| match dtype {
        T::Null | T::Boolean | T::Float32 | T::Float64 | T::Utf8 | T::LargeUtf8 | T::Utf8View => true,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => true,
        T::Date32 | T::Date64 | T::Timestamp(..) | T::Decimal128(..) => true,
        T::Dictionary(_, values) => matches!(**values, T::Utf8 | T::LargeUtf8 | T::Utf8View),
        _ => false,
    };
    match schema.fields().iter().find(|field| !supported(field.data_type())) {
        Some(field) => Err(DataError::UnsupportedType {
            path: path.into(),
            column: field.name().clone(),
            found: field.data_type().to_string(),
        }),
        None => Ok(()),
    }
}

/// Brings all times to the three units that the rest of the crate handles: seconds and dates with 64 bits become milliseconds.
pub(super) fn with_common_times(batch: RecordBatch) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let coarse = |dtype: &DataType| matches!(dtype, DataType::Date64 | DataType::Timestamp(TimeUnit::Second, _));
    if !batch.schema_ref().fields().iter().any(|field| coarse(field.data_type())) {
        return Ok(batch);
    }
    let convert = |array: &ArrayRef| -> ArrayRef {
        match array.data_type() {
            DataType::Date64 => {
                Arc::new(array.as_primitive::<Date64Type>().reinterpret_cast::<TimestampMillisecondType>())
            }
            DataType::Timestamp(TimeUnit::Second, zone) => {
                let seconds = array.as_primitive::<TimestampSecondType>();
                let milliseconds =
                    seconds.unary_opt::<_, TimestampMillisecondType>(|seconds| seconds.checked_mul(1000));
                Arc::new(milliseconds.with_timezone_opt(zone.clone()))
            }
            _ => array.clone(),
        }
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(convert).collect();
    let fields = batch.schema_ref().fields().iter().zip(&columns);
    let fields: Vec<_> = fields
        .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()).with_nullable(true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The name of a column's type for people, as `f64`, `text` or `datetime[ms]`.
pub(super) fn type_name(dtype: &DataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "μs",
        TimeUnit::Nanosecond => "ns",
    };
    match dtype {
        DataType::Null => "null".into(),
        DataType::Boolean => "bool".into(),
        DataType::Float32 => "f32".into(),
        DataType::Float64 => "f64".into(),
        DataType::Int8 => "i8".into(),
        DataType::Int16 => "i16".into(),
        DataType::Int32 => "i32".into(),
        DataType::Int64 => "i64".into(),
        DataType::UInt8 => "u8".into(),
        DataType::UInt16 => "u16".into(),
        DataType::UInt32 => "u32".into(),
        DataType::UInt64 => "u64".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Dictionary(..) => "cat".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(time_unit, None) => format!("datetime[{}]", unit(time_unit)),
        DataType::Timestamp(time_unit, Some(zone)) => format!("datetime[{}, {zone}]", unit(time_unit)),
        DataType::Decimal128(precision, scale) => format!("decimal[{precision},{scale}]"),
        other => other.to_string(),
    }
}

/// A column of numbers as `f64`; `None` where a value is missing. The column is of an integer, float or decimal type.
pub(crate) fn numbers(array: &dyn Array) -> Vec<Option<f64>> {
    macro_rules! wide {
        ($type:ty) => {
            array.as_primitive::<$type>().iter().map(|value| value.map(|value| value as f64)).collect()
        };
    }
    match array.data_type() {
        DataType::Int8 => wide!(Int8Type),
        DataType::Int16 => wide!(Int16Type),
        DataType::Int32 => wide!(Int32Type),
        DataType::Int64 => wide!(Int64Type),
        DataType::UInt8 => wide!(UInt8Type),
        DataType::UInt16 => wide!(UInt16Type),
        DataType::UInt32 => wide!(UInt32Type),
        DataType::UInt64 => wide!(UInt64Type),
        DataType::Float32 => wide!(Float32Type),
        DataType::Float64 => wide!(Float64Type),
        DataType::Decimal128(_, scale) => {
            // Parsed, so that it is the double nearest to the power of ten.
            let unit: f64 = format!("1e{scale}").parse().unwrap_or(1.0);
            array.as_primitive::<Decimal128Type>().iter().map(|value| value.map(|value| value as f64 / unit)).collect()
        }
        other => unreachable!("{other} is not a number"),
    }
}

/// A column of dates or times; `None` where a value is missing or outside of what a date can be. The time zone is ignored.
pub(crate) fn times(array: &dyn Array) -> Vec<Option<NaiveDateTime>> {
    (0..array.len()).map(|row| time(array, row)).collect()
}

fn time(array: &dyn Array, row: usize) -> Option<NaiveDateTime> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Date32 => {
            let days = TimeDelta::days(array.as_primitive::<Date32Type>().value(row).into());
            DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(days)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let ticks = array.as_primitive::<TimestampMillisecondType>().value(row);
            DateTime::from_timestamp_millis(ticks).map(|time| time.naive_utc())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let ticks = array.as_primitive::<TimestampMicrosecondType>().value(row);
            DateTime::from_timestamp_micros(ticks).map(|time| time.naive_utc())
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let ticks = array.as_primitive::<TimestampNanosecondType>().value(row);
            Some(DateTime::from_timestamp_nanos(ticks).naive_utc())
        }
        other => unreachable!("{other} is not a time"),
    }
}

/// A column of text.
#[derive(Clone)]
pub(crate) enum TextColumn {
    Utf8(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
    /// Categories: for each row the place of its value, or none where it is missing.
    Categories {
        places: Vec<Option<usize>>,
        values: Box<TextColumn>,
    },
}

impl TextColumn {
    /// A column of text or categories.
    pub(crate) fn of(array: &dyn Array) -> Self {
        match array.data_type() {
            DataType::Utf8 => TextColumn::Utf8(array.as_string::<i32>().clone()),
            DataType::LargeUtf8 => TextColumn::Large(array.as_string::<i64>().clone()),
            DataType::Utf8View => TextColumn::View(array.as_string_view().clone()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let values = Box::new(TextColumn::of(dictionary.values()));
                let places = match dictionary.values().is_empty() {
                    true => vec![None; array.len()],
                    false => {
                        let places = dictionary.normalized_keys().into_iter().enumerate();
                        places.map(|(row, place)| array.is_valid(row).then_some(place)).collect()
                    }
                };
                TextColumn::Categories { places, values }
            }
            other => unreachable!("{other} is not text"),
        }
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            TextColumn::Utf8(array) => array.len(),
            TextColumn::Large(array) => array.len(),
            TextColumn::View(array) => array.len(),
            TextColumn::Categories { places, .. } => places.len(),
        }
    }

    /// The text of a row; `None` where it is missing.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            TextColumn::Utf8(array) => array.is_valid(row).then(|| array.value(row)),
            TextColumn::Large(array) => array.is_valid(row).then(|| array.value(row)),
            TextColumn::View(array) => array.is_valid(row).then(|| array.value(row)),
            TextColumn::Categories { places, values } => places[row].and_then(|place| values.get(place)),
        }
    }

    /// The texts of all rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// A column whose values are shown to people or written to a text file.
pub(super) enum ShownColumn<'a> {
    Text(TextColumn),
    Other(&'a dyn Array),
}

impl<'a> ShownColumn<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                ShownColumn::Text(TextColumn::of(array))
            }
            _ => ShownColumn::Other(array),
        }
    }

    /// The value of a row for people, long fractions rounded; `None` where it is missing.
    pub(super) fn display(&self, row: usize) -> Option<Cow<'_, str>> {
        let array = match self {
            ShownColumn::Text(text) => return text.get(row).map(Cow::Borrowed),
            ShownColumn::Other(array) => *array,
        };
        if array.data_type() == &DataType::Null || array.is_null(row) {
            return None;
        }
        let text = match array.data_type() {
            DataType::Float32 => short_float(array.as_primitive::<Float32Type>().value(row).into()),
            DataType::Float64 => short_float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Date32 => time(array, row).map(|time| time.date().to_string()).unwrap_or_default(),
            DataType::Timestamp(_, zone) => {
                let time = time(array, row).map(|time| time.to_string()).unwrap_or_default();
                if zone.is_some() { time + " UTC" } else { time }
            }
            _ => {
                let mut text = Vec::new();
                self.write_csv(row, &mut text);
                String::from_utf8(text).unwrap_or_default()
            }
        };
        Some(text.into())
    }

    /// Appends a field of a CSV file. A float is written so that it is read back as the same value; nothing is written where a
    /// value is missing.
    pub(super) fn write_csv(&self, row: usize, out: &mut Vec<u8>) {
        let array = match self {
            ShownColumn::Text(text) => {
                if let Some(text) = text.get(row) {
                    quoted(text, out);
                }
                return;
            }
            ShownColumn::Other(array) => *array,
        };
        if array.data_type() == &DataType::Null || array.is_null(row) {
            return;
        }
        macro_rules! whole {
            ($type:ty) => {
                write!(out, "{}", array.as_primitive::<$type>().value(row))
            };
        }
        let moment = |out: &mut Vec<u8>, format: &str| match time(array, row) {
            Some(time) => write!(out, "{}", time.format(format)),
            None => Ok(()),
        };
        let written = match array.data_type() {
            DataType::Boolean => write!(out, "{}", array.as_boolean().value(row)),
            DataType::Float32 => {
                out.extend(zmij::Buffer::new().format(array.as_primitive::<Float32Type>().value(row)).bytes());
                Ok(())
            }
            DataType::Float64 => {
                out.extend(zmij::Buffer::new().format(array.as_primitive::<Float64Type>().value(row)).bytes());
                Ok(())
            }
            DataType::Int8 => whole!(Int8Type),
            DataType::Int16 => whole!(Int16Type),
            DataType::Int32 => whole!(Int32Type),
            DataType::Int64 => whole!(Int64Type),
            DataType::UInt8 => whole!(UInt8Type),
            DataType::UInt16 => whole!(UInt16Type),
            DataType::UInt32 => whole!(UInt32Type),
            DataType::UInt64 => whole!(UInt64Type),
            DataType::Decimal128(_, scale) => {
                write!(out, "{}", decimal(array.as_primitive::<Decimal128Type>().value(row), *scale))
            }
            DataType::Date32 => moment(out, "%F"),
            DataType::Timestamp(TimeUnit::Microsecond, _) => moment(out, "%FT%H:%M:%S.%6f"),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => moment(out, "%FT%H:%M:%S.%9f"),
            DataType::Timestamp(..) => moment(out, "%FT%H:%M:%S.%3f"),
            other => unreachable!("no table holds a column of type {other}"),
        };
        debug_assert!(written.is_ok(), "writing to memory does not fail");
    }
}

/// Appends a text as a field of a CSV file, in quotes where it needs them. An empty text is `""`: nothing at all would be a
/// missing value.
pub(super) fn quoted(text: &str, out: &mut Vec<u8>) {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        out.push(b'"');
        out.extend(text.replace('"', "\"\"").bytes());
        out.push(b'"');
    } else {
        out.extend(text.bytes());
    }
}

/// A decimal number of `value · 10^-scale`, with all its digits.
fn decimal(value: i128, scale: i8) -> String {
    let (sign, digits) = (if value < 0 { "-" } else { "" }, value.unsigned_abs().to_string());
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}{}", "0".repeat(scale.unsigned_abs().into())),
    }
}

/// A float for people: `1.0` for a whole number, at most 6 decimals, and an exponent where the number is very large or small.
fn short_float(value: f64) -> String {
    const LARGE: f64 = 999_999.0;
    let whole = value.fract() == 0.0;
    let text = value.to_string();
    match () {
        () if whole && value.abs() < LARGE => format!("{value:.1}"),
        () if text.len() <= 9 && whole => format!("{value:e}"),
        () if text.len() <= 9 => text,
        () if !(1e-6..=LARGE).contains(&value.abs()) => format!("{value:.4e}"),
        () => {
            let text = format!("{value:.6}");
            let text = text.trim_end_matches('0');
            if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_short_for_people() {
        let cases = [
            (1.0, "1.0"),
            (-12.5, "-12.5"),
            (0.1 + 0.2, "0.3"),
            (12.0000000001, "12.0"),
            (0.123456789, "0.123457"),
            (1_000_000.0, "1e6"),
            (1_234_567.8, "1234567.8"),
            (12_345_678.25, "1.2346e7"),
            (1.5e-9, "1.5000e-9"),
        ];
        for (value, text) in cases {
            assert_eq!(short_float(value), text);
        }
    }

    #[test]
    fn decimals_keep_all_digits() {
        let cases = [
            (12345, 2, "123.45"),
            (-5, 2, "-0.05"),
            (0, 3, "0.000"),
            (7, 0, "7"),
            (-12, -2, "-1200"),
            (100, 1, "10.0"),
        ];
        for (value, scale, text) in cases {
            assert_eq!(decimal(value, scale), text);
        }
    }

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        for (text, field) in [("a b", "a b"), ("", "\"\""), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\"")] {
            let mut out = Vec::new();
            quoted(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), field);
        }
    }
}
