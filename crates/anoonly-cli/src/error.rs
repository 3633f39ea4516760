//! What ends a command.

use std::fmt;

use anoonly::pipeline::PipelineError;
use anoonly_page::PageError;

/// Why a command that reads or makes a model cannot go on.
#[derive(Debug)]
pub enum CommandError {
    /// The table, the model or an option.
    Pipeline(PipelineError),
    /// A page that cannot be written.
    Page(PageError),
}

impl<E: Into<PipelineError>> From<E> for CommandError {
    fn from(error: E) -> Self {
        CommandError::Pipeline(error.into())
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Pipeline(error) => error.fmt(f),
            CommandError::Page(error) => error.fmt(f),
        }
    }
}
