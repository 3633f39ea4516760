//! The values of a column, and what kind they are of.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers.
    Number,
    /// True or false.
    Truth,
    /// Dates, with or without a time of day.
    Date,
    /// Categories.
    Category,
}

impl Kind {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Number => "number",
            Kind::Truth => "truth value",
            Kind::Date => "date",
            Kind::Category => "category",
        }
    }
}

/// The values of a column as its file types them; text may yet turn out to be anything.
pub(crate) enum Cells {
    Numbers(Vec<Option<f64>>),
    /// As 0 and 1.
    Truths(Vec<Option<f64>>),
    Dates(Vec<Option<NaiveDateTime>>),
    Text(StringChunked),
}

impl Cells {
    pub(crate) fn of(column: &Column) -> PolarsResult<Self> {
        let series = column.as_materialized_series();
        let numbers = || -> PolarsResult<Vec<Option<f64>>> {
            let wide = series.cast(&DataType::Float64)?;
            // pandas writes a missing number as NaN.
            Ok(wide.f64()?.iter().map(|value| value.filter(|value| !value.is_nan())).collect())
        };
        match series.dtype() {
            DataType::Boolean => Ok(Cells::Truths(numbers()?)),
            DataType::Date => {
                let days = series.cast(&DataType::Int32)?;
                let day = |days: i32| {
                    DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(chrono::TimeDelta::days(days.into()))
                };
                Ok(Cells::Dates(days.i32()?.iter().map(|days| days.and_then(day)).collect()))
            }
            DataType::Datetime(unit, _) => {
                let ticks = series.cast(&DataType::Int64)?;
                let time = |ticks: i64| match unit {
                    TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(ticks).naive_utc()),
                    TimeUnit::Microseconds => DateTime::from_timestamp_micros(ticks).map(|time| time.naive_utc()),
                    TimeUnit::Milliseconds => DateTime::from_timestamp_millis(ticks).map(|time| time.naive_utc()),
                };
                Ok(Cells::Dates(ticks.i64()?.iter().map(|ticks| ticks.and_then(time)).collect()))
            }
            dtype if dtype.is_primitive_numeric() || dtype.is_decimal() => Ok(Cells::Numbers(numbers()?)),
            _ => Ok(Cells::Text(series.cast(&DataType::String)?.str()?.clone())),
        }
    }

    /// A column of one kind as it stands, with nothing in it: for columns that are not there.
    pub(crate) fn nothing(rows: usize) -> Self {
        Cells::Numbers(vec![None; rows])
    }
}

/// Whether a text stands for a missing value: nothing, or one of the words that pandas takes for that.
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

/// A text as a date of ISO 8601 (with `-` or `/`), perhaps with a time of day, whose place on Earth is left aside.
pub(crate) fn date(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    // Most texts are no dates, and the formats take their time.
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

/// Whether a text is a date to people, perhaps in an order of its parts that cannot be told, as 03/04/2026.
pub(crate) fn looks_like_date(text: &str) -> bool {
    let day = text.split_whitespace().next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['/', '.', '-']).collect();
    let digits = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(digits)
}
