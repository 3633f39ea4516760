//! Errors of fits, of scoring, of model files and of backends.

use std::path::PathBuf;

#[cfg(feature = "fit")]
use anoonly_models::ConfigError;

/// Why a detector cannot be fitted.
#[cfg(feature = "fit")]
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weight of a strategy is outside [0, 1].
    #[error("the weight of the loss on normal rows is {weight}: must be from 0 to 1")]
    BadWeight {
        /// The weight.
        weight: f64,
    },
    /// The fit would take more memory than the limit for a method.
    #[error(
        "{method} with these settings, on {rows} rows and {columns} features, would take about {} of memory; the limit is {}",
        gibibytes(*bytes),
        gibibytes(*most)
    )]
    TooLarge {
        /// The method.
        method: &'static str,
        /// The number of training rows.
        rows: usize,
        /// The number of features.
        columns: usize,
        /// The number of bytes that the fit would take.
        bytes: u64,
        /// The largest number of bytes that a fit may take.
        most: u64,
    },
    /// There is not one label a row.
    #[error("{labels} labels for {rows} rows")]
    LabelCount {
        /// The number of rows.
        rows: usize,
        /// The number of labels.
        labels: usize,
    },
    /// The fitted detector cannot score the rows.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The caller stopped the fit before this member had been fitted.
    #[error("the fit was stopped")]
    Stopped,
    /// There is no labelled anomaly, and the method needs one.
    #[error("no row is labelled an anomaly: {method} needs at least one")]
    NoAnomalies {
        /// The method.
        method: &'static str,
    },
    /// There are no other rows to distinguish anomalies from.
    #[error("every row is labelled an anomaly: unlabelled or normal rows are needed too")]
    OnlyAnomalies,
    /// The loss or a weight became infinite or NaN.
    #[error(
        "{}the training loss or a weight is not a finite number after epoch {epoch}: lower the learning rate",
        member.map(|member| format!("member {}: ", member + 1)).unwrap_or_default()
    )]
    Diverged {
        /// The member, counted from 0, if several were fitted.
        member: Option<usize>,
        /// The epoch, counted from 1.
        epoch: usize,
    },
}

/// Why rows cannot be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The rows have another number of features than the training rows.
    #[error("the rows have {found} features, but the detector was fitted on {expected}")]
    Columns {
        /// The number of features in training.
        expected: usize,
        /// The number of features of the given rows.
        found: usize,
    },
    /// The baseline row of an explanation cannot be scored.
    #[error("baseline row: {0}")]
    Baseline(Box<ScoreError>),
    /// The score has no gradient to explain it with.
    #[error("the score of this method has no gradient, which explanations need")]
    NoGradient,
    /// A feature is NaN or infinite.
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
    /// The file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not a model file, or was changed.
    #[error("{}: not a model file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The contents of the file do not have the digest that the file states.
    #[error("{}: the file was damaged or changed after it was written: its contents do not match its digest", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file has another version of the format.
    #[error("{}: model format {format}, written by anoonly {library}; this version reads formats 1 to {}", path.display(), crate::model_file::FORMAT)]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        format: u32,
        /// The version of the library that wrote it.
        library: String,
    },
    /// The file has a network without the steps of its score, which a build without backends needs.
    #[error(
        "{}: the file was written by an earlier version, anoonly {library}, without the steps of its {method} network; \
         loading and saving it with the whole library adds them",
        path.display()
    )]
    WithoutSteps {
        /// The file.
        path: PathBuf,
        /// The method.
        method: String,
        /// The version of the library that wrote the file.
        library: String,
    },
    /// The score of the method cannot be computed without a backend.
    #[error("{}: the score of {method} has no plain steps: it needs the whole library", path.display())]
    NeedsBackend {
        /// The file.
        path: PathBuf,
        /// The method.
        method: String,
    },
}

/// Why a backend cannot be used.
#[cfg(feature = "fit")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown backend `{name}`: use {}", names())]
    Unknown {
        /// The given name.
        name: String,
    },
    /// The backend is not part of this build.
    #[error("this build has no {name} backend: it needs the cargo feature `{name}`")]
    NotBuilt {
        /// The backend.
        name: &'static str,
    },
    /// A device was chosen for a backend that has only one.
    #[error("backend {backend} has only one device, the processor: no device can be chosen")]
    OneDevice {
        /// The backend.
        backend: &'static str,
    },
    /// The machine has no device for the backend, or no driver for it.
    #[error("no device for backend {backend}: {}", driver(*backend))]
    NoDevice {
        /// The backend.
        backend: crate::BackendName,
    },
    /// The machine has devices for the backend, but not the chosen one.
    #[error("backend {backend} has no device `{device}`: give the number or a part of the name of one of {known}")]
    UnknownDevice {
        /// The backend.
        backend: &'static str,
        /// The chosen device.
        device: String,
        /// The devices of the machine.
        known: String,
    },
}

#[cfg(feature = "fit")]
fn gibibytes(bytes: u64) -> String {
    match bytes {
        u64::MAX => "2⁶⁴ bytes or more".into(),
        _ => format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64),
    }
}

/// The driver that a backend needs.
#[cfg(feature = "fit")]
fn driver(backend: crate::BackendName) -> &'static str {
    match backend {
        crate::BackendName::Cuda => "install NVIDIA's driver and the CUDA toolkit",
        _ => "install a driver for Vulkan, Metal or DirectX 12 (`mesa-vulkan-drivers` on Debian)",
    }
}

#[cfg(feature = "fit")]
fn names() -> String {
    crate::BackendName::ALL.map(crate::BackendName::name).join(", ")
}
