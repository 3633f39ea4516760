//! The floor under every trained method: the direction from the mean unlabelled row to the mean labelled anomaly.

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is its product with the unit vector from the mean unlabelled row to the mean labelled anomaly.
///
/// A linear discriminant whose covariance is taken for round; it has nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeanDifferenceConfig {}

impl Method for MeanDifferenceConfig {
    type Network<B: Backend> = MeanDifference<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "mean-difference",
        title: "Mean difference",
        kind: Kind::Floor,
        source: "Fisher's discriminant (1936) with a round covariance",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        columns
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> MeanDifference<B> {
        let mean = |rows: &[usize]| data.select(rows).mean_dim(0).squeeze_dim::<1>(0);
        let direction = mean(&data.anomalies) - mean(&data.unlabelled);
        // Where the means are equal, all scores are 0.
        let length = direction.clone().square().sum().sqrt().clamp_min(f32::MIN_POSITIVE);
        MeanDifference { direction: Param::initialized(ParamId::new(), direction / length) }
    }
}

/// The fitted direction, `[columns]`.
#[derive(Module, Debug)]
pub struct MeanDifference<B: Backend> {
    direction: Param<Tensor<B, 1>>,
}

impl<B: Backend> Network<B> for MeanDifference<B> {
    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        graph.linear(Graph::ROWS, self.direction.val().unsqueeze_dim(1), None);
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        rows.matmul(self.direction.val().unsqueeze_dim(1)).squeeze_dim(1)
    }
}
