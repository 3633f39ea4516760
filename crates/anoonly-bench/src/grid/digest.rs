//! Digests of everything that determines a run.

use anoonly_core::Dataset;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::BenchError;

/// A digest in bytes.
pub(crate) type Digest = sha2::digest::Output<Sha256>;

/// The digest of the running program. Another build may give other results.
pub(crate) fn program() -> Result<Digest, BenchError> {
    let failed = |error: std::io::Error| BenchError::Measure {
        reason: format!("the file of the program cannot be read: {error}"),
    };
    let program = std::fs::read(std::env::current_exe().map_err(failed)?).map_err(failed)?;
    Ok(Sha256::digest(program))
}

/// The digest of the rows and labels of a data set.
pub(crate) fn content(dataset: &Dataset) -> Digest {
    let samples = &dataset.samples;
    let mut digest = Sha256::new();
    digest.update((samples.columns() as u64).to_le_bytes());
    for (row, label) in samples.features().rows().into_iter().zip(samples.labels()) {
        let cells: Vec<u8> = row.iter().flat_map(|cell| cell.to_le_bytes()).collect();
        digest.update(cells);
        digest.update([*label as u8]);
    }
    digest.finalize()
}

/// Data as JSON. The data has no maps, whose order could differ, so equal data gives equal bytes.
pub(crate) fn json(data: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(data) {
        Ok(json) => json,
        Err(error) => unreachable!("plain data is JSON: {error}"),
    }
}

/// A digest in hexadecimal.
pub(crate) fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
