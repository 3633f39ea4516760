//! The grid of runs: every combination of data set, seed, method and strategy.

mod digest;
mod drawn;
mod fitting;
mod job;
mod plan;
mod rows;
mod shard;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anoonly_core::budget::LabelBudget;
use anoonly_core::{Dataset, Digest};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::outsiders::OutsiderRun;
use crate::store::PlaceOrder;
use crate::summary::labels;
use crate::workers::{self, Expected, LongestFirst, SharedRows};
use crate::{BenchError, Results, Row, Store, Strategy, synthetic_name};
use rows::TrialRows;

pub(crate) use digest::{json, program};
pub(crate) use drawn::{DrawnSplit, SplitSource};
pub(crate) use fitting::caught;
pub use plan::Plan;
pub(crate) use plan::check_list;
pub use shard::Shard;
pub(crate) use shard::shard;

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
    /// The splits of the whole grid, including those of other shards.
    splits: Vec<SplitSource>,
    jobs: Vec<Job>,
    /// The number of runs of methods in the whole grid, including those of other shards.
    whole: usize,
    /// The runs that other programs measured.
    pub(crate) outsiders: Vec<OutsiderRun>,
}

/// The key of a run: the digest of everything that determines it, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub(crate) String);

/// The runs of one method on one split. They share everything that does not depend on the strategy.
#[derive(Clone, Copy, Debug)]
struct Job {
    split: SplitSource,
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
        let (mut rows, mut splits, mut jobs, mut place) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (index, dataset) in datasets.iter().enumerate() {
            let own = plan.own_splits(dataset)?;
            let budgets = plan.budgets_on(dataset, &own)?;
            let kinds = own.iter().enumerate().flat_map(|own| plan.synthetic.iter().map(move |&kind| (own, kind)));
            for ((seed, own), synthetic) in kinds {
                let made = synthetic.map(|kind| TrialRows::Synthetic(kind, Mutex::default()));
                rows.extend(made.or_else(|| own.clone().map(TrialRows::Own)));
                let settings = budgets.iter().flat_map(|&budget| plan.noises.iter().map(move |&n| (budget, n)));
                for (budget, noise) in settings {
                    let end = place + plan.runs_on(budget);
                    let split =
                        SplitSource { dataset: index, seed, budget, noise, synthetic, rows: rows.len() - 1, end };
                    splits.push(split);
                    for model in plan.models_on(budget) {
                        jobs.push(Job { split, model, place });
                        place += plan.strategies_of(model).len();
                    }
                }
            }
        }
        if jobs.is_empty() {
            let models = plan.models.iter().map(|model| model.info().name.to_owned()).collect();
            return Err(BenchError::NeedLabels { models });
        }
        let contents = datasets.par_iter().map(|dataset| Digest::of_samples(&dataset.samples)).collect();
        Ok(Self {
            plan,
            datasets,
            rows,
            program: program()?,
            contents,
            splits,
            jobs,
            whole: place,
            outsiders: Vec::new(),
        })
    }

    /// Keeps one part of the grid. Every part gets the same share of the jobs of each method, because methods differ in the time
    /// they take.
    pub fn shard(&mut self, part: Shard) {
        shard(&mut self.jobs, part, |job| job.model, |job| job.place);
        shard(&mut self.outsiders, part, |run| run.model, |run| run.index);
    }

    /// Each label budget with the number of data sets that are measured with it. A data set is left out at a count of labels that its
    /// training rows do not have at every seed.
    pub fn sets_of_budgets(&self) -> Vec<(LabelBudget, usize)> {
        let sets = |budget: LabelBudget| {
            let of = self.splits.iter().filter(|split| split.budget == budget).map(|split| split.dataset);
            of.collect::<BTreeSet<usize>>().len()
        };
        self.plan.budgets.iter().map(|&budget| (budget, sets(budget))).collect()
    }

    /// The number of data sets.
    pub fn sets(&self) -> usize {
        self.datasets.len()
    }

    /// The methods that are left out where no row is labelled, because they need a labelled anomaly.
    pub fn left_out_without_labels(&self) -> Vec<&'static str> {
        let left_out = |budget: &LabelBudget| {
            let runs: Vec<usize> = self.plan.models_on(*budget).collect();
            (0..self.plan.models.len()).filter(move |model| !runs.contains(model))
        };
        let names: BTreeSet<usize> = self.plan.budgets.iter().flat_map(left_out).collect();
        names.into_iter().map(|model| self.plan.models[model].info().name).collect()
    }

    /// The number of jobs. The runs of one method on one split are one job and run one after the other.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// The number of runs, including those of other programs.
    pub fn runs(&self) -> usize {
        let of_methods: usize = self.jobs.iter().map(|job| self.plan.strategies_of(job.model).len()).sum();
        of_methods + self.outsiders.len()
    }

    /// The number of runs that are already in the store.
    pub fn measured(&self, store: &Store) -> usize {
        let of_methods: usize = self.jobs.iter().map(|job| self.measured_of(*job, store)).sum();
        of_methods + self.outsiders.iter().filter(|run| run.known(store).is_some()).count()
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
        for run in &self.outsiders {
            rows.push((run.order(), vec![run.stored(store, on_row)?]));
        }
        for job in complete {
            rows.push((PlaceOrder::of_method(job.place), self.run_job(job, store, stop, &on_row)?));
        }
        let users = missing.iter().fold(vec![0; self.rows.len()], |mut users, job| {
            users[job.split.rows] += 1;
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
            if users[job.split.rows].fetch_sub(1, Ordering::Relaxed) == 1 {
                self.rows[job.split.rows].forget();
            }
            Ok((PlaceOrder::of_method(job.place), rows?))
        })?);
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let rows: Vec<Row> = rows.into_iter().flat_map(|(_, rows)| rows).collect();
        match rows.len() {
            measured if measured < total => Err(BenchError::Stopped { measured, total }),
            _ => Ok(Results { rows }),
        }
    }

    /// What decides how long a job takes: its method, and the size of its data set.
    fn expected(&self, job: Job) -> Expected {
        let SplitSource { dataset, rows, synthetic, .. } = job.split;
        let samples = &self.datasets[dataset].samples;
        let rows = synthetic.map(|_| SharedRows(rows));
        Expected { kind: job.model, size: (samples.rows() * samples.columns()) as f64, rows }
    }

    /// The data set, method and seed of a job, and in a sweep also its setting.
    fn name(&self, job: Job) -> String {
        let plan = &self.plan;
        let model = plan.models[job.model].info().name;
        let SplitSource { dataset, seed, budget, noise, synthetic, .. } = job.split;
        let mut name = format!("{} {model} seed {}", self.datasets[dataset].name, plan.seeds[seed].0);
        if plan.budgets.len() > 1 {
            name += &format!(", {}", labels(budget));
        }
        if plan.noises.len() > 1 {
            name += &format!(", {noise}");
        }
        if plan.synthetic.len() > 1 {
            name += &format!(", synthetic {}", synthetic_name(synthetic));
        }
        name
    }

    /// The run of a key, if it is complete in the store.
    fn known<'a>(&self, job: Job, key: &Key, store: &'a Store) -> Option<&'a Row> {
        store.measured(key).filter(|row| row.details.is_some() || !self.detailed(&job.split))
    }

    /// Whether the details of runs on a split are kept: only for the first seed, label budget, noise and kind of rows.
    fn detailed(&self, split: &SplitSource) -> bool {
        let plan = &self.plan;
        let first = (plan.budgets[0], plan.noises[0], plan.synthetic[0]);
        split.seed == 0 && (split.budget, split.noise, split.synthetic) == first
    }

    /// The digest of everything that determines a run apart from its data.
    fn maker(&self, model: usize, strategy: &Strategy) -> String {
        let method = json(&(strategy.change(self.plan.models[model].clone()), strategy));
        Digest::of_parts([self.program.bytes(), &method[..]]).to_string()
    }

    fn key(&self, job: Job, strategy: &Strategy) -> Key {
        let plan = &self.plan;
        let method = strategy.change(plan.models[job.model].clone());
        let SplitSource { dataset, seed, budget, noise, synthetic, .. } = job.split;
        let (name, seed) = (&self.datasets[dataset].name, plan.seeds[seed]);
        let rest = (name, plan.protocol, budget, noise, seed, method, strategy, plan.compute.backend());
        let rest = json(&rest);
        let parts = [self.program.bytes(), self.contents[dataset].bytes(), &rest[..]];
        // Runs on the rows of the data set have no kind in their digest, and runs on the processor no device.
        let others = [synthetic.map(|kind| kind.name()), plan.compute.name()].into_iter().flatten();
        Key(Digest::of_parts(parts.into_iter().chain(others.map(str::as_bytes))).to_string())
    }
}
