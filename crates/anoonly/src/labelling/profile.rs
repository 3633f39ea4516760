//! How the values of a column are distributed, and where single values lie.

use anoonly_data::encode::{CategoryValues, ColumnValues};
use serde::Serialize;

use super::condition::{number_text, time_text};

/// The number of bins of a histogram.
const BINS: usize = 24;
/// The share of the values beyond each edge of the bulk.
const EDGE: f64 = 0.005;
/// The bins reach to the smallest or largest value when it is at most this share of the bulk's width away from the bulk.
const NEAR: f64 = 0.25;
/// The number of categories that are listed.
const LISTED: usize = 12;

/// How the values of a column are distributed over all rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ColumnProfile {
    /// Numbers or times. The bins are of equal width and hold the bulk of the values: at least 99 % of them, and all when the smallest and
    /// the largest are not far from the others.
    Numbers {
        /// The lower edge of the bins, for people.
        from: String,
        /// The upper edge of the bins, for people.
        to: String,
        /// The number of rows in each of 24 bins.
        counts: Vec<usize>,
        /// The number of rows below the bins.
        below: usize,
        /// The number of rows above the bins.
        above: usize,
        /// The number of rows without a value.
        missing: usize,
    },
    /// Categories or truth values.
    Categories {
        /// The number of different values.
        distinct: usize,
        /// The most frequent values, at most 12; of equally frequent ones, in alphabetical order.
        most_frequent: Vec<FrequentValue>,
        /// The number of rows without a value.
        missing: usize,
    },
}

impl ColumnProfile {
    /// The number of rows without a value.
    pub fn missing(&self) -> usize {
        match self {
            ColumnProfile::Numbers { missing, .. } | ColumnProfile::Categories { missing, .. } => *missing,
        }
    }
}

/// A value and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrequentValue {
    /// The value.
    pub value: String,
    /// The number of rows that have it.
    pub rows: usize,
}

/// Where a value lies among those of all rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ValuePlace {
    /// A number or time.
    Number {
        /// Its place in the histogram of the [profile](ColumnProfile).
        bin: BinPlace,
        /// The share of the other rows with a value whose value is smaller.
        lower: f64,
        /// The share of the other rows with a value whose value is larger.
        higher: f64,
    },
    /// A category or truth value.
    Category {
        /// The share of the rows with a value that have this one.
        share: f64,
        /// The number of rows that have it.
        rows: usize,
        /// 1 for the most frequent value. Equally frequent values share the better rank.
        frequency_rank: usize,
    },
}

/// A place in a histogram. Serialised, it is the number of the bin, counted from 0, or `"below"` or `"above"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinPlace {
    /// Below all bins.
    Below,
    /// Above all bins.
    Above,
    /// In a bin.
    #[serde(untagged)]
    In(usize),
}

/// The bins of a histogram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins {
    from: f64,
    to: f64,
}

/// What is computed once for a column, for its profile and for places.
#[derive(Debug)]
pub(super) enum Distribution {
    Numbers { bins: Bins, present: usize },
    Categories { counts: Vec<usize>, present: usize },
}

impl Bins {
    /// The bins for numbers. NaN is ignored.
    fn of(numbers: &[f64], is_time: bool) -> Self {
        let mut values: Vec<f64> = numbers.iter().copied().filter(|value| !value.is_nan()).collect();
        if values.is_empty() {
            return Self { from: 0.0, to: 0.0 };
        }
        let edge = (EDGE * values.len() as f64) as usize;
        let last = values.len() - 1;
        let mut at = |place: usize| *values.select_nth_unstable_by(place, f64::total_cmp).1;
        let (least, low, high, most) = (at(0), at(edge), at(last - edge), at(last));
        let reach = NEAR * (high - low);
        // When nearly all values are equal, the others are the bulk.
        let all = low == high;
        let from = if all || low - least <= reach { least } else { low };
        let to = if all || most - high <= reach { most } else { high };
        let step = if is_time { time_step(to - from) } else { number_step(to - from) };
        let snapped = Self { from: (from / step).floor() * step, to: (to / step).ceil() * step };
        let sound = snapped.from <= from && snapped.to >= to && (snapped.to - snapped.from).is_finite();
        if sound { snapped } else { Self { from, to } }
    }

    /// The place of a number.
    pub fn place(&self, value: f64) -> BinPlace {
        let width = self.to - self.from;
        match () {
            () if value < self.from => BinPlace::Below,
            () if value > self.to => BinPlace::Above,
            // Halves, because the width of values near the largest is infinite.
            () if !width.is_finite() => {
                let share = (value / 2.0 - self.from / 2.0) / (self.to / 2.0 - self.from / 2.0);
                BinPlace::In(((share * BINS as f64) as usize).min(BINS - 1))
            }
            () => BinPlace::In((((value - self.from) / width * BINS as f64) as usize).min(BINS - 1)),
        }
    }
}

/// A round number of about a fiftieth of a width, so that the edges of bins are short.
fn number_step(width: f64) -> f64 {
    match width > 0.0 && width.is_finite() {
        true => power_of_ten((width / 2.0).log10().floor() as i32 - 1),
        false => 1.0,
    }
}

/// The double that is nearest to a power of ten.
pub(super) fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(1.0)
}

fn time_step(width: f64) -> f64 {
    const STEPS: [f64; 5] = [86_400.0, 3600.0, 600.0, 60.0, 1.0];
    STEPS.into_iter().find(|step| width >= 24.0 * step).unwrap_or(1e-3)
}

impl Distribution {
    /// The distribution of a feature's values.
    pub fn of(values: &ColumnValues, is_time: bool) -> Self {
        match values {
            ColumnValues::Numbers(numbers) => {
                let present = numbers.iter().filter(|value| !value.is_nan()).count();
                Distribution::Numbers { bins: Bins::of(numbers, is_time), present }
            }
            ColumnValues::Categories(categories) => {
                let mut counts = vec![0; categories.names().len()];
                (0..values.rows()).filter_map(|row| categories.code(row)).for_each(|code| counts[code] += 1);
                Distribution::Categories { present: counts.iter().sum(), counts }
            }
            // Features are never texts.
            ColumnValues::Texts(_) => Distribution::Categories { counts: Vec::new(), present: 0 },
        }
    }

    /// The profile of a column with these values.
    pub fn profile(&self, values: &ColumnValues, is_time: bool) -> ColumnProfile {
        let rows = values.rows();
        match (self, values) {
            (Distribution::Numbers { bins, present }, ColumnValues::Numbers(numbers)) => {
                let (mut counts, mut below, mut above) = (vec![0; BINS], 0, 0);
                for &value in numbers.iter().filter(|value| !value.is_nan()) {
                    match bins.place(value) {
                        BinPlace::Below => below += 1,
                        BinPlace::In(bin) => counts[bin] += 1,
                        BinPlace::Above => above += 1,
                    }
                }
                let text = |value: f64| if is_time { time_text(value) } else { edge_text(value, bins.to - bins.from) };
                let (from, to) = (text(bins.from), text(bins.to));
                ColumnProfile::Numbers { from, to, counts, below, above, missing: rows - present }
            }
            (Distribution::Categories { counts, present }, ColumnValues::Categories(categories)) => {
                listed(categories, counts, rows - present)
            }
            _ => ColumnProfile::Categories { distinct: 0, most_frequent: Vec::new(), missing: rows },
        }
    }

    /// Where the value of a row lies; `None` where it is missing.
    pub fn place(&self, values: &ColumnValues, row: usize) -> Option<ValuePlace> {
        match (self, values) {
            (Distribution::Numbers { bins, present }, ColumnValues::Numbers(numbers)) => {
                let value = numbers[row];
                if value.is_nan() {
                    return None;
                }
                let (mut lower, mut higher) = (0usize, 0usize);
                for &other in numbers {
                    lower += usize::from(other < value);
                    higher += usize::from(other > value);
                }
                let others = (present - 1).max(1) as f64;
                let (lower, higher) = (lower as f64 / others, higher as f64 / others);
                Some(ValuePlace::Number { bin: bins.place(value), lower, higher })
            }
            (Distribution::Categories { counts, present }, ColumnValues::Categories(categories)) => {
                let rows = counts[categories.code(row)?];
                let frequency_rank = 1 + counts.iter().filter(|&&count| count > rows).count();
                Some(ValuePlace::Category { share: rows as f64 / *present as f64, rows, frequency_rank })
            }
            _ => None,
        }
    }
}

fn listed(categories: &CategoryValues, counts: &[usize], missing: usize) -> ColumnProfile {
    let mut order: Vec<usize> = (0..counts.len()).filter(|&code| counts[code] > 0).collect();
    let distinct = order.len();
    order.sort_by_key(|&code| (std::cmp::Reverse(counts[code]), code));
    let frequent = |code: usize| FrequentValue { value: categories.names()[code].clone(), rows: counts[code] };
    let most_frequent = order.into_iter().take(LISTED).map(frequent).collect();
    ColumnProfile::Categories { distinct, most_frequent, missing }
}

/// An edge of bins with the digits that matter beside their width.
fn edge_text(value: f64, width: f64) -> String {
    if !(width > 0.0 && width.is_finite()) {
        return number_text(value);
    }
    let decimals = 1 - width.log10().floor() as i32 + 1;
    match value == 0.0 || (1e-6..1e15).contains(&value.abs()) {
        true => {
            let text = format!("{value:.*}", decimals.clamp(0, 12) as usize);
            let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            if short == "-0" { "0".to_owned() } else { short.to_owned() }
        }
        false => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests;
