//! The runs of one method on one split.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anoonly_core::Dataset;
use anoonly_core::protocol::Trial;
use anoonly_core::split::Split;
use anoonly_train::Detector;
use tracing::{info, warn};

use super::fitting::{FitAndScore, Outcome};
use super::{Grid, Job, Key, SplitSource, caught};
use crate::{BenchError, Place, Row, Status, Store, Strategy};

impl Grid {
    /// The trial of a split: its training and test rows.
    pub(super) fn trial(&self, source: &SplitSource) -> Result<Trial, String> {
        let seed = self.plan.seeds[source.seed];
        let noisy = |dataset: &Dataset, split: &Split| {
            caught(|| {
                Trial::noisy(dataset, split, source.budget, source.noise, seed).map_err(|error| error.to_string())
            })
        };
        self.rows[source.rows].with(&self.datasets[source.dataset], self.plan.protocol, seed, noisy)
    }

    /// The row of a run on a split that has not been measured yet. Without a trial, its sizes are 0.
    pub(super) fn row(&self, source: &SplitSource, trial: Option<&Trial>, model: &str, strategy: &Strategy) -> Row {
        let plan = &self.plan;
        let dataset = &self.datasets[source.dataset];
        let of_trial = |size: fn(&Trial) -> usize| trial.map_or(0, size);
        Row {
            dataset: dataset.name.clone(),
            family: dataset.family.clone(),
            model: model.into(),
            strategy: strategy.clone(),
            protocol: plan.protocol,
            budget: source.budget,
            noise: source.noise,
            n_labeled: of_trial(|trial| trial.labelled),
            seed: plan.seeds[source.seed].0,
            n_train: of_trial(|trial| trial.train.rows()),
            n_test: of_trial(|trial| trial.test.rows()),
            n_features: of_trial(|trial| trial.train.columns()),
            backend: plan.compute.backend(),
            synthetic: source.synthetic,
            status: Status::Failed("not measured".into()),
            details: None,
        }
    }

    /// Measures the runs of a job and returns their rows. Runs that a stop prevents are missing.
    pub(super) fn run_job(
        &self,
        job: Job,
        store: &Store,
        stop: &AtomicBool,
        on_row: &(impl Fn() + Sync),
    ) -> Result<Vec<Row>, BenchError> {
        let plan = &self.plan;
        let dataset = &self.datasets[job.split.dataset];
        let seed = plan.seeds[job.split.seed];
        let strategies = plan.strategies_of(job.model);
        let keys: Vec<Key> = strategies.iter().map(|strategy| self.key(job, strategy)).collect();
        let known = |key| Some(Row { family: dataset.family.clone(), ..self.known(job, key, store)?.clone() });
        let mut rows: Vec<Option<Row>> = keys.iter().map(known).collect();
        let missing: Vec<usize> = (0..rows.len()).filter(|&index| rows[index].is_none()).collect();
        if missing.is_empty() || stop.load(Ordering::Relaxed) {
            return Ok(rows.into_iter().flatten().collect());
        }
        let trial = self.trial(&job.split);
        let name = plan.models[job.model].info().name;
        // Host and AnoOnly start from the same weights and see the same batches, so they differ only in the strategy.
        let detector = |&index: &usize| {
            let method = strategies[index].change(plan.models[job.model].clone());
            let detector = Detector::new(method, strategies[index].supervision(), seed.derive(&[&dataset.name, name]));
            (index, detector.map_err(|error| error.to_string()))
        };
        let detectors = missing.iter().map(detector).collect();
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
            let row = Row { status, details, ..self.row(&job.split, trial.as_ref().ok(), name, strategy) };
            let key = keys[index].clone();
            let row = match (store.measured(&key), row.details) {
                // The run was measured before, for example under another first seed. Only its details were missing.
                (Some(known), details) => {
                    details.iter().try_for_each(|details| store.add_details(key.clone(), details))?;
                    Row { family: row.family, details, ..known.clone() }
                }
                (None, details) => {
                    let row = Row { details, ..row };
                    let made_by = self.maker(job.model, &row.strategy);
                    store.add(
                        key,
                        Place { place: job.place + index, of: self.whole, made_by, outsider: false },
                        &row,
                    )?;
                    row
                }
            };
            on_row();
            Ok::<_, BenchError>((index, row))
        };
        let details = self.detailed(&job.split).then(|| seed.derive(&[&dataset.name, "details"]));
        let measured = match &trial {
            Ok(trial) => FitAndScore { detectors, trial, details, stop, row }.run(&plan.compute)?,
            Err(reason) => missing.iter().map(|&index| row(index, Err(reason.clone()))).collect::<Result<_, _>>()?,
        };
        for (index, row) in measured {
            rows[index] = Some(row);
        }
        Ok(rows.into_iter().flatten().collect())
    }
}
