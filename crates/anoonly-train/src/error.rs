//! What can go wrong in a fit and in scoring.

use std::path::PathBuf;

use anoonly_models::ConfigError;

/// Why a detector cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A value of the configuration no fit could start from.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A strategy's weight outside of [0, 1].
    #[error("the weight of the loss on normal rows is {weight}: must be from 0 to 1")]
    BadWeight {
        /// The weight.
        weight: f64,
    },
    /// Without a labelled anomaly there is nothing to learn from.
    #[error("no row is labelled an anomaly: at least one is needed")]
    NoAnomalies,
    /// Without other rows there is nothing to tell anomalies from.
    #[error("every row is labelled an anomaly: unlabelled or normal rows are needed too")]
    OnlyAnomalies,
    /// The loss became infinite or NaN.
    #[error("the training loss is no finite number after epoch {epoch}: lower the learning rate")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
    },
}

/// Why rows cannot be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// Rows of another width than those the detector was fitted on.
    #[error("rows of {found} features, but the detector was fitted on {expected}")]
    Columns {
        /// Features of the rows fitted on.
        expected: usize,
        /// Features of the rows given.
        found: usize,
    },
    /// A score beyond the largest number there is.
    #[error("row {row}: its score is no finite number; its features are too far from those the detector was fitted on")]
    NoScore {
        /// The row, counted from 1.
        row: usize,
    },
    /// A baseline that is no row to score.
    #[error("the baseline: {0}")]
    Baseline(Box<ScoreError>),
    /// A score that nothing can be told of by its gradient.
    #[error("the score of this method has no gradient: it cannot be explained by it")]
    NoGradient,
    /// A feature that is NaN or infinite.
    #[error("row {row}, feature column {column}: not a finite number")]
    NotFinite {
        /// The row, counted from 1.
        row: usize,
        /// The feature column, counted from 1.
        column: usize,
    },
}

/// Why a model file cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// It cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no model file, or was changed.
    #[error("{}: not a model file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is of another version of the format.
    #[error("{}: model format {format}, written by anoonly {library}; this one reads format {}", path.display(), crate::model_file::FORMAT)]
    Version {
        /// The file.
        path: PathBuf,
        /// The format it is of.
        format: u32,
        /// The library that wrote it.
        library: String,
    },
}

/// Why a backend cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown backend `{name}`: use {}", names())]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The backend was left out when this program was built.
    #[error(
        "this build has no {name} backend: build it with `--features {name}` (`cargo xtask bench --backend {name}` does so by itself)"
    )]
    NotBuilt {
        /// The backend.
        name: &'static str,
    },
    /// A device is chosen of a backend that has no choice.
    #[error("backend {backend} has one device, the processor: leave --device out, or take a backend on the GPU")]
    OneDevice {
        /// The backend.
        backend: &'static str,
    },
    /// The machine has no device for the backend, or no driver that knows of it.
    #[error("no device for backend {backend}: {}; or compute on the processor with `--backend flex`", mend(*backend))]
    NoDevice {
        /// The backend.
        backend: crate::BackendName,
    },
    /// The machine has devices, but not this one.
    #[error("backend {backend} has no device `{device}` here: give the number or a part of the name of one of {known}")]
    UnknownDevice {
        /// The backend.
        backend: &'static str,
        /// The device asked for.
        device: String,
        /// Those there are.
        known: String,
    },
}

fn mend(backend: crate::BackendName) -> &'static str {
    match backend {
        crate::BackendName::Cuda => "install the driver of NVIDIA and the CUDA toolkit",
        _ => "install a driver for Vulkan, Metal or DirectX 12 (`mesa-vulkan-drivers` on Debian)",
    }
}

fn names() -> String {
    crate::BackendName::ALL.map(crate::BackendName::name).join(", ")
}
