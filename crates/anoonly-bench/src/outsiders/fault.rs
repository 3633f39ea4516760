//! What can be wrong with the scores of other programs.

use std::fmt;
use std::path::PathBuf;

use anoonly_core::Digest;

use crate::Row;
use crate::summary::{Setting, labels};

/// A split, as messages about the scores of other programs name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsiderSplit {
    /// The key of the split.
    pub key: String,
    /// The data set.
    pub dataset: String,
    /// The seed.
    pub seed: u64,
    /// Labels, noise and synthetic rows, in words.
    pub setting: String,
}

impl OutsiderSplit {
    pub(super) fn new(key: Digest, row: &Row, setting: Setting) -> Self {
        let setting = labels(setting.budget) + &setting.besides_labels();
        Self { key: key.to_string(), dataset: row.dataset.clone(), seed: row.seed, setting }
    }
}

impl fmt::Display for OutsiderSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, dataset, seed, setting } = self;
        write!(f, "data set {dataset}, seed {seed}, {setting} (split {key})")
    }
}

/// Why a line with scores of another program cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OutsiderFault {
    /// The line is not JSON of the expected form. A line that was cut off is one.
    #[error("not a run on a split ({reason})")]
    Unreadable {
        /// Why the line cannot be read.
        reason: String,
    },
    /// A number is `NaN` or `Infinity`, which JSON does not have.
    #[error("{value} is not a finite number")]
    NotFinite {
        /// The number.
        value: String,
    },
    /// The line has neither scores with both seconds nor an error, or it has both.
    #[error("a run has either `scores`, `fit_seconds` and `score_seconds`, or `error`")]
    Outcome,
    /// Seconds are below 0.
    #[error("{seconds} seconds: must not be below 0")]
    Seconds {
        /// The seconds.
        seconds: f64,
    },
    /// The method has no name.
    #[error("the method has no name")]
    NoName,
    /// The name of the method would break a table of results.
    #[error("the name {model:?} has spaces around it, a `|` or a control character")]
    OddName {
        /// The name.
        model: String,
    },
    /// The method is named like one of this program.
    #[error("`{model}` is the name of a method of this program")]
    KnownName {
        /// The name.
        model: String,
    },
    /// The number of scores is not that of the test rows.
    #[error("{scores} scores of {model} for the {rows} test rows of {split}")]
    Length {
        /// The name of the method.
        model: String,
        /// The split.
        split: Box<OutsiderSplit>,
        /// The number of scores.
        scores: usize,
        /// The number of test rows.
        rows: usize,
    },
    /// The scores cannot be measured.
    #[error("the scores of {model} for {split} cannot be measured: {reason}")]
    Unmeasurable {
        /// The name of the method.
        model: String,
        /// The split.
        split: Box<OutsiderSplit>,
        /// The reason.
        reason: String,
    },
    /// A line before this one has scores of the same method for the same split.
    #[error("scores of {model} for {split} are already in {}, line {line}", path.display())]
    Twice {
        /// The name of the method.
        model: String,
        /// The split.
        split: Box<OutsiderSplit>,
        /// The file with the other line.
        path: PathBuf,
        /// The other line, counted from 1.
        line: usize,
    },
    /// The settings of a method differ from those on another line.
    #[error("the settings of {model} are `{settings}`, but `{others}` in {}, line {line}", path.display())]
    Settings {
        /// The name of the method.
        model: String,
        /// The settings on this line.
        settings: String,
        /// Those on the other line.
        others: String,
        /// The file with the other line.
        path: PathBuf,
        /// The other line, counted from 1.
        line: usize,
    },
}
