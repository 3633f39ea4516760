//! The training loop.

use std::ops::ControlFlow;

use anoonly_core::Seed;
use anoonly_models::kernels::{ExampleCounts, NormalWeights};
use anoonly_models::recipe::{Keep, Recipe, Statistics};
use anoonly_models::{Batch, Network, NetworkMethod, StepRows, Trainable, TrainingData, members};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rayon::prelude::*;
use tracing::debug;

use crate::history::History;
use crate::learner::{Learner, member, replaced};
use crate::member_rows::MemberRows;
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

    /// The loss of each member's batch, `[members]`. A single network is one member.
    pub fn losses<B: Backend>(self, network: &impl Network<B>, batch: &Batch<B>) -> Tensor<B, 1> {
        let members = batch.members();
        match self {
            Objective::Pretrain => {
                let losses = network.pretraining_loss(batch);
                match members {
                    1 => losses.mean(),
                    _ => members::sums(losses, members).div_scalar(batch.rows() as f64),
                }
            }
            Objective::Detect(supervision) => {
                let terms = network.terms(batch);
                let losses = match batch.uneven() {
                    Some(counts) => supervision.uneven_losses(terms, counts),
                    None => supervision.losses(terms, members),
                };
                match network.penalty(members) {
                    Some(penalty) => losses + penalty,
                    None => losses,
                }
            }
        }
    }

    /// The purpose of the random numbers of batches.
    fn purpose(self) -> &'static str {
        match self {
            Objective::Pretrain => "pretraining batches",
            Objective::Detect(_) => "batches",
        }
    }

    /// The rows that batches are drawn from. Pretraining uses no labels.
    fn classes(self, classes: RowClasses<'_>) -> RowClasses<'_> {
        match self {
            Objective::Pretrain => RowClasses { normals: &[], ..classes },
            Objective::Detect(_) => classes,
        }
    }
}

/// A function that is called after each epoch of each member, with its index, its history so far, and a function that makes the
/// network that would be kept if its training stopped here. It decides whether the training of this member continues.
pub(crate) type Watch<'a, N> = dyn FnMut(usize, &History, &dyn Fn() -> N) -> ControlFlow<()> + 'a;

/// A fit that failed: the member, and why.
pub(crate) type MemberError = (usize, FitError);

/// The trained networks and their histories, one for each member.
type Ended<N> = Vec<(N, History)>;

/// Trains networks by one recipe and one loss, with a new optimiser, each to the end of the recipe or until `watch` breaks. Returns
/// the network of the epoch that the recipe keeps, and the history of each.
///
/// `starts` and `seeds` have an entry for each member of `rows`. Several members are trained as a stack; their batches must have the same
/// size, and their epochs the same number of steps.
///
/// # Errors
/// When the loss of a member that still trains is not finite.
pub(crate) fn train<B: Backend, M: Trainable<Autodiff<B>>>(
    objective: Objective,
    recipe: &Recipe,
    starts: Vec<M::Network<B>>,
    rows: &MemberRows<'_, B>,
    seeds: &[Seed],
    watch: &mut Watch<'_, M::Network<B>>,
) -> Result<Ended<M::Network<B>>, MemberError> {
    let members = rows.members();
    let sampler = |member: usize| {
        let rng = seeds[member].stream(&[objective.purpose()]);
        Sampler::new(&recipe.batches, objective.classes(rows.classes(member)), rng)
    };
    let mut samplers: Vec<_> = (0..members).map(sampler).collect();
    let mut learner = Learner::<B, M>::new(objective, &recipe.optimiser, starts, rows);
    let mut histories = vec![History::default(); members];
    let mut results: Vec<Option<M::Network<B>>> = (0..members).map(|_| None).collect();
    let mut best = None;
    for epoch in 1..=recipe.epochs {
        let rate = recipe.learning_rate(epoch - 1);
        let steps = samplers[0].steps();
        for _ in 0..steps {
            // Draws for many members take longer than a step on a GPU.
            let drawn: Vec<StepRows> = match members {
                0..MANY => samplers.iter_mut().map(Sampler::draw).collect(),
                _ => samplers.par_iter_mut().map(Sampler::draw).collect(),
            };
            learner.step(objective, rate, &drawn, rows);
        }
        let running: Vec<usize> = (0..members).filter(|&member| results[member].is_none()).collect();
        let mut kept = vec![false; members];
        let sums = learner.sums_of_losses();
        for &member in &running {
            let (loss, history) = (sums[member] / steps as f64, &mut histories[member]);
            debug!(?objective, member, epoch, loss, "epoch done");
            if !loss.is_finite() {
                return Err((member, FitError::Diverged { member: None, epoch }));
            }
            let lowest = history.losses.iter().all(|&before| loss < before);
            history.losses.push(loss);
            kept[member] = recipe.keep == Keep::Last || lowest;
            if kept[member] {
                history.kept_epoch = epoch;
            }
        }
        if recipe.keep == Keep::LowestLoss && kept.contains(&true) {
            best = Some(match best.take() {
                Some(best) if kept.contains(&false) => replaced::<B, M>(best, &learner.network(), &kept),
                _ => learner.network(),
            });
        }
        for &index in &running {
            let result = || {
                let network = best.clone().unwrap_or_else(|| learner.network());
                finished::<B, M>(recipe, member::<B, M>(network, index, members), rows, index)
            };
            if watch(index, &histories[index], &result).is_break() || epoch == recipe.epochs {
                results[index] = Some(result());
            }
        }
        if results.iter().all(Option::is_some) {
            break;
        }
    }
    let ended = |result: Option<_>| result.expect("a member ends with the last epoch");
    Ok(results.into_iter().map(ended).zip(histories).collect())
}

/// The number of members whose batches are drawn in parallel.
const MANY: usize = 16;

/// The network as it scores after its training.
fn finished<B: Backend, M: Trainable<Autodiff<B>>>(
    recipe: &Recipe,
    network: M::Network<B>,
    rows: &MemberRows<'_, B>,
    member: usize,
) -> M::Network<B> {
    match recipe.statistics {
        Statistics::Running => network,
        Statistics::Recomputed => with_recomputed_statistics::<B, M>(network, &rows.of(member)),
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
