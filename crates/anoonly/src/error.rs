//! Errors on the way from a table to its scores.

use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "fit")]
use anoonly_core::CoreError;
use anoonly_core::excerpt;
use anoonly_data::DataError;
use anoonly_data::encode::RowError;
use anoonly_eval::{MetricError, StatisticsError, ThresholdError};
#[cfg(feature = "fit")]
use anoonly_models::ConfigError;
#[cfg(feature = "fit")]
use anoonly_train::{BackendError, FitError};
use anoonly_train::{ModelFileError, ScoreError};

/// Why a model cannot be fitted, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The table cannot be read or encoded.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The samples, a split or a label budget are invalid.
    #[cfg(feature = "fit")]
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A setting of the method is invalid.
    #[cfg(feature = "fit")]
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The fit failed.
    #[cfg(feature = "fit")]
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Rows cannot be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The model file cannot be read or written.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// The backend cannot be used.
    #[cfg(feature = "fit")]
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A row of plain values cannot be read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// No threshold follows from the rule.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// A metric is undefined.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A false-discovery rate is invalid.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// A setting of the detector or the threshold is invalid.
    #[error("{setting}: {reason}")]
    Setting {
        /// The setting.
        setting: TableSetting,
        /// What is wrong with it.
        reason: String,
    },
    /// No row is labelled an anomaly, and the method needs one.
    #[error("{}{}: no row is labelled an anomaly, and {method} needs at least one", path.display(), in_column(column.as_deref()))]
    NeedsLabels {
        /// The file of the table.
        path: PathBuf,
        /// The label column; `None` if the table was used without one.
        column: Option<String>,
        /// The method.
        method: &'static str,
    },
    /// The model uses the label column as a feature, so its scores depend on the labels.
    #[error("{}, column {}: the model uses this column as a feature, so its scores depend on the labels", path.display(), excerpt(column))]
    LabelIsFeature {
        /// The file of the table.
        path: PathBuf,
        /// The label column.
        column: String,
    },
    /// The labels leave nothing to learn.
    #[error("{}, column {column}: {reason}", path.display())]
    Labels {
        /// The file of the table.
        path: PathBuf,
        /// The label column.
        column: String,
        /// What is wrong with the labels.
        reason: &'static str,
    },
    /// The function that followed the fit has ended it.
    #[error("the fit was stopped")]
    Stopped,
    /// The model has no held-out rows, and therefore no p-values.
    #[error("the model was trained without held-out rows, which p-values, false-positive rates and shares need")]
    NoCalibration,
    /// A column of a model to be exported with a matrix as its input is not numeric.
    #[error("column `{}` is a {kind}: a matrix holds only numbers and truth values", excerpt(column))]
    NotNumeric {
        /// The column.
        column: String,
        /// The kind of its values.
        kind: &'static str,
    },
    /// The model cannot be exported.
    #[error("{method} cannot be exported to ONNX: {reason}")]
    NotExportable {
        /// The method.
        method: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file cannot be read.
    #[error("{}: {reason}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// A column as the second part of a place in a table.
fn in_column(column: Option<&str>) -> String {
    column.map_or_else(String::new, |column| format!(", column {}", excerpt(column)))
}

/// A setting of a detector for tables or a [`Threshold`](crate::Threshold).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableSetting {
    /// The number of members.
    Members,
    /// The share of held-out rows.
    HeldOut,
    /// The identifier columns.
    Ids,
    /// The choice of the number of epochs by cross-validation.
    EarlyStopping,
    /// The cross-validation of the detector.
    Validation,
    /// The score at which rows are flagged.
    ThresholdScore,
}

impl fmt::Display for TableSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableSetting::Members => "members",
            TableSetting::HeldOut => "held-out share",
            TableSetting::Ids => "identifier columns",
            TableSetting::EarlyStopping => "early stopping",
            TableSetting::Validation => "validation",
            TableSetting::ThresholdScore => "threshold score",
        })
    }
}
