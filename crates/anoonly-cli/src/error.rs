//! Why a command fails, and with which exit code.

use std::path::PathBuf;

use anoonly::data::DataError;
use anoonly::data::fetch::FetchError;
use anoonly::labelling::LabellingError;
use anoonly::models::ConfigError;
use anoonly::pipeline::PipelineError;
use anoonly::train::BackendError;
use anoonly_bench::BenchError;
use anoonly_page::PageError;

/// Exit code of an internal failure, or of a failure on the other side of a connection.
pub const INTERNAL: u8 = 1;

/// Exit code of something that the user has to change.
pub const USER: u8 = 2;

/// Exit code of a command that its user has stopped.
pub const STOPPED: u8 = 130;

/// Why a command fails. The messages state facts; `hints.rs` adds the options that may help.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each variant means")]
pub enum CommandError {
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Labelling(#[from] LabellingError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("option {option}: {reason}")]
    Option { option: &'static str, reason: String },
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("cannot write {}: {reason}", path.display())]
    Output { path: PathBuf, reason: String },
    #[error("option {option}: {} is the same file as {role} {} and would replace it: name another file", output.display(), input.display())]
    Overwrites { option: &'static str, output: PathBuf, role: &'static str, input: PathBuf },
    #[error("`{name}` is neither a file nor a known data set{suggestion}")]
    UnknownDataSet { name: String, suggestion: String },
    #[error("{} is a folder: name one of its files", path.display())]
    Folder { path: PathBuf },
    #[error("`{name}` ships with the program and need not be fetched")]
    Embedded { name: String },
    #[error("{failed} of {runs} runs failed: see {}", results.display())]
    RunsFailed { failed: usize, runs: usize, results: PathBuf },
    #[error("{reason}")]
    Internal { reason: String },
}

impl CommandError {
    /// An option with an invalid value.
    pub fn option(option: &'static str, reason: impl Into<String>) -> Self {
        CommandError::Option { option, reason: reason.into() }
    }

    /// The exit code of the command.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Bench(BenchError::Stopped { .. }) => STOPPED,
            CommandError::Bench(BenchError::Threads { .. } | BenchError::Measure { .. })
            | CommandError::RunsFailed { .. }
            | CommandError::Internal { .. } => INTERNAL,
            CommandError::Fetch(error) if !error.is_input() => INTERNAL,
            _ => USER,
        }
    }
}
