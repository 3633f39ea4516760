//! Protection against readers that panic on damaged files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::malformed;
use crate::DataError;

/// The number of guarded reads in progress.
static READING: AtomicUsize = AtomicUsize::new(0);

/// Whether a file is being read by a reader whose panics become errors. A panic hook can ask this to stay silent.
pub fn is_reading() -> bool {
    READING.load(Ordering::Relaxed) > 0
}

/// Runs a reader and turns a panic into an error: the readers of binary formats panic on some damaged files. State that a panic
/// left half changed must not be used afterwards.
pub(super) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    READING.fetch_add(1, Ordering::Relaxed);
    let done = catch_unwind(AssertUnwindSafe(read));
    READING.fetch_sub(1, Ordering::Relaxed);
    done.unwrap_or_else(|_| {
        Err(malformed(
            path,
            "the file is damaged, or has a form that is not supported; write it again, for example as Parquet",
        ))
    })
}
