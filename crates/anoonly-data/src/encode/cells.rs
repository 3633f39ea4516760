//! The values of a column, and their kind.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use polars_arrow::array::Array;
use polars_arrow::datatypes::ArrowDataType;
use serde::{Deserialize, Serialize};

use crate::table::{TextColumn, numbers, times, truths};

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// True or false.
    Truth,
    /// Dates, with or without a time of day.
    Date,
    /// Categories.
    Category,
}

impl ColumnKind {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            ColumnKind::Number => "number",
            ColumnKind::Truth => "truth value",
            ColumnKind::Date => "date",
            ColumnKind::Category => "category",
        }
    }
}

/// The values of a column as its file types them. Text may turn out to be of any kind.
pub(crate) enum Cells {
    Numbers(Vec<Option<f64>>),
    /// As 0 and 1.
    Truths(Vec<Option<f64>>),
    Dates(Vec<Option<NaiveDateTime>>),
    Text(TextColumn),
}

impl Cells {
    /// The values of a column. `words_are_missing` is whether words such as `NA` in a text stand for missing values.
    pub(crate) fn of(column: &dyn Array, words_are_missing: bool) -> Self {
        match column.dtype() {
            ArrowDataType::Null => Cells::missing(column.len()),
            ArrowDataType::Boolean => {
                Cells::Truths(truths(column).map(|truth| truth.map(|truth| f64::from(u8::from(truth)))).collect())
            }
            ArrowDataType::Date32 | ArrowDataType::Timestamp(..) => Cells::Dates(times(column)),
            ArrowDataType::Utf8View | ArrowDataType::Dictionary(..) => {
                Cells::Text(TextColumn::of(column, words_are_missing))
            }
            _ => {
                let mut values = numbers(column);
                // pandas writes a missing number as NaN.
                for value in &mut values {
                    *value = value.filter(|value| !value.is_nan());
                }
                Cells::Numbers(values)
            }
        }
    }

    /// A column in which every value is missing.
    pub(crate) fn missing(rows: usize) -> Self {
        Cells::Numbers(vec![None; rows])
    }
}

/// Whether a text stands for a missing value: it is empty, or one of the words that pandas reads as missing.
pub fn is_missing(text: &str) -> bool {
    const WORDS: [&str; 11] = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"];
    WORDS.contains(&text.trim())
}

/// A text as a number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// A text as a truth value, 0 or 1.
pub(crate) fn truth(text: &str) -> Option<f64> {
    let text = text.trim();
    let is = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is(["true", "yes"]) => Some(1.0),
        () if is(["false", "no"]) => Some(0.0),
        () => None,
    }
}

/// A text as a date of ISO 8601 (with `-` or `/`), with or without a time of day. A time zone is ignored.
pub(crate) fn date(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    // Most texts are not dates, and trying every format is slow.
    if text.len() < 8 || !text.as_bytes()[0].is_ascii_digit() || !text.contains(['-', '/']) {
        return None;
    }
    let day = |format| NaiveDate::parse_from_str(text, format).ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let time = |format| NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), format).ok();
    day("%Y-%m-%d")
        .or_else(|| time("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|| time("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| time.naive_local()))
        .or_else(|| time("%Y-%m-%d %H:%M"))
        .or_else(|| time("%Y-%m-%dT%H:%M"))
        .or_else(|| day("%Y/%m/%d"))
        .or_else(|| time("%Y/%m/%d %H:%M:%S%.f"))
}

/// Whether a person would read a text as a date, even when the order of its parts is ambiguous, as in 03/04/2026.
pub(crate) fn looks_like_date(text: &str) -> bool {
    let day = text.split_whitespace().next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['/', '.', '-']).collect();
    let digits = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(digits)
}
