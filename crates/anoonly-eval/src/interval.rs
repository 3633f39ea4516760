//! Intervals for metrics, means and shares.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::MetricError;

/// An estimate and the bounds of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// Percentile bootstrap interval of a metric (Efron 1979). Rows are resampled with replacement within each class, so
/// every draw has as many anomalies as the sample. The same seed gives the same interval.
///
/// `level` is the target coverage, such as 0.95.
///
/// # Errors
/// Those of the metric on the whole sample.
///
/// # Panics
/// When `draws` is 0 or `level` is not between 0 and 1.
pub fn bootstrap(
    metric: impl Fn(&[f32], &[bool]) -> Result<f64, MetricError>,
    scores: &[f32],
    anomalous: &[bool],
    draws: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, MetricError> {
    assert!(draws > 0, "at least one draw is needed");
    assert!(level > 0.0 && level < 1.0, "the level must be between 0 and 1");
    let estimate = metric(scores, anomalous)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (anomalies, normals): (Vec<usize>, Vec<usize>) = (0..scores.len()).partition(|&row| anomalous[row]);
    let truth: Vec<bool> = anomalies.iter().map(|_| true).chain(normals.iter().map(|_| false)).collect();
    let mut drawn = Vec::with_capacity(scores.len());
    let mut values = Vec::with_capacity(draws);
    for _ in 0..draws {
        drawn.clear();
        for class in [&anomalies, &normals] {
            drawn.extend((0..class.len()).map(|_| scores[class[rng.random_range(0..class.len())]]));
        }
        values.push(metric(&drawn, &truth)?);
    }
    Ok(percentile_interval(estimate, values, level))
}

/// The interval between two quantiles of the values of bootstrap draws.
pub(crate) fn percentile_interval(estimate: f64, mut values: Vec<f64>, level: f64) -> Interval {
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Interval { estimate, low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) }
}

/// The mean of independent values and its Student t interval; `None` without values. For a single value the bounds are infinite,
/// because one value gives no estimate of the spread.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn mean_interval(values: &[f64], level: f64) -> Option<Interval> {
    assert!(level > 0.0 && level < 1.0, "the level must be between 0 and 1");
    let n = values.len() as f64;
    let estimate = match values {
        [] => return None,
        &[value] => return Some(Interval { estimate: value, low: f64::NEG_INFINITY, high: f64::INFINITY }),
        _ => values.iter().sum::<f64>() / n,
    };
    let variance = values.iter().map(|value| (value - estimate).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).expect("one degree of freedom or more is valid");
    let half = t.inverse_cdf((1.0 + level) / 2.0) * (variance / n).sqrt();
    Some(Interval { estimate, low: estimate - half, high: estimate + half })
}

/// A share, such as that of flagged rows, and its score interval (Wilson 1927), which stays between 0 and 1 and keeps its level for
/// small counts; `None` for `whole` = 0.
///
/// # Panics
/// When `part` is above `whole`, or `level` is not between 0 and 1.
pub fn share_interval(part: usize, whole: usize, level: f64) -> Option<Interval> {
    assert!(part <= whole, "a part cannot be more than the whole");
    assert!(level > 0.0 && level < 1.0, "the level must be between 0 and 1");
    if whole == 0 {
        return None;
    }
    let (n, estimate) = (whole as f64, part as f64 / whole as f64);
    let z = Normal::standard().inverse_cdf((1.0 + level) / 2.0);
    let centre = (estimate + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (estimate * (1.0 - estimate) / n + z * z / (4.0 * n * n)).sqrt();
    // Near 0 and 1, rounding may move a bound past the estimate.
    let [low, high] = [(centre - half).clamp(0.0, estimate), (centre + half).clamp(estimate, 1.0)];
    Some(Interval { estimate, low, high })
}

/// A quantile of sorted values with linear interpolation, the default of NumPy.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}
