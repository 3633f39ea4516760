//! The encoding of one column.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use chrono::NaiveDateTime;
use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::cells::{Cells, ColumnKind, whole_digits};
use super::dates::{DatePart, closed_circles};
use super::notation::Notation;
use super::reading::Reading;
use super::roles::{IDENTIFIER_SHARE, IDENTIFIER_VALUES, reason_by_name, reason_by_values};
use super::unseen::{SeenValues, UnseenInColumn};
use super::values::{Source, categories};
use super::{EncoderOptions, Unknown};
use crate::DataError;
use crate::table::Table;
use anoonly_core::excerpt;

/// A column and how it becomes features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodedColumn {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// How its values are written where they are text.
    #[serde(default, skip_serializing_if = "Notation::is_plain")]
    pub notation: Notation,
    /// How they become features.
    pub encoding: Encoding,
    /// Whether an additional feature marks missing values.
    pub indicator: bool,
    /// What the training rows held. Models of format 1 do not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenValues>,
    /// What users should know about how the column was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How the values of a column become features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Encoding {
    /// The difference from the median of the training rows, divided by the unit, computed with 64 bits and rounded to 32. A missing
    /// value becomes the median.
    Number {
        /// The median.
        median: f64,
        /// 1, unless the numbers are too large or too small for 32 bits.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        unit: f64,
    },
    /// One feature for each category: 1 in the rows that hold it, 0 elsewhere.
    OneHot {
        /// The categories, in alphabetical order.
        categories: Vec<String>,
        /// Whether all are whole numbers, so that `117` and `117.0` are the same category.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
    },
    /// The share of training rows that hold the category. A new category gets 0, as the rarest of all.
    Frequency {
        /// The categories and their shares.
        shares: BTreeMap<String, f64>,
        /// Whether all are whole numbers, so that `117` and `117.0` are the same category.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
    },
    /// Sine and cosine of the position in each period. A missing date becomes 0 for both, the centre of the circle.
    Date {
        /// The periods.
        parts: Vec<DatePart>,
    },
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(unit: &f64) -> bool {
    *unit == 1.0
}

/// Why a column without values is left out.
pub(super) const EMPTY: &str = "it is empty";
/// Why a column that does not vary is left out.
pub(super) const CONSTANT: &str = "its value is the same in every row";
/// A column gets a feature for missing values when at least this many training rows lack a value and as many have one.
const INDICATOR_ROWS: usize = 5;
/// The largest number of categories of a column that a model keeps.
const MOST_CATEGORIES: usize = 100_000;
/// The largest number of bytes of all categories of a column together.
const MOST_CATEGORY_BYTES: usize = 16 << 20;
/// Deviations from the median within these bounds are stored as they are.
const PLAIN_SIZES: std::ops::RangeInclusive<f64> = 1e-30..=1e30;
/// A value further from the training values than this many times their range gets its row the highest score.
const FAR: f64 = 1e6;

/// What is made of a column: an encoding and whether its features vary, or the reason why it has none.
type Made = Result<(Encoding, bool), String>;

/// The result of writing the features of a column.
pub(super) struct Written {
    /// The number of missing values that were filled in.
    pub filled: usize,
    /// The values outside of what the training rows held.
    pub unseen: UnseenInColumn,
    /// The rows with a value that is infinite or very far from the training values.
    pub far: Vec<usize>,
}

impl EncodedColumn {
    /// The encoding of a column, or the reason why the column is left out.
    pub(super) fn fit(table: &Table, name: &str, options: &EncoderOptions) -> Result<Result<Self, String>, DataError> {
        let keep = options.keep.iter().any(|kept| kept == name);
        let as_category = options.categories.iter().any(|category| category == name);
        if let Some(reason) = reason_by_name(name).filter(|_| !keep && !as_category) {
            return Ok(Err(reason));
        }
        let cells = table.cells(name)?;
        let Reading { kind, notation, mut notes } = match as_category {
            true => Reading { kind: ColumnKind::Category, notation: Notation::Plain, notes: Vec::new() },
            false => Reading::of(table, name, &cells, options.one_hot)?,
        };
        let source = Source { table, name, kind, notation, unknown: Unknown::Refuse };
        let (seen, made): (SeenValues, Made) = match kind {
            ColumnKind::Number | ColumnKind::Truth => {
                let values = source.numbers(&cells)?.values;
                if let Some(row) = values.iter().position(|value| value.is_some_and(|value| !value.is_finite())) {
                    return Err(not_finite(table, name, row, values[row].unwrap_or_default()));
                }
                match reason_by_values(&cells, &values).filter(|_| !keep && kind == ColumnKind::Number) {
                    Some(reason) => return Ok(Err(reason)),
                    None => number_encoding(&values, &mut notes),
                }
            }
            ColumnKind::Date => date_encoding(&source.dates(&cells)?.values, keep, &mut notes),
            ColumnKind::Category => match category_encoding(table, name, &cells, options.one_hot, keep)? {
                Ok(found) => found,
                Err(reason) => return Ok(Err(reason)),
            },
        };
        let indicator = seen.missing >= INDICATOR_ROWS && seen.known >= INDICATOR_ROWS;
        let seen = Some(seen);
        Ok(match made {
            Ok((_, false)) if !indicator => Err(CONSTANT.into()),
            Ok((encoding, _)) => Ok(Self { name: name.into(), kind, notation, encoding, indicator, seen, notes }),
            Err(reason) => Err(reason),
        })
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        usize::from(self.indicator)
            + match &self.encoding {
                Encoding::Number { .. } | Encoding::Frequency { .. } => 1,
                Encoding::OneHot { categories, .. } => categories.len(),
                Encoding::Date { parts } => 2 * parts.len(),
            }
    }

    /// The features for people, as `one of 3 categories` or `day of the week (as a circle)`.
    pub fn summary(&self) -> String {
        let features = match &self.encoding {
            Encoding::Number { .. } if self.kind == ColumnKind::Truth => "0 or 1".into(),
            Encoding::Number { .. } => "its value".into(),
            Encoding::OneHot { categories, .. } => {
                let shown: Vec<String> = categories.iter().map(|text| excerpt(text).into_owned()).collect();
                let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
                format!("one of {}", crate::table::shortened(&shown))
            }
            Encoding::Frequency { shares, .. } => format!("frequency of its category, one of {}", shares.len()),
            Encoding::Date { parts } if parts.is_empty() => "nothing".into(),
            Encoding::Date { parts } => {
                let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
                format!("{}, as positions on a circle", names.join(" and "))
            }
        };
        match self.indicator {
            true => format!("{features}; whether it is missing"),
            false => features,
        }
    }

    pub(super) fn feature_names(&self) -> Vec<String> {
        let name = &self.name;
        let mut names = match &self.encoding {
            Encoding::Number { .. } => vec![name.clone()],
            Encoding::Frequency { .. } => vec![format!("frequency of {name}")],
            Encoding::OneHot { categories, .. } => {
                categories.iter().map(|category| format!("{name} = {category}")).collect()
            }
            Encoding::Date { parts } => {
                let both =
                    |part: &DatePart| ["sine", "cosine"].map(|wave| format!("{} of {name} ({wave})", part.name()));
                parts.iter().flat_map(both).collect()
            }
        };
        if self.indicator {
            names.push(format!("{name} is missing"));
        }
        names
    }

    /// Writes the features of all rows into `target`, a matrix of zeros of shape `[rows, width]`.
    pub(super) fn write(
        &self,
        table: &Table,
        cells: &Cells,
        unknown: Unknown,
        mut target: ArrayViewMut2<'_, f32>,
    ) -> Result<Written, DataError> {
        let source = Source::of(table, self, unknown);
        let last = target.ncols().saturating_sub(1);
        let seen = self.seen.as_ref();
        let never_missing = seen.is_some_and(|seen| seen.missing == 0);
        let mut written = Written { filled: 0, unseen: UnseenInColumn::of(&self.name, seen), far: vec![] };
        let mut missing = Vec::new();
        let other_kind = match &self.encoding {
            Encoding::Number { median, unit } => {
                let found = source.numbers(cells)?;
                let bounds = Bounds::of(seen);
                for (row, value) in found.values.into_iter().enumerate() {
                    let Some(value) = value else {
                        missing.push(row);
                        continue;
                    };
                    let near = bounds.nearest(value);
                    if bounds.is_beyond(value) {
                        written.unseen.beyond += 1;
                        written.unseen.note(table.row(row), || short(value));
                        if near != value {
                            written.unseen.far += 1;
                            written.far.push(row);
                        }
                    }
                    let feature = ((near - median) / unit) as f32;
                    if !feature.is_finite() {
                        return Err(not_finite(table, &self.name, row, value));
                    }
                    target[[row, 0]] = feature;
                }
                found.other_kind
            }
            Encoding::Date { parts } => {
                let found = source.dates(cells)?;
                for (row, date) in found.values.into_iter().enumerate() {
                    let Some(date) = date else {
                        missing.push(row);
                        continue;
                    };
                    for (place, part) in parts.iter().enumerate() {
                        let (sine, cosine) = (TAU * part.share(date)).sin_cos();
                        target[[row, 2 * place]] = sine as f32;
                        target[[row, 2 * place + 1]] = cosine as f32;
                    }
                }
                found.other_kind
            }
            Encoding::OneHot { categories: known, whole } => {
                for (row, category) in categories(cells, *whole).enumerate() {
                    match category.map(|category| (known.binary_search(&category), category)) {
                        Some((Ok(place), _)) => target[[row, place]] = 1.0,
                        Some((Err(_), value)) if unknown == Unknown::Refuse => {
                            let (path, column) = (table.path().into(), self.name.clone());
                            return Err(DataError::NewCategory { path, column, row: table.row(row), value });
                        }
                        Some((Err(_), value)) => {
                            written.unseen.new_categories += 1;
                            written.unseen.note(table.row(row), || value);
                        }
                        None => missing.push(row),
                    }
                }
                Vec::new()
            }
            Encoding::Frequency { shares, whole } => {
                for (row, category) in categories(cells, *whole).enumerate() {
                    match category.map(|category| (shares.get(&category), category)) {
                        Some((Some(&share), _)) => target[[row, 0]] = share as f32,
                        Some((None, value)) => {
                            written.unseen.new_categories += 1;
                            written.unseen.note(table.row(row), || value);
                        }
                        None => missing.push(row),
                    }
                }
                Vec::new()
            }
        };
        written.filled = missing.len();
        if self.indicator {
            missing.iter().for_each(|&row| target[[row, last]] = 1.0);
        }
        written.unseen.other_kind = other_kind.len();
        if let Some(&row) = other_kind.first() {
            written.unseen.note(table.row(row), String::new);
        }
        if never_missing && missing.len() > other_kind.len() {
            written.unseen.missing = missing.len() - other_kind.len();
            let row = missing.iter().find(|row| !other_kind.contains(row));
            written.unseen.note(table.row(row.copied().unwrap_or_default()), String::new);
        }
        Ok(written)
    }

    /// Whether a fit could have produced this encoding.
    pub(super) fn is_sound(&self) -> bool {
        let range = self.seen.and_then(|seen| seen.range);
        let encoding = match &self.encoding {
            Encoding::Number { median, unit } => {
                median.is_finite()
                    && unit.is_finite()
                    && *unit > 0.0
                    && matches!(self.kind, ColumnKind::Number | ColumnKind::Truth)
            }
            Encoding::OneHot { categories, .. } => {
                !categories.is_empty() && categories.windows(2).all(|pair| pair[0] < pair[1])
            }
            Encoding::Frequency { shares, .. } => shares.values().all(|share| (0.0..=1.0).contains(share)),
            Encoding::Date { .. } => self.kind == ColumnKind::Date,
        };
        encoding && range.is_none_or(|[low, high]| low.is_finite() && high.is_finite() && low <= high)
    }
}

/// The range of the training values.
struct Bounds {
    low: f64,
    high: f64,
    /// How far outside a value may lie before it is moved closer.
    reach: f64,
}

impl Bounds {
    fn of(seen: Option<&SeenValues>) -> Self {
        match seen.and_then(|seen| seen.range) {
            Some([low, high]) => {
                let width = if high > low { high - low } else { low.abs().max(1.0) };
                Self { low, high, reach: FAR * width }
            }
            None => Self { low: f64::NEG_INFINITY, high: f64::INFINITY, reach: f64::INFINITY },
        }
    }

    fn is_beyond(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }

    /// The value, or the closest one that a feature can hold.
    fn nearest(&self, value: f64) -> f64 {
        match self.reach.is_finite() {
            true => value.clamp(self.low - self.reach, self.high + self.reach),
            false => value,
        }
    }
}

fn number_encoding(values: &[Option<f64>], notes: &mut Vec<String>) -> (SeenValues, Made) {
    let mut known: Vec<f64> = values.iter().flatten().copied().collect();
    known.sort_unstable_by(f64::total_cmp);
    let range = known.first().zip(known.last()).map(|(&low, &high)| [low, high]);
    let seen = SeenValues { known: known.len(), missing: values.len() - known.len(), range };
    let (Some(&median), Some([low, high])) = (known.get(known.len() / 2), range) else {
        return (seen, Err(EMPTY.into()));
    };
    let farthest = (high - median).max(median - low);
    let unit = if farthest == 0.0 || PLAIN_SIZES.contains(&farthest) { 1.0 } else { farthest.min(f64::MAX) };
    let edge = known.len() / 100;
    let (usual_low, usual_high) = (known[edge], known[known.len() - 1 - edge]);
    let usual = usual_high - usual_low;
    for (value, distance) in [(low, usual_low - low), (high, high - usual_high)] {
        if usual > 0.0 && distance > FAR * usual {
            notes.push(format!(
                "`{value:e}` is so far from the other values that they look alike beside it; if it marks a missing value, leave it empty"
            ));
        }
    }
    (seen, Ok((Encoding::Number { median, unit }, high > low)))
}

fn date_encoding(values: &[Option<NaiveDateTime>], keep: bool, notes: &mut Vec<String>) -> (SeenValues, Made) {
    let known: Vec<NaiveDateTime> = values.iter().flatten().copied().collect();
    let seen = SeenValues { known: known.len(), missing: values.len() - known.len(), range: None };
    let (Some(first), Some(last)) = (known.iter().min(), known.iter().max()) else {
        return (seen, Err(EMPTY.into()));
    };
    let varying =
        DatePart::ALL.into_iter().filter(|part| known.iter().any(|&date| part.share(date) != part.share(known[0])));
    let (parts, open): (Vec<DatePart>, Vec<DatePart>) = varying.partition(|part| keep || closed_circles(&known, *part));
    let days = (*last - *first).num_days() + 1;
    let span = format!("{days} {}, {} to {}", if days == 1 { "day" } else { "days" }, first.date(), last.date());
    let names: Vec<&str> = open.iter().map(|part| part.name()).collect();
    let reason = format!("training saw too little of the {}: {span}", names.join(" and the "));
    if parts.is_empty() && !open.is_empty() {
        return (seen, Err(reason));
    }
    if !open.is_empty() {
        notes.push(format!("not the {}, of which training saw too little: {span}", names.join(" and ")));
    }
    let varies = !parts.is_empty();
    (seen, Ok((Encoding::Date { parts }, varies)))
}

fn category_encoding(
    table: &Table,
    name: &str,
    cells: &Cells,
    one_hot: usize,
    keep: bool,
) -> Result<Result<(SeenValues, Made), String>, DataError> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut known = 0usize;
    for category in categories(cells, false).flatten() {
        known += 1;
        match counts.get_mut(&category) {
            Some(count) => *count += 1,
            None => {
                counts.insert(category, 1);
            }
        }
    }
    let seen = SeenValues { known, missing: table.rows() - known, range: None };
    if !keep && counts.len() > IDENTIFIER_VALUES && counts.len() as f64 > IDENTIFIER_SHARE * known as f64 {
        return Ok(Err("nearly every row has a different value, as in a column of identifiers".into()));
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
    let varies = counts.len() > 1;
    let encoding = match counts.len() {
        0 => return Ok(Ok((seen, Err(EMPTY.into())))),
        few if few <= one_hot => Encoding::OneHot { categories: counts.into_keys().collect(), whole },
        _ => {
            let share = |count: usize| count as f64 / table.rows() as f64;
            let shares = counts.into_iter().map(|(category, count)| (category, share(count))).collect();
            Encoding::Frequency { shares, whole }
        }
    };
    Ok(Ok((seen, Ok((encoding, varies)))))
}

/// A number for people: with an exponent where it is long.
fn short(value: f64) -> String {
    let text = value.to_string();
    if text.len() <= 16 { text } else { format!("{value:e}") }
}

fn not_finite(table: &Table, name: &str, row: usize, value: f64) -> DataError {
    let value = match value.is_finite() {
        true => format!("{value:e} is too large for a 32-bit float"),
        false => format!("the value is {value}"),
    };
    DataError::NotFiniteCell { path: table.path().into(), column: name.into(), row: table.row(row), value }
}
