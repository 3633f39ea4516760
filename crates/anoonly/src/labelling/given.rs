//! Answers.

use anoonly_core::Label;
use serde::{Deserialize, Serialize};

/// What a person says about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The row is an anomaly.
    Anomaly,
    /// The row is normal.
    Normal,
    /// The person cannot tell. The row stays unlabelled and is not asked again.
    Unsure,
}

impl Answer {
    /// The label that the row gets.
    pub fn label(self) -> Label {
        match self {
            Answer::Anomaly => Label::Anomaly,
            Answer::Normal => Label::Normal,
            Answer::Unsure => Label::Unlabelled,
        }
    }
}

/// Why a row is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AskedBecause {
    /// No row that may be asked has a higher score, apart from those asked with it.
    HighestScore,
    /// Its score is high, and it lies apart from the rows asked with it.
    SpreadOut,
    /// Its score is next to the threshold.
    NearThreshold,
    /// It was drawn at random from all rows without an answer.
    DrawnAtRandom,
}

/// An answer that was given, with what was known at that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenAnswer {
    /// The index of the row in the table, counted from 0. The journal counts from 1.
    #[serde(with = "row_number")]
    pub row: usize,
    /// The identifiers of the row. Empty without identifier columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Option<String>>,
    /// What was said.
    pub answer: Answer,
    /// A note of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The score of the row at that moment, in units of [`Session::score`](super::Session::score).
    pub score: f32,
    /// Its rank among all rows at that moment.
    pub rank: usize,
    /// Why it was asked; `None` if the person chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<AskedBecause>,
    /// The time in UTC, as in RFC 3339.
    pub time: String,
    /// Who answered.
    pub who: String,
}

/// Rows are counted from 1 in the journal.
pub(super) mod row_number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(row: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*row as u64 + 1)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        match u64::deserialize(deserializer)? {
            0 => Err(D::Error::custom("rows are counted from 1")),
            number => Ok(number as usize - 1),
        }
    }
}
