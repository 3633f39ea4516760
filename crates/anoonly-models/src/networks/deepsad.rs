//! DeepSAD: a network that maps normal rows near a centre and labelled anomalies away from it.
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
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// DeepSAD's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepSadConfig {
    /// Widths of the layers; the last one is the space of the centre. No layer has a bias, which could map every row onto it.
    pub widths: Vec<usize>,
    /// What stands between a layer and its leaky ReLU; without scale and shift. The host has batch normalisation already.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// Weight η of the loss of a labelled anomaly.
    pub eta: f64,
    /// How it is trained.
    pub recipe: Recipe,
}

impl Default for DeepSadConfig {
    fn default() -> Self {
        Self {
            widths: vec![100, 20, 10],
            norm: Norm::Batch,
            norm_settings: NormSettings { epsilon: 1e-4, keep: 0.9 },
            eta: 1.0,
            recipe: Recipe {
                batches: Batches::Shuffled { rows: 128 },
                epochs: 50,
                optimiser: Optimiser::Adam {
                    learning_rate: 1e-4,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-8,
                    weight_decay: 1e-6,
                },
                schedule: Schedule::Constant,
                keep: Keep::Last,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

/// No component of the centre is closer to 0 than this: a trivial network could map rows there.
const CENTRE_GAP: f64 = 0.1;
/// Keeps the inverse distance of a labelled anomaly finite.
pub(crate) const DISTANCE_GAP: f64 = 1e-6;

impl DeepSadConfig {
    /// Checks every value but the recipe's, in the name of a method.
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

    fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    fn recipe_mut(&mut self) -> &mut Recipe {
        &mut self.recipe
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let inputs = std::iter::once(&columns).chain(&self.widths);
        let layers = inputs.zip(&self.widths).map(|(&from, &to)| linear_weights(from, to, false));
        let (between, centre) = self.widths.split_at(self.widths.len().saturating_sub(1));
        let norms = between.iter().map(|&width| self.norm.weights(width));
        layers.chain(norms).chain(centre.iter().copied()).fold(0, usize::saturating_add)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> DeepSad<B> {
        let device = data.rows.device();
        let mut inputs = data.columns();
        let mut layers = Vec::new();
        for &width in &self.widths {
            layers.push(WeightInit::PytorchUniform.linear(inputs, width, false, rng, &device));
            inputs = width;
        }
        let between = self.widths.iter().take(self.widths.len().saturating_sub(1));
        let norms =
            between.map(|&width| NormLayer::new(self.norm, width, self.norm_settings, &device).fixed()).collect();
        let centre = Param::initialized(ParamId::new(), Tensor::zeros([inputs], &device));
        let network = DeepSad { layers, norms, centre, eta: self.eta };
        // On a backend that does not differentiate, this is the network in evaluation mode.
        let centre: Tensor<B, 1> = network.embed(data.rows.clone()).mean_dim(0).squeeze_dim(0);
        let too_close = centre.clone().abs().lower_elem(CENTRE_GAP);
        let pushed = centre.clone().sign().mul_scalar(CENTRE_GAP);
        DeepSad { centre: Param::initialized(ParamId::new(), centre.mask_where(too_close, pushed)), ..network }
    }
}

/// DeepSAD's network φ: `Linear – norm – leaky ReLU` for each layer but the last, which is linear.
#[derive(Module, Debug)]
pub struct DeepSad<B: Backend> {
    pub(crate) layers: Vec<Linear<B>>,
    pub(crate) norms: Vec<NormLayer<B>>,
    /// The centre c, `[width]`, fixed before the training.
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
    /// `D = ‖φ(x) − c‖²` for an unlabelled row, `η/(D + 1e-6)` for a labelled anomaly (equation 7 of the paper, its constant
    /// factors taken into the learning rate).
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (normal, anomalous) = batch.part(self.score(batch.by_row(|rows| rows)));
        LossTerms { normal, anomalous: anomalous.add_scalar(DISTANCE_GAP).recip().mul_scalar(self.eta) }
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

    /// `φ(x)`, of which the score is the distance to the centre.
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
        (self.embed(rows) - self.centre.val().unsqueeze_dim(0)).square().sum_dim(1).squeeze_dim(1)
    }
}
