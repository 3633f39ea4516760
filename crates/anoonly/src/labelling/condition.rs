//! Conditions on the values of rows.

use std::collections::HashSet;
use std::fmt;

use anoonly_core::excerpt;
use anoonly_data::encode::ColumnValues;
use serde::{Deserialize, Serialize};

/// A test of the values of one column, as in `amount > 4000`. A [`TableView`](super::TableView) finds the rows that meet it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// What its value must be.
    #[serde(flatten)]
    pub test: ConditionTest,
}

/// What a value must be. A missing value meets `Missing` only.
///
/// Numbers and times have bounds, and times are seconds since 1970 in the local time of the column. Categories, truth values and texts have
/// a list of values. Serialised, it is `{"test": "above", "value": 4000.0}` or `{"test": "in", "values": ["D", "E"]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "test", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConditionTest {
    /// Above a bound.
    Above {
        /// The bound.
        value: f64,
    },
    /// At most a bound.
    AtMost {
        /// The bound.
        value: f64,
    },
    /// One of some values.
    In {
        /// The values.
        values: Vec<String>,
    },
    /// Missing.
    Missing,
    /// Not missing.
    Present,
}

impl ConditionTest {
    /// The name, as it is serialised.
    pub fn name(&self) -> &'static str {
        match self {
            ConditionTest::Above { .. } => "above",
            ConditionTest::AtMost { .. } => "at-most",
            ConditionTest::In { .. } => "in",
            ConditionTest::Missing => "missing",
            ConditionTest::Present => "present",
        }
    }

    /// The test for people, with bounds as times or as numbers.
    fn write(&self, f: &mut fmt::Formatter<'_>, is_time: bool) -> fmt::Result {
        let bound = |value: f64| if is_time { time_text(value) } else { number_text(value) };
        match self {
            ConditionTest::Above { value } => write!(f, "> {}", bound(*value)),
            ConditionTest::AtMost { value } => write!(f, "<= {}", bound(*value)),
            ConditionTest::In { values } => {
                let values: Vec<_> = values.iter().map(|value| excerpt(value)).collect();
                write!(f, "in {{{}}}", values.join(", "))
            }
            ConditionTest::Missing => f.write_str("is missing"),
            ConditionTest::Present => f.write_str("is present"),
        }
    }
}

impl fmt::Display for Condition {
    /// As `amount > 4000`. Bounds of times are seconds here; [`TableView::describe`](super::TableView::describe) writes dates.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ConditionText { condition: self, is_time: false }.fmt(f)
    }
}

/// A condition for people.
pub(super) struct ConditionText<'a> {
    pub condition: &'a Condition,
    pub is_time: bool,
}

impl fmt::Display for ConditionText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", excerpt(&self.condition.column))?;
        self.condition.test.write(f, self.is_time)
    }
}

/// A number for people, exactly, with an exponent where it is very large or small.
pub(super) fn number_text(value: f64) -> String {
    match value == 0.0 || (1e-6..1e15).contains(&value.abs()) {
        true => value.to_string(),
        false => format!("{value:e}"),
    }
}

/// Seconds since 1970 as a day, or a day and a time of day.
pub(super) fn time_text(seconds: f64) -> String {
    let whole = seconds.floor();
    let microseconds = ((seconds - whole) * 1e6).round().min(999_999.0) as u32;
    let time = chrono::DateTime::from_timestamp(whole as i64, microseconds * 1000);
    let Some(time) = time.map(|time| time.naive_utc()) else { return number_text(seconds) };
    match (whole.rem_euclid(86_400.0), whole.rem_euclid(60.0), microseconds) {
        (0.0, _, 0) => time.format("%F").to_string(),
        (_, 0.0, 0) => time.format("%F %H:%M").to_string(),
        _ => time.format("%F %T%.f").to_string(),
    }
}

/// A condition on a column whose values are at hand.
pub(super) enum Matcher<'a> {
    Above(&'a [f64], f64),
    AtMost(&'a [f64], f64),
    Codes(&'a anoonly_data::encode::CategoryValues, Vec<bool>),
    Texts(&'a anoonly_data::encode::TextValues, HashSet<&'a str>),
    Missing(&'a ColumnValues),
    Present(&'a ColumnValues),
}

impl<'a> Matcher<'a> {
    /// `None` where the test does not fit the values.
    pub fn new(test: &'a ConditionTest, values: &'a ColumnValues) -> Option<Self> {
        Some(match (test, values) {
            (ConditionTest::Above { value }, ColumnValues::Numbers(numbers)) => Matcher::Above(numbers, *value),
            (ConditionTest::AtMost { value }, ColumnValues::Numbers(numbers)) => Matcher::AtMost(numbers, *value),
            (ConditionTest::In { values: wanted }, ColumnValues::Categories(categories)) => {
                let mut found = vec![false; categories.names().len()];
                wanted.iter().filter_map(|name| categories.code_of(name)).for_each(|code| found[code] = true);
                Matcher::Codes(categories, found)
            }
            (ConditionTest::In { values: wanted }, ColumnValues::Texts(texts)) => {
                Matcher::Texts(texts, wanted.iter().map(String::as_str).collect())
            }
            (ConditionTest::Missing, _) => Matcher::Missing(values),
            (ConditionTest::Present, _) => Matcher::Present(values),
            _ => return None,
        })
    }

    /// Whether a row meets the condition.
    pub fn matches(&self, row: usize) -> bool {
        match self {
            Matcher::Above(numbers, bound) => numbers[row] > *bound,
            Matcher::AtMost(numbers, bound) => numbers[row] <= *bound,
            Matcher::Codes(categories, found) => categories.code(row).is_some_and(|code| found[code]),
            Matcher::Texts(texts, wanted) => texts.get(row).is_some_and(|text| wanted.contains(text)),
            Matcher::Missing(values) => values.is_missing(row),
            Matcher::Present(values) => !values.is_missing(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_written_for_people_and_as_json() {
        let condition = |test| Condition { column: "amount".into(), test };
        let values = vec!["D".to_owned(), "E".to_owned()];
        for (test, text, json) in [
            (ConditionTest::Above { value: 4000.0 }, "amount > 4000", r#""test":"above","value":4000.0"#),
            (ConditionTest::AtMost { value: -0.25 }, "amount <= -0.25", r#""test":"at-most","value":-0.25"#),
            (ConditionTest::Above { value: 1e21 }, "amount > 1e21", r#""test":"above","value":1e+21"#),
            (ConditionTest::In { values }, "amount in {D, E}", r#""test":"in","values":["D","E"]"#),
            (ConditionTest::Missing, "amount is missing", r#""test":"missing""#),
            (ConditionTest::Present, "amount is present", r#""test":"present""#),
        ] {
            let condition = condition(test);
            assert_eq!(condition.to_string(), text);
            let written = serde_json::to_string(&condition).unwrap();
            assert_eq!(written, format!(r#"{{"column":"amount",{json}}}"#));
            assert_eq!(serde_json::from_str::<Condition>(&written).unwrap(), condition);
        }
        let whole = r#"{"column":"amount","test":"above","value":4}"#;
        assert_eq!(serde_json::from_str::<Condition>(whole).unwrap().to_string(), "amount > 4");
        assert!(serde_json::from_str::<Condition>(r#"{"column":"amount","test":"in","value":4}"#).is_err());
    }

    #[test]
    fn times_are_written_as_short_as_they_are_exact() {
        for (seconds, text) in [
            (0.0, "1970-01-01"),
            (86_400.0 * 365.0 + 3600.0, "1971-01-01 01:00"),
            (-1.0, "1969-12-31 23:59:59"),
            (1.5, "1970-01-01 00:00:01.500"),
            (1e300, "1e300"),
        ] {
            assert_eq!(time_text(seconds), text);
        }
    }
}
