//! The distribution of one feature by itself.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use statrs::function::erf::{erfc, erfc_inv};

/// Steps of the table within a bandwidth.
const STEPS: f64 = 4.0;
/// How many bandwidths the table goes on beyond the values.
const BEYOND: f64 = 4.0;
/// The bandwidths beyond which a kernel counts as over: it is, but for 1e-9.
const REACH: f64 = 6.0;

/// A Gaussian kernel density of the values of a feature.
///
/// The bandwidth is Scott's, `s n^(-1/5)` with `s` the sample's standard deviation, as in SciPy's `gaussian_kde`. The
/// distribution is known by a table of normal scores `Φ⁻¹(F(x))`, a quarter of a bandwidth apart, between which it is linear.
#[derive(Clone, Debug)]
pub struct Marginal {
    values: Vec<f64>,
    /// 0 for a constant feature, whose table is empty.
    bandwidth: f64,
    start: f64,
    scores: Vec<f64>,
}

impl Marginal {
    /// Of two values or more.
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

    /// The normal scores at so many places.
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

    /// The normal score of a value, `Φ⁻¹(F(x))`; 0 of a constant feature.
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
