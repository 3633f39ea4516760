//! Which encoding a column gets from the rows of a training table.

use std::ops::RangeInclusive;

use chrono::NaiveDateTime;

use super::cells::{Cells, ColumnKind, whole_digits};
use super::column::{EncodedColumn, Encoding, FAR, not_finite};
use super::dates::{DatePart, closed_circles};
use super::notation::Notation;
use super::reading::{ColumnReading, refuse_grouped};
use super::roles::{IDENTIFIER_SHARE, IDENTIFIER_VALUES, reason_by_name, reason_by_values};
use super::training_values::{KeptNumbers, TrainingValues};
use super::unseen::SeenValues;
use super::values::{ColumnSource, category_counts};
use super::{EncoderOptions, Unknown};
use crate::DataError;
use crate::table::Table;

/// A column gets a feature for missing values when at least this many training rows lack a value and as many have one.
const INDICATOR_ROWS: usize = 5;
/// A column of text with this many values that are all different is one of identifiers, in a small table too.
const FEW_IDENTIFIERS: usize = 20;
/// The largest number of categories of a column that a model keeps.
const MOST_CATEGORIES: usize = 100_000;
/// The largest number of bytes of all categories of a column together.
const MOST_CATEGORY_BYTES: usize = 16 << 20;
/// Deviations from the median within these bounds are stored as they are.
const PLAIN_SIZES: RangeInclusive<f64> = 1e-30..=1e30;

/// The largest number of bytes of the categories of all columns together in a model file.
const MOST_BYTES: usize = 40 << 20;
/// The bytes that a model file needs for a category besides its text.
const SHARE_BYTES: usize = 32;

/// Why a column is no feature.
pub(super) struct NoFeature {
    pub reason: String,
    /// Whether it holds information, so that it can be used all the same.
    pub usable: bool,
}

impl NoFeature {
    fn empty() -> Self {
        Self { reason: "it is empty".into(), usable: false }
    }

    fn constant() -> Self {
        Self { reason: "its value is the same in every row".into(), usable: false }
    }

    fn usable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), usable: true }
    }
}

/// What the values of a column become.
struct FittedEncoding {
    seen: SeenValues,
    /// `None` where there are no values.
    encoding: Option<Encoding>,
    training: Option<TrainingValues>,
    /// Why its features say nothing. A feature for missing values may still do.
    blank: Option<NoFeature>,
}

/// The encoding of a column, or the reason why the column is left out.
pub(super) fn fit_column(
    table: &Table,
    name: &str,
    options: &EncoderOptions,
) -> Result<Result<EncodedColumn, NoFeature>, DataError> {
    let keep = options.keep.iter().any(|kept| kept == name);
    let as_category = options.categories.iter().any(|category| category == name);
    if let Some(reason) = reason_by_name(name).filter(|_| !keep && !as_category) {
        return Ok(Err(NoFeature::usable(reason)));
    }
    let cells = table.cells(name)?;
    let ColumnReading { kind, notation, mut notes } = match as_category {
        true => ColumnReading { kind: ColumnKind::Category, notation: Notation::Plain, notes: Vec::new() },
        false => ColumnReading::of(table, name, &cells, options.one_hot, keep)?,
    };
    let source = ColumnSource { table, name, kind, notation, unknown: Unknown::Refuse };
    let fitted = match kind {
        ColumnKind::Number | ColumnKind::Truth => {
            let values = source.numbers(&cells)?.values;
            if let Some(row) = values.iter().position(|value| value.is_some_and(|value| !value.is_finite())) {
                return Err(not_finite(table, name, row, values[row].unwrap_or_default()));
            }
            match reason_by_values(&cells, &values).filter(|_| !keep && kind == ColumnKind::Number) {
                Some(reason) => return Ok(Err(NoFeature::usable(reason))),
                None => number_encoding(&values, &mut notes),
            }
        }
        ColumnKind::Date => date_encoding(&source.dates(&cells)?.values, keep, &mut notes),
        ColumnKind::Category => match category_encoding(table, name, &cells, options.one_hot, keep || as_category)? {
            Ok(fitted) => fitted,
            Err(reason) => return Ok(Err(reason)),
        },
    };
    let FittedEncoding { seen, encoding, training, blank } = fitted;
    let indicator = seen.missing >= INDICATOR_ROWS && seen.known >= INDICATOR_ROWS;
    Ok(match (encoding, blank) {
        (None, _) => Err(NoFeature::empty()),
        (Some(_), Some(reason)) if !indicator => Err(reason),
        (Some(encoding), _) => {
            let (name, seen) = (name.into(), Some(seen));
            Ok(EncodedColumn { name, kind, notation, encoding, indicator, seen, training, notes })
        }
    })
}

/// Some of the values in ascending order.
struct Places {
    low: f64,
    /// One in a hundred is lower.
    usual_low: f64,
    median: f64,
    usual_high: f64,
    high: f64,
}

impl Places {
    /// Finds them without a whole sort, together with the numbers that are kept; `None` if there are no values. The order of the values
    /// changes.
    fn of(values: &mut [f64]) -> Option<(Self, KeptNumbers)> {
        let kept = KeptNumbers::of(values);
        let (edge, middle) = (values.len() / 100, values.len() / 2);
        let last = values.len().checked_sub(1)?;
        let [low, usual_low, median, usual_high, high] =
            [0, edge, middle, last - edge, last].map(|place| values[place]);
        Some((Self { low, usual_low, median, usual_high, high }, kept))
    }
}

fn number_encoding(values: &[Option<f64>], notes: &mut Vec<String>) -> FittedEncoding {
    // The sum turns a negative zero into zero.
    let mut known: Vec<f64> = values.iter().flatten().map(|value| value + 0.0).collect();
    let places = Places::of(&mut known);
    let range = places.as_ref().map(|(places, _)| [places.low, places.high]);
    let seen = SeenValues { known: known.len(), missing: values.len() - known.len(), range };
    let Some((Places { low, usual_low, median, usual_high, high }, kept)) = places else {
        return FittedEncoding { seen, encoding: None, training: None, blank: None };
    };
    let farthest = (high - median).max(median - low);
    let unit = if farthest == 0.0 || PLAIN_SIZES.contains(&farthest) { 1.0 } else { farthest.min(f64::MAX) };
    let usual = usual_high - usual_low;
    for (value, distance) in [(low, usual_low - low), (high, high - usual_high)] {
        if usual > 0.0 && distance > FAR * usual {
            notes.push(format!(
                "`{value:e}` is so far from the other values that they look alike beside it; if it marks a missing value, leave it empty"
            ));
        }
    }
    let blank = (high == low).then(NoFeature::constant);
    let (encoding, training) = (Some(Encoding::Number { median, unit }), Some(TrainingValues::Numbers(kept)));
    FittedEncoding { seen, encoding, training, blank }
}

fn date_encoding(values: &[Option<NaiveDateTime>], keep: bool, notes: &mut Vec<String>) -> FittedEncoding {
    let known: Vec<NaiveDateTime> = values.iter().flatten().copied().collect();
    let seen = SeenValues { known: known.len(), missing: values.len() - known.len(), range: None };
    let (Some(first), Some(last)) = (known.iter().min(), known.iter().max()) else {
        return FittedEncoding { seen, encoding: None, training: None, blank: None };
    };
    let varying =
        DatePart::ALL.into_iter().filter(|part| known.iter().any(|&date| part.share(date) != part.share(known[0])));
    let (parts, open): (Vec<DatePart>, Vec<DatePart>) = varying.partition(|part| keep || closed_circles(&known, *part));
    let days = (*last - *first).num_days() + 1;
    let span = format!("{days} {}, {} to {}", if days == 1 { "day" } else { "days" }, first.date(), last.date());
    let names: Vec<&str> = open.iter().map(|part| part.name()).collect();
    let reason = format!("training saw too little of the {}: {span}", names.join(" and the "));
    let blank = match (parts.is_empty(), open.is_empty()) {
        (false, _) => None,
        (true, true) => Some(NoFeature::constant()),
        (true, false) => Some(NoFeature::usable(reason.clone())),
    };
    if !open.is_empty() {
        notes.push(reason);
    }
    let rows_of = |part: &DatePart| {
        let mut rows = vec![0; part.intervals()];
        known.iter().for_each(|&date| rows[part.interval(date)] += 1);
        rows
    };
    let training = Some(TrainingValues::Dates(parts.iter().map(rows_of).collect()));
    FittedEncoding { seen, encoding: Some(Encoding::Date { parts }), training, blank }
}

fn category_encoding(
    table: &Table,
    name: &str,
    cells: &Cells,
    one_hot: usize,
    keep: bool,
) -> Result<Result<FittedEncoding, NoFeature>, DataError> {
    let mut counts = category_counts(cells);
    let known = counts.values().sum::<usize>();
    let seen = SeenValues { known, missing: table.rows() - known, range: None };
    let all_differ = counts.len() == known && known >= FEW_IDENTIFIERS;
    let most_differ = counts.len() > IDENTIFIER_VALUES && counts.len() as f64 > IDENTIFIER_SHARE * known as f64;
    if !keep && (all_differ || most_differ) {
        let reason = "nearly every row has a different value, as in a column of identifiers";
        return Ok(Err(NoFeature::usable(reason)));
    }
    let bytes: usize = counts.keys().map(String::len).sum();
    if counts.len() > MOST_CATEGORIES || bytes > MOST_CATEGORY_BYTES {
        let (path, column) = (table.path().into(), name.into());
        return Err(DataError::TooManyCategories { path, column, categories: counts.len(), most: MOST_CATEGORIES });
    }
    let whole = counts.keys().all(|text| whole_digits(text).is_some());
    if whole {
        for (text, count) in std::mem::take(&mut counts) {
            let digits = whole_digits(&text).unwrap_or(&text).to_owned();
            *counts.entry(digits).or_default() += count;
        }
    }
    let blank = (counts.len() == 1).then(NoFeature::constant);
    let (encoding, training) = match counts.len() {
        0 => (None, None),
        few if few <= one_hot => {
            let (categories, rows) = counts.into_iter().unzip();
            (Some(Encoding::OneHot { categories, whole }), Some(TrainingValues::Categories(rows)))
        }
        _ => {
            let share = |count: usize| count as f64 / table.rows() as f64;
            let shares = counts.into_iter().map(|(category, count)| (category, share(count))).collect();
            (Some(Encoding::Frequency { shares, whole }), None)
        }
    };
    Ok(Ok(FittedEncoding { seen, encoding, training, blank }))
}

/// Checks the columns of a table beside each other: all of their categories must fit into a model, and numbers must not be written in
/// two ways.
pub(super) fn check_together(table: &Table, columns: &[EncodedColumn]) -> Result<(), DataError> {
    let texts = |column: &EncodedColumn| match &column.encoding {
        Encoding::Frequency { shares, .. } => shares.keys().map(|text| text.len() + SHARE_BYTES).sum(),
        _ => 0,
    };
    let all: usize = columns.iter().map(texts).sum();
    if let Some(largest) = columns.iter().max_by_key(|column| texts(column)).filter(|_| all > MOST_BYTES) {
        let Encoding::Frequency { shares, .. } = &largest.encoding else { return Ok(()) };
        let (path, column) = (table.path().into(), largest.name.clone());
        return Err(DataError::TooManyCategories { path, column, categories: shares.len(), most: MOST_CATEGORIES });
    }
    if columns.iter().any(|column| column.notation == Notation::DecimalComma) {
        let plain = |column: &&EncodedColumn| column.kind == ColumnKind::Number && column.notation.is_plain();
        return columns.iter().filter(plain).try_for_each(|column| refuse_grouped(table, &column.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn places_are_those_of_a_sort() {
        for count in (1..12).chain([99, 100, 101, 199, 200, 250]) {
            let mut values: Vec<f64> = (0..count).map(|row| f64::from(row * 7919 % 31) - 9.0).collect();
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let (found, _) = Places::of(&mut values).unwrap();
            let (edge, last) = (sorted.len() / 100, sorted.len() - 1);
            let found = [found.low, found.usual_low, found.median, found.usual_high, found.high];
            assert_eq!(found, [0, edge, sorted.len() / 2, last - edge, last].map(|place| sorted[place]), "{count}");
        }
        assert!(Places::of(&mut []).is_none());
    }
}
