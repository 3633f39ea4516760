//! Hidden layers one behind the other.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;

use crate::error::Checks;
use crate::graph::{Graph, Value};
use crate::layers::activation::{Activation, dense};
use crate::layers::draws::dropout;
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::{Batch, Norm};

/// `Linear – activation – norm` for each width.
#[derive(Module, Debug)]
pub(crate) struct Layers<B: Backend> {
    layers: Vec<Linear<B>>,
    norms: Vec<NormLayer<B>>,
    #[module(skip)]
    activation: Activation,
}

/// More layers than anyone trains without shortcuts; a bound on what a model file can ask for.
const MOST: usize = 64;

/// How hidden layers are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub widths: &'a [usize],
    pub bias: bool,
    pub activation: Activation,
    pub norm: Norm,
    pub settings: NormSettings,
}

impl Plan<'_> {
    /// Draws PyTorch's uniform weights.
    pub fn layers<B: Backend>(self, inputs: usize, rng: &mut impl Rng, device: &B::Device) -> Layers<B> {
        let from = std::iter::once(&inputs).chain(self.widths);
        let layer =
            |(&from, &to): (&usize, &usize)| WeightInit::PytorchUniform.linear(from, to, self.bias, &mut *rng, device);
        let layers = from.zip(self.widths).map(layer).collect();
        let norm = |&width: &usize| NormLayer::new(self.norm, width, self.settings, device);
        Layers { layers, norms: self.widths.iter().map(norm).collect(), activation: self.activation }
    }

    /// The number of their values.
    pub fn weights(self, inputs: usize) -> usize {
        let from = std::iter::once(&inputs).chain(self.widths);
        let layers = from.zip(self.widths).map(|(&from, &to)| linear_weights(from, to, self.bias));
        layers.chain(self.widths.iter().map(|&width| self.norm.weights(width))).fold(0, usize::saturating_add)
    }

    /// The width of the last one, or of the rows where there is none.
    pub fn outputs(self, inputs: usize) -> usize {
        self.widths.last().copied().unwrap_or(inputs)
    }
}

/// Checks the widths of hidden layers, of which there is at least one.
pub(crate) fn check(checks: Checks, option: &'static str, widths: &[usize]) -> Checks {
    let smallest = widths.iter().copied().min().unwrap_or(0);
    let least = checks.that(smallest > 0, option, format!("{widths:?}"), "one width or more, each at least 1");
    least.that(widths.len() <= MOST, option, widths.len(), "at most 64 widths")
}

impl<B: Backend> Layers<B> {
    /// `[rows, columns]` to `[rows, width]`.
    pub fn forward(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let count = rows.dims()[0];
        self.of_batch(&Batch::new(rows, count))
    }

    /// The same of a batch.
    pub fn of_batch(&self, batch: &Batch<B>) -> Tensor<B, 2> {
        self.through(batch, |made| made)
    }

    /// The same in training, with dropout behind each layer.
    pub fn with_dropout(&self, rows: Tensor<B, 2>, rate: f64, rng: &mut impl Rng) -> Tensor<B, 2> {
        let count = rows.dims()[0];
        self.through(&Batch::new(rows, count), |made| dropout(made, rate, rng))
    }

    fn through(&self, batch: &Batch<B>, mut behind: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        let mut layers = self.layers.iter().zip(&self.norms);
        let Some((first, norm)) = layers.next() else { return batch.by_row(|rows| rows) };
        let start = behind(norm.forward(batch.by_row(|rows| dense(rows, first, self.activation))));
        layers.fold(start, |made, (layer, norm)| behind(norm.forward(dense(made, layer, self.activation))))
    }

    /// Adds their steps to a graph.
    pub fn describe(&self, graph: &mut Graph, of: Value) -> Value {
        self.layers.iter().zip(&self.norms).fold(of, |of, (layer, norm)| {
            let made = graph.dense(of, layer, self.activation);
            norm.describe(graph, made, Activation::Linear)
        })
    }

    pub fn norms_mut(&mut self) -> impl Iterator<Item = &mut NormLayer<B>> {
        self.norms.iter_mut()
    }
}
