//! Which rows make up a step.

use anoonly_models::recipe::Batches;
use rand::{Rng, RngExt};

/// Draws the rows of one step after the other.
#[derive(Clone, Debug)]
pub(crate) struct Sampler<'a, R> {
    batches: &'a Batches,
    unlabelled: &'a [usize],
    anomalies: &'a [usize],
    rng: R,
}

/// Row indices of a step: the first `unlabelled` of them are unlabelled rows, the others labelled anomalies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub rows: Vec<usize>,
    pub unlabelled: usize,
}

impl<'a, R: Rng> Sampler<'a, R> {
    /// Neither set of rows may be empty.
    pub fn new(batches: &'a Batches, unlabelled: &'a [usize], anomalies: &'a [usize], rng: R) -> Self {
        debug_assert!(!unlabelled.is_empty() && !anomalies.is_empty());
        Self { batches, unlabelled, anomalies, rng }
    }

    pub fn draw(&mut self) -> Step {
        let &Batches::Balanced { unlabelled, anomalies } = self.batches;
        let mut rows = Vec::with_capacity(unlabelled + anomalies);
        for (from, count) in [(self.unlabelled, unlabelled), (self.anomalies, anomalies)] {
            rows.extend((0..count).map(|_| from[self.rng.random_range(0..from.len())]));
        }
        Step { rows, unlabelled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_data::Seed;
    use std::collections::HashSet;

    #[test]
    fn balanced_batches_hold_the_asked_rows_of_each_kind_and_differ() {
        let batches = Batches::Balanced { unlabelled: 5, anomalies: 3 };
        let (unlabelled, anomalies) = ((0..50).collect::<Vec<_>>(), (50..54).collect::<Vec<_>>());
        let mut sampler = Sampler::new(&batches, &unlabelled, &anomalies, Seed(1).stream(&["batches"]));
        let steps: Vec<Step> = (0..200).map(|_| sampler.draw()).collect();
        for step in &steps {
            assert_eq!((step.unlabelled, step.rows.len()), (5, 8));
            assert!(step.rows[..5].iter().all(|row| unlabelled.contains(row)));
            assert!(step.rows[5..].iter().all(|row| anomalies.contains(row)));
        }
        let seen: HashSet<usize> = steps.iter().flat_map(|step| step.rows.iter().copied()).collect();
        assert_eq!(seen.len(), 54, "every row is drawn sooner or later");
        assert_ne!(steps[0], steps[1]);
    }
}
