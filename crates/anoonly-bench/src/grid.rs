//! The grid of runs: every combination of data set, seed, method and strategy.

mod digest;
mod fitting;
mod job;
mod plan;
mod rows;

use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anoonly_core::Dataset;
use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::synthetic::Synthetic;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::summary::labels;
use crate::workers::{self, Expected, LongestFirst, SharedRows};
use crate::{BenchError, Results, Row, Store, Strategy, synthetic_name};
use rows::TrialRows;

pub(crate) use digest::{Digest, content, hex, json, program};
pub(crate) use fitting::caught;
pub use plan::Plan;
pub(crate) use plan::check_list;

/// A plan with its data loaded and its splits drawn.
#[derive(Debug)]
pub struct Grid {
    plan: Plan,
    datasets: Vec<Dataset>,
    /// The rows for each data set, seed and kind of synthetic rows; the kind varies fastest.
    rows: Vec<TrialRows>,
    /// The digest of the program, which is part of every key.
    program: Digest,
    /// The digest of the rows of each data set.
    contents: Vec<Digest>,
    jobs: Vec<Job>,
    /// The number of runs of the whole grid, including those of other shards.
    whole: usize,
}

/// The key of a run: the digest of everything that determines it, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub(crate) String);

/// A part of a grid, for one of several machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The part, counted from 1.
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

/// Keeps a part of some jobs, with the same share of the jobs of each method, in the order of their places.
pub(crate) fn shard<J>(jobs: &mut Vec<J>, part: Shard, model: impl Fn(&J) -> usize, place: impl Fn(&J) -> usize) {
    let mut all = std::mem::take(jobs);
    all.sort_by_key(|job| (model(job), place(job)));
    *jobs = all.into_iter().skip(part.part - 1).step_by(part.of).collect();
    jobs.sort_by_key(place);
}

/// The runs of one method on one split. They share everything that does not depend on the strategy.
#[derive(Clone, Copy, Debug)]
struct Job {
    dataset: usize,
    seed: usize,
    budget: LabelBudget,
    noise: Noise,
    synthetic: Option<Synthetic>,
    /// The index in the rows of the grid.
    rows: usize,
    model: usize,
    /// The position of its first run in the grid.
    place: usize,
}

/// A step of a running grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The runs of a job, described by its data set, method and seed, have begun.
    Begun(String),
    /// A run has ended.
    Run {
        /// The number of runs of the grid that have ended.
        done: usize,
    },
    /// The runs of a job have ended.
    Ended(String),
}

impl Grid {
    /// Loads every data set and draws every split of its rows. Synthetic rows are made when they are needed.
    ///
    /// # Errors
    /// When a name, a file, a label budget or another part of the plan is invalid. Nothing has been written in that case.
    pub fn prepare(plan: Plan) -> Result<Self, BenchError> {
        plan.check()?;
        let entries = plan.source.select(&plan.datasets)?;
        let datasets: Vec<_> = entries.par_iter().map(|entry| entry.load()).collect();
        let datasets: Vec<Dataset> = datasets.into_iter().collect::<Result<_, _>>()?;
        let (mut rows, mut jobs, mut place) = (Vec::new(), Vec::new(), 0);
        for (index, dataset) in datasets.iter().enumerate() {
            let seeds = plan.seeds.iter().enumerate();
            for ((seed, number), &synthetic) in
                seeds.flat_map(|seed| plan.synthetic.iter().map(move |kind| (seed, kind)))
            {
                rows.push(match synthetic {
                    None => TrialRows::Own(plan.own_rows(dataset, *number)?),
                    Some(kind) => TrialRows::Synthetic(kind, Mutex::default()),
                });
                let settings = plan.budgets.iter().flat_map(|&budget| plan.noises.iter().map(move |&n| (budget, n)));
                for (budget, noise) in settings {
                    for model in 0..plan.models.len() {
                        let rows = rows.len() - 1;
                        jobs.push(Job { dataset: index, seed, budget, noise, synthetic, rows, model, place });
                        place += plan.strategies_of(model).len();
                    }
                }
            }
        }
        let contents = datasets.par_iter().map(content).collect();
        Ok(Self { plan, datasets, rows, program: program()?, contents, jobs, whole: place })
    }

    /// Keeps one part of the grid. Every part gets the same share of the jobs of each method, because methods differ in the time
    /// they take.
    pub fn shard(&mut self, part: Shard) {
        shard(&mut self.jobs, part, |job| job.model, |job| job.place);
    }

    /// The number of jobs. The runs of one method on one split are one job and run one after the other.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.jobs.iter().map(|job| self.plan.strategies_of(job.model).len()).sum()
    }

    /// The number of runs that are already in the store.
    pub fn measured(&self, store: &Store) -> usize {
        self.jobs.iter().map(|job| self.measured_of(*job, store)).sum()
    }

    /// The number of runs of a job that are already in the store.
    fn measured_of(&self, job: Job, store: &Store) -> usize {
        let strategies = self.plan.strategies_of(job.model);
        strategies.iter().filter(|strategy| self.known(job, &self.key(job, strategy), store).is_some()).count()
    }

    /// Measures the runs that are not in the store yet, on `threads` threads, one run a thread, and adds each run to the store as soon
    /// as it is measured. Runs that are expected to take long begin first, so that no thread is idle for long at the end. The
    /// strategies of one method on one split run one after the other. A run that fails or panics becomes a row with the reason, and
    /// the other runs continue. Apart from the seconds, the results depend neither on the number of threads nor on how often the bench
    /// was stopped.
    ///
    /// No further run begins once `stop` is true.
    ///
    /// # Errors
    /// When the threads cannot be started, the store cannot be written, or the bench was stopped before its end.
    pub fn run(
        &self,
        threads: usize,
        store: &Store,
        stop: &AtomicBool,
        on_progress: impl Fn(Progress) + Sync,
    ) -> Result<Results, BenchError> {
        let done = AtomicUsize::new(self.measured(store));
        let total = self.runs();
        let on_row = || on_progress(Progress::Run { done: done.fetch_add(1, Ordering::Relaxed) + 1 });
        let is_complete = |job: &Job| self.measured_of(*job, store) == self.plan.strategies_of(job.model).len();
        let (complete, missing): (Vec<Job>, Vec<Job>) = self.jobs.iter().partition(|job| is_complete(job));
        let mut rows = Vec::new();
        for job in complete {
            rows.push((job.place, self.run_job(job, store, stop, &on_row)?));
        }
        let users = missing.iter().fold(vec![0; self.rows.len()], |mut users, job| {
            users[job.rows] += 1;
            users
        });
        let users: Vec<AtomicUsize> = users.into_iter().map(AtomicUsize::new).collect();
        let order = LongestFirst::new(missing.iter().map(|job| self.expected(*job)).collect());
        rows.extend(workers::each(threads.min(missing.len()), order, |index| {
            let job = missing[index];
            let name = self.name(job);
            on_progress(Progress::Begun(name.clone()));
            let rows = self.run_job(job, store, stop, &on_row);
            on_progress(Progress::Ended(name));
            if users[job.rows].fetch_sub(1, Ordering::Relaxed) == 1 {
                self.rows[job.rows].forget();
            }
            Ok((job.place, rows?))
        })?);
        rows.sort_by_key(|(place, _)| *place);
        let rows: Vec<Row> = rows.into_iter().flat_map(|(_, rows)| rows).collect();
        match rows.len() {
            measured if measured < total => Err(BenchError::Stopped { measured, total }),
            _ => Ok(Results { rows }),
        }
    }

    /// What decides how long a job takes: its method, and the size of its data set.
    fn expected(&self, job: Job) -> Expected {
        let samples = &self.datasets[job.dataset].samples;
        let made = matches!(self.rows[job.rows], TrialRows::Synthetic(..));
        let rows = made.then_some(SharedRows(job.rows));
        Expected { kind: job.model, size: (samples.rows() * samples.columns()) as f64, rows }
    }

    /// The data set, method and seed of a job, and in a sweep also its setting.
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

    /// The run of a key, if it is complete in the store.
    fn known<'a>(&self, job: Job, key: &Key, store: &'a Store) -> Option<&'a Row> {
        store.measured(key).filter(|row| row.details.is_some() || !self.detailed(job))
    }

    /// Whether the details of a job are kept: only for the first seed, label budget, noise and kind of rows.
    fn detailed(&self, job: Job) -> bool {
        let plan = &self.plan;
        let first = (plan.budgets[0], plan.noises[0], plan.synthetic[0]);
        job.seed == 0 && (job.budget, job.noise, job.synthetic) == first
    }

    /// The digest of everything that determines a run apart from its data.
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
        // Runs on the rows of the data set have no kind in their digest, so their keys stay valid.
        if let Some(kind) = job.synthetic {
            digest.update(kind.name());
        }
        // Runs on the processor have no device in their digest.
        if let Some(device) = plan.compute.name() {
            digest.update(device);
        }
        Key(hex(&digest.finalize()))
    }
}
