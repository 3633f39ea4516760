//! The label column of a table.

use std::borrow::Cow;
use std::collections::HashMap;

use super::columns::ShownColumn;
use super::{Table, shortened};
use crate::encode::is_missing;
use crate::{DataError, ValueCount};
use anoonly_core::{Label, excerpt};

/// Which column holds the labels, and how its values are read.
///
/// Without a value that marks anomalies, these words are labels, in any case: `1`, `true`, `yes`, `anomaly`, `anomalous` and
/// `outlier` mean an anomaly; `0`, `false`, `no`, `normal` and `inlier` mean a normal row. With such a value, a row that holds it
/// is an anomaly and any other row is normal. In both cases a missing value, `unlabelled` or `unknown` leaves the row unlabelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelColumn {
    /// The names that the column may have. The table must have exactly one of them.
    pub names: Vec<String>,
    /// The value that marks anomalies.
    pub anomaly: Option<String>,
}

/// The labels of a table, and how the values of their column were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The column.
    pub column: String,
    /// One label a row.
    pub labels: Vec<Label>,
    /// Every distinct value of the column, the most frequent first.
    pub values: Vec<LabelValue>,
}

/// A value of a label column, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelValue {
    /// The value; `None` for a missing one.
    pub value: Option<String>,
    /// The label it stands for.
    pub label: Label,
    /// The number of rows that hold it.
    pub rows: usize,
}

/// A value of a label column while the column is read.
struct KnownValue {
    /// The label it stands for; `None` if it is no label.
    label: Option<Label>,
    /// Its first row, counted from 0.
    first: usize,
    /// The number of rows that hold it.
    rows: usize,
}

impl LabelColumn {
    /// A column by name, whose values are the usual words for labels.
    pub fn named(column: impl Into<String>) -> Self {
        Self { names: vec![column.into()], anomaly: None }
    }

    /// The label column of benchmark files: `label`, or `y` as in ADBench's npz files.
    pub fn benchmark() -> Self {
        Self { names: vec!["label".into(), "y".into()], anomaly: None }
    }

    /// The same column, in which one value marks anomalies.
    pub fn with_anomaly(self, value: impl Into<String>) -> Self {
        Self { anomaly: Some(value.into()), ..self }
    }

    /// The label that a value stands for; `None` if it is no label.
    pub fn read(&self, text: &str) -> Option<Label> {
        let text = text.trim();
        if is_missing(text) || ["unlabelled", "unlabeled", "unknown"].iter().any(|word| text.eq_ignore_ascii_case(word))
        {
            return Some(Label::Unlabelled);
        }
        let one_of = |words: &[&str]| words.iter().any(|word| is_word(word, text));
        match &self.anomaly {
            Some(anomaly) if same_value(anomaly, text) => Some(Label::Anomaly),
            Some(_) => Some(Label::Normal),
            None if one_of(&["1", "true", "yes", "anomaly", "anomalous", "outlier"]) => Some(Label::Anomaly),
            None if one_of(&["0", "false", "no", "normal", "inlier"]) => Some(Label::Normal),
            None => None,
        }
    }
}

impl Labels {
    /// The rarest value that is not missing, if it alone is the rarest.
    pub fn rarest(&self) -> Option<&str> {
        let mut values =
            self.values.iter().rev().filter_map(|known| known.value.as_deref().map(|value| (value, known.rows)));
        match (values.next(), values.next()) {
            (Some((value, rows)), Some((_, more))) if rows < more => Some(value),
            _ => None,
        }
    }
}

impl From<&str> for LabelColumn {
    fn from(column: &str) -> Self {
        Self::named(column)
    }
}

/// Whether a text is a word for a label, in any case. In a column of floats, `1.0` is the word `1`.
fn is_word(word: &str, text: &str) -> bool {
    text.eq_ignore_ascii_case(word) || same_value(word, text)
}

/// Whether two values are the same text or the same number.
fn same_value(value: &str, text: &str) -> bool {
    value.trim() == text || matches!((value.trim().parse::<f64>(), text.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

impl Table {
    /// The labels of a column.
    ///
    /// # Errors
    /// When the column does not exist or is not the only candidate, when a value is not a label, or when rows are labelled and none of
    /// them holds the value that marks anomalies.
    pub fn labels(&self, rule: &LabelColumn) -> Result<Labels, DataError> {
        let name = self.label_name(rule)?;
        let column = ShownColumn::of(self.batch.columns()[self.place(name)?].as_ref());
        let mut known: HashMap<Option<Cow<'_, str>>, KnownValue> = HashMap::new();
        let mut labels = Vec::with_capacity(self.rows());
        for row in 0..self.rows() {
            let text = column.display(row);
            let label = match known.get_mut(&text) {
                Some(value) => {
                    value.rows += 1;
                    value.label
                }
                None => {
                    let label = rule.read(text.as_deref().unwrap_or_default());
                    known.insert(text, KnownValue { label, first: row, rows: 1 });
                    label
                }
            };
            labels.push(label.unwrap_or(Label::Unlabelled));
        }
        let mut known: Vec<(Option<Cow<'_, str>>, KnownValue)> = known.into_iter().collect();
        known.sort_by(|(a, one), (b, other)| other.rows.cmp(&one.rows).then_with(|| a.cmp(b)));
        let counts = || -> Vec<ValueCount> {
            let labelled = known.iter().filter(|(_, value)| value.label != Some(Label::Unlabelled));
            let count = |(text, value): &(Option<Cow<'_, str>>, KnownValue)| ValueCount {
                value: text.as_deref().unwrap_or_default().into(),
                rows: value.rows,
            };
            labelled.map(count).collect()
        };
        let unread = known.iter().filter(|(_, value)| value.label.is_none()).min_by_key(|(_, value)| value.first);
        if let Some((text, value)) = unread {
            return Err(DataError::BadLabel {
                path: self.path.clone(),
                column: name.into(),
                row: self.row(value.first),
                value: text.as_deref().unwrap_or_default().into(),
                found: counts(),
            });
        }
        if let Some(anomaly) = &rule.anomaly
            && !labels.contains(&Label::Anomaly)
            && labels.contains(&Label::Normal)
        {
            return Err(DataError::NoSuchAnomaly {
                path: self.path.clone(),
                column: name.into(),
                anomaly: anomaly.clone(),
                found: counts(),
            });
        }
        let value = |(text, value): (Option<Cow<'_, str>>, KnownValue)| LabelValue {
            value: text.map(Cow::into_owned),
            label: value.label.unwrap_or(Label::Unlabelled),
            rows: value.rows,
        };
        let values = known.into_iter().map(value).collect();
        Ok(Labels { column: name.into(), labels, values })
    }

    fn label_name<'a>(&self, rule: &'a LabelColumn) -> Result<&'a str, DataError> {
        let columns = self.columns();
        let mut found = rule.names.iter().map(String::as_str).filter(|name| columns.contains(name));
        match (found.next(), found.next()) {
            (Some(name), None) => Ok(name),
            // The one that is not used as the label would become a feature, and give the labels away.
            (Some(first), Some(second)) => Err(DataError::AmbiguousLabelColumn {
                path: self.path.clone(),
                first: first.into(),
                second: second.into(),
            }),
            (None, _) => Err(DataError::NoLabelColumn {
                path: self.path.clone(),
                wanted: rule.names.iter().map(|name| format!("`{}`", excerpt(name))).collect::<Vec<_>>().join(" or "),
                found: shortened(&self.origin.columns.iter().map(String::as_str).collect::<Vec<_>>()),
            }),
        }
    }
}
