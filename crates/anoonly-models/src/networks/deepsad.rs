//! DeepSAD: maps normal rows close to a centre and labelled anomalies away from it.
//!
//! Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020.

mod direct;

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step};
use crate::kernels::Direct;
use crate::layers::activation::{Activation, dense};
use crate::layers::hidden;
use crate::layers::host::cells;
use crate::layers::init::{WeightInit, layer_sizes, linear_weights, total};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::members;
use crate::network::recipe_accessors;
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of DeepSAD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepSadConfig {
    /// The widths of the layers. The last one is the dimension of the centre. No layer has a bias, which could map every row onto
    /// the centre.
    pub widths: Vec<usize>,
    /// The normalisation between a layer and its leaky ReLU, without scale and shift. The original method uses batch normalisation,
    /// too.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The weight η of the loss of a labelled anomaly.
    pub eta: f64,
    /// How the network is trained.
    pub recipe: Recipe,
}

impl Default for DeepSadConfig {
    fn default() -> Self {
        Self {
            widths: vec![100, 20, 10],
            norm: Norm::Batch,
            norm_settings: NormSettings { epsilon: 1e-4, keep: 0.9 },
            eta: 1.0,
            recipe: Recipe::new(Batches::Shuffled { rows: 128 }, 50, Optimiser::adam(1e-4, 1e-6)),
        }
    }
}

/// The smallest absolute value of a component of the centre. A trivial network could map all rows to 0.
const CENTRE_GAP: f64 = 0.1;
/// Added to the distance of a labelled anomaly. It keeps the inverse distance finite.
pub(crate) const DISTANCE_GAP: f64 = 1e-6;

impl DeepSadConfig {
    /// Checks every value except the recipe. `method` is the method's name for the error.
    pub(crate) fn check_network(&self, method: &'static str) -> Result<(), ConfigError> {
        hidden::check(Checks::of(method), "widths", &self.widths)
            .norm(self.norm_settings)
            .positive("eta", self.eta)
            .done()
    }
}

impl Method for DeepSadConfig {
    const INFO: MethodInfo =
        MethodInfo { name: "deepsad", title: "DeepSAD", kind: MethodKind::FewLabels, source: "Ruff et al., ICLR 2020" };

    fn check(&self) -> Result<(), ConfigError> {
        self.check_network(Self::INFO.name)?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for DeepSadConfig {
    type Network<B: Backend> = DeepSad<B>;

    recipe_accessors!();

    fn stacks(&self) -> bool {
        true
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let layers = layer_sizes(columns, &self.widths).map(|(from, to)| linear_weights(from, to, false));
        let (between, centre) = self.widths.split_at(self.widths.len().saturating_sub(1));
        let norms = between.iter().map(|&width| self.norm.weights(width));
        total(layers.chain(norms).chain(centre.iter().copied()))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> DeepSad<B> {
        let device = data.rows.device();
        let layer = |(from, to)| WeightInit::PytorchUniform.linear(from, to, false, &mut *rng, &device);
        let layers = layer_sizes(data.columns(), &self.widths).map(layer).collect();
        let outputs = self.widths.last().copied().unwrap_or(data.columns());
        let between = self.widths.iter().take(self.widths.len().saturating_sub(1));
        let norms =
            between.map(|&width| NormLayer::new(self.norm, width, self.norm_settings, &device).fixed()).collect();
        let centre = Param::initialized(ParamId::new(), Tensor::zeros([outputs], &device));
        let network = DeepSad { layers, norms, centre, eta: self.eta };
        // On a plain backend, this is the network in evaluation mode.
        let centre: Tensor<B, 1> = network.embed(data.rows.clone()).mean_dim(0).squeeze_dim(0);
        let too_close = centre.clone().abs().lower_elem(CENTRE_GAP);
        let pushed = centre.clone().sign().mul_scalar(CENTRE_GAP);
        DeepSad { centre: Param::initialized(ParamId::new(), centre.mask_where(too_close, pushed)), ..network }
    }
}

/// The network φ of DeepSAD: `Linear – norm – leaky ReLU` for each layer but the last, which is linear.
#[derive(Module, Debug)]
pub struct DeepSad<B: Backend> {
    pub(crate) layers: Vec<Linear<B>>,
    pub(crate) norms: Vec<NormLayer<B>>,
    /// The centre c, `[width]`, fixed before training.
    pub(crate) centre: Param<Tensor<B, 1>>,
    pub(crate) eta: f64,
}

impl<B: Backend> DeepSad<B> {
    /// φ: `[rows, columns]` to `[rows, width]`.
    fn embed(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let mut code = rows;
        for (index, layer) in self.layers.iter().enumerate() {
            code = dense(code, layer, Activation::Linear);
            if let Some(norm) = self.norms.get(index) {
                code = norm.then(code, Activation::LeakyRelu);
            }
        }
        code
    }
}

impl<B: Backend> Network<B> for DeepSad<B> {
    /// `D = ‖φ(x) − c‖²` for an unlabelled row or a confirmed normal, and `η/(D + 1e-6)` for a labelled anomaly (equation 7 of the paper,
    /// whose constant factors are absorbed by the learning rate).
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (normal, anomalous) = batch.part(self.score(batch.by_row(|rows| rows)));
        LossTerms::by_row(batch, normal, anomalous.add_scalar(DISTANCE_GAP).recip().mul_scalar(self.eta))
    }

    fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        direct::direct(self, data)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.norms.iter_mut().collect()
    }

    /// `φ(x)`. The score is its distance from the centre.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.embed(rows))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let mut code = Graph::ROWS;
        for (index, layer) in self.layers.iter().enumerate() {
            code = graph.dense(code, layer, Activation::Linear);
            if let Some(norm) = self.norms.get(index) {
                code = norm.describe(&mut graph, code, Activation::LeakyRelu);
            }
        }
        let from_centre = graph.add(code, cells(self.centre.val().neg()));
        graph.then(Step::SumOfSquares { of: from_centre });
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        members::subtract(self.embed(rows), self.centre.val()).square().sum_dim(1).squeeze_dim(1)
    }
}
