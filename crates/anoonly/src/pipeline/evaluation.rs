//! Metrics of a model on labelled rows.

use anoonly_core::{FeatureDigest, Label};
use anoonly_data::encode::{Encoded, Unknown, UnseenValues};
use anoonly_data::table::{LabelColumn, Labels, Table};
use anoonly_eval::{Interval, auroc, average_precision, best_f1, bootstrap, precision_at_k, share_interval};
use ndarray::Axis;
use serde::Serialize;

use super::{Model, PipelineError};

/// The labelled rows of a table with the scores of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledScores {
    /// The index of each labelled row in the table, counted from 0.
    pub rows: Vec<usize>,
    /// Their scores.
    pub scores: Vec<f32>,
    /// Whether they are anomalies.
    pub anomalous: Vec<bool>,
    /// Whether they are flagged. `None` if the model has no threshold. A rule that looks at all rows of a table together looks at the
    /// labelled rows only.
    pub flags: Option<Vec<bool>>,
    /// Whether the rows of the table are those of the training table, with the same labels or with others. Metrics are too good then.
    pub trained_on: bool,
    /// The values of the table outside of what the training rows held.
    pub unseen: UnseenValues,
}

/// Metrics of a model on labelled rows. All intervals have a level of 95 %: those of metrics are percentile bootstrap intervals over the
/// rows of each class, those of shares are Wilson intervals. They describe other rows like these, scored by the same model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The number of labelled rows.
    pub rows: usize,
    /// The number of anomalies among them.
    pub anomalies: usize,
    /// Whether the rows are those of the training table ([`LabelledScores::trained_on`]).
    pub trained_on: bool,
    /// The area under the receiver operating characteristic.
    pub auroc: Interval,
    /// Average precision.
    pub average_precision: Interval,
    /// The precision at k, with k the number of anomalies.
    pub precision_at_anomalies: f64,
    /// The best F1 of any threshold on these same rows.
    pub best_f1: f64,
    /// The metrics at the threshold of the model.
    pub at_threshold: Option<AtThreshold>,
}

/// Metrics of a threshold on labelled rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    /// The number of flagged rows.
    pub flagged: usize,
    /// The number of anomalies among the flagged rows.
    pub flagged_anomalies: usize,
    /// The share of normal rows that are flagged.
    pub false_positive_rate: Interval,
    /// The share of anomalies that are flagged.
    pub recall: Interval,
    /// The share of anomalies among the flagged rows. `None` if no row is flagged.
    pub precision: Option<Interval>,
}

/// The level of all intervals.
const LEVEL: f64 = 0.95;
const DRAWS: usize = 1000;
/// The number of draws for more rows than [`MANY`]: their intervals are narrow, so that rough bounds are good enough.
const FEW_DRAWS: usize = 200;
const MANY: usize = 20_000;
/// The seed of the bootstrap. The same rows give the same intervals.
const SEED: u64 = 1;

impl Model {
    /// Scores the labelled rows of a table.
    ///
    /// # Errors
    /// If the model uses the label column as a feature, no row is labelled an anomaly or none is labelled normal, a row cannot be scored or
    /// a label cannot be read, or if half of the rows lie outside of what the training rows held in a column and that is refused.
    pub fn score_labelled(
        &self,
        table: &Table,
        label: &LabelColumn,
        unknown: Unknown,
    ) -> Result<LabelledScores, PipelineError> {
        let Labels { column, labels, .. } = table.labels(label)?;
        if self.encoder().columns().iter().any(|used| used.name == column) {
            return Err(PipelineError::LabelIsFeature { path: table.path().into(), column });
        }
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] != Label::Unlabelled).collect();
        let anomalous: Vec<bool> = rows.iter().map(|&row| labels[row].is_anomaly()).collect();
        // Known before any work.
        let reason = match (anomalous.contains(&true), anomalous.contains(&false)) {
            (true, true) => None,
            (false, false) => Some("no row is labelled"),
            (false, true) => Some("no row is labelled an anomaly: at least one is needed"),
            (true, false) => Some("no row is labelled normal: at least one is needed"),
        };
        if let Some(reason) = reason {
            return Err(PipelineError::Labels { path: table.path().into(), column, reason });
        }
        let Encoded { features, unseen, far, .. } = self.encoder().encode(table, unknown)?;
        if unknown == Unknown::Refuse {
            unseen.refuse_many(table.path())?;
        }
        let trained_on = self.has_features(&FeatureDigest::of(&features));
        let scores = match rows.len() == features.nrows() {
            true => self.score_features(&features)?,
            false => self.score_features(&features.select(Axis(0), &rows))?,
        };
        let is_far = |(score, row): (f32, &usize)| if far.binary_search(row).is_ok() { f32::MAX } else { score };
        let scores: Vec<f32> = scores.into_iter().zip(&rows).map(is_far).collect();
        let flags = self.flags(&scores)?;
        Ok(LabelledScores { rows, scores, anomalous, flags, trained_on, unseen })
    }
}

impl LabelledScores {
    /// Computes the metrics.
    ///
    /// # Errors
    /// If there is no anomaly or no normal row.
    pub fn evaluation(&self) -> Result<Evaluation, PipelineError> {
        let (scores, anomalous) = (&self.scores, &self.anomalous);
        let draws = if scores.len() > MANY { FEW_DRAWS } else { DRAWS };
        let interval = |metric: fn(&[f32], &[bool]) -> _| bootstrap(metric, scores, anomalous, draws, LEVEL, SEED);
        let anomalies = anomalous.iter().filter(|&&anomaly| anomaly).count();
        Ok(Evaluation {
            rows: scores.len(),
            anomalies,
            trained_on: self.trained_on,
            auroc: interval(auroc)?,
            average_precision: interval(average_precision)?,
            precision_at_anomalies: precision_at_k(scores, anomalous, anomalies)?,
            best_f1: best_f1(scores, anomalous)?.f1,
            at_threshold: self.flags.as_ref().and_then(|flags| self.at_threshold(flags, anomalies)),
        })
    }

    /// The metrics of the flags. `None` if there is no anomaly or no normal row.
    fn at_threshold(&self, flags: &[bool], anomalies: usize) -> Option<AtThreshold> {
        let flagged = flags.iter().filter(|&&flag| flag).count();
        let flagged_anomalies = flags.iter().zip(&self.anomalous).filter(|(flag, truth)| **flag && **truth).count();
        let normal = self.scores.len() - anomalies;
        Some(AtThreshold {
            flagged,
            flagged_anomalies,
            false_positive_rate: share_interval(flagged - flagged_anomalies, normal, LEVEL)?,
            recall: share_interval(flagged_anomalies, anomalies, LEVEL)?,
            precision: share_interval(flagged_anomalies, flagged, LEVEL),
        })
    }
}
