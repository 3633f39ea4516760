//! Autoencoder: the score is the reconstruction error of a network with a narrow middle layer.
//!
//! Hawkins, He, Williams and Baxter, "Outlier Detection Using Replicator Neural Networks", DaWaK 2002, in the form of Aggarwal,
//! "Outlier Analysis", 2015, chapter 3, with the settings of PyOD.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step};
use crate::layers::activation::{Activation, LENGTH_GAP, dense, length};
use crate::layers::draws::Draws;
use crate::layers::hidden::{self, HiddenLayers, HiddenPlan};
use crate::layers::init::{WeightInit, linear_weights, total};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::layers::standard::{self, Standard};
use crate::network::recipe_accessors;
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of an autoencoder. The defaults are those of PyOD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// The widths of the encoder's layers. The last one is the width of the code. The decoder mirrors them.
    pub widths: Vec<usize>,
    /// The normalisation after the ReLU of each hidden layer.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The dropout rate of the hidden layers.
    pub dropout: f64,
    /// How the network is trained on unlabelled rows.
    pub recipe: Recipe,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self {
            widths: vec![64, 32],
            norm: Norm::Batch,
            norm_settings: NormSettings::PYTORCH,
            dropout: 0.2,
            recipe: Recipe::new(Batches::Unlabelled { rows: 32 }, 10, Optimiser::adam(1e-3, 1e-5)),
        }
    }
}

impl AutoencoderConfig {
    fn plan<'a>(&self, widths: &'a [usize]) -> HiddenPlan<'a> {
        let Self { norm, norm_settings, .. } = *self;
        HiddenPlan { widths, bias: true, activation: Activation::Relu, norm, settings: norm_settings }
    }

    /// The widths of the decoder's hidden layers.
    fn decoder_widths(&self) -> Vec<usize> {
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

    recipe_accessors!();

    /// Learns without labels, so no strategy changes the normalisation.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let (encoder, decoder_widths) = (self.plan(&self.widths), self.decoder_widths());
        let (code, decoder) = (encoder.outputs(columns), self.plan(&decoder_widths));
        let parts = [
            standard::weights(columns),
            encoder.weights(columns),
            decoder.weights(code),
            linear_weights(decoder.outputs(code), columns, true),
        ];
        total(parts)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Autoencoder<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let (encoder, decoder_widths) = (self.plan(&self.widths), self.decoder_widths());
        let (code, decoder) = (encoder.outputs(columns), self.plan(&decoder_widths));
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

/// Standardised rows, an encoder, a decoder, and a linear output layer.
#[derive(Module, Debug)]
pub struct Autoencoder<B: Backend> {
    standard: Standard<B>,
    encoder: HiddenLayers<B>,
    decoder: HiddenLayers<B>,
    output: Linear<B>,
    dropout: f64,
    #[module(skip)]
    draws: Draws,
}

impl<B: Backend> Network<B> for Autoencoder<B> {
    /// The mean squared reconstruction error of each standardised unlabelled row.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (rows, mut rng) = (self.standard.forward(batch.by_row(|rows| rows)), self.draws.next());
        let code = self.encoder.with_dropout(rows.clone(), self.dropout, &mut rng);
        let decoded = self.decoder.with_dropout(code, self.dropout, &mut rng);
        let residual = rows - dense(decoded, &self.output, Activation::Linear);
        let (normal, _) = batch.part(residual.square().mean_dim(1).squeeze_dim(1));
        LossTerms::normal_only(normal)
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
        let residual = graph.then(Step::Subtract { left: standard, right: decoded });
        graph.length(residual, LENGTH_GAP as f32);
        Some(graph)
    }

    /// The distance between a standardised row and its reconstruction.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let standard = self.standard.forward(rows);
        let decoded = self.decoder.forward(self.encoder.forward(standard.clone()));
        let residual = standard - dense(decoded, &self.output, Activation::Linear);
        length(residual, LENGTH_GAP).squeeze_dim(1)
    }
}
