//! DAGMM: a Gaussian mixture of an autoencoder's code and reconstruction errors. Rows with a low density are anomalies.
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
use crate::graph::{Combination, Function, Graph, Step, Value};
use crate::layers::activation::{Activation, dense, length};
use crate::layers::draws::{Draws, dropout};
use crate::layers::hidden;
use crate::layers::host::parameter;
use crate::layers::init::{WeightInit, layer_sizes, linear_weights, total};
use crate::network::recipe_accessors;
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of DAGMM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DagmmConfig {
    /// The widths of the encoder's layers. The last one is the width of the code. The decoder mirrors them.
    pub widths: Vec<usize>,
    /// The width of the hidden layer of the estimation network, which assigns rows to components.
    pub estimation: usize,
    /// The number of components of the mixture.
    pub components: usize,
    /// The dropout rate of the hidden layer of the estimation network.
    pub dropout: f64,
    /// The weight λ₁ of the energy in the loss.
    pub energy_weight: f64,
    /// The weight λ₂ of the penalty on small variances.
    pub variance_weight: f64,
    /// How the network is trained on unlabelled rows.
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
            recipe: Recipe::new(Batches::Unlabelled { rows: 256 }, 100, Optimiser::adam(1e-3, 0.0)),
        }
    }
}

/// Added to squared lengths. It gives a row of zeros a gradient and a length above 0.
const GAP: f64 = 1e-6;
/// Bounds that protect against model files that ask for too much memory.
const MOST_COMPONENTS: usize = 256;
const MOST_CODE: usize = 16;

impl DagmmConfig {
    /// The number of features of the mixture: the code, the relative distance and the cosine.
    fn features(&self) -> usize {
        self.widths.last().map_or(0, |code| code.saturating_add(2))
    }

    /// The inputs and outputs of the autoencoder's layers. The first half is the encoder.
    fn layers(&self, columns: usize) -> Vec<(usize, usize)> {
        let encoder: Vec<_> = layer_sizes(columns, &self.widths).collect();
        let decoder = encoder.iter().rev().map(|&(from, to)| (to, from));
        encoder.iter().copied().chain(decoder).collect()
    }
}

impl Method for DagmmConfig {
    const INFO: MethodInfo =
        MethodInfo { name: "dagmm", title: "DAGMM", kind: MethodKind::Unsupervised, source: "Zong et al., ICLR 2018" };

    fn check(&self) -> Result<(), ConfigError> {
        let code = self.widths.last().copied().unwrap_or(0);
        hidden::check(Checks::of(Self::INFO.name), "widths", &self.widths)
            .that(code <= MOST_CODE, "widths", code, "such that the last one is at most 16")
            .width("estimation", self.estimation)
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

    recipe_accessors!();

    /// Learns without labels, so no strategy changes the normalisation.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let features = self.features();
        let estimation = [(features, self.estimation), (self.estimation, self.components)];
        let layers = self.layers(columns).into_iter().chain(estimation);
        let mixture = mixture::rows(features).saturating_mul(self.components);
        total(layers.map(|(from, to)| linear_weights(from, to, true)).chain([mixture]))
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
        // Until training ends, scores use the mixture of the initial weights.
        .finish(data)
    }
}

/// The autoencoder, the estimation network, and the mixture of all unlabelled rows.
#[derive(Module, Debug)]
pub struct Dagmm<B: Backend> {
    encoder: Vec<Linear<B>>,
    decoder: Vec<Linear<B>>,
    estimation: Vec<Linear<B>>,
    /// The mixture in the layout of [`Mixture::saved`]: one column per component.
    mixture: Param<Tensor<B, 2>>,
    dropout: f64,
    energy_weight: f64,
    variance_weight: f64,
    #[module(skip)]
    draws: Draws,
}

/// Applies layers with a hyperbolic tangent after each but the last. `after` is applied to each hidden layer.
fn apply<B: Backend>(
    rows: Tensor<B, 2>,
    layers: &[Linear<B>],
    mut after: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>,
) -> Tensor<B, 2> {
    let Some((last, others)) = layers.split_last() else { return rows };
    let hidden = others.iter().fold(rows, |rows, layer| after(tanh(dense(rows, layer, Activation::Linear))));
    dense(hidden, last, Activation::Linear)
}

/// Adds [`apply`] to a graph.
fn describe<B: Backend>(graph: &mut Graph, of: Value, layers: &[Linear<B>]) -> Value {
    let Some((last, others)) = layers.split_last() else { return of };
    let hidden = others.iter().fold(of, |of, layer| {
        let product = graph.dense(of, layer, Activation::Linear);
        graph.map(product, Function::Tanh)
    });
    graph.dense(hidden, last, Activation::Linear)
}

impl<B: Backend> Dagmm<B> {
    /// The features of the mixture, `[rows, code + 2]`, and the squared reconstruction error, `[rows]`.
    ///
    /// The features are the code, the distance between a row and its reconstruction divided by the length of the row, and the
    /// cosine between the two.
    fn features(&self, rows: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let code = apply(rows.clone(), &self.encoder, |hidden| hidden);
        let decoded = apply(code.clone(), &self.decoder, |hidden| hidden);
        let residual = rows.clone() - decoded.clone();
        let own = length(rows.clone(), GAP);
        let distance = length(residual.clone(), GAP) / own.clone();
        let cosine = (rows * decoded.clone()).sum_dim(1) / (own * length(decoded, GAP));
        (Tensor::cat(vec![code, distance, cosine], 1), residual.square().sum_dim(1).squeeze_dim(1))
    }

    /// The probability of each component, `[rows, components]`.
    fn components(&self, features: Tensor<B, 2>, after: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        softmax(apply(features, &self.estimation, after), 1)
    }
}

impl<B: Backend> Network<B> for Dagmm<B> {
    /// `‖x − x̂‖² + λ₁E(z) + λ₂P` of each unlabelled row (equation 7 of the paper). `E` is the energy under the mixture of the
    /// batch's unlabelled rows and `P` is the sum of the inverse variances of this mixture.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let rows = batch.by_row(|rows| rows).narrow(0, 0, batch.others());
        let mut rng = self.draws.next();
        let (features, squares) = self.features(rows);
        let components = self.components(features.clone(), |hidden| dropout(hidden, self.dropout, &mut rng));
        let mixture = Mixture::of(&features, &components);
        let penalty = mixture.inverse_variances().mul_scalar(self.variance_weight);
        let normal = squares + mixture.energy(&features).mul_scalar(self.energy_weight) + penalty;
        LossTerms::normal_only(normal)
    }

    /// Computes the mixture of all unlabelled rows.
    fn finish(self, data: &TrainingData<B>) -> Self {
        let (features, _) = self.features(data.select(&data.others));
        let components = self.components(features.clone(), |hidden| hidden);
        let saved = Mixture::of(&features, &components).saved();
        let shape = saved.dims();
        let mixture = parameter(crate::layers::host::cells(saved), shape, &features.device());
        Self { mixture, ..self }
    }

    /// The features of the mixture: the code, the relative distance and the cosine.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.features(rows).0)
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let rows = graph.widen(Graph::ROWS);
        let code = describe(&mut graph, rows, &self.encoder);
        let decoded = describe(&mut graph, code, &self.decoder);
        let residual = graph.then(Step::Subtract { left: rows, right: decoded });
        let [own, far, other] = [rows, residual, decoded].map(|of| graph.length(of, GAP as f32));
        let distance = graph.then(Step::Divide { left: far, right: own });
        let products = graph.combine(rows, Combination::Product, decoded);
        let product = graph.sum(products);
        let lengths = graph.combine(own, Combination::Product, other);
        let cosine = graph.then(Step::Divide { left: product, right: lengths });
        let features = graph.then(Step::Concat { of: vec![code, distance, cosine] });
        let width = self.estimation[0].weight.val().dims()[0];
        Mixture::read(self.mixture.val(), width).describe(&mut graph, features);
        Some(graph)
    }

    /// The energy: `−ln` of the density (equation 6 of the paper).
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (features, _) = self.features(rows);
        Mixture::read(self.mixture.val(), features.dims()[1]).energy(&features)
    }
}
