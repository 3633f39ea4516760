//! Scores of any scale brought to that of the standard normal distribution, so that they can be added.
//!
//! Van der Waerden's normal scores (1952): of a value, the quantile of the normal distribution at its rank among the training
//! rows' values, `Φ⁻¹(rank/(n + 1))`.

use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation::relu};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::host::{cells, parameter};

/// Values by which the scale is told: order statistics at even ranks, the least and the largest among them.
const KNOTS: usize = 513;
/// The least difference between two of them that is told.
const NARROWEST: f32 = 1e-30;

/// A map of values to their normal scores, fitted to the values of training rows. It never falls. Between two knots it is a straight
/// line; beyond the ends it goes on as a logarithm, so that values there still have an order.
#[derive(Module, Debug)]
pub struct NormalScores<B: Backend> {
    /// Values, in order, `[KNOTS]`; where there are fewer different ones, the last is repeated.
    knots: Param<Tensor<B, 1>>,
    /// Their normal scores, `[KNOTS]`.
    levels: Param<Tensor<B, 1>>,
}

/// The number of values in it.
pub(crate) const WEIGHTS: usize = 2 * KNOTS;

impl<B: Backend> NormalScores<B> {
    /// Fitted to values, at least one: `[rows]`.
    pub(crate) fn of(values: Tensor<B, 1>) -> Self {
        let device = values.device();
        let (knots, levels) = knots(cells(values));
        Self { knots: parameter(knots, [KNOTS], &device), levels: parameter(levels, [KNOTS], &device) }
    }

    /// The normal scores of values, `[rows]`.
    pub(crate) fn apply(&self, values: Tensor<B, 1>) -> Tensor<B, 1> {
        let values: Tensor<B, 2> = values.unsqueeze_dim(1);
        let (knots, levels): (Tensor<B, 2>, Tensor<B, 2>) =
            (self.knots.val().unsqueeze_dim(0), self.levels.val().unsqueeze_dim(0));
        let part = |of: &Tensor<B, 2>, from: usize, count: usize| of.clone().narrow(1, from, count);
        let (first, last) = (part(&knots, 0, 1), part(&knots, KNOTS - 1, 1));
        let (from, to) = (part(&knots, 0, KNOTS - 1), part(&knots, 1, KNOTS - 1));
        let rise = part(&levels, 1, KNOTS - 1) - part(&levels, 0, KNOTS - 1);
        let slopes = rise / (to.clone() - from.clone()).clamp_min(NARROWEST);
        let shape = [values.dims()[0], KNOTS - 1];
        let within = values.clone().expand(shape).max_pair(from.clone().expand(shape)).min_pair(to.expand(shape)) - from;
        let inside = (within * slopes).sum_dim(1) + part(&levels, 0, 1);
        // Beyond the ends the map starts as steeply as it is within them in the mean.
        let range = part(&levels, KNOTS - 1, 1) - part(&levels, 0, 1);
        let least = (first.clone().abs() + last.clone().abs()).mul_scalar(1e-6).add_scalar(NARROWEST);
        let unit = ((last.clone() - first.clone()) / range.clamp_min(1.0)).max_pair(least);
        let above = (relu(values.clone() - last) / unit.clone()).log1p();
        let below = (relu(first - values) / unit).log1p();
        (inside + above - below).squeeze_dim(1)
    }
}

/// Values and their normal scores.
fn knots(mut values: Vec<f32>) -> (Vec<f32>, Vec<f32>) {
    values.sort_unstable_by(f32::total_cmp);
    let (count, last) = (values.len(), values.len() - 1);
    let (mut knots, mut levels) = (Vec::with_capacity(KNOTS), Vec::with_capacity(KNOTS));
    for place in 0..KNOTS {
        let knot = values[place * last / (KNOTS - 1)];
        if knots.last() == Some(&knot) {
            continue;
        }
        // Equal values share the middle of their ranks.
        let below = values.partition_point(|&value| value < knot);
        let up_to = values.partition_point(|&value| value <= knot);
        let rank = (below + up_to + 1) as f64 / 2.0;
        knots.push(knot);
        levels.push(Normal::standard().inverse_cdf(rank / (count + 1) as f64) as f32);
    }
    for filled in [&mut knots, &mut levels] {
        filled.resize(KNOTS, filled[filled.len() - 1]);
    }
    (knots, levels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tensor;
    use burn_ndarray::NdArray;

    fn fitted(values: &[f32]) -> impl Fn(&[f32]) -> Vec<f32> {
        let device = Default::default();
        let map = NormalScores::<NdArray>::of(tensor(values.to_vec(), [values.len()], &device));
        move |values| cells(map.apply(tensor(values.to_vec(), [values.len()], &device)))
    }

    /// From scipy: norm.ppf([0.25, 0.5, 0.75]); halfway between two values, half of the step.
    #[test]
    fn ranks_become_quantiles_of_the_normal_distribution() {
        let scores = fitted(&[3.0, 1.0, 2.0])(&[1.0, 2.0, 3.0, 2.5]);
        for (ours, expected) in scores.iter().zip([-0.674_489_75, 0.0, 0.674_489_75, 0.337_244_88]) {
            assert!((ours - expected).abs() < 1e-6, "{ours}, not {expected}");
        }
    }

    #[test]
    fn scores_of_many_values_have_the_moments_of_a_normal_distribution() {
        let values: Vec<f32> = (0..5000).map(|value| ((value * 7919 % 5000) as f32 / 5000.0).powi(3)).collect();
        let scores = fitted(&values)(&values);
        let moment = |power: i32| scores.iter().map(|&score| f64::from(score).powi(power)).sum::<f64>() / 5000.0;
        assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.02, "{} {}", moment(1), moment(2));
    }

    #[test]
    fn beyond_the_ends_the_order_remains() {
        let scores = fitted(&[0.0, 0.2, 1.0])(&[-1e30, -5.0, -0.1, 0.0, 0.5, 1.0, 1.1, 7.0, 1e30]);
        assert!(scores.is_sorted_by(|a, b| a < b) && scores.iter().all(|score| score.is_finite()), "{scores:?}");
    }

    #[test]
    fn values_all_alike_have_the_score_of_the_middle() {
        for values in [vec![4.0], vec![4.0; 9], vec![0.0; 3]] {
            let scores = fitted(&values)(&[values[0], values[0] + 1.0, values[0] - 1.0]);
            assert!(scores[0] == 0.0 && scores[1] > 0.0 && scores[2] < 0.0, "{scores:?}");
            assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
        }
    }
}
