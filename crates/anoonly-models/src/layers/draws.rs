//! Random draws of a network during training.
//!
//! burn's dropout draws from one process-wide generator that all threads share. Here, as for the weights, the draws come from a
//! stream of the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anoonly_core::Seed;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::{Rng, RngExt};

use crate::layers::host::tensor;

/// Random streams, one for each training step. Clones share the step counter, because an optimiser's updated copy of a network
/// continues the same training.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    seed: Seed,
    steps: Arc<AtomicU64>,
}

impl Draws {
    /// The streams of a new training.
    pub fn new(rng: &mut impl Rng) -> Self {
        Self { seed: Seed(rng.next_u64()), steps: Arc::default() }
    }

    /// The same streams, starting again at the first step.
    #[cfg(test)]
    pub fn again(&self) -> Self {
        Self { seed: self.seed, steps: Arc::default() }
    }

    /// The stream of the next step.
    pub fn next(&self) -> impl Rng + use<> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        self.seed.stream(&["step", &step.to_string()])
    }
}

/// Sets each value to 0 with the probability `rate` and divides the others by `1 − rate` (Srivastava et al. 2014).
pub(crate) fn dropout<B: Backend>(rows: Tensor<B, 2>, rate: f64, rng: &mut impl Rng) -> Tensor<B, 2> {
    if rate == 0.0 {
        return rows;
    }
    let (shape, device) = (rows.dims(), rows.device());
    let mut factors = vec![0.0; shape[0] * shape[1]];
    draw_dropout(&mut factors, rate, rng);
    rows * tensor(factors, shape, &device)
}

/// Draws the factors by which [`dropout`] multiplies the cells, in their order.
pub(crate) fn draw_dropout(factors: &mut [f32], rate: f64, rng: &mut impl Rng) {
    let kept = (1.0 / (1.0 - rate)) as f32;
    // 32 bits resolve the rate to 2⁻³² and cost half as much as 64.
    let limit = (rate * 2f64.powi(32)) as u32;
    let mut draws = [0u32; 256];
    for factors in factors.chunks_mut(draws.len()) {
        let draws = &mut draws[..factors.len()];
        rng.fill(draws);
        factors.iter_mut().zip(draws).for_each(|(factor, draw)| *factor = if *draw < limit { 0.0 } else { kept });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use burn_ndarray::NdArray;

    #[test]
    fn factors_are_drawn_one_after_the_other() {
        let mut factors = [0.5; 600];
        draw_dropout(&mut factors[..7], 0.3, &mut Seed(1).stream(&[]));
        let mut rng = Seed(1).stream(&[]);
        draw_dropout(&mut factors[..7], 0.3, &mut rng);
        draw_dropout(&mut factors[7..], 0.3, &mut rng);
        let mut rng = Seed(1).stream(&[]);
        let kept = (1.0 / 0.7f64) as f32;
        assert!(factors.iter().all(|factor| *factor == if rng.random::<u32>() < 1_288_490_188 { 0.0 } else { kept }));
    }

    #[test]
    fn dropout_keeps_the_mean_and_differs_between_steps() {
        let draws = || Draws::new(&mut Seed(1).stream(&["weights"]));
        let drop = |draws: &Draws| {
            let rows = Tensor::<NdArray, 2>::ones([100, 100], &Default::default());
            cells(dropout(rows, 0.2, &mut draws.next()))
        };
        let (one, other) = (draws(), draws());
        let first = drop(&one);
        assert!(first.iter().all(|cell| *cell == 0.0 || *cell == 1.25));
        // About 8000 of the 10 000 cells stay; the standard deviation is 40.
        let kept = first.iter().filter(|cell| **cell > 0.0).count();
        assert!((7800..8200).contains(&kept), "{kept}");
        assert_ne!(drop(&one), first);
        assert_eq!(drop(&other), first);
        assert_ne!(drop(&other.clone()), first);
    }
}
