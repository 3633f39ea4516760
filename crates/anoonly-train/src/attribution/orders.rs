//! Explanations of scores without a gradient.

use anoonly_models::Method;
use burn::tensor::backend::Backend;
use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;

use crate::{FittedDetector, ScoreError};

/// Rows scored for the explanation of one, about; but every order is gone through,
const SCORED: usize = 4000;
/// and so many of them at least, each forwards and backwards,
const FEWEST: usize = 2;
/// and so many at most.
const MOST: usize = 32;

impl<B: Backend, M: Method> FittedDetector<B, M> {
    /// Fills in the contributions, `[rows, columns]`. The orders are the same for every row.
    pub(super) fn by_orders(
        &self,
        features: &Array2<f32>,
        baseline: &[f32],
        start: f32,
        contributions: &mut Array2<f32>,
    ) -> Result<(), ScoreError> {
        let columns = baseline.len();
        let pairs = (SCORED / (2 * columns)).clamp(FEWEST, MOST);
        let mut rng = self.detector.seed.stream(&["orders of columns"]);
        let mut order: Vec<usize> = (0..columns).collect();
        let orders: Vec<Vec<usize>> = (0..pairs)
            .flat_map(|_| {
                order.shuffle(&mut rng);
                [order.clone(), order.iter().rev().copied().collect()]
            })
            .collect();
        for (row, mut contributions) in features.axis_iter(Axis(0)).zip(contributions.axis_iter_mut(Axis(0))) {
            let mut sums = vec![0.0f64; columns];
            for order in &orders {
                // A column that is as in the baseline changes nothing.
                let order: Vec<usize> =
                    order.iter().copied().filter(|&column| row[column] != baseline[column]).collect();
                let mut steps = Array2::from_shape_fn((order.len(), columns), |(_, column)| baseline[column]);
                for (step, &column) in order.iter().enumerate() {
                    steps.slice_mut(ndarray::s![step.., column]).fill(row[column]);
                }
                let mut before = start;
                for (&column, score) in order.iter().zip(self.score(&steps)?) {
                    sums[column] += f64::from(score) - f64::from(before);
                    before = score;
                }
            }
            for (contribution, sum) in contributions.iter_mut().zip(sums) {
                *contribution = (sum / orders.len() as f64) as f32;
            }
        }
        Ok(())
    }
}
