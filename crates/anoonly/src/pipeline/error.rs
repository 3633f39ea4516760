//! What can go wrong between a table and its scores.

use std::path::PathBuf;

use anoonly_core::CoreError;
use anoonly_data::DataError;
use anoonly_eval::{MetricError, StatisticsError, ThresholdError};
use anoonly_models::ConfigError;
use anoonly_train::{BackendError, FitError, ModelFileError, ScoreError};

/// Why a model cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The table.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Samples, a split or a label budget.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A setting of the method.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The fit.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The scoring.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The model file.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// The backend.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The threshold.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// A metric.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A false-discovery rate.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// An option that cannot be met.
    #[error("option --{option}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// Why not.
        reason: String,
    },
    /// A value of the label column that is no label.
    #[error(
        "{}: column `{column}`, row {row}: `{value}` is no label: write 1 for an anomaly and 0 for a normal row, or say which value marks anomalies, as --anomaly {value}",
        path.display()
    )]
    BadLabel {
        /// The table's file.
        path: PathBuf,
        /// The label column.
        column: String,
        /// The first row at fault.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// Labels that nothing can be learned from.
    #[error("{}: column `{column}`: {reason}", path.display())]
    Labels {
        /// The table's file.
        path: PathBuf,
        /// The label column.
        column: String,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The model has no held-out rows, and so no p-values.
    #[error(
        "the model was trained without held-out rows, which p-values, false-alarm rates and shares need: train it again with --held-out"
    )]
    NoCalibration,
    /// A column of a model that is to be exported holds no numbers.
    #[error(
        "column `{column}` is a {kind}: an ONNX graph takes numbers and truth values alone; train without the column (--drop), or on numbers made of it"
    )]
    NotNumeric {
        /// The column.
        column: String,
        /// What its values are.
        kind: &'static str,
    },
    /// A method that cannot be exported.
    #[error("{method} cannot be exported to ONNX: {reason}")]
    NotExportable {
        /// The method.
        method: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file that cannot be read.
    #[error("{}: {reason}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}
