//! A batch normalisation with its activation.

use burn::module::{Module, ModuleVisitor, Param, ParamId, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::super::batch_norm::{Columns, Moments, add_gradients, inverse_deviations, through};
use super::super::{Differentiating, unbend};
use super::{Trained, read};
use crate::layers::activation::Activation;

#[derive(Debug)]
pub(crate) struct Norm {
    scale: Trained,
    shift: Trained,
    /// Whether they are trained.
    affine: bool,
    mean: Running,
    variance: Running,
    epsilon: f64,
    /// The share of the new batch's statistics in the running ones.
    taken: f32,
    slope: f32,
}

/// A batch's way through a normalisation.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    inverse: Vec<f32>,
    whitened: Vec<f32>,
    pub output: Vec<f32>,
}

#[derive(Debug)]
struct Running {
    id: ParamId,
    values: Vec<f32>,
}

impl Norm {
    pub fn new(norm: &BatchNorm<Differentiating>, activation: Activation) -> Self {
        Self {
            scale: Trained::of(&norm.gamma),
            shift: Trained::of(&norm.beta),
            affine: norm.gamma.val().is_require_grad(),
            mean: Running::of(&norm.running_mean),
            variance: Running::of(&norm.running_var),
            epsilon: norm.epsilon,
            taken: norm.momentum as f32,
            slope: activation.slope(),
        }
    }

    /// Makes room for the gradients of a batch, to which each of its passes adds.
    pub fn begin(&mut self) {
        self.scale.gradient.fill(0.0);
        self.shift.gradient.fill(0.0);
    }

    /// Normalises rows by their own statistics, which the running ones take in.
    pub fn forward(&mut self, rows: &[f32], pass: &mut Pass) {
        let Moments { means, variances } = Moments::of(rows, self.scale.values.len());
        self.mean.take_in(&means, self.taken);
        self.variance.take_in(&variances, self.taken);
        pass.inverse = inverse_deviations(&variances, self.epsilon);
        pass.whitened.resize(rows.len(), 0.0);
        pass.output.resize(rows.len(), 0.0);
        let (scale, shift) = (&self.scale.values[..], &self.shift.values[..]);
        let columns = Columns { means: &means, inverse: &pass.inverse, scale, shift };
        columns.normalise(rows, self.slope, &mut pass.whitened, &mut pass.output);
    }

    /// Turns the gradient of a pass's output into that of its rows.
    pub fn backward(&mut self, gradient: &mut [f32], pass: &Pass) {
        if self.slope != 1.0 {
            unbend(gradient, &pass.output, self.slope);
        }
        let width = pass.inverse.len();
        let (mut of_scale, mut of_shift) = (vec![0.0; width], vec![0.0; width]);
        add_gradients(gradient, &pass.whitened, &mut of_scale, &mut of_shift);
        through(gradient, &pass.whitened, [&self.scale.values, &pass.inverse], &of_scale, &of_shift);
        for (trained, of_pass) in [(&mut self.scale, of_scale), (&mut self.shift, of_shift)] {
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
        let mut id = Id(None);
        state.visit(&mut id);
        Self { id: id.0.expect("a running state is visited as one tensor"), values: read(state.value_sync()) }
    }

    fn take_in(&mut self, new: &[f32], taken: f32) {
        self.values.iter_mut().zip(new).for_each(|(old, new)| *old = *old * (1.0 - taken) + new * taken);
    }
}

/// The identity of the last tensor visited.
struct Id(Option<ParamId>);

impl<B: Backend> ModuleVisitor<B> for Id {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0 = Some(param.id);
    }
}
