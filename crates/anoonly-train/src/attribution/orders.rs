//! Explanations of scores without a gradient.

use std::ops::Range;

use ndarray::{Array2, Axis, s};
use rand::seq::SliceRandom;

use crate::{FittedDetector, ScoreError};

/// Rows scored for the explanation of one, about; but every order is gone through,
const SCORED: usize = 4000;
/// and so many of them at least, each forwards and backwards,
const FEWEST: usize = 2;
/// and so many at most.
const MOST: usize = 32;

impl FittedDetector {
    /// The contributions, `[rows, parts]`. The orders are the same for every row.
    pub(super) fn by_orders(
        &self,
        features: &Array2<f32>,
        baseline: &[f32],
        start: f32,
        parts: &[Range<usize>],
    ) -> Result<Array2<f32>, ScoreError> {
        let pairs = (SCORED / (2 * parts.len().max(1))).clamp(FEWEST, MOST);
        let mut rng = self.detector.seed.stream(&["orders of columns"]);
        let mut order: Vec<usize> = (0..parts.len()).collect();
        let orders: Vec<Vec<usize>> = (0..pairs)
            .flat_map(|_| {
                order.shuffle(&mut rng);
                [order.clone(), order.iter().rev().copied().collect()]
            })
            .collect();
        let mut contributions = Array2::zeros((features.nrows(), parts.len()));
        for (row, mut contributions) in features.axis_iter(Axis(0)).zip(contributions.axis_iter_mut(Axis(0))) {
            let mut sums = vec![0.0f64; parts.len()];
            // A part that is as in the baseline changes nothing.
            let differs = |part: &usize| parts[*part].clone().any(|column| row[column] != baseline[column]);
            for order in &orders {
                let order: Vec<usize> = order.iter().copied().filter(differs).collect();
                let mut steps = Array2::from_shape_fn((order.len(), baseline.len()), |(_, column)| baseline[column]);
                for (step, &part) in order.iter().enumerate() {
                    let columns = parts[part].clone();
                    steps.slice_mut(s![step.., columns.clone()]).assign(&row.slice(s![columns]));
                }
                let mut before = start;
                for (&part, score) in order.iter().zip(self.score(&steps)?) {
                    sums[part] += f64::from(score) - f64::from(before);
                    before = score;
                }
            }
            for (contribution, sum) in contributions.iter_mut().zip(sums) {
                *contribution = (sum / orders.len() as f64) as f32;
            }
        }
        Ok(contributions)
    }
}
