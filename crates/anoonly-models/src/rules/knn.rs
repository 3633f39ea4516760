//! The floor without labels: the distance to the k-th nearest unlabelled row.
//!
//! Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000.

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host::{cells, places};
use crate::tools::neighbours::Neighbours;
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

impl<B: Backend> Network<B> for Knn<B> {
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (known, columns) = (self.rows.val(), rows.dims()[1]);
        let nearest = Neighbours::new(cells(known.clone()), columns).of(&cells(rows.clone()), self.k);
        let kth = nearest.by_row().filter_map(|(places, _)| places.last().copied());
        // Of that row alone the distance is taken on the device, so that it has a gradient.
        let kth = known.select(0, places(kth, &rows.device()));
        (rows - kth).square().sum_dim(1).sqrt().squeeze_dim(1)
    }
}
