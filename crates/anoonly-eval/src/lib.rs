//! Metrics for anomaly scores, exact under ties, with intervals; comparisons of methods over many data sets; and thresholds with
//! stated guarantees.
//!
//! A higher score means a more anomalous row. The truth of a row is `true` for an anomaly. This crate knows numbers only: no networks,
//! no backends, no tables.

mod calibration;
mod curves;
mod error;
mod hierarchy;
mod interval;
mod metrics;
mod multiple;
mod ranking;
mod remaining;
mod significance;
mod threshold;
mod two_samples;

pub use calibration::Calibration;
pub use curves::{PrecisionRecallPoint, RocPoint, precision_recall_curve, roc_curve};
pub use error::{MetricError, StatisticsError, ThresholdError};
pub use hierarchy::{Inference, hierarchical_bootstrap};
pub use interval::{Interval, bootstrap, mean_interval, share_interval};
pub use metrics::{BestF1, auroc, average_precision, average_precision_normal, best_f1, precision_at_k};
pub use multiple::{benjamini_hochberg, discoveries, holm};
pub use ranking::ranks;
pub use remaining::{RandomDraw, anomalies_left};
pub use significance::{Comparison, Friedman, PairTest, Wilcoxon, WinTieLoss, critical_difference, wilcoxon};
pub use threshold::share_threshold;
pub use two_samples::{KolmogorovSmirnov, kolmogorov_smirnov};

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
