//! What the values of a column are and how they are written, judged by all rows of a training table.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;
use std::ops::RangeInclusive;

use super::cells::{Cells, ColumnKind, number, truth};
use super::notation::{Notation, is_grouped, is_no_date, is_placeholder, looks_like_number, unit};
use super::written_dates::{DateShape, date_shape, is_zero_date, looks_like_date};
use crate::DataError;
use crate::table::{Table, TextColumn};

/// Up to this share of values that are no numbers make a column of few different values one of numbers with mistakes, and not one
/// of codes.
const ODD_SHARE: f64 = 0.02;

/// Numbers that can be dates of the years 1900 to 2100 in eight digits.
const LIKE_DATES: RangeInclusive<f64> = 19_000_101.0..=21_001_231.0;

/// How a column is read.
pub(super) struct ColumnReading {
    pub kind: ColumnKind,
    pub notation: Notation,
    /// What users should know about it.
    pub notes: Vec<String>,
}

impl ColumnReading {
    fn plain(kind: ColumnKind) -> Self {
        Self { kind, notation: Notation::Plain, notes: Vec::new() }
    }

    /// Judges a column. Up to `few` different values may be codes rather than numbers.
    /// With `keep`, numbers stay numbers.
    pub(super) fn of(table: &Table, name: &str, cells: &Cells, few: usize, keep: bool) -> Result<Self, DataError> {
        let reading = match cells {
            Cells::Numbers(_) => Self::plain(ColumnKind::Number),
            Cells::Truths(_) => Self::plain(ColumnKind::Truth),
            Cells::Dates(_) => Self::plain(ColumnKind::Date),
            Cells::Missing(_) => Self::plain(ColumnKind::Category),
            Cells::Written(numbers) if numbers.all_missing() => Self::plain(ColumnKind::Category),
            Cells::Written(_) => Self::plain(ColumnKind::Number),
            Cells::Text(texts) => TextReading::of(table, name, texts, few).read()?,
        };
        match reading.kind {
            ColumnKind::Number if !keep => reading.or_dates_as_numbers(table, name, cells, few),
            _ => Ok(reading),
        }
    }

    /// Numbers that are dates: twenty million and more that are all days of the calendar, and numbers of the size of Unix times
    /// in a column that is named after time.
    fn or_dates_as_numbers(self, table: &Table, name: &str, cells: &Cells, few: usize) -> Result<Self, DataError> {
        let notation = self.notation;
        let values: Box<dyn Iterator<Item = Option<f64>>> = match cells {
            Cells::Text(texts) => Box::new(texts.iter_known().map(move |text| notation.number(text?))),
            other => Box::new(other.floats().unwrap_or_default().into_iter()),
        };
        // A few zeros may mark missing dates.
        let mut values = values.peekable();
        while values.next_if(|value| value.is_none_or(is_no_date)).is_some() {}
        // Nearly all columns end here, so that they are not read once more.
        match values.peek() {
            Some(&Some(first)) if LIKE_DATES.contains(&first) || first >= 1e9 && is_named_after_time(name) => {}
            _ => return Ok(self),
        }
        let values: Vec<f64> = values.flatten().filter(|&value| !is_no_date(value)).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        // Without the edges: a few values may be no dates.
        let edge = (ODD_SHARE * sorted.len() as f64) as usize;
        let (low, high) = (sorted[edge], sorted[sorted.len() - 1 - edge]);
        let notation = match () {
            () if LIKE_DATES.contains(&low) && LIKE_DATES.contains(&high) => Notation::Compact,
            () if !is_named_after_time(name) => return Ok(self),
            () if low >= 1e9 && high < 3e9 => Notation::UnixSeconds,
            () if low >= 1e12 && high < 3e12 => Notation::UnixMilliseconds,
            () if low >= 1e15 && high < 3e15 => Notation::UnixMicroseconds,
            () if low >= 1e18 && high < 3e18 => Notation::UnixNanoseconds,
            () => return Ok(self),
        };
        let is_date = |value: f64| notation.date_of_number(value).is_some();
        let odd = values.iter().filter(|&&value| !is_date(value)).count();
        if at_most(few, values.iter().map(|value| value.to_bits())) || odd as f64 > ODD_SHARE * values.len() as f64 {
            return Ok(self);
        }
        if odd > 0 {
            let row = match cells {
                Cells::Text(texts) => texts.iter_known().position(|text| {
                    text.and_then(|text| self.notation.number(text))
                        .is_some_and(|value| !is_no_date(value) && !is_date(value))
                }),
                other => other
                    .floats()
                    .unwrap_or_default()
                    .iter()
                    .position(|value| value.is_some_and(|value| !is_no_date(value) && !is_date(value))),
            };
            let row = row.unwrap_or_default();
            let value = cells.categories().nth(row).flatten().unwrap_or_default();
            let (path, column) = (table.path().into(), name.into());
            return Err(DataError::UnknownDate { path, column, row: table.row(row), value });
        }
        Ok(Self { kind: ColumnKind::Date, notation, notes: self.notes })
    }
}

/// Whether there are at most so many different values.
fn at_most<T: Eq + Hash>(most: usize, values: impl Iterator<Item = T>) -> bool {
    let mut distinct = HashSet::new();
    for value in values {
        distinct.insert(value);
        if distinct.len() > most {
            return false;
        }
    }
    true
}

/// Whether a column is called after a point in time, as `event_time`, `ts` or `createdAt`, and not after a duration.
fn is_named_after_time(name: &str) -> bool {
    const POINTS: [&str; 8] = ["time", "date", "datetime", "timestamp", "epoch", "unix", "unixtime", "ts"];
    const DURATIONS: [&str; 9] =
        ["elapsed", "duration", "spent", "response", "processing", "waiting", "wait", "run", "life"];
    // Words end at other characters and before capital letters.
    let mut words = vec![String::new()];
    let mut before_is_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before_is_small) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.iter_mut().last().into_iter().for_each(|word| word.extend(c.to_lowercase()));
        }
        before_is_small = c.is_lowercase();
    }
    let is = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    (is(&POINTS) || words.last().is_some_and(|word| word == "at")) && !is(&DURATIONS)
}

/// A column of text that is to be judged.
struct TextReading<'a> {
    table: &'a Table,
    name: &'a str,
    texts: &'a TextColumn,
    /// Where texts are stored once: each with the first row that has it and the number of such rows, in the order of the first rows.
    repeated: Option<Vec<(usize, &'a str, usize)>>,
    few: usize,
}

impl<'a> TextReading<'a> {
    fn of(table: &'a Table, name: &'a str, texts: &'a TextColumn, few: usize) -> Self {
        let repeated = texts.distinct().map(|distinct| {
            let mut rows = vec![(usize::MAX, 0); distinct.len()];
            for (row, place) in (0..texts.len()).filter_map(|row| Some((row, texts.place(row)?))) {
                let (first, count) = &mut rows[place];
                *first = row.min(*first);
                *count += 1;
            }
            let known = distinct.into_iter().zip(rows).filter_map(|(text, (first, count))| Some((first, text?, count)));
            let mut known: Vec<_> = known.filter(|(_, _, count)| *count > 0).collect();
            known.sort_unstable();
            known
        });
        Self { table, name, texts, repeated, few }
    }

    /// The values that are not missing, with their rows. A text that is stored once comes once, with its first row.
    fn known(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a, '_> {
        self.counted().map(|(row, text, _)| (row, text))
    }

    /// As [`known`](Self::known), with the numbers of rows.
    fn counted(&self) -> impl Iterator<Item = (usize, &'a str, usize)> + use<'a, '_> {
        let repeated = self.repeated.iter().flatten().copied();
        let texts = self.texts.iter_known().take(if self.repeated.is_some() { 0 } else { usize::MAX });
        repeated.chain(texts.enumerate().filter_map(|(row, text)| Some((row, text?, 1))))
    }

    /// The number of rows whose value is of a kind.
    fn count(&self, is: impl Fn(&str) -> bool) -> usize {
        self.counted().filter(|(_, text, _)| is(text)).map(|(_, _, rows)| rows).sum()
    }

    fn all(&self, is: impl Fn(&str) -> bool) -> bool {
        self.known().all(|(_, text)| is(text))
    }

    fn read(&self) -> Result<ColumnReading, DataError> {
        if self.known().next().is_none() {
            return Ok(ColumnReading::plain(ColumnKind::Category));
        }
        match () {
            () if self.all(|text| number(text).is_some()) => return Ok(ColumnReading::plain(ColumnKind::Number)),
            () if self.all(|text| truth(text).is_some()) => return Ok(ColumnReading::plain(ColumnKind::Truth)),
            () => {}
        }
        if let Some(reading) = self.numbers()? {
            return Ok(reading);
        }
        if let Some(reading) = self.dates()? {
            return Ok(reading);
        }
        self.refuse_mixed()?;
        Ok(ColumnReading::plain(ColumnKind::Category))
    }

    /// The column as numbers with a currency or a decimal comma, beside cells that mean a missing value.
    fn numbers(&self) -> Result<Option<ColumnReading>, DataError> {
        let notation = match () {
            () if self.every_but(is_placeholder, |text| Notation::Plain.number(text).is_some()) => Notation::Plain,
            () if self.every_but(is_placeholder, |text| Notation::DecimalComma.number(text).is_some()) => {
                // `1,480` may also be a number with a mark between the thousands.
                let shows_decimals = self.known().any(|(_, text)| text.contains(',') && !is_grouped(text, ','));
                if self.table.comma_is_free() && shows_decimals {
                    Notation::DecimalComma
                } else {
                    let (row, value) = self.first_known(|text| Notation::Plain.number(text).is_none());
                    return Err(self.other_decimals(row, value));
                }
            }
            () => return Ok(None),
        };
        let units: BTreeSet<&str> = self.known().filter_map(|(_, text)| unit(text)).collect();
        let units: Vec<&str> = units.into_iter().collect();
        let bare = |text: &str| unit(text).is_none() && !is_placeholder(text);
        if units.len() > 1 || (units == ["%"] && self.known().any(|(_, text)| bare(text))) {
            let (row, value) = self.first_known(|text| unit(text).is_some_and(|unit| unit != units[0] || unit == "%"));
            return Err(self.mixed(row, value, "number in the same unit"));
        }
        let ignored = (!units.is_empty()).then(|| format!("ignored: {}", units.join(", ")));
        let notes = ignored.into_iter().chain(self.placeholders(is_placeholder)).collect();
        Ok(Some(ColumnReading { kind: ColumnKind::Number, notation, notes }))
    }

    /// The column as dates, beside cells that mean a missing value.
    fn dates(&self) -> Result<Option<ColumnReading>, DataError> {
        let is_no_value = |text: &str| is_placeholder(text) || is_zero_date(text);
        if !self.every_but(is_no_value, |text| date_shape(text).is_some()) {
            return Ok(None);
        }
        let shapes: HashSet<DateShape> =
            self.known().filter(|(_, text)| !is_no_value(text)).filter_map(|(_, text)| date_shape(text)).collect();
        let has = |shape: DateShape| shapes.contains(&shape);
        let notation = match (has(DateShape::DayFirst), has(DateShape::MonthFirst), has(DateShape::YearFirst)) {
            (false, false, true) if shapes.len() == 1 => Notation::Plain,
            (true, false, false) => Notation::DayFirst,
            (false, true, false) => Notation::MonthFirst,
            _ => {
                let (row, value) = self.first_known(|text| {
                    !is_no_value(text)
                        && match date_shape(text) {
                            Some(DateShape::Ambiguous) => true,
                            Some(DateShape::MonthFirst) => has(DateShape::DayFirst),
                            Some(DateShape::DayFirst) => has(DateShape::YearFirst),
                            _ => false,
                        }
                });
                return Err(self.ambiguous(row, value));
            }
        };
        let notes = self.placeholders(is_no_value);
        Ok(Some(ColumnReading { kind: ColumnKind::Date, notation, notes }))
    }

    /// Refuses a column with mostly numbers or dates and some other values.
    fn refuse_mixed(&self) -> Result<(), DataError> {
        let known = self.count(|_| true);
        let most = |is: fn(&str) -> bool| 2 * self.count(is) > known;
        let few = at_most(self.few, self.known().map(|(_, text)| text));
        if most(|text| number(text).is_some()) {
            // A few codes that repeat, some of them numbers, are categories. A letter in one row of a hundred is a mistake.
            let odd = self.count(|text| !looks_like_number(text) && !is_placeholder(text));
            if !few || odd as f64 <= ODD_SHARE * known as f64 {
                let (row, value) = self.first_known(|text| number(text).is_none() && !is_placeholder(text));
                return Err(match looks_like_number(value) {
                    true => self.other_decimals(row, value),
                    false => self.mixed(row, value, "number"),
                });
            }
        } else if most(looks_like_number) {
            let is_plain = |text: &str| Notation::Plain.number(text).is_some();
            let odd = self.known().find(|(_, text)| !is_placeholder(text) && !looks_like_number(text));
            let odd = odd.unwrap_or_else(|| self.first_known(|text| !is_plain(text) && !is_placeholder(text)));
            return Err(match looks_like_number(odd.1) {
                true => self.other_decimals(odd.0, odd.1),
                false => self.mixed(odd.0, odd.1, "number"),
            });
        }
        let is_no_date = |text: &str| date_shape(text).is_none() && !is_zero_date(text) && !is_placeholder(text);
        let odd = self.count(is_no_date);
        if most(looks_like_date) && (!few || odd as f64 <= ODD_SHARE * known as f64) {
            let (row, value) = self.first_known(is_no_date);
            return Err(match looks_like_date(value) {
                true => self.unknown_date(row, value),
                false => self.mixed(row, value, "date"),
            });
        }
        Ok(())
    }

    /// Whether all values but some are of a kind, and there are any.
    fn every_but(&self, excepted: impl Fn(&str) -> bool, is: impl Fn(&str) -> bool) -> bool {
        let mut left = self.known().filter(|(_, text)| !excepted(text)).peekable();
        left.peek().is_some() && left.all(|(_, text)| is(text))
    }

    /// The first value of a kind; the first of all where there is none.
    fn first_known(&self, is: impl Fn(&str) -> bool) -> (usize, &'a str) {
        self.known().find(|(_, text)| is(text)).or_else(|| self.known().next()).unwrap_or((0, ""))
    }

    /// A note about each text that counts as missing in this column.
    fn placeholders(&self, is: impl Fn(&str) -> bool) -> Vec<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, text, rows) in self.counted().filter(|(_, text, _)| is(text)) {
            *counts.entry(text.trim()).or_default() += rows;
        }
        let note = |(text, count): (&str, usize)| {
            format!("`{text}` counts as missing ({count} {})", if count == 1 { "row" } else { "rows" })
        };
        counts.into_iter().map(note).collect()
    }

    fn mixed(&self, row: usize, value: &str, kind: &'static str) -> DataError {
        let (path, column) = (self.table.path().into(), self.name.into());
        DataError::Mixed { path, column, row: self.table.row(row), value: value.into(), kind }
    }

    fn other_decimals(&self, row: usize, value: &str) -> DataError {
        let (path, column) = (self.table.path().into(), self.name.into());
        DataError::OtherDecimals { path, column, row: self.table.row(row), value: value.into() }
    }

    fn unknown_date(&self, row: usize, value: &str) -> DataError {
        let (path, column) = (self.table.path().into(), self.name.into());
        DataError::UnknownDate { path, column, row: self.table.row(row), value: value.into() }
    }

    fn ambiguous(&self, row: usize, value: &str) -> DataError {
        let (path, column) = (self.table.path().into(), self.name.into());
        DataError::AmbiguousDate { path, column, row: self.table.row(row), value: value.into() }
    }
}

/// Refuses a column of plain numbers that may have points between the thousands, as `1.234`, because other columns of its file have
/// decimal commas.
pub(super) fn refuse_grouped(table: &Table, name: &str) -> Result<(), DataError> {
    let Cells::Text(texts) = table.cells(name)?.with_texts() else { return Ok(()) };
    let reading = TextReading::of(table, name, &texts, 0);
    let mut pointed = reading.known().filter(|(_, text)| text.contains('.')).peekable();
    match pointed.peek().copied() {
        Some((row, value)) if pointed.all(|(_, text)| is_grouped(text, '.')) => Err(reading.other_decimals(row, value)),
        _ => Ok(()),
    }
}
