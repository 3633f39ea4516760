//! What an encoder keeps of the training values of a column.

use serde::{Deserialize, Serialize};

use super::column::Encoding;
use super::unseen::SeenValues;

/// A summary of the training values of a column: enough to say where a value lies among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingValues {
    /// Numbers; truth values as 0 and 1.
    Numbers(KeptNumbers),
    /// The number of rows with each category of a one-hot encoding, in its order. An encoding by frequency has them itself.
    Categories(Vec<usize>),
    /// For each period of the encoding, the number of rows in each of its intervals: in the months of a year, the days of a week from
    /// Monday on, and the hours of a day.
    Dates(Vec<Vec<usize>>),
}

/// Some of the numbers of a column. All are kept if there are at most 200. Otherwise, at most a hundredth of the rows lies between two
/// that follow one another, and fewer near the ends. The lowest and the highest number are always kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptNumbers {
    /// The numbers, in ascending order.
    values: Vec<f64>,
    /// For each, the number of rows with a smaller number.
    lower: Vec<usize>,
    /// For each, the number of rows with the same number.
    equal: Vec<usize>,
}

/// How many rows have a smaller number, the same and a larger one. `lower` and `higher` are lower bounds if `equal` is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowsAround {
    pub lower: usize,
    pub equal: Option<usize>,
    pub higher: usize,
}

/// All numbers of at most this many rows are kept.
const ALL: usize = 200;

/// The places of the numbers that are kept, of `rows` numbers in ascending order. Among them are the first, the last, the one at
/// `rows / 2`, and those at `rows / 100` from both ends.
fn kept_places(rows: usize) -> Vec<usize> {
    if rows <= ALL {
        return (0..rows).collect();
    }
    let mut places: Vec<usize> = (1..100).map(|hundredth| (hundredth as u128 * rows as u128 / 100) as usize).collect();
    let mut from_end = 0;
    while from_end < rows / 100 {
        places.extend([from_end, rows - 1 - from_end]);
        from_end += 1 + from_end / 2;
    }
    places.push(rows - 1 - rows / 100);
    places.sort_unstable();
    places.dedup();
    places
}

/// Moves the numbers at these places, which ascend, to where a sort would move them, without a whole sort. `before` is the number of
/// numbers before the first of `values`.
fn select(values: &mut [f64], places: &[usize], before: usize) {
    let middle = places.len() / 2;
    let Some(&place) = places.get(middle) else { return };
    // With few numbers between the places, sorting is less work.
    if values.len() <= 8 * places.len() {
        values.sort_unstable_by(f64::total_cmp);
        return;
    }
    let (low, _, high) = values.select_nth_unstable_by(place - before, f64::total_cmp);
    select(low, &places[..middle], before);
    select(high, &places[middle + 1..], place + 1);
}

impl KeptNumbers {
    /// Chooses the numbers to keep. Afterwards, the first, the last, the one at half of the length, and those at a hundredth of the
    /// length from both ends of `values` are where a sort would move them. `values` must not have NaN and negative zeros.
    pub(super) fn of(values: &mut [f64]) -> Self {
        let places = kept_places(values.len());
        select(values, &places, 0);
        let mut kept = Self { values: Vec::new(), lower: Vec::new(), equal: Vec::new() };
        let mut counted = 0;
        // The rows of a number lie at its places and between them, before the first and behind the last.
        for &place in &places {
            let value = values[place];
            let between = &values[counted..place];
            if let (Some(&last), Some(equal)) = (kept.values.last(), kept.equal.last_mut()) {
                *equal += between.iter().filter(|&&other| other == last).count();
                if last == value {
                    *equal += 1;
                    counted = place + 1;
                    continue;
                }
            }
            let equal = between.iter().filter(|&&other| other == value).count();
            kept.values.push(value);
            kept.lower.push(place - equal);
            kept.equal.push(equal + 1);
            counted = place + 1;
        }
        kept
    }

    /// Where a number lies among `known` training values. `None` for NaN.
    pub(super) fn counts(&self, value: f64, known: usize) -> Option<RowsAround> {
        if value.is_nan() {
            return None;
        }
        let place = self.values.partition_point(|&kept| kept < value);
        let lower = place.checked_sub(1).map_or(0, |before| self.lower[before] + self.equal[before]);
        Some(match self.values.get(place) {
            Some(&kept) if kept == value => {
                let (lower, equal) = (self.lower[place], self.equal[place]);
                RowsAround { lower, equal: Some(equal), higher: known - lower - equal }
            }
            after => {
                let higher = after.map_or(0, |_| known - self.lower[place]);
                RowsAround { lower, equal: (lower + higher == known).then_some(0), higher }
            }
        })
    }

    /// Whether a fit on `known` values could have kept these.
    fn is_sound(&self, known: usize, range: Option<[f64; 2]>) -> bool {
        let count = self.values.len();
        let ends = self.values.first().zip(self.values.last()).map(|(&first, &last)| [first, last]);
        let mut end = 0;
        let mut is_next = |(&lower, &equal): (&usize, &usize)| {
            let follows = lower >= end && equal > 0;
            end = lower.saturating_add(equal);
            follows && end <= known
        };
        count > 0
            && self.lower.len() == count
            && self.equal.len() == count
            && self.values.iter().all(|value| value.is_finite())
            && self.values.windows(2).all(|pair| pair[0] < pair[1])
            && ends == range
            && self.lower.iter().zip(&self.equal).all(&mut is_next)
            && self.lower[0] == 0
            && end == known
    }
}

impl TrainingValues {
    /// Whether a fit could have kept these beside an encoding.
    pub(super) fn is_sound(&self, encoding: &Encoding, seen: SeenValues) -> bool {
        let adds_up = |rows: &[usize]| {
            rows.iter().try_fold(0usize, |sum, &rows| sum.checked_add(rows)).is_some_and(|sum| sum == seen.known)
        };
        match (self, encoding) {
            (TrainingValues::Numbers(kept), Encoding::Number { .. }) => kept.is_sound(seen.known, seen.range),
            (TrainingValues::Categories(rows), Encoding::OneHot { categories, .. }) => {
                rows.len() == categories.len() && adds_up(rows)
            }
            (TrainingValues::Dates(rows), Encoding::Date { parts }) => {
                let fits =
                    |(rows, part): (&Vec<usize>, &super::DatePart)| rows.len() == part.intervals() && adds_up(rows);
                rows.len() == parts.len() && rows.iter().zip(parts).all(fits)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
