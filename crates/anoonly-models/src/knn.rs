//! The floor without labels: the distance to the k-th nearest unlabelled row.
//!
//! Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000.

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of the k-th neighbour's distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnnConfig {
    /// Which neighbour's distance is the score. Where there are fewer unlabelled rows, it is the farthest one.
    pub k: usize,
}

impl Default for KnnConfig {
    fn default() -> Self {
        Self { k: 5 }
    }
}

impl Method for KnnConfig {
    type Network<B: Backend> = Knn<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "knn",
        title: "kNN distance",
        kind: Kind::Unsupervised,
        source: "Ramaswamy, Rastogi, Shim, SIGMOD 2000",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).at_least_one("k", self.k).done()
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        columns.saturating_mul(saved.entries("rows"))
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Knn<B> {
        let rows = Tensor::zeros([saved.entries("rows"), columns], device);
        Knn { k: self.k, rows: Param::initialized(ParamId::new(), rows) }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Knn<B> {
        let rows = data.select(&data.unlabelled);
        Knn { k: self.k, rows: Param::initialized(ParamId::new(), rows) }
    }
}

/// The unlabelled rows, `[rows, columns]`.
#[derive(Module, Debug)]
pub struct Knn<B: Backend> {
    rows: Param<Tensor<B, 2>>,
    k: usize,
}

/// Distances held at a time: 16 MiB of them.
const BLOCK: usize = 4 << 20;

impl<B: Backend> Network<B> for Knn<B> {
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let known = self.rows.val();
        let known_squares = known.clone().square().sum_dim(1).transpose();
        let k = self.k.min(known.dims()[0]);
        let at_once = (BLOCK / known.dims()[0]).max(1);
        let blocks = rows.split(at_once, 0).into_iter().map(|block| {
            let squares = block.clone().square().sum_dim(1);
            // |x − t|² = |x|² + |t|² − 2xt; rounding may leave it a hair below 0.
            let distances = squares + known_squares.clone() - block.matmul(known.clone().transpose()).mul_scalar(2.0);
            let nearest = distances.sort(1).narrow(1, k - 1, 1);
            nearest.clamp_min(0.0).sqrt().squeeze_dim(1)
        });
        Tensor::cat(blocks.collect(), 0)
    }
}
