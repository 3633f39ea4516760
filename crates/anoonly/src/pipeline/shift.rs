//! Whether the scores of a table look like those of the held-out rows.

use std::fmt;

use anoonly_eval::kolmogorov_smirnov;
use serde::Serialize;

use super::{Model, PipelineError};

/// The difference between the scores of a table and those of the held-out rows. Where it is large, p-values and thresholds do not hold
/// what they promise: they assume that the normal rows of the table are like the held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScoreShift {
    /// The distance of Kolmogorov and Smirnov between the scores, from 0 to 1.
    pub distance: f64,
    /// The p-value of the hypothesis that both come from one distribution.
    pub p_value: f64,
    /// The share of the rows of the table whose p-value is at most 0.05.
    pub high: f64,
}

/// A smaller distance can come from anomalies: the table may have more of them than the held-out rows.
const CLEAR: f64 = 0.15;
/// With less confidence, the difference may be chance.
const LEVEL: f64 = 0.001;
/// The p-value up to which a score counts as high.
const HIGH: f64 = 0.05;

impl Model {
    /// Compares the scores of all rows of a table with those of the held-out rows. `None` if the model has no held-out rows.
    ///
    /// # Errors
    /// If there are no scores, or a score is not finite.
    pub fn score_shift(&self, scores: &[f32]) -> Result<Option<ScoreShift>, PipelineError> {
        let Some(calibration) = &self.calibration else { return Ok(None) };
        let test = kolmogorov_smirnov(scores, calibration.scores())?;
        let high = scores.iter().filter(|&&score| calibration.p_value(score) <= HIGH).count();
        Ok(Some(ScoreShift { distance: test.distance, p_value: test.p_value, high: high as f64 / scores.len() as f64 }))
    }
}

impl ScoreShift {
    /// Whether the scores differ beyond chance and by more than some additional anomalies explain: a distance of at least 0.15 with a
    /// p-value below 0.001.
    pub fn is_clear(&self) -> bool {
        self.distance >= CLEAR && self.p_value < LEVEL
    }
}

impl fmt::Display for ScoreShift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the scores differ from those of the held-out rows (Kolmogorov-Smirnov distance {:.2}, p {}): {:.0} % of the rows have a \
             p-value of at most {HIGH}, where {:.0} % are expected, so thresholds and p-values do not hold for this table",
            self.distance,
            if self.p_value < LEVEL { format!("< {LEVEL}") } else { format!("= {:.3}", self.p_value) },
            100.0 * self.high,
            100.0 * HIGH
        )
    }
}
