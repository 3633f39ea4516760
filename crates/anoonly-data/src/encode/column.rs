//! The encoding of one column.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use chrono::NaiveDateTime;
#[cfg(feature = "tables")]
use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

#[cfg(feature = "tables")]
use super::Unknown;
#[cfg(feature = "tables")]
use super::cells::Cells;
use super::cells::ColumnKind;
use super::dates::DatePart;
use super::notation::Notation;
use super::training_values::TrainingValues;
use super::unseen::SeenValues;
#[cfg(feature = "tables")]
use super::unseen::{UnseenInColumn, short};
#[cfg(feature = "tables")]
use super::values::{ColumnSource, category, looked_up};
#[cfg(feature = "tables")]
use crate::DataError;
#[cfg(feature = "tables")]
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
    /// How the values of the training rows are distributed. Models of earlier versions do not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingValues>,
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

/// A value further from the training values than this many times their range gets its row the highest score.
pub(super) const FAR: f64 = 1e6;

/// The result of writing the features of a column.
#[cfg(feature = "tables")]
pub(super) struct Written {
    /// The number of missing values that were filled in.
    pub filled: usize,
    /// The values outside of what the training rows held.
    pub unseen: UnseenInColumn,
    /// The rows with a value that is infinite or very far from the training values.
    pub far: Vec<usize>,
}

impl EncodedColumn {
    /// The number of features.
    pub fn width(&self) -> usize {
        usize::from(self.indicator)
            + match &self.encoding {
                Encoding::Number { .. } | Encoding::Frequency { .. } => 1,
                Encoding::OneHot { categories, .. } => categories.len(),
                Encoding::Date { parts } => 2 * parts.len(),
            }
    }

    /// The lowest and the highest number that does not get its row the highest score. `None` where the range of the training rows is
    /// unknown or too wide to be exceeded so far.
    pub fn far_bounds(&self) -> Option<[f64; 2]> {
        let Bounds { low, high, reach } = Bounds::of(self.seen.as_ref());
        reach.is_finite().then_some([low - reach, high + reach])
    }

    /// The features for people, as `one of 3 categories` or `day of the week (as a circle)`.
    pub fn summary(&self) -> String {
        let features = match &self.encoding {
            Encoding::Number { .. } if self.kind == ColumnKind::Truth => "0 or 1".into(),
            Encoding::Number { .. } => "its value".into(),
            Encoding::OneHot { categories, .. } => {
                let shown: Vec<String> = categories.iter().map(|text| excerpt(text).into_owned()).collect();
                let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
                format!("one of {}", crate::names::shortened(&shown))
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
    #[cfg(feature = "tables")]
    pub(super) fn write(
        &self,
        table: &Table,
        cells: &Cells,
        unknown: Unknown,
        mut target: ArrayViewMut2<'_, f32>,
    ) -> Result<Written, DataError> {
        let source = ColumnSource::of(table, self, unknown);
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
                        written.unseen.farthest = written.unseen.farthest.max(bounds.distance(value));
                        written.unseen.note(table.row(row), || short(value));
                        if near != value {
                            written.unseen.far += 1;
                            written.far.push(row);
                        }
                    }
                    let feature = number_feature(near, *median, *unit);
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
                    date_features(parts, date).enumerate().for_each(|(place, feature)| target[[row, place]] = feature);
                }
                found.other_kind
            }
            Encoding::OneHot { categories: known, whole } => {
                let find = |category: &str| known.binary_search_by(|known| known.as_str().cmp(category)).ok();
                for (row, place) in looked_up(cells, *whole, find).into_iter().enumerate() {
                    match place {
                        Some(Some(place)) => target[[row, place]] = 1.0,
                        Some(None) if unknown == Unknown::Refuse => {
                            let value = category(cells, *whole, row);
                            let (path, column) = (table.path().into(), self.name.clone());
                            return Err(DataError::NewCategory { path, column, row: table.row(row), value });
                        }
                        Some(None) => {
                            written.unseen.new_categories += 1;
                            written.unseen.note(table.row(row), || category(cells, *whole, row));
                        }
                        None => missing.push(row),
                    }
                }
                Vec::new()
            }
            Encoding::Frequency { shares, whole } => {
                let find = |category: &str| shares.get(category).copied();
                for (row, share) in looked_up(cells, *whole, find).into_iter().enumerate() {
                    match share {
                        Some(Some(share)) => target[[row, 0]] = share as f32,
                        Some(None) => {
                            written.unseen.new_categories += 1;
                            written.unseen.note(table.row(row), || category(cells, *whole, row));
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
            written.unseen.note(table.row(row), || cells.categories().nth(row).flatten().unwrap_or_default());
        }
        if never_missing && missing.len() > other_kind.len() {
            written.unseen.missing = missing.len() - other_kind.len();
            let row = missing.iter().find(|row| other_kind.binary_search(row).is_err());
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
        let training = self
            .training
            .as_ref()
            .is_none_or(|training| self.seen.is_some_and(|seen| training.is_sound(&self.encoding, seen)));
        encoding && training && range.is_none_or(|[low, high]| low.is_finite() && high.is_finite() && low <= high)
    }
}

/// The feature of a number that is not far.
pub(super) fn number_feature(near: f64, median: f64, unit: f64) -> f32 {
    ((near - median) / unit) as f32
}

/// The features of a date: sine and cosine of its position in each period.
pub(super) fn date_features(parts: &[DatePart], date: NaiveDateTime) -> impl Iterator<Item = f32> {
    parts.iter().flat_map(move |part| {
        let (sine, cosine) = (TAU * part.share(date)).sin_cos();
        [sine as f32, cosine as f32]
    })
}

/// The range of the training values.
pub(super) struct Bounds {
    low: f64,
    high: f64,
    /// How far outside a value may lie before it is moved closer.
    reach: f64,
}

impl Bounds {
    pub fn of(seen: Option<&SeenValues>) -> Self {
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

    /// How far a value lies outside, in units of the range.
    fn distance(&self, value: f64) -> f64 {
        ((self.low - value).max(value - self.high) / self.reach * FAR).min(f64::MAX)
    }

    /// The value, or the closest one that a feature can hold.
    pub fn nearest(&self, value: f64) -> f64 {
        match self.reach.is_finite() {
            true => value.clamp(self.low - self.reach, self.high + self.reach),
            false => value,
        }
    }
}

/// The error for a value that a feature cannot hold.
#[cfg(feature = "tables")]
pub(super) fn not_finite(table: &Table, name: &str, row: usize, value: f64) -> DataError {
    let value = match value.is_finite() {
        true => format!("{value:e} is too large for a 32-bit float"),
        false => format!("the value is {value}"),
    };
    DataError::NotFiniteCell { path: table.path().into(), column: name.into(), row: table.row(row), value }
}
