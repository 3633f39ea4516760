//! What can be wrong with a plan or its output.

use std::path::PathBuf;

use anoonly_core::CoreError;
use anoonly_data::DataError;
use anoonly_models::ConfigError;
use anoonly_page::PageError;
use anoonly_train::BackendError;

/// Why a bench cannot run or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Samples, a split or a label budget.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A method's name or configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The backend.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// An option without a value, or with one value twice.
    #[error("{option}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The report.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The results cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file that an option names cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// Why not.
        reason: String,
    },
    /// It was stopped before its end.
    #[error("stopped: {measured} of {total} runs are measured and kept; the same command goes on from there")]
    Stopped {
        /// Runs that are measured.
        measured: usize,
        /// All runs.
        total: usize,
    },
    /// A measurement of speed has failed.
    #[error("cannot measure: {reason}")]
    Measure {
        /// Why not.
        reason: String,
    },
}
