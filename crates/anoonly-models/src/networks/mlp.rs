//! A plain network that is trained to tell labelled anomalies from unlabelled rows.
//!
//! Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 1986; the class weights of King
//! and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::layers::activation::{Activation, dense};
use crate::layers::cross_entropy::balanced_cross_entropy;
use crate::layers::hidden::{self, Layers, Plan};
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of a multi-layer perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Widths of the hidden layers.
    pub widths: Vec<usize>,
    /// What stands after each hidden layer's ReLU.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// How it is trained.
    pub recipe: Recipe,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            widths: vec![100],
            norm: Norm::None,
            norm_settings: NormSettings { epsilon: 1e-5, keep: 0.9 },
            recipe: Recipe {
                batches: Batches::Balanced { unlabelled: 100, anomalies: 100, steps: 20 },
                epochs: 50,
                optimiser: Optimiser::Adam {
                    learning_rate: 1e-3,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-8,
                    weight_decay: 1e-4,
                },
                schedule: Schedule::Constant,
                keep: Keep::Last,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

impl MlpConfig {
    fn plan(&self) -> Plan<'_> {
        let Self { widths, norm, norm_settings, .. } = self;
        Plan { widths, bias: true, activation: Activation::Relu, norm: *norm, settings: *norm_settings }
    }
}

impl Method for MlpConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "mlp",
        title: "MLP",
        kind: MethodKind::FewLabels,
        source: "Rumelhart, Hinton, Williams, Nature 1986",
    };

    fn check(&self) -> Result<(), ConfigError> {
        hidden::check(Checks::of(Self::INFO.name), "widths", &self.widths).norm(self.norm_settings).done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for MlpConfig {
    type Network<B: Backend> = Mlp<B>;

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
        let plan = self.plan();
        plan.weights(columns).saturating_add(linear_weights(plan.outputs(columns), 1, true))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Mlp<B> {
        let (plan, device) = (self.plan(), data.rows.device());
        let hidden = plan.layers(data.columns(), rng, &device);
        Mlp { hidden, output: WeightInit::PytorchUniform.linear(plan.outputs(data.columns()), 1, true, rng, &device) }
    }
}

/// `Linear – ReLU – norm` for each hidden layer, then a linear score.
#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    hidden: Layers<B>,
    output: Linear<B>,
}

impl<B: Backend> Mlp<B> {
    fn scores(&self, code: Tensor<B, 2>) -> Tensor<B, 1> {
        dense(code, &self.output, Activation::Linear).squeeze_dim(1)
    }
}

impl<B: Backend> Network<B> for Mlp<B> {
    /// The cross-entropy of each row, of which those of unlabelled rows and those of labelled anomalies weigh the same together.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (unlabelled, anomalies) = batch.part(self.scores(self.hidden.of_batch(batch)));
        balanced_cross_entropy(unlabelled, anomalies)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.hidden.norms_mut().collect()
    }

    /// The last hidden layer, normalised.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.hidden.forward(rows))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let code = self.hidden.describe(&mut graph, Graph::ROWS);
        graph.dense(code, &self.output, Activation::Linear);
        Some(graph)
    }

    /// The log odds of being a labelled anomaly.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.scores(self.hidden.forward(rows))
    }
}
