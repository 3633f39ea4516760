//! The floor of directions: whether a row lies where the labelled anomalies do, seen from the middle of the unlabelled rows.

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step, Value};
use crate::layers::host;
use crate::tools::covariance::Covariance;
use crate::tools::whitening::{self, Whitening};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is the mean of its cosines to the labelled anomalies, all whitened: centred on the mean of the unlabelled
/// rows, rotated to the eigenvectors of their shrunk covariance ([`Covariance::ledoit_wolf`]) and divided by
/// `√(eigenvalue + ridge · median eigenvalue)`. Between −1 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhitenedCosineConfig {
    /// How many median eigenvalues are added to each: the more, the less axes of small variance count.
    pub ridge: f64,
}

impl Default for WhitenedCosineConfig {
    fn default() -> Self {
        Self { ridge: 10.0 }
    }
}

impl Method for WhitenedCosineConfig {
    type Network<B: Backend> = WhitenedCosine<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "whitened-cosine",
        title: "Whitened cosine",
        kind: Kind::Floor,
        source: "this project; Ledoit and Wolf 2004",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).not_negative("ridge", self.ridge).done()
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        whitening::weights(columns).saturating_add(columns)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> WhitenedCosine<B> {
        WhitenedCosine::new(&Covariance::ledoit_wolf(&host::unlabelled(data), data.columns()), self.ridge, data)
    }
}

/// The whitening, and the mean direction of the whitened labelled anomalies, `[columns, 1]`: the mean of the cosines to them is
/// the product with it, over the length of the row.
#[derive(Module, Debug)]
pub struct WhitenedCosine<B: Backend> {
    whitening: Whitening<B>,
    direction: Param<Tensor<B, 2>>,
}

/// Added to a squared length, so that a row in the very middle has a score, of 0.
const GAP: f32 = 1e-12;

impl<B: Backend> WhitenedCosine<B> {
    /// By a covariance of the unlabelled rows.
    pub(crate) fn new(covariance: &Covariance, ridge: f64, data: &TrainingData<B>) -> Self {
        let whitening = Whitening::new(covariance, ridge * covariance.median_variance(), &data.rows.device());
        let anomalies = whitening.apply(data.select(&data.anomalies));
        let direction = (anomalies.clone() / length(anomalies)).mean_dim(0).transpose();
        Self { whitening, direction: Param::initialized(ParamId::new(), direction) }
    }

    /// Its steps.
    pub(crate) fn describe(&self, graph: &mut Graph) -> Value {
        let whitened = self.whitening.describe(graph);
        let product = graph.linear(whitened, self.direction.val(), None);
        let length = graph.length(whitened, GAP);
        graph.then(Step::Divide { left: product, right: length })
    }
}

fn length<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    rows.square().sum_dim(1).add_scalar(GAP).sqrt()
}

impl<B: Backend> Network<B> for WhitenedCosine<B> {
    /// Explanations start in the middle of the unlabelled rows, and there a cosine turns about within a hair.
    fn smooth(&self) -> bool {
        false
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        self.describe(&mut graph);
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let whitened = self.whitening.apply(rows);
        (whitened.clone().matmul(self.direction.val()) / length(whitened)).squeeze_dim(1)
    }
}
