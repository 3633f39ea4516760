//! A network in training.

use anoonly_models::kernels::{Direct, Put};
use anoonly_models::recipe::Optimiser;
use anoonly_models::{Batch, Network, NetworkMethod, StepRows, Trainable, TrainingData};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};

use crate::fit::Objective;
use crate::optimiser::{DirectStepper, Stepper};

type Differentiating<B, M> = <M as NetworkMethod>::Network<Autodiff<B>>;

/// A network and its optimiser.
pub(crate) struct Learner<B: Backend, M: Trainable<Autodiff<B>>> {
    /// The network. It is `None` only during a step. With direct steps, it keeps its initial values.
    network: Option<Differentiating<B, M>>,
    mode: StepMode<B, M>,
}

/// How steps are computed.
enum StepMode<B: Backend, M: Trainable<Autodiff<B>>> {
    /// Through burn's graph of operations. The losses are read back once an epoch, because reading a loss on a GPU waits for
    /// its step.
    Graph { stepper: Stepper<Autodiff<B>, Differentiating<B, M>>, losses: Option<Tensor<B, 1>> },
    /// In plain memory, without a graph.
    Direct { direct: Box<dyn Direct>, stepper: DirectStepper, losses: f64 },
}

impl<B: Backend, M: Trainable<Autodiff<B>>> Learner<B, M> {
    pub fn new(objective: Objective, optimiser: &Optimiser, start: M::Network<B>, data: &TrainingData<B>) -> Self {
        let network = Differentiating::<B, M>::from_inner(start);
        let direct = match objective {
            Objective::Pretrain => network.direct_pretraining(data),
            Objective::Detect(_) => network.direct(data),
        };
        let mode = match direct {
            Some(direct) => StepMode::Direct { direct, stepper: DirectStepper::new(optimiser), losses: 0.0 },
            None => StepMode::Graph { stepper: Stepper::new(optimiser), losses: None },
        };
        Self { network: Some(network), mode }
    }

    /// Makes one step with the learning rate `rate` on the loss of a batch.
    pub fn step(&mut self, objective: Objective, rate: f64, step: &StepRows, data: &TrainingData<B>) {
        match (&mut self.mode, objective) {
            (StepMode::Direct { direct, stepper, losses }, objective) => {
                *losses += f64::from(direct.descend(step, &|counts| objective.weights(counts)));
                stepper.step(rate, direct.trained());
            }
            (StepMode::Graph { stepper, losses }, objective) => {
                let Some(network) = self.network.take() else { unreachable!("a step puts the network back") };
                let loss = objective.loss(&network, &Batch::gather(data, step));
                self.network = Some(stepper.step(rate, network, &loss));
                let value = loss.inner();
                *losses = Some(match losses.take() {
                    Some(losses) => losses + value,
                    None => value,
                });
            }
        }
    }

    /// The sum of the losses of all steps since the last call.
    pub fn sum_of_losses(&mut self) -> f64 {
        match &mut self.mode {
            StepMode::Graph { losses, .. } => losses.take().map_or(0.0, |losses| losses.into_scalar().elem::<f64>()),
            StepMode::Direct { losses, .. } => std::mem::take(losses),
        }
    }

    /// The network as it is now.
    pub fn network(&self) -> M::Network<B> {
        let Some(network) = &self.network else { unreachable!("a step puts the network back") };
        match &self.mode {
            StepMode::Graph { .. } => network.valid(),
            StepMode::Direct { direct, .. } => network.valid().map(&mut Put(direct.values())),
        }
    }
}
