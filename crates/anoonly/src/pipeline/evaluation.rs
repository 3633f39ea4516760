//! What a model is worth on rows whose truth is known.

use anoonly_core::Label;
use anoonly_data::encode::Unknown;
use anoonly_data::table::{LabelColumn, Table};
use anoonly_eval::{Interval, auroc, average_precision, best_f1, bootstrap, precision_at_k, share_interval};
use serde::Serialize;

use super::{Model, PipelineError, labels_of};

/// The labelled rows of a table, and what a model says of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The place of each labelled row in the table, counted from 0.
    pub rows: Vec<usize>,
    /// Their scores.
    pub scores: Vec<f32>,
    /// Whether they are anomalies.
    pub anomalous: Vec<bool>,
    /// Whether they are flagged; none where the model has no threshold. A rule that looks at all rows of a table together
    /// looks at these.
    pub flags: Option<Vec<bool>>,
}

/// Figures of a model on labelled rows. Intervals of metrics are percentile bootstraps over the rows of each class, intervals
/// of shares Wilson's, both of 95 %: they speak of other rows like these, with the model as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Labelled rows.
    pub rows: usize,
    /// Anomalies among them.
    pub anomalies: usize,
    /// The area under the receiver operating characteristic.
    pub auroc: Interval,
    /// Average precision.
    pub average_precision: Interval,
    /// The share of anomalies among as many rows of the highest scores as there are anomalies.
    pub precision_at_anomalies: f64,
    /// The best F1 that any threshold has on these very rows.
    pub best_f1: f64,
    /// What the threshold of the model makes of them.
    pub at_threshold: Option<AtThreshold>,
}

/// What a threshold makes of labelled rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    /// Rows flagged.
    pub flagged: usize,
    /// Anomalies among them.
    pub flagged_anomalies: usize,
    /// The share of normal rows that are flagged.
    pub false_positive_rate: Interval,
    /// The share of anomalies that are flagged.
    pub recall: Interval,
    /// The share of anomalies among the flagged rows; none where no row is.
    pub precision: Option<Interval>,
}

/// The coverage that all intervals aim at.
const LEVEL: f64 = 0.95;
const DRAWS: usize = 1000;
/// Of more rows than [`MANY`], whose intervals are narrow whatever their bounds' error.
const FEW_DRAWS: usize = 200;
const MANY: usize = 20_000;
/// Of the bootstrap: the same rows give the same intervals.
const SEED: u64 = 1;

impl Model {
    /// Scores the labelled rows of a table.
    ///
    /// # Errors
    /// When a row cannot be scored or a label cannot be read.
    pub fn judge(&self, table: &Table, label: &LabelColumn, unknown: Unknown) -> Result<Judged, PipelineError> {
        let labels = labels_of(table, label)?.labels;
        let all = self.scored(table, unknown)?.scores;
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] != Label::Unlabelled).collect();
        let scores: Vec<f32> = rows.iter().map(|&row| all[row]).collect();
        let anomalous = rows.iter().map(|&row| labels[row].is_anomaly()).collect();
        let flags = self.flags(&scores)?;
        Ok(Judged { rows, scores, anomalous, flags })
    }
}

impl Judged {
    /// The figures.
    ///
    /// # Errors
    /// When not both kinds of rows are there.
    pub fn evaluation(&self) -> Result<Evaluation, PipelineError> {
        let (scores, anomalous) = (&self.scores, &self.anomalous);
        let draws = if scores.len() > MANY { FEW_DRAWS } else { DRAWS };
        let interval = |metric: fn(&[f32], &[bool]) -> _| bootstrap(metric, scores, anomalous, draws, LEVEL, SEED);
        let anomalies = anomalous.iter().filter(|&&anomaly| anomaly).count();
        Ok(Evaluation {
            rows: scores.len(),
            anomalies,
            auroc: interval(auroc)?,
            average_precision: interval(average_precision)?,
            precision_at_anomalies: precision_at_k(scores, anomalous, anomalies)?,
            best_f1: best_f1(scores, anomalous)?.f1,
            at_threshold: self.flags.as_ref().and_then(|flags| self.at_threshold(flags, anomalies)),
        })
    }

    /// None without normal rows or without anomalies.
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
