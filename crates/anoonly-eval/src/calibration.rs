//! Calibration of scores with held-out normal rows.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::ThresholdError;
use crate::threshold::{most_within, sorted};

/// Scores of held-out normal rows, the reference for new scores (Vovk, Gammerman and Shafer, "Algorithmic
/// Learning in a Random World", 2005; Bates, Candès, Lei, Romano and Sesia, "Testing for outliers with conformal
/// p-values", Annals of Statistics 2023).
///
/// The guarantees hold if the calibration rows and a new normal row are exchangeable, such as independent draws from one
/// distribution, and the detector was fitted without them. Nothing is assumed about the detector or the distribution. Unlabelled rows
/// can replace normal ones: the anomalies among them usually score high, which makes false positives rarer than stated, and misses
/// more frequent.
///
/// The guarantees are averages over calibration samples. For one sample of n rows without ties, the false-positive rate of
/// [`threshold`](Self::threshold) is a draw from Beta(k, n + 1 − k) with k = ⌊rate (n + 1)⌋: for a rate of 0.05 and 999 rows it is
/// 0.05 ± 0.007.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Calibration {
    /// Finite, lowest first, at least one.
    sorted: Vec<f32>,
}

/// A calibration as read from a file, before its checks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    sorted: Vec<f32>,
}

impl TryFrom<Stored> for Calibration {
    type Error = ThresholdError;

    fn try_from(stored: Stored) -> Result<Self, ThresholdError> {
        match stored.sorted.windows(2).position(|pair| pair[1] < pair[0]) {
            Some(place) => Err(ThresholdError::Unsorted { place: place + 2 }),
            None => Self::new(&stored.sorted),
        }
    }
}

impl Calibration {
    /// A calibration from the scores of the held-out rows, in any order.
    ///
    /// # Errors
    /// When there are no scores, or a score is NaN or infinite.
    pub fn new(scores: &[f32]) -> Result<Self, ThresholdError> {
        Ok(Self { sorted: sorted(scores)? })
    }

    /// The scores, lowest first.
    pub fn scores(&self) -> &[f32] {
        &self.sorted
    }

    /// The number of held-out rows.
    pub fn rows(&self) -> usize {
        self.sorted.len()
    }

    /// The conformal p-value of a new score: (1 + calibration scores at or above it) / (1 + calibration scores). For a
    /// normal row it is at most p with probability at most p, for every p; ties only lower that probability. The smallest
    /// possible value is 1 / (n + 1). NaN for NaN.
    pub fn p_value(&self, score: f32) -> f64 {
        if score.is_nan() {
            return f64::NAN;
        }
        let at_or_above = self.rows() - self.below(score);
        (1 + at_or_above) as f64 / (1 + self.rows()) as f64
    }

    /// The lowest threshold that flags a new normal row with probability at most `rate`: just above the calibration
    /// score of rank ⌈(n + 1)(1 − rate)⌉, counted from the lowest. It flags exactly the scores whose
    /// [p-value](Self::p_value) is at most `rate`.
    ///
    /// # Errors
    /// When the rate is not strictly between 0 and 1, or there are fewer than 1/rate − 1 rows, so that only a threshold above all
    /// scores would keep the rate.
    pub fn threshold(&self, rate: f64) -> Result<f32, ThresholdError> {
        if !(rate > 0.0 && rate < 1.0) {
            return Err(ThresholdError::BadRate { rate });
        }
        let flagged = most_within(rate, self.rows() + 1);
        if flagged == 0 {
            let needed = least_rows(rate);
            return Err(ThresholdError::TooFewRows { rate, needed, rows: self.rows() });
        }
        Ok(self.sorted[self.rows() - flagged].next_up())
    }

    /// The normal score (van der Waerden 1952) of a new score: Φ⁻¹((r − ½)/(n + 1)), with r its rank among the n
    /// calibration scores and itself, the mean rank under ties. For normal rows it is close to standard normal,
    /// whatever the detector, so scores of several detectors can be added. It saturates beyond the calibration
    /// scores. NaN for NaN.
    pub fn normal_score(&self, score: f32) -> f64 {
        if score.is_nan() {
            return f64::NAN;
        }
        let below = self.below(score);
        let equal = self.sorted[below..].partition_point(|&calibrated| calibrated <= score);
        let rank_less_half = below as f64 + equal as f64 / 2.0 + 0.5;
        Normal::standard().inverse_cdf(rank_less_half / (self.rows() + 1) as f64)
    }

    /// The number of calibration scores below a score.
    fn below(&self, score: f32) -> usize {
        self.sorted.partition_point(|&calibrated| calibrated < score)
    }
}

/// The smallest number of rows whose smallest p-value is at most `rate`.
fn least_rows(rate: f64) -> usize {
    let rows = (1.0 / rate).ceil() as usize - 1;
    // The quotient may round to either side of an integer.
    if 1.0 / rows as f64 <= rate { rows - 1 } else { rows }
}
