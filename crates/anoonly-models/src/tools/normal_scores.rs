//! Normal scores: values of any scale mapped to that of the standard normal distribution, so that they can be added.
//!
//! Van der Waerden 1952: the normal score of a value is `Φ⁻¹(rank/(n + 1))`, where `rank` is its rank among the values of the `n`
//! training rows.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::SavedTensors;
use crate::graph::{Combination, Function, GeneralStep, Graph, LookupTable, Matrix, Step, Value};

/// The most knots of a map: order statistics at evenly spaced ranks, from the smallest value to the largest.
const KNOTS: usize = 513;

/// A map from values to their normal scores, fitted to the values of training rows. It never decreases. Between two knots it is
/// linear; beyond the first and the last it grows like a logarithm, so that values there keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NormalScores {
    /// Values, each larger than the one before.
    knots: Vec<f32>,
    /// The normal score of each knot.
    levels: Vec<f32>,
}

impl NormalScores {
    /// The map fitted to values, at least one.
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
            // Equal values share their mean rank.
            let below = values.partition_point(|&value| value < knot);
            let up_to = values.partition_point(|&value| value <= knot);
            let rank = (below + up_to + 1) as f64 / 2.0;
            knots.push(knot);
            levels.push(Normal::standard().inverse_cdf(rank / (count + 1) as f64) as f32);
        }
        Self { knots, levels }
    }

    /// The normal score of a value; NaN for NaN.
    pub(crate) fn of_value(&self, value: f32) -> f32 {
        let (Some(&first), Some(&last)) = (self.knots.first(), self.knots.last()) else { return 0.0 };
        if value.is_nan() {
            return f32::NAN;
        }
        let end = self.knots.len() - 1;
        let unit = self.unit();
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

    /// The scale beyond the ends, where the map starts with the mean slope that it has between them.
    fn unit(&self) -> f32 {
        let (Some(&first), Some(&last)) = (self.knots.first(), self.knots.last()) else { return 1.0 };
        let range = (self.levels[self.levels.len() - 1] - self.levels[0]).max(1.0);
        let unit = ((last - first) / range).max(1e-6 * (first.abs() + last.abs()));
        // A single knot at 0 has no scale, as when every row has a copy and all distances are 0.
        if unit >= f32::MIN_POSITIVE { unit } else { 1.0 }
    }

    /// Adds the normal scores of a value with one column to a graph, with 64-bit elements.
    pub(crate) fn describe(&self, graph: &mut Graph, of: Value) -> Value {
        let [knots, levels] = [&self.knots, &self.levels].map(|values| values.iter().map(|&value| f64::from(value)));
        let (knots, levels): (Vec<f64>, Vec<f64>) = (knots.collect(), levels.collect());
        let (count, unit) = (knots.len(), f64::from(self.unit()));
        let rank =
            GeneralStep::Rank { of, knots: Matrix { shape: [1, count], cells: self.knots.clone() }, equal: true };
        let rank = graph.general(rank);
        // A value with `place` knots up to it lies `away` from the knot `from(place)`.
        let mut table = |cell: &dyn Fn(usize) -> f64| {
            let table = LookupTable { shape: [1, count + 1], cells: (0..=count).map(cell).collect() };
            graph.general(GeneralStep::Lookup { at: rank, table })
        };
        let slope = |place: usize| match place {
            0 => 0.0,
            _ if place == count => 0.0,
            _ => (levels[place] - levels[place - 1]) / (knots[place] - knots[place - 1]),
        };
        // Beyond the ends, the sign of the logarithm.
        let sign = |place: usize| if place == 0 { -1.0 } else { f64::from(u8::from(place == count)) };
        let from = table(&|place| knots[place.saturating_sub(1)]);
        let level = table(&|place| levels[place.saturating_sub(1)]);
        let [slope, sign] = [table(&slope), table(&sign)];
        let wide = graph.widen(of);
        let away = graph.then(Step::Subtract { left: wide, right: from });
        let linear = graph.combine(away, Combination::Product, slope);
        let size = graph.map(away, Function::Absolute);
        let ratio = graph.affine(size, 1.0 / unit, 1.0);
        let log = graph.map(ratio, Function::Log);
        let bent = graph.combine(log, Combination::Product, sign);
        let inside = graph.combine(level, Combination::Sum, linear);
        graph.combine(inside, Combination::Sum, bent)
    }

    /// `knots` and `levels`, `[KNOTS]` each; a map with fewer knots repeats its last one.
    pub(crate) fn save(&self) -> SavedTensors {
        let filled = |values: &[f32]| {
            let last = values.last().copied().unwrap_or_default();
            values.iter().copied().chain(std::iter::repeat(last)).take(KNOTS).collect()
        };
        SavedTensors::default().with("knots", &[KNOTS], filled(&self.knots)).with(
            "levels",
            &[KNOTS],
            filled(&self.levels),
        )
    }

    /// The map that [`save`](Self::save) saved.
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong shape, or there are others; or when the map decreases.
    pub(crate) fn restore(saved: &mut SavedTensors) -> Result<Self, String> {
        let (knots, levels) = (saved.take("knots", &[KNOTS])?, saved.take("levels", &[KNOTS])?);
        let rises = |values: &[f32]| values.is_sorted() && values.iter().all(|value| value.is_finite());
        if !rises(&knots) || !rises(&levels) {
            return Err("a map to normal scores decreases".into());
        }
        // The last knot may be repeated.
        let mut map = Self { knots: Vec::new(), levels: Vec::new() };
        for (knot, level) in knots.into_iter().zip(levels) {
            if map.knots.last().is_none_or(|&last| knot > last) {
                map.knots.push(knot);
                map.levels.push(level);
            }
        }
        match saved.left() {
            None => Ok(map),
            Some(path) => Err(format!("a map to normal scores has no tensor `{path}`")),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    fn fitted(values: &[f32]) -> impl Fn(&[f32]) -> Vec<f32> {
        let map = NormalScores::of(values);
        move |values| values.iter().map(|&value| map.of_value(value)).collect()
    }

    #[test]
    fn a_map_is_the_same_after_saving() {
        for values in [vec![4.0; 3], (0..2000).map(|value| (value % 700) as f32).collect()] {
            let map = NormalScores::of(&values);
            assert_eq!(NormalScores::restore(&mut map.save()), Ok(map));
        }
    }

    #[test]
    fn a_map_that_decreases_is_refused() {
        let restored = |knots: [f32; 3], levels: [f32; 3]| {
            let filled = |values: [f32; 3]| [&values[..], &[values[2]; KNOTS - 3]].concat();
            let saved = SavedTensors::default().with("knots", &[KNOTS], filled(knots));
            NormalScores::restore(&mut saved.with("levels", &[KNOTS], filled(levels)))
        };
        let levels = [-1.0, 0.0, 1.0];
        assert_eq!(restored([1.0, 2.0, 3.0], levels).unwrap().knots, [1.0, 2.0, 3.0]);
        for knots in [[1.0, 0.0, 2.0], [f32::NAN, 1.0, 2.0], [f32::NEG_INFINITY, 1.0, 2.0], [0.0, 1.0, f32::INFINITY]] {
            assert!(restored(knots, levels).unwrap_err().contains("decreases"), "{knots:?}");
        }
        assert!(restored([1.0, 2.0, 3.0], [0.0, -1.0, 1.0]).is_err());
        let short = SavedTensors::default().with("knots", &[2], vec![0.0; 2]).with("levels", &[2], vec![0.0; 2]);
        assert!(NormalScores::restore(&mut short.clone()).is_err());
        assert!(NormalScores::of(&[1.0, 2.0]).of_value(f32::NAN).is_nan());
    }

    /// From scipy: `norm.ppf([0.25, 0.5, 0.75])`. Halfway between two values the score is halfway, too.
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
    fn values_beyond_the_ends_keep_their_order() {
        let scores = fitted(&[0.0, 0.2, 1.0])(&[-1e30, -5.0, -0.1, 0.0, 0.5, 1.0, 1.1, 7.0, 1e30]);
        assert!(scores.is_sorted_by(|a, b| a < b) && scores.iter().all(|score| score.is_finite()), "{scores:?}");
    }

    #[test]
    fn a_single_value_has_the_score_of_the_middle() {
        for values in [vec![4.0], vec![4.0; 9], vec![0.0; 3]] {
            let scores = fitted(&values)(&[values[0], values[0] + 1.0, values[0] - 1.0]);
            assert!(scores[0] == 0.0 && scores[1] > 0.0 && scores[2] < 0.0, "{scores:?}");
            assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
        }
    }

    #[test]
    fn above_a_single_zero_scores_are_finite_and_in_order() {
        let scores = fitted(&[0.0; 9])(&[0.0, 1e-3, 20.0, 1e30]);
        assert!(scores.is_sorted_by(|a, b| a < b) && scores.iter().all(|score| score.is_finite()), "{scores:?}");
    }
}
