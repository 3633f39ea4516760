//! Autoencoder: rows that a narrow network cannot reproduce are anomalies.
//!
//! Hawkins, He, Williams and Baxter, "Outlier Detection Using Replicator Neural Networks", DaWaK 2002; in the form of Aggarwal,
//! "Outlier Analysis", 2015, chapter 3, with the settings of PyOD.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step};
use crate::layers::activation::{Activation, dense};
use crate::layers::draws::Draws;
use crate::layers::hidden::{self, Layers, Plan};
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::layers::standard::{self, Standard};
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of an autoencoder. The defaults are those of PyOD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// Widths of the encoder's layers, the last one that of the code; the decoder has the same ones the other way round.
    pub widths: Vec<usize>,
    /// What stands after each hidden layer's ReLU.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The probability with which a value of a hidden layer is left out in a step of the training.
    pub dropout: f64,
    /// How it is trained, on unlabelled rows.
    pub recipe: Recipe,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self {
            widths: vec![64, 32],
            norm: Norm::Batch,
            norm_settings: NormSettings { epsilon: 1e-5, keep: 0.9 },
            dropout: 0.2,
            recipe: Recipe {
                batches: Batches::Unlabelled { rows: 32 },
                epochs: 10,
                optimiser: Optimiser::Adam {
                    learning_rate: 1e-3,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-8,
                    weight_decay: 1e-5,
                },
                schedule: Schedule::Constant,
                keep: Keep::Last,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

/// Added under the root of the score, so that a row that is reproduced exactly has a gradient.
const GAP: f64 = 1e-12;

impl AutoencoderConfig {
    fn plan<'a>(&self, widths: &'a [usize]) -> Plan<'a> {
        let Self { norm, norm_settings, .. } = *self;
        Plan { widths, bias: true, activation: Activation::Relu, norm, settings: norm_settings }
    }

    /// The widths of the decoder's hidden layers.
    fn back(&self) -> Vec<usize> {
        self.widths.iter().rev().skip(1).copied().collect()
    }
}

impl Method for AutoencoderConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "autoencoder",
        title: "Autoencoder",
        kind: MethodKind::Unsupervised,
        source: "Hawkins, He, Williams, Baxter, DaWaK 2002",
    };

    fn check(&self) -> Result<(), ConfigError> {
        hidden::check(Checks::of(Self::INFO.name), "widths", &self.widths)
            .norm(self.norm_settings)
            .share("dropout", self.dropout)
            .done()?;
        self.recipe.check_unlabelled(Self::INFO.name)
    }
}

impl NetworkMethod for AutoencoderConfig {
    type Network<B: Backend> = Autoencoder<B>;

    fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    fn recipe_mut(&mut self) -> &mut Recipe {
        &mut self.recipe
    }

    /// It learns without labels: no strategy changes its normalisation.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let (encoder, back) = (self.plan(&self.widths), self.back());
        let (code, decoder) = (encoder.outputs(columns), self.plan(&back));
        let parts = [
            standard::weights(columns),
            encoder.weights(columns),
            decoder.weights(code),
            linear_weights(decoder.outputs(code), columns, true),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Autoencoder<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let (encoder, back) = (self.plan(&self.widths), self.back());
        let (code, decoder) = (encoder.outputs(columns), self.plan(&back));
        Autoencoder {
            standard: Standard::of(data),
            encoder: encoder.layers(columns, rng, &device),
            decoder: decoder.layers(code, rng, &device),
            output: WeightInit::PytorchUniform.linear(decoder.outputs(code), columns, true, rng, &device),
            dropout: self.dropout,
            draws: Draws::new(rng),
        }
    }
}

/// Rows in standard deviations, the layers to the code and those back.
#[derive(Module, Debug)]
pub struct Autoencoder<B: Backend> {
    standard: Standard<B>,
    encoder: Layers<B>,
    decoder: Layers<B>,
    output: Linear<B>,
    dropout: f64,
    #[module(skip)]
    draws: Draws,
}

impl<B: Backend> Network<B> for Autoencoder<B> {
    /// The mean square of what is left of an unlabelled row, in standard deviations of its columns.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (rows, mut rng) = (self.standard.forward(batch.by_row(|rows| rows)), self.draws.next());
        let code = self.encoder.with_dropout(rows.clone(), self.dropout, &mut rng);
        let decoded = self.decoder.with_dropout(code, self.dropout, &mut rng);
        let left = rows - dense(decoded, &self.output, Activation::Linear);
        let (normal, _) = batch.part(left.square().mean_dim(1).squeeze_dim(1));
        LossTerms { anomalous: Tensor::zeros([0], &normal.device()), normal }
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.encoder.norms_mut().chain(self.decoder.norms_mut()).collect()
    }

    /// The code.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.encoder.forward(self.standard.forward(rows)))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let standard = self.standard.describe(&mut graph, Graph::ROWS);
        let code = self.encoder.describe(&mut graph, standard);
        let decoded = self.decoder.describe(&mut graph, code);
        let decoded = graph.dense(decoded, &self.output, Activation::Linear);
        let left = graph.then(Step::Subtract { left: standard, right: decoded });
        graph.length(left, GAP as f32);
        Some(graph)
    }

    /// The distance of a row from what is made of its code, in standard deviations of the columns.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let standard = self.standard.forward(rows);
        let decoded = self.decoder.forward(self.encoder.forward(standard.clone()));
        let left = standard - dense(decoded, &self.output, Activation::Linear);
        left.square().sum_dim(1).add_scalar(GAP).sqrt().squeeze_dim(1)
    }
}
