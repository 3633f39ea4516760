//! The opinions themselves.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;

use crate::TrainingData;
use crate::layers::host::{cells, tensor};
use crate::tools::covariance::Covariance;
use crate::tools::neighbours::Neighbours;
use crate::tools::trees::{Classes, Forest, Splits};
use crate::tools::whitening::Whitening;

/// The number of opinions.
pub(super) const COUNT: usize = 8;
/// Which of them say much the same, by the weights they share: how far a row lies from all (Mahalanobis' distance, and the
/// distance to the nearest whitened row), how far it points the way of the labelled anomalies (three cosines), how few
/// unlabelled rows point its way, and the trees (on the columns, and on the axes of largest variance).
pub(super) const GROUPS: [Range<usize>; 4] = [0..2, 2..5, 5..6, 6..8];
/// Products of a whitened row that are taken at once: for Mahalanobis' distance, and one for each cosine.
pub(super) const AXES: usize = 4;
/// What is added to the variance along an axis before a row is divided by its root, in median variances: the more, the less
/// axes of small variance count. One for each cosine;
const RIDGES: [f64; 3] = [10.0, 30.0, 100.0];
/// and the one by which rows are whitened.
const RIDGE: f64 = 30.0;
/// Neighbours whose cosines are averaged.
const NEIGHBOURS: usize = 10;
/// Axes that trees grow on.
const WIDE: usize = 64;
/// Rows in a leaf of a tree at least.
const LEAF: usize = 2;
/// Rows looked at together.
pub(super) const BLOCK: usize = 512;

/// Opinions formed on training rows. The fields are told at [`Quorum`](super::Quorum).
pub(super) struct Fitted<B: Backend> {
    pub whitening: Whitening<B>,
    pub directions: Tensor<B, 2>,
    pub squares: Tensor<B, 2>,
    pub known: Known,
    pub forest: Forest,
    pub turned: Forest,
}

impl<B: Backend> Fitted<B> {
    /// From all unlabelled rows, those of them that are kept, and labelled anomalies.
    pub fn of(
        data: &TrainingData<B>,
        unlabelled: &[usize],
        kept: &[usize],
        anomalies: &[usize],
        trees: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let (columns, device) = (data.columns(), data.rows.device());
        let host = |rows: &[usize]| cells(data.select(rows));
        let covariance = Covariance::ledoit_wolf(&host(unlabelled), columns);
        let median = covariance.median_variance();
        let whitened = |ridge: f64| covariance.variances.iter().map(move |variance| (variance + ridge * median).sqrt());
        let scales: Vec<f64> = whitened(RIDGE).collect();
        let whitening = Whitening::new(&covariance, RIDGE * median, &device);
        let white = |rows: &[usize]| cells(whitening.apply(data.select(rows)));
        let known = Known::new(white(kept), columns);
        let pointed = white(anomalies);
        let mut directions = vec![0.0; columns * AXES];
        let mut squares = vec![0.0; columns * AXES];
        for (column, (scale, variance)) in scales.iter().zip(&covariance.variances).enumerate() {
            squares[column * AXES] = (scale * scale / variance) as f32;
        }
        for (axis, ridge) in RIDGES.into_iter().enumerate() {
            let factors: Vec<f64> = whitened(ridge).zip(&scales).map(|(to, from)| from / to).collect();
            let mut direction = vec![0.0; columns];
            for row in pointed.chunks_exact(columns) {
                let turned: Vec<f64> =
                    row.iter().zip(&factors).map(|(&cell, factor)| f64::from(cell) * factor).collect();
                let length = turned.iter().map(|cell| cell * cell).sum::<f64>().sqrt().max(1e-12);
                direction.iter_mut().zip(turned).for_each(|(sum, cell)| *sum += cell / length / anomalies.len() as f64);
            }
            for (column, (cell, factor)) in direction.into_iter().zip(&factors).enumerate() {
                directions[column * AXES + 1 + axis] = (cell * factor) as f32;
                squares[column * AXES + 1 + axis] = (factor * factor) as f32;
            }
        }
        let classes = Classes { trees, leaf: LEAF, splits: Splits::Random };
        let forest = classes.grow(&host(kept), &host(anomalies), columns, rng);
        let turned = classes.grow(&wide(known.rows(), columns), &wide(&pointed, columns), columns.min(WIDE), rng);
        let [directions, squares] = [directions, squares].map(|values| tensor(values, [columns, AXES], &device));
        Self { whitening, directions, squares, known, forest, turned }
    }

    /// The values of all opinions on at most [`BLOCK`] rows, one vector an opinion; higher means more anomalous.
    pub fn opinions(&self, rows: Tensor<B, 2>) -> [Vec<f32>; COUNT] {
        let columns = rows.dims()[1];
        let plain = cells(rows.clone());
        let white = self.whitening.apply(rows);
        let along = cells(white.clone().matmul(self.directions.clone()));
        let squared = cells(white.clone().square().matmul(self.squares.clone()));
        let white = cells(white);
        let [distances, cosines] = [self.known.distances(&white), self.known.cosines(&white, columns)];

        let mut values: [Vec<f32>; COUNT] = Default::default();
        for (row, (plain, white)) in plain.chunks_exact(columns).zip(white.chunks_exact(columns)).enumerate() {
            let at = row * AXES..(row + 1) * AXES;
            values[0].push(squared[at.start]);
            values[1].push(distances[row]);
            let products = along[at.clone()].iter().zip(&squared[at]).skip(1);
            for (axis, (&product, &square)) in products.enumerate() {
                // A row at the mean points nowhere.
                values[2 + axis].push(product / square.max(1e-12).sqrt());
            }
            values[5].push(-cosines[row]);
            values[6].push(self.forest.mean(plain) as f32);
            values[7].push(self.turned.mean(widest(white)) as f32);
        }
        values
    }
}

/// Of whitened rows, their places along the axes of largest variance: these come last.
fn wide(rows: &[f32], columns: usize) -> Vec<f32> {
    rows.chunks_exact(columns).flat_map(widest).copied().collect()
}

fn widest(row: &[f32]) -> &[f32] {
    &row[row.len().saturating_sub(WIDE)..]
}

/// Whitened unlabelled rows, among which neighbours are looked for.
pub(super) struct Known {
    /// As they are,
    rows: Neighbours,
    /// and brought to length 1.
    units: Neighbours,
    /// Whether each has a length at all.
    longs: Vec<bool>,
}

impl Known {
    /// Of rows one after the other.
    pub fn new(rows: Vec<f32>, columns: usize) -> Self {
        let (units, longs) = units(&rows, columns);
        Self { rows: Neighbours::new(rows, columns), units: Neighbours::new(units, columns), longs }
    }

    /// The rows.
    pub fn rows(&self) -> &[f32] {
        self.rows.given()
    }

    /// The distance of each row to the nearest.
    fn distances(&self, rows: &[f32]) -> Vec<f32> {
        let nearest = self.rows.of(rows, 1);
        nearest.by_row().map(|(_, distances)| distances[0] as f32).collect()
    }

    /// The mean of the largest cosines that each row has with them.
    fn cosines(&self, rows: &[f32], columns: usize) -> Vec<f32> {
        let (units, longs) = units(rows, columns);
        let nearest = self.units.of(&units, NEIGHBOURS);
        let mean = |((places, distances), long): ((&[u32], &[f64]), bool)| {
            // Of two rows of length 1, |x − t|² = 2 − 2xt; one of no length points nowhere.
            let cosine = |(&place, distance): (&u32, &f64)| match long && self.longs[place as usize] {
                true => 1.0 - distance * distance / 2.0,
                false => 0.0,
            };
            (places.iter().zip(distances).map(cosine).sum::<f64>() / places.len() as f64) as f32
        };
        nearest.by_row().zip(longs).map(mean).collect()
    }
}

/// Rows brought to length 1, and whether each has a length at all.
fn units(rows: &[f32], columns: usize) -> (Vec<f32>, Vec<bool>) {
    let length = |row: &[f32]| row.iter().map(|&cell| f64::from(cell).powi(2)).sum::<f64>().sqrt();
    let lengths: Vec<f64> = rows.chunks_exact(columns).map(length).collect();
    let scaled = rows.chunks_exact(columns).zip(&lengths).flat_map(|(row, &length)| {
        let scale = if length > SHORTEST { 1.0 / length } else { 0.0 };
        row.iter().map(move |&cell| (f64::from(cell) * scale) as f32)
    });
    (scaled.collect(), lengths.iter().map(|&length| length > SHORTEST).collect())
}

/// What is no longer than this points nowhere.
const SHORTEST: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: distances 0 and 5; the row (3, 4) has the cosines 0.6 and 0.8 with the axes, and one without a length has none.
    #[test]
    fn neighbours_say_how_far_and_which_way() {
        let known = Known::new(vec![2.0, 0.0, 0.0, 7.0, 0.0, 0.0], 2);
        let rows = [2.0, 0.0, 3.0, 4.0, 0.0, 0.0];
        let close = |ours: Vec<f32>, expected: [f32; 3]| {
            assert!(ours.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{ours:?}, not {expected:?}");
        };
        close(known.distances(&rows), [0.0, 17f32.sqrt(), 0.0]);
        close(known.cosines(&rows, 2), [1.0 / 3.0, (0.6 + 0.8) / 3.0, 0.0]);
    }
}
