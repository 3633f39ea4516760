//! Linear layers with an activation.

use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::backend::Backend;

use crate::graph::{Graph, Step, Value};
use crate::kernels;
use crate::layers::host::{cells, matrix};
use crate::members;

/// The activation after a linear layer or a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// The identity.
    Linear,
    /// `max(0, x)`.
    Relu,
    /// `x` above 0 and `x/100` below.
    LeakyRelu,
}

impl Activation {
    /// The slope below 0. The slope above 0 is 1.
    pub fn slope(self) -> f32 {
        match self {
            Activation::Linear => 1.0,
            Activation::Relu => 0.0,
            Activation::LeakyRelu => 0.01,
        }
    }

    pub fn apply<B: Backend>(self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        match self {
            Activation::Linear => rows,
            Activation::Relu => relu(rows),
            Activation::LeakyRelu => leaky_relu(rows, f64::from(self.slope())),
        }
    }
}

/// `activation(rows · weight + bias)`, `[rows, inputs]` to `[rows, outputs]`.
pub(crate) fn dense<B: Backend>(rows: Tensor<B, 2>, layer: &Linear<B>, activation: Activation) -> Tensor<B, 2> {
    if layer.weight.dims()[0] > rows.dims()[1] {
        let bias = layer.bias.as_ref().map(|bias| bias.val());
        return activation.apply(members::linear(rows, layer.weight.val(), bias));
    }
    kernels::dense(rows, layer, activation).unwrap_or_else(|rows| activation.apply(layer.forward(rows)))
}

/// A linear score: `code · weight + bias` of a layer with one output, `[rows, width]` to `[rows]`.
pub(crate) fn linear_score<B: Backend>(code: Tensor<B, 2>, layer: &Linear<B>) -> Tensor<B, 1> {
    dense(code, layer, Activation::Linear).squeeze_dim(1)
}

/// `√(Σ x² + gap)` of each row, `[rows, columns]` to `[rows, 1]`. A `gap` above 0 gives a row of zeros a gradient.
pub(crate) fn length<B: Backend>(rows: Tensor<B, 2>, gap: f64) -> Tensor<B, 2> {
    rows.square().sum_dim(1).add_scalar(gap).sqrt()
}

/// The gap of [`length`] that most networks use.
pub(crate) const LENGTH_GAP: f64 = 1e-12;

/// The sum of each member's squared weights, `[members]`.
pub(crate) fn sum_of_squares<B: Backend>(weights: Tensor<B, 2>, members: usize) -> Tensor<B, 1> {
    match members {
        1 => kernels::sum_of_squares(weights).unwrap_or_else(|weights| weights.square().sum()),
        _ => members::sums(weights.square(), members),
    }
}

impl Graph {
    /// Adds `activation(of · weight + bias)`.
    pub(crate) fn dense<B: Backend>(&mut self, of: Value, layer: &Linear<B>, activation: Activation) -> Value {
        let bias = layer.bias.as_ref().map(|bias| cells(bias.val()));
        let product = self.linear(of, matrix(layer.weight.val()), bias);
        self.activate(product, activation)
    }

    /// Adds an activation. The identity adds no step.
    pub(crate) fn activate(&mut self, of: Value, activation: Activation) -> Value {
        match activation {
            Activation::Linear => of,
            Activation::Relu | Activation::LeakyRelu => self.then(Step::LeakyRelu { of, slope: activation.slope() }),
        }
    }
}
