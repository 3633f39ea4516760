//! The label column of a table.

use std::collections::HashMap;

use super::{Table, plain_text, shortened};
use crate::DataError;
use crate::encode::is_missing;
use anoonly_core::Label;

/// Which column holds the labels, and how its values are read.
///
/// Without a value that marks anomalies, the words of labels are read, whatever their case: `1`, `true`, `yes`, `anomaly`,
/// `anomalous` and `outlier` are anomalies, `0`, `false`, `no`, `normal` and `inlier` normal rows. With one, rows that hold it are
/// anomalies and all others normal. A missing value leaves its row unlabelled either way, as `unlabelled` and `unknown` do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelColumn {
    /// Names it may have; just one of them must be there.
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
    /// Every value of the column once, the most frequent first.
    pub values: Vec<ReadValue>,
}

/// A value of a label column, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadValue {
    /// The value; none where nothing stands.
    pub value: Option<String>,
    /// What it was read as.
    pub label: Label,
    /// Rows that hold it.
    pub rows: usize,
}

impl LabelColumn {
    /// A column by name, whose values are the words of labels.
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

    fn read(&self, text: &str) -> Option<Label> {
        let text = text.trim();
        if is_missing(text) || ["unlabelled", "unlabeled", "unknown"].iter().any(|word| text.eq_ignore_ascii_case(word))
        {
            return Some(Label::Unlabelled);
        }
        let one_of = |words: &[&str]| words.iter().any(|word| same(word, text));
        match &self.anomaly {
            Some(anomaly) if same_value(anomaly, text) => Some(Label::Anomaly),
            Some(_) => Some(Label::Normal),
            None if one_of(&["1", "true", "yes", "anomaly", "anomalous", "outlier"]) => Some(Label::Anomaly),
            None if one_of(&["0", "false", "no", "normal", "inlier"]) => Some(Label::Normal),
            None => None,
        }
    }
}

impl From<&str> for LabelColumn {
    fn from(column: &str) -> Self {
        Self::named(column)
    }
}

/// Whether a word of a label stands there, as `1` also stands in a column of `1.0` and `0.0`.
fn same(word: &str, text: &str) -> bool {
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
    /// When the column is not there or is not the only one that could be meant, when a value is no label, or when no row holds
    /// the value that marks anomalies.
    pub fn labels(&self, rule: &LabelColumn) -> Result<Labels, DataError> {
        let name = self.label_name(rule)?;
        let column = self.frame.column(name).map_err(|error| self.malformed(error))?;
        let mut known: HashMap<Option<String>, (Label, usize)> = HashMap::new();
        let mut labels = Vec::with_capacity(self.rows());
        for (row, value) in column.as_materialized_series().iter().enumerate() {
            let text = (!value.is_null()).then(|| plain_text(&value));
            if let Some((label, rows)) = known.get_mut(&text) {
                *rows += 1;
                labels.push(*label);
                continue;
            }
            let label = rule.read(text.as_deref().unwrap_or_default()).ok_or_else(|| DataError::BadLabel {
                path: self.path.clone(),
                column: name.into(),
                row: self.row(row),
                value: plain_text(&value),
            })?;
            labels.push(label);
            known.insert(text, (label, 1));
        }
        let mut values: Vec<ReadValue> =
            known.into_iter().map(|(value, (label, rows))| ReadValue { value, label, rows }).collect();
        values.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.value.cmp(&b.value)));
        if let Some(anomaly) = &rule.anomaly
            && !values.iter().any(|value| value.label.is_anomaly())
        {
            let found: Vec<&str> = values.iter().filter_map(|value| value.value.as_deref()).collect();
            return Err(DataError::NoSuchAnomaly {
                path: self.path.clone(),
                column: name.into(),
                anomaly: anomaly.clone(),
                found: shortened(&found),
            });
        }
        Ok(Labels { column: name.into(), labels, values })
    }

    fn label_name<'a>(&self, rule: &'a LabelColumn) -> Result<&'a str, DataError> {
        let found = self.columns();
        let mut there = rule.names.iter().map(String::as_str).filter(|name| found.contains(name));
        match (there.next(), there.next()) {
            (Some(name), None) => Ok(name),
            // The one that is not taken would become a feature, and give the labels away.
            (Some(name), Some(other)) => {
                Err(self.malformed(format!("both `{name}` and `{other}` could be the labels: rename or drop one")))
            }
            (None, _) => Err(DataError::NoLabelColumn {
                path: self.path.clone(),
                wanted: rule.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
                found: shortened(&found),
            }),
        }
    }
}
