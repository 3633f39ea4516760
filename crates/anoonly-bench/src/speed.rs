//! How fast a method trains and scores, beside the products of its matrices alone.

use std::time::Instant;

use anoonly_data::{Label, Samples, Seed};
use anoonly_models::recipe::{Batches, Recipe};
use anoonly_models::{AnyMethod, Kind, Method};
use anoonly_train::backend::{Flex, OnBackend};
use anoonly_train::{BackendName, Detector, Supervision};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::Array2;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::BenchError;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Training on 5000 rows of 512 columns, 25 of them labelled anomalies.
    Train,
    /// Scoring a million rows of 64 columns.
    ScoreNarrow,
    /// Scoring 100 000 rows of 512 columns.
    ScoreWide,
}

/// What came of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Steps of training, or rows scored.
    pub work: f64,
    /// The seconds they took, the best of some turns.
    pub seconds: f64,
    /// The most memory the process has held, in MiB; 0 where the system does not tell.
    pub peak_mib: f64,
}

impl Measured {
    /// Steps or rows a second.
    pub fn rate(self) -> f64 {
        self.work / self.seconds
    }
}

/// Rows and columns of the training set, and how many of its rows are labelled anomalies.
const TRAINING: (usize, usize, usize) = (5000, 512, 25);
/// Turns of a measurement.
const TURNS: usize = 3;

impl Task {
    /// All of them.
    pub const ALL: [Task; 3] = [Task::Train, Task::ScoreNarrow, Task::ScoreWide];

    /// The name in measurements.
    pub fn name(self) -> &'static str {
        match self {
            Task::Train => "train",
            Task::ScoreNarrow => "score-narrow",
            Task::ScoreWide => "score-wide",
        }
    }

    /// The task of this name.
    pub fn by_name(name: &str) -> Option<Task> {
        Task::ALL.into_iter().find(|task| task.name() == name)
    }

    /// Measures it on the processor's fastest backend or another one, on so many threads.
    ///
    /// # Errors
    /// When the method cannot be fitted, or the threads cannot be started.
    pub fn measure(
        self,
        method: &AnyMethod,
        supervision: Supervision,
        backend: BackendName,
        threads: usize,
    ) -> Result<Measured, BenchError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| BenchError::Threads { threads, reason: error.to_string() })?;
        let (work, seconds) = match self {
            // A fit is one thread, so that its bits do not depend on the machine; the others fit as well.
            Task::Train => {
                let method = shortened(method.clone());
                let steps = (steps(&method) * threads) as f64;
                let (rows, columns, anomalies) = TRAINING;
                let samples = samples(rows, columns, anomalies);
                let detector = Detector::new(method, supervision, Seed(1)).map_err(failed)?;
                let fits = || pool.broadcast(|_| backend.run(Fit { detector: &detector, samples: &samples }));
                let seconds = best(|| fits().into_iter().try_for_each(|fitted| fitted?.map_err(failed)))?;
                (steps, seconds)
            }
            Task::ScoreNarrow => (1e6, score(method, supervision, backend, 64, 1_000_000, &pool)?),
            Task::ScoreWide => (1e5, score(method, supervision, backend, 512, 100_000, &pool)?),
        };
        Ok(Measured { work, seconds, peak_mib: peak_mib() })
    }
}

fn score(
    method: &AnyMethod,
    supervision: Supervision,
    backend: BackendName,
    columns: usize,
    rows: usize,
    pool: &rayon::ThreadPool,
) -> Result<f64, BenchError> {
    let detector = Detector::new(with_epochs(method.clone(), |_| 1), supervision, Seed(1)).map_err(failed)?;
    let training = samples(1000, columns, 25);
    let features = random(rows, columns, "rows to score");
    backend.run(FitThenScore { detector, training, features, pool })?.map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Measure { reason: error.to_string() }
}

struct Fit<'a> {
    detector: &'a Detector,
    samples: &'a Samples,
}

impl OnBackend for Fit<'_> {
    type Output = Result<(), anoonly_train::FitError>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        self.detector.fit::<B>(self.samples, &device).map(drop)
    }
}

struct FitThenScore<'a> {
    detector: Detector,
    training: Samples,
    features: Array2<f32>,
    pool: &'a rayon::ThreadPool,
}

impl OnBackend for FitThenScore<'_> {
    type Output = Result<f64, String>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let fitted = self.detector.fit::<B>(&self.training, &device).map_err(|error| error.to_string())?;
        // The fitted network is not shared between threads; the pool takes the work from inside.
        let mut seconds = f64::INFINITY;
        for _ in 0..TURNS {
            let fitted = fitted.clone();
            let (features, start) = (&self.features, Instant::now());
            let scored = self.pool.install(move || fitted.score(features));
            scored.map_err(|error| error.to_string())?;
            seconds = seconds.min(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }
}

fn best(mut turn: impl FnMut() -> Result<(), BenchError>) -> Result<f64, BenchError> {
    let mut best = f64::INFINITY;
    for _ in 0..TURNS {
        let start = Instant::now();
        turn()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// The methods that are measured: those that train.
pub fn methods() -> Vec<AnyMethod> {
    AnyMethod::all().into_iter().filter(|method| method.info().kind == Kind::FewLabels).collect()
}

/// The method as it is measured: one that pretrains takes long, and runs a tenth of the epochs of both its trainings.
fn shortened(method: AnyMethod) -> AnyMethod {
    let part = if method.pretraining().is_some() { 10 } else { 1 };
    with_epochs(method, |epochs| (epochs / part).max(1))
}

fn with_epochs(mut method: AnyMethod, epochs: impl Fn(usize) -> usize) -> AnyMethod {
    if let Some(recipe) = method.recipe_mut() {
        recipe.epochs = epochs(recipe.epochs);
    }
    if let AnyMethod::Feawad(feawad) = &mut method {
        feawad.pretraining.epochs = epochs(feawad.pretraining.epochs);
    }
    method
}

/// The steps of a fit on the training set of the measurements.
pub fn steps(method: &AnyMethod) -> usize {
    let of = |recipe: &Recipe| {
        let steps = match recipe.batches {
            Batches::Balanced { steps, .. } => steps,
            Batches::Shuffled { rows } => TRAINING.0 / rows,
        };
        steps * recipe.epochs
    };
    method.pretraining().map_or(0, of) + method.recipe().map_or(0, of)
}

/// The products `[m, k] · [k, n]` of a step of training on 512 columns: forward, and backward by weights and, but for the
/// first layer, by rows. Of FEAWAD, the mean over its two trainings by their steps.
fn products(method: &AnyMethod) -> Vec<(f64, [usize; 3])> {
    let columns = TRAINING.1;
    let layers = |rows: usize, share: f64, widths: &[usize]| {
        let pairs: Vec<[usize; 2]> = widths.windows(2).map(|pair| [pair[0], pair[1]]).collect();
        let of = move |(index, [inputs, outputs]): (usize, [usize; 2])| {
            let mut products = vec![(share, [rows, inputs, outputs]), (share, [inputs, rows, outputs])];
            if index > 0 {
                products.push((share, [rows, outputs, inputs]));
            }
            products
        };
        pairs.into_iter().enumerate().flat_map(of).collect::<Vec<_>>()
    };
    // Batches that draw the 25 anomalies hundreds of times work out each of them once.
    let anomalies = TRAINING.2;
    match method {
        AnyMethod::DevNet(_) => layers(64, 1.0, &[columns, 20, 1]),
        AnyMethod::PReNet(_) => layers(640 + anomalies, 1.0, &[columns, 20]),
        AnyMethod::DeepSad(_) => layers(128, 1.0, &[columns, 100, 20, 10]),
        AnyMethod::Feawad(_) => {
            let autoencoder = [columns, columns, 128, 64, 128, columns];
            let (first, second) = (2000.0 / 2600.0, 600.0 / 2600.0);
            let mut all = layers(512, first, &autoencoder);
            all.extend(layers(256 + anomalies, second, &autoencoder));
            let mut head = layers(256 + anomalies, second, &[columns + 65, 256]);
            head.push((second, [256 + anomalies, 256, columns + 65]));
            all.extend(head);
            all
        }
        _ => Vec::new(),
    }
}

/// Steps a second if a step of training on 512 columns were its matrix products alone, on one thread by Flex's kernels: no
/// loop written by hand around these could be faster.
pub fn limit(method: &AnyMethod) -> f64 {
    let seconds: f64 = products(method)
        .into_iter()
        .map(|(share, [m, k, n])| {
            let device = Default::default();
            let (a, b) = (Tensor::<Flex, 2>::ones([m, k], &device), Tensor::<Flex, 2>::ones([k, n], &device));
            let mut best = f64::INFINITY;
            for _ in 0..10 {
                let (start, mut turns) = (Instant::now(), 0);
                while start.elapsed().as_secs_f64() < 0.01 {
                    std::hint::black_box(a.clone().matmul(b.clone()));
                    turns += 1;
                }
                best = best.min(start.elapsed().as_secs_f64() / f64::from(turns));
            }
            share * best
        })
        .sum();
    seconds.recip()
}

/// Rows of which the first so many are labelled anomalies, a little apart from the others.
fn samples(rows: usize, columns: usize, anomalies: usize) -> Samples {
    let mut features = random(rows, columns, "training rows");
    features.slice_mut(ndarray::s![..anomalies, ..]).mapv_inplace(|value| value + 0.2);
    let label = |row| if row < anomalies { Label::Anomaly } else { Label::Unlabelled };
    let labels = (0..rows).map(label).collect();
    match Samples::new(features, labels) {
        Ok(samples) => samples,
        Err(error) => unreachable!("the rows are finite and as many as their labels: {error}"),
    }
}

fn random(rows: usize, columns: usize, purpose: &str) -> Array2<f32> {
    let mut rng = Seed(1).stream(&["speed", purpose]);
    Array2::from_shape_simple_fn((rows, columns), || rng.random_range(0.0f32..1.0))
}

/// Linux tells it in `/proc`; elsewhere it is not known.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(0.0, |kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_that_trains_is_measured_with_its_products() {
        let names: Vec<&str> = methods().iter().map(|method| method.info().name).collect();
        assert_eq!(names, ["devnet", "prenet", "feawad", "deepsad"]);
        for method in methods() {
            assert!(steps(&shortened(method.clone())) >= 20, "{method:?}");
            assert!(!products(&method).is_empty(), "{method:?}");
        }
        assert_eq!(methods().iter().map(steps).collect::<Vec<_>>(), [1000, 1000, 2600, 1950]);
    }
}
