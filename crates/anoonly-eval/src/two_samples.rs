//! Comparison of two samples of scores.

use std::f64::consts::PI;

use serde::Serialize;

use crate::ThresholdError;
use crate::threshold::sorted;

/// The two-sample test of Kolmogorov and Smirnov: whether two samples come from one continuous distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KolmogorovSmirnov {
    /// The largest difference between the shares of the two samples at or below a value, from 0 to 1.
    pub distance: f64,
    /// Its p-value by the limit distribution for large samples (Smirnov, "Table for estimating the goodness of fit of empirical
    /// distributions", Annals of Mathematical Statistics 1948). With ties it is too high rather than too low.
    pub p_value: f64,
}

/// Compares two samples, in any order.
///
/// # Errors
/// When a sample is empty, or a value is NaN or infinite.
pub fn kolmogorov_smirnov(first: &[f32], second: &[f32]) -> Result<KolmogorovSmirnov, ThresholdError> {
    let (first, second) = (sorted(first)?, sorted(second)?);
    let (n, m) = (first.len() as f64, second.len() as f64);
    let (mut below_first, mut below_second) = (0, 0);
    let mut distance = 0.0f64;
    while below_first < first.len() && below_second < second.len() {
        let value = first[below_first].min(second[below_second]);
        below_first += first[below_first..].iter().take_while(|&&score| score <= value).count();
        below_second += second[below_second..].iter().take_while(|&&score| score <= value).count();
        distance = distance.max((below_first as f64 / n - below_second as f64 / m).abs());
    }
    Ok(KolmogorovSmirnov { distance, p_value: survival((n * m / (n + m)).sqrt() * distance) })
}

/// The probability that Kolmogorov's distribution exceeds a value.
fn survival(value: f64) -> f64 {
    // Two series for the same function, each where it converges within a few terms.
    let terms = 1..=20;
    if value <= 0.0 {
        1.0
    } else if value < 0.82 {
        let term = |k: i32| (-f64::from(2 * k - 1).powi(2) * PI * PI / (8.0 * value * value)).exp();
        1.0 - (2.0 * PI).sqrt() / value * terms.map(term).sum::<f64>()
    } else {
        let sign = |k: i32| if k % 2 == 1 { 2.0 } else { -2.0 };
        terms.map(|k| sign(k) * (-2.0 * f64::from(k * k) * value * value).exp()).sum()
    }
}
