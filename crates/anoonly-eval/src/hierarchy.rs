//! Intervals for means of dependent runs: seeds within data sets within families.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::interval::percentile_interval;
use crate::{Interval, StatisticsError};

/// The population that a [`hierarchical_bootstrap`] interval is about, from the widest to the narrowest: the level at which another
/// experiment would draw new samples. All levels below are resampled too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inference {
    /// Families, sets and seeds: the mean over all families like these.
    Families,
    /// Sets and seeds: the mean over all sets of these families.
    Sets,
    /// Seeds alone: the mean of these sets over all seeds.
    Seeds,
}

/// Percentile bootstrap interval of a mean over families of the mean over their sets of the mean over their runs
/// (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). `families[f][s]` holds the runs
/// of one set, one for each seed. For the gain of one method over another, pass the differences of paired runs.
///
/// Sampling with replacement understates the spread of n values by the factor √((n−1)/n), and percentiles have no correction like
/// Student's t. If only families vary, normally, an interval of level 0.95 for new families contains the truth in 84 % of cases for
/// 5 families, in 90 % for 10 and in 93 % for 30. Resampling sets and runs too has the opposite effect: if only these vary, the
/// interval contains the truth in 97 to 99 % of cases.
///
/// The bounds are infinite if there is nothing to resample at the level of inference: a single family, no family with two sets, or no
/// set with two runs. A family of one set adds no variation between sets, and a set of one run none between runs, so intervals for
/// [`Sets`](Inference::Sets) and [`Seeds`](Inference::Seeds) are too narrow by their share.
///
/// The same seed gives the same interval. `level` is the target coverage, such as 0.95.
///
/// # Errors
/// When there are no families, a family has no sets, a set has no runs, or a run is NaN or infinite.
///
/// # Panics
/// When `draws` is 0 or `level` is not between 0 and 1.
pub fn hierarchical_bootstrap(
    families: &[Vec<Vec<f64>>],
    inference: Inference,
    draws: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, StatisticsError> {
    assert!(draws > 0, "at least one draw is needed");
    assert!(level > 0.0 && level < 1.0, "the level must be between 0 and 1");
    check(families)?;
    let estimate = mean(families, |sets| mean(sets, |runs| mean(runs, |&run| run)));
    let alone = match inference {
        Inference::Families => families.len() == 1,
        Inference::Sets => families.iter().all(|sets| sets.len() == 1),
        Inference::Seeds => families.iter().flatten().all(|runs| runs.len() == 1),
    };
    if alone {
        return Ok(Interval { estimate, low: f64::NEG_INFINITY, high: f64::INFINITY });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..draws).map(|_| drawn_mean(families, inference, &mut rng)).collect();
    Ok(percentile_interval(estimate, values, level))
}

fn drawn_mean(families: &[Vec<Vec<f64>>], inference: Inference, rng: &mut ChaCha8Rng) -> f64 {
    let (new_families, new_sets) = (inference == Inference::Families, inference != Inference::Seeds);
    let mut sum = 0.0;
    for f in 0..families.len() {
        let sets = &families[if new_families { place(families, rng) } else { f }];
        let mut family = 0.0;
        for s in 0..sets.len() {
            let runs = &sets[if new_sets { place(sets, rng) } else { s }];
            family += mean(runs, |_| runs[place(runs, rng)]);
        }
        sum += family / sets.len() as f64;
    }
    sum / families.len() as f64
}

fn place<T>(items: &[T], rng: &mut impl Rng) -> usize {
    rng.random_range(0..items.len())
}

fn mean<T>(items: &[T], value: impl FnMut(&T) -> f64) -> f64 {
    items.iter().map(value).sum::<f64>() / items.len() as f64
}

fn check(families: &[Vec<Vec<f64>>]) -> Result<(), StatisticsError> {
    if families.is_empty() {
        return Err(StatisticsError::NoValues);
    }
    for (sets, family) in families.iter().zip(1..) {
        if sets.is_empty() {
            return Err(StatisticsError::EmptyFamily { family });
        }
        for (runs, set) in sets.iter().zip(1..) {
            if runs.is_empty() {
                return Err(StatisticsError::EmptySet { family, set });
            }
            if let Some(run) = runs.iter().position(|run| !run.is_finite()) {
                return Err(StatisticsError::NotFiniteRun { family, set, run: run + 1 });
            }
        }
    }
    Ok(())
}
