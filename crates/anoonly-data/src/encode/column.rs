//! The encoding of one column.

use std::collections::{BTreeMap, HashSet};
use std::f64::consts::TAU;

use chrono::{Datelike, NaiveDateTime, Timelike};
use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::cells::{Cells, ColumnKind, date, looks_like_date, number, truth};
use super::{EncoderOptions, Unknown};
use crate::DataError;
use crate::table::Table;

/// A column and how it becomes features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodedColumn {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// How they become features.
    pub encoding: Encoding,
    /// Whether an additional feature marks missing values.
    pub indicator: bool,
}

/// How the values of a column become features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Encoding {
    /// The difference from the median of the training rows, computed with 64 bits and rounded to 32. A missing value becomes the
    /// median.
    Number {
        /// The median.
        median: f64,
    },
    /// One feature for each category: 1 in the rows that hold it, 0 elsewhere.
    OneHot {
        /// The categories, in alphabetical order.
        categories: Vec<String>,
    },
    /// The share of training rows that hold the category. A new category gets 0, as the rarest of all.
    Frequency {
        /// The categories and their shares.
        shares: BTreeMap<String, f64>,
    },
    /// Sine and cosine of the position in each period. A missing date becomes 0 for both, the centre of the circle.
    Date {
        /// The periods.
        parts: Vec<DatePart>,
    },
}

/// A period in which a date has a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatePart {
    /// The day of the year.
    Year,
    /// The day of the week.
    Week,
    /// The time of day.
    Day,
}

impl DatePart {
    const ALL: [DatePart; 3] = [DatePart::Year, DatePart::Week, DatePart::Day];

    fn name(self) -> &'static str {
        match self {
            DatePart::Year => "day of the year",
            DatePart::Week => "day of the week",
            DatePart::Day => "time of day",
        }
    }

    /// The position within the period, from 0 to 1.
    fn share(self, date: NaiveDateTime) -> f64 {
        match self {
            DatePart::Year => f64::from(date.ordinal0()) / 366.0,
            DatePart::Week => f64::from(date.weekday().num_days_from_monday()) / 7.0,
            DatePart::Day => f64::from(date.num_seconds_from_midnight()) / 86_400.0,
        }
    }
}

/// A column gets a feature for missing values when at least this many training rows lack a value and as many have one.
const INDICATOR_ROWS: usize = 5;
/// Columns with more distinct categories than this share of the rows are taken for identifiers.
const IDENTIFIER_SHARE: f64 = 0.9;
/// Columns with at most this many distinct categories are never taken for identifiers.
const IDENTIFIER_CATEGORIES: usize = 50;

impl EncodedColumn {
    /// The encoding of a column, or the reason why the column is left out.
    pub(super) fn fit(table: &Table, name: &str, options: &EncoderOptions) -> Result<Result<Self, String>, DataError> {
        let cells = table.cells(name)?;
        let as_category = options.categories.iter().any(|category| category == name);
        let kind = match as_category {
            true => ColumnKind::Category,
            false => kind_of(table, name, &cells, options.one_hot)?,
        };
        let (missing, encoding) = match kind {
            ColumnKind::Number | ColumnKind::Truth => {
                let values = numbers(table, name, kind, &cells, Unknown::Refuse)?;
                let mut known: Vec<f64> = values.iter().flatten().copied().collect();
                known.sort_unstable_by(f64::total_cmp);
                let varies = known.first() != known.last();
                let median = known.get(known.len() / 2).map(|&median| Encoding::Number { median });
                (values.len() - known.len(), median.map(|encoding| (encoding, varies)))
            }
            ColumnKind::Date => {
                let values = dates(table, name, &cells, Unknown::Refuse)?;
                let known: Vec<NaiveDateTime> = values.iter().flatten().copied().collect();
                let varies = |part: &DatePart| known.iter().any(|&date| part.share(date) != part.share(known[0]));
                let parts: Vec<DatePart> = DatePart::ALL.into_iter().filter(varies).collect();
                let varies = !parts.is_empty();
                let encoding = (!known.is_empty()).then_some((Encoding::Date { parts }, varies));
                (values.len() - known.len(), encoding)
            }
            ColumnKind::Category => {
                let mut counts: BTreeMap<String, usize> = BTreeMap::new();
                let mut known = 0;
                for category in categories(&cells).flatten() {
                    known += 1;
                    *counts.entry(category).or_default() += 1;
                }
                if counts.len() > IDENTIFIER_CATEGORIES && counts.len() as f64 > IDENTIFIER_SHARE * f64::from(known) {
                    let reason = match counts.keys().all(|text| looks_like_date(text)) {
                        true => "its dates are ambiguous: write them as 2026-03-31, the year first",
                        false => "nearly every row has a different value, as in a column of identifiers",
                    };
                    return Ok(Err(reason.into()));
                }
                let varies = counts.len() > 1;
                let encoding = match counts.len() {
                    0 => None,
                    few if few <= options.one_hot => {
                        Some(Encoding::OneHot { categories: counts.into_keys().collect() })
                    }
                    _ => {
                        let share = |count: usize| count as f64 / table.rows() as f64;
                        let shares = counts.into_iter().map(|(category, count)| (category, share(count))).collect();
                        Some(Encoding::Frequency { shares })
                    }
                };
                (table.rows() - known as usize, encoding.map(|encoding| (encoding, varies)))
            }
        };
        let indicator = missing >= INDICATOR_ROWS && table.rows() - missing >= INDICATOR_ROWS;
        Ok(match encoding {
            None => Err("it is empty".into()),
            Some((_, false)) if !indicator => Err("its value is the same in every row".into()),
            Some((encoding, _)) => Ok(Self { name: name.into(), kind, encoding, indicator }),
        })
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        usize::from(self.indicator)
            + match &self.encoding {
                Encoding::Number { .. } | Encoding::Frequency { .. } => 1,
                Encoding::OneHot { categories } => categories.len(),
                Encoding::Date { parts } => 2 * parts.len(),
            }
    }

    pub(super) fn feature_names(&self) -> Vec<String> {
        let name = &self.name;
        let mut names = match &self.encoding {
            Encoding::Number { .. } => vec![name.clone()],
            Encoding::Frequency { .. } => vec![format!("frequency of {name}")],
            Encoding::OneHot { categories } => {
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

    /// Writes the features of all rows into `target`, a matrix of zeros of shape `[rows, width]`. Returns the number of missing
    /// values that were filled in.
    pub(super) fn write(
        &self,
        table: &Table,
        cells: &Cells,
        unknown: Unknown,
        mut target: ArrayViewMut2<'_, f32>,
    ) -> Result<usize, DataError> {
        let name = &self.name;
        let last = target.ncols().saturating_sub(1);
        let mut filled = 0;
        let mut fill = |row: usize, target: &mut ArrayViewMut2<'_, f32>| {
            filled += 1;
            if self.indicator {
                target[[row, last]] = 1.0;
            }
        };
        match &self.encoding {
            Encoding::Number { median } => {
                for (row, value) in numbers(table, name, self.kind, cells, unknown)?.into_iter().enumerate() {
                    match value {
                        Some(value) if ((value - median) as f32).is_finite() => {
                            target[[row, 0]] = (value - median) as f32;
                        }
                        Some(value) => return Err(not_finite(table, name, row, value)),
                        None => fill(row, &mut target),
                    }
                }
            }
            Encoding::Date { parts } => {
                for (row, date) in dates(table, name, cells, unknown)?.into_iter().enumerate() {
                    let Some(date) = date else {
                        fill(row, &mut target);
                        continue;
                    };
                    for (place, part) in parts.iter().enumerate() {
                        let (sine, cosine) = (TAU * part.share(date)).sin_cos();
                        target[[row, 2 * place]] = sine as f32;
                        target[[row, 2 * place + 1]] = cosine as f32;
                    }
                }
            }
            Encoding::OneHot { categories: known } => {
                for (row, category) in categories(cells).enumerate() {
                    match category.map(|category| (known.binary_search(&category), category)) {
                        Some((Ok(place), _)) => target[[row, place]] = 1.0,
                        Some((Err(_), value)) if unknown == Unknown::Refuse => {
                            let (path, column) = (table.path().into(), name.clone());
                            return Err(DataError::NewCategory { path, column, row: table.row(row), value });
                        }
                        Some(_) => {}
                        None => fill(row, &mut target),
                    }
                }
            }
            Encoding::Frequency { shares } => {
                for (row, category) in categories(cells).enumerate() {
                    match category {
                        Some(category) => target[[row, 0]] = shares.get(&category).copied().unwrap_or(0.0) as f32,
                        None => fill(row, &mut target),
                    }
                }
            }
        }
        Ok(filled)
    }

    /// Whether a fit could have produced this encoding.
    pub(super) fn is_sound(&self) -> bool {
        match &self.encoding {
            Encoding::Number { median } => {
                median.is_finite() && matches!(self.kind, ColumnKind::Number | ColumnKind::Truth)
            }
            Encoding::OneHot { categories } => {
                !categories.is_empty() && categories.windows(2).all(|pair| pair[0] < pair[1])
            }
            Encoding::Frequency { shares } => shares.values().all(|share| (0.0..=1.0).contains(share)),
            Encoding::Date { .. } => self.kind == ColumnKind::Date,
        }
    }
}

/// The kind of a column's values.
fn kind_of(table: &Table, name: &str, cells: &Cells, one_hot: usize) -> Result<ColumnKind, DataError> {
    let texts = match cells {
        Cells::Numbers(_) => return Ok(ColumnKind::Number),
        Cells::Truths(_) => return Ok(ColumnKind::Truth),
        Cells::Dates(_) => return Ok(ColumnKind::Date),
        Cells::Text(texts) => texts,
    };
    let known = || texts.iter_known().enumerate().filter_map(|(row, text)| Some((row, text?)));
    let all = |is: fn(&str) -> bool| known().all(|(_, text)| is(text));
    match () {
        () if all(|text| number(text).is_some()) => return Ok(ColumnKind::Number),
        () if all(|text| truth(text).is_some()) => return Ok(ColumnKind::Truth),
        () if all(|text| date(text).is_some()) => return Ok(ColumnKind::Date),
        () => {}
    }
    let numbers = known().filter(|(_, text)| number(text).is_some()).count();
    let distinct: HashSet<&str> = known().map(|(_, text)| text).collect();
    if 2 * numbers > known().count() && distinct.len() > one_hot {
        let (row, text) = known().find(|(_, text)| number(text).is_none()).unwrap_or((0, ""));
        let (path, column) = (table.path().into(), name.into());
        return Err(DataError::Mixed { path, column, row: table.row(row), value: text.into() });
    }
    Ok(ColumnKind::Category)
}

/// The values of a column of numbers or truth values; `None` where one is missing.
fn numbers(
    table: &Table,
    name: &str,
    kind: ColumnKind,
    cells: &Cells,
    unknown: Unknown,
) -> Result<Vec<Option<f64>>, DataError> {
    let parse = |text: &str| match kind {
        // One file may write truth values as 0 and 1, and another as words.
        ColumnKind::Truth => truth(text).or_else(|| number(text).filter(|&value| value == 0.0 || value == 1.0)),
        _ => number(text),
    };
    let values = parsed(table, name, kind, cells, unknown, parse, |cells| match cells {
        Cells::Numbers(values) | Cells::Truths(values) => Some(values.clone()),
        _ => None,
    })?;
    match values.iter().position(|value| value.is_some_and(|value| !value.is_finite())) {
        Some(row) => Err(not_finite(table, name, row, values[row].unwrap_or_default())),
        None => Ok(values),
    }
}

/// The values of a column of dates.
fn dates(table: &Table, name: &str, cells: &Cells, unknown: Unknown) -> Result<Vec<Option<NaiveDateTime>>, DataError> {
    parsed(table, name, ColumnKind::Date, cells, unknown, date, |cells| match cells {
        Cells::Dates(values) => Some(values.clone()),
        _ => None,
    })
}

/// The values of a column: by `typed` where the file stores them with the right type, by `parse` where they are text.
fn parsed<T: Clone>(
    table: &Table,
    name: &str,
    kind: ColumnKind,
    cells: &Cells,
    unknown: Unknown,
    parse: impl Fn(&str) -> Option<T>,
    typed: impl Fn(&Cells) -> Option<Vec<Option<T>>>,
) -> Result<Vec<Option<T>>, DataError> {
    if let Some(values) = typed(cells) {
        return Ok(values);
    }
    let other = |row: usize, value: String| {
        let (path, column) = (table.path().into(), name.into());
        DataError::OtherKind { path, column, row: table.row(row), value, kind: kind.name() }
    };
    let read = |(row, text): (usize, Option<&str>)| match text {
        None => Ok(None),
        Some(text) => match parse(text) {
            None if unknown == Unknown::Refuse => Err(other(row, text.into())),
            value => Ok(value),
        },
    };
    match cells {
        Cells::Text(texts) => texts.iter_known().enumerate().map(read).collect(),
        typed => {
            // The file stores the column with another type.
            let first = categories(typed).enumerate().find_map(|(row, value)| Some((row, value?)));
            match first {
                Some((row, value)) if unknown == Unknown::Refuse => Err(other(row, value)),
                _ => Ok(vec![None; table.rows()]),
            }
        }
    }
}

/// The values of a column as categories; `None` where one is missing.
fn categories(cells: &Cells) -> Box<dyn Iterator<Item = Option<String>> + '_> {
    match cells {
        Cells::Numbers(values) => Box::new(values.iter().map(|value| value.map(|value| value.to_string()))),
        Cells::Truths(values) => Box::new(values.iter().map(|value| value.map(|value| (value == 1.0).to_string()))),
        Cells::Dates(values) => Box::new(values.iter().map(|value| value.map(|value| value.to_string()))),
        Cells::Text(texts) => Box::new(texts.iter_known().map(|text| text.map(str::to_owned))),
    }
}

fn not_finite(table: &Table, name: &str, row: usize, value: f64) -> DataError {
    let value = match value.is_finite() {
        true => format!("{value:e} is too large for a 32-bit float"),
        false => format!("the value is {value}"),
    };
    DataError::NotFiniteCell { path: table.path().into(), column: name.into(), row: table.row(row), value }
}
