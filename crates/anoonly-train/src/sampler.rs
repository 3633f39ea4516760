//! Sampling of the rows of each step.

use anoonly_models::recipe::Batches;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Draws the rows of each step.
#[derive(Clone, Debug)]
pub(crate) struct Sampler<'a, R> {
    batches: &'a Batches,
    unlabelled: &'a [usize],
    anomalies: &'a [usize],
    rng: R,
    /// For shuffled rows, the rows of this pass that are not drawn yet.
    remaining: Vec<usize>,
}

/// The row indices of a step. The first `unlabelled` of them are unlabelled rows, the others are labelled anomalies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub rows: Vec<usize>,
    pub unlabelled: usize,
}

impl<'a, R: Rng> Sampler<'a, R> {
    /// `unlabelled` and `anomalies` are row indices in ascending order. Neither may be empty.
    pub fn new(batches: &'a Batches, unlabelled: &'a [usize], anomalies: &'a [usize], rng: R) -> Self {
        debug_assert!(!unlabelled.is_empty() && !anomalies.is_empty());
        Self { batches, unlabelled, anomalies, rng, remaining: Vec::new() }
    }

    /// The number of steps in an epoch.
    pub fn steps(&self) -> usize {
        match *self.batches {
            Batches::Balanced { steps, .. } => steps,
            Batches::Shuffled { rows } => ((self.unlabelled.len() + self.anomalies.len()) / rows).max(1),
            Batches::Unlabelled { rows } => (self.unlabelled.len() / rows).max(1),
        }
    }

    /// Draws the rows of the next step.
    pub fn draw(&mut self) -> Step {
        match *self.batches {
            Batches::Balanced { unlabelled, anomalies, .. } => {
                let mut rows = Vec::with_capacity(unlabelled + anomalies);
                for (from, count) in [(self.unlabelled, unlabelled), (self.anomalies, anomalies)] {
                    rows.extend((0..count).map(|_| from[self.rng.random_range(0..from.len())]));
                }
                Step { rows, unlabelled }
            }
            Batches::Shuffled { rows } => {
                let drawn = self.next_rows(rows, self.anomalies);
                let is_anomaly = |row: &usize| self.anomalies.binary_search(row).is_ok();
                let (anomalies, mut rows): (Vec<usize>, Vec<usize>) = drawn.into_iter().partition(is_anomaly);
                let unlabelled = rows.len();
                rows.extend(anomalies);
                Step { rows, unlabelled }
            }
            Batches::Unlabelled { rows } => {
                let rows = self.next_rows(rows, &[]);
                Step { unlabelled: rows.len(), rows }
            }
        }
    }

    /// The next rows of a pass over the unlabelled rows and `others`. A new pass starts when too few rows remain.
    fn next_rows(&mut self, rows: usize, others: &[usize]) -> Vec<usize> {
        let rows = rows.min(self.unlabelled.len() + others.len());
        if self.remaining.len() < rows {
            self.remaining = [self.unlabelled, others].concat();
            self.remaining.shuffle(&mut self.rng);
        }
        self.remaining.split_off(self.remaining.len() - rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use std::collections::HashSet;

    #[test]
    fn balanced_batches_have_the_configured_rows_of_each_kind_and_differ() {
        let batches = Batches::Balanced { unlabelled: 5, anomalies: 3, steps: 1 };
        let (unlabelled, anomalies) = ((0..50).collect::<Vec<_>>(), (50..54).collect::<Vec<_>>());
        let mut sampler = Sampler::new(&batches, &unlabelled, &anomalies, Seed(1).stream(&["batches"]));
        let steps: Vec<Step> = (0..200).map(|_| sampler.draw()).collect();
        for step in &steps {
            assert_eq!((step.unlabelled, step.rows.len()), (5, 8));
            assert!(step.rows[..5].iter().all(|row| unlabelled.contains(row)));
            assert!(step.rows[5..].iter().all(|row| anomalies.contains(row)));
        }
        let seen: HashSet<usize> = steps.iter().flat_map(|step| step.rows.iter().copied()).collect();
        assert_eq!(seen.len(), 54, "every row is drawn at some point");
        assert_ne!(steps[0], steps[1]);
    }

    #[test]
    fn shuffled_batches_use_every_row_once_and_put_unlabelled_rows_first() {
        let batches = Batches::Shuffled { rows: 10 };
        let (unlabelled, anomalies) = ((0..36).collect::<Vec<_>>(), (36..40).collect::<Vec<_>>());
        let mut sampler = Sampler::new(&batches, &unlabelled, &anomalies, Seed(1).stream(&["batches"]));
        assert_eq!(sampler.steps(), 4);
        for _ in 0..5 {
            let mut seen = Vec::new();
            for _ in 0..4 {
                let step = sampler.draw();
                assert_eq!(step.rows.len(), 10);
                assert!(step.rows[..step.unlabelled].iter().all(|&row| row < 36));
                assert!(step.rows[step.unlabelled..].iter().all(|&row| row >= 36));
                seen.extend(step.rows);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..40).collect::<Vec<_>>());
        }
        let alone = Batches::Unlabelled { rows: 10 };
        let mut sampler = Sampler::new(&alone, &unlabelled, &anomalies, Seed(1).stream(&["batches"]));
        let drawn: Vec<Step> = (0..sampler.steps()).map(|_| sampler.draw()).collect();
        assert!(drawn.iter().all(|step| step.unlabelled == 10 && step.rows.iter().all(|&row| row < 36)));
        let different: HashSet<usize> = drawn.iter().flat_map(|step| step.rows.iter().copied()).collect();
        assert_eq!(different.len(), 30);
        let large = Batches::Shuffled { rows: 64 };
        let mut sampler = Sampler::new(&large, &unlabelled, &anomalies, Seed(1).stream(&["batches"]));
        assert_eq!((sampler.steps(), sampler.draw().rows.len()), (1, 40));
    }
}
