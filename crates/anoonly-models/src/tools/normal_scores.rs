//! Scores of any scale brought to that of the standard normal distribution, so that they can be added.
//!
//! Van der Waerden's normal scores (1952): of a value, the quantile of the normal distribution at its rank among the training
//! rows' values, `Φ⁻¹(rank/(n + 1))`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::layers::host::{cells, parameter};

/// Values by which the scale is told: order statistics at even ranks, the least and the largest among them.
const KNOTS: usize = 513;

/// The number of values in a saved map.
pub(crate) const WEIGHTS: usize = 2 * KNOTS;

/// A map of values to their normal scores, fitted to the values of training rows. It never falls. Between two knots it is a straight
/// line; beyond the ends it goes on as a logarithm, so that values there still have an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NormalScores {
    /// Values, in order, each larger than the one before.
    knots: Vec<f32>,
    /// Their normal scores.
    levels: Vec<f32>,
}

impl NormalScores {
    /// Fitted to values, at least one.
    pub(crate) fn of(values: &[f32]) -> Self {
        let mut values = values.to_vec();
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
        Self { knots, levels }
    }

    /// The normal score of a value.
    pub(crate) fn of_value(&self, value: f32) -> f32 {
        let (Some(&first), Some(&last)) = (self.knots.first(), self.knots.last()) else { return 0.0 };
        let end = self.knots.len() - 1;
        // Beyond the ends the map starts as steeply as it is within them in the mean.
        let range = (self.levels[end] - self.levels[0]).max(1.0);
        let unit = ((last - first) / range).max(1e-6 * (first.abs() + last.abs()));
        // Zeros alone, as the distances of rows that all have copies, have no scale.
        let unit = if unit >= f32::MIN_POSITIVE { unit } else { 1.0 };
        if value <= first {
            return self.levels[0] - ((first - value) / unit).ln_1p();
        }
        if value >= last {
            return self.levels[end] + ((value - last) / unit).ln_1p();
        }
        let above = self.knots.partition_point(|&knot| knot <= value);
        let (from, to) = (self.knots[above - 1], self.knots[above]);
        let part = (value - from) / (to - from);
        self.levels[above - 1] + part * (self.levels[above] - self.levels[above - 1])
    }
}

/// A map as a network keeps it.
#[derive(Module, Debug)]
pub(crate) struct SavedNormalScores<B: Backend> {
    /// `[KNOTS]`; where the map has fewer, the last is repeated.
    knots: Param<Tensor<B, 1>>,
    /// `[KNOTS]`.
    levels: Param<Tensor<B, 1>>,
}

impl<B: Backend> SavedNormalScores<B> {
    pub(crate) fn new(map: &NormalScores, device: &B::Device) -> Self {
        let filled = |values: &[f32]| {
            let last = values.last().copied().unwrap_or_default();
            let values = values.iter().copied().chain(std::iter::repeat(last));
            parameter(values.take(KNOTS).collect(), [KNOTS], device)
        };
        Self { knots: filled(&map.knots), levels: filled(&map.levels) }
    }

    /// The map. Knots out of order, as in a file that was tampered with, are left out as repeated ones are.
    pub(crate) fn read(&self) -> NormalScores {
        let mut map = NormalScores { knots: Vec::new(), levels: Vec::new() };
        for (knot, level) in cells(self.knots.val()).into_iter().zip(cells(self.levels.val())) {
            if map.knots.last().is_none_or(|&last| knot > last) {
                map.knots.push(knot);
                map.levels.push(level);
            }
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    fn fitted(values: &[f32]) -> impl Fn(&[f32]) -> Vec<f32> {
        let map = NormalScores::of(values);
        move |values| values.iter().map(|&value| map.of_value(value)).collect()
    }

    #[test]
    fn a_map_is_the_same_after_saving() {
        for values in [vec![4.0; 3], (0..2000).map(|value| (value % 700) as f32).collect()] {
            let map = NormalScores::of(&values);
            assert_eq!(SavedNormalScores::<NdArray>::new(&map, &Default::default()).read(), map);
        }
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

    #[test]
    fn above_zeros_alone_scores_are_finite_and_in_order() {
        let scores = fitted(&[0.0; 9])(&[0.0, 1e-3, 20.0, 1e30]);
        assert!(scores.is_sorted_by(|a, b| a < b) && scores.iter().all(|score| score.is_finite()), "{scores:?}");
    }
}
