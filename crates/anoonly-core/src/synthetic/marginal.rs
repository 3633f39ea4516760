//! The distribution of a single feature.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use statrs::function::erf::{erfc, erfc_inv};

/// The number of table entries per bandwidth.
const STEPS: f64 = 4.0;
/// The number of bandwidths by which the table extends beyond the values.
const BEYOND: f64 = 4.0;
/// The number of bandwidths after which a kernel counts as complete; the error is below 1e-9.
const REACH: f64 = 6.0;

/// A Gaussian kernel density of the values of a feature.
///
/// The bandwidth is Scott's, `s n^(-1/5)` with `s` the sample's standard deviation, as in SciPy's `gaussian_kde`. The
/// distribution is stored as a table of normal scores `Φ⁻¹(F(x))`, a quarter of a bandwidth apart, with linear interpolation.
#[derive(Clone, Debug)]
pub struct Marginal {
    values: Vec<f64>,
    /// 0 for a constant feature, whose table is empty.
    bandwidth: f64,
    start: f64,
    scores: Vec<f64>,
}

impl Marginal {
    /// Estimates the density from two values or more.
    pub fn of(values: Vec<f64>) -> Self {
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if lowest == highest {
            return Self { values, bandwidth: 0.0, start: lowest, scores: Vec::new() };
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let bandwidth = variance.sqrt() * count.powf(-0.2);
        let mut marginal = Self { values, bandwidth, start: lowest - BEYOND * bandwidth, scores: Vec::new() };
        let steps = ((highest - lowest) / bandwidth + 2.0 * BEYOND) * STEPS;
        marginal.scores = marginal.table(steps.ceil() as usize + 1);
        marginal
    }

    /// The first `length` entries of the table of normal scores.
    fn table(&self, length: usize) -> Vec<f64> {
        let mut sums = vec![0.0; length + 1];
        let mut over = vec![0usize; length + 1];
        for value in &self.values {
            let place = (value - self.start) / self.bandwidth * STEPS;
            let from = (place - REACH * STEPS).ceil().max(0.0) as usize;
            let to = ((place + REACH * STEPS).floor() as usize + 1).min(length);
            for (index, sum) in sums[from..to].iter_mut().enumerate() {
                *sum += below((((from + index) as f64) - place) / STEPS);
            }
            over[to] += 1;
        }
        let mut whole = 0;
        let score = |(sum, over): (&f64, &usize)| {
            whole += over;
            // Φ⁻¹(p) = −√2 erfc⁻¹(2p).
            -std::f64::consts::SQRT_2 * erfc_inv(2.0 * (sum + whole as f64) / self.values.len() as f64)
        };
        sums[..length].iter().zip(&over).map(score).collect()
    }

    /// The normal score of a value, `Φ⁻¹(F(x))`; 0 for a constant feature.
    pub fn score(&self, value: f64) -> f64 {
        let Some(last) = self.scores.len().checked_sub(2) else { return 0.0 };
        let place = ((value - self.start) / self.bandwidth * STEPS).max(0.0);
        let index = (place as usize).min(last);
        let share = (place - index as f64).min(1.0);
        self.scores[index] + share * (self.scores[index + 1] - self.scores[index])
    }

    /// The value of a normal score.
    pub fn value(&self, score: f64) -> f64 {
        let above = self.scores.partition_point(|known| *known < score);
        let share = match (above.checked_sub(1).map(|below| self.scores[below]), self.scores.get(above)) {
            (Some(low), Some(high)) => (score - low) / (high - low) - 1.0,
            (None, _) => 0.0,
            (Some(_), None) => -1.0,
        };
        self.start + (above as f64 + share) * self.bandwidth / STEPS
    }

    /// A value drawn from the density.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        let kernel = self.values[rng.random_range(0..self.values.len())];
        kernel + self.bandwidth * rng.sample::<f64, _>(StandardNormal)
    }
}

/// The standard normal distribution function.
fn below(score: f64) -> f64 {
    0.5 * erfc(-score / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    /// Values in two groups far apart; those of one group are all equal.
    fn values() -> Vec<f64> {
        (0..60).map(|index| if index % 3 == 0 { 50.0 } else { (index * index % 17) as f64 / 4.0 }).collect()
    }

    #[test]
    fn the_bandwidth_is_scotts() {
        // The square root of `scipy.stats.gaussian_kde([1, 2, 4, 8, 16]).covariance`.
        let marginal = Marginal::of(vec![1.0, 2.0, 4.0, 8.0, 16.0]);
        assert!((marginal.bandwidth - 4.420561826822924).abs() < 1e-12, "{}", marginal.bandwidth);
    }

    #[test]
    fn scores_match_the_sum_of_kernels_and_invert() {
        let marginal = Marginal::of(values());
        for at in [-8.0, -1.0, 0.0, 1.3, 4.2, 12.0, 30.0, 49.0, 50.0, 53.0, 60.0] {
            let kernels = marginal.values.iter().map(|value| below((at - value) / marginal.bandwidth));
            let share = kernels.sum::<f64>() / marginal.values.len() as f64;
            let score = marginal.score(at);
            // The table is linear over a quarter of a bandwidth.
            assert!((below(score) - share).abs() < 2e-3, "{at}: {} for {share}", below(score));
            assert!((marginal.value(score) - at).abs() < 1e-6 * marginal.bandwidth, "{at}: {}", marginal.value(score));
        }
    }

    #[test]
    fn scores_beyond_the_table_stay_at_its_ends() {
        let marginal = Marginal::of(values());
        let (low, high) = (-BEYOND * marginal.bandwidth, 50.0 + BEYOND * marginal.bandwidth);
        assert!((marginal.value(-30.0) - low).abs() < 1e-9, "{}", marginal.value(-30.0));
        assert!((marginal.value(30.0) - high).abs() < marginal.bandwidth / STEPS, "{}", marginal.value(30.0));
        assert!(marginal.score(1e9) > marginal.score(50.0) && marginal.score(1e9).is_finite());
        assert!(marginal.score(-1e9) < marginal.score(0.0) && marginal.score(-1e9).is_finite());
    }

    #[test]
    fn draws_have_the_moments_of_the_kernels() {
        let marginal = Marginal::of(values());
        let mut rng = Seed(1).stream(&[]);
        let draws: Vec<f64> = (0..20_000).map(|_| marginal.draw(&mut rng)).collect();
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
        };
        let ((mean, variance), (drawn_mean, drawn)) = (moments(&marginal.values), moments(&draws));
        assert!((drawn_mean - mean).abs() < 1.0, "{drawn_mean} for {mean}");
        let expected = variance + marginal.bandwidth.powi(2);
        assert!((drawn / expected - 1.0).abs() < 0.03, "{drawn} for {expected}");
    }

    #[test]
    fn a_constant_feature_has_one_value() {
        let marginal = Marginal::of(vec![3.5; 9]);
        assert!(marginal.scores.is_empty());
        assert_eq!((marginal.score(3.5), marginal.value(0.3), marginal.value(-9.0)), (0.0, 3.5, 3.5));
        assert_eq!(marginal.draw(&mut Seed(1).stream(&[])), 3.5);
    }
}
