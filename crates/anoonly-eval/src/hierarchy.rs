//! Intervals around a mean of runs that are not independent: seeds inside data sets inside families.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::interval::percentile_interval;
use crate::{Interval, StatisticsError};

/// What a [`hierarchical_bootstrap`] interval speaks of: what another experiment would draw anew. From the widest claim
/// to the narrowest; every level below the one named is drawn anew as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inference {
    /// Families, sets and seeds: the mean over all families like these.
    Families,
    /// Sets and seeds: the mean over all sets of these very families.
    Sets,
    /// Seeds alone: the mean of these very sets over all seeds.
    Seeds,
}

/// Percentile bootstrap interval of a mean over families of the mean over their sets of the mean over their runs
/// (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). `families[f][s]` holds the runs
/// of one set, one a seed. For the gain of a method over another, give the difference of each pair of runs.
///
/// Drawing with replacement understates the spread of n values by the factor √((n−1)/n), and percentiles know no
/// Student t: where only families spread, normally, an interval of level 0.95 for new families holds the truth in 84 %
/// of cases for 5 families, in 90 % for 10 and in 93 % for 30. Drawing sets and runs anew as well works the other way:
/// where only these spread, it holds the truth in 97 to 99 %.
///
/// Where there is nothing to draw from at the level of inference (a single family; no family with two sets; no set with
/// two runs) the bounds are infinite. A family of one set adds no spread between sets, and a set of one run none
/// between runs: intervals for [`Sets`](Inference::Sets) and [`Seeds`](Inference::Seeds) are too narrow by what these
/// would add.
///
/// The same seed gives the same interval. `level` is the coverage aimed at, such as 0.95.
///
/// # Errors
/// When there is no family, a family has no set, a set has no run, or a run is NaN or infinite.
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
