//! Optimisers as methods name them.

use anoonly_models::recipe::{EpsilonAt, Optimiser};
use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{Adam, AdamConfig, GradientsParams, LearningRate, Optimizer, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

/// RMSprop without momentum, with a say in where epsilon goes (burn's own puts it outside of the root only).
#[derive(Clone, Debug)]
pub struct RmsProp {
    decay: f64,
    epsilon: f64,
    epsilon_at: EpsilonAt,
    weight_decay: f64,
}

/// RMSprop's moving average of squared gradients.
#[derive(Record, Clone)]
pub struct RmsPropState<B: Backend, const D: usize> {
    /// `v`, of the shape of the weights.
    pub mean_square: Tensor<B, D>,
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
        let gradient = match self.weight_decay {
            0.0 => gradient,
            decay => gradient + weights.clone().mul_scalar(decay),
        };
        let new = gradient.clone().square().mul_scalar(1.0 - self.decay);
        let mean_square = match state {
            Some(RmsPropState { mean_square }) => mean_square.mul_scalar(self.decay) + new,
            None => new,
        };
        let root = match self.epsilon_at {
            EpsilonAt::InsideRoot => mean_square.clone().add_scalar(self.epsilon).sqrt(),
            EpsilonAt::OutsideRoot => mean_square.clone().sqrt().add_scalar(self.epsilon),
        };
        (weights - gradient.mul_scalar(rate) / root, Some(RmsPropState { mean_square }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        RmsPropState { mean_square: state.mean_square.to_device(device) }
    }
}

/// An optimiser at work on a network.
pub(crate) enum Stepper<B: AutodiffBackend, M: AutodiffModule<B>> {
    RmsProp(OptimizerAdaptor<RmsProp, M, B>),
    Adam(OptimizerAdaptor<Adam, M, B>),
}

impl<B: AutodiffBackend, M: AutodiffModule<B>> Stepper<B, M> {
    pub fn new(optimiser: &Optimiser) -> Self {
        match *optimiser {
            Optimiser::RmsProp { decay, epsilon, epsilon_at, weight_decay, .. } => {
                Stepper::RmsProp(RmsProp { decay, epsilon, epsilon_at, weight_decay }.into())
            }
            Optimiser::Adam { beta_1, beta_2, epsilon, weight_decay, .. } => {
                let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
                let adam = AdamConfig::new().with_beta_1(beta_1 as f32).with_beta_2(beta_2 as f32);
                Stepper::Adam(adam.with_epsilon(epsilon as f32).with_weight_decay(decay).init())
            }
        }
    }

    /// One step of the given size along the gradient of `loss`.
    pub fn step(&mut self, rate: f64, network: M, loss: &Tensor<B, 1>) -> M {
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        match self {
            Stepper::RmsProp(optimiser) => optimiser.step(rate, network, gradients),
            Stepper::Adam(optimiser) => optimiser.step(rate, network, gradients),
        }
    }
}
