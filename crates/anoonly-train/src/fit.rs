//! The training loop.

use std::ops::ControlFlow;

use anoonly_core::Seed;
use anoonly_models::kernels::{ExampleCounts, NormalWeights};
use anoonly_models::recipe::{Keep, Recipe, Statistics};
use anoonly_models::{Batch, Network, NetworkMethod, Trainable, TrainingData};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use tracing::debug;

use crate::history::History;
use crate::learner::Learner;
use crate::sampler::{RowClasses, Sampler};
use crate::{FitError, Supervision};

/// The loss that trains a network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Objective {
    /// The pretraining loss of the method, on unlabelled rows.
    Pretrain,
    /// The loss terms of the method, weighted by the strategy.
    Detect(Supervision),
}

impl Objective {
    /// The weights of the examples of a batch. All rows of pretraining weigh the same.
    pub fn weights(self, counts: ExampleCounts) -> NormalWeights {
        match self {
            Objective::Pretrain => NormalWeights { normal: 1.0, confirmed: 1.0 },
            Objective::Detect(supervision) => supervision.weights(counts),
        }
    }

    /// The loss of a batch, `[1]`.
    pub fn loss<B: Backend>(self, network: &impl Network<B>, batch: &Batch<B>) -> Tensor<B, 1> {
        match self {
            Objective::Pretrain => network.pretraining_loss(batch).mean(),
            Objective::Detect(supervision) => {
                let loss = supervision.loss(network.terms(batch));
                match network.penalty() {
                    Some(penalty) => loss + penalty,
                    None => loss,
                }
            }
        }
    }
}

/// A function that is called after each epoch with the history so far and a function that makes the network that would be kept
/// if the training stopped here. It decides whether the training continues.
pub(crate) type Watch<'a, N> = dyn FnMut(&History, &dyn Fn() -> N) -> ControlFlow<()> + 'a;

/// Trains a network by one recipe and one loss, with a new optimiser, to the end of the recipe or until `watch` breaks. Returns
/// the network of the epoch that the recipe keeps, and the history.
pub(crate) fn train<B: Backend, M: Trainable<Autodiff<B>>>(
    objective: Objective,
    recipe: &Recipe,
    start: M::Network<B>,
    data: &TrainingData<B>,
    seed: Seed,
    watch: &mut Watch<'_, M::Network<B>>,
) -> Result<(M::Network<B>, History), FitError> {
    let purpose = match objective {
        Objective::Pretrain => "pretraining batches",
        Objective::Detect(_) => "batches",
    };
    // Pretraining uses no labels.
    let normals = match objective {
        Objective::Pretrain => &[][..],
        Objective::Detect(_) => &data.normals,
    };
    let classes = RowClasses { others: &data.others, normals, anomalies: &data.anomalies };
    let mut sampler = Sampler::new(&recipe.batches, classes, seed.stream(&[purpose]));
    let mut learner = Learner::<B, M>::new(objective, &recipe.optimiser, start, data);
    let mut history = History::default();
    let mut best = None;
    for epoch in 1..=recipe.epochs {
        let rate = recipe.learning_rate(epoch - 1);
        let steps = sampler.steps();
        (0..steps).for_each(|_| learner.step(objective, rate, &sampler.draw(), data));
        let loss = learner.sum_of_losses() / steps as f64;
        debug!(?objective, epoch, loss, "epoch done");
        if !loss.is_finite() {
            return Err(FitError::Diverged { epoch });
        }
        let lowest = history.losses.iter().all(|&before| loss < before);
        history.losses.push(loss);
        let kept = recipe.keep == Keep::Last || lowest;
        if kept {
            history.kept_epoch = epoch;
        }
        if kept && recipe.keep == Keep::LowestLoss {
            best = Some(learner.network());
        }
        let fitted = || finished::<B, M>(recipe, best.clone().unwrap_or_else(|| learner.network()), data);
        if watch(&history, &fitted).is_break() {
            break;
        }
    }
    Ok((finished::<B, M>(recipe, best.unwrap_or_else(|| learner.network()), data), history))
}

/// The network as it scores after its training.
fn finished<B: Backend, M: Trainable<Autodiff<B>>>(
    recipe: &Recipe,
    network: M::Network<B>,
    data: &TrainingData<B>,
) -> M::Network<B> {
    match recipe.statistics {
        Statistics::Running => network,
        Statistics::Recomputed => with_recomputed_statistics::<B, M>(network, data),
    }
}

/// The network with the statistics of its batch normalisations recomputed in one pass over all training rows.
fn with_recomputed_statistics<B: Backend, M: Trainable<Autodiff<B>>>(
    network: M::Network<B>,
    data: &TrainingData<B>,
) -> M::Network<B> {
    let mut network = <M as NetworkMethod>::Network::<Autodiff<B>>::from_inner(network);
    network.norms_mut().into_iter().for_each(|norm| norm.set_keep(0.0));
    network.score(Tensor::from_inner(data.rows.clone()));
    network.valid()
}
