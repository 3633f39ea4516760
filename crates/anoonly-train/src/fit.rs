//! The training loop.

use anoonly_data::Seed;
use anoonly_models::recipe::{Keep, Recipe};
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

/// Trains a network by a recipe; returns the network of the epoch that the recipe keeps.
pub(crate) fn train<B: Backend, M: Trainable<Autodiff<B>>>(
    start: M::Network<B>,
    data: &TrainingData<B>,
    recipe: &Recipe,
    supervision: Supervision,
    seed: Seed,
) -> Result<(M::Network<B>, History), FitError> {
    let mut sampler = Sampler::new(&recipe.batches, &data.unlabelled, &data.anomalies, seed.stream(&["batches"]));
    let mut network = <M as Method>::Network::<Autodiff<B>>::from_inner(start);
    let mut stepper = Stepper::new(&recipe.optimiser);
    let mut history = History::default();
    let mut best = None;
    for epoch in 1..=recipe.epochs {
        // Read back once an epoch: on a GPU, reading a loss waits for its step.
        let mut sum: Option<Tensor<B, 1>> = None;
        for _ in 0..recipe.steps {
            let step = sampler.draw();
            let batch = Batch::new(Tensor::from_inner(data.select(&step.rows)), step.unlabelled);
            let loss = supervision.loss(network.terms(&batch));
            let loss = match network.penalty() {
                Some(penalty) => loss + penalty,
                None => loss,
            };
            network = stepper.step(network, &loss);
            let value = loss.inner();
            sum = Some(match sum {
                Some(sum) => sum + value,
                None => value,
            });
        }
        let loss = sum.map_or(0.0, |sum| sum.into_scalar().elem::<f64>() / recipe.steps as f64);
        debug!(epoch, loss, "epoch done");
        if !loss.is_finite() {
            return Err(FitError::Diverged { epoch });
        }
        let lowest = history.losses.iter().all(|&before| loss < before);
        history.losses.push(loss);
        if recipe.keep == Keep::Last || lowest {
            history.kept_epoch = epoch;
            best = Some(network.valid());
        }
    }
    Ok((best.unwrap_or_else(|| network.valid()), history))
}
