//! The grid of labelling runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{Dataset, Digest};
use anoonly_train::Detector;
use anoonly_train::labelling::Refitter;
use tracing::{info, warn};

use super::LabellingPlan;
use super::analyst::Analyst;
use super::draw::DrawnRows;
use super::row::{Discovery, LabellingRow};
use crate::grid::{caught, json, program, shard};
use crate::workers::{self, Expected, LongestFirst};
use crate::{BenchError, Key, Place, Progress, Results, Shard, Status, Store, Strategy};

/// A plan with its data loaded and its rows drawn.
#[derive(Debug)]
pub struct LabellingGrid {
    plan: LabellingPlan,
    datasets: Vec<Dataset>,
    /// The rows of each data set and seed; the seed varies fastest.
    drawn: Vec<DrawnRows>,
    /// The digest of the program, which is part of every key.
    program: Digest,
    /// The digest of the rows of each data set.
    contents: Vec<Digest>,
    runs: Vec<Run>,
    /// The number of runs of the whole grid, including those of other shards.
    whole: usize,
}

/// One run.
#[derive(Clone, Debug)]
struct Run {
    dataset: usize,
    seed: usize,
    model: usize,
    strategy: Strategy,
    query: usize,
    /// The position in the grid.
    place: usize,
}

impl LabellingGrid {
    /// Loads every data set and draws the rows of every seed.
    ///
    /// # Errors
    /// When a name, a file or another part of the plan is invalid, or a data set has no anomaly or no normal row. Nothing has been
    /// written in that case.
    pub fn prepare(plan: LabellingPlan) -> Result<Self, BenchError> {
        plan.check()?;
        let entries = plan.source.select(&plan.datasets)?;
        let datasets: Vec<Dataset> = entries.iter().map(|entry| entry.load()).collect::<Result<_, _>>()?;
        let (mut drawn, mut runs) = (Vec::new(), Vec::new());
        for (dataset, samples) in datasets.iter().enumerate() {
            for (seed, &number) in plan.seeds.iter().enumerate() {
                drawn.push(DrawnRows::draw(samples, plan.most_rows, number)?);
                for model in 0..plan.models.len() {
                    for strategy in plan.strategies_of(model) {
                        for query in 0..plan.queries.len() {
                            let (strategy, place) = (strategy.clone(), runs.len());
                            runs.push(Run { dataset, seed, model, strategy, query, place });
                        }
                    }
                }
            }
        }
        let contents = datasets.iter().map(|dataset| Digest::of_samples(&dataset.samples)).collect();
        let whole = runs.len();
        Ok(Self { plan, datasets, drawn, program: program()?, contents, runs, whole })
    }

    /// Keeps one part of the grid. Every part gets the same share of the runs of each method, because methods differ in the time
    /// they take.
    pub fn shard(&mut self, part: Shard) {
        shard(&mut self.runs, part, |run| run.model, |run| run.place);
    }

    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// The number of runs that are already in the store.
    pub fn measured(&self, store: &Store<LabellingRow>) -> usize {
        self.runs.iter().filter(|run| store.measured(&self.key(run)).is_some()).count()
    }

    /// The rows that are labelled, for each data set and seed.
    pub fn drawn(&self) -> &[DrawnRows] {
        &self.drawn
    }

    /// Measures the runs that are not in the store yet, on `threads` threads, one run a thread, and adds each run to the store as soon
    /// as it is measured. A run that fails or panics becomes a row with the reason, and the other runs continue. Apart from the
    /// seconds, the results depend neither on the number of threads nor on how often the bench was stopped.
    ///
    /// No further fit begins once `stop` is true.
    ///
    /// # Errors
    /// When the threads cannot be started, the store cannot be written, or the bench was stopped before its end.
    pub fn run(
        &self,
        threads: usize,
        store: &Store<LabellingRow>,
        stop: &AtomicBool,
        on_progress: impl Fn(Progress) + Sync,
    ) -> Result<Results<LabellingRow>, BenchError> {
        let done = AtomicUsize::new(self.measured(store));
        let known = |run: &Run| {
            let known = store.measured(&self.key(run))?;
            Some(LabellingRow { family: self.datasets[run.dataset].family.clone(), ..known.clone() })
        };
        let mut rows: Vec<Option<LabellingRow>> = self.runs.iter().map(known).collect();
        let missing: Vec<usize> = (0..rows.len()).filter(|&run| rows[run].is_none()).collect();
        let expected = missing.iter().map(|&run| self.expected(&self.runs[run])).collect();
        let measured = workers::each(threads.min(missing.len()), LongestFirst::new(expected), |index| {
            let run = &self.runs[missing[index]];
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let name = self.name(run);
            on_progress(Progress::Begun(name.clone()));
            let row = self.measure(run, stop);
            if let Some(row) = &row {
                let made_by = self.maker(run);
                store.add(self.key(run), Place { place: run.place, of: self.whole, made_by, outsider: false }, row)?;
                on_progress(Progress::Run { done: done.fetch_add(1, Ordering::Relaxed) + 1 });
            }
            on_progress(Progress::Ended(name));
            Ok(row)
        })?;
        for (run, row) in missing.into_iter().zip(measured) {
            rows[run] = row;
        }
        let rows: Vec<LabellingRow> = rows.into_iter().flatten().collect();
        match (rows.len(), self.runs.len()) {
            (measured, total) if measured < total => Err(BenchError::Stopped { measured, total }),
            _ => Ok(Results { rows }),
        }
    }

    /// What decides how long a run takes: its method, and the size of its table.
    fn expected(&self, run: &Run) -> Expected {
        let values = self.rows(run).rows.len() * self.datasets[run.dataset].samples.columns();
        Expected { kind: run.model, size: values as f64, rows: None }
    }

    /// Measures a run; `None` if it was stopped.
    fn measure(&self, run: &Run, stop: &AtomicBool) -> Option<LabellingRow> {
        let plan = &self.plan;
        let dataset = &self.datasets[run.dataset];
        let (model, query) = (plan.models[run.model].info().name, plan.queries[run.query]);
        let seed = plan.seeds[run.seed].0;
        let rows = &self.rows(run).rows;
        let status = match caught(|| self.discover(run, stop)) {
            Ok(None) => return None,
            Ok(Some(discovery)) => {
                let found = discovery.found.last();
                info!(dataset = dataset.name, model, strategy = %run.strategy, %query, seed, found, "run done");
                Status::Ok(discovery)
            }
            Err(message) => {
                warn!(dataset = dataset.name, model, strategy = %run.strategy, %query, seed, message, "run failed");
                Status::Failed(message)
            }
        };
        let labels = dataset.samples.labels();
        Some(LabellingRow {
            dataset: dataset.name.clone(),
            family: dataset.family.clone(),
            model: model.into(),
            strategy: run.strategy.clone(),
            query,
            batch: plan.batch,
            budget: plan.budget,
            seed,
            n_rows: rows.len(),
            n_features: dataset.samples.columns(),
            n_anomalies: rows.iter().filter(|&&row| labels[row].is_anomaly()).count(),
            backend: plan.compute.backend(),
            status,
        })
    }

    fn discover(&self, run: &Run, stop: &AtomicBool) -> Result<Option<Discovery>, String> {
        let plan = &self.plan;
        let dataset = &self.datasets[run.dataset];
        let samples = dataset.samples.select(&self.rows(run).rows);
        let scaled = MinMaxScaler::fit(samples.features()).transform(samples.features().view());
        let truth = samples.labels().to_vec();
        // All methods have the same seed, so all begin with the same isolation forest.
        let seed = plan.seeds[run.seed].derive(&[&dataset.name, "labelling"]);
        let method = run.strategy.change(plan.models[run.model].clone());
        let detector = Detector::new(method, run.strategy.supervision(), seed).map_err(|error| error.to_string())?;
        let mut refitter = Refitter::new(samples, detector, &plan.compute).map_err(|error| error.to_string())?;
        let analyst = Analyst {
            truth: &truth,
            features: &scaled,
            query: plan.queries[run.query],
            batch: plan.batch,
            budget: plan.budget,
            seed,
        };
        let rank = |labels: &[_]| refitter.refit(labels).map_err(|error| error.to_string());
        analyst.work(rank, || stop.load(Ordering::Relaxed))
    }

    fn rows(&self, run: &Run) -> &DrawnRows {
        &self.drawn[run.dataset * self.plan.seeds.len() + run.seed]
    }

    /// The data set, method, query and seed of a run.
    fn name(&self, run: &Run) -> String {
        let plan = &self.plan;
        let (dataset, model) = (&self.datasets[run.dataset].name, plan.models[run.model].info().name);
        let strategy = if run.strategy == Strategy::none() { String::new() } else { format!(" {}", run.strategy) };
        format!("{dataset} {model}{strategy} {} seed {}", plan.queries[run.query], plan.seeds[run.seed].0)
    }

    /// The digest of everything that determines a run apart from its data, its labels and its query.
    fn maker(&self, run: &Run) -> String {
        let method = json(&(run.strategy.change(self.plan.models[run.model].clone()), &run.strategy));
        Digest::of_parts([self.program.bytes(), &method[..]]).to_string()
    }

    fn key(&self, run: &Run) -> Key {
        let plan = &self.plan;
        let rows = self.rows(run);
        let method = run.strategy.change(plan.models[run.model].clone());
        let labelling = (plan.queries[run.query], plan.budget, plan.batch);
        let compute = (plan.compute.backend(), plan.compute.name());
        let rest = json(&(rows, labelling, method, &run.strategy, compute));
        Key(Digest::of_parts([self.program.bytes(), self.contents[run.dataset].bytes(), &rest[..]]).to_string())
    }
}
