//! Splits of rows into a training and a test side.

use std::collections::HashMap;

use rand::Rng;
use rand::seq::SliceRandom;

use crate::{CoreError, Samples};

/// Row indices of the two sides, each in random order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to fit on.
    pub train: Vec<usize>,
    /// Rows to evaluate on.
    pub test: Vec<usize>,
}

/// Splits rows so that both sides have the same share of anomalies, up to rounding, and at least one row of each class.
///
/// The test side gets `ceil(test_share × rows)` rows, as in scikit-learn's `train_test_split`.
///
/// # Errors
/// When there are fewer than two anomalies or fewer than two other rows.
pub fn stratified(samples: &Samples, test_share: f64, rng: &mut impl Rng) -> Result<Split, CoreError> {
    let quota = TestQuota::new(samples, test_share)?;
    let classes = samples.by_class();
    let mut split = Split { train: Vec::new(), test: Vec::new() };
    for (mut rows, test) in [(classes.anomalies, quota.anomalies), (classes.others, quota.others)] {
        rows.shuffle(rng);
        split.test.extend_from_slice(&rows[..test]);
        split.train.extend_from_slice(&rows[test..]);
    }
    Ok(split.shuffled(rng))
}

/// Splits like [`stratified`], but keeps rows with equal features on one side.
///
/// Equal rows form a group. Groups are visited in random order. A group goes to the test side when that brings the numbers of
/// anomalies and of other rows there closer to their targets, each difference relative to the target. Large groups therefore
/// tend to end up on the training side.
///
/// # Errors
/// As [`stratified`], and when equal rows leave one side without one of the classes.
pub fn stratified_without_shared_rows(
    samples: &Samples,
    test_share: f64,
    rng: &mut impl Rng,
) -> Result<Split, CoreError> {
    let quota = TestQuota::new(samples, test_share)?;
    let mut groups = equal_rows(samples);
    groups.shuffle(rng);
    let mut split = Split { train: Vec::new(), test: Vec::new() };
    let miss = |anomalies: usize, others: usize| {
        let relative = |count: usize, target: usize| count.abs_diff(target) as f64 / target as f64;
        relative(anomalies, quota.anomalies) + relative(others, quota.others)
    };
    let (mut anomalies, mut others) = (0, 0);
    for group in groups {
        let more_anomalies = group.iter().filter(|&&row| samples.labels()[row].is_anomaly()).count();
        let more_others = group.len() - more_anomalies;
        if miss(anomalies + more_anomalies, others + more_others) < miss(anomalies, others) {
            anomalies += more_anomalies;
            others += more_others;
            split.test.extend(group);
        } else {
            split.train.extend(group);
        }
    }
    for side in [&split.train, &split.test] {
        let anomalies = side.iter().filter(|&&row| samples.labels()[row].is_anomaly()).count();
        if anomalies == 0 || anomalies == side.len() {
            return Err(CoreError::EqualRowsPreventSplit);
        }
    }
    Ok(split.shuffled(rng))
}

impl Split {
    fn shuffled(mut self, rng: &mut impl Rng) -> Self {
        self.train.shuffle(rng);
        self.test.shuffle(rng);
        self
    }
}

/// The number of rows of each class on the test side.
struct TestQuota {
    anomalies: usize,
    others: usize,
}

impl TestQuota {
    fn new(samples: &Samples, test_share: f64) -> Result<Self, CoreError> {
        assert!(test_share > 0.0 && test_share < 1.0, "the test share must be between 0 and 1");
        let rows = samples.rows();
        let total = samples.by_class().anomalies.len();
        if total == 0 {
            return Err(CoreError::NoAnomalies);
        }
        if total < 2 || rows - total < 2 {
            return Err(CoreError::TooFewToSplit { anomalies: total, others: rows - total });
        }
        let test = ((test_share * rows as f64).ceil() as usize).clamp(2, rows - 2);
        let anomalies = (test as f64 * total as f64 / rows as f64).round() as usize;
        let anomalies = anomalies.clamp(1, total - 1);
        let others = (test - anomalies).clamp(1, rows - total - 1);
        Ok(Self { anomalies, others })
    }
}

/// The rows grouped by equal features, in the order of each group's first row.
pub(crate) fn equal_rows(samples: &Samples) -> Vec<Vec<usize>> {
    let mut group_of: HashMap<Vec<u32>, usize> = HashMap::with_capacity(samples.rows());
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..samples.rows() {
        // Adding 0 turns -0 into 0, so that the two count as equal.
        let bits = samples.row(row).iter().map(|v| (v + 0.0).to_bits()).collect();
        let group = *group_of.entry(bits).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(row);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Label, Seed};
    use ndarray::Array2;
    use proptest::prelude::*;

    /// Rows with the single feature `row / copies`; the first `anomalies` of them are anomalies.
    fn samples(rows: usize, anomalies: usize, copies: usize) -> Samples {
        let features = Array2::from_shape_fn((rows, 1), |(row, _)| (row / copies) as f32);
        let labels = (0..rows).map(|row| if row < anomalies { Label::Anomaly } else { Label::Normal }).collect();
        Samples::new(features, labels).unwrap()
    }

    fn anomalies_among(samples: &Samples, rows: &[usize]) -> usize {
        rows.iter().filter(|&&row| samples.labels()[row].is_anomaly()).count()
    }

    proptest! {
        #[test]
        fn both_sides_together_hold_each_row_once(rows in 6usize..300, share in 0.05f64..0.5, seed: u64) {
            let samples = samples(rows, ((rows as f64 * share) as usize).max(2), 1);
            for split in [
                stratified(&samples, 0.3, &mut Seed(seed).stream(&[])).unwrap(),
                stratified_without_shared_rows(&samples, 0.3, &mut Seed(seed).stream(&[])).unwrap(),
            ] {
                let mut all: Vec<usize> = split.train.iter().chain(&split.test).copied().collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
                prop_assert_eq!(split.test.len(), ((0.3 * rows as f64).ceil() as usize).max(2));
                let expected = 0.3 * anomalies_among(&samples, &split.train) as f64 / 0.7;
                prop_assert!((anomalies_among(&samples, &split.test) as f64 - expected).abs() <= 2.0);
            }
        }

        #[test]
        fn equal_rows_stay_on_one_side(rows in 30usize..200, copies in 1usize..5, seed: u64) {
            let samples = samples(rows, rows / 3, copies);
            let split = stratified_without_shared_rows(&samples, 0.3, &mut Seed(seed).stream(&[])).unwrap();
            let train: std::collections::HashSet<usize> = split.train.iter().map(|row| row / copies).collect();
            prop_assert!(split.test.iter().all(|row| !train.contains(&(row / copies))));
        }
    }

    #[test]
    fn the_seed_decides() {
        let samples = samples(100, 10, 1);
        let split = |seed| stratified(&samples, 0.3, &mut Seed(seed).stream(&["split"])).unwrap();
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
        assert_eq!((split(1).train.len(), split(1).test.len()), (70, 30));
        assert_eq!(anomalies_among(&samples, &split(1).test), 3);
    }

    #[test]
    fn too_few_rows_are_an_error() {
        let mut rng = Seed(1).stream(&[]);
        assert!(matches!(stratified(&samples(9, 0, 1), 0.3, &mut rng), Err(CoreError::NoAnomalies)));
        assert!(matches!(
            stratified(&samples(9, 1, 1), 0.3, &mut rng),
            Err(CoreError::TooFewToSplit { anomalies: 1, others: 8 })
        ));
        assert!(matches!(stratified(&samples(9, 8, 1), 0.3, &mut rng), Err(CoreError::TooFewToSplit { .. })));
        // All ten anomalies are equal, so they cannot be on both sides.
        assert!(matches!(
            stratified_without_shared_rows(&samples(40, 10, 10), 0.3, &mut rng),
            Err(CoreError::EqualRowsPreventSplit)
        ));
    }
}
