//! Cross-validation: every row is judged once, by what was fitted without it.

use anoonly_core::{Samples, Seed};
use rand::seq::SliceRandom;

/// Rows in folds, in each of which the labelled anomalies and the other rows have their share.
pub(super) struct Folds {
    anomalies: Vec<usize>,
    others: Vec<usize>,
    /// Their number.
    pub count: usize,
}

/// The rows of a fold, ascending.
pub(super) struct Fold {
    pub fitted_on: Vec<usize>,
    pub judged: Vec<usize>,
}

impl Folds {
    /// So many folds, or as many as there are rows of either kind.
    pub fn new(samples: &Samples, most: usize, seed: Seed, purpose: &str) -> Self {
        let mut classes = samples.by_class();
        let count = most.min(classes.anomalies.len()).min(classes.others.len());
        let mut rng = seed.stream(&[purpose]);
        classes.anomalies.shuffle(&mut rng);
        classes.others.shuffle(&mut rng);
        Self { anomalies: classes.anomalies, others: classes.others, count }
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Fold> {
        (0..self.count).map(|fold| {
            let [judged, fitted_on] = [true, false].map(|inside| {
                let of_fold = |rows: &[usize]| -> Vec<usize> {
                    let places = rows.iter().enumerate();
                    places.filter(|(place, _)| (place % self.count == fold) == inside).map(|(_, &row)| row).collect()
                };
                let mut rows = [of_fold(&self.anomalies), of_fold(&self.others)].concat();
                rows.sort_unstable();
                rows
            });
            Fold { fitted_on, judged }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Label;
    use ndarray::Array2;

    #[test]
    fn every_row_is_judged_once_and_without_itself() {
        let labels = (0..23).map(|row| if row % 4 == 0 { Label::Anomaly } else { Label::Unlabelled }).collect();
        let samples = Samples::new(Array2::zeros((23, 1)), labels).unwrap();
        let folds = Folds::new(&samples, 5, Seed(1), "folds");
        let mut judged = Vec::new();
        for Fold { fitted_on, judged: rows } in folds.iter() {
            assert_eq!(fitted_on.len() + rows.len(), 23);
            assert!(rows.iter().all(|row| !fitted_on.contains(row)));
            assert!(rows.iter().any(|row| row % 4 == 0) && rows.iter().any(|row| row % 4 != 0));
            judged.extend(rows);
        }
        judged.sort_unstable();
        assert_eq!(judged, (0..23).collect::<Vec<_>>());
        assert_eq!(Folds::new(&samples, 50, Seed(1), "folds").count, 6);
    }
}
