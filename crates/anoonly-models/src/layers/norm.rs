//! Normalisation layers.

use burn::module::{Module, Param, ParamId};
use burn::nn::{BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::graph::{Graph, Step, Value};
use crate::kernels;
use crate::layers::activation::Activation;
use crate::layers::host::cells;
use crate::members;
pub use crate::norm::{Norm, NormSettings};

/// A normalisation layer. It may be empty.
#[derive(Module, Debug)]
pub struct NormLayer<B: Backend> {
    batch: Option<BatchNorm<B>>,
    layer: Option<LayerNorm<B>>,
    /// Added to the variance. burn's layer normalisation does not expose its value.
    epsilon: f64,
    frozen: bool,
}

impl<B: Backend> NormLayer<B> {
    /// A layer for inputs `[rows, width]`, with scale 1 and shift 0.
    pub fn new(norm: Norm, width: usize, settings: NormSettings, device: &B::Device) -> Self {
        let NormSettings { epsilon, keep } = settings;
        let batch = BatchNormConfig::new(width).with_epsilon(epsilon).with_momentum(1.0 - keep);
        let layer = LayerNormConfig::new(width).with_epsilon(epsilon);
        Self {
            batch: (norm == Norm::Batch).then(|| batch.init(device)),
            layer: (norm == Norm::Layer).then(|| layer.init(device)),
            epsilon,
            frozen: false,
        }
    }

    /// The same layer with a constant scale and shift.
    pub fn fixed(mut self) -> Self {
        fn fix<B: Backend>(param: &mut Param<Tensor<B, 1>>) {
            *param = Param::initialized(ParamId::new(), param.val().set_require_grad(false));
        }
        if let Some(norm) = &mut self.batch {
            fix(&mut norm.gamma);
            fix(&mut norm.beta);
        }
        if let Some(norm) = &mut self.layer {
            fix(&mut norm.gamma);
            norm.beta.iter_mut().for_each(fix);
        }
        self
    }

    /// Sets the share of the old running statistics that a step keeps.
    pub fn set_keep(&mut self, keep: f64) {
        if let Some(norm) = &mut self.batch {
            norm.momentum = 1.0 - keep;
        }
    }

    /// Makes batch normalisation use its running statistics without updating them, on an autodiff backend, too. The gradient of a
    /// score is then the gradient of what [`forward`](Self::forward) computes in scoring.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Normalises `[rows, width]`.
    pub fn forward(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        self.then(rows, Activation::Linear)
    }

    /// Normalises `[rows, width]` and applies an activation.
    pub(crate) fn then(&self, rows: Tensor<B, 2>, activation: Activation) -> Tensor<B, 2> {
        let width = rows.dims()[1];
        match (&self.batch, &self.layer) {
            (Some(batch), _) if batch.gamma.dims()[0] > width => {
                activation.apply(by_statistics_of_members(rows, batch))
            }
            (None, Some(layer)) if layer.gamma.dims()[0] > width => {
                activation.apply(by_row_of_members(rows, layer, self.epsilon))
            }
            (Some(batch), _) if self.frozen => activation.apply(by_running_statistics(rows, batch)),
            (Some(batch), _) => kernels::batch_norm(rows, batch, activation)
                .unwrap_or_else(|rows| activation.apply(batch.forward(rows))),
            (None, Some(layer)) => activation.apply(layer.forward(rows)),
            (None, None) => activation.apply(rows),
        }
    }

    /// Adds the steps of [`then`](Self::then) in scoring to a graph.
    pub(crate) fn describe(&self, graph: &mut Graph, of: Value, activation: Activation) -> Value {
        let normalised = match (&self.batch, &self.layer) {
            (Some(batch), _) => {
                let centred = graph.add(of, cells(batch.running_mean.value().neg()));
                let scaled = graph.multiply(centred, cells(running_factor(batch)));
                graph.add(scaled, cells(batch.beta.val()))
            }
            (None, Some(layer)) => {
                let share = 1.0 / layer.gamma.val().dims()[0] as f32;
                let mean = |graph: &mut Graph, sum| graph.then(Step::Multiply { of: sum, constants: vec![share] });
                let sum = graph.then(Step::Sum { of });
                let centre = mean(graph, sum);
                let centred = graph.then(Step::Subtract { left: of, right: centre });
                let squares = graph.then(Step::SumOfSquares { of: centred });
                let variance = mean(graph, squares);
                let above_zero = graph.then(Step::Add { of: variance, constants: vec![self.epsilon as f32] });
                let deviation = graph.then(Step::Root { of: above_zero });
                let whitened = graph.then(Step::Divide { left: centred, right: deviation });
                let scaled = graph.multiply(whitened, cells(layer.gamma.val()));
                layer.beta.as_ref().map_or(scaled, |beta| graph.add(scaled, cells(beta.val())))
            }
            (None, None) => of,
        };
        graph.activate(normalised, activation)
    }

    /// Whether the layer is empty.
    pub(crate) fn is_none(&self) -> bool {
        self.batch.is_none() && self.layer.is_none()
    }

    /// The batch normalisation, unless it is frozen.
    pub(crate) fn batch(&self) -> Option<&BatchNorm<B>> {
        self.batch.as_ref().filter(|_| !self.frozen)
    }

    #[cfg(test)]
    pub(crate) fn batch_mut(&mut self) -> Option<&mut BatchNorm<B>> {
        self.batch.as_mut()
    }
}

/// Batch normalisation of a stack of members. Each has its own statistics.
fn by_statistics_of_members<B: Backend>(rows: Tensor<B, 2>, norm: &BatchNorm<B>) -> Tensor<B, 2> {
    let members = members::count(norm.gamma.dims()[0], rows.dims()[1]);
    let rows = members::apart(rows, members);
    let (mean, variance) = if B::ad_enabled(&rows.device()) {
        let mean = rows.clone().mean_dim(1);
        let variance = (rows.clone() - mean.clone()).square().mean_dim(1);
        for (running, value) in [(&norm.running_mean, &mean), (&norm.running_var, &variance)] {
            let old = running.value_sync();
            let new = value.clone().detach().reshape(old.dims()).mul_scalar(norm.momentum);
            running.update((old.mul_scalar(1.0 - norm.momentum) + new).detach());
        }
        (mean, variance)
    } else {
        let of = |running: Tensor<B, 1>| members::row_each(running, members);
        (of(norm.running_mean.value()), of(norm.running_var.value()))
    };
    let whitened = (rows - mean) / variance.add_scalar(norm.epsilon).sqrt();
    let [scale, shift] = [&norm.gamma, &norm.beta].map(|param| members::row_each(param.val(), members));
    members::together(whitened * scale + shift)
}

/// Layer normalisation of a stack of members.
fn by_row_of_members<B: Backend>(rows: Tensor<B, 2>, norm: &LayerNorm<B>, epsilon: f64) -> Tensor<B, 2> {
    let members = members::count(norm.gamma.dims()[0], rows.dims()[1]);
    let centred = rows.clone() - rows.mean_dim(1);
    let deviation = centred.clone().square().mean_dim(1).add_scalar(epsilon).sqrt();
    let scaled = members::apart(centred / deviation, members) * members::row_each(norm.gamma.val(), members);
    members::together(match &norm.beta {
        Some(beta) => scaled + members::row_each(beta.val(), members),
        None => scaled,
    })
}

fn by_running_statistics<B: Backend>(rows: Tensor<B, 2>, norm: &BatchNorm<B>) -> Tensor<B, 2> {
    let centred = rows - norm.running_mean.value().unsqueeze_dim(0);
    centred * running_factor(norm).unsqueeze_dim(0) + norm.beta.val().unsqueeze_dim(0)
}

/// The factor of each centred column, `[columns]`.
fn running_factor<B: Backend>(norm: &BatchNorm<B>) -> Tensor<B, 1> {
    norm.gamma.val() / norm.running_var.value().add_scalar(norm.epsilon).sqrt()
}
