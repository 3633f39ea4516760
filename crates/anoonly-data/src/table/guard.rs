//! Files at which a reader gives up by a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::malformed;
use crate::DataError;

/// Readings at work.
static READING: AtomicUsize = AtomicUsize::new(0);

/// Whether a file is being read whose reader may panic, which is then told as an error. For a panic hook, so that it keeps
/// silent.
pub fn is_reading() -> bool {
    READING.load(Ordering::Relaxed) > 0
}

/// Takes a panic for a damaged file: polars panics at some that are no Parquet or Arrow files any more. What the reading leaves
/// half done is not looked at again.
pub(super) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    READING.fetch_add(1, Ordering::Relaxed);
    let done = catch_unwind(AssertUnwindSafe(read));
    READING.fetch_sub(1, Ordering::Relaxed);
    done.unwrap_or_else(|_| Err(malformed(path, "the file is damaged")))
}
