//! The work of a run: fit, score and measure.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anoonly_core::Seed;
use anoonly_core::protocol::Trial;
use anoonly_eval::{MetricError, auroc, average_precision, average_precision_normal};
use anoonly_train::{ComputeDevice, Detector, Fitter};
use tracing::warn;

use crate::{Details, Scores};

type Metric = fn(&[f32], &[bool]) -> Result<f64, MetricError>;

/// Fits and scores detectors one after the other and passes the number and outcome of each to `row`.
pub(super) struct FitAndScore<'a, F> {
    pub detectors: Vec<(usize, Result<Detector, String>)>,
    pub trial: &'a Trial,
    /// The seed for the details; `None` if they are not kept.
    pub details: Option<Seed>,
    /// No further detector is fitted once this is true.
    pub stop: &'a AtomicBool,
    pub row: F,
}

/// The measurements of a run.
pub(super) struct Outcome {
    pub scores: Scores,
    pub details: Option<Details>,
}

impl<T, E, F: Fn(usize, Result<Outcome, String>) -> Result<T, E>> FitAndScore<'_, F> {
    pub fn run(self, device: &ComputeDevice) -> Result<Vec<T>, E> {
        let Self { detectors, trial, details, stop, row } = self;
        let running = || !stop.load(Ordering::Relaxed);
        if !running() {
            return Ok(Vec::new());
        }
        let mut fitter = caught(|| Fitter::new(&trial.train, device).map_err(|error| error.to_string()));
        let mut outcome = |detector: Result<Detector, String>| {
            let fitter = fitter.as_mut().map_err(|error| error.clone())?;
            caught(|| fit_and_score(fitter, &detector?, trial, details))
        };
        let detectors = detectors.into_iter().take_while(|_| running());
        detectors.map(|(index, detector)| row(index, outcome(detector))).collect()
    }
}

fn fit_and_score(
    fitter: &mut Fitter,
    detector: &Detector,
    trial: &Trial,
    details: Option<Seed>,
) -> Result<Outcome, String> {
    // The seconds are those of a separate fit, without shared preparation.
    let spared = fitter.spared_seconds(detector);
    let start = Instant::now();
    let fitted = fitter.fit(detector).map_err(|error| error.to_string())?;
    let fit_seconds = spared + start.elapsed().as_secs_f64();
    let start = Instant::now();
    let scores = fitted.score_on_one_thread(trial.test.features()).map_err(|error| error.to_string())?;
    let score_seconds = start.elapsed().as_secs_f64();
    let truth = trial.test.anomalous();
    let measure = |metric: Metric| metric(&scores, &truth).map_err(|error| error.to_string());
    // A run without details is valid; the report states what it cannot draw.
    let details = details.and_then(|seed| match Details::of(&fitted, trial, &scores, seed) {
        Ok(details) => Some(details),
        Err(reason) => {
            warn!(reason, "the details of a run cannot be computed");
            None
        }
    });
    let scores = Scores {
        auroc: measure(auroc)?,
        ap: measure(average_precision)?,
        ap_normal: measure(average_precision_normal)?,
        fit_seconds,
        score_seconds,
    };
    Ok(Outcome { scores, details })
}

/// Runs some work and returns a panic as an error. Reusing the fitter after a panic is safe, because it keeps only complete
/// preparations.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_message(&*panic)))
}

/// The message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("no message").replace('\n', " "))
}
