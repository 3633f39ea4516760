//! Thresholds of a model, apart from its fit.

use anoonly_eval::{best_f1, discoveries, share_threshold};
use serde::{Deserialize, Serialize};

use super::{Model, PipelineError};

/// Which rows are flagged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The rule.
    pub rule: ThresholdRule,
    /// Rows that score at least this are flagged; none for a rule that looks at all rows of a table together.
    pub score: Option<f32>,
}

/// A rule by which rows are flagged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ThresholdRule {
    /// A row that is like the held-out ones is flagged with at most this probability (conformal; see
    /// [`Calibration::threshold`](anoonly_eval::Calibration::threshold)).
    FalsePositiveRate(f64),
    /// At most this share of the held-out rows is flagged, and about as many of new rows like them.
    Share(f64),
    /// Among the rows flagged in a table, at most this share is expected to be like the held-out ones (Benjamini and Hochberg
    /// 1995, on conformal p-values).
    FalseDiscoveryRate(f64),
    /// The best F1 on labelled rows.
    MaxF1 {
        /// That F1.
        f1: f64,
        /// Labelled rows it was taken from.
        rows: usize,
    },
    /// A score of choice.
    Score,
}

impl Model {
    /// A threshold by a rule on the held-out rows, or at a score of choice.
    ///
    /// # Errors
    /// When the model has no held-out rows, or too few for the rate.
    pub fn threshold_by(&self, rule: ThresholdRule) -> Result<Threshold, PipelineError> {
        let score = match rule {
            ThresholdRule::FalsePositiveRate(rate) => Some(self.calibration()?.threshold(rate)?),
            ThresholdRule::Share(share) => Some(share_threshold(self.calibration()?.scores(), share)?),
            ThresholdRule::FalseDiscoveryRate(rate) => {
                self.calibration()?;
                discoveries(&[], rate)?;
                None
            }
            ThresholdRule::MaxF1 { .. } | ThresholdRule::Score => None,
        };
        Ok(Threshold { rule, score })
    }

    /// For each row of a table, whether it is flagged; none where no threshold was set.
    ///
    /// # Errors
    /// When the threshold needs held-out rows and the model has none.
    pub fn flags(&self, scores: &[f32]) -> Result<Option<Vec<bool>>, PipelineError> {
        let Some(threshold) = &self.threshold else { return Ok(None) };
        let flags = match (threshold.rule, threshold.score) {
            (ThresholdRule::FalseDiscoveryRate(rate), _) => {
                let calibration = self.calibration()?;
                let p_values: Vec<f64> = scores.iter().map(|&score| calibration.p_value(score)).collect();
                discoveries(&p_values, rate)?
            }
            (_, Some(threshold)) => scores.iter().map(|&score| score >= threshold).collect(),
            (_, None) => return Ok(None),
        };
        Ok(Some(flags))
    }
}

impl Threshold {
    /// The threshold with the best F1 on labelled rows.
    ///
    /// # Errors
    /// When not both kinds of rows are there.
    pub fn max_f1(scores: &[f32], anomalous: &[bool]) -> Result<Self, PipelineError> {
        let best = best_f1(scores, anomalous)?;
        let rule = ThresholdRule::MaxF1 { f1: best.f1, rows: scores.len() };
        Ok(Self { rule, score: Some(best.threshold) })
    }

    /// A score of choice.
    ///
    /// # Errors
    /// When it is NaN or infinite.
    pub fn at(score: f32) -> Result<Self, PipelineError> {
        match score.is_finite() {
            true => Ok(Self { rule: ThresholdRule::Score, score: Some(score) }),
            false => Err(PipelineError::Option { option: "score", reason: "must be a finite number".into() }),
        }
    }

    /// What it promises, in a sentence.
    pub fn promise(&self) -> String {
        match self.rule {
            ThresholdRule::FalsePositiveRate(rate) => format!(
                "a row like the held-out ones is flagged with a probability of at most {rate}, taken over both; hidden anomalies \
                 among the held-out rows only make false alarms rarer"
            ),
            ThresholdRule::Share(share) => {
                format!(
                    "at most a share of {share} of the held-out rows is flagged, and about as many of new rows like them"
                )
            }
            ThresholdRule::FalseDiscoveryRate(rate) => format!(
                "of the rows that are flagged in a table, a share of at most {rate} is expected to be like the held-out ones"
            ),
            ThresholdRule::MaxF1 { f1, rows } => {
                format!("the best F1, {f1:.3}, on {rows} labelled rows; on new rows expect less")
            }
            ThresholdRule::Score => "a score of choice, which promises nothing".into(),
        }
    }
}
