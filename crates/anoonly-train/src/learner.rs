//! Networks in training.

use anoonly_models::kernels::{Direct, Put};
use anoonly_models::members::{self, stack};
use anoonly_models::recipe::Optimiser;
use anoonly_models::{Network, NetworkMethod, StepRows, Trainable};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::fit::Objective;
use crate::member_rows::MemberRows;
use crate::optimiser::{DirectStepper, Stepper};

type Differentiating<B, M> = <M as NetworkMethod>::Network<Autodiff<B>>;

/// A network, or a stack of networks, and its optimiser.
pub(crate) struct Learner<B: Backend, M: Trainable<Autodiff<B>>> {
    /// The network. It is `None` only during a step. With direct steps, it keeps its initial values.
    network: Option<Differentiating<B, M>>,
    mode: StepMode<B, M>,
}

/// How steps are computed.
enum StepMode<B: Backend, M: Trainable<Autodiff<B>>> {
    /// Through burn's graph of operations. The losses of each member are read back once an epoch, because reading a loss on a GPU waits
    /// for its step.
    Graph { stepper: Stepper<Autodiff<B>, Differentiating<B, M>>, losses: Option<Tensor<B, 1>> },
    /// In plain memory, without a graph. For a single network.
    Direct { direct: Box<dyn Direct>, stepper: DirectStepper, losses: f64 },
}

impl<B: Backend, M: Trainable<Autodiff<B>>> Learner<B, M> {
    /// `starts` are the networks before their training, one for each member of `rows`.
    pub fn new(
        objective: Objective,
        optimiser: &Optimiser,
        starts: Vec<M::Network<B>>,
        rows: &MemberRows<'_, B>,
    ) -> Self {
        let alone = starts.len() == 1;
        let network: Differentiating<B, M> = stack(starts);
        let direct = match objective {
            _ if !alone => None,
            Objective::Pretrain => network.direct_pretraining(&rows.of(0)),
            Objective::Detect(_) => network.direct(&rows.of(0)),
        };
        let mode = match direct {
            Some(direct) => StepMode::Direct { direct, stepper: DirectStepper::new(optimiser), losses: 0.0 },
            None => StepMode::Graph { stepper: Stepper::new(optimiser), losses: None },
        };
        Self { network: Some(network), mode }
    }

    /// Makes one step with the learning rate `rate` on the loss of a batch for each member.
    pub fn step(&mut self, objective: Objective, rate: f64, steps: &[StepRows], rows: &MemberRows<'_, B>) {
        match (&mut self.mode, objective) {
            (StepMode::Direct { direct, stepper, losses }, objective) => {
                *losses += f64::from(direct.descend(&steps[0], &|counts| objective.weights(counts)));
                stepper.step(rate, direct.trained());
            }
            (StepMode::Graph { stepper, losses }, objective) => {
                let Some(network) = self.network.take() else { unreachable!("a step puts the network back") };
                let of_members = objective.losses(&network, &rows.batch(steps));
                // The loss of a member depends on its own weights only, so the gradient of the sum is that of each member's loss.
                let loss = if steps.len() == 1 { of_members.clone() } else { of_members.clone().sum() };
                self.network = Some(stepper.step(rate, network, &loss));
                let values = of_members.inner();
                *losses = Some(match losses.take() {
                    Some(losses) => losses + values,
                    None => values,
                });
            }
        }
    }

    /// The sum of each member's losses of all steps since the last call.
    pub fn sums_of_losses(&mut self) -> Vec<f64> {
        match &mut self.mode {
            StepMode::Graph { losses, .. } => {
                losses.take().map_or_else(Vec::new, |losses| losses.into_data().iter::<f64>().collect())
            }
            StepMode::Direct { losses, .. } => vec![std::mem::take(losses)],
        }
    }

    /// The network or stack as it is now.
    pub fn network(&self) -> M::Network<B> {
        let Some(network) = &self.network else { unreachable!("a step puts the network back") };
        match &self.mode {
            StepMode::Graph { .. } => network.valid(),
            StepMode::Direct { direct, .. } => network.valid().map(&mut Put(direct.values())),
        }
    }
}

/// Takes the network of one member out of a stack.
pub(crate) fn member<B: Backend, M: Trainable<Autodiff<B>>>(
    stack: M::Network<B>,
    index: usize,
    members: usize,
) -> M::Network<B> {
    members::member::<Autodiff<B>, Differentiating<B, M>>(stack, index, members)
}

/// The stack `old` with some members replaced by those of `new`.
pub(crate) fn replaced<B: Backend, M: Trainable<Autodiff<B>>>(
    old: M::Network<B>,
    new: &M::Network<B>,
    which: &[bool],
) -> M::Network<B> {
    members::replaced::<Autodiff<B>, Differentiating<B, M>>(old, new, which)
}
