//! Thresholds of a model, which are chosen after its fit.

use anoonly_eval::{best_f1, discoveries, share_threshold};
use serde::{Deserialize, Serialize};

use crate::error::{PipelineError, TableSetting};
use crate::model::Model;

/// Decides which rows are flagged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The rule that the threshold follows.
    pub rule: ThresholdRule,
    /// Rows that score at least this are flagged. `None` for a rule that looks at all rows of a table together.
    pub score: Option<f32>,
}

/// A rule by which rows are flagged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ThresholdRule {
    /// A row that is like the held-out rows is flagged with at most this probability (conformal; see
    /// [`Calibration::threshold`](anoonly_eval::Calibration::threshold)).
    FalsePositiveRate(f64),
    /// At most this share of the held-out rows is flagged, and about the same share of new rows like them.
    Share(f64),
    /// At most this share of the flagged rows of a table is expected to be like the held-out rows (Benjamini and Hochberg 1995, on
    /// conformal p-values).
    FalseDiscoveryRate(f64),
    /// The score with the best F1 on labelled rows.
    MaxF1 {
        /// The F1 on these rows.
        f1: f64,
        /// The number of labelled rows.
        rows: usize,
    },
    /// A score that the user chose.
    Score,
}

impl Model {
    /// The threshold that follows from a rule and the held-out rows.
    ///
    /// # Errors
    /// If the model has no held-out rows, or too few for the rate.
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

    /// Whether each row of a table is flagged, given the scores of all its rows. `None` if no threshold is set.
    ///
    /// # Errors
    /// If the threshold needs held-out rows and the model has none.
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
    /// If there is no anomaly or no normal row.
    pub fn max_f1(scores: &[f32], anomalous: &[bool]) -> Result<Self, PipelineError> {
        let best = best_f1(scores, anomalous)?;
        let rule = ThresholdRule::MaxF1 { f1: best.f1, rows: scores.len() };
        Ok(Self { rule, score: Some(best.threshold) })
    }

    /// The threshold at a given score.
    ///
    /// # Errors
    /// If the score is NaN or infinite.
    pub fn at(score: f32) -> Result<Self, PipelineError> {
        match score.is_finite() {
            true => Ok(Self { rule: ThresholdRule::Score, score: Some(score) }),
            false => Err(PipelineError::Setting {
                setting: TableSetting::ThresholdScore,
                reason: "must be a finite number".into(),
            }),
        }
    }

    /// The guarantee of the threshold, as the end of a sentence.
    pub fn promise(&self) -> String {
        match self.rule {
            ThresholdRule::FalsePositiveRate(rate) => format!(
                "a row like the held-out rows is flagged with a probability of at most {rate}, averaged over held-out and new rows; \
                 unlabelled anomalies among the held-out rows only lower this rate"
            ),
            ThresholdRule::Share(share) => {
                format!(
                    "at most a share of {share} of the held-out rows is flagged, and about the same share of new rows like them"
                )
            }
            ThresholdRule::FalseDiscoveryRate(rate) => format!(
                "a share of at most {rate} of the flagged rows of a table is expected to be like the held-out rows"
            ),
            ThresholdRule::MaxF1 { f1, rows } => {
                format!("the best F1, {f1:.3}, on {rows} labelled rows; expect a lower F1 on new rows")
            }
            ThresholdRule::Score => "a score chosen by hand, without a guarantee".into(),
        }
    }
}
