//! Digests of everything that determines a run.

use anoonly_core::Digest;
use serde::Serialize;

use crate::BenchError;

/// The digest of the running program. Another build may give other results.
pub(crate) fn program() -> Result<Digest, BenchError> {
    let file = std::env::current_exe();
    file.and_then(|file| Digest::of_file(&file))
        .map_err(|error| BenchError::Measure { reason: format!("the file of the program cannot be read: {error}") })
}

/// Data as JSON. The data has no maps, whose order could differ, so equal data gives equal bytes.
pub(crate) fn json(data: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(data) {
        Ok(json) => json,
        Err(error) => unreachable!("plain data is JSON: {error}"),
    }
}
