//! Where a model comes from, as its file says.

use anoonly_data::encode::LeftOut;
use anoonly_eval::Interval;
use serde::{Deserialize, Serialize};

/// Where a model comes from: its training table and how it was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The name of the file of the table.
    pub table: String,
    /// The SHA-256 digest of its features and labels.
    pub fingerprint: String,
    /// The SHA-256 digest of its features alone, by which the table is recognised when its labels have changed. `None` in a file of an
    /// earlier version of the library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
    /// The label column. `None` if the table was used without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The number of its rows of each kind.
    pub counts: RowCounts,
    /// The columns that were left out.
    pub left_out: Vec<LeftOut>,
    /// The number of epochs that early stopping chose, if it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
    /// The cross-validated metrics, if they were computed.
    pub validation: Option<Validation>,
}

/// The number of rows of each kind in a training table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the field names are self-explanatory")]
pub struct RowCounts {
    pub rows: usize,
    pub anomalies: usize,
    pub normal: usize,
    pub unlabelled: usize,
    pub held_out: usize,
    /// The number of missing values that were filled in.
    pub filled: usize,
}

/// The number of epochs that cross-validation chose.
///
/// In each fold, members are fitted without a part of the labelled anomalies and of the other rows, and rank this part after every
/// epoch. The epoch with the highest average precision, averaged over the folds, is chosen if it exceeds the last epoch by more than one
/// standard error of the difference over the folds. Otherwise the last epoch is chosen. The fit itself then uses all rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopping {
    /// The number of epochs of the fit.
    pub epochs: usize,
    /// The number of epochs in the method's recipe.
    pub of: usize,
    /// The number of folds.
    pub folds: usize,
    /// The mean average precision on the left-out rows after the chosen epoch.
    pub ap: f64,
    /// The mean average precision on the left-out rows after the last epoch.
    pub ap_at_end: f64,
}

/// Cross-validated metrics. Every row is scored by members that were fitted without it. Unlabelled rows count as normal, so that
/// anomalies among them make the metrics too low.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// The number of folds.
    pub folds: usize,
    /// AUROC with a 95 % bootstrap interval.
    pub auroc: Interval,
    /// Average precision with a 95 % bootstrap interval.
    pub ap: Interval,
}
