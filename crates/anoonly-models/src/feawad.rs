//! FEAWAD: an autoencoder whose residual, code and reconstruction error feed a network that scores.
//!
//! Zhou, Song, Zhang, Liu, Zhu and Liu, "Feature Encoding with AutoEncoders for Weakly-supervised Anomaly Detection", IEEE
//! Transactions on Neural Networks and Learning Systems 2021.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::activation::{Activation, dense};
use crate::error::Checks;
use crate::graph::{Graph, Step};
use crate::init::{WeightInit, linear_weights, trainable_copy};
use crate::norm::{NormLayer, NormSettings};
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{Batch, ConfigError, Kind, LossTerms, Method, MethodInfo, Network, Norm, Shapes, TrainingData};

/// FEAWAD's configuration. The defaults are those of the AnoOnly paper's host, without the faults of its published code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeawadConfig {
    /// What stands before the score.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The score, and the reconstruction error, that labelled anomalies are pushed to.
    pub margin: f64,
    /// The weight of the reconstruction error's own terms in the loss, beside the score's. 1 is the paper's equation; 0 leaves
    /// them out, which is what the published code comes to.
    pub error_weight: f64,
    /// How the autoencoder is trained on unlabelled rows, before all is trained.
    pub pretraining: Recipe,
    /// How all of it is trained.
    pub recipe: Recipe,
}

impl Default for FeawadConfig {
    fn default() -> Self {
        let recipe = |unlabelled, anomalies, epochs, keep| Recipe {
            batches: Batches::Balanced { unlabelled, anomalies, steps: 20 },
            epochs,
            optimiser: Optimiser::Adam {
                learning_rate: 1e-4,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-7,
                weight_decay: 0.0,
            },
            schedule: Schedule::Constant,
            keep,
            statistics: Statistics::Running,
            augmentation: Augmentation::None,
        };
        Self {
            norm: Norm::None,
            norm_settings: NormSettings { epsilon: 1e-3, keep: 0.99 },
            margin: 5.0,
            error_weight: 1.0,
            pretraining: recipe(512, 0, 100, Keep::LowestLoss),
            recipe: recipe(256, 256, 30, Keep::LowestLoss),
        }
    }
}

/// Widths of the autoencoder's middle layers and of its code.
const MIDDLE: usize = 128;
const CODE: usize = 64;
/// Widths of the two layers before the score.
const FIRST: usize = 256;
const SECOND: usize = 32;
/// Added to the squared residual under the root, so that a residual of zero has a gradient.
const RESIDUAL_GAP: f64 = 1e-12;

impl Method for FeawadConfig {
    type Network<B: Backend> = Feawad<B>;

    const INFO: MethodInfo =
        MethodInfo { name: "feawad", title: "FEAWAD", kind: Kind::FewLabels, source: "Zhou et al., TNNLS 2021" };

    fn check(&self) -> Result<(), ConfigError> {
        let plain = self.pretraining.augmentation == Augmentation::None;
        Checks::of(Self::INFO.name)
            .norm(self.norm_settings)
            .positive("margin", self.margin)
            .not_negative("error_weight", self.error_weight)
            .that(
                plain,
                "pretraining.augmentation",
                "a way to make anomalies",
                "none: it trains on unlabelled rows alone",
            )
            .done()?;
        self.pretraining.check(Self::INFO.name)?;
        self.recipe.check(Self::INFO.name)
    }

    fn recipe(&self) -> Option<&Recipe> {
        Some(&self.recipe)
    }

    fn recipe_mut(&mut self) -> Option<&mut Recipe> {
        Some(&mut self.recipe)
    }

    fn pretraining(&self) -> Option<&Recipe> {
        Some(&self.pretraining)
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
        layers.fold(self.norm.weights(SECOND + 1), usize::saturating_add)
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
            error_weight: self.error_weight,
        }
    }
}

/// FEAWAD's network: an autoencoder, and two layers and a linear score on what it makes of a row.
#[derive(Module, Debug)]
pub struct Feawad<B: Backend> {
    encoder: Vec<Linear<B>>,
    decoder: Vec<Linear<B>>,
    first: Linear<B>,
    second: Linear<B>,
    norm: NormLayer<B>,
    output: Linear<B>,
    margin: f64,
    error_weight: f64,
}

impl<B: Backend> Feawad<B> {
    /// The code `[rows, 64]` and the residual `x − x̂`, `[rows, columns]`.
    fn encode(&self, rows: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let through = |layers: &[Linear<B>], x| layers.iter().fold(x, |x, layer| dense(x, layer, Activation::Relu));
        let code = through(&self.encoder, rows.clone());
        let residual = rows - through(&self.decoder, code.clone());
        (code, residual)
    }

    /// The last layer before its normalisation: 32 features and the norm of the residual, `[rows, 33]`.
    fn last(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let (code, residual) = self.encode(rows);
        let error = residual.clone().square().sum_dim(1).add_scalar(RESIDUAL_GAP).sqrt();
        let direction = residual / error.clone();
        let hidden = dense(Tensor::cat(vec![direction, code, error.clone()], 1), &self.first, Activation::Relu);
        let hidden = dense(Tensor::cat(vec![hidden, error.clone()], 1), &self.second, Activation::Relu);
        Tensor::cat(vec![hidden, error], 1)
    }

    /// The score, `[rows]`, from [`last`](Self::last).
    fn scores(&self, last: Tensor<B, 2>) -> Tensor<B, 1> {
        dense(self.norm.forward(last), &self.output, Activation::Linear).squeeze_dim(1)
    }
}

impl<B: Backend> Network<B> for Feawad<B> {
    /// The mean square of the residual.
    fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
        batch.by_row(|rows| self.encode(rows).1.square().mean_dim(1)).squeeze_dim(1)
    }

    fn pretrained(self, from: &Self) -> Self {
        let copy = |layers: &[Linear<B>]| layers.iter().map(trainable_copy).collect();
        Self { encoder: copy(&from.encoder), decoder: copy(&from.decoder), ..self }
    }

    /// `|s| + w·e` for an unlabelled row, `max(0, a − s) + w·max(0, a − e)` for a labelled anomaly, with `e` the norm of the
    /// residual, `w` its weight and `a` the margin.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let last = batch.by_row(|rows| self.last(rows));
        let (error, anomaly_error) = batch.part(last.clone().narrow(1, SECOND, 1).squeeze_dim(1));
        let (score, anomaly_score) = batch.part(self.scores(last));
        let short = |value: Tensor<B, 1>| relu(value.neg().add_scalar(self.margin));
        let weighted = |value: Tensor<B, 1>| value.mul_scalar(self.error_weight);
        LossTerms {
            normal: score.abs() + weighted(error),
            anomalous: short(anomaly_score) + weighted(short(anomaly_error)),
        }
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
        let through = |graph: &mut Graph, layers: &[Linear<B>], of| {
            layers.iter().fold(of, |of, layer| graph.dense(of, layer, Activation::Relu))
        };
        let code = through(&mut graph, &self.encoder, Graph::ROWS);
        let decoded = through(&mut graph, &self.decoder, code);
        let residual = graph.then(Step::Subtract { left: Graph::ROWS, right: decoded });
        let error = graph.length(residual, RESIDUAL_GAP as f32);
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
