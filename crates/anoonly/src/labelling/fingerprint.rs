//! How a journal recognises its table.

use std::collections::BTreeMap;
use std::fmt;

use anoonly_core::{Digest, FeatureDigest, Label};
use anoonly_data::encode::Encoder;
use anoonly_data::table::{Table, shortened};
use ndarray::{Array2, s};
use serde::{Deserialize, Serialize};

/// What a journal knows about its table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableFingerprint {
    /// The name of its file, which may change.
    pub name: String,
    pub rows: usize,
    /// The digest of all features, as [`Provenance::features`](crate::pipeline::Provenance::features) has it.
    pub features: String,
    /// The beginning of the digest of the features of each column.
    pub columns: BTreeMap<String, String>,
    /// The digest of the identifiers, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifiers: Option<String>,
    /// The digest of the labels in the table, if it has a label column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
}

/// How a table differs from that of a journal. The first difference is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableDifference {
    /// The number of rows.
    RowCount {
        /// In the journal.
        recorded: usize,
        /// In the table.
        found: usize,
    },
    /// The columns that are features.
    Columns {
        /// Columns of the journal that the table does not have.
        missing: Vec<String>,
        /// Columns of the table that the journal does not have.
        added: Vec<String>,
    },
    /// The identifiers of the rows or their order.
    Identifiers,
    /// The values of columns.
    Values {
        /// The columns.
        columns: Vec<String>,
    },
    /// The order of the columns that are features.
    ColumnOrder,
    /// The labels that stand in the table.
    Labels,
}

impl fmt::Display for TableDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| shortened(&names.iter().map(String::as_str).collect::<Vec<_>>());
        match self {
            TableDifference::RowCount { recorded, found } => {
                write!(f, "the journal is about {recorded} rows, and the table has {found}")
            }
            TableDifference::Columns { missing, added } if added.is_empty() => {
                write!(f, "the table does not have the columns {}", list(missing))
            }
            TableDifference::Columns { missing, added } if missing.is_empty() => {
                write!(f, "the table has the columns {} in addition", list(added))
            }
            TableDifference::Columns { missing, added } => {
                write!(f, "the table has the columns {} instead of {}", list(added), list(missing))
            }
            TableDifference::Identifiers => f.write_str("the identifiers of the rows or their order differ"),
            TableDifference::Values { columns } => write!(f, "values differ in {}", list(columns)),
            TableDifference::ColumnOrder => f.write_str("the columns are in another order"),
            TableDifference::Labels => {
                f.write_str("the labels in the table differ; a new journal takes them as answers")
            }
        }
    }
}

impl TableFingerprint {
    /// The fingerprint of a table. `ids` has the values of each identifier column.
    pub fn of(
        table: &Table,
        encoder: &Encoder,
        features: &Array2<f32>,
        ids: &[Vec<Option<String>>],
        labels: Option<&[Label]>,
    ) -> Self {
        let column_digest = |span: std::ops::Range<usize>| {
            let values = features.slice(s![.., span]);
            let digest = Digest::of_parts(values.iter().map(|value| value.to_le_bytes())).to_string();
            digest[..16].to_owned()
        };
        let names = encoder.columns().iter().map(|column| column.name.clone());
        let id_digest = || {
            let values = ids.iter().flatten();
            let parts = values.flat_map(|value| match value {
                Some(text) => [(text.len() as u64 + 1).to_le_bytes().to_vec(), text.clone().into_bytes()],
                None => [0u64.to_le_bytes().to_vec(), Vec::new()],
            });
            Digest::of_parts(parts).to_string()
        };
        Self {
            name: table.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            rows: table.rows(),
            features: FeatureDigest::of(features).digest().to_string(),
            columns: names.zip(encoder.spans().into_iter().map(column_digest)).collect(),
            identifiers: (!ids.is_empty()).then(id_digest),
            labels: labels.map(|labels| Digest::of_parts(labels.iter().map(|&label| [label as u8])).to_string()),
        }
    }

    /// How a table with the fingerprint `found` differs from this one, apart from the name of its file.
    pub fn difference(&self, found: &Self) -> Option<TableDifference> {
        let lacking = |one: &Self, other: &Self| -> Vec<String> {
            one.columns.keys().filter(|name| !other.columns.contains_key(*name)).cloned().collect()
        };
        let (missing, added) = (lacking(self, found), lacking(found, self));
        let differing = self.columns.iter().filter(|(name, digest)| found.columns.get(*name) != Some(digest));
        match () {
            () if self.rows != found.rows => Some(TableDifference::RowCount { recorded: self.rows, found: found.rows }),
            () if !missing.is_empty() || !added.is_empty() => Some(TableDifference::Columns { missing, added }),
            () if self.identifiers != found.identifiers => Some(TableDifference::Identifiers),
            () if self.features != found.features && self.columns == found.columns => {
                Some(TableDifference::ColumnOrder)
            }
            () if self.features != found.features => {
                Some(TableDifference::Values { columns: differing.map(|(name, _)| name.clone()).collect() })
            }
            () if self.labels != found.labels => Some(TableDifference::Labels),
            () => None,
        }
    }
}
