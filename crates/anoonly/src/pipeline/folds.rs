//! Cross-validation: every row is left out of exactly one fit.

use anoonly_core::{Samples, Seed};
use rand::seq::SliceRandom;

/// Stratified folds: each has its share of the labelled anomalies and of the other rows.
pub(super) struct Folds {
    anomalies: Vec<usize>,
    others: Vec<usize>,
    /// The number of folds.
    pub count: usize,
}

/// The row indices of a fold, in ascending order.
pub(super) struct Fold {
    pub fitted_on: Vec<usize>,
    pub left_out: Vec<usize>,
}

impl Folds {
    /// At most `most` folds, and at most as many as there are labelled anomalies or other rows.
    pub fn new(samples: &Samples, most: usize, seed: Seed, purpose: &str) -> Self {
        let mut classes = samples.by_class();
        let count = most.min(classes.anomalies.len()).min(classes.others.len());
        let mut rng = seed.stream(&[purpose]);
        classes.anomalies.shuffle(&mut rng);
        classes.others.shuffle(&mut rng);
        Self { anomalies: classes.anomalies, others: classes.others, count }
    }

    /// Iterates over the folds.
    pub fn iter(&self) -> impl Iterator<Item = Fold> {
        (0..self.count).map(|fold| {
            let [left_out, fitted_on] = [true, false].map(|inside| {
                let of_fold = |rows: &[usize]| -> Vec<usize> {
                    let places = rows.iter().enumerate();
                    places.filter(|(place, _)| (place % self.count == fold) == inside).map(|(_, &row)| row).collect()
                };
                let mut rows = [of_fold(&self.anomalies), of_fold(&self.others)].concat();
                rows.sort_unstable();
                rows
            });
            Fold { fitted_on, left_out }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Label;
    use ndarray::Array2;

    #[test]
    fn every_row_is_left_out_of_one_fit() {
        let labels = (0..23).map(|row| if row % 4 == 0 { Label::Anomaly } else { Label::Unlabelled }).collect();
        let samples = Samples::new(Array2::zeros((23, 1)), labels).unwrap();
        let folds = Folds::new(&samples, 5, Seed(1), "folds");
        let mut left_out = Vec::new();
        for Fold { fitted_on, left_out: rows } in folds.iter() {
            assert_eq!(fitted_on.len() + rows.len(), 23);
            assert!(rows.iter().all(|row| !fitted_on.contains(row)));
            assert!(rows.iter().any(|row| row % 4 == 0) && rows.iter().any(|row| row % 4 != 0));
            left_out.extend(rows);
        }
        left_out.sort_unstable();
        assert_eq!(left_out, (0..23).collect::<Vec<_>>());
        assert_eq!(Folds::new(&samples, 50, Seed(1), "folds").count, 6);
    }
}
