//! FEAWAD: a scoring network on the residual, the code and the reconstruction error of an autoencoder.
//!
//! Zhou, Song, Zhang, Liu, Zhu and Liu, "Feature Encoding with AutoEncoders for Weakly-supervised Anomaly Detection", IEEE
//! Transactions on Neural Networks and Learning Systems 2021.

mod direct;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step};
use crate::kernels::Direct;
use crate::layers::activation::{Activation, LENGTH_GAP, dense, length, linear_score};
use crate::layers::init::{WeightInit, linear_weights, total, trainable_copy};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::recipe_accessors;
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of FEAWAD. The defaults are those of FEAWAD in the AnoOnly paper, without the bugs of its published code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeawadConfig {
    /// The normalisation before the score.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The target of labelled anomalies, both for the score and for the reconstruction error.
    pub margin: f64,
    /// The role of the loss terms of the reconstruction error.
    pub error_terms: ErrorTerms,
    /// How the autoencoder is pretrained on unlabelled rows.
    pub pretraining: Recipe,
    /// How the whole network is trained.
    pub recipe: Recipe,
}

impl Default for FeawadConfig {
    fn default() -> Self {
        // Keras's Adam, whose epsilon is larger.
        let optimiser =
            Optimiser::Adam { learning_rate: 1e-4, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
        let recipe = |unlabelled, anomalies, epochs| Recipe {
            keep: Keep::LowestLoss,
            ..Recipe::new(Batches::Balanced { unlabelled, anomalies, steps: 20 }, epochs, optimiser.clone())
        };
        Self {
            norm: Norm::None,
            norm_settings: NormSettings::KERAS,
            margin: 5.0,
            error_terms: ErrorTerms::Train,
            pretraining: recipe(512, 0, 100),
            recipe: recipe(256, 256, 30),
        }
    }
}

/// The role of the reconstruction error's terms in the loss of FEAWAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorTerms {
    /// They train the network, as in the equation of the paper.
    Train,
    /// They have no gradient, as in the published code. They only affect which epoch's weights are kept.
    Judge,
}

/// The widths of the autoencoder's middle layers and of its code.
const MIDDLE: usize = 128;
const CODE: usize = 64;
/// The widths of the two layers before the score.
const FIRST: usize = 256;
const SECOND: usize = 32;

impl Method for FeawadConfig {
    const INFO: MethodInfo =
        MethodInfo { name: "feawad", title: "FEAWAD", kind: MethodKind::FewLabels, source: "Zhou et al., TNNLS 2021" };

    fn check(&self) -> Result<(), ConfigError> {
        let plain = self.pretraining.augmentation == Augmentation::None;
        Checks::of(Self::INFO.name)
            .norm(self.norm_settings)
            .positive("margin", self.margin)
            .that(
                plain,
                "pretraining.augmentation",
                "a way to make anomalies",
                "none, because pretraining uses unlabelled rows only",
            )
            .done()?;
        self.pretraining.check(Self::INFO.name)?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for FeawadConfig {
    type Network<B: Backend> = Feawad<B>;

    recipe_accessors!();

    fn pretraining(&self) -> Option<&Recipe> {
        Some(&self.pretraining)
    }

    fn pretraining_mut(&mut self) -> Option<&mut Recipe> {
        Some(&mut self.pretraining)
    }

    fn stacks(&self) -> bool {
        true
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let layers = [
            (columns, columns),
            (columns, MIDDLE),
            (MIDDLE, CODE),
            (CODE, MIDDLE),
            (MIDDLE, columns),
            (columns.saturating_add(CODE + 1), FIRST),
            (FIRST + 1, SECOND),
            (SECOND + 1, 1),
        ];
        let layers = layers.into_iter().map(|(from, to)| linear_weights(from, to, true));
        total(layers.chain([self.norm.weights(SECOND + 1)]))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Feawad<B> {
        let device = data.rows.device();
        let columns = data.columns();
        let mut linear = |inputs, outputs| WeightInit::GlorotNormal.linear(inputs, outputs, true, rng, &device);
        Feawad {
            encoder: vec![linear(columns, columns), linear(columns, MIDDLE), linear(MIDDLE, CODE)],
            decoder: vec![linear(CODE, MIDDLE), linear(MIDDLE, columns)],
            first: linear(columns + CODE + 1, FIRST),
            second: linear(FIRST + 1, SECOND),
            norm: NormLayer::new(self.norm, SECOND + 1, self.norm_settings, &device),
            output: linear(SECOND + 1, 1),
            margin: self.margin,
            error_terms: self.error_terms,
        }
    }
}

/// The network of FEAWAD: an autoencoder, followed by two layers and a linear score on its outputs.
#[derive(Module, Debug)]
pub struct Feawad<B: Backend> {
    encoder: Vec<Linear<B>>,
    decoder: Vec<Linear<B>>,
    first: Linear<B>,
    second: Linear<B>,
    norm: NormLayer<B>,
    output: Linear<B>,
    margin: f64,
    #[module(skip)]
    error_terms: ErrorTerms,
}

impl<B: Backend> Feawad<B> {
    /// The code `[rows, 64]` and the residual `x − x̂`, `[rows, columns]`.
    fn encode(&self, rows: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let apply = |layers: &[Linear<B>], x| layers.iter().fold(x, |x, layer| dense(x, layer, Activation::Relu));
        let code = apply(&self.encoder, rows.clone());
        let residual = rows - apply(&self.decoder, code.clone());
        (code, residual)
    }

    /// The last layer before its normalisation: 32 features and the norm of the residual, `[rows, 33]`.
    fn last(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let (code, residual) = self.encode(rows);
        let error = length(residual.clone(), LENGTH_GAP);
        let direction = residual / error.clone();
        let hidden = dense(Tensor::cat(vec![direction, code, error.clone()], 1), &self.first, Activation::Relu);
        let hidden = dense(Tensor::cat(vec![hidden, error.clone()], 1), &self.second, Activation::Relu);
        Tensor::cat(vec![hidden, error], 1)
    }

    /// The score from the output of [`last`](Self::last), `[rows]`.
    fn scores(&self, last: Tensor<B, 2>) -> Tensor<B, 1> {
        linear_score(self.norm.forward(last), &self.output)
    }
}

impl<B: Backend> Network<B> for Feawad<B> {
    /// The mean squared residual.
    fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
        batch.by_row(|rows| self.encode(rows).1.square().mean_dim(1)).squeeze_dim(1)
    }

    fn pretrained(self, from: &Self) -> Self {
        let copy = |layers: &[Linear<B>]| layers.iter().map(trainable_copy).collect();
        Self { encoder: copy(&from.encoder), decoder: copy(&from.decoder), ..self }
    }

    /// `|s| + e` for an unlabelled row, `max(0, s) + e` for a confirmed normal and `max(0, a − s) + max(0, a − e)` for a labelled anomaly,
    /// with the norm `e` of the residual and the margin `a`.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let last = batch.by_row(|rows| self.last(rows));
        let (error, anomaly_error) = batch.part(last.clone().narrow(1, SECOND, 1).squeeze_dim(1));
        let (score, anomaly_score) = batch.part(self.scores(last));
        let shortfall = |value: Tensor<B, 1>| relu(value.neg().add_scalar(self.margin));
        let term = |value: Tensor<B, 1>| match self.error_terms {
            ErrorTerms::Train => value,
            ErrorTerms::Judge => value.detach(),
        };
        let anomalous = shortfall(anomaly_score) + term(shortfall(anomaly_error));
        let terms = LossTerms::by_row(batch, score.clone().abs() + term(error.clone()), anomalous);
        match (batch.confirmed(score), batch.confirmed(error)) {
            (Some(score), Some(error)) => LossTerms { confirmed: relu(score) + term(error), ..terms },
            _ => terms,
        }
    }

    fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        direct::direct(self, data)
    }

    fn direct_pretraining(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        direct::pretraining(self, data)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        vec![&mut self.norm]
    }

    /// The 32 features and the norm of the residual, normalised.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.norm.forward(self.last(rows)))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let apply = |graph: &mut Graph, layers: &[Linear<B>], of| {
            layers.iter().fold(of, |of, layer| graph.dense(of, layer, Activation::Relu))
        };
        let code = apply(&mut graph, &self.encoder, Graph::ROWS);
        let decoded = apply(&mut graph, &self.decoder, code);
        let residual = graph.then(Step::Subtract { left: Graph::ROWS, right: decoded });
        let error = graph.length(residual, LENGTH_GAP as f32);
        let direction = graph.then(Step::Divide { left: residual, right: error });
        let all = graph.then(Step::Concat { of: vec![direction, code, error] });
        let hidden = graph.dense(all, &self.first, Activation::Relu);
        let beside = graph.then(Step::Concat { of: vec![hidden, error] });
        let hidden = graph.dense(beside, &self.second, Activation::Relu);
        let last = graph.then(Step::Concat { of: vec![hidden, error] });
        let normalised = self.norm.describe(&mut graph, last, Activation::Linear);
        graph.dense(normalised, &self.output, Activation::Linear);
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.scores(self.last(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use anoonly_core::Seed;
    use burn::backend::Autodiff;
    use burn::module::AutodiffModule;
    use burn_ndarray::NdArray;

    type B = Autodiff<NdArray>;

    /// Terms without a gradient have the same loss values and the same gradients in the scoring layers, but other gradients in the
    /// autoencoder.
    #[test]
    fn error_terms_that_judge_have_no_gradient() {
        let rows = [[0.1, 0.9, 0.4], [0.8, 0.2, 0.3], [0.5, 0.6, 0.7]];
        let rows = Tensor::<NdArray, 2>::from_data(rows, &Default::default());
        let batch = Batch::new(Tensor::from_inner(rows.clone()), 2);
        let data = TrainingData { rows, others: vec![0, 1], anomalies: vec![2], normals: Vec::new() };
        let of = |error_terms| {
            let method = FeawadConfig { error_terms, ..Default::default() };
            let network = Feawad::<B>::from_inner(method.init(&data, &mut Seed(1).stream(&[])));
            let LossTerms { normal, anomalous, .. } = network.terms(&batch);
            let losses = [cells(normal.clone()), cells(anomalous.clone())];
            let gradients = (normal.sum() + anomalous.sum()).backward();
            let gradient = |layer: &Linear<B>| cells(layer.weight.val().grad(&gradients).unwrap());
            (losses, gradient(&network.first), gradient(&network.decoder[1]))
        };
        let ((losses, head, decoder), judged) = (of(ErrorTerms::Train), of(ErrorTerms::Judge));
        assert_eq!((losses, head), (judged.0, judged.1));
        assert_ne!(decoder, judged.2);
    }
}
