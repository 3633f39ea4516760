//! Scores on the scale of the normal distribution.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use statrs::distribution::{ContinuousCDF, Normal};

/// Points by which an opinion's scale is told.
pub(super) const POINTS: usize = 512;

/// What turns the values of an opinion into normal scores: the quantile of the normal distribution at a value's place among the
/// unlabelled rows', between two of them by a straight line. Beyond the ends it goes on as a logarithm, so that values
/// there still have an order.
pub(super) struct Standard {
    /// Values, in order.
    knots: Vec<f32>,
    /// Their normal scores.
    levels: Vec<f32>,
}

impl Standard {
    /// From the values of unlabelled rows, at least one.
    pub fn of(values: &[f32]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let (count, last) = (sorted.len(), sorted.len() - 1);
        let points = POINTS.min(count);
        let (mut knots, mut levels) = (Vec::new(), Vec::new());
        for point in 0..points {
            let value = sorted[point * last / (points - 1).max(1)];
            if knots.last() == Some(&value) {
                continue;
            }
            let [below, up_to] =
                [sorted.partition_point(|&other| other < value), sorted.partition_point(|&other| other <= value)];
            let share = ((below + up_to) as f64 / 2.0 + 0.5) / (count + 1) as f64;
            knots.push(value);
            levels.push(Normal::standard().inverse_cdf(share.min(1.0 - 0.5 / (count + 1) as f64)) as f32);
        }
        Self { knots, levels }
    }

    /// The normal score of a value.
    pub fn level(&self, value: f32) -> f32 {
        let (Some(&first), Some(&last)) = (self.knots.first(), self.knots.last()) else { return 0.0 };
        let end = self.knots.len() - 1;
        // A tenth of the range is one unit beyond it.
        let unit = ((last - first) / 10.0).max(f32::EPSILON * (first.abs() + last.abs())).max(f32::MIN_POSITIVE);
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

    /// Values and levels as one column, [`POINTS`] of each; what is left repeats the last.
    pub fn column(&self) -> Vec<f32> {
        let filled = |values: &[f32]| {
            let last = values.last().copied().unwrap_or_default();
            values.iter().copied().chain(std::iter::repeat(last)).take(POINTS).collect::<Vec<_>>()
        };
        [filled(&self.knots), filled(&self.levels)].concat()
    }

    /// From the columns of a tensor, `[opinions, 2 · POINTS]`.
    pub fn all<B: Backend>(columns: Tensor<B, 2>) -> Vec<Self> {
        let cells: Vec<f32> = columns.into_data().iter::<f32>().collect();
        let one = |column: &[f32]| {
            let (knots, levels) = column.split_at(POINTS);
            let mut standard = Self { knots: Vec::new(), levels: Vec::new() };
            for (&knot, &level) in knots.iter().zip(levels) {
                // What is out of order, as in a file that was tampered with, is left out as what repeats is.
                if standard.knots.last().is_none_or(|&last| knot > last) {
                    standard.knots.push(knot);
                    standard.levels.push(level);
                }
            }
            standard
        };
        cells.chunks_exact(2 * POINTS).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_quantiles_of_the_normal_distribution() {
        let standard = Standard::of(&[3.0, 1.0, 2.0]);
        // From scipy: norm.ppf([0.25, 0.5, 0.75]); halfway between two values, half of the step.
        for (value, level) in [(1.0, -0.674_489_8), (2.0, 0.0), (3.0, 0.674_489_8), (2.5, 0.337_244_9)] {
            assert!((standard.level(value) - level).abs() < 1e-6, "{value}: {}", standard.level(value));
        }
    }

    #[test]
    fn beyond_the_ends_the_order_remains() {
        let standard = Standard::of(&[0.0, 1.0]);
        let levels = [-1e30, -5.0, 0.0, 0.5, 1.0, 2.0, 1e30].map(|value| standard.level(value));
        assert!(levels.is_sorted_by(|a, b| a < b) && levels.iter().all(|level| level.is_finite()), "{levels:?}");
    }

    #[test]
    fn values_all_alike_have_one_level() {
        let standard = Standard::of(&[4.0; 9]);
        assert_eq!(standard.level(4.0), 0.0);
        assert!(standard.level(5.0) > 0.0 && standard.level(5.0).is_finite());
    }

    #[test]
    fn a_scale_is_the_same_after_saving() {
        let values: Vec<f32> = (0..2000).map(|value| (value % 700) as f32).collect();
        let standard = Standard::of(&values);
        let columns = Tensor::<burn_ndarray::NdArray, 1>::from_floats(&standard.column()[..], &Default::default());
        let again = &Standard::all(columns.unsqueeze_dim(0))[0];
        assert_eq!((&again.knots, &again.levels), (&standard.knots, &standard.levels));
    }
}
