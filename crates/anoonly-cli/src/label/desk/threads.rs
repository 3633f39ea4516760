//! The threads behind a desk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use anoonly::labelling::LabellingError;

use super::{Desk, Shared};

/// The number of fits that a description of the anomalies may lie behind while answers come so fast that fits follow each other.
const PATIENT_FITS: u64 = 5;

impl Desk {
    /// Waits until there is something to do; `None` when the desk is closed.
    fn wait_until(&self, ready: impl Fn(&Shared) -> bool) -> Option<MutexGuard<'_, Shared>> {
        let waiting = self.changed.wait_while(self.lock(), |shared| !shared.closed && !ready(shared));
        Some(waiting.unwrap_or_else(PoisonError::into_inner)).filter(|shared| !shared.closed)
    }

    /// Fits again whenever there are answers that the last fit does not know.
    pub(super) fn fit_forever(&self) {
        while let Some(mut shared) = self.wait_until(Shared::has_new_answers) {
            let (job, events) = (shared.session.refit_job(), shared.session.events());
            shared.fits.running = true;
            let _ = self.change(shared);
            let start = Instant::now();
            let result = undisturbed(|| job.run());
            let mut shared = self.lock();
            let previous = shared.session.ranked_rows();
            shared.fits.running = false;
            shared.fits.seconds = Some(start.elapsed().as_secs_f64());
            shared.fits.failed = None;
            match result.and_then(|result| shared.session.install(result).map_err(|error| error.to_string())) {
                Ok(true) => {
                    shared.fits.number += 1;
                    shared.previous = Some(previous);
                }
                Ok(false) => {}
                Err(reason) => shared.fits.failed = Some((events, reason)),
            }
            let _ = self.change(shared);
        }
    }

    /// Describes the anomalies found whenever there is a new ranking.
    pub(super) fn describe_forever(&self) {
        let is_due = |shared: &Shared| {
            let behind = shared.fits.number - shared.learnt.as_ref().map_or(0, |(fit, _)| *fit);
            behind > 0 && (behind >= PATIENT_FITS || !shared.has_new_answers())
        };
        while let Some(shared) = self.wait_until(is_due) {
            let (fit, job) = (shared.fits.number, shared.session.summary_job());
            drop(shared);
            let learnt = undisturbed(|| job.run()).unwrap_or_else(|reason| {
                tracing::warn!("the anomalies found cannot be described: {reason}");
                None
            });
            let mut shared = self.lock();
            shared.learnt = Some((fit, learnt.map(Arc::new)));
            let _ = self.change(shared);
        }
    }
}

/// Does work after which its thread goes on, whatever happens.
fn undisturbed<T>(work: impl FnOnce() -> Result<T, LabellingError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("an internal error, which the terminal shows".into()),
    }
}
