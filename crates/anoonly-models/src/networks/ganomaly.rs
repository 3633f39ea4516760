//! GANomaly: the score is the difference between the code of a row and the code of its reconstruction.
//!
//! Akçay, Atapour-Abarghouei and Breckon, "GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", ACCV 2018, in
//! the form for tables of Han, Hu, Huang, Jiang and Zhao, "ADBench: Anomaly Detection Benchmark", NeurIPS 2022.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, tanh};
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Function, Graph, Step, Value};
use crate::layers::activation::{Activation, dense, linear_score};
use crate::layers::hidden;
use crate::layers::init::{WeightInit, constant_copy, layer_sizes, linear_weights, total};
use crate::network::{recipe_accessors, section};
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of GANomaly. The defaults are those of ADBench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanomalyConfig {
    /// The widths of the discriminator's hidden layers. The last one is the width of the features on which the adversarial loss
    /// compares rows with their reconstructions.
    pub discriminator: Vec<usize>,
    /// The weight of the feature distance in the loss of the generator. Only the ratio of the three weights matters.
    pub adversarial_weight: f64,
    /// The weight of the distance between a row and its reconstruction.
    pub contextual_weight: f64,
    /// The weight of the distance between the two codes.
    pub encoder_weight: f64,
    /// How generator and discriminator are trained on unlabelled rows.
    pub recipe: Recipe,
}

impl Default for GanomalyConfig {
    fn default() -> Self {
        Self {
            discriminator: vec![100, 20],
            adversarial_weight: 1.0,
            contextual_weight: 1.0,
            encoder_weight: 1.0,
            recipe: Recipe::new(
                Batches::Unlabelled { rows: 64 },
                50,
                Optimiser::Sgd { learning_rate: 1e-2, momentum: 0.7 },
            ),
        }
    }
}

/// The width of the code.
fn code_width(columns: usize) -> usize {
    let width = if columns < 8 { columns / 2 } else { columns / 4 };
    width.max(1)
}

impl Method for GanomalyConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "ganomaly",
        title: "GANomaly",
        kind: MethodKind::Unsupervised,
        source: "Akçay, Atapour-Abarghouei, Breckon, ACCV 2018",
    };

    fn check(&self) -> Result<(), ConfigError> {
        let [adversarial, contextual, encoder] = [self.adversarial_weight, self.contextual_weight, self.encoder_weight];
        let any = adversarial + contextual + encoder > 0.0;
        hidden::check(Checks::of(Self::INFO.name), "discriminator", &self.discriminator)
            .not_negative("adversarial_weight", adversarial)
            .not_negative("contextual_weight", contextual)
            .not_negative("encoder_weight", encoder)
            .that(any, "contextual_weight", contextual, "above 0 where the other two weights are 0")
            .done()?;
        self.recipe.check_unlabelled(Self::INFO.name)
    }
}

impl NetworkMethod for GanomalyConfig {
    type Network<B: Backend> = Ganomaly<B>;

    recipe_accessors!();

    /// Learns without labels, so no strategy changes the normalisation.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let code = code_width(columns);
        let output = (self.discriminator.last().copied().unwrap_or(columns), 1);
        let discriminator = layer_sizes(columns, &self.discriminator).chain([output]);
        let layers = [(columns, code), (code, columns), (columns, code)].into_iter().chain(discriminator);
        total(layers.map(|(from, to)| linear_weights(from, to, true)))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Ganomaly<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let code = code_width(columns);
        let mut linear = |inputs, outputs| WeightInit::PytorchUniform.linear(inputs, outputs, true, rng, &device);
        let [encoder, decoder, again] = [(columns, code), (code, columns), (columns, code)].map(|(i, o)| linear(i, o));
        let hidden = layer_sizes(columns, &self.discriminator).map(|(from, to)| linear(from, to)).collect();
        let features = self.discriminator.last().copied().unwrap_or(columns);
        let weights = [self.adversarial_weight, self.contextual_weight, self.encoder_weight];
        let sum: f64 = weights.iter().sum();
        let [adversarial_share, contextual_share, encoder_share] = weights.map(|weight| weight / sum);
        Ganomaly {
            encoder,
            decoder,
            again,
            discriminator: Discriminator { hidden, output: linear(features, 1) },
            adversarial_share,
            contextual_share,
            encoder_share,
        }
    }
}

/// The generator, which consists of an encoder, a decoder and a second encoder, and the discriminator.
#[derive(Module, Debug)]
pub struct Ganomaly<B: Backend> {
    encoder: Linear<B>,
    decoder: Linear<B>,
    again: Linear<B>,
    discriminator: Discriminator<B>,
    adversarial_share: f64,
    contextual_share: f64,
    encoder_share: f64,
}

/// Classifies rows against reconstructions.
#[derive(Module, Debug)]
struct Discriminator<B: Backend> {
    hidden: Vec<Linear<B>>,
    output: Linear<B>,
}

/// `tanh(rows · weight + bias)`.
fn tanh_layer<B: Backend>(rows: Tensor<B, 2>, layer: &Linear<B>) -> Tensor<B, 2> {
    tanh(dense(rows, layer, Activation::Linear))
}

/// Adds [`tanh_layer`] to a graph.
fn tanh_step<B: Backend>(graph: &mut Graph, of: Value, layer: &Linear<B>) -> Value {
    let product = graph.dense(of, layer, Activation::Linear);
    graph.map(product, Function::Tanh)
}

/// The mean over the columns, `[rows, columns]` to `[rows]`.
fn mean<B: Backend>(cells: Tensor<B, 2>) -> Tensor<B, 1> {
    cells.mean_dim(1).squeeze_dim(1)
}

impl<B: Backend> Discriminator<B> {
    /// The last hidden layer, `[rows, width]`.
    fn features(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        self.hidden.iter().fold(rows, tanh_layer)
    }

    /// The log odds that a row is a reconstruction, `[rows]`.
    fn log_odds(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        linear_score(self.features(rows), &self.output)
    }

    /// The same discriminator with constant weights.
    fn constant(&self) -> Self {
        Self { hidden: self.hidden.iter().map(constant_copy).collect(), output: constant_copy(&self.output) }
    }

    /// Half the cross-entropy of each row and its reconstruction, `[rows]`.
    fn loss(&self, rows: Tensor<B, 2>, decoded: Tensor<B, 2>) -> Tensor<B, 1> {
        let of_rows = log_sigmoid(self.log_odds(rows).neg());
        let of_decoded = log_sigmoid(self.log_odds(decoded));
        (of_rows + of_decoded).mul_scalar(-0.5)
    }
}

impl<B: Backend> Ganomaly<B> {
    /// The code of each row, its reconstruction, and the code of the reconstruction.
    fn generate(&self, rows: Tensor<B, 2>) -> [Tensor<B, 2>; 3] {
        let code = tanh_layer(rows, &self.encoder);
        let decoded = dense(code.clone(), &self.decoder, Activation::Linear);
        [code, decoded.clone(), tanh_layer(decoded, &self.again)]
    }

    /// The weighted mean of the squared difference of the features `f(x)` and `f(x̂)`, the absolute difference of `x` and `x̂`, and
    /// the squared difference of the two codes. Each is a mean over its columns, `[rows]`.
    fn generator_loss(&self, rows: Tensor<B, 2>, [code, decoded, again]: [Tensor<B, 2>; 3]) -> Tensor<B, 1> {
        let judge = self.discriminator.constant();
        let adversarial = mean((judge.features(decoded.clone()) - judge.features(rows.clone())).square());
        let contextual = mean((rows - decoded).abs());
        let encoder = mean((again - code).square());
        adversarial.mul_scalar(self.adversarial_share)
            + contextual.mul_scalar(self.contextual_share)
            + encoder.mul_scalar(self.encoder_share)
    }
}

impl<B: Backend> Network<B> for Ganomaly<B> {
    /// The sum of the losses of generator and discriminator. Neither has a gradient in the weights of the other: the generator's loss
    /// uses a discriminator with constant weights, and the discriminator's loss uses detached reconstructions. A step along the
    /// gradient of the sum is therefore a step of both at once.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let rows = section(batch.by_row(|rows| rows), 0, batch.others());
        let generated = self.generate(rows.clone());
        let discriminator_loss = self.discriminator.loss(rows.clone(), generated[1].clone().detach());
        let normal = self.generator_loss(rows, generated) + discriminator_loss;
        LossTerms::normal_only(normal)
    }

    /// The code.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(tanh_layer(rows, &self.encoder))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let rows = graph.widen(Graph::ROWS);
        let code = tanh_step(&mut graph, rows, &self.encoder);
        let decoded = graph.dense(code, &self.decoder, Activation::Linear);
        let again = tanh_step(&mut graph, decoded, &self.again);
        let difference = graph.then(Step::Subtract { left: code, right: again });
        let sizes = graph.map(difference, Function::Absolute);
        let sum = graph.sum(sizes);
        graph.narrow(sum);
        Some(graph)
    }

    /// The sum of the absolute differences between the code of a row and the code of its reconstruction (equation 5 of the paper).
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let [code, _, again] = self.generate(rows);
        (code - again).abs().sum_dim(1).squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_a_quarter_of_the_columns_or_half_of_fewer_than_eight() {
        assert_eq!([1, 2, 3, 7, 8, 11, 12, 100].map(code_width), [1, 1, 1, 3, 2, 2, 3, 25]);
    }

    #[test]
    fn a_loss_with_all_weights_zero_is_rejected() {
        let mut method = GanomalyConfig { adversarial_weight: 0.0, encoder_weight: 0.0, ..Default::default() };
        method.check().unwrap();
        method.contextual_weight = 0.0;
        let message = method.check().unwrap_err().to_string();
        assert_eq!(
            message,
            "ganomaly: option `contextual_weight` is 0, must be above 0 where the other two weights are 0"
        );
        method.contextual_weight = f64::INFINITY;
        assert!(method.check().is_err());
    }
}
