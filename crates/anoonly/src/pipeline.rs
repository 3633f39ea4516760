//! From a table to a model: columns of any kind, labels in a column, an ensemble of members, held-out rows.
//!
//! A [`TableDetector`] is the configuration. Fitting it gives a [`Model`], which scores tables with the same columns and is stored
//! in one file.

mod evaluation;
mod explain;
mod folds;
mod labels;
mod members;
mod onnx;
mod shift;
mod stopping;
mod validation;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

use anoonly_core::{Digest, FeatureDigest, Label, Samples, Seed, excerpt};
use anoonly_data::encode::{Encoder, EncoderOptions, LeftOut, Unknown};
use anoonly_data::table::Table;
use anoonly_eval::Calibration;
use anoonly_models::AnyMethod;
use anoonly_models::networks::deepsad::DeepSadConfig;
use anoonly_models::networks::devnet::DevNetConfig;
use anoonly_models::networks::feawad::FeawadConfig;
use anoonly_models::networks::prenet::PReNetConfig;
use anoonly_models::rules::pu_forest::PuForestConfig;
use anoonly_models::rules::quorum::QuorumConfig;
use anoonly_train::{ComputeDevice, FittedDetector, Supervision};
use ndarray::{Array1, Array2, Axis};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use members::Fitted;

pub use crate::error::{PipelineError, TableSetting};
pub use crate::model::{Model, ScoreScale, Scored};
pub use crate::provenance::{Provenance, RowCounts, Stopping, Validation};
pub use crate::rows::{Reason, RowReasons, ScoredRow};
pub use crate::threshold::{Threshold, ThresholdRule};
pub use evaluation::{AtThreshold, Evaluation, LabelledScores};
pub use explain::{AttributionMethod, Contribution, ExplainedRow};
pub use labels::LabelSource;
pub use onnx::{OnnxForm, OnnxInput, OnnxModel, OnnxOperators, OnnxOutput};
pub use shift::ScoreShift;

/// A detector for tables before its fit: a method, the strategy that trains it, and how columns are used.
///
/// ```
/// # use anoonly::{Table, TableDetector};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// # let row = |row: usize| format!("{},{},{}\n", row % 7, ["a", "b"][row % 2], if row % 50 == 0 { "1" } else { "" });
/// # std::fs::write(&path, format!("size,kind,bad\n{}", (0..200).map(row).collect::<String>()))?;
/// let table = Table::read(&path)?;
/// let model = TableDetector::devnet().fit(&table, "bad")?;
/// let scores: Vec<f32> = model.score(&table)?;
/// # assert_eq!(scores.len(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDetector {
    method: AnyMethod,
    supervision: Supervision,
    members: usize,
    early_stopping: bool,
    held_out: f64,
    seed: Seed,
    ids: Vec<String>,
    columns: EncoderOptions,
}

/// The default number of members of a trained method, chosen by measurement (`docs/experiments/README.md`).
const MEMBERS: usize = 5;

/// The maximum number of held-out rows. With this number, the smallest p-value is 0.0005.
const MOST_HELD_OUT: usize = 2000;

/// The columns of a table of scores, which identifier columns must not be named after.
const SCORE_COLUMNS: [&str; 5] = ["row", "score", "rank", "p_value", "flagged"];

/// An encoded table, from which every fit on it starts.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) encoder: Encoder,
    pub(crate) samples: Samples,
    pub(crate) left_out: Vec<LeftOut>,
    /// The label column; `None` for a table without one.
    pub(crate) label: Option<String>,
    pub(crate) filled: usize,
}

impl TableDetector {
    /// A detector with the strategy AnoOnly, five members (one if the method is not trained), a fifth of the rows without an anomaly
    /// label held out, and seed 1.
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

    /// Quorum, the method to try first.
    pub fn quorum() -> Self {
        Self::new(AnyMethod::Quorum(QuorumConfig::default()))
    }

    /// The PU forest, the method to label with: it needs no label to begin, and learns at once from yes and no.
    pub fn pu_forest() -> Self {
        Self::new(AnyMethod::PuForest(PuForestConfig::default()))
    }

    /// DevNet with the settings of its paper.
    pub fn devnet() -> Self {
        Self::new(AnyMethod::DevNet(DevNetConfig::default()))
    }

    /// PReNet with the settings of its paper.
    pub fn prenet() -> Self {
        Self::new(AnyMethod::PReNet(PReNetConfig::default()))
    }

    /// FEAWAD with the settings of its paper.
    pub fn feawad() -> Self {
        Self::new(AnyMethod::Feawad(FeawadConfig::default()))
    }

    /// DeepSAD with the settings of its paper.
    pub fn deepsad() -> Self {
        Self::new(AnyMethod::DeepSad(DeepSadConfig::default()))
    }

    /// Sets the strategy that trains the method.
    pub fn supervision(self, supervision: Supervision) -> Self {
        Self { supervision, ..self }
    }

    /// Sets the number of members, which differ in their seeds and whose scores are averaged.
    pub fn members(self, members: usize) -> Self {
        Self { members, ..self }
    }

    /// Sets whether cross-validation on the training rows chooses the number of epochs ([`Stopping`]). This takes about five times as
    /// long as the fit.
    pub fn early_stopping(self, early_stopping: bool) -> Self {
        Self { early_stopping, ..self }
    }

    /// Sets the share of the rows without an anomaly label to hold out from the fit, at most 2000 rows. Their scores calibrate
    /// p-values and thresholds. Without held-out rows, a model gives no p-values.
    pub fn held_out(self, share: f64) -> Self {
        Self { held_out: share, ..self }
    }

    /// Sets the seed of weights, batches and held-out rows.
    pub fn seed(self, seed: Seed) -> Self {
        Self { seed, ..self }
    }

    /// Sets the identifier columns, which are not used as features and are written next to the scores.
    pub fn ids(self, columns: &[&str]) -> Self {
        Self { ids: columns.iter().map(|&column| column.into()).collect(), ..self }
    }

    /// Sets how columns are encoded. The label column and the identifiers need not be listed here.
    pub fn columns(self, columns: EncoderOptions) -> Self {
        Self { columns, ..self }
    }

    /// Fits on a table, on the default backend. `labels` is the name of the label column, a
    /// [`LabelColumn`](anoonly_data::table::LabelColumn), or `None` for a table without labels.
    ///
    /// # Errors
    /// If the table or a setting is invalid, no row is labelled an anomaly and the method needs one, or the training diverges.
    pub fn fit(&self, table: &Table, labels: impl Into<LabelSource>) -> Result<Model, PipelineError> {
        self.fit_on(table, labels, &ComputeDevice::default())
    }

    /// Fits as [`fit_on`](Self::fit_on) does on a table that is not needed any more: its memory is free once its features are made.
    /// They and a scaled copy of them are what a fit needs at least.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_consuming(
        &self,
        table: Table,
        labels: impl Into<LabelSource>,
        device: &ComputeDevice,
    ) -> Result<Model, PipelineError> {
        self.check()?;
        let prepared = self.prepare(&table, &labels.into())?;
        let path = table.path().to_owned();
        drop(table);
        let held_out = self.hold_out(prepared.samples.by_class().others);
        self.fit_without(&path, prepared, &held_out, device, &|_| ControlFlow::Continue(()))
    }

    /// Fits on a table, on a given backend and device.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_on(
        &self,
        table: &Table,
        labels: impl Into<LabelSource>,
        device: &ComputeDevice,
    ) -> Result<Model, PipelineError> {
        self.fit_watched(table, labels, device, &|_| ControlFlow::Continue(()))
    }

    /// Fits as [`fit_on`](Self::fit_on) does, and calls `watch` before each member is fitted and after each of its epochs, possibly from
    /// several threads at a time. The fit ends when it breaks.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and when `watch` has ended the fit.
    pub fn fit_watched(
        &self,
        table: &Table,
        labels: impl Into<LabelSource>,
        device: &ComputeDevice,
        watch: &FitWatch<'_>,
    ) -> Result<Model, PipelineError> {
        self.check()?;
        let prepared = self.prepare(table, &labels.into())?;
        let held_out = self.hold_out(prepared.samples.by_class().others);
        self.fit_without(table.path(), prepared, &held_out, device, watch)
    }

    /// Draws the rows that are held out from the fit, from the rows without an anomaly label.
    pub(crate) fn hold_out(&self, mut others: Vec<usize>) -> Vec<usize> {
        let held_out = ((self.held_out * others.len() as f64).round() as usize).min(MOST_HELD_OUT);
        // At least one row is left for the fit, whose own error explains what is missing.
        let held_out = held_out.min(others.len().saturating_sub(1));
        others.partial_shuffle(&mut self.seed.stream(&["held-out rows"]), held_out).0.to_vec()
    }

    /// Fits on all rows of a table at `path` but the held-out ones, whose scores calibrate the model.
    pub(crate) fn fit_without(
        &self,
        path: &Path,
        prepared: Prepared,
        held_out: &[usize],
        device: &ComputeDevice,
        watch: &FitWatch<'_>,
    ) -> Result<Model, PipelineError> {
        let Prepared { encoder, samples, left_out, label, filled } = prepared;
        let (fingerprint, features) =
            rayon::join(|| Digest::of_samples(&samples), || FeatureDigest::of(samples.features()).digest());
        let count = |label: Label| samples.labels().iter().filter(|&&known| known == label).count();
        let mut provenance = Provenance {
            table: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            fingerprint: fingerprint.to_string(),
            features: Some(features.to_string()),
            label,
            counts: RowCounts {
                rows: samples.rows(),
                anomalies: count(Label::Anomaly),
                normal: count(Label::Normal),
                unlabelled: count(Label::Unlabelled),
                held_out: held_out.len(),
                filled,
            },
            left_out,
            stopping: None,
            validation: None,
        };
        let (fitted_on, held_out) = match held_out {
            [] => (samples, None),
            rows => {
                let (fitted_on, held_out) = samples.take_out(rows);
                (fitted_on, Some(held_out))
            }
        };
        let Fitted { members, scales, stopping } = self.fit_members(&fitted_on, device, watch)?;
        provenance.stopping = stopping;
        let baseline = typical_row(fitted_on.features(), &fitted_on.by_class().others);
        let mut model = Model {
            encoder,
            ids: self.ids.clone(),
            members,
            scales,
            baseline,
            calibration: None,
            threshold: None,
            provenance,
        };
        if let Some(held_out) = held_out {
            let scores = model.score_features(held_out.features())?;
            model.calibration = Some(Calibration::new(&scores)?);
        }
        Ok(model)
    }

    pub(crate) fn check(&self) -> Result<(), PipelineError> {
        let invalid = |setting, reason: &str| Err(PipelineError::Setting { setting, reason: reason.into() });
        match () {
            () if self.members == 0 => return invalid(TableSetting::Members, "at least one member is needed"),
            () if !(0.0..1.0).contains(&self.held_out) => {
                return invalid(TableSetting::HeldOut, "must be at least 0 and below 1");
            }
            () => {}
        }
        let mut seen = HashSet::new();
        match self.ids.iter().find(|id| SCORE_COLUMNS.contains(&id.as_str()) || !seen.insert(id.as_str())) {
            Some(id) if SCORE_COLUMNS.contains(&id.as_str()) => {
                invalid(TableSetting::Ids, &format!("the scores have their own column `{id}`: rename this column"))
            }
            Some(id) => invalid(TableSetting::Ids, &format!("`{}` is named twice", excerpt(id))),
            None => Ok(()),
        }
    }

    fn prepare(&self, table: &Table, labels: &LabelSource) -> Result<Prepared, PipelineError> {
        let (label, labels) = labels.read(table)?;
        if let Some(label) = &label
            && self.ids.contains(label)
        {
            let reason = format!("the label column `{}` is no identifier", excerpt(label));
            return Err(PipelineError::Setting { setting: TableSetting::Ids, reason });
        }
        let path = || table.path().into();
        let anomalies = labels.iter().filter(|label| label.is_anomaly()).count();
        if anomalies == 0 && self.method.needs_labels() {
            let method = self.method.info().name;
            return Err(PipelineError::NeedsLabels { path: path(), column: label, method });
        }
        if anomalies > 0 && anomalies == table.rows() {
            let reason = "every row is labelled an anomaly: unlabelled or normal rows are needed too";
            return Err(PipelineError::Labels { path: path(), column: label.unwrap_or_default(), reason });
        }
        self.encode(table, label, labels)
    }

    /// Encodes a table, with the label column and the identifiers apart.
    pub(crate) fn encode(
        &self,
        table: &Table,
        label: Option<String>,
        labels: Vec<Label>,
    ) -> Result<Prepared, PipelineError> {
        let mut columns = self.columns.clone();
        columns.apart.extend(label.iter().chain(&self.ids).cloned());
        let (encoder, left_out) = Encoder::fit(table, &columns)?;
        let encoded = encoder.encode(table, Unknown::Refuse)?;
        let samples = Samples::new(encoded.features, labels)?;
        Ok(Prepared { encoder, samples, left_out, label, filled: encoded.filled })
    }

    /// The seed.
    pub(crate) fn first_seed(&self) -> Seed {
        self.seed
    }

    /// The method.
    pub fn method(&self) -> &AnyMethod {
        &self.method
    }

    /// The identifier columns.
    pub fn id_columns(&self) -> &[String] {
        &self.ids
    }

    /// How columns become features.
    pub fn column_options(&self) -> &EncoderOptions {
        &self.columns
    }
}

/// A moment of a fit: before a member is fitted, or after one of its epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitStep {
    /// The member, counted from 0. Several may be fitted at the same time.
    pub member: usize,
    /// The number of members.
    pub members: usize,
    /// The number of epochs done.
    pub epoch: usize,
    /// The number of epochs in all; 0 for a method that is not trained.
    pub epochs: usize,
}

/// A function that follows a fit and decides whether it goes on.
pub type FitWatch<'a> = dyn Fn(FitStep) -> ControlFlow<()> + Sync + 'a;

/// The scores of some rows, without a copy of all of them.
fn scores_of(fitted: &FittedDetector, samples: &Samples, rows: &[usize]) -> Result<Vec<f32>, PipelineError> {
    let blocks = rows.par_chunks((BLOCK_CELLS / samples.columns()).max(1));
    let scores = blocks.map(|rows| fitted.score_on_one_thread(&samples.features().select(Axis(0), rows)));
    Ok(scores.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The number of cells that are scored at a time.
const BLOCK_CELLS: usize = 1 << 20;

/// The number of columns that are looked at together: as many as a line of the cache holds.
const COLUMNS_TOGETHER: usize = 16;

/// Of some rows, the one nearest to the median of each column, measured in mean absolute deviations. Of several such rows, the first.
pub(crate) fn typical_row(features: &Array2<f32>, rows: &[usize]) -> Vec<f32> {
    let mut distances = vec![0.0f64; rows.len()];
    for columns in features.axis_chunks_iter(Axis(1), COLUMNS_TOGETHER) {
        let mut values = vec![Vec::with_capacity(rows.len()); columns.ncols()];
        for &row in rows {
            values.iter_mut().zip(columns.row(row)).for_each(|(values, &value)| values.push(value));
        }
        let medians: Vec<f64> = values
            .par_iter_mut()
            .map(|values| {
                let middle = values.len() / 2;
                let mut sorted = values.clone();
                f64::from(*sorted.select_nth_unstable_by(middle, f32::total_cmp).1)
            })
            .collect();
        for (values, median) in values.into_iter().zip(medians) {
            let deviations: Array1<f64> = values.into_iter().map(|value| (f64::from(value) - median).abs()).collect();
            let sum = deviations.sum();
            if sum > 0.0 {
                distances.iter_mut().zip(deviations).for_each(|(distance, deviation)| *distance += deviation / sum);
            }
        }
    }
    let nearest = (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
    nearest.map(|place| features.row(rows[place]).to_vec()).unwrap_or_default()
}
