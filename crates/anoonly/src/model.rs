//! A fitted model of a table.

use std::path::Path;

#[cfg(feature = "fit")]
use anoonly_core::FeatureDigest;
use anoonly_data::encode::Encoder;
#[cfg(feature = "fit")]
use anoonly_data::encode::{Encoded, Unknown, UnseenValues};
#[cfg(feature = "fit")]
use anoonly_data::table::{Blocks, Table};
use anoonly_eval::Calibration;
#[cfg(feature = "fit")]
use anoonly_train::ComputeDevice;
use anoonly_train::{FittedDetector, ModelFileError, ScoreError, model_file};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::provenance::Provenance;
#[cfg(feature = "fit")]
use crate::provenance::Validation;
use crate::threshold::Threshold;

/// What errors call a model file that is held in memory.
const IN_MEMORY: &str = "model";

/// A detector fitted on a table, with its whole pipeline: columns, encodings, scaling, members, held-out scores, threshold.
///
/// A score is the mean of the members' standardised scores. Each member's scores are standardised by their mean and standard deviation
/// on the training rows without an anomaly label, or on 100 000 of them, drawn at random, if there are more. A typical row thus scores 0,
/// and a row that scores 3 lies three standard deviations above. A row with a number that is infinite, or a million times the range of the
/// training rows away from them, gets the highest score there is, `f32::MAX`.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) encoder: Encoder,
    pub(crate) ids: Vec<String>,
    pub(crate) members: Vec<FittedDetector>,
    pub(crate) scales: Vec<ScoreScale>,
    pub(crate) baseline: Vec<f32>,
    pub(crate) calibration: Option<Calibration>,
    pub(crate) threshold: Option<Threshold>,
    pub(crate) provenance: Provenance,
}

/// The mean and standard deviation by which the scores of a member are standardised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreScale {
    /// The mean score of the training rows without an anomaly label, or of some of them.
    pub mean: f64,
    /// Their standard deviation, or 1 if all scores are equal.
    pub deviation: f64,
}

/// Scores of a table.
#[cfg(feature = "fit")]
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// One anomaly score for each row. Higher means more anomalous.
    pub scores: Vec<f32>,
    /// The number of values that were missing, or treated as missing, and were filled in.
    pub filled: usize,
    /// The values outside of what the training rows held.
    pub unseen: UnseenValues,
}

/// The content of a model file apart from the members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    encoder: Encoder,
    ids: Vec<String>,
    standards: Vec<ScoreScale>,
    baseline: Vec<f32>,
    calibration: Option<Calibration>,
    threshold: Option<Threshold>,
    about: Provenance,
}

impl ScoreScale {
    #[cfg(feature = "fit")]
    pub(crate) fn of(scores: &[f32]) -> Self {
        let n = scores.len() as f64;
        let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / n;
        let variance = scores.iter().map(|&score| (f64::from(score) - mean).powi(2)).sum::<f64>() / n;
        let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Self { mean, deviation }
    }
}

/// The mean of the members' standardised scores.
pub(crate) fn mean_scores(
    members: &[FittedDetector],
    scales: &[ScoreScale],
    features: &Array2<f32>,
) -> Result<Vec<f32>, PipelineError> {
    #[cfg(feature = "fit")]
    if let Some(scores) = anoonly_train::score_members(members, features)? {
        let mut scores = scores.into_iter();
        return mean_scores_by(members, scales, features, |_, _| Ok(scores.next().unwrap_or_default()));
    }
    mean_scores_by(members, scales, features, FittedDetector::score)
}

/// The same with a choice of how a member scores.
fn mean_scores_by(
    members: &[FittedDetector],
    scales: &[ScoreScale],
    features: &Array2<f32>,
    mut score: impl FnMut(&FittedDetector, &Array2<f32>) -> Result<Vec<f32>, ScoreError>,
) -> Result<Vec<f32>, PipelineError> {
    let mut sums = vec![0.0; features.nrows()];
    for (member, scale) in members.iter().zip(scales) {
        for (sum, score) in sums.iter_mut().zip(score(member, features)?) {
            *sum += (f64::from(score) - scale.mean) / scale.deviation;
        }
    }
    // A member gives a row for which its arithmetic overflows the highest score there is. The mean of such a row may overflow too.
    let nearest = |mean: f64| if mean.is_nan() { f32::MAX } else { (mean as f32).clamp(f32::MIN, f32::MAX) };
    Ok(sums.into_iter().map(|sum| nearest(sum / members.len() as f64)).collect())
}

#[cfg(feature = "fit")]
impl Model {
    /// Scores the rows of a table, in their order. Higher means more anomalous.
    ///
    /// # Errors
    /// If a column is missing, or holds a value of another kind or a category that did not occur in training, or if half of the rows
    /// lie outside of what the training rows held in a column.
    pub fn score(&self, table: &Table) -> Result<Vec<f32>, PipelineError> {
        let scored = self.scored(table, Unknown::Refuse)?;
        scored.unseen.refuse_many(table.path())?;
        Ok(scored.scores)
    }

    /// Scores the rows of a table or a part of it, and refuses or accepts what did not occur in training. Many values outside of what
    /// the training rows held are no error here, because a part may be no sample of its table; see
    /// [`UnseenValues::refuse_many`].
    ///
    /// # Errors
    /// If the table holds something unknown that is refused.
    pub fn scored(&self, table: &Table, unknown: Unknown) -> Result<Scored, PipelineError> {
        let encoded = self.encoder.encode(table, unknown)?;
        let scores = self.score_encoded(&encoded)?;
        Ok(Scored { scores, filled: encoded.filled, unseen: encoded.unseen })
    }

    /// Scores the rows of a table that is already encoded.
    pub(crate) fn score_encoded(&self, encoded: &Encoded) -> Result<Vec<f32>, PipelineError> {
        let mut scores = self.score_features(&encoded.features)?;
        encoded.far.iter().for_each(|&row| scores[row] = f32::MAX);
        Ok(scores)
    }

    /// Whether the rows of a table are those of the training table, with the same labels or with others.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn is_training_table(&self, blocks: Blocks) -> Result<bool, PipelineError> {
        let mut digest = FeatureDigest::new(self.encoder.width());
        for block in blocks {
            digest.add(&self.encoder.encode(&block?, Unknown::Accept)?.features);
        }
        Ok(self.has_features(&digest))
    }

    /// Whether features are those of the training table.
    pub(crate) fn has_features(&self, digest: &FeatureDigest) -> bool {
        self.provenance.features.as_ref().is_some_and(|known| *known == digest.digest().to_string())
    }

    /// Stores cross-validated metrics in the model.
    pub fn set_validation(&mut self, validation: Validation) {
        self.provenance.validation = Some(validation);
    }

    /// Writes the model to one file, completely or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PipelineError> {
        Ok(model_file::write(path, &self.members, &self.stored())?)
    }

    /// Writes everything but the members, such as a new threshold, to the file of the model. The tensors in the file stay as they are.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn save_threshold(&self, path: &Path) -> Result<(), PipelineError> {
        Ok(model_file::rewrite_pipeline(path, &self.stored())?)
    }

    /// The bytes of the file that [`save`](Self::save) writes.
    ///
    /// # Errors
    /// If a value of a member is not finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PipelineError> {
        let failed = |reason| ModelFileError::Write { path: IN_MEMORY.into(), reason };
        Ok(model_file::to_bytes(&self.members, &self.stored()).map_err(failed)?)
    }

    fn stored(&self) -> Stored {
        Stored {
            encoder: self.encoder.clone(),
            ids: self.ids.clone(),
            standards: self.scales.clone(),
            baseline: self.baseline.clone(),
            calibration: self.calibration.clone(),
            threshold: self.threshold.clone(),
            about: self.provenance.clone(),
        }
    }

    /// Reads a model file onto a device, whose backend may differ from the one that the model was fitted on.
    ///
    /// # Errors
    /// If the file cannot be read, or is not the model file of a table.
    pub fn load_on(path: &Path, device: &ComputeDevice) -> Result<Self, PipelineError> {
        let (members, stored) = model_file::read::<Stored>(path, device)?;
        Self::restore(path, members, stored)
    }
}

impl Model {
    /// Scores rows of features.
    pub(crate) fn score_features(&self, features: &Array2<f32>) -> Result<Vec<f32>, PipelineError> {
        mean_scores(&self.members, &self.scales, features)
    }

    /// Scores rows of features on the calling thread alone.
    pub(crate) fn score_features_here(&self, features: &Array2<f32>) -> Result<Vec<f32>, PipelineError> {
        mean_scores_by(&self.members, &self.scales, features, FittedDetector::score_on_one_thread)
    }

    /// The scores of the held-out rows, which calibrate p-values and thresholds.
    ///
    /// # Errors
    /// If the model was trained without held-out rows.
    pub fn calibration(&self) -> Result<&Calibration, PipelineError> {
        self.calibration.as_ref().ok_or(PipelineError::NoCalibration)
    }

    /// The threshold, if one is set.
    pub fn threshold(&self) -> Option<&Threshold> {
        self.threshold.as_ref()
    }

    /// Sets the threshold.
    pub fn set_threshold(&mut self, threshold: Threshold) {
        self.threshold = Some(threshold);
    }

    /// The encoder, which turns columns into features.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The identifier columns.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The fitted detectors whose scores are averaged, each with the scale of its scores.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&FittedDetector, ScoreScale)> {
        self.members.iter().zip(self.scales.iter().copied())
    }

    /// The features of a typical row, with which explanations compare: of the training rows without an anomaly label, the one nearest to
    /// the median of each feature. The medians themselves could form an impossible row, such as one without any category.
    pub fn baseline(&self) -> &[f32] {
        &self.baseline
    }

    /// The training table of the model and how it was used.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Reads a model file that is held in memory, for the default backend. Without the feature `fit`, the model scores in plain memory,
    /// with the same bits.
    ///
    /// # Errors
    /// If the bytes are not the model file of a table.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PipelineError> {
        let name = Path::new(IN_MEMORY);
        #[cfg(feature = "fit")]
        let (members, stored) = model_file::from_bytes::<Stored>(name, bytes, &ComputeDevice::default())?;
        #[cfg(not(feature = "fit"))]
        let (members, stored) = model_file::plain_from_bytes::<Stored>(name, bytes)?;
        Self::restore(name, members, stored)
    }

    fn restore(path: &Path, members: Vec<FittedDetector>, stored: Stored) -> Result<Self, PipelineError> {
        let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
        let Stored { encoder, ids, standards: scales, baseline, calibration, threshold, about: provenance } = stored;
        encoder.check().map_err(malformed)?;
        let width = encoder.width();
        let consistent = scales.len() == members.len()
            && baseline.len() == width
            && members.iter().all(|member| member.columns() == width);
        let valid = |scale: &ScoreScale| scale.mean.is_finite() && scale.deviation.is_normal() && scale.deviation > 0.0;
        if members.is_empty()
            || !consistent
            || !scales.iter().all(valid)
            || !baseline.iter().all(|value| value.is_finite())
        {
            return Err(malformed("its members and its columns do not match".into()).into());
        }
        Ok(Self { encoder, ids, members, scales, baseline, calibration, threshold, provenance })
    }

    /// Reads a model file for the default backend. Without the feature `fit`, the model scores in plain memory, with the same bits.
    ///
    /// # Errors
    /// If the file cannot be read, or is not the model file of a table.
    pub fn load(path: &Path) -> Result<Self, PipelineError> {
        #[cfg(feature = "fit")]
        let (members, stored) = model_file::read::<Stored>(path, &ComputeDevice::default())?;
        #[cfg(not(feature = "fit"))]
        let (members, stored) = model_file::read_plain::<Stored>(path)?;
        Self::restore(path, members, stored)
    }
}
