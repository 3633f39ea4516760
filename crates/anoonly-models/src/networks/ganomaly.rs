//! GANomaly: rows whose reconstruction has another code than they have themselves are anomalies.
//!
//! Akçay, Atapour-Abarghouei and Breckon, "GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", ACCV 2018; for
//! tables in the form of Han, Hu, Huang, Jiang and Zhao, "ADBench: Anomaly Detection Benchmark", NeurIPS 2022.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, tanh};
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::activation::{Activation, dense};
use crate::layers::hidden;
use crate::layers::init::{WeightInit, constant_copy, linear_weights};
use crate::network::section;
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// GANomaly's configuration. The defaults are those of ADBench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanomalyConfig {
    /// Widths of the discriminator's hidden layers, the last one that of the features in which rows and their reconstructions
    /// are to be alike.
    pub discriminator: Vec<usize>,
    /// Weight of the distance in these features in the generator's loss; what counts is its share of the three weights.
    pub adversarial_weight: f64,
    /// Weight of the distance between a row and its reconstruction.
    pub contextual_weight: f64,
    /// Weight of the distance between the two codes.
    pub encoder_weight: f64,
    /// How both players are trained, on unlabelled rows.
    pub recipe: Recipe,
}

impl Default for GanomalyConfig {
    fn default() -> Self {
        Self {
            discriminator: vec![100, 20],
            adversarial_weight: 1.0,
            contextual_weight: 1.0,
            encoder_weight: 1.0,
            recipe: Recipe {
                batches: Batches::Unlabelled { rows: 64 },
                epochs: 50,
                optimiser: Optimiser::Sgd { learning_rate: 1e-2, momentum: 0.7 },
                schedule: Schedule::Constant,
                keep: Keep::Last,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

/// The width of the code of rows of so many columns.
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
        let some = adversarial + contextual + encoder > 0.0;
        hidden::check(Checks::of(Self::INFO.name), "discriminator", &self.discriminator)
            .not_negative("adversarial_weight", adversarial)
            .not_negative("contextual_weight", contextual)
            .not_negative("encoder_weight", encoder)
            .that(some, "contextual_weight", contextual, "above 0 where the other two weights are 0")
            .done()?;
        self.recipe.check_unlabelled(Self::INFO.name)
    }
}

impl NetworkMethod for GanomalyConfig {
    type Network<B: Backend> = Ganomaly<B>;

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
        let code = code_width(columns);
        let from = std::iter::once(&columns).chain(&self.discriminator);
        let judging = from.zip(self.discriminator.iter().chain([&1])).map(|(&from, &to)| (from, to));
        let layers = [(columns, code), (code, columns), (columns, code)].into_iter().chain(judging);
        layers.map(|(from, to)| linear_weights(from, to, true)).fold(0, usize::saturating_add)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Ganomaly<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let code = code_width(columns);
        let mut linear = |inputs, outputs| WeightInit::PytorchUniform.linear(inputs, outputs, true, rng, &device);
        let [encoder, decoder, again] = [(columns, code), (code, columns), (columns, code)].map(|(i, o)| linear(i, o));
        let from = std::iter::once(&columns).chain(&self.discriminator);
        let hidden = from.zip(&self.discriminator).map(|(&from, &to)| linear(from, to)).collect();
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

/// The generator – an encoder, a decoder and a second encoder – and the discriminator.
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

/// Tells rows from reconstructions.
#[derive(Module, Debug)]
struct Discriminator<B: Backend> {
    hidden: Vec<Linear<B>>,
    output: Linear<B>,
}

/// `tanh(rows · weight + bias)`.
fn bounded<B: Backend>(rows: Tensor<B, 2>, layer: &Linear<B>) -> Tensor<B, 2> {
    tanh(dense(rows, layer, Activation::Linear))
}

/// The mean over the columns, `[rows, columns]` to `[rows]`.
fn mean<B: Backend>(cells: Tensor<B, 2>) -> Tensor<B, 1> {
    cells.mean_dim(1).squeeze_dim(1)
}

impl<B: Backend> Discriminator<B> {
    /// The last hidden layer, `[rows, width]`.
    fn features(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        self.hidden.iter().fold(rows, bounded)
    }

    /// The log odds of being a reconstruction, `[rows]`.
    fn log_odds(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        dense(self.features(rows), &self.output, Activation::Linear).squeeze_dim(1)
    }

    /// The same one without weights to train.
    fn constant(&self) -> Self {
        Self { hidden: self.hidden.iter().map(constant_copy).collect(), output: constant_copy(&self.output) }
    }

    /// The cross-entropy of each row and its reconstruction, halved, `[rows]`.
    fn loss(&self, rows: Tensor<B, 2>, made: Tensor<B, 2>) -> Tensor<B, 1> {
        let of_rows = log_sigmoid(self.log_odds(rows).neg());
        let of_made = log_sigmoid(self.log_odds(made));
        (of_rows + of_made).mul_scalar(-0.5)
    }
}

impl<B: Backend> Ganomaly<B> {
    /// The code of each row, its reconstruction, and the code of that.
    fn generate(&self, rows: Tensor<B, 2>) -> [Tensor<B, 2>; 3] {
        let code = bounded(rows, &self.encoder);
        let made = dense(code.clone(), &self.decoder, Activation::Linear);
        [code, made.clone(), bounded(made, &self.again)]
    }

    /// The weighted mean of the squared distance of `f(x)` and `f(x̂)`, the distance of `x` and `x̂`, and the squared distance of
    /// both codes, each a mean over the columns, `[rows]`.
    fn generator_loss(&self, rows: Tensor<B, 2>, [code, made, again]: [Tensor<B, 2>; 3]) -> Tensor<B, 1> {
        let judge = self.discriminator.constant();
        let adversarial = mean((judge.features(made.clone()) - judge.features(rows.clone())).square());
        let contextual = mean((rows - made).abs());
        let encoder = mean((again - code).square());
        adversarial.mul_scalar(self.adversarial_share)
            + contextual.mul_scalar(self.contextual_share)
            + encoder.mul_scalar(self.encoder_share)
    }
}

impl<B: Backend> Network<B> for Ganomaly<B> {
    /// The generator's loss and the discriminator's. Neither has a gradient in the other's weights: the generator is judged by
    /// weights that are constants, and the discriminator sees reconstructions that are. One step along the gradient of the sum
    /// is so a step of both players at once.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let rows = section(batch.by_row(|rows| rows), 0, batch.unlabelled());
        let generated = self.generate(rows.clone());
        let judged = self.discriminator.loss(rows.clone(), generated[1].clone().detach());
        let normal = self.generator_loss(rows, generated) + judged;
        LossTerms { anomalous: Tensor::zeros([0], &normal.device()), normal }
    }

    /// The code.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(bounded(rows, &self.encoder))
    }

    /// The sum of the absolute differences between the code of a row and that of its reconstruction (equation 5 of the paper).
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let [code, _, again] = self.generate(rows);
        (code - again).abs().sum_dim(1).squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_a_quarter_of_the_columns_a_half_of_few_and_at_least_one_value() {
        assert_eq!([1, 2, 3, 7, 8, 11, 12, 100].map(code_width), [1, 1, 1, 3, 2, 2, 3, 25]);
    }

    #[test]
    fn a_loss_without_any_part_is_refused() {
        let mut method = GanomalyConfig { adversarial_weight: 0.0, encoder_weight: 0.0, ..Default::default() };
        method.check().unwrap();
        method.contextual_weight = 0.0;
        let told = method.check().unwrap_err().to_string();
        assert_eq!(
            told,
            "ganomaly: option `contextual_weight` is 0, must be above 0 where the other two weights are 0"
        );
        method.contextual_weight = f64::INFINITY;
        assert!(method.check().is_err());
    }
}
