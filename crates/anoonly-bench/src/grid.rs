//! Every combination of data set, seed, method and strategy, and how they are run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anoonly_data::budget::LabelBudget;
use anoonly_data::catalogue::Source;
use anoonly_data::protocol::{Protocol, Trial};
use anoonly_data::split::Split;
use anoonly_data::{Dataset, Seed};
use anoonly_eval::{MetricError, auroc, average_precision, average_precision_normal};
use anoonly_models::{AnyMethod, Kind};
use anoonly_train::backend::OnBackend;
use anoonly_train::{BackendName, Detector, Fitter};
use burn::tensor::backend::Backend;
use rayon::prelude::*;
use tracing::{info, warn};

use crate::{BenchError, Results, Row, Scores, Status, Strategy};

/// What to run: every combination of its lists.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the data sets are.
    pub source: Source,
    /// Names or patterns of data sets; none for all.
    pub datasets: Vec<String>,
    /// The methods.
    pub models: Vec<AnyMethod>,
    /// The strategies for methods that learn from few labels. Floors run once, without one.
    pub strategies: Vec<Strategy>,
    /// How many training anomalies stay labelled.
    pub budget: LabelBudget,
    /// The seeds; each draws its own split, labels, weights and batches.
    pub seeds: Vec<Seed>,
    /// How a data set becomes a training and a test part.
    pub protocol: Protocol,
    /// What computes.
    pub backend: BackendName,
}

/// A plan with its data loaded and its splits drawn.
#[derive(Debug)]
pub struct Grid {
    plan: Plan,
    datasets: Vec<Dataset>,
    /// One for each data set and seed, seeds innermost.
    splits: Vec<Split>,
    jobs: Vec<Job>,
}

/// The runs of one method on one split, which share what no strategy has a say in.
#[derive(Clone, Copy, Debug)]
struct Job {
    dataset: usize,
    seed: usize,
    model: usize,
}

/// A run has ended.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Runs that have ended.
    pub done: usize,
    /// All runs.
    pub total: usize,
    /// The data set, method, strategy and seed of the run that just ended.
    pub run: String,
}

impl Grid {
    /// Loads every data set and draws every split.
    ///
    /// # Errors
    /// When a name, a file, a label budget or any other part of the plan is wrong. Nothing has been written then.
    pub fn prepare(plan: Plan) -> Result<Self, BenchError> {
        plan.backend.built()?;
        for model in &plan.models {
            model.check()?;
        }
        check_list("--seeds", &plan.seeds, |seed| seed.0.to_string())?;
        check_list("--models", &plan.models, |model| model.info().name.to_owned())?;
        check_list("--strategies", &plan.strategies, Strategy::to_string)?;
        plan.budget.checked()?;

        let entries = plan.source.select(&plan.datasets)?;
        let datasets: Vec<Dataset> = entries.iter().map(|entry| entry.load()).collect::<Result<_, _>>()?;
        let mut splits = Vec::with_capacity(datasets.len() * plan.seeds.len());
        let mut jobs = Vec::new();
        for (index, dataset) in datasets.iter().enumerate() {
            for (seed_index, &seed) in plan.seeds.iter().enumerate() {
                let split = plan.protocol.split(dataset, seed).map_err(|error| error.in_dataset(&dataset.name))?;
                let labels = dataset.samples.labels();
                let anomalies = split.train.iter().filter(|&&row| labels[row].is_anomaly()).count();
                plan.budget.labelled(anomalies).map_err(|error| error.in_dataset(&dataset.name))?;
                splits.push(split);
                for model in 0..plan.models.len() {
                    jobs.push(Job { dataset: index, seed: seed_index, model });
                }
            }
        }
        Ok(Self { plan, datasets, splits, jobs })
    }

    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.jobs.iter().map(|job| self.strategies(*job).len()).sum()
    }

    /// The strategies of a job; a floor has none.
    fn strategies(&self, job: Job) -> Vec<Strategy> {
        match self.plan.models[job.model].info().kind {
            Kind::FewLabels => self.plan.strategies.clone(),
            Kind::Floor => vec![Strategy::none()],
        }
    }

    /// Runs everything on so many threads, the strategies of one method on one split in turn. A run that fails, be it by a
    /// panic, becomes a row that says why, and the others go on. Apart from the seconds, the results do not depend on the
    /// number of threads.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn run(&self, threads: usize, on_progress: impl Fn(Progress) + Sync) -> Result<Results, BenchError> {
        let threads = threads.min(self.jobs.len());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| BenchError::Threads { threads, reason: error.to_string() })?;
        let done = AtomicUsize::new(0);
        let total = self.runs();
        let on_row = |row: &Row| {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let run = format!("{} {} {} seed {}", row.dataset, row.model, row.strategy, row.seed);
            on_progress(Progress { done, total, run });
        };
        let rows: Result<Vec<Vec<Row>>, BenchError> =
            pool.install(|| self.jobs.par_iter().map(|job| self.run_job(*job, &on_row)).collect());
        Ok(Results { rows: rows?.into_iter().flatten().collect() })
    }

    fn run_job(&self, job: Job, on_row: &(impl Fn(&Row) + Sync)) -> Result<Vec<Row>, BenchError> {
        let plan = &self.plan;
        let dataset = &self.datasets[job.dataset];
        let seed = plan.seeds[job.seed];
        let split = &self.splits[job.dataset * plan.seeds.len() + job.seed];
        let trial = Trial::new(dataset, split, plan.budget, seed)?;
        let name = plan.models[job.model].info().name;
        let strategies = self.strategies(job);
        // Host and AnoOnly start from the same weights and see the same batches: their difference is the strategy's alone.
        let detectors = strategies.iter().map(|strategy| {
            let method = strategy.change(plan.models[job.model].clone());
            Detector::new(method, strategy.supervision(), seed.derive(&[&dataset.name, name]))
        });
        let detectors = detectors.map(|detector| detector.map_err(|error| error.to_string())).collect();
        let row = |strategy: usize, outcome: Result<Scores, String>| {
            let strategy = &strategies[strategy];
            let status = match outcome {
                Ok(scores) => {
                    info!(dataset = dataset.name, model = name, %strategy, seed = seed.0, auroc = scores.auroc, "run done");
                    Status::Ok(scores)
                }
                Err(message) => {
                    warn!(dataset = dataset.name, model = name, %strategy, seed = seed.0, message, "run failed");
                    Status::Failed(message)
                }
            };
            let row = Row {
                dataset: dataset.name.clone(),
                family: dataset.family.clone(),
                model: name.into(),
                strategy: strategy.clone(),
                protocol: plan.protocol,
                budget: plan.budget,
                n_labeled: trial.labelled,
                seed: seed.0,
                n_train: trial.train.rows(),
                n_test: trial.test.rows(),
                n_features: trial.train.columns(),
                backend: plan.backend,
                status,
            };
            on_row(&row);
            row
        };
        Ok(plan.backend.run(FitAndScore { detectors, trial: &trial, row })?)
    }
}

type Metric = fn(&[f32], &[bool]) -> Result<f64, MetricError>;

/// Fits and scores one detector after the other, and makes a row of what comes of each.
struct FitAndScore<'a, F> {
    detectors: Vec<Result<Detector, String>>,
    trial: &'a Trial,
    row: F,
}

impl<F: Fn(usize, Result<Scores, String>) -> Row> OnBackend for FitAndScore<'_, F> {
    type Output = Vec<Row>;

    fn run<B: Backend>(self, device: B::Device) -> Vec<Row> {
        let Self { detectors, trial, row } = self;
        let mut fitter = Fitter::<B>::new(&trial.train, &device).map_err(|error| error.to_string());
        let mut outcome = |detector: Result<Detector, String>| {
            let fitter = fitter.as_mut().map_err(|error| error.clone())?;
            // What a panicking fit leaves half done is not looked at again: the fitter keeps only what is complete.
            let run = AssertUnwindSafe(|| fit_and_score(fitter, &detector?, trial));
            catch_unwind(run).unwrap_or_else(|panic| Err(told(&*panic)))
        };
        detectors.into_iter().enumerate().map(|(index, detector)| row(index, outcome(detector))).collect()
    }
}

fn fit_and_score<B: Backend>(fitter: &mut Fitter<B>, detector: &Detector, trial: &Trial) -> Result<Scores, String> {
    // The seconds are those of a fit by itself.
    let spared = fitter.spared_seconds(detector);
    let start = Instant::now();
    let fitted = fitter.fit(detector).map_err(|error| error.to_string())?;
    let fit_seconds = spared + start.elapsed().as_secs_f64();
    let start = Instant::now();
    let scores = fitted.score(trial.test.features()).map_err(|error| error.to_string())?;
    let score_seconds = start.elapsed().as_secs_f64();
    let truth = trial.test.anomalous();
    let measure = |metric: Metric| metric(&scores, &truth).map_err(|error| error.to_string());
    Ok(Scores {
        auroc: measure(auroc)?,
        ap: measure(average_precision)?,
        ap_normal: measure(average_precision_normal)?,
        fit_seconds,
        score_seconds,
    })
}

/// What a panic said.
fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("no message").replace('\n', " "))
}

/// Refuses a list that is empty or names something twice.
fn check_list<T>(option: &'static str, values: &[T], name: impl Fn(&T) -> String) -> Result<(), BenchError> {
    let names: Vec<String> = values.iter().map(name).collect();
    let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
    match twice {
        _ if names.is_empty() => Err(BenchError::Option { option, reason: "at least one value is needed".into() }),
        Some((_, name)) => Err(BenchError::Option { option, reason: format!("{name} stands there twice") }),
        None => Ok(()),
    }
}
