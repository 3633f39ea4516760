//! From a table to a model: columns of any kind, labels as they stand there, several members, held-out rows.
//!
//! A [`Detector`] says how to learn; its fit gives a [`Model`], which scores tables of the same columns and is one file.

mod error;
mod evaluation;
mod explain;
mod folds;
mod model;
mod onnx;
mod stopping;
mod threshold;
mod validation;

use std::ops::ControlFlow;

use anoonly_core::{Digest, Label, Samples, Seed};
use anoonly_data::DataError;
use anoonly_data::encode::{Encoder, EncoderOptions, Unknown};
use anoonly_data::table::{LabelColumn, Labels, Table};
use anoonly_eval::Calibration;
use anoonly_models::AnyMethod;
use anoonly_models::networks::deepsad::DeepSadConfig;
use anoonly_models::networks::devnet::DevNetConfig;
use anoonly_models::networks::feawad::FeawadConfig;
use anoonly_models::networks::prenet::PReNetConfig;
use anoonly_models::rules::quorum::QuorumConfig;
use anoonly_train::{ComputeDevice, Epoch, FittedDetector, Fitter, Supervision};
use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;
use rayon::prelude::*;

pub use error::PipelineError;
pub use evaluation::{AtThreshold, Evaluation, Judged};
pub use explain::{Contribution, ExplainedRow};
pub use model::{About, Counts, Model, Scored, Standard};
pub use onnx::OnnxModel;
pub use stopping::Stopping;
pub use threshold::{Threshold, ThresholdRule};
pub use validation::Validation;

/// How to learn from a table: a method, the strategy that trains it, and what the columns are.
///
/// ```
/// # use anoonly::data::table::Table;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// # let row = |row: usize| format!("{},{},{}\n", row % 7, ["a", "b"][row % 2], if row % 50 == 0 { "1" } else { "" });
/// # std::fs::write(&path, format!("size,kind,bad\n{}", (0..200).map(row).collect::<String>()))?;
/// let table = Table::read(&path)?;
/// let model = anoonly::Detector::devnet().fit(&table, "bad")?;
/// let scores: Vec<f32> = model.score(&table)?;
/// # assert_eq!(scores.len(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    method: AnyMethod,
    supervision: Supervision,
    members: usize,
    early_stopping: bool,
    held_out: f64,
    seed: Seed,
    ids: Vec<String>,
    columns: EncoderOptions,
}

/// Members of a method that is trained, chosen by measurement (`docs/experiments/README.md`).
const MEMBERS: usize = 5;

/// The most rows that are held out: with so many, p-values go down to 0.0005.
const MOST_HELD_OUT: usize = 2000;

/// The columns that scores have of their own.
const OUTPUT: [&str; 5] = ["row", "score", "rank", "p_value", "flagged"];

/// A table as numbers: what every fit on it starts from.
#[derive(Debug)]
struct Prepared {
    encoder: Encoder,
    samples: Samples,
    left_out: Vec<anoonly_data::encode::LeftOut>,
    labels: Labels,
    filled: usize,
}

impl Detector {
    /// A method with the strategy AnoOnly, five members or, if it is not trained, one, a fifth of the unlabelled rows held
    /// out, and seed 1.
    pub fn new(method: impl Into<AnyMethod>) -> Self {
        let method = method.into();
        Self {
            members: if method.recipe().is_some() { MEMBERS } else { 1 },
            method,
            supervision: Supervision::AnomalyOnly,
            early_stopping: false,
            held_out: 0.2,
            seed: Seed(1),
            ids: Vec::new(),
            columns: EncoderOptions::default(),
        }
    }

    /// Quorum, to be tried first where nothing speaks for another method.
    pub fn quorum() -> Self {
        Self::new(AnyMethod::Quorum(QuorumConfig::default()))
    }

    /// DevNet with the paper's settings.
    pub fn devnet() -> Self {
        Self::new(AnyMethod::DevNet(DevNetConfig::default()))
    }

    /// PReNet with the paper's settings.
    pub fn prenet() -> Self {
        Self::new(AnyMethod::PReNet(PReNetConfig::default()))
    }

    /// FEAWAD with the paper's settings.
    pub fn feawad() -> Self {
        Self::new(AnyMethod::Feawad(FeawadConfig::default()))
    }

    /// DeepSAD with the paper's settings.
    pub fn deepsad() -> Self {
        Self::new(AnyMethod::DeepSad(DeepSadConfig::default()))
    }

    /// The strategy that trains the method.
    pub fn supervision(self, supervision: Supervision) -> Self {
        Self { supervision, ..self }
    }

    /// The number of members, which differ in their seeds and whose scores are averaged.
    pub fn members(self, members: usize) -> Self {
        Self { members, ..self }
    }

    /// Whether cross-validation over the rows fitted on chooses the number of epochs ([`Stopping`]); it takes about five
    /// times as long as the fit.
    pub fn early_stopping(self, early_stopping: bool) -> Self {
        Self { early_stopping, ..self }
    }

    /// The share of the rows without an anomaly's label that are not fitted on, so that their scores show what is usual; at most
    /// 2000 rows. Without any, a model gives no p-values.
    pub fn held_out(self, share: f64) -> Self {
        Self { held_out: share, ..self }
    }

    /// The seed of weights, batches and held-out rows.
    pub fn seed(self, seed: Seed) -> Self {
        Self { seed, ..self }
    }

    /// Columns that say which row it is: they are no features, and stand beside the scores.
    pub fn ids(self, columns: &[&str]) -> Self {
        Self { ids: columns.iter().map(|&column| column.into()).collect(), ..self }
    }

    /// What the columns are. Labels and identifiers need not be told again.
    pub fn columns(self, columns: EncoderOptions) -> Self {
        Self { columns, ..self }
    }

    /// Fits on a table, on the default backend.
    ///
    /// # Errors
    /// When the table or an option is wrong, or the training diverges.
    pub fn fit(&self, table: &Table, label: impl Into<LabelColumn>) -> Result<Model, PipelineError> {
        self.fit_on(table, label, &ComputeDevice::default())
    }

    /// Fits on a table, on a backend and device of choice.
    ///
    /// # Errors
    /// When the table or an option is wrong, or the training diverges.
    pub fn fit_on(
        &self,
        table: &Table,
        label: impl Into<LabelColumn>,
        device: &ComputeDevice,
    ) -> Result<Model, PipelineError> {
        self.check()?;
        let Prepared { encoder, samples, left_out, labels, filled } = self.prepare(table, &label.into())?;
        let classes = samples.by_class();
        let mut others = classes.others;
        let held = ((self.held_out * others.len() as f64).round() as usize).min(MOST_HELD_OUT);
        // Without any row left, the fit itself says what is missing.
        let held = held.min(others.len().saturating_sub(1));
        let (held, rest) = others.partial_shuffle(&mut self.seed.stream(&["held-out rows"]), held);
        let mut fitted_on = [&classes.anomalies[..], rest].concat();
        fitted_on.sort_unstable();
        let fitted_on = samples.select(&fitted_on);
        let Fitted { members, standards, stopping } = self.fit_members(&fitted_on, device)?;
        let usual = fitted_on.select(&fitted_on.by_class().others);
        let count = |label: Label| samples.labels().iter().filter(|&&known| known == label).count();
        let about = About {
            table: table.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            fingerprint: Digest::of_samples(&samples).to_string(),
            label: labels.column,
            counts: Counts {
                rows: samples.rows(),
                anomalies: count(Label::Anomaly),
                normal: count(Label::Normal),
                unlabelled: count(Label::Unlabelled),
                held_out: held.len(),
                filled,
            },
            left_out,
            stopping,
            validation: None,
        };
        let baseline = usual_row(usual.features());
        let mut model = Model {
            encoder,
            ids: self.ids.clone(),
            members,
            standards,
            baseline,
            calibration: None,
            threshold: None,
            about,
        };
        if !held.is_empty() {
            let scores = model.score_features(samples.select(held).features())?;
            model.calibration = Some(Calibration::new(&scores)?);
        }
        Ok(model)
    }

    fn check(&self) -> Result<(), PipelineError> {
        let wrong = |option, reason: &str| Err(PipelineError::Option { option, reason: reason.into() });
        match () {
            () if self.members == 0 => wrong("ensemble", "at least one member is needed"),
            () if !(0.0..1.0).contains(&self.held_out) => wrong("held-out", "must be from 0 to below 1"),
            () => match self.ids.iter().find(|id| OUTPUT.contains(&id.as_str())) {
                Some(id) => wrong("id", &format!("the scores have a column `{id}` of their own: rename it")),
                None => Ok(()),
            },
        }
    }

    fn prepare(&self, table: &Table, label: &LabelColumn) -> Result<Prepared, PipelineError> {
        let labels = labels_of(table, label)?;
        let wrong = |reason| {
            let (path, column) = (table.path().into(), labels.column.clone());
            Err(PipelineError::Labels { path, column, reason })
        };
        match labels.labels.iter().filter(|label| label.is_anomaly()).count() {
            0 => return wrong("no row is labelled an anomaly: at least one is needed"),
            all if all == table.rows() => {
                return wrong("every row is labelled an anomaly: unlabelled or normal rows are needed too");
            }
            _ => {}
        }
        let mut columns = self.columns.clone();
        columns.apart.push(labels.column.clone());
        columns.apart.extend(self.ids.iter().cloned());
        let (encoder, left_out) = Encoder::fit(table, &columns)?;
        let encoded = encoder.encode(table, Unknown::Refuse)?;
        let samples = Samples::new(encoded.features, labels.labels.clone())?;
        Ok(Prepared { encoder, samples, left_out, labels, filled: encoded.filled })
    }

    /// Fits the members.
    fn fit_members(&self, samples: &Samples, device: &ComputeDevice) -> Result<Fitted, PipelineError> {
        let stopping = self.early_stopping.then(|| self.choose_epochs(samples, device)).transpose()?;
        let usual = samples.select(&samples.by_class().others);
        let ends = |epoch: usize| stopping.is_some_and(|stopping| epoch == stopping.epochs);
        let watch = |epoch: Epoch<'_>| match ends(epoch.number()) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let fit = |member: usize| {
            let fitted = Fitter::new(samples, device)?.fit_watched(&self.member(member)?, watch)?;
            let standard = Standard::of(&fitted.score_on_one_thread(usual.features())?);
            Ok((fitted, standard))
        };
        let fits = (0..self.members).into_par_iter().map(fit).collect::<Result<Vec<_>, PipelineError>>()?;
        let (members, standards) = fits.into_iter().unzip();
        Ok(Fitted { members, standards, stopping })
    }
}

/// The members, what brings their scores to one scale, and where their training was stopped.
struct Fitted {
    members: Vec<FittedDetector>,
    standards: Vec<Standard>,
    stopping: Option<Stopping>,
}

/// The labels of a table. What is no label may be the value that marks anomalies.
fn labels_of(table: &Table, label: &LabelColumn) -> Result<Labels, PipelineError> {
    match table.labels(label) {
        Err(DataError::BadLabel { path, column, row, value }) => {
            Err(PipelineError::BadLabel { path, column, row, value })
        }
        labels => Ok(labels?),
    }
}

/// The row nearest to the median of each column, in mean absolute deviations from it; the first of several.
fn usual_row(features: &Array2<f32>) -> Vec<f32> {
    let mut distances = vec![0.0f64; features.nrows()];
    for column in features.axis_iter(Axis(1)) {
        let mut values = column.to_vec();
        let middle = values.len() / 2;
        let median = f64::from(*values.select_nth_unstable_by(middle, f32::total_cmp).1);
        let apart = column.mapv(|value| (f64::from(value) - median).abs());
        let all = apart.sum();
        if all > 0.0 {
            distances.iter_mut().zip(apart).for_each(|(distance, apart)| *distance += apart / all);
        }
    }
    let nearest = (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
    nearest.map(|row| features.row(row).to_vec()).unwrap_or_default()
}
