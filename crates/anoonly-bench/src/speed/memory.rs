//! The memory of a fit.

use anoonly_core::Seed;
use anoonly_models::AnyMethod;
use anoonly_train::{ComputeDevice, Detector, Supervision};
use serde::{Deserialize, Serialize};

use super::{failed, samples, with_epochs};
use crate::BenchError;
use crate::usage::{peak_mib, resident_mib};

/// The memory of one fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The size of the training matrix as f32 in MiB.
    pub matrix_mib: f64,
    /// The peak memory of the process during the fit minus its memory before, in MiB; 0 if unknown. The rows of the caller are in
    /// both.
    pub held_mib: f64,
}

/// Rows, columns and labelled anomalies of the training set.
const TRAINING: (usize, usize, usize) = (50_000, 512, 250);

/// Measures the memory that a fit of one epoch takes besides the rows of the caller.
///
/// # Errors
/// When the method cannot be fitted.
pub fn memory_of_a_fit(
    method: &AnyMethod,
    supervision: Supervision,
    compute: &ComputeDevice,
) -> Result<Memory, BenchError> {
    let detector = Detector::new(with_epochs(method.clone(), |_| 1), supervision, Seed(1)).map_err(failed)?;
    let (rows, columns, anomalies) = TRAINING;
    // A first fit allocates what does not depend on the number of rows: pages of the program, the network, buffers of a batch.
    let few = samples(1000, columns, anomalies);
    detector.fit(&few, compute).map(drop).map_err(failed)?;
    drop(few);
    let samples = samples(rows, columns, anomalies);
    let before = resident_mib();
    detector.fit(&samples, compute).map(drop).map_err(failed)?;
    let matrix_mib = (rows * columns * size_of::<f32>()) as f64 / f64::from(1 << 20);
    Ok(Memory { matrix_mib, held_mib: peak_mib() - before })
}
