//! A single plain value.

use std::borrow::Cow;
use std::fmt;

use chrono::NaiveDateTime;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::encode::value::{Reading, ValueReader};

/// A value of a row in memory.
///
/// A column may get its values in another form than that of its training table, as far as the form can be read: a number as text, or a
/// date as text or as seconds. A blank text and the number NaN are missing values. It is deserialised from any single value, such as one
/// of JSON, where null is a missing value.
#[derive(Clone, Debug, PartialEq)]
pub enum RowValue<'a> {
    /// A missing value.
    Missing,
    /// A truth value.
    Truth(bool),
    /// A whole number. Numbers that are categories, such as postal codes, keep all digits.
    Integer(i128),
    /// A number.
    Number(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A time, in the local time of the training table.
    Time(NaiveDateTime),
}

impl RowValue<'_> {
    /// The value in a column of numbers or truth values.
    pub(super) fn number(&self, reader: ValueReader) -> Reading<f64> {
        match self {
            RowValue::Truth(value) => Reading::Value(f64::from(u8::from(*value))),
            RowValue::Integer(value) => reader.number(*value as f64),
            RowValue::Number(value) if !value.is_nan() => reader.number(*value),
            RowValue::Text(text) if !is_blank(text) => reader.number_of_text(text),
            RowValue::Time(_) => Reading::Other,
            RowValue::Missing | RowValue::Number(_) | RowValue::Text(_) => Reading::Missing,
        }
    }

    /// The value in a column of dates.
    pub(super) fn date(&self, reader: ValueReader) -> Reading<NaiveDateTime> {
        match self {
            RowValue::Time(value) => Reading::Value(*value),
            RowValue::Integer(value) => reader.date_of_number(*value as f64),
            RowValue::Number(value) if !value.is_nan() => reader.date_of_number(*value),
            RowValue::Text(text) if !is_blank(text) => reader.date_of_text(text),
            RowValue::Truth(_) => Reading::Other,
            RowValue::Missing | RowValue::Number(_) | RowValue::Text(_) => Reading::Missing,
        }
    }

    /// The value as a category; `None` where it is missing.
    pub(super) fn category(&self) -> Option<Cow<'_, str>> {
        match self {
            RowValue::Text(text) => Some(Cow::Borrowed(&**text)).filter(|text| !is_blank(text)),
            RowValue::Truth(value) => Some(value.to_string().into()),
            RowValue::Integer(value) => Some(value.to_string().into()),
            RowValue::Number(value) => Some(value.to_string().into()).filter(|_| !value.is_nan()),
            RowValue::Time(value) => Some(value.to_string().into()),
            RowValue::Missing => None,
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

macro_rules! from {
    ($($type:ty => |$value:ident| $made:expr),* $(,)?) => {
        $(impl From<$type> for RowValue<'_> {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

from! {
    bool => |value| RowValue::Truth(value),
    i32 => |value| RowValue::Integer(value.into()),
    i64 => |value| RowValue::Integer(value.into()),
    u32 => |value| RowValue::Integer(value.into()),
    u64 => |value| RowValue::Integer(value.into()),
    f32 => |value| RowValue::Number(value.into()),
    f64 => |value| RowValue::Number(value),
    String => |value| RowValue::Text(value.into()),
    NaiveDateTime => |value| RowValue::Time(value),
}

impl<'a> From<&'a str> for RowValue<'a> {
    fn from(value: &'a str) -> Self {
        RowValue::Text(value.into())
    }
}

impl<'a, T: Into<RowValue<'a>>> From<Option<T>> for RowValue<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(RowValue::Missing, Into::into)
    }
}

impl<'de> Deserialize<'de> for RowValue<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Single;

        impl<'de> Visitor<'de> for Single {
            type Value = RowValue<'static>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a text, a truth value or nothing")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(RowValue::Missing)
            }

            fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
                Ok(RowValue::Missing)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(value.into())
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(value.to_owned().into())
            }
        }

        deserializer.deserialize_any(Single)
    }
}
