//! The floor of two Gaussians: Fisher's direction between the unlabelled rows and the labelled anomalies.
//!
//! Fisher, "The use of multiple measurements in taxonomic problems", 1936; the covariance is shrunk as Ledoit and Wolf (2004)
//! do.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::layers::host::{self, cells, parameter};
use crate::tools::covariance::Covariance;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is its product with `Σ⁻¹(a − u)`, where `u` is the mean unlabelled row, `Σ` the shrunk covariance of these
/// rows ([`Covariance::ledoit_wolf`]) and `a` the mean labelled anomaly, counted from `u` on and in standard deviations of the
/// unlabelled rows along this direction. It has nothing to set.
///
/// Departs from Fisher's covariance within both classes: labelled anomalies are too few to have a say in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FisherConfig {}

impl Method for FisherConfig {
    type Network<B: Backend> = Fisher<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "fisher",
        title: "Fisher direction",
        kind: Kind::Floor,
        source: "Fisher 1936; Ledoit and Wolf 2004",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        columns.saturating_add(1)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Fisher<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let covariance = Covariance::ledoit_wolf(&host::unlabelled(data), columns);
        let mut difference: Vec<f64> = covariance.mean.iter().map(|cell| -cell).collect();
        for anomaly in cells(data.select(&data.anomalies)).chunks_exact(columns) {
            let shares = anomaly.iter().map(|&cell| f64::from(cell) / data.anomalies.len() as f64);
            difference.iter_mut().zip(shares).for_each(|(cell, share)| *cell += share);
        }
        let direction = covariance.inverse_times(&difference);
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        // Along the direction the variance is this very product. Where the means are equal, all scores are 0.
        let variance = product(&direction, &difference);
        let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
        let offset = -scale * product(&direction, &covariance.mean);
        let direction = direction.iter().map(|cell| (cell * scale) as f32).collect();
        Fisher {
            direction: parameter(direction, [columns], &device),
            offset: parameter(vec![offset as f32], [1], &device),
        }
    }
}

/// The direction, `[columns]`, and what is added to the product with it, `[1]`.
#[derive(Module, Debug)]
pub struct Fisher<B: Backend> {
    direction: Param<Tensor<B, 1>>,
    offset: Param<Tensor<B, 1>>,
}

impl<B: Backend> Network<B> for Fisher<B> {
    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        graph.linear(Graph::ROWS, self.direction.val().unsqueeze_dim(1), Some(self.offset.val()));
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        rows.matmul(self.direction.val().unsqueeze_dim(1)).squeeze_dim(1) + self.offset.val()
    }
}
