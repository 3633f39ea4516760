//! Batch normalisation with an activation, trained in plain memory.

use burn::module::{Module, ModuleVisitor, Param, ParamId, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::super::batch_norm::{Moments, NormColumns, NormGradients, inverse_deviations, rows_backward};
use super::super::{Differentiating, activation_backward};
use super::Trained;
use crate::layers::activation::Activation;
use crate::layers::host::cells;

/// A batch normalisation with an activation.
#[derive(Debug)]
pub(crate) struct DirectNorm {
    scale: Trained,
    shift: Trained,
    /// Whether scale and shift are trained.
    affine: bool,
    mean: Running,
    variance: Running,
    epsilon: f64,
    /// The share of a batch's statistics in the updated running statistics.
    momentum: f32,
    slope: f32,
}

/// The intermediate values of a batch that the backward pass needs.
#[derive(Debug, Default)]
pub(crate) struct NormPass {
    inverse: Vec<f32>,
    whitened: Vec<f32>,
    pub output: Vec<f32>,
}

/// Running statistics.
#[derive(Debug)]
struct Running {
    id: ParamId,
    values: Vec<f32>,
}

impl DirectNorm {
    pub fn new(norm: &BatchNorm<Differentiating>, activation: Activation) -> Self {
        Self {
            scale: Trained::of(&norm.gamma),
            shift: Trained::of(&norm.beta),
            affine: norm.gamma.val().is_require_grad(),
            mean: Running::of(&norm.running_mean),
            variance: Running::of(&norm.running_var),
            epsilon: norm.epsilon,
            momentum: norm.momentum as f32,
            slope: activation.slope(),
        }
    }

    /// Sets the gradients to 0. Each pass of a batch adds to them.
    pub fn begin(&mut self) {
        self.scale.gradient.fill(0.0);
        self.shift.gradient.fill(0.0);
    }

    /// Normalises rows with their own statistics and updates the running statistics.
    pub fn forward(&mut self, rows: &[f32], pass: &mut NormPass) {
        let Moments { means, variances } = Moments::of(rows, self.scale.values.len());
        self.mean.update(&means, self.momentum);
        self.variance.update(&variances, self.momentum);
        pass.inverse = inverse_deviations(&variances, self.epsilon);
        pass.whitened.resize(rows.len(), 0.0);
        pass.output.resize(rows.len(), 0.0);
        let (scale, shift) = (&self.scale.values[..], &self.shift.values[..]);
        let columns = NormColumns { means: &means, inverse: &pass.inverse, scale, shift };
        columns.normalise(rows, self.slope, &mut pass.whitened, &mut pass.output);
    }

    /// Turns the gradient of a pass's output into the gradient of its rows, and adds the gradients of scale and shift.
    pub fn backward(&mut self, gradient: &mut [f32], pass: &NormPass) {
        if self.slope != 1.0 {
            activation_backward(gradient, &pass.output, self.slope);
        }
        let width = pass.inverse.len();
        let sums = NormGradients::of(gradient, &pass.whitened, width);
        rows_backward(gradient, &pass.whitened, [&self.scale.values, &pass.inverse], &sums);
        for (trained, of_pass) in [(&mut self.scale, sums.of_scale), (&mut self.shift, sums.of_shift)] {
            trained.gradient.iter_mut().zip(of_pass).for_each(|(sum, cell)| *sum += cell);
        }
    }

    pub fn trained(&mut self) -> impl Iterator<Item = &mut Trained> {
        [&mut self.scale, &mut self.shift].into_iter().filter(|_| self.affine)
    }

    pub fn values(&self) -> impl Iterator<Item = (ParamId, Vec<f32>)> {
        let trained = [&self.scale, &self.shift].map(|trained| (trained.id, trained.values.clone()));
        trained.into_iter().chain([&self.mean, &self.variance].map(|running| (running.id, running.values.clone())))
    }
}

impl Running {
    fn of(state: &RunningState<Tensor<Differentiating, 1>>) -> Self {
        let mut id = LastId(None);
        state.visit(&mut id);
        Self { id: id.0.expect("a running state is visited as one tensor"), values: cells(state.value_sync()) }
    }

    fn update(&mut self, new: &[f32], momentum: f32) {
        self.values.iter_mut().zip(new).for_each(|(old, new)| *old = *old * (1.0 - momentum) + new * momentum);
    }
}

/// The id of the last visited tensor.
struct LastId(Option<ParamId>);

impl<B: Backend> ModuleVisitor<B> for LastId {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0 = Some(param.id);
    }
}
