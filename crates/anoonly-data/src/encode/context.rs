//! Where a value lies among the training rows.

use std::fmt;

use chrono::NaiveDateTime;
use serde::Serialize;

use super::DatePart;
use super::cells::ColumnKind;
use super::column::{EncodedColumn, Encoding};
use super::training_values::TrainingValues;

/// Where a value lies among the training rows. As text ([`Display`](fmt::Display)) it is for people, as `above 99.8 %` or `0.4 % of rows`.
///
/// All shares but that of missing values are of the training rows that have a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ValueContext {
    /// A number. The encoder keeps only some of the training values, so the shares of a number between two of them are at least these.
    Number {
        /// The share of rows whose value is smaller: at least this share, and at most two hundredths more.
        lower: f64,
        /// The share of rows with this value. `None` where it is not known; it is at most two hundredths then.
        equal: Option<f64>,
        /// The share of rows whose value is larger: at least this share, and at most two hundredths more.
        higher: f64,
    },
    /// A category or truth value.
    Category {
        /// The share of rows with this value.
        share: f64,
        /// Their number; 0 for a value that no training row has.
        rows: usize,
    },
    /// A date.
    Date {
        /// The month, the weekday and the hour, as far as the date's position in the year, the week and the day is a feature.
        parts: Vec<IntervalShare>,
    },
    /// A missing value.
    Missing {
        /// The share of all training rows whose value is missing.
        share: f64,
    },
}

/// A month, a weekday or an hour, and how many training rows have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IntervalShare {
    /// The period: months are intervals of the year, weekdays of the week and hours of the day.
    pub period: DatePart,
    /// The interval for people, as `March`, `Sunday` or `03:00 to 04:00`.
    pub interval: String,
    /// The share of rows whose date lies in this interval.
    pub share: f64,
}

/// A value of a column as its encoder reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReadValue<'a> {
    /// A missing value.
    Missing,
    /// A number, or a truth value as 0 or 1.
    Number(f64),
    /// A category.
    Category(&'a str),
    /// A date.
    Date(NaiveDateTime),
}

/// The share from which on a value is described as one that many rows have.
const COMMON: f64 = 0.05;

impl EncodedColumn {
    /// Where a value of this column lies among the training rows. `None` where the model does not know, as for most values if it is
    /// of an earlier version, and for a value of another kind.
    pub fn context(&self, value: ReadValue<'_>) -> Option<ValueContext> {
        let seen = self.seen?;
        let all = seen.known.saturating_add(seen.missing);
        if all == 0 || (seen.known == 0 && value != ReadValue::Missing) {
            return None;
        }
        let share = |rows: usize| rows as f64 / seen.known as f64;
        let category = |rows: usize| ValueContext::Category { share: share(rows), rows };
        match (value, &self.encoding, &self.training) {
            (ReadValue::Missing, ..) => Some(ValueContext::Missing { share: seen.missing as f64 / all as f64 }),
            (ReadValue::Number(value), Encoding::Number { .. }, Some(TrainingValues::Numbers(kept))) => {
                let counts = kept.counts(value, seen.known)?;
                Some(match self.kind {
                    ColumnKind::Truth => category(counts.equal?),
                    _ => ValueContext::Number {
                        lower: share(counts.lower),
                        equal: counts.equal.map(share),
                        higher: share(counts.higher),
                    },
                })
            }
            // A model of an earlier version knows the range.
            (ReadValue::Number(value), Encoding::Number { .. }, None) if self.kind == ColumnKind::Number => {
                let [low, high] = seen.range?;
                let (lower, higher) = match () {
                    () if value > high => (1.0, 0.0),
                    () if value < low => (0.0, 1.0),
                    () => return None,
                };
                Some(ValueContext::Number { lower, equal: Some(0.0), higher })
            }
            (
                ReadValue::Category(name),
                Encoding::OneHot { categories, .. },
                Some(TrainingValues::Categories(rows)),
            ) => {
                let place = categories.binary_search_by(|known| known.as_str().cmp(name));
                Some(category(place.ok().and_then(|place| rows.get(place).copied()).unwrap_or_default()))
            }
            (ReadValue::Category(name), Encoding::Frequency { shares, .. }, _) => {
                // The encoding has shares of all rows.
                let rows = shares.get(name).map_or(0, |share| (share * all as f64).round() as usize);
                Some(category(rows.min(seen.known)))
            }
            (ReadValue::Date(date), Encoding::Date { parts }, Some(TrainingValues::Dates(rows))) => {
                let part = |(&period, rows): (&DatePart, &Vec<usize>)| {
                    let place = period.interval(date);
                    let share = share(rows.get(place).copied().unwrap_or_default());
                    IntervalShare { period, interval: period.interval_name(place), share }
                };
                let mut parts: Vec<IntervalShare> = parts.iter().zip(rows).map(part).collect();
                parts.sort_by(|a, b| a.share.total_cmp(&b.share));
                (!parts.is_empty()).then_some(ValueContext::Date { parts })
            }
            _ => None,
        }
    }
}

impl fmt::Display for ValueContext {
    /// As `above 99.8 %`, `the highest, equal to 34.3 % of rows`, `0.4 % of rows` or `Sunday: 14.2 % of rows, March: 8.1 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueContext::Number { lower, equal, higher } => number(f, *lower, equal.unwrap_or_default(), *higher),
            ValueContext::Category { rows: 0, .. } => f.write_str("in no training row"),
            ValueContext::Category { share, .. } => write!(f, "{} of rows", percent(*share)),
            ValueContext::Date { parts } => parts.iter().enumerate().try_for_each(|(place, part)| {
                let (before, after) = if place == 0 { ("", " of rows") } else { (", ", "") };
                write!(f, "{before}{}: {}{after}", part.interval, percent(part.share))
            }),
            ValueContext::Missing { share: 0.0 } => f.write_str("missing in no training row"),
            ValueContext::Missing { share } => write!(f, "missing in {} of rows", percent(*share)),
        }
    }
}

fn number(f: &mut fmt::Formatter<'_>, lower: f64, equal: f64, higher: f64) -> fmt::Result {
    let common = || format!("equal to {} of rows", percent(equal));
    let extreme = match () {
        () if lower >= 1.0 => return f.write_str("above all training rows"),
        () if higher >= 1.0 => return f.write_str("below all training rows"),
        () if equal >= 1.0 => return f.write_str("the same in all rows"),
        () if higher == 0.0 => Some("the highest"),
        () if lower == 0.0 => Some("the lowest"),
        () => None,
    };
    match extreme {
        Some(extreme) if equal < COMMON => f.write_str(extreme),
        Some(extreme) => write!(f, "{extreme}, {}", common()),
        None if equal >= lower.max(higher) => f.write_str(&common()),
        None => {
            match lower >= higher {
                true => write!(f, "above {}", at_least(lower)),
                false => write!(f, "below {}", at_least(higher)),
            }?;
            if equal >= COMMON { write!(f, ", {}", common()) } else { Ok(()) }
        }
    }
}

/// A share in percent, rounded. A part is never rounded to nothing or to all.
fn percent(share: f64) -> String {
    match share {
        _ if share > 0.0 && share < 0.001 => "less than 0.1 %".into(),
        _ if share > 0.999 && share < 1.0 => "more than 99.9 %".into(),
        _ => format!("{} %", (1000.0 * share).round() / 10.0),
    }
}

/// A share in percent that is not more than it, with more digits for shares near 1.
fn at_least(share: f64) -> String {
    let steps = match share {
        _ if share > 0.999 => 100.0,
        _ if share < 0.9 => 1.0,
        _ => 10.0,
    };
    // A hundredth of a millionth makes up for the rounding of shares such as 0.57.
    format!("{} %", (share * 100.0 * steps + 1e-8).floor() / steps)
}

#[cfg(test)]
mod tests;
