//! Every combination of data set, seed, method and strategy, and how they are run.

mod digest;
mod fitting;

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anoonly_data::budget::LabelBudget;
use anoonly_data::catalogue::Source;
use anoonly_data::noise::Noise;
use anoonly_data::protocol::{Protocol, Trial};
use anoonly_data::split::Split;
use anoonly_data::synthetic::Synthetic;
use anoonly_data::{Dataset, Seed};
use anoonly_models::{AnyMethod, Method};
use anoonly_train::{ComputeDevice, Detector};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use crate::summary::labels;
use crate::{BenchError, Place, Results, Row, Status, Store, Strategy, synthetic_name};
use digest::{Digest, content, hex, json, program};
use fitting::{FitAndScore, Outcome, caught};

/// What to run: every combination of its lists.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the data sets are.
    pub source: Source,
    /// Names or patterns of data sets; none for all.
    pub datasets: Vec<String>,
    /// The methods.
    pub models: Vec<AnyMethod>,
    /// The strategies for methods that learn from few labels. Methods without a loss to take apart run once, without one.
    pub strategies: Vec<Strategy>,
    /// How many training anomalies stay labelled; every one of them is run.
    pub budgets: Vec<LabelBudget>,
    /// What is done to the rows; every one of them is run.
    pub noises: Vec<Noise>,
    /// Kinds of synthetic rows in place of a data set's own, `None` for its own; every one of them is run.
    pub synthetic: Vec<Option<Synthetic>>,
    /// The seeds; each draws its own split, labels, weights and batches.
    pub seeds: Vec<Seed>,
    /// How a data set becomes a training and a test part.
    pub protocol: Protocol,
    /// What computes.
    pub compute: ComputeDevice,
}

/// A plan with its data loaded and its splits drawn.
#[derive(Debug)]
pub struct Grid {
    plan: Plan,
    datasets: Vec<Dataset>,
    /// One for each data set, seed and kind of synthetic rows, these innermost.
    rows: Vec<Rows>,
    /// What determines a run besides its job: the program, and the rows of each data set.
    program: Digest,
    contents: Vec<Digest>,
    jobs: Vec<Job>,
    /// The runs of the whole grid, whatever the part of it that is run here.
    whole: usize,
}

/// What is trained and judged on for a data set and seed.
#[derive(Debug)]
enum Rows {
    /// The data set's own rows.
    Own(Split),
    /// Synthetic ones, which take their time and room: the first job that needs them makes them, and the last one lets go of
    /// them.
    Synthetic(Synthetic, Mutex<Option<Made>>),
}

/// Synthetic rows and their split, or why there are none.
type Made = Result<Arc<(Dataset, Split)>, String>;

impl Rows {
    /// Lets go of what was made.
    fn forget(&self) {
        if let Rows::Synthetic(_, made) = self {
            *made.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// The digest of everything that determines a run, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub(crate) String);

/// A part of a grid, for a machine of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub part: usize,
    /// The number of parts.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Self { part, of }),
            _ => Err("give PART/PARTS, as 2/5 for the second part of five".into()),
        }
    }
}

/// The runs of one method on one split, which share what no strategy has a say in.
#[derive(Clone, Copy, Debug)]
struct Job {
    dataset: usize,
    seed: usize,
    budget: LabelBudget,
    noise: Noise,
    synthetic: Option<Synthetic>,
    /// Which of the grid's rows.
    rows: usize,
    model: usize,
    /// The place of its first run in the grid.
    place: usize,
}

/// What a grid at work tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The runs of this data set, method and seed have begun.
    Begun(String),
    /// A run of these has ended; this many of the grid have now.
    Run {
        /// Runs that have ended.
        done: usize,
    },
    /// The runs of this data set, method and seed have ended.
    Ended(String),
}

impl Grid {
    /// Loads every data set and draws every split of its own rows; synthetic ones are made when they are needed.
    ///
    /// # Errors
    /// When a name, a file, a label budget or any other part of the plan is wrong. Nothing has been written then.
    pub fn prepare(plan: Plan) -> Result<Self, BenchError> {
        for model in &plan.models {
            model.check()?;
        }
        check_list("--seeds", &plan.seeds, |seed| seed.0.to_string())?;
        check_list("--models", &plan.models, |model| model.info().name.to_owned())?;
        check_list("--strategies", &plan.strategies, Strategy::to_string)?;
        check_list("--label-ratio or --label-count", &plan.budgets, |budget| format!("{budget:?}"))?;
        check_list("--noise-level", &plan.noises, Noise::to_string)?;
        check_list("--synthetic", &plan.synthetic, |kind| synthetic_name(*kind).to_owned())?;
        for budget in &plan.budgets {
            budget.checked()?;
        }

        let entries = plan.source.select(&plan.datasets)?;
        let datasets: Vec<Dataset> = entries.iter().map(|entry| entry.load()).collect::<Result<_, _>>()?;
        let (mut rows, mut jobs, mut place) = (Vec::new(), Vec::new(), 0);
        for (index, dataset) in datasets.iter().enumerate() {
            let seeds = plan.seeds.iter().enumerate();
            for ((seed, number), &synthetic) in
                seeds.flat_map(|seed| plan.synthetic.iter().map(move |kind| (seed, kind)))
            {
                rows.push(match synthetic {
                    None => Rows::Own(plan.own_rows(dataset, *number)?),
                    Some(kind) => Rows::Synthetic(kind, Mutex::default()),
                });
                let settings = plan.budgets.iter().flat_map(|&budget| plan.noises.iter().map(move |&n| (budget, n)));
                for (budget, noise) in settings {
                    for model in 0..plan.models.len() {
                        let rows = rows.len() - 1;
                        jobs.push(Job { dataset: index, seed, budget, noise, synthetic, rows, model, place });
                        place += strategies(&plan, model).len();
                    }
                }
            }
        }
        let contents = datasets.iter().map(content).collect();
        Ok(Self { plan, datasets, rows, program: program()?, contents, jobs, whole: place })
    }

    /// Keeps the part of the grid that is this machine's: of every method, which may take long or short, as many jobs as the
    /// others have.
    pub fn shard(&mut self, Shard { part, of }: Shard) {
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.sort_by_key(|job| (job.model, job.place));
        self.jobs = jobs.into_iter().skip(part - 1).step_by(of).collect();
        self.jobs.sort_by_key(|job| job.place);
    }

    /// The number of jobs: the runs of one method on one split are done one after the other.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.jobs.iter().map(|job| strategies(&self.plan, job.model).len()).sum()
    }

    /// The number of runs that the store holds already.
    pub fn measured(&self, store: &Store) -> usize {
        let of = |job: &Job| {
            let strategies = strategies(&self.plan, job.model);
            strategies.iter().filter(|strategy| self.known(*job, &self.key(*job, strategy), store).is_some()).count()
        };
        self.jobs.iter().map(of).sum()
    }

    /// Runs what the store does not hold yet on so many threads, the strategies of one method on one split in turn, and puts
    /// each run into the store as soon as it is measured. A run that fails, be it by a panic, becomes a row that says why,
    /// and the others go on. Apart from the seconds, the results do not depend on the number of threads, nor on how often
    /// the bench was stopped.
    ///
    /// Once `stop` is true no further run begins.
    ///
    /// # Errors
    /// When the threads cannot be started or the store cannot be written, or when it was stopped before its end.
    pub fn run(
        &self,
        threads: usize,
        store: &Store,
        stop: &AtomicBool,
        on_progress: impl Fn(Progress) + Sync,
    ) -> Result<Results, BenchError> {
        let threads = threads.min(self.jobs.len());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| BenchError::Threads { threads, reason: error.to_string() })?;
        let done = AtomicUsize::new(self.measured(store));
        let total = self.runs();
        let users = self.jobs.iter().fold(vec![0; self.rows.len()], |mut users, job| {
            users[job.rows] += 1;
            users
        });
        let users: Vec<AtomicUsize> = users.into_iter().map(AtomicUsize::new).collect();
        let on_row = || on_progress(Progress::Run { done: done.fetch_add(1, Ordering::Relaxed) + 1 });
        let run = |job: &Job| {
            let name = self.name(*job);
            on_progress(Progress::Begun(name.clone()));
            let rows = self.run_job(*job, store, stop, &on_row);
            on_progress(Progress::Ended(name));
            if users[job.rows].fetch_sub(1, Ordering::Relaxed) == 1 {
                self.rows[job.rows].forget();
            }
            rows
        };
        let rows: Result<Vec<Vec<Row>>, BenchError> = pool.install(|| self.jobs.par_iter().map(run).collect());
        let rows: Vec<Row> = rows?.into_iter().flatten().collect();
        match rows.len() {
            measured if measured < total => Err(BenchError::Stopped { measured, total }),
            _ => Ok(Results { rows }),
        }
    }

    /// The data set, method and seed of a job, and of a sweep its setting.
    fn name(&self, job: Job) -> String {
        let plan = &self.plan;
        let model = plan.models[job.model].info().name;
        let mut name = format!("{} {model} seed {}", self.datasets[job.dataset].name, plan.seeds[job.seed].0);
        if plan.budgets.len() > 1 {
            name += &format!(", {}", labels(job.budget));
        }
        if plan.noises.len() > 1 {
            name += &format!(", {}", job.noise);
        }
        if plan.synthetic.len() > 1 {
            name += &format!(", synthetic {}", synthetic_name(job.synthetic));
        }
        name
    }

    /// A run of which nothing is left to do.
    fn known<'a>(&self, job: Job, key: &Key, store: &'a Store) -> Option<&'a Row> {
        store.measured(key).filter(|row| row.details.is_some() || !self.detailed(job))
    }

    /// Whether a job is one of those whose details are kept: those of the first seed, label budget, noise and kind of rows.
    fn detailed(&self, job: Job) -> bool {
        let plan = &self.plan;
        let first = (plan.budgets[0], plan.noises[0], plan.synthetic[0]);
        job.seed == 0 && (job.budget, job.noise, job.synthetic) == first
    }

    /// What a job is trained and judged on.
    fn trial(&self, job: Job) -> Result<Trial, String> {
        let dataset = &self.datasets[job.dataset];
        let (protocol, seed) = (self.plan.protocol, self.plan.seeds[job.seed]);
        let noisy = |dataset: &Dataset, split: &Split| {
            caught(|| Trial::noisy(dataset, split, job.budget, job.noise, seed).map_err(|error| error.to_string()))
        };
        let (kind, made) = match &self.rows[job.rows] {
            Rows::Own(split) => return noisy(dataset, split),
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
        noisy(&made.0, &made.1)
    }

    /// The digest of what makes a run, whatever its data.
    fn maker(&self, model: usize, strategy: &Strategy) -> String {
        let mut digest = Sha256::new();
        digest.update(self.program);
        digest.update(json(&(strategy.change(self.plan.models[model].clone()), strategy)));
        hex(&digest.finalize())
    }

    fn key(&self, job: Job, strategy: &Strategy) -> Key {
        let plan = &self.plan;
        let method = strategy.change(plan.models[job.model].clone());
        let dataset = &self.datasets[job.dataset].name;
        let seed = plan.seeds[job.seed];
        let rest = (dataset, plan.protocol, job.budget, job.noise, seed, method, strategy, plan.compute.backend());
        let mut digest = Sha256::new();
        digest.update(self.program);
        digest.update(self.contents[job.dataset]);
        digest.update(json(&rest));
        // The rows of a data set itself leave the digest as it is, so that their runs keep their keys.
        if let Some(kind) = job.synthetic {
            digest.update(kind.name());
        }
        // So does the processor.
        if let Some(device) = plan.compute.name() {
            digest.update(device);
        }
        Key(hex(&digest.finalize()))
    }

    /// The rows of a job's runs, but for those that a stop kept from beginning.
    fn run_job(
        &self,
        job: Job,
        store: &Store,
        stop: &AtomicBool,
        on_row: &(impl Fn() + Sync),
    ) -> Result<Vec<Row>, BenchError> {
        let plan = &self.plan;
        let dataset = &self.datasets[job.dataset];
        let seed = plan.seeds[job.seed];
        let strategies = strategies(plan, job.model);
        let keys: Vec<Key> = strategies.iter().map(|strategy| self.key(job, strategy)).collect();
        let known = |key| Some(Row { family: dataset.family.clone(), ..self.known(job, key, store)?.clone() });
        let mut rows: Vec<Option<Row>> = keys.iter().map(known).collect();
        let missing: Vec<usize> = (0..rows.len()).filter(|&index| rows[index].is_none()).collect();
        if missing.is_empty() || stop.load(Ordering::Relaxed) {
            return Ok(rows.into_iter().flatten().collect());
        }
        let trial = self.trial(job);
        let name = plan.models[job.model].info().name;
        // Host and AnoOnly start from the same weights and see the same batches: their difference is the strategy's alone.
        let detector = |&index: &usize| {
            let method = strategies[index].change(plan.models[job.model].clone());
            let detector = Detector::new(method, strategies[index].supervision(), seed.derive(&[&dataset.name, name]));
            (index, detector.map_err(|error| error.to_string()))
        };
        let detectors = missing.iter().map(detector).collect();
        let of_trial = |size: fn(&Trial) -> usize| trial.as_ref().map_or(0, size);
        let row = |index: usize, outcome: Result<Outcome, String>| {
            let strategy = &strategies[index];
            let (status, details) = match outcome {
                Ok(Outcome { scores, details }) => {
                    info!(dataset = dataset.name, model = name, %strategy, seed = seed.0, auroc = scores.auroc, "run done");
                    (Status::Ok(scores), details.map(Arc::new))
                }
                Err(message) => {
                    warn!(dataset = dataset.name, model = name, %strategy, seed = seed.0, message, "run failed");
                    (Status::Failed(message), None)
                }
            };
            let row = Row {
                dataset: dataset.name.clone(),
                family: dataset.family.clone(),
                model: name.into(),
                strategy: strategy.clone(),
                protocol: plan.protocol,
                budget: job.budget,
                noise: job.noise,
                n_labeled: of_trial(|trial| trial.labelled),
                seed: seed.0,
                n_train: of_trial(|trial| trial.train.rows()),
                n_test: of_trial(|trial| trial.test.rows()),
                n_features: of_trial(|trial| trial.train.columns()),
                backend: plan.compute.backend(),
                synthetic: job.synthetic,
                status,
                details,
            };
            let key = keys[index].clone();
            let row = match (store.measured(&key), row.details) {
                // Measured before, as with another first seed: only its details were missing.
                (Some(known), details) => {
                    details.iter().try_for_each(|details| store.add_details(key.clone(), details))?;
                    Row { family: row.family, details, ..known.clone() }
                }
                (None, details) => {
                    let row = Row { details, ..row };
                    let made_by = self.maker(job.model, &row.strategy);
                    store.add(key, Place { place: job.place + index, of: self.whole, made_by }, &row)?;
                    row
                }
            };
            on_row();
            Ok::<_, BenchError>((index, row))
        };
        let details = self.detailed(job).then(|| seed.derive(&[&dataset.name, "details"]));
        let measured = match &trial {
            Ok(trial) => plan.compute.run(FitAndScore { detectors, trial, details, stop, row })?,
            Err(reason) => missing.iter().map(|&index| row(index, Err(reason.clone()))).collect::<Result<_, _>>()?,
        };
        for (index, row) in measured {
            rows[index] = Some(row);
        }
        Ok(rows.into_iter().flatten().collect())
    }
}

impl Plan {
    /// The split of a data set's own rows, each label budget of which can be kept.
    fn own_rows(&self, dataset: &Dataset, seed: Seed) -> Result<Split, BenchError> {
        let split = self.protocol.split(dataset, seed).map_err(|error| error.in_dataset(&dataset.name))?;
        let labels = dataset.samples.labels();
        let anomalies = split.train.iter().filter(|&&row| labels[row].is_anomaly()).count();
        // A noise may change the number of anomalies: what it makes impossible is a run that fails.
        for budget in self.budgets.iter().filter(|_| self.noises.contains(&Noise::None)) {
            budget.labelled(anomalies).map_err(|error| error.in_dataset(&dataset.name))?;
        }
        Ok(split)
    }
}

/// The strategies of a method; one that no strategy has a say in has none.
fn strategies(plan: &Plan, model: usize) -> Vec<Strategy> {
    match plan.models[model].takes_strategy() {
        true => plan.strategies.clone(),
        false => vec![Strategy::none()],
    }
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
