//! A fitted model of a table.

use std::path::Path;

use anoonly_data::encode::{Encoded, Encoder, LeftOut, Unknown};
use anoonly_data::table::Table;
use anoonly_eval::Calibration;
use anoonly_train::{ComputeDevice, FittedDetector, ModelFileError, ScoreError, model_file};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{PipelineError, Stopping, Threshold, Validation};

/// A detector fitted on a table, its whole pipeline with it: columns, encodings, scaling, members, held-out scores, threshold.
///
/// A score is the mean over the members of their own, each less the mean and divided by the deviation it has on the rows
/// fitted on that are not labelled anomalies: 0 is usual, 3 is three deviations above.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) encoder: Encoder,
    pub(super) ids: Vec<String>,
    pub(super) members: Vec<FittedDetector>,
    pub(super) standards: Vec<Standard>,
    pub(super) baseline: Vec<f32>,
    pub(super) calibration: Option<Calibration>,
    pub(super) threshold: Option<Threshold>,
    pub(super) about: About,
}

/// What brings the scores of a member to the scale of all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// The mean of its scores on rows fitted on that are not labelled anomalies.
    pub mean: f64,
    /// Their standard deviation; 1 where they are all alike.
    pub deviation: f64,
}

/// What a model was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The name of the table's file.
    pub table: String,
    /// SHA-256 of its features and labels.
    pub fingerprint: String,
    /// The label column.
    pub label: String,
    /// What its rows were.
    pub counts: Counts,
    /// Columns that were left out.
    pub left_out: Vec<LeftOut>,
    /// Where the training was stopped, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
    /// How well it ranks rows it was not fitted on, if that was asked for.
    pub validation: Option<Validation>,
}

/// The rows of a training table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub rows: usize,
    pub anomalies: usize,
    pub normal: usize,
    pub unlabelled: usize,
    pub held_out: usize,
    /// Missing values that were filled in.
    pub filled: usize,
}

/// Scores of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// One anomaly score a row, higher meaning more anomalous.
    pub scores: Vec<f32>,
    /// Values that were missing, or taken for missing, and were filled in.
    pub filled: usize,
}

/// What a model file holds beside the members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    encoder: Encoder,
    ids: Vec<String>,
    standards: Vec<Standard>,
    baseline: Vec<f32>,
    calibration: Option<Calibration>,
    threshold: Option<Threshold>,
    about: About,
}

impl Standard {
    pub(super) fn of(scores: &[f32]) -> Self {
        let n = scores.len() as f64;
        let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / n;
        let variance = scores.iter().map(|&score| (f64::from(score) - mean).powi(2)).sum::<f64>() / n;
        let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Self { mean, deviation }
    }
}

/// The mean of the members' scores, each brought to the scale of all.
pub(super) fn mean_scores(
    members: &[FittedDetector],
    standards: &[Standard],
    features: &Array2<f32>,
) -> Result<Vec<f32>, PipelineError> {
    let mut sums = vec![0.0; features.nrows()];
    for (member, standard) in members.iter().zip(standards) {
        for (sum, score) in sums.iter_mut().zip(member.score(features)?) {
            *sum += (f64::from(score) - standard.mean) / standard.deviation;
        }
    }
    let scores: Vec<f32> = sums.into_iter().map(|sum| (sum / members.len() as f64) as f32).collect();
    // A file may hold scales that take a score beyond all floats.
    match scores.iter().position(|score| !score.is_finite()) {
        None => Ok(scores),
        Some(row) => Err(ScoreError::NoScore { row: row + 1 }.into()),
    }
}

impl Model {
    /// One anomaly score a row, in the order of the rows.
    ///
    /// # Errors
    /// When a column is missing or holds what no training row held.
    pub fn score(&self, table: &Table) -> Result<Vec<f32>, PipelineError> {
        Ok(self.scored(table, Unknown::Refuse)?.scores)
    }

    /// Scores, with a word on what is to be done with the unknown.
    ///
    /// # Errors
    /// When the table holds something unknown that is refused, or an infinite number.
    pub fn scored(&self, table: &Table, unknown: Unknown) -> Result<Scored, PipelineError> {
        let Encoded { features, filled } = self.encoder.encode(table, unknown)?;
        Ok(Scored { scores: self.score_features(&features)?, filled })
    }

    /// One score a row, for rows that are encoded already.
    pub(crate) fn score_features(&self, features: &Array2<f32>) -> Result<Vec<f32>, PipelineError> {
        mean_scores(&self.members, &self.standards, features)
    }

    /// The scores of held-out rows, which give p-values and thresholds.
    ///
    /// # Errors
    /// When the model was trained without any.
    pub fn calibration(&self) -> Result<&Calibration, PipelineError> {
        self.calibration.as_ref().ok_or(PipelineError::NoCalibration)
    }

    /// The threshold, if one was set.
    pub fn threshold(&self) -> Option<&Threshold> {
        self.threshold.as_ref()
    }

    /// Sets the threshold.
    pub fn set_threshold(&mut self, threshold: Threshold) {
        self.threshold = Some(threshold);
    }

    /// Adds how well models like this one rank rows they were not fitted on.
    pub fn set_validation(&mut self, validation: Validation) {
        self.about.validation = Some(validation);
    }

    /// How columns become features.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Columns that say which row it is.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The fitted detectors whose scores are averaged, and what brings these to one scale.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&FittedDetector, Standard)> {
        self.members.iter().zip(self.standards.iter().copied())
    }

    /// The features of a usual row: of those fitted on that are not labelled anomalies, the one nearest to the median of each
    /// feature. The medians themselves may be a row like no other, as one of no category is.
    pub fn baseline(&self) -> &[f32] {
        &self.baseline
    }

    /// What the model was made from.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Writes the model into one file, complete or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PipelineError> {
        Ok(model_file::write(path, &self.members, &self.stored())?)
    }

    /// Writes everything but the members, as a new threshold, into the model's own file, whose tensors stay as they are.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn save_threshold(&self, path: &Path) -> Result<(), PipelineError> {
        Ok(model_file::rewrite_pipeline(path, &self.stored())?)
    }

    fn stored(&self) -> Stored {
        Stored {
            encoder: self.encoder.clone(),
            ids: self.ids.clone(),
            standards: self.standards.clone(),
            baseline: self.baseline.clone(),
            calibration: self.calibration.clone(),
            threshold: self.threshold.clone(),
            about: self.about.clone(),
        }
    }

    /// Reads a model file onto a device, which need not be of the backend the model was fitted on.
    ///
    /// # Errors
    /// When the file cannot be read, or is no model file of a table.
    pub fn load_on(path: &Path, device: &ComputeDevice) -> Result<Self, PipelineError> {
        let (members, stored) = model_file::read::<Stored>(path, device)?;
        let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
        let Stored { encoder, ids, standards, baseline, calibration, threshold, about } = stored;
        encoder.check().map_err(malformed)?;
        let width = encoder.width();
        let fits = standards.len() == members.len()
            && baseline.len() == width
            && members.iter().all(|member| member.columns() == width);
        let sound = |standard: &Standard| {
            standard.mean.is_finite() && standard.deviation.is_normal() && standard.deviation > 0.0
        };
        if members.is_empty()
            || !fits
            || !standards.iter().all(sound)
            || !baseline.iter().all(|value| value.is_finite())
        {
            return Err(malformed("its members and its columns do not fit together".into()).into());
        }
        Ok(Self { encoder, ids, members, standards, baseline, calibration, threshold, about })
    }

    /// Reads a model file, for the default backend.
    ///
    /// # Errors
    /// When the file cannot be read, or is no model file of a table.
    pub fn load(path: &Path) -> Result<Self, PipelineError> {
        Self::load_on(path, &ComputeDevice::default())
    }
}
