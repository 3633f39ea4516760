//! A network in training.

use anoonly_models::kernels::{Direct, Put};
use anoonly_models::recipe::Optimiser;
use anoonly_models::{Batch, Network, NetworkMethod, Trainable, TrainingData};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};

use crate::fit::Objective;
use crate::optimiser::{DirectStepper, Stepper};
use crate::sampler::Step;

type Differentiating<B, M> = <M as NetworkMethod>::Network<Autodiff<B>>;

/// A network and its optimiser.
pub(crate) struct Learner<B: Backend, M: Trainable<Autodiff<B>>> {
    /// As it was at the start where steps are direct; taken only while it makes a step.
    network: Option<Differentiating<B, M>>,
    way: Way<B, M>,
}

/// How a step is made.
enum Way<B: Backend, M: Trainable<Autodiff<B>>> {
    /// By the graph of burn's operations. The losses are read back once an epoch: on a GPU, reading one waits for its step.
    Graph { stepper: Stepper<Autodiff<B>, Differentiating<B, M>>, losses: Option<Tensor<B, 1>> },
    /// In plain memory.
    Direct { direct: Box<dyn Direct>, stepper: DirectStepper, losses: f64 },
}

impl<B: Backend, M: Trainable<Autodiff<B>>> Learner<B, M> {
    pub fn new(objective: Objective, optimiser: &Optimiser, start: M::Network<B>, data: &TrainingData<B>) -> Self {
        let network = Differentiating::<B, M>::from_inner(start);
        let direct = match objective {
            Objective::Pretrain => None,
            Objective::Detect(_) => network.direct(data),
        };
        let way = match direct {
            Some(direct) => Way::Direct { direct, stepper: DirectStepper::new(optimiser), losses: 0.0 },
            None => Way::Graph { stepper: Stepper::new(optimiser), losses: None },
        };
        Self { network: Some(network), way }
    }

    /// One step of the given size by the loss of a batch.
    pub fn step(&mut self, objective: Objective, rate: f64, step: &Step, data: &TrainingData<B>) {
        match (&mut self.way, objective) {
            (Way::Direct { direct, stepper, losses }, Objective::Detect(supervision)) => {
                let weight = supervision.normal_weight() as f32;
                *losses += f64::from(direct.descend(&step.rows, step.unlabelled, weight));
                stepper.step(rate, direct.trained());
            }
            (Way::Direct { .. }, Objective::Pretrain) => unreachable!("pretraining goes by the graph"),
            (Way::Graph { stepper, losses }, objective) => {
                let Some(network) = self.network.take() else { unreachable!("a step puts the network back") };
                let loss = objective.loss(&network, &Batch::gather(data, &step.rows, step.unlabelled));
                self.network = Some(stepper.step(rate, network, &loss));
                let value = loss.inner();
                *losses = Some(match losses.take() {
                    Some(losses) => losses + value,
                    None => value,
                });
            }
        }
    }

    /// The sum of the losses of the steps since it was last asked for.
    pub fn sum_of_losses(&mut self) -> f64 {
        match &mut self.way {
            Way::Graph { losses, .. } => losses.take().map_or(0.0, |losses| losses.into_scalar().elem::<f64>()),
            Way::Direct { losses, .. } => std::mem::take(losses),
        }
    }

    /// The network as it is now.
    pub fn network(&self) -> M::Network<B> {
        let Some(network) = &self.network else { unreachable!("a step puts the network back") };
        match &self.way {
            Way::Graph { .. } => network.valid(),
            Way::Direct { direct, .. } => network.valid().map(&mut Put(direct.values())),
        }
    }
}
