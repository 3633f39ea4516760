//! One-class support vector machine: rows outside of what holds most of the unlabelled ones, in the space of a Gaussian kernel.
//!
//! Schölkopf, Platt, Shawe-Taylor, Smola and Williamson, "Estimating the Support of a High-Dimensional Distribution", Neural
//! Computation 2001.

mod solver;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use self::solver::{Solution, solve};
use crate::error::Checks;
use crate::layers::host::{cells, parameter};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of the one-class support vector machine. The kernel is `k(x, y) = exp(−‖x − y‖²/columns)`; the score of a row is
/// `ρ − Σ αᵢk(xᵢ, x)`, above 0 outside of the support.
///
/// Departs from PyOD in that no more than [`most_rows`](Self::most_rows) are learnt from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OcsvmConfig {
    /// The share of the rows outside of the support at most, and of support vectors at least; above 0.
    pub nu: f64,
    /// How far the conditions of optimality may be missed.
    pub tolerance: f64,
    /// Unlabelled rows at most, drawn at random where there are more. The kernels of all pairs are in memory during the fit: 400
    /// megabytes of 10 000 rows.
    pub most_rows: usize,
}

impl Default for OcsvmConfig {
    fn default() -> Self {
        Self { nu: 0.5, tolerance: 1e-3, most_rows: 10_000 }
    }
}

impl Method for OcsvmConfig {
    type Network<B: Backend> = Ocsvm<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "ocsvm",
        title: "One-class SVM",
        kind: Kind::Unsupervised,
        source: "Schölkopf et al., Neural Computation 2001",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .that(self.nu > 0.0 && self.nu <= 1.0, "nu", self.nu, "above 0 and at most 1")
            .positive("tolerance", self.tolerance)
            .at_least_one("most_rows", self.most_rows)
            .done()
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        columns.saturating_add(1).saturating_mul(saved.entries("vectors")).saturating_add(1)
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Ocsvm<B> {
        let vectors = saved.entries("vectors");
        let zeros = |count: usize| vec![0.0; count];
        Ocsvm {
            vectors: parameter(zeros(vectors * columns), [vectors, columns], device),
            weights: parameter(zeros(vectors), [vectors, 1], device),
            offset: parameter(zeros(1), [1], device),
        }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Ocsvm<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let mut drawn = data.unlabelled.clone();
        if drawn.len() > self.most_rows {
            drawn = drawn.partial_shuffle(rng, self.most_rows).0.to_vec();
            drawn.sort_unstable();
        }
        let rows = cells(data.select(&drawn));
        let Solution { weights, offset } =
            solve(&kernels(&rows, columns), drawn.len(), self.nu * drawn.len() as f64, self.tolerance);
        let support = rows.chunks_exact(columns).zip(&weights).filter(|(_, weight)| **weight > 0.0);
        let (vectors, weights): (Vec<&[f32]>, Vec<f32>) = support.map(|(row, &weight)| (row, weight as f32)).unzip();
        Ocsvm {
            vectors: parameter(vectors.concat(), [vectors.len(), columns], &device),
            weights: parameter(weights, [vectors.len(), 1], &device),
            offset: parameter(vec![offset as f32], [1], &device),
        }
    }
}

/// The kernels of all pairs of rows.
fn kernels(rows: &[f32], columns: usize) -> Vec<f32> {
    let count = rows.len() / columns;
    let squares: Vec<f32> = rows.chunks_exact(columns).map(|row| row.iter().map(|cell| cell * cell).sum()).collect();
    let mut kernels = vec![0.0f32; count * count];
    let all = MatRef::from_row_major_slice(rows, count, columns);
    let products = MatMut::from_row_major_slice_mut(&mut kernels, count, count);
    matmul(products, Accum::Replace, all, all.transpose(), 2.0, Par::Seq);
    for (row, (kernels, square)) in kernels.chunks_exact_mut(count).zip(&squares).enumerate() {
        let cells = kernels.iter_mut().zip(&squares);
        cells.for_each(|(cell, other)| *cell = (-(square + other - *cell).max(0.0) / columns as f32).exp());
        kernels[row] = 1.0;
    }
    kernels
}

/// The support vectors, `[vectors, columns]`, their weights, `[vectors, 1]`, and ρ, `[1]`.
#[derive(Module, Debug)]
pub struct Ocsvm<B: Backend> {
    vectors: Param<Tensor<B, 2>>,
    weights: Param<Tensor<B, 2>>,
    offset: Param<Tensor<B, 1>>,
}

/// Kernels held at a time: 16 MiB of them.
const BLOCK: usize = 4 << 20;

impl<B: Backend> Network<B> for Ocsvm<B> {
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (vectors, columns) = (self.vectors.val(), rows.dims()[1]);
        let vector_squares = vectors.clone().square().sum_dim(1).transpose();
        let at_once = (BLOCK / vectors.dims()[0].max(1)).max(1);
        let blocks = rows.split(at_once, 0).into_iter().map(|block| {
            let squares = block.clone().square().sum_dim(1);
            let products = block.matmul(vectors.clone().transpose()).mul_scalar(2.0);
            let distances = (squares + vector_squares.clone() - products).clamp_min(0.0);
            let kernels = distances.mul_scalar(-1.0 / columns as f64).exp();
            kernels.matmul(self.weights.val()).neg().squeeze_dim(1) + self.offset.val()
        });
        Tensor::cat(blocks.collect(), 0)
    }
}
