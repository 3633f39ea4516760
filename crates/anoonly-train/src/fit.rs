//! The training loop.

use std::ops::ControlFlow;

use anoonly_data::Seed;
use anoonly_models::recipe::{Keep, Recipe, Statistics};
use anoonly_models::{Batch, Method, Network, Trainable, TrainingData};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};
use tracing::debug;

use crate::detector::History;
use crate::optimiser::Stepper;
use crate::sampler::Sampler;
use crate::{FitError, Supervision};

/// Which loss trains.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Objective {
    /// The method's pretraining loss, on unlabelled rows.
    Pretrain,
    /// Its terms, of which the strategy takes its part.
    Detect(Supervision),
}

/// What is told after each epoch: what the loop has seen, and what makes the network that would be kept if it ended here. Says
/// whether it goes on.
pub(crate) type Watch<'a, N> = dyn FnMut(&History, &dyn Fn() -> N) -> ControlFlow<()> + 'a;

/// Trains a network by one recipe and one loss, with a new optimiser, to the end of the recipe or until the watch breaks it
/// off; returns the network of the epoch that the recipe keeps, and what the loop saw.
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
    let mut sampler = Sampler::new(&recipe.batches, &data.unlabelled, &data.anomalies, seed.stream(&[purpose]));
    let mut network = <M as Method>::Network::<Autodiff<B>>::from_inner(start);
    let mut stepper = Stepper::new(&recipe.optimiser);
    let mut history = History::default();
    let mut best = None;
    for epoch in 1..=recipe.epochs {
        let rate = recipe.learning_rate(epoch - 1);
        let steps = sampler.steps();
        // Read back once an epoch: on a GPU, reading a loss waits for its step.
        let mut sum: Option<Tensor<B, 1>> = None;
        for _ in 0..steps {
            let step = sampler.draw();
            let batch = Batch::gather(data, &step.rows, step.unlabelled);
            let loss = match objective {
                Objective::Pretrain => network.pretraining_loss(&batch).mean(),
                Objective::Detect(supervision) => {
                    let loss = supervision.loss(network.terms(&batch));
                    match network.penalty() {
                        Some(penalty) => loss + penalty,
                        None => loss,
                    }
                }
            };
            network = stepper.step(rate, network, &loss);
            let value = loss.inner();
            sum = Some(match sum {
                Some(sum) => sum + value,
                None => value,
            });
        }
        let loss = sum.map_or(0.0, |sum| sum.into_scalar().elem::<f64>() / steps as f64);
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
            best = Some(network.valid());
        }
        let fitted = || finished::<B, M>(recipe, best.clone().unwrap_or_else(|| network.valid()), data);
        if watch(&history, &fitted).is_break() {
            break;
        }
    }
    Ok((finished::<B, M>(recipe, best.unwrap_or_else(|| network.valid()), data), history))
}

/// A network as it scores at the end of its training.
fn finished<B: Backend, M: Trainable<Autodiff<B>>>(
    recipe: &Recipe,
    network: M::Network<B>,
    data: &TrainingData<B>,
) -> M::Network<B> {
    match recipe.statistics {
        Statistics::Running => network,
        Statistics::Recomputed => with_statistics_of::<B, M>(network, data),
    }
}

/// The network with its batch normalisations' statistics taken anew, from one pass of all training rows.
fn with_statistics_of<B: Backend, M: Trainable<Autodiff<B>>>(
    network: M::Network<B>,
    data: &TrainingData<B>,
) -> M::Network<B> {
    let mut network = <M as Method>::Network::<Autodiff<B>>::from_inner(network);
    network.norms_mut().into_iter().for_each(|norm| norm.set_keep(0.0));
    network.score(Tensor::from_inner(data.rows.clone()));
    network.valid()
}
