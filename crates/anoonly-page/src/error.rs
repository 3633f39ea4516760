//! Errors of writing a page.

use std::path::PathBuf;

/// A page cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write {}: {reason}", path.display())]
pub struct PageError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub reason: String,
}
