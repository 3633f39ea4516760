//! Metrics for anomaly scores, exact under ties, and intervals around them.
//!
//! A score says how anomalous a row is, higher meaning more so; its truth says whether the row is an anomaly. This crate
//! knows numbers only: no networks, no backends, no tables.

mod interval;
mod metrics;
mod ranking;

pub use interval::{Interval, bootstrap, mean_interval};
pub use metrics::{BestF1, auroc, average_precision, average_precision_normal, best_f1, precision_at_k};

/// Why a metric has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// There is not one score for each truth.
    #[error("{scores} scores but {truths} truths")]
    Lengths {
        /// Scores given.
        scores: usize,
        /// Truths given.
        truths: usize,
    },
    /// A score that cannot be ranked.
    #[error("the score of row {row} is NaN")]
    NanScore {
        /// The row, counted from 1.
        row: usize,
    },
    /// The metric needs at least one row of each class.
    #[error("{anomalies} anomalies among {rows} rows: the metric needs at least one anomaly and one normal row")]
    OneClass {
        /// Anomalies.
        anomalies: usize,
        /// All rows.
        rows: usize,
    },
    /// More top rows asked for than there are, or none.
    #[error("k = {k}: must be at least 1 and at most the number of rows, {rows}")]
    BadK {
        /// The number asked for.
        k: usize,
        /// All rows.
        rows: usize,
    },
}
