//! The optimisers that the recipes of methods name.

use anoonly_models::kernels::{Trained, in_place};
use anoonly_models::recipe::{EpsilonAt, Optimiser};
use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{
    Adam, AdamConfig, AdamState, AdaptiveMomentumState, GradientsParams, LearningRate, Optimizer, SimpleOptimizer,
};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use pulp::{Arch, Simd, WithSimd};

/// RMSprop without momentum. Epsilon is added inside or outside the root; burn's own RMSprop adds it outside only.
#[derive(Clone, Debug)]
pub struct RmsProp {
    decay: f64,
    epsilon: f64,
    epsilon_at: EpsilonAt,
    weight_decay: f64,
}

/// The moving average of squared gradients of RMSprop.
#[derive(Record, Clone)]
pub struct RmsPropState<B: Backend, const D: usize> {
    /// `v`, with the shape of the weights.
    pub mean_square: Tensor<B, D>,
}

impl RmsProp {
    /// Applies the rule in one pass over the weights.
    #[inline(always)]
    fn change(&self, rate: f64, weights: &mut [f32], gradient: &[f32], mean_square: &mut [f32]) {
        let Self { decay, epsilon, epsilon_at, weight_decay } = *self;
        let [decay, epsilon, weight_decay, rate] = [decay, epsilon, weight_decay, rate].map(|value| value as f32);
        let (inside, outside) = match epsilon_at {
            EpsilonAt::InsideRoot => (epsilon, 0.0),
            EpsilonAt::OutsideRoot => (0.0, epsilon),
        };
        for ((weight, gradient), mean_square) in weights.iter_mut().zip(gradient).zip(mean_square) {
            let gradient = gradient + weight_decay * *weight;
            *mean_square = zero_if_subnormal(decay * *mean_square + (1.0 - decay) * gradient * gradient);
            *weight = zero_if_tiny(*weight - rate * gradient / ((*mean_square + inside).sqrt() + outside));
        }
    }
}

impl<B: Backend> SimpleOptimizer<B> for RmsProp {
    type State<const D: usize> = RmsPropState<B, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let mean_square = state.map_or_else(|| weights.zeros_like(), |state| state.mean_square);
        let Self { decay, epsilon, epsilon_at, weight_decay } = *self;
        let plain = in_place([weights, gradient, mean_square], |[weights, gradient, mean_square]| {
            self.change(rate, weights, gradient, mean_square);
        });
        let (weights, gradient, mean_square) = match plain {
            Ok([weights, _, mean_square]) => return (weights, Some(RmsPropState { mean_square })),
            Err([weights, gradient, mean_square]) => (weights, gradient, mean_square),
        };
        let gradient = match weight_decay {
            0.0 => gradient,
            decay => gradient + weights.clone().mul_scalar(decay),
        };
        let mean_square = mean_square.mul_scalar(decay) + gradient.clone().square().mul_scalar(1.0 - decay);
        let root = match epsilon_at {
            EpsilonAt::InsideRoot => mean_square.clone().add_scalar(epsilon).sqrt(),
            EpsilonAt::OutsideRoot => mean_square.clone().sqrt().add_scalar(epsilon),
        };
        (weights - gradient.mul_scalar(rate) / root, Some(RmsPropState { mean_square }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        RmsPropState { mean_square: state.mean_square.to_device(device) }
    }
}

/// Adam in one pass over the weights in plain memory; burn's own Adam on other backends.
#[derive(Clone)]
pub(crate) struct OnePassAdam {
    plain: Adam,
    betas: [f32; 2],
    epsilon: f32,
    weight_decay: f32,
}

impl OnePassAdam {
    /// Applies the rule in one pass over the weights. `time` counts the steps from 1.
    #[inline(always)]
    fn change(
        &self,
        rate: f64,
        time: usize,
        weights: &mut [f32],
        gradient: &[f32],
        [mean, mean_square]: [&mut [f32]; 2],
    ) {
        let Self { betas: [beta_1, beta_2], epsilon, weight_decay, .. } = *self;
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(time as i32);
        let rate = (rate / correction(beta_1)) as f32;
        let correction_2 = correction(beta_2).recip() as f32;
        let cells = weights.iter_mut().zip(gradient).zip(mean.iter_mut().zip(mean_square));
        for ((weight, gradient), (mean, mean_square)) in cells {
            let gradient = gradient + weight_decay * *weight;
            *mean = zero_if_subnormal(beta_1 * *mean + (1.0 - beta_1) * gradient);
            *mean_square = zero_if_subnormal(beta_2 * *mean_square + (1.0 - beta_2) * gradient * gradient);
            *weight = zero_if_tiny(*weight - rate * *mean / ((*mean_square * correction_2).sqrt() + epsilon));
        }
    }
}

impl<B: Backend> SimpleOptimizer<B> for OnePassAdam {
    type State<const D: usize> = AdamState<B, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<AdamState<B, D>>,
    ) -> (Tensor<B, D>, Option<AdamState<B, D>>) {
        let (time, mean, mean_square) = match state {
            Some(AdamState { momentum }) => (momentum.time, momentum.moment_1, momentum.moment_2),
            None => (0, weights.zeros_like(), weights.zeros_like()),
        };
        let state = |time, mean, mean_square| AdamState::new(AdaptiveMomentumState::new(time, mean, mean_square));
        let plain = in_place([weights, gradient, mean, mean_square], |[weights, gradient, mean, mean_square]| {
            self.change(rate, time + 1, weights, gradient, [mean, mean_square]);
        });
        match plain {
            Ok([weights, _, mean, mean_square]) => (weights, Some(state(time + 1, mean, mean_square))),
            Err([weights, gradient, mean, mean_square]) => {
                self.plain.step(rate, weights, gradient, Some(state(time, mean, mean_square)))
            }
        }
    }

    fn to_device<const D: usize>(state: AdamState<B, D>, device: &B::Device) -> AdamState<B, D> {
        <Adam as SimpleOptimizer<B>>::to_device(state, device)
    }
}

/// Gradient descent with momentum. It changes the weights in place in one pass; burn's own allocates new tensors in each step.
#[derive(Clone, Debug)]
pub struct Sgd {
    momentum: f64,
}

/// The velocity of gradient descent with momentum.
#[derive(Record, Clone)]
pub struct SgdState<B: Backend, const D: usize> {
    /// `v`, with the shape of the weights.
    pub velocity: Tensor<B, D>,
}

impl Sgd {
    /// Applies the rule in one pass over the weights.
    #[inline(always)]
    fn change(&self, rate: f64, weights: &mut [f32], gradient: &[f32], velocity: &mut [f32]) {
        let (momentum, rate) = (self.momentum as f32, rate as f32);
        for ((weight, gradient), velocity) in weights.iter_mut().zip(gradient).zip(velocity) {
            *velocity = zero_if_subnormal(momentum * *velocity + gradient);
            *weight = zero_if_tiny(*weight - rate * *velocity);
        }
    }
}

impl<B: Backend> SimpleOptimizer<B> for Sgd {
    type State<const D: usize> = SgdState<B, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let velocity = state.map_or_else(|| weights.zeros_like(), |state| state.velocity);
        let plain = in_place([weights, gradient, velocity], |[weights, gradient, velocity]| {
            self.change(rate, weights, gradient, velocity);
        });
        match plain {
            Ok([weights, _, velocity]) => (weights, Some(SgdState { velocity })),
            Err([weights, gradient, velocity]) => {
                let velocity = velocity.mul_scalar(self.momentum) + gradient;
                (weights - velocity.clone().mul_scalar(rate), Some(SgdState { velocity }))
            }
        }
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        SgdState { velocity: state.velocity.to_device(device) }
    }
}

/// Replaces a subnormal value by 0, because processors compute with subnormal values many times slower.
#[inline(always)]
fn zero_if_subnormal(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

/// Replaces a tiny weight by 0, because its products would be subnormal. The weights of a unit that no longer gets a gradient
/// decay towards 0 without end.
#[inline(always)]
fn zero_if_tiny(weight: f32) -> f32 {
    if weight.abs() < 1e-30 { 0.0 } else { weight }
}

/// The rule that updates the weights.
enum Rule {
    RmsProp(RmsProp),
    Adam(OnePassAdam),
    Sgd(Sgd),
}

impl Rule {
    fn new(optimiser: &Optimiser) -> Self {
        match *optimiser {
            Optimiser::RmsProp { decay, epsilon, epsilon_at, weight_decay, .. } => {
                Rule::RmsProp(RmsProp { decay, epsilon, epsilon_at, weight_decay })
            }
            Optimiser::Adam { beta_1, beta_2, epsilon, weight_decay, .. } => {
                let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
                let (betas, epsilon) = ([beta_1 as f32, beta_2 as f32], epsilon as f32);
                let plain = AdamConfig::new().with_beta_1(betas[0]).with_beta_2(betas[1]).with_epsilon(epsilon);
                let plain = plain.with_weight_decay(decay).build();
                Rule::Adam(OnePassAdam { plain, betas, epsilon, weight_decay: weight_decay as f32 })
            }
            Optimiser::Sgd { momentum, .. } => Rule::Sgd(Sgd { momentum }),
        }
    }
}

/// An optimiser for the tensors of a network.
pub(crate) enum Stepper<B: AutodiffBackend, M: AutodiffModule<B>> {
    RmsProp(OptimizerAdaptor<RmsProp, M, B>),
    Adam(OptimizerAdaptor<OnePassAdam, M, B>),
    Sgd(OptimizerAdaptor<Sgd, M, B>),
}

impl<B: AutodiffBackend, M: AutodiffModule<B>> Stepper<B, M> {
    pub fn new(optimiser: &Optimiser) -> Self {
        match Rule::new(optimiser) {
            Rule::RmsProp(rule) => Stepper::RmsProp(rule.into()),
            Rule::Adam(rule) => Stepper::Adam(rule.into()),
            Rule::Sgd(rule) => Stepper::Sgd(rule.into()),
        }
    }

    /// Makes one step with the learning rate `rate` on the gradient of `loss`.
    pub fn step(&mut self, rate: f64, network: M, loss: &Tensor<B, 1>) -> M {
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        match self {
            Stepper::RmsProp(optimiser) => optimiser.step(rate, network, gradients),
            Stepper::Adam(optimiser) => optimiser.step(rate, network, gradients),
            Stepper::Sgd(optimiser) => optimiser.step(rate, network, gradients),
        }
    }
}

/// An optimiser for tensors in plain memory.
pub(crate) struct DirectStepper {
    rule: Rule,
    /// The number of steps so far.
    time: usize,
    /// Two moving averages for each tensor. RMSprop uses only the second. Gradient descent with momentum keeps its velocity in
    /// the first.
    averages: Vec<[Vec<f32>; 2]>,
}

impl DirectStepper {
    pub fn new(optimiser: &Optimiser) -> Self {
        Self { rule: Rule::new(optimiser), time: 0, averages: Vec::new() }
    }

    /// Makes one step with the learning rate `rate`. All calls must pass the same tensors.
    pub fn step(&mut self, rate: f64, tensors: Vec<&mut Trained>) {
        self.time += 1;
        if self.averages.is_empty() {
            let zeros = |tensor: &&mut Trained| [(); 2].map(|()| vec![0.0; tensor.values.len()]);
            self.averages = tensors.iter().map(zeros).collect();
        }
        for (Trained { values, gradient, .. }, averages) in tensors.into_iter().zip(&mut self.averages) {
            Arch::new().dispatch(Change { rule: &self.rule, rate, time: self.time, values, gradient, averages });
        }
    }
}

/// One step of one tensor. It is not a closure, because a closure would not be inlined into the code with wide instructions.
struct Change<'a> {
    rule: &'a Rule,
    rate: f64,
    time: usize,
    values: &'a mut [f32],
    gradient: &'a [f32],
    averages: &'a mut [Vec<f32>; 2],
}

impl WithSimd for Change<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rule, rate, time, values, gradient, averages: [mean, mean_square] } = self;
        match rule {
            Rule::RmsProp(rule) => rule.change(rate, values, gradient, mean_square),
            Rule::Adam(rule) => rule.change(rate, time, values, gradient, [mean, mean_square]),
            Rule::Sgd(rule) => rule.change(rate, values, gradient, mean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One weight steps from 2 units to 1 unit, which is set to zero. The other steps from 2 units to 3, which is not.
    #[test]
    fn decayed_weights_are_set_to_zero() {
        let unit = 4e-31f32;
        let gradient = [unit, -unit];
        let check = |change: &dyn Fn(&mut [f32])| {
            let mut weights = [2.0 * unit; 2];
            change(&mut weights);
            assert!(weights[0] == 0.0 && (weights[1] / unit - 3.0).abs() < 1e-3, "{weights:?}");
        };
        check(&|weights| Sgd { momentum: 0.0 }.change(1.0, weights, &gradient, &mut [0.0; 2]));
        let epsilon_at = EpsilonAt::OutsideRoot;
        let rms_prop = RmsProp { decay: 0.9, epsilon: 1.0, epsilon_at, weight_decay: 0.0 };
        check(&|weights| rms_prop.change(1.0, weights, &gradient, &mut [0.0; 2]));
        let adam =
            OnePassAdam { plain: AdamConfig::new().build(), betas: [0.9, 0.999], epsilon: 1.0, weight_decay: 0.0 };
        check(&|weights| adam.change(1.0, 1, weights, &gradient, [&mut [0.0; 2], &mut [0.0; 2]]));
    }
}
