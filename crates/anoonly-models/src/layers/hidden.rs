//! A sequence of hidden layers.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;

use crate::error::{Checks, MOST_WIDTH};
use crate::graph::{Graph, Value};
use crate::layers::activation::{Activation, dense};
use crate::layers::draws::dropout;
use crate::layers::init::{WeightInit, layer_sizes, linear_weights, total};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::{Batch, Norm};

/// `Linear – activation – norm` for each width.
#[derive(Module, Debug)]
pub(crate) struct HiddenLayers<B: Backend> {
    layers: Vec<Linear<B>>,
    norms: Vec<NormLayer<B>>,
    #[module(skip)]
    activation: Activation,
}

/// The most layers. The bound protects against model files that ask for too much memory; no one trains as many layers without
/// residual connections.
const MOST: usize = 64;

/// The description of [`HiddenLayers`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct HiddenPlan<'a> {
    pub widths: &'a [usize],
    pub bias: bool,
    pub activation: Activation,
    pub norm: Norm,
    pub settings: NormSettings,
}

impl HiddenPlan<'_> {
    /// Creates the layers with PyTorch's uniform weights.
    pub fn layers<B: Backend>(self, inputs: usize, rng: &mut impl Rng, device: &B::Device) -> HiddenLayers<B> {
        let layer = |(from, to)| WeightInit::PytorchUniform.linear(from, to, self.bias, &mut *rng, device);
        let layers = layer_sizes(inputs, self.widths).map(layer).collect();
        let norm = |&width: &usize| NormLayer::new(self.norm, width, self.settings, device);
        HiddenLayers { layers, norms: self.widths.iter().map(norm).collect(), activation: self.activation }
    }

    /// The number of values in the layers.
    pub fn weights(self, inputs: usize) -> usize {
        let layers = layer_sizes(inputs, self.widths).map(|(from, to)| linear_weights(from, to, self.bias));
        total(layers.chain(self.widths.iter().map(|&width| self.norm.weights(width))))
    }

    /// The width of the last layer, or of the rows where there is no layer.
    pub fn outputs(self, inputs: usize) -> usize {
        self.widths.last().copied().unwrap_or(inputs)
    }
}

/// Checks the widths of hidden layers. At least one is required.
pub(crate) fn check(checks: Checks, option: &'static str, widths: &[usize]) -> Checks {
    let smallest = widths.iter().copied().min().unwrap_or(0);
    let number = checks.that(widths.len() <= MOST, option, widths.len(), "at most 64 widths");
    let least = number.that(smallest > 0, option, format_args!("{widths:?}"), "one width or more, each at least 1");
    let largest = widths.iter().copied().max().unwrap_or(0);
    least.that(largest <= MOST_WIDTH, option, largest, "widths of at most 16384")
}

impl<B: Backend> HiddenLayers<B> {
    /// `[rows, columns]` to `[rows, width]`.
    pub fn forward(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        self.of_batch(&Batch::of_unlabelled(rows))
    }

    /// The output for a batch, `[rows, width]`.
    pub fn of_batch(&self, batch: &Batch<B>) -> Tensor<B, 2> {
        self.apply(batch, |output| output)
    }

    /// The output in training, with dropout after each layer.
    pub fn with_dropout(&self, rows: Tensor<B, 2>, rate: f64, rng: &mut impl Rng) -> Tensor<B, 2> {
        self.apply(&Batch::of_unlabelled(rows), |output| dropout(output, rate, rng))
    }

    fn apply(&self, batch: &Batch<B>, mut after: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        let mut layers = self.layers.iter().zip(&self.norms);
        let Some((first, norm)) = layers.next() else { return batch.by_row(|rows| rows) };
        let start = after(norm.forward(batch.by_row(|rows| dense(rows, first, self.activation))));
        layers.fold(start, |output, (layer, norm)| after(norm.forward(dense(output, layer, self.activation))))
    }

    /// Adds the steps of the layers to a graph.
    pub fn describe(&self, graph: &mut Graph, of: Value) -> Value {
        self.layers.iter().zip(&self.norms).fold(of, |of, (layer, norm)| {
            let output = graph.dense(of, layer, self.activation);
            norm.describe(graph, output, Activation::Linear)
        })
    }

    /// Each layer with its normalisation.
    pub fn layers(&self) -> impl Iterator<Item = (&Linear<B>, &NormLayer<B>)> {
        self.layers.iter().zip(&self.norms)
    }

    pub fn norms_mut(&mut self) -> impl Iterator<Item = &mut NormLayer<B>> {
        self.norms.iter_mut()
    }
}
