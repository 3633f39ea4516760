//! Values of new rows that lie outside of what the training rows held.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// What the training rows held in a column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenValues {
    /// The number of rows with a value.
    pub known: usize,
    /// The number of rows without one.
    pub missing: usize,
    /// The lowest and the highest number, for a column of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
}

/// The values of a table that lie outside of what the training rows held, by column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UnseenValues {
    /// The number of rows of the table.
    pub rows: usize,
    /// The columns with such values.
    pub columns: Vec<UnseenInColumn>,
}

/// The values of one column that lie outside of what the training rows held.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UnseenInColumn {
    /// The column.
    pub column: String,
    /// The number of values that the training rows had.
    pub known_in_training: usize,
    /// The number of values below the lowest or above the highest of the training rows.
    pub beyond: usize,
    /// The lowest and highest value of the training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Of those, the number of values that are infinite or so far away that their rows get the highest score.
    pub far: usize,
    /// How far the farthest number lies beyond the range, in units of the range.
    pub farthest: f64,
    /// The number of missing values, where the training rows had none.
    pub missing: usize,
    /// The number of values whose category is in no training row.
    pub new_categories: usize,
    /// The number of values of another kind, which count as missing.
    pub other_kind: usize,
    /// The first such value, with its row, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstUnseen>,
}

/// The first value of a column that lies outside of what the training rows held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FirstUnseen {
    /// Its row, counted from 1.
    pub row: usize,
    /// The value; empty where it is missing.
    pub value: String,
}

/// A table has many unseen values when at least this share of its rows has one in the same column.
const MANY: f64 = 0.5;
/// Less probable counts are not left to chance. A table may have many columns.
const UNLIKELY: f64 = 1e-5;
/// A table with fewer rows never has many: a few anomalies are expected to look like nothing in training.
const LEAST_ROWS: usize = 20;

impl UnseenInColumn {
    pub(super) fn of(column: &str, seen: Option<&SeenValues>) -> Self {
        let range = seen.and_then(|seen| seen.range);
        Self { column: column.into(), known_in_training: seen.map_or(0, |seen| seen.known), range, ..Self::default() }
    }

    /// Remembers the value of the first row.
    pub(super) fn note(&mut self, row: usize, value: impl FnOnce() -> String) {
        if self.first.as_ref().is_none_or(|first| row < first.row) {
            self.first = Some(FirstUnseen { row, value: value() });
        }
    }

    /// Adds those of further rows.
    pub(super) fn add(&mut self, other: UnseenInColumn) {
        self.beyond += other.beyond;
        self.far += other.far;
        self.farthest = self.farthest.max(other.farthest);
        self.missing += other.missing;
        self.new_categories += other.new_categories;
        self.other_kind += other.other_kind;
        self.first = self.first.take().or(other.first);
    }

    /// The number of values.
    pub fn total(&self) -> usize {
        self.beyond + self.missing + self.new_categories + self.other_kind
    }

    /// The counts for people.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        let mut part = |count: usize, what: String| {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        };
        if let Some([low, high]) = self.range {
            part(self.beyond, format!("outside of {} to {}", short(low), short(high)));
        }
        part(self.far, "of them so far away that the row gets the highest score".into());
        part(self.missing, "missing, where training had none".into());
        part(self.new_categories, "in a category that no training row has".into());
        part(self.other_kind, "of another kind, which count as missing".into());
        let first = self.first.as_ref().map_or_else(String::new, |FirstUnseen { row, value }| {
            let value = anoonly_core::excerpt(value);
            if value.is_empty() {
                format!(" (first in row {row})")
            } else {
                format!(" (first in row {row}: `{value}`)")
            }
        });
        format!("{}{first}", parts.join(", "))
    }
}

/// A number for people, with at most six digits unless it is whole.
pub(super) fn short(value: f64) -> String {
    let rounded = || format!("{value:.5e}").parse::<f64>().unwrap_or(value);
    match () {
        () if value.fract() == 0.0 && value.abs() < 1e15 => value.to_string(),
        () if (1e-4..1e15).contains(&value.abs()) => rounded().to_string(),
        () => format!("{:e}", rounded()),
    }
}

impl UnseenValues {
    /// Adds those of further rows of the same table.
    pub fn add(&mut self, other: UnseenValues) {
        self.rows += other.rows;
        let places = self.columns.iter().enumerate().map(|(place, column)| (column.column.clone(), place));
        let places: HashMap<String, usize> = places.collect();
        for column in other.columns {
            match places.get(&column.column).map(|&place| &mut self.columns[place]) {
                None => self.columns.push(column),
                Some(known) => known.add(column),
            }
        }
    }

    /// The first column in which at least half of the rows have such a value. `None` for tables of fewer than 20 rows.
    pub fn many(&self) -> Option<&UnseenInColumn> {
        let is_many = |column: &&UnseenInColumn| column.total() as f64 >= MANY * self.rows as f64;
        self.columns.iter().filter(|_| self.rows >= LEAST_ROWS).find(is_many)
    }

    /// Refuses a table in which at least half of the rows have such a value in the same column.
    ///
    /// # Errors
    /// Names the first such column of the table at `path`.
    pub fn refuse_many(&self, path: &Path) -> Result<(), DataError> {
        match self.many() {
            None => Ok(()),
            Some(column) => Err(DataError::UnlikeTraining {
                path: path.into(),
                column: column.column.clone(),
                rows: self.rows,
                summary: column.summary(),
            }),
        }
    }

    /// Whether chance explains the values of a column: all are numbers beyond the range of the training rows, none of them by more than
    /// that range, and not more of them than rows like the training rows have.
    ///
    /// Of `m` new rows and `n` training rows in any order, the highest `k` are all new with a probability of at most (m / (n + m))^k.
    /// With `k` on both ends together, the probability is at most k + 1 times that.
    pub fn is_chance(&self, column: &UnseenInColumn) -> bool {
        let share = self.rows as f64 / (self.rows + column.known_in_training) as f64;
        let probability = (column.beyond + 1) as f64 * share.powf(column.beyond as f64);
        column.total() == column.beyond && column.farthest <= 1.0 && probability > UNLIKELY
    }

    /// The columns, those with the most such values first.
    pub fn by_count(&self) -> Vec<&UnseenInColumn> {
        let mut columns: Vec<&UnseenInColumn> = self.columns.iter().collect();
        columns.sort_by_key(|column| std::cmp::Reverse(column.total()));
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_short() {
        for (value, text) in [
            (-1.786_822_838_122, "-1.78682"),
            (1480.05, "1480.05"),
            (1_234_567.0, "1234567"),
            (0.0, "0"),
            (1.23e-9, "1.23e-9"),
            (-1e300, "-1e300"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
