//! The table of a session, for programs that show it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use anoonly_data::encode::{ColumnKind, ColumnValues, EncodedColumn, Encoder, LeftOut, ValueContext};
use anoonly_data::table::{CellValue, Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::condition::{ConditionText, Matcher};
use super::profile::Distribution;
use super::{ColumnProfile, Condition, LabellingError, Session, ValuePlace};

/// The table of a session: its columns and their values, where a value lies among all rows, and the rows that meet conditions.
///
/// Clones share what they hold, and threads may use them while the session takes answers. The values of a column are read when they are
/// first needed, and kept: 8 bytes a number or time, and 4 a category.
#[derive(Clone, Debug)]
pub struct TableView(Arc<Viewed>);

#[derive(Debug)]
struct Viewed {
    table: Table,
    encoder: Arc<Encoder>,
    roles: Vec<AssignedRole>,
    read: Vec<OnceLock<ReadColumn>>,
    columns: OnceLock<Vec<ViewedColumn>>,
}

/// The role of a column.
#[derive(Debug)]
struct AssignedRole {
    role: ColumnRole,
    /// Why it is left out.
    reason: Option<String>,
    /// Its place in the encoder, if it is a feature.
    feature: Option<usize>,
}

/// A column whose values were read.
#[derive(Debug)]
struct ReadColumn {
    kind: ViewedKind,
    values: ColumnValues,
    distribution: OnceLock<Distribution>,
}

/// A column of a table, as a page shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewedColumn {
    /// The name.
    pub name: String,
    /// What it is used for.
    pub role: ColumnRole,
    /// Why it is left out, if it is.
    pub reason: Option<String>,
    /// What its values are.
    pub kind: ViewedKind,
    /// How its values are distributed, if it is a feature.
    pub profile: Option<ColumnProfile>,
}

/// What a column is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnRole {
    /// It identifies rows.
    Identifier,
    /// The detector uses it.
    Feature,
    /// The detector does not use it.
    LeftOut,
    /// It holds the labels that the table came with.
    Label,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewedKind {
    /// Numbers.
    Number,
    /// True or false.
    TruthValue,
    /// Dates, with or without a time of day.
    Time,
    /// Categories.
    Category,
    /// Other texts.
    Text,
}

impl ViewedKind {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            ViewedKind::Number => "number",
            ViewedKind::TruthValue => "truth value",
            ViewedKind::Time => "time",
            ViewedKind::Category => "category",
            ViewedKind::Text => "text",
        }
    }
}

impl From<ColumnKind> for ViewedKind {
    fn from(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Number => ViewedKind::Number,
            ColumnKind::Truth => ViewedKind::TruthValue,
            ColumnKind::Date => ViewedKind::Time,
            ColumnKind::Category => ViewedKind::Category,
        }
    }
}

/// Which rows of a table are wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowFilter {
    /// A text that one of the cells contains, in capital or small letters. Every row contains the empty text.
    pub text: String,
    /// Conditions that the row meets, all of them.
    pub conditions: Vec<Condition>,
}

/// The number of rows that one thread looks at before it takes the next ones.
const ROWS_AT_ONCE: usize = 4096;

impl Session {
    /// The table with what the session knows of its columns. This is fast, and any thread may use it.
    pub fn view(&self) -> TableView {
        self.view.clone()
    }
}

impl TableView {
    pub(super) fn new(
        table: Table,
        encoder: Arc<Encoder>,
        left_out: &[LeftOut],
        ids: &[String],
        label: Option<&str>,
    ) -> Self {
        let features: HashMap<&str, usize> =
            encoder.columns().iter().enumerate().map(|(place, column)| (column.name.as_str(), place)).collect();
        let reasons: HashMap<&str, &str> =
            left_out.iter().map(|column| (column.column.as_str(), column.reason.as_str())).collect();
        let role = |name: &str| {
            let feature = features.get(name).copied();
            let (role, reason) = match () {
                () if label == Some(name) => (ColumnRole::Label, None),
                () if ids.iter().any(|id| id == name) => (ColumnRole::Identifier, None),
                () if feature.is_some() => (ColumnRole::Feature, None),
                () => (ColumnRole::LeftOut, reasons.get(name).map(|&reason| reason.to_owned())),
            };
            AssignedRole { role, reason, feature }
        };
        let roles: Vec<_> = table.columns().into_iter().map(role).collect();
        let read = roles.iter().map(|_| OnceLock::new()).collect();
        Self(Arc::new(Viewed { table, encoder, roles, read, columns: OnceLock::new() }))
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.0.table.rows()
    }

    /// The columns, in the order of the table. The first call reads all values, and may take a second for 20 million of them.
    ///
    /// # Errors
    /// When the values cannot be read.
    pub fn columns(&self) -> Result<&[ViewedColumn], LabellingError> {
        if let Some(columns) = self.0.columns.get() {
            return Ok(columns);
        }
        let names = self.0.table.columns();
        let column = |(place, name): (usize, &&str)| -> Result<ViewedColumn, LabellingError> {
            let AssignedRole { role, reason, feature } = &self.0.roles[place];
            let read = self.read(place)?;
            let is_time = read.kind == ViewedKind::Time;
            let profile = feature.map(|_| read.distribution().profile(&read.values, is_time));
            Ok(ViewedColumn { name: (*name).to_owned(), role: *role, reason: reason.clone(), kind: read.kind, profile })
        };
        let columns = names.par_iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
        Ok(self.0.columns.get_or_init(|| columns))
    }

    /// The values of a row, in the order of the columns.
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn values(&self, row: usize) -> Result<Vec<CellValue>, LabellingError> {
        self.check(row)?;
        Ok(self.0.table.row_values(row))
    }

    /// Where the values of a row lie among those of all rows, in the order of the columns; `None` where a value is missing, and for columns
    /// that are no features. [`contexts`](Self::contexts) says the same for people.
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn place(&self, row: usize) -> Result<Vec<Option<ValuePlace>>, LabellingError> {
        self.check(row)?;
        let place = |(place, assigned): (usize, &AssignedRole)| {
            if assigned.feature.is_none() {
                return Ok(None);
            }
            let read = self.read(place)?;
            Ok(read.distribution().place(&read.values, row))
        };
        self.0.roles.par_iter().enumerate().map(place).collect()
    }

    /// Where the values of a row lie among those of all rows, as explanations say it, in the order of the columns; `None` for columns that
    /// are no features.
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn contexts(&self, row: usize) -> Result<Vec<Option<ValueContext>>, LabellingError> {
        self.check(row)?;
        let mut of_features = self.0.encoder.contexts(&self.0.table, row)?;
        let context = |assigned: &AssignedRole| of_features[assigned.feature?].take();
        Ok(self.0.roles.iter().map(context).collect())
    }

    /// The rows that meet all conditions of a filter and contain its text, in their order.
    ///
    /// # Errors
    /// When a condition names a column that does not exist, or does not fit its values.
    pub fn find(&self, filter: &RowFilter) -> Result<Vec<u32>, LabellingError> {
        let search = self.0.table.search(&filter.text);
        let matchers = self.matchers(&filter.conditions)?;
        let matches = |row: usize| matchers.iter().all(|matcher| matcher.matches(row)) && search.is_in(row);
        Ok(self.rows_that(matches))
    }

    /// The rows for which a test is true, in their order.
    pub(super) fn rows_that(&self, is: impl Fn(usize) -> bool + Sync) -> Vec<u32> {
        let rows = self.rows();
        let starts: Vec<usize> = (0..rows).step_by(ROWS_AT_ONCE).collect();
        let block = |&start: &usize| -> Vec<u32> {
            let block = start..rows.min(start + ROWS_AT_ONCE);
            block.filter(|&row| is(row)).map(|row| row as u32).collect()
        };
        starts.par_iter().map(block).collect::<Vec<_>>().concat()
    }

    /// Sorts rows by their values in a column: numbers and times by size, categories and texts alphabetically. Rows without a value come
    /// last in either direction, and rows with equal values are in the order of the table.
    ///
    /// # Errors
    /// When the column does not exist.
    ///
    /// # Panics
    /// When a row does not exist.
    pub fn sort(&self, rows: &mut [u32], column: &str, descending: bool) -> Result<(), LabellingError> {
        match &self.read(self.column_place(column)?)?.values {
            ColumnValues::Numbers(numbers) => {
                sort_by(rows, descending, |row| Some(numbers[row]).filter(|value| !value.is_nan()).map(TotalOrder))
            }
            ColumnValues::Categories(categories) => sort_by(rows, descending, |row| categories.code(row)),
            ColumnValues::Texts(texts) => sort_by(rows, descending, |row| texts.get(row)),
        }
        Ok(())
    }

    /// A condition for people, as `amount > 4000` or `day <= 2026-03-31`.
    pub fn describe(&self, condition: &Condition) -> String {
        let column = self.column_place(&condition.column).and_then(|place| self.read(place));
        let is_time = column.is_ok_and(|column| column.kind == ViewedKind::Time);
        ConditionText { condition, is_time }.to_string()
    }

    /// Conditions on values that were read.
    pub(super) fn matchers<'a>(&'a self, conditions: &'a [Condition]) -> Result<Vec<Matcher<'a>>, LabellingError> {
        let matcher = |condition: &'a Condition| {
            let read = self.read(self.column_place(&condition.column)?)?;
            Matcher::new(&condition.test, &read.values).ok_or_else(|| LabellingError::UnfitCondition {
                column: condition.column.clone(),
                kind: read.kind.name(),
                test: condition.test.name(),
            })
        };
        conditions.iter().map(matcher).collect()
    }

    /// The places of the columns that are features.
    pub(super) fn features(&self) -> Vec<usize> {
        (0..self.0.roles.len()).filter(|&place| self.0.roles[place].feature.is_some()).collect()
    }

    /// The name, kind and values of a column.
    pub(super) fn feature_values(&self, place: usize) -> Result<(&str, ViewedKind, &ColumnValues), LabellingError> {
        let read = self.read(place)?;
        Ok((self.0.table.columns()[place], read.kind, &read.values))
    }

    fn check(&self, row: usize) -> Result<(), LabellingError> {
        match row < self.rows() {
            true => Ok(()),
            false => Err(LabellingError::NoRow { row: row as u64 + 1, rows: self.rows() }),
        }
    }

    fn column_place(&self, name: &str) -> Result<usize, LabellingError> {
        Ok(self.0.table.place(name)?)
    }

    /// A column with its values.
    fn read(&self, place: usize) -> Result<&ReadColumn, LabellingError> {
        let lock = &self.0.read[place];
        if let Some(read) = lock.get() {
            return Ok(read);
        }
        let table = &self.0.table;
        let (kind, values) = match self.feature(place) {
            Some(column) => (column.kind.into(), column.values(table)?),
            None => {
                let (kind, values) = table.column_values(table.columns()[place])?;
                (kind.map_or(ViewedKind::Text, ViewedKind::from), values)
            }
        };
        Ok(lock.get_or_init(|| ReadColumn { kind, values, distribution: OnceLock::new() }))
    }

    /// The encoding of a column that is a feature.
    fn feature(&self, place: usize) -> Option<&EncodedColumn> {
        self.0.roles[place].feature.map(|place| &self.0.encoder.columns()[place])
    }
}

impl ReadColumn {
    fn distribution(&self) -> &Distribution {
        self.distribution.get_or_init(|| Distribution::of(&self.values, self.kind == ViewedKind::Time))
    }
}

/// A number that is not NaN. Negative zero equals zero.
#[derive(Clone, Copy, PartialEq)]
struct TotalOrder(f64);

impl Eq for TotalOrder {}

impl PartialOrd for TotalOrder {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TotalOrder {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(std::cmp::Ordering::Equal)
    }
}

/// Sorts rows by a value; those without one come last.
fn sort_by<T: Ord>(rows: &mut [u32], descending: bool, value: impl Fn(usize) -> Option<T> + Sync) {
    rows.par_sort_unstable_by(|&a, &b| {
        let order = match (value(a as usize), value(b as usize)) {
            (Some(a), Some(b)) if descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        order.then(a.cmp(&b))
    });
}
