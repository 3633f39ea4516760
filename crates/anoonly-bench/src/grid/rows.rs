//! The rows that runs are trained and tested on.

use std::sync::{Arc, Mutex, PoisonError};

use anoonly_core::protocol::Protocol;
use anoonly_core::split::Split;
use anoonly_core::synthetic::Synthetic;
use anoonly_core::{Dataset, Seed};

use super::caught;

/// The rows for a data set and seed.
#[derive(Debug)]
pub(super) enum TrialRows {
    /// The rows of the data set, as they are split.
    Own(Split),
    /// Synthetic rows. Because they take time and memory, the first job that needs them makes them and the last one drops them.
    Synthetic(Synthetic, Mutex<Option<Made>>),
}

/// Synthetic rows and their split, or the reason why they cannot be made.
type Made = Result<Arc<(Dataset, Split)>, String>;

impl TrialRows {
    /// Calls `trial` with these rows and their split. `dataset`, `protocol` and `seed` are those the rows come from.
    pub fn with<T>(
        &self,
        dataset: &Dataset,
        protocol: Protocol,
        seed: Seed,
        trial: impl FnOnce(&Dataset, &Split) -> Result<T, String>,
    ) -> Result<T, String> {
        let (kind, made) = match self {
            TrialRows::Own(split) => return trial(dataset, split),
            TrialRows::Synthetic(kind, made) => (*kind, made),
        };
        let make = || {
            let made = protocol.synthesised(dataset, kind, seed).map_err(|error| error.to_string())?;
            let split = protocol.split(&made, seed).map_err(|error| error.in_dataset(&dataset.name).to_string())?;
            Ok(Arc::new((made, split)))
        };
        let made = {
            let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
            made.get_or_insert_with(|| caught(make)).clone()?
        };
        trial(&made.0, &made.1)
    }

    /// Drops rows that were made.
    pub fn forget(&self) {
        if let TrialRows::Synthetic(_, made) = self {
            *made.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
