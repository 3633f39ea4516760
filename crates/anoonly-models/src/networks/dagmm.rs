//! DAGMM: an autoencoder whose code and errors a Gaussian mixture describes; rows of little density are anomalies.
//!
//! Zong et al., "Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly Detection", ICLR 2018.

mod mixture;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::{softmax, tanh};
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use self::mixture::Mixture;
use crate::error::Checks;
use crate::layers::activation::{Activation, dense};
use crate::layers::draws::{Draws, dropout};
use crate::layers::hidden;
use crate::layers::host::parameter;
use crate::layers::init::{WeightInit, linear_weights};
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// DAGMM's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DagmmConfig {
    /// Widths of the encoder's layers, the last one that of the code; the decoder has the same ones the other way round.
    pub widths: Vec<usize>,
    /// Width of the hidden layer of the network that tells the component of a row.
    pub estimation: usize,
    /// Components of the mixture.
    pub components: usize,
    /// The probability with which a value of that hidden layer is left out in a step of the training.
    pub dropout: f64,
    /// Weight λ₁ of the energy in the loss.
    pub energy_weight: f64,
    /// Weight λ₂ of the penalty on small variances.
    pub variance_weight: f64,
    /// How it is trained, on unlabelled rows.
    pub recipe: Recipe,
}

impl Default for DagmmConfig {
    fn default() -> Self {
        Self {
            widths: vec![60, 30, 10, 1],
            estimation: 10,
            components: 4,
            dropout: 0.5,
            energy_weight: 0.1,
            variance_weight: 0.005,
            recipe: Recipe {
                batches: Batches::Unlabelled { rows: 256 },
                epochs: 100,
                optimiser: Optimiser::Adam {
                    learning_rate: 1e-3,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-8,
                    weight_decay: 0.0,
                },
                schedule: Schedule::Constant,
                keep: Keep::Last,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

/// Added to squared lengths, so that a row of zeros has a direction and a length to divide by.
const GAP: f64 = 1e-6;
/// Bounds on what a model file can ask for.
const MOST_COMPONENTS: usize = 256;
const MOST_CODE: usize = 16;

impl DagmmConfig {
    /// The widths that the mixture is of: the code, the relative distance and the cosine.
    fn features(&self) -> usize {
        self.widths.last().map_or(0, |code| code.saturating_add(2))
    }

    /// Inputs and outputs of the autoencoder's layers, of which the first half leads to the code.
    fn layers(&self, columns: usize) -> Vec<(usize, usize)> {
        let there: Vec<usize> = std::iter::once(columns).chain(self.widths.iter().copied()).collect();
        let back = there.iter().rev().copied().collect::<Vec<_>>();
        let pairs = |widths: &[usize]| widths.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>();
        [pairs(&there), pairs(&back)].concat()
    }
}

impl Method for DagmmConfig {
    const INFO: MethodInfo =
        MethodInfo { name: "dagmm", title: "DAGMM", kind: MethodKind::Unsupervised, source: "Zong et al., ICLR 2018" };

    fn check(&self) -> Result<(), ConfigError> {
        let code = self.widths.last().copied().unwrap_or(0);
        hidden::check(Checks::of(Self::INFO.name), "widths", &self.widths)
            .that(code <= MOST_CODE, "widths", code, "such that the last one is at most 16")
            .at_least_one("estimation", self.estimation)
            .that((1..=MOST_COMPONENTS).contains(&self.components), "components", self.components, "from 1 to 256")
            .share("dropout", self.dropout)
            .not_negative("energy_weight", self.energy_weight)
            .not_negative("variance_weight", self.variance_weight)
            .done()?;
        self.recipe.check_unlabelled(Self::INFO.name)
    }
}

impl NetworkMethod for DagmmConfig {
    type Network<B: Backend> = Dagmm<B>;

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
        let features = self.features();
        let estimation = [(features, self.estimation), (self.estimation, self.components)];
        let layers = self.layers(columns).into_iter().chain(estimation);
        let mixture = mixture::rows(features).saturating_mul(self.components);
        layers.map(|(from, to)| linear_weights(from, to, true)).fold(mixture, usize::saturating_add)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Dagmm<B> {
        let (features, device) = (self.features(), data.rows.device());
        let mut linear = |(inputs, outputs)| WeightInit::GlorotUniform.linear(inputs, outputs, true, rng, &device);
        let mut encoder: Vec<Linear<B>> = self.layers(data.columns()).into_iter().map(&mut linear).collect();
        let decoder = encoder.split_off(self.widths.len());
        let estimation = vec![linear((features, self.estimation)), linear((self.estimation, self.components))];
        let shape = [mixture::rows(features), self.components];
        let mixture = parameter(vec![0.0; shape[0] * shape[1]], shape, &device);
        Dagmm {
            encoder,
            decoder,
            estimation,
            mixture,
            dropout: self.dropout,
            energy_weight: self.energy_weight,
            variance_weight: self.variance_weight,
            draws: Draws::new(rng),
        }
        // Until its training ends it scores by the mixture of its first weights.
        .finish(data)
    }
}

/// The autoencoder, the network that tells the component of a row, and the mixture of all unlabelled rows.
#[derive(Module, Debug)]
pub struct Dagmm<B: Backend> {
    encoder: Vec<Linear<B>>,
    decoder: Vec<Linear<B>>,
    estimation: Vec<Linear<B>>,
    /// As [`Mixture::saved`] tells, one column a component.
    mixture: Param<Tensor<B, 2>>,
    dropout: f64,
    energy_weight: f64,
    variance_weight: f64,
    #[module(skip)]
    draws: Draws,
}

/// Hyperbolic tangents between the layers, none behind the last.
fn through<B: Backend>(
    rows: Tensor<B, 2>,
    layers: &[Linear<B>],
    mut behind: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>,
) -> Tensor<B, 2> {
    let Some((last, others)) = layers.split_last() else { return rows };
    let made = others.iter().fold(rows, |made, layer| behind(tanh(dense(made, layer, Activation::Linear))));
    dense(made, last, Activation::Linear)
}

/// `√(Σ x² + gap)`, `[rows, 1]`.
fn length<B: Backend>(rows: &Tensor<B, 2>) -> Tensor<B, 2> {
    rows.clone().square().sum_dim(1).add_scalar(GAP).sqrt()
}

impl<B: Backend> Dagmm<B> {
    /// What the mixture is of, `[rows, code + 2]`: the code, the distance of a row from its reconstruction relative to its
    /// length, and the cosine of both; and the squared distance, `[rows]`.
    fn features(&self, rows: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let code = through(rows.clone(), &self.encoder, |made| made);
        let made = through(code.clone(), &self.decoder, |made| made);
        let left = rows.clone() - made.clone();
        let own = length(&rows);
        let distance = length(&left) / own.clone();
        let cosine = (rows * made.clone()).sum_dim(1) / (own * length(&made));
        (Tensor::cat(vec![code, distance, cosine], 1), left.square().sum_dim(1).squeeze_dim(1))
    }

    /// The probability of each component, `[rows, components]`.
    fn components(&self, features: Tensor<B, 2>, behind: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        softmax(through(features, &self.estimation, behind), 1)
    }
}

impl<B: Backend> Network<B> for Dagmm<B> {
    /// `‖x − x̂‖² + λ₁E(z) + λ₂P` of each unlabelled row (equation 7 of the paper), with `E` the energy by the mixture of the
    /// batch's unlabelled rows and `P` the sum of one over each of its variances.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let rows = batch.by_row(|rows| rows).narrow(0, 0, batch.unlabelled());
        let mut rng = self.draws.next();
        let (features, squares) = self.features(rows);
        let components = self.components(features.clone(), |hidden| dropout(hidden, self.dropout, &mut rng));
        let mixture = Mixture::of(&features, &components);
        let penalty = mixture.inverse_variances().mul_scalar(self.variance_weight);
        let normal = squares + mixture.energy(&features).mul_scalar(self.energy_weight) + penalty;
        LossTerms { anomalous: Tensor::zeros([0], &normal.device()), normal }
    }

    /// The mixture of all unlabelled rows.
    fn finish(self, data: &TrainingData<B>) -> Self {
        let (features, _) = self.features(data.select(&data.unlabelled));
        let components = self.components(features.clone(), |hidden| hidden);
        let saved = Mixture::of(&features, &components).saved();
        let shape = saved.dims();
        let mixture = parameter(crate::layers::host::cells(saved), shape, &features.device());
        Self { mixture, ..self }
    }

    /// The code, the relative distance and the cosine.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.features(rows).0)
    }

    /// The energy, `−ln` of the density (equation 6 of the paper).
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (features, _) = self.features(rows);
        Mixture::read(self.mixture.val(), features.dims()[1]).energy(&features)
    }
}
