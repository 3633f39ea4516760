//! The speed of training and scoring compared with a limit of the machine, the memory of a fit, and the speed of every method.

use std::time::Instant;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_models::recipe::{Batches, Recipe};
use anoonly_train::{ComputeDevice, Detector, Supervision};
use ndarray::Array2;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::usage::peak_mib;

mod limit;
mod memory;
mod zoo;

pub use limit::{Machine, gflop_of_a_step};
pub use memory::{Memory, memory_of_a_fit};
pub use zoo::{Clock, FitAndScore, LABELLED, ZooTable, fit_and_score, zoo};

/// A task whose speed is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A fit on 5000 rows of 512 columns, 25 of them labelled anomalies.
    Train,
    /// Scoring 1 000 000 rows of 64 columns.
    ScoreNarrow,
    /// Scoring 100 000 rows of 512 columns.
    ScoreWide,
    /// A whole fit on 3684 rows of 512 columns, the size of the training part of an image set, and scoring the same rows.
    Whole,
}

/// The result of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Training steps or scored rows.
    pub work: f64,
    /// The seconds of the fastest turn.
    pub seconds: f64,
    /// The peak resident memory of the process in MiB; 0 if unknown.
    pub peak_mib: f64,
}

impl Measured {
    /// Steps or rows per second.
    pub fn rate(self) -> f64 {
        self.work / self.seconds
    }
}

/// Rows, columns and labelled anomalies of the training set.
const TRAINING: (usize, usize, usize) = (5000, 512, 25);
/// Rows, columns and labelled anomalies of a whole fit.
const WHOLE: (usize, usize, usize) = (3684, 512, 18);
/// The number of turns of a measurement.
const TURNS: usize = 3;

impl Task {
    /// All tasks.
    pub const ALL: [Task; 4] = [Task::Train, Task::ScoreNarrow, Task::ScoreWide, Task::Whole];

    /// The name in measurements.
    pub fn name(self) -> &'static str {
        match self {
            Task::Train => "train",
            Task::ScoreNarrow => "score-narrow",
            Task::ScoreWide => "score-wide",
            Task::Whole => "whole",
        }
    }

    /// The task with a name.
    pub fn by_name(name: &str) -> Option<Task> {
        Task::ALL.into_iter().find(|task| task.name() == name)
    }

    /// Measures a method on a device and a number of threads.
    ///
    /// # Errors
    /// When the method cannot be fitted, or the threads cannot be started.
    pub fn measure(
        self,
        method: &AnyMethod,
        supervision: Supervision,
        compute: &ComputeDevice,
        threads: usize,
    ) -> Result<Measured, BenchError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| BenchError::Threads { threads, reason: error.to_string() })?;
        let (work, seconds) = match self {
            // A fit uses one thread, so that its bits do not depend on the machine. Every thread runs its own fit.
            Task::Train => {
                let steps = (steps(self, method) * threads) as f64;
                let (rows, columns, anomalies) = TRAINING;
                let samples = samples(rows, columns, anomalies);
                let detector = Detector::new(method.clone(), supervision, Seed(1)).map_err(failed)?;
                let fits = || pool.broadcast(|_| detector.fit(&samples, compute).map(drop));
                let seconds = best(turns(method), || fits().into_iter().try_for_each(|fitted| fitted.map_err(failed)))?;
                (steps, seconds)
            }
            Task::ScoreNarrow => (1e6, score(method, supervision, compute, 64, 1_000_000, &pool)?),
            Task::ScoreWide => (1e5, score(method, supervision, compute, 512, 100_000, &pool)?),
            Task::Whole => {
                let (rows, columns, anomalies) = WHOLE;
                let samples = samples(rows, columns, anomalies);
                let detector = Detector::new(method.clone(), supervision, Seed(1)).map_err(failed)?;
                let fit_and_score = || {
                    let fitted = detector.fit(&samples, compute).map_err(failed)?;
                    fitted.score_on_one_thread(samples.features()).map(drop).map_err(failed)
                };
                (1.0, best(turns(method), fit_and_score)?)
            }
        };
        Ok(Measured { work, seconds, peak_mib: peak_mib() })
    }
}

fn score(
    method: &AnyMethod,
    supervision: Supervision,
    compute: &ComputeDevice,
    columns: usize,
    rows: usize,
    pool: &rayon::ThreadPool,
) -> Result<f64, BenchError> {
    let detector = Detector::new(with_epochs(method.clone(), |_| 1), supervision, Seed(1)).map_err(failed)?;
    let training = samples(1000, columns, 25);
    let features = random(rows, columns, "rows to score");
    let fitted = detector.fit(&training, compute).map_err(failed)?;
    best(TURNS, || pool.install(|| fitted.score(&features)).map(drop).map_err(failed))
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Measure { reason: error.to_string() }
}

fn best(turns: usize, mut turn: impl FnMut() -> Result<(), BenchError>) -> Result<f64, BenchError> {
    let mut best = f64::INFINITY;
    for _ in 0..turns {
        let start = Instant::now();
        turn()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// The methods that are measured: the hosts of the AnoOnly paper and two classifiers.
pub fn methods() -> Vec<AnyMethod> {
    let measured = ["devnet", "prenet", "feawad", "deepsad", "mlp", "resnet"];
    AnyMethod::all().into_iter().filter(|method| measured.contains(&method.info().name)).collect()
}

/// The number of turns. A fit with pretraining is long enough for one turn to be precise.
fn turns(method: &AnyMethod) -> usize {
    if method.pretraining().is_some() { 1 } else { TURNS }
}

/// The method with another number of epochs, pretraining included.
pub fn with_epochs(mut method: AnyMethod, epochs: impl Fn(usize) -> usize) -> AnyMethod {
    if let Some(recipe) = method.recipe_mut() {
        recipe.epochs = epochs(recipe.epochs);
    }
    if let AnyMethod::Feawad(feawad) = &mut method {
        feawad.pretraining.epochs = epochs(feawad.pretraining.epochs);
    }
    method
}

/// The training steps of a fit on the training set of a task.
pub fn steps(task: Task, method: &AnyMethod) -> usize {
    let (training_rows, ..) = if task == Task::Whole { WHOLE } else { TRAINING };
    let of = |recipe: &Recipe| {
        let steps = match recipe.batches {
            Batches::Balanced { steps, .. } => steps,
            Batches::Shuffled { rows } | Batches::Unlabelled { rows } => training_rows / rows,
        };
        steps * recipe.epochs
    };
    method.pretraining().map_or(0, of) + method.recipe().map_or(0, of)
}

/// Random rows. The first `anomalies` rows are labelled anomalies, shifted a little from the others.
pub fn samples(rows: usize, columns: usize, anomalies: usize) -> Samples {
    let mut features = random(rows, columns, "training rows");
    features.slice_mut(ndarray::s![..anomalies, ..]).mapv_inplace(|value| value + 0.2);
    let label = |row| if row < anomalies { Label::Anomaly } else { Label::Unlabelled };
    let labels = (0..rows).map(label).collect();
    match Samples::new(features, labels) {
        Ok(samples) => samples,
        Err(error) => unreachable!("the rows are finite and as many as their labels: {error}"),
    }
}

/// A matrix of values drawn from [0, 1).
pub fn random(rows: usize, columns: usize, purpose: &str) -> Array2<f32> {
    let mut rng = Seed(1).stream(&["speed", purpose]);
    Array2::from_shape_simple_fn((rows, columns), || rng.random_range(0.0f32..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_the_paper_and_two_classifiers_are_measured() {
        let names: Vec<&str> = methods().iter().map(|method| method.info().name).collect();
        assert_eq!(names, ["devnet", "prenet", "feawad", "deepsad", "mlp", "resnet"]);
        assert_eq!(
            methods().iter().map(|method| steps(Task::Train, method)).collect::<Vec<_>>(),
            [1000, 1000, 2600, 1950, 1000, 1000]
        );
    }
}
