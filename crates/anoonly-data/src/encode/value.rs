//! A single value, read in the way that its column asks for.

use chrono::NaiveDateTime;

use super::cells::{ColumnKind, number, truth, whole_digits};
use super::notation::{Notation, is_no_date, is_placeholder};
use super::written_dates::is_zero_date;

/// What a value is to a column of numbers, truth values or dates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading<T> {
    Value(T),
    Missing,
    /// A value of another kind.
    Other,
}

/// How a column reads values.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueReader {
    pub kind: ColumnKind,
    pub notation: Notation,
}

impl ValueReader {
    /// A number in a column of numbers or truth values.
    pub fn number(self, value: f64) -> Reading<f64> {
        match self.kind {
            ColumnKind::Truth if !is_truth(value) => Reading::Other,
            _ => Reading::Value(value),
        }
    }

    /// A text in a column of numbers or truth values.
    pub fn number_of_text(self, text: &str) -> Reading<f64> {
        let value = match self.kind {
            // One file may write truth values as 0 and 1, and another as words.
            ColumnKind::Truth => truth(text).or_else(|| number(text).filter(|&value| is_truth(value))),
            _ => self.notation.number(text),
        };
        self.or_no_value(value, text)
    }

    /// A text in a column of dates.
    pub fn date_of_text(self, text: &str) -> Reading<NaiveDateTime> {
        self.or_no_value(self.notation.date(text), text)
    }

    /// A number in a column of dates.
    pub fn date_of_number(self, value: f64) -> Reading<NaiveDateTime> {
        match self.notation.date_of_number(value) {
            _ if is_no_date(value) => Reading::Missing,
            Some(date) => Reading::Value(date),
            None => Reading::Other,
        }
    }

    fn or_no_value<T>(self, value: Option<T>, text: &str) -> Reading<T> {
        let is_no_value = || match self.kind {
            ColumnKind::Number => is_placeholder(text),
            ColumnKind::Date => is_placeholder(text) || is_zero_date(text) || number(text).is_some_and(is_no_date),
            _ => false,
        };
        match value {
            Some(value) => Reading::Value(value),
            None if is_no_value() => Reading::Missing,
            None => Reading::Other,
        }
    }
}

fn is_truth(value: f64) -> bool {
    value == 0.0 || value == 1.0
}

/// A category of a column whose categories are all whole numbers, without a fraction of zeros.
pub(super) fn whole_category(text: String) -> String {
    match whole_digits(&text) {
        Some(digits) if digits.len() < text.len() => digits.to_owned(),
        _ => text,
    }
}
