//! Shapley values, for scores without a gradient.

use std::ops::Range;

use ndarray::{Array2, ArrayView1};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::nearest;
use crate::{FittedDetector, ScoreError};

/// The approximate number of points that are scored to explain one row. It decides how many orders are drawn.
const POINTS_PER_ROW: usize = 1600;
/// The smallest number of pairs of orders. A pair is an order and its reverse.
const MIN_PAIRS: usize = 2;
/// The largest number of pairs of orders.
const MAX_PAIRS: usize = 32;
/// The largest number of cells that one thread scores at once: 16 MiB.
const CELLS_AT_ONCE: usize = 1 << 22;

/// Random orders of the parts. In each order, the parts go from the baseline to the row one after the other.
pub(super) struct PartOrders<'a> {
    fitted: &'a FittedDetector,
    baseline: &'a [f32],
    /// The score of the baseline.
    start: f32,
    parts: &'a [Range<usize>],
    orders: Vec<Vec<usize>>,
    cells_at_once: usize,
}

/// One step of an order: a part takes the values of the row.
struct OrderStep {
    part: usize,
    /// Whether the order starts here, from the baseline.
    starts: bool,
}

impl<'a> PartOrders<'a> {
    /// Draws the orders, each followed by its reverse. The seed of the detector decides them.
    pub fn new(fitted: &'a FittedDetector, baseline: &'a [f32], start: f32, parts: &'a [Range<usize>]) -> Self {
        let pairs = (POINTS_PER_ROW / (2 * parts.len().max(1))).clamp(MIN_PAIRS, MAX_PAIRS);
        let orders = orders(parts.len(), pairs, &mut fitted.seed.stream(&["orders of columns"]));
        Self { fitted, baseline, start, parts, orders, cells_at_once: CELLS_AT_ONCE }
    }

    /// The contributions, `[rows, parts]`. The orders are the same for every row. Rows are explained in parallel.
    pub fn contributions(&self, features: &Array2<f32>) -> Result<Array2<f32>, ScoreError> {
        let mut contributions = Array2::zeros((features.nrows(), self.parts.len()));
        let rows: Vec<_> = contributions.rows_mut().into_iter().zip(features.rows()).collect();
        // The first error in the order of the rows, so that it does not depend on threads either.
        let failed = rows.into_par_iter().find_map_first(|(contributions, row)| match self.sums(row) {
            Ok(sums) => {
                let means = sums.into_iter().map(|sum| nearest(sum / self.orders.len() as f64));
                contributions.into_iter().zip(means).for_each(|(contribution, mean)| *contribution = mean);
                None
            }
            Err(error) => Some(error),
        });
        failed.map_or(Ok(contributions), Err)
    }

    /// The change of the score that each part makes, summed over all orders, `[parts]`.
    fn sums(&self, row: ArrayView1<'_, f32>) -> Result<Vec<f64>, ScoreError> {
        let Self { fitted, baseline, start, parts, .. } = *self;
        let steps = self.steps(row);
        let mut sums = vec![0.0f64; parts.len()];
        let mut point = baseline.to_vec();
        let mut before = start;
        // One order may span several chunks: `point` and `before` carry over.
        for steps in steps.chunks((self.cells_at_once / baseline.len()).max(1)) {
            let mut points = Array2::zeros((steps.len(), baseline.len()));
            for (mut cells, step) in points.rows_mut().into_iter().zip(steps) {
                if step.starts {
                    point.copy_from_slice(baseline);
                }
                parts[step.part].clone().for_each(|column| point[column] = row[column]);
                cells.assign(&ArrayView1::from(&point));
            }
            for (step, score) in steps.iter().zip(fitted.score_on_one_thread(&points)?) {
                if step.starts {
                    before = start;
                }
                sums[step.part] += f64::from(score) - f64::from(before);
                before = score;
            }
        }
        Ok(sums)
    }

    /// The steps of all orders. A part with the values of the baseline changes nothing and is left out.
    fn steps(&self, row: ArrayView1<'_, f32>) -> Vec<OrderStep> {
        let differs = |part: &usize| self.parts[*part].clone().any(|column| row[column] != self.baseline[column]);
        let orders = self.orders.iter().map(|order| order.iter().copied().filter(differs));
        orders.flat_map(|order| order.enumerate().map(|(at, part)| OrderStep { part, starts: at == 0 })).collect()
    }
}

/// Random orders of parts, each followed by its reverse.
///
/// How much a part changes the score depends on how early it comes. So the places of each part are spread evenly over all orders: the
/// keys that the parts are sorted by are a Latin hypercube sample (McKay, Beckman and Conover, Technometrics 1979).
fn orders(parts: usize, pairs: usize, rng: &mut impl Rng) -> Vec<Vec<usize>> {
    let sorted = |keys: Vec<f64>| {
        let mut order: Vec<usize> = (0..parts).collect();
        order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
        let reverse = order.iter().rev().copied().collect();
        [order, reverse]
    };
    keys(parts, pairs, rng).into_iter().flat_map(sorted).collect()
}

/// A key of each part for each pair of orders, `[pairs][parts]`, from 0 to 1. For each part, each of the `pairs` ranges of equal length in
/// the half from 0 to 1/2 has one of its keys, or one minus it, which is its key in the reverse.
fn keys(parts: usize, pairs: usize, rng: &mut impl Rng) -> Vec<Vec<f64>> {
    let mut keys = vec![vec![0.0; parts]; pairs];
    let mut ranges: Vec<usize> = (0..pairs).collect();
    for part in 0..parts {
        ranges.shuffle(rng);
        for (keys, &range) in keys.iter_mut().zip(&ranges) {
            let key = (range as f64 + rng.random::<f64>()) / (2 * pairs) as f64;
            keys[part] = if rng.random() { key } else { 1.0 - key };
        }
    }
    keys
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::{ComputeDevice, Detector, Supervision};
    use anoonly_core::{Label, Samples, Seed};
    use anoonly_models::AnyMethod;

    #[test]
    fn sums_do_not_depend_on_how_many_points_are_scored_at_once() {
        let cell = |(row, column)| ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0;
        let labels = (0..60).map(|row| if row < 3 { Label::Anomaly } else { Label::Unlabelled }).collect();
        let samples = Samples::new(Array2::from_shape_fn((60, 4), cell), labels).unwrap();
        let detector = Detector::new(AnyMethod::by_name("ecod").unwrap(), Supervision::Full, Seed(1)).unwrap();
        let fitted = detector.fit(&samples, &ComputeDevice::default()).unwrap();
        let rows = samples.features();
        let baseline = rows.row(5).to_vec();
        let start = fitted.score(rows).unwrap()[5];
        let mut orders = PartOrders::new(&fitted, &baseline, start, &[0..1, 1..2, 2..4]);
        let together = orders.contributions(rows).unwrap();
        assert!(together.iter().any(|contribution| *contribution != 0.0));
        // One point at once, and chunks that end within an order.
        for points in [1, 4] {
            orders.cells_at_once = points * 4;
            assert_eq!(orders.contributions(rows).unwrap(), together);
        }
    }
    #[test]
    fn the_places_of_each_part_are_spread_evenly() {
        let (parts, pairs) = (9, 8);
        let keys = keys(parts, pairs, &mut Seed(4).stream(&[]));
        for part in 0..parts {
            let mut ranges: Vec<usize> =
                keys.iter().map(|keys| (keys[part].min(1.0 - keys[part]) * (2 * pairs) as f64) as usize).collect();
            ranges.sort_unstable();
            assert_eq!(ranges, (0..pairs).collect::<Vec<_>>());
        }
        let orders = orders(parts, pairs, &mut Seed(4).stream(&[]));
        assert_eq!(orders.len(), 2 * pairs);
        for pair in orders.chunks(2) {
            let mut sorted = pair[0].clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..parts).collect::<Vec<_>>());
            assert!(pair[0].iter().rev().eq(&pair[1]));
        }
    }
}
