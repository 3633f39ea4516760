//! The opinions themselves.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;

use super::trees::{Trees, share};
use crate::TrainingData;
use crate::covariance::Covariance;
use crate::host::{cells, tensor};

/// The number of opinions.
pub(super) const COUNT: usize = 7;
/// Which of them say much the same, by the weights they share: how far a row lies from all (Mahalanobis' distance, and the
/// distance to the nearest whitened row), how far it points the way of the labelled anomalies (three cosines), how few
/// unlabelled rows point its way, and the trees.
pub(super) const GROUPS: [Range<usize>; 4] = [0..2, 2..5, 5..6, 6..7];
/// Products of a whitened row that are taken at once: for Mahalanobis' distance, and one for each cosine.
pub(super) const AXES: usize = 4;
/// What is added to the variance along an axis before a row is divided by its root, in median variances: the more, the less
/// axes of small variance count. One for each cosine;
const RIDGES: [f64; 3] = [10.0, 30.0, 100.0];
/// and the one by which rows are whitened.
const RIDGE: f64 = 30.0;
/// Neighbours whose cosines are averaged.
const NEIGHBOURS: usize = 10;
/// Rows looked at together.
pub(super) const BLOCK: usize = 512;

/// Opinions formed on training rows. The fields are told at [`Quorum`](super::Quorum).
pub(super) struct Fitted<B: Backend> {
    pub mean: Tensor<B, 2>,
    pub axes: Tensor<B, 2>,
    pub directions: Tensor<B, 2>,
    pub squares: Tensor<B, 2>,
    pub rows: Tensor<B, 2>,
    pub nodes: Vec<f32>,
    pub roots: Vec<f32>,
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
        let mean = tensor(covariance.mean.iter().map(|&mean| mean as f32).collect(), [1, columns], &device);
        let axes = tensor(covariance.whitening(RIDGE * median), [columns, columns], &device);
        let white = |rows: &[usize]| (data.select(rows) - mean.clone()).matmul(axes.clone());
        let rows = white(kept);

        let known = cells(white(anomalies));
        let mut directions = vec![0.0; columns * AXES];
        let mut squares = vec![0.0; columns * AXES];
        for (column, (scale, variance)) in scales.iter().zip(&covariance.variances).enumerate() {
            squares[column * AXES] = (scale * scale / variance) as f32;
        }
        for (axis, ridge) in RIDGES.into_iter().enumerate() {
            let factors: Vec<f64> = whitened(ridge).zip(&scales).map(|(to, from)| from / to).collect();
            let mut direction = vec![0.0; columns];
            for row in known.chunks_exact(columns) {
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
        let Trees { nodes, roots } = Trees::grow(&host(kept), &host(anomalies), columns, trees, rng);
        let [directions, squares] = [directions, squares].map(|values| tensor(values, [columns, AXES], &device));
        Self { mean, axes, directions, squares, rows, nodes, roots }
    }

    /// The values of all opinions on at most [`BLOCK`] rows, one vector an opinion; higher means more anomalous.
    pub fn opinions(&self, rows: Tensor<B, 2>) -> [Vec<f32>; COUNT] {
        let columns = rows.dims()[1];
        let plain = cells(rows.clone());
        let white = (rows - self.mean.clone()).matmul(self.axes.clone());
        let along = cells(white.clone().matmul(self.directions.clone()));
        let squared = cells(white.clone().square().matmul(self.squares.clone()));
        let lengths = cells(white.clone().square().sum_dim(1));
        let known = cells(self.rows.clone().square().sum_dim(1));
        let products = cells(white.matmul(self.rows.clone().transpose()));

        let mut values: [Vec<f32>; COUNT] = Default::default();
        for (row, &length) in lengths.iter().enumerate() {
            let at = row * AXES..(row + 1) * AXES;
            values[0].push(squared[at.start]);
            let neighbours = Neighbours::of(&products[row * known.len()..(row + 1) * known.len()], &known, length);
            values[1].push(neighbours.distance);
            let cosines = along[at.clone()].iter().zip(&squared[at]).skip(1);
            for (axis, (&product, &square)) in cosines.enumerate() {
                // A row at the mean points nowhere.
                values[2 + axis].push(product / square.max(1e-12).sqrt());
            }
            values[5].push(-neighbours.cosine);
            values[6].push(share(&self.nodes, &self.roots, &plain[row * columns..(row + 1) * columns]));
        }
        values
    }
}

/// What the whitened unlabelled rows say of a row.
struct Neighbours {
    /// The distance to the nearest.
    distance: f32,
    /// The mean of the largest cosines.
    cosine: f32,
}

impl Neighbours {
    /// From the row's products with all, their squared lengths, and its own.
    fn of(products: &[f32], known: &[f32], length: f32) -> Self {
        // |x − t|² = |x|² + |t|² − 2xt; rounding may leave it a hair below 0.
        let nearest = products.iter().zip(known).map(|(product, square)| square - 2.0 * product);
        let nearest = nearest.fold(f32::INFINITY, f32::min);
        let mut cosines: Vec<f32> =
            products.iter().zip(known).map(|(product, square)| product / (square * length).max(1e-12).sqrt()).collect();
        let count = NEIGHBOURS.min(cosines.len());
        if count < cosines.len() {
            cosines.select_nth_unstable_by(count, |a, b| b.total_cmp(a));
        }
        let nearest_cosines = &mut cosines[..count];
        // In one order, whatever the selection left.
        nearest_cosines.sort_unstable_by(f32::total_cmp);
        Self {
            distance: (nearest + length).max(0.0).sqrt(),
            cosine: nearest_cosines.iter().sum::<f32>() / count.max(1) as f32,
        }
    }
}
