//! The floor of one Gaussian: how far a row lies from the mean, by the spread of the unlabelled rows.
//!
//! Mahalanobis, "On the generalised distance in statistics", 1936; the covariance is shrunk as Ledoit and Wolf (2004) do.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Step};
use crate::layers::host;
use crate::tools::covariance::Covariance;
use crate::tools::whitening::{self, Whitening};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is its squared Mahalanobis distance from the mean of the unlabelled rows, by their shrunk covariance
/// ([`Covariance::ledoit_wolf`]). It knows no labels and has nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MahalanobisConfig {}

impl Method for MahalanobisConfig {
    type Network<B: Backend> = Mahalanobis<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "mahalanobis",
        title: "Mahalanobis distance",
        kind: Kind::Floor,
        source: "Mahalanobis 1936; Ledoit and Wolf 2004",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        whitening::weights(columns)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Mahalanobis<B> {
        let covariance = Covariance::ledoit_wolf(&host::unlabelled(data), data.columns());
        Mahalanobis { whitening: Whitening::new(&covariance, 0.0, &data.rows.device()) }
    }
}

/// The mean and the axes, each divided by its deviation.
#[derive(Module, Debug)]
pub struct Mahalanobis<B: Backend> {
    whitening: Whitening<B>,
}

impl<B: Backend> Network<B> for Mahalanobis<B> {
    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let whitened = self.whitening.describe(&mut graph);
        graph.then(Step::SumOfSquares { of: whitened });
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.whitening.apply(rows).square().sum_dim(1).squeeze_dim(1)
    }
}
