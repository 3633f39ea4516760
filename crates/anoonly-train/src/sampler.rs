//! Sampling of the rows of each step.

use std::borrow::Cow;

use anoonly_models::StepRows;
use anoonly_models::recipe::Batches;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Draws the rows of each step.
#[derive(Clone, Debug)]
pub(crate) struct Sampler<'a, R> {
    batches: &'a Batches,
    /// All rows that are not labelled anomalies.
    others: &'a [usize],
    /// Those among them that are confirmed as normal, if the batches distinguish them.
    normals: &'a [usize],
    /// Those among them that are not, if the batches distinguish them.
    unlabelled: Cow<'a, [usize]>,
    anomalies: &'a [usize],
    rng: R,
    /// For shuffled rows, the rows of this pass that are not drawn yet.
    remaining: Vec<usize>,
}

impl<'a, R: Rng> Sampler<'a, R> {
    /// The row indices of `classes` are in ascending order, and `others` is not empty. `anomalies` is empty only if the batches hold none.
    /// Batches without labelled anomalies do not distinguish confirmed normals.
    pub fn new(batches: &'a Batches, classes: RowClasses<'a>, rng: R) -> Self {
        let RowClasses { others, normals, anomalies } = classes;
        let labelled = match batches {
            Batches::Balanced { anomalies, .. } => *anomalies > 0,
            Batches::Shuffled { .. } => true,
            Batches::Unlabelled { .. } => false,
        };
        debug_assert!(!others.is_empty() && (!anomalies.is_empty() || !labelled));
        let normals = if labelled { normals } else { &[] };
        let unlabelled = match normals.is_empty() {
            true => Cow::Borrowed(others),
            false => others.iter().copied().filter(|row| normals.binary_search(row).is_err()).collect(),
        };
        Self { batches, others, normals, unlabelled, anomalies, rng, remaining: Vec::new() }
    }

    /// The number of steps in an epoch.
    pub fn steps(&self) -> usize {
        match *self.batches {
            Batches::Balanced { steps, .. } => steps,
            Batches::Shuffled { rows } => ((self.others.len() + self.anomalies.len()) / rows).max(1),
            Batches::Unlabelled { rows } => (self.others.len() / rows).max(1),
        }
    }

    /// What networks must share to be trained together: the number of steps in an epoch, of rows in a batch and, where it is constant, of
    /// confirmed normals among them.
    pub fn shape(&self) -> [usize; 3] {
        let (rows, normals) = match *self.batches {
            Batches::Balanced { unlabelled, anomalies, .. } => {
                (unlabelled + anomalies, self.normals_in_batch(unlabelled))
            }
            Batches::Shuffled { rows } => (rows.min(self.others.len() + self.anomalies.len()), 0),
            Batches::Unlabelled { rows } => (rows.min(self.others.len()), 0),
        };
        [self.steps(), rows, normals]
    }

    /// The number of confirmed normals in a balanced batch: half of the rows that are no anomalies at most, and no more than there are, so
    /// that a few false alarms do not make up the statistics of the batch.
    fn normals_in_batch(&self, others: usize) -> usize {
        match self.unlabelled.is_empty() {
            true => others,
            false => (others / 2).min(self.normals.len()),
        }
    }

    /// Draws the rows of the next step.
    pub fn draw(&mut self) -> StepRows {
        match *self.batches {
            Batches::Balanced { unlabelled: others, anomalies, .. } => {
                let normals = self.normals_in_batch(others);
                let unlabelled = others - normals;
                let mut indices = Vec::with_capacity(others + anomalies);
                for (from, count) in
                    [(&*self.unlabelled, unlabelled), (self.normals, normals), (self.anomalies, anomalies)]
                {
                    indices.extend((0..count).map(|_| from[self.rng.random_range(0..from.len())]));
                }
                StepRows { indices, unlabelled, normals }
            }
            Batches::Shuffled { rows } => {
                let drawn = self.next_rows(rows, self.anomalies);
                let is_in = |kind: &'a [usize]| move |row: &usize| kind.binary_search(row).is_ok();
                let (anomalies, others): (Vec<usize>, Vec<usize>) = drawn.into_iter().partition(is_in(self.anomalies));
                let (normals, mut indices): (Vec<usize>, Vec<usize>) =
                    others.into_iter().partition(is_in(self.normals));
                let (unlabelled, confirmed) = (indices.len(), normals.len());
                indices.extend(normals);
                indices.extend(anomalies);
                StepRows { indices, unlabelled, normals: confirmed }
            }
            Batches::Unlabelled { rows } => {
                let indices = self.next_rows(rows, &[]);
                StepRows { unlabelled: indices.len(), normals: 0, indices }
            }
        }
    }

    /// The next rows of a pass over the rows that are no anomalies, and `more`. A new pass starts when too few rows remain.
    fn next_rows(&mut self, rows: usize, more: &[usize]) -> Vec<usize> {
        let rows = rows.min(self.others.len() + more.len());
        if self.remaining.len() < rows {
            self.remaining = [self.others, more].concat();
            self.remaining.shuffle(&mut self.rng);
        }
        self.remaining.split_off(self.remaining.len() - rows)
    }
}

/// Row indices by what is known about the row, each in ascending order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowClasses<'a> {
    /// All rows that are not labelled anomalies.
    pub others: &'a [usize],
    /// Those among them that are confirmed as normal.
    pub normals: &'a [usize],
    /// The labelled anomalies.
    pub anomalies: &'a [usize],
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
        let classes = RowClasses { others: &unlabelled, normals: &[], anomalies: &anomalies };
        let mut sampler = Sampler::new(&batches, classes, Seed(1).stream(&["batches"]));
        let steps: Vec<StepRows> = (0..200).map(|_| sampler.draw()).collect();
        for step in &steps {
            assert_eq!((step.unlabelled, step.indices.len()), (5, 8));
            assert!(step.indices[..5].iter().all(|row| unlabelled.contains(row)));
            assert!(step.indices[5..].iter().all(|row| anomalies.contains(row)));
        }
        let seen: HashSet<usize> = steps.iter().flat_map(|step| step.indices.iter().copied()).collect();
        assert_eq!(seen.len(), 54, "every row is drawn at some point");
        assert_ne!(steps[0], steps[1]);
    }

    #[test]
    fn a_balanced_batch_has_no_more_confirmed_normals_than_there_are() {
        let batches = Batches::Balanced { unlabelled: 7, anomalies: 3, steps: 1 };
        let (others, normals, anomalies) = ((0..50).collect::<Vec<_>>(), [4, 17], [50, 51]);
        let draw = |batches: &Batches, others: &[usize], normals: &[usize]| {
            let classes = RowClasses { others, normals, anomalies: &anomalies };
            let mut sampler = Sampler::new(batches, classes, Seed(1).stream(&["batches"]));
            (0..200).map(|_| sampler.draw()).collect::<Vec<StepRows>>()
        };
        let mut seen = HashSet::new();
        for StepRows { indices, unlabelled, normals: confirmed } in draw(&batches, &others, &normals) {
            assert_eq!((unlabelled, confirmed, indices.len()), (5, 2, 10));
            assert!(indices[..5].iter().all(|row| *row < 50 && !normals.contains(row)));
            assert!(indices[5..7].iter().all(|row| normals.contains(row)));
            assert!(indices[7..].iter().all(|row| anomalies.contains(row)));
            seen.extend(indices);
        }
        assert_eq!(seen.len(), 52);
        // All other rows are confirmed.
        for StepRows { indices, unlabelled, normals: confirmed } in draw(&batches, &normals, &normals) {
            assert_eq!((unlabelled, confirmed), (0, 7));
            assert!(indices[..7].iter().all(|row| normals.contains(row)));
        }
        // Batches without anomalies are those of methods that do not distinguish confirmed normals.
        let unlabelled = Batches::Balanced { unlabelled: 7, anomalies: 0, steps: 1 };
        assert_eq!(draw(&unlabelled, &others, &normals), draw(&unlabelled, &others, &[]));
    }

    #[test]
    fn shuffled_batches_use_every_row_once_and_put_unlabelled_rows_first() {
        let batches = Batches::Shuffled { rows: 10 };
        let (unlabelled, anomalies) = ((0..36).collect::<Vec<_>>(), (36..40).collect::<Vec<_>>());
        let classes = RowClasses { others: &unlabelled, normals: &[], anomalies: &anomalies };
        let mut sampler = Sampler::new(&batches, classes, Seed(1).stream(&["batches"]));
        assert_eq!(sampler.steps(), 4);
        for _ in 0..5 {
            let mut seen = Vec::new();
            for _ in 0..4 {
                let step = sampler.draw();
                assert_eq!(step.indices.len(), 10);
                assert!(step.indices[..step.unlabelled].iter().all(|&row| row < 36));
                assert!(step.indices[step.unlabelled..].iter().all(|&row| row >= 36));
                seen.extend(step.indices);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..40).collect::<Vec<_>>());
        }
        let confirmed = RowClasses { normals: &[3, 20], ..classes };
        let mut sampler = Sampler::new(&batches, confirmed, Seed(1).stream(&["batches"]));
        let mut normals = Vec::new();
        for _ in 0..4 {
            let step = sampler.draw();
            assert!(step.indices[..step.others()].iter().all(|&row| row < 36));
            normals.extend_from_slice(&step.indices[step.unlabelled..step.others()]);
            assert_eq!(step.indices.len(), 10);
        }
        normals.sort_unstable();
        assert_eq!(normals, [3, 20]);
        let alone = Batches::Unlabelled { rows: 10 };
        let mut sampler = Sampler::new(&alone, classes, Seed(1).stream(&["batches"]));
        let drawn: Vec<StepRows> = (0..sampler.steps()).map(|_| sampler.draw()).collect();
        assert!(drawn.iter().all(|step| step.unlabelled == 10 && step.indices.iter().all(|&row| row < 36)));
        let different: HashSet<usize> = drawn.iter().flat_map(|step| step.indices.iter().copied()).collect();
        assert_eq!(different.len(), 30);
        let large = Batches::Shuffled { rows: 64 };
        let mut sampler = Sampler::new(&large, classes, Seed(1).stream(&["batches"]));
        assert_eq!((sampler.steps(), sampler.draw().indices.len()), (1, 40));
    }
}
