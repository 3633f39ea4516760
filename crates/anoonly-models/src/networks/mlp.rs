//! A multi-layer perceptron that classifies labelled anomalies against unlabelled rows.
//!
//! Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 1986. The class weights are from
//! King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001.

mod direct;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::activation::{Activation, linear_score};
use crate::layers::cross_entropy::balanced_cross_entropy;
use crate::layers::hidden::{self, HiddenLayers, HiddenPlan};
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::recipe_accessors;
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of a multi-layer perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// The widths of the hidden layers.
    pub widths: Vec<usize>,
    /// The normalisation after the ReLU of each hidden layer.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// How the network is trained.
    pub recipe: Recipe,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            widths: vec![100],
            norm: Norm::None,
            norm_settings: NormSettings::PYTORCH,
            recipe: Recipe::new(
                Batches::Balanced { unlabelled: 100, anomalies: 100, steps: 20 },
                50,
                Optimiser::adam(1e-3, 1e-4),
            ),
        }
    }
}

impl MlpConfig {
    fn plan(&self) -> HiddenPlan<'_> {
        let Self { widths, norm, norm_settings, .. } = self;
        HiddenPlan { widths, bias: true, activation: Activation::Relu, norm: *norm, settings: *norm_settings }
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

    recipe_accessors!();

    /// The weights of the classes follow from the counts of a batch, which must be the same for all members.
    fn stacks(&self) -> bool {
        matches!(self.recipe.batches, Batches::Balanced { .. })
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

/// `Linear – ReLU – norm` for each hidden layer, followed by a linear score.
#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    hidden: HiddenLayers<B>,
    output: Linear<B>,
}

impl<B: Backend> Mlp<B> {
    fn scores(&self, code: Tensor<B, 2>) -> Tensor<B, 1> {
        linear_score(code, &self.output)
    }
}

impl<B: Backend> Network<B> for Mlp<B> {
    /// The cross-entropy of each row. Labelled anomalies and all other rows have the same total weight.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (others, anomalies) = batch.part(self.scores(self.hidden.of_batch(batch)));
        balanced_cross_entropy(batch, others, anomalies)
    }

    fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        direct::direct(self, data)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.hidden.norms_mut().collect()
    }

    /// The normalised output of the last hidden layer.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.hidden.forward(rows))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let code = self.hidden.describe(&mut graph, Graph::ROWS);
        graph.dense(code, &self.output, Activation::Linear);
        Some(graph)
    }

    /// The log odds that a row is a labelled anomaly.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.scores(self.hidden.forward(rows))
    }
}
