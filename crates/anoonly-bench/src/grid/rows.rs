//! What runs are trained and judged on.

use std::sync::{Arc, Mutex, PoisonError};

use anoonly_core::protocol::Protocol;
use anoonly_core::split::Split;
use anoonly_core::synthetic::Synthetic;
use anoonly_core::{Dataset, Seed};

use super::fitting::caught;

/// What is trained and judged on for a data set and seed.
#[derive(Debug)]
pub(super) enum Rows {
    /// The data set's own rows.
    Own(Split),
    /// Synthetic ones, which take their time and room: the first job that needs them makes them, and the last one lets go of
    /// them.
    Synthetic(Synthetic, Mutex<Option<Made>>),
}

/// Synthetic rows and their split, or why there are none.
type Made = Result<Arc<(Dataset, Split)>, String>;

impl Rows {
    /// What `trial` makes of these rows and their split. `dataset`, `protocol` and `seed` are those that they come from.
    pub fn with<T>(
        &self,
        dataset: &Dataset,
        protocol: Protocol,
        seed: Seed,
        trial: impl FnOnce(&Dataset, &Split) -> Result<T, String>,
    ) -> Result<T, String> {
        let (kind, made) = match self {
            Rows::Own(split) => return trial(dataset, split),
            Rows::Synthetic(kind, made) => (*kind, made),
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

    /// Lets go of what was made.
    pub fn forget(&self) {
        if let Rows::Synthetic(_, made) = self {
            *made.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
