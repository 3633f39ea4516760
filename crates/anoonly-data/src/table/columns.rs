//! The column types that tables hold, and their values as text.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};
use polars_arrow::types::NativeType;

use super::batch::{Categories, downcast};
use super::times::{Times, Zone};
use super::written::WrittenNumbers;
use crate::DataError;
use crate::encode::is_missing;

/// Refuses columns that hold several values a row, values of a type that has no features, or times of an unknown zone.
pub(super) fn refuse_unsupported<'a>(
    path: &Path,
    columns: impl IntoIterator<Item = (&'a str, &'a ArrowDataType)>,
) -> Result<(), DataError> {
    use ArrowDataType as T;
    let supported = |dtype: &T| match dtype {
        T::Null | T::Boolean | T::Float32 | T::Float64 | T::Utf8 | T::LargeUtf8 | T::Utf8View => true,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => true,
        T::Date32 | T::Date64 | T::Timestamp(..) | T::Decimal(..) => true,
        T::Dictionary(_, values, _) => matches!(**values, T::Utf8 | T::LargeUtf8 | T::Utf8View),
        other => WrittenNumbers::is(other),
    };
    for (column, dtype) in columns {
        let (path, column) = (|| path.to_owned(), || column.to_owned());
        if !supported(dtype) {
            return Err(DataError::UnsupportedType { path: path(), column: column(), found: unsupported_name(dtype) });
        }
        if let T::Timestamp(_, Some(zone)) = dtype
            && !zone.is_empty()
            && Zone::parse(zone).is_none()
        {
            return Err(DataError::UnknownZone { path: path(), column: column(), zone: zone.to_string() });
        }
    }
    Ok(())
}

/// The name of a type that tables do not hold, without the types inside it.
fn unsupported_name(dtype: &ArrowDataType) -> String {
    use ArrowDataType as T;
    match dtype {
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => "Binary".into(),
        T::List(_) | T::LargeList(_) | T::FixedSizeList(..) => "List".into(),
        T::Struct(_) => "Struct".into(),
        T::Map(..) => "Map".into(),
        T::Union(_) => "Union".into(),
        T::Dictionary(_, values, _) => format!("Dictionary of {}", unsupported_name(values)),
        other => format!("{other:?}"),
    }
}

/// The name of a column's type for people, as `f64`, `text` or `datetime[ms]`.
pub(super) fn type_name(dtype: &ArrowDataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "μs",
        TimeUnit::Nanosecond => "ns",
    };
    match dtype {
        ArrowDataType::Null => "null".into(),
        ArrowDataType::Boolean => "bool".into(),
        ArrowDataType::Float32 => "f32".into(),
        ArrowDataType::Float64 => "f64".into(),
        ArrowDataType::Int8 => "i8".into(),
        ArrowDataType::Int16 => "i16".into(),
        ArrowDataType::Int32 => "i32".into(),
        ArrowDataType::Int64 => "i64".into(),
        ArrowDataType::UInt8 => "u8".into(),
        ArrowDataType::UInt16 => "u16".into(),
        ArrowDataType::UInt32 => "u32".into(),
        ArrowDataType::UInt64 => "u64".into(),
        ArrowDataType::Utf8View => "text".into(),
        ArrowDataType::Dictionary(..) => "cat".into(),
        ArrowDataType::Date32 => "date".into(),
        ArrowDataType::Timestamp(time_unit, None) => format!("datetime[{}]", unit(time_unit)),
        ArrowDataType::Timestamp(time_unit, Some(zone)) => format!("datetime[{}, {zone}]", unit(time_unit)),
        ArrowDataType::Decimal(precision, scale) => format!("decimal[{precision},{scale}]"),
        // How the texts of a CSV file are stored is of no concern.
        other if WrittenNumbers::is(other) => "text".into(),
        other => unsupported_name(other),
    }
}

pub(super) fn primitive<T: NativeType>(array: &dyn Array) -> &PrimitiveArray<T> {
    downcast(array)
}

/// A column of numbers as `f64`; `None` where a value is missing. The column is of an integer, float or decimal type.
pub(crate) fn numbers(array: &dyn Array) -> Vec<Option<f64>> {
    macro_rules! wide {
        ($type:ty) => {
            primitive::<$type>(array).iter().map(|value| value.map(|&value| value as f64)).collect()
        };
    }
    match array.dtype() {
        ArrowDataType::Int8 => wide!(i8),
        ArrowDataType::Int16 => wide!(i16),
        ArrowDataType::Int32 => wide!(i32),
        ArrowDataType::Int64 => wide!(i64),
        ArrowDataType::UInt8 => wide!(u8),
        ArrowDataType::UInt16 => wide!(u16),
        ArrowDataType::UInt32 => wide!(u32),
        ArrowDataType::UInt64 => wide!(u64),
        ArrowDataType::Float32 => wide!(f32),
        ArrowDataType::Float64 => wide!(f64),
        ArrowDataType::Decimal(_, scale) => {
            // Parsed, so that it is the double nearest to the power of ten.
            let unit: f64 = format!("1e{scale}").parse().unwrap_or(1.0);
            primitive::<i128>(array).iter().map(|value| value.map(|&value| value as f64 / unit)).collect()
        }
        other => unreachable!("{other:?} is not a number"),
    }
}

/// A column of integers, or of decimals without a fraction, with all their digits, `None` where a value is missing; `None` for any
/// other column.
pub(crate) fn whole_numbers(array: &dyn Array) -> Option<Vec<Option<i128>>> {
    macro_rules! wide {
        ($type:ty) => {
            primitive::<$type>(array).iter().map(|value| value.map(|&value| i128::from(value))).collect()
        };
    }
    Some(match array.dtype() {
        ArrowDataType::Int8 => wide!(i8),
        ArrowDataType::Int16 => wide!(i16),
        ArrowDataType::Int32 => wide!(i32),
        ArrowDataType::Int64 => wide!(i64),
        ArrowDataType::UInt8 => wide!(u8),
        ArrowDataType::UInt16 => wide!(u16),
        ArrowDataType::UInt32 => wide!(u32),
        ArrowDataType::UInt64 => wide!(u64),
        ArrowDataType::Decimal(_, 0) => primitive::<i128>(array).iter().map(|value| value.copied()).collect(),
        _ => return None,
    })
}

/// A column of truth values; `None` where a value is missing.
pub(crate) fn truths(array: &dyn Array) -> impl Iterator<Item = Option<bool>> + '_ {
    downcast::<BooleanArray>(array).iter()
}

/// A column of text.
#[derive(Clone)]
pub(crate) struct TextColumn {
    texts: Texts,
    /// Whether words such as `NA` stand for missing values, as in formats that have no missing values of their own.
    words_are_missing: bool,
}

#[derive(Clone)]
enum Texts {
    View(Utf8ViewArray),
    Categories(Categories),
}

impl TextColumn {
    /// A column of text or categories.
    pub(crate) fn of(array: &dyn Array, words_are_missing: bool) -> Self {
        let texts = match array.dtype() {
            ArrowDataType::Dictionary(..) => Texts::Categories(Categories::of(array)),
            dtype if WrittenNumbers::is(dtype) => Texts::View(WrittenNumbers::of(array).texts()),
            _ => Texts::View(downcast::<Utf8ViewArray>(array).clone()),
        };
        Self { texts, words_are_missing }
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        match &self.texts {
            Texts::View(array) => array.len(),
            Texts::Categories(categories) => categories.len(),
        }
    }

    /// The text of a row; `None` where the file has none.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match &self.texts {
            Texts::View(array) => array.get(row),
            Texts::Categories(categories) => categories.get(row),
        }
    }

    /// The text of a row; `None` where it is missing, or is a text that stands for a missing value. An empty text always does.
    pub(crate) fn known(&self, row: usize) -> Option<&str> {
        self.get(row).filter(|text| !self.is_missing(text))
    }

    /// The texts that rows may have, where they are stored once each, as [`known`](Self::known) gives them.
    pub(crate) fn distinct(&self) -> Option<Vec<Option<&str>>> {
        match &self.texts {
            Texts::View(_) => None,
            Texts::Categories(categories) => {
                Some(categories.texts().map(|text| text.filter(|text| !self.is_missing(text))).collect())
            }
        }
    }

    /// The place of the text of a row among the [`distinct`](Self::distinct) ones; `None` where the file has none.
    pub(crate) fn place(&self, row: usize) -> Option<usize> {
        match &self.texts {
            Texts::View(_) => None,
            Texts::Categories(categories) => categories.key(row),
        }
    }

    fn is_missing(&self, text: &str) -> bool {
        if self.words_are_missing { is_missing(text) } else { text.trim().is_empty() }
    }

    /// The texts of all rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// The texts of all rows, as [`known`](Self::known) gives them.
    pub(crate) fn iter_known(&self) -> impl Iterator<Item = Option<&str>> + '_ {
        (0..self.len()).map(|row| self.known(row))
    }
}

/// A column whose values are shown to people or written to a text file.
pub(super) enum ShownColumn<'a> {
    Text(TextColumn),
    Times(Times<'a>),
    Other(&'a dyn Array),
}

impl<'a> ShownColumn<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Self {
        match array.dtype() {
            ArrowDataType::Utf8View | ArrowDataType::Dictionary(..) => ShownColumn::Text(TextColumn::of(array, false)),
            dtype if WrittenNumbers::is(dtype) => ShownColumn::Text(TextColumn::of(array, false)),
            ArrowDataType::Date32 | ArrowDataType::Timestamp(..) => ShownColumn::Times(Times::of(array)),
            _ => ShownColumn::Other(array),
        }
    }

    /// The value of a row for people, long fractions rounded; `None` where it is missing.
    pub(super) fn display(&self, row: usize) -> Option<Cow<'_, str>> {
        let array = match self {
            ShownColumn::Text(text) => return text.get(row).map(Cow::Borrowed),
            ShownColumn::Times(times) => return times.text(row, ' ', "%.f").map(Cow::Owned),
            ShownColumn::Other(array) => *array,
        };
        if array.dtype() == &ArrowDataType::Null || array.is_null(row) {
            return None;
        }
        let text = match array.dtype() {
            ArrowDataType::Float32 => short_float(primitive::<f32>(array).value(row).into()),
            ArrowDataType::Float64 => short_float(primitive::<f64>(array).value(row)),
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
                    quoted(text, b',', out);
                }
                return;
            }
            ShownColumn::Times(times) => {
                out.extend(times.text(row, 'T', times.fraction()).unwrap_or_default().bytes());
                return;
            }
            ShownColumn::Other(array) => *array,
        };
        if array.dtype() == &ArrowDataType::Null || array.is_null(row) {
            return;
        }
        macro_rules! whole {
            ($type:ty) => {
                write!(out, "{}", primitive::<$type>(array).value(row))
            };
        }
        let written = match array.dtype() {
            ArrowDataType::Boolean => write!(out, "{}", downcast::<BooleanArray>(array).value(row)),
            ArrowDataType::Float32 => {
                out.extend(zmij::Buffer::new().format(primitive::<f32>(array).value(row)).bytes());
                Ok(())
            }
            ArrowDataType::Float64 => {
                out.extend(zmij::Buffer::new().format(primitive::<f64>(array).value(row)).bytes());
                Ok(())
            }
            ArrowDataType::Int8 => whole!(i8),
            ArrowDataType::Int16 => whole!(i16),
            ArrowDataType::Int32 => whole!(i32),
            ArrowDataType::Int64 => whole!(i64),
            ArrowDataType::UInt8 => whole!(u8),
            ArrowDataType::UInt16 => whole!(u16),
            ArrowDataType::UInt32 => whole!(u32),
            ArrowDataType::UInt64 => whole!(u64),
            ArrowDataType::Decimal(_, scale) => {
                write!(out, "{}", decimal(primitive::<i128>(array).value(row), *scale))
            }
            other => unreachable!("no table holds a column of type {other:?}"),
        };
        debug_assert!(written.is_ok(), "writing to memory does not fail");
    }
}

/// Appends a text as a field of a CSV file, in quotes where it needs them. An empty text is `""`: nothing at all would be a
/// missing value.
pub(super) fn quoted(text: &str, delimiter: u8, out: &mut Vec<u8>) {
    if text.is_empty() || text.contains([char::from(delimiter), '"', '\n', '\r']) {
        out.push(b'"');
        out.extend(text.replace('"', "\"\"").bytes());
        out.push(b'"');
    } else {
        out.extend(text.bytes());
    }
}

/// A decimal number of `value · 10^-scale`, with all its digits.
fn decimal(value: i128, scale: usize) -> String {
    let (sign, digits) = (if value < 0 { "-" } else { "" }, value.unsigned_abs().to_string());
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// A float for people: `1.0` for a whole number, at most 6 decimals, and an exponent where the number is very large or small.
pub(super) fn short_float(value: f64) -> String {
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
        let cases = [(12345, 2, "123.45"), (-5, 2, "-0.05"), (0, 3, "0.000"), (7, 0, "7"), (100, 1, "10.0")];
        for (value, scale, text) in cases {
            assert_eq!(decimal(value, scale), text);
        }
    }

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        for (text, field) in [("a b", "a b"), ("", "\"\""), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\"")] {
            let mut out = Vec::new();
            quoted(text, b',', &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), field);
        }
        let mut out = Vec::new();
        ["1,5", "a;b"].into_iter().for_each(|text| quoted(text, b';', &mut out));
        assert_eq!(String::from_utf8(out).unwrap(), "1,5\"a;b\"");
    }
}
