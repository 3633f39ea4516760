//! The lines of a journal.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::fingerprint::TableFingerprint;
use super::super::given::{GivenAnswer, row_number};
use super::super::{LabellingError, Query};
use crate::TableDetector;
use anoonly_data::table::LabelColumn;

/// The format of journals. It changes when an older version could not read them.
pub(in super::super) const FORMAT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Header {
    /// The format.
    pub labelling_journal: u32,
    pub table: TableFingerprint,
    /// The label column of the table, if it has one.
    pub label: Option<LabelRole>,
    /// The name of the label column, of the table or of its labelled copy.
    pub label_name: String,
    pub detector: TableDetector,
    pub query: Query,
    pub time: String,
    pub who: String,
}

/// A label column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct LabelRole {
    pub column: String,
    /// The value that marks anomalies, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<String>,
}

impl From<LabelRole> for LabelColumn {
    fn from(label: LabelRole) -> Self {
        LabelColumn { names: vec![label.column], anomaly: label.anomaly }
    }
}

/// Every further line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(in super::super) enum Event {
    /// An answer was given.
    Answer(GivenAnswer),
    /// The last answer that was not taken back yet was taken back.
    Undo {
        /// Its row.
        #[serde(with = "row_number")]
        row: usize,
        time: String,
        who: String,
    },
    /// A row was drawn at random, to be asked.
    Draw {
        #[serde(with = "row_number")]
        row: usize,
    },
    /// The scores became those of a fit.
    Refit {
        /// The number of events that the fit knew.
        after: u64,
    },
    /// Rows are chosen in another way from here on.
    Query(Query),
}

/// The format of a journal, whatever else its header holds.
#[derive(Deserialize)]
struct Format {
    labelling_journal: u32,
}

impl Header {
    /// Reads the first line.
    pub fn read(line: &[u8], path: &Path) -> Result<Self, LabellingError> {
        let other = |error: serde_json::Error| LabellingError::NotAJournal {
            path: path.into(),
            reason: format!("its first line is no header: {error}"),
        };
        let Format { labelling_journal: found } = serde_json::from_slice(line).map_err(other)?;
        match found == FORMAT {
            true => serde_json::from_slice(line).map_err(other),
            false => Err(LabellingError::JournalVersion { path: path.into(), found, known: FORMAT }),
        }
    }

    /// Whether bytes can be the beginning of a header.
    pub fn may_begin(bytes: &[u8]) -> bool {
        let start = br#"{"labelling_journal":"#;
        let length = start.len().min(bytes.len());
        bytes[..length] == start[..length] || bytes.iter().all(|&byte| byte == 0)
    }
}
