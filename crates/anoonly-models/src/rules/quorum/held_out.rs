//! The weight of each group of opinions, from its values on training rows that it was not fitted on.

use std::ops::Range;

use rand::Rng;

#[cfg(feature = "fit")]
use super::folds::Folds;
use super::likelihood::{log_likelihood, wrong_where_most_are};
use super::opinions::{COUNT, FitRows, GROUPS, Opinions, block};
use super::{QuorumConfig, labels};
use crate::RuleData;
use crate::tools::normal_scores::NormalScores;

/// Values of all opinions on training rows, each row scored by opinions that were not fitted on it.
pub(super) struct HeldOut {
    /// Each opinion's values on unlabelled rows.
    pub unlabelled: [Vec<f32>; COUNT],
    /// Each opinion's values on confirmed normals.
    pub normals: [Vec<f32>; COUNT],
    /// Each opinion's values on labelled anomalies; none if there is only one anomaly.
    pub anomalies: [Vec<f32>; COUNT],
    /// The rows of these anomalies.
    pub anomaly_rows: Vec<usize>,
    /// The number of labelled anomalies, even if there is only one.
    pub labelled: usize,
    /// The number of columns of the rows.
    pub columns: usize,
}

/// The number of columns at which the weight of the trees is half of what it is with very few.
const NARROW: f64 = 64.0;
/// The factor of the trees' weights with very few columns and many labels.
const TREE_WEIGHT: f64 = 2.5;
/// The `trust` at which labels move the weights as their likelihood says.
const TRUST: f64 = 8.0;
/// The share of the trees that are grown for each fold: a rough value is enough to weigh the trees.
const TREES: f64 = 0.4;

impl HeldOut {
    /// Scores every training row by opinions fitted on the other folds. Of many unlabelled rows or confirmed normals, some are enough.
    #[cfg(feature = "fit")]
    pub fn of(config: &QuorumConfig, data: &RuleData, folds: &Folds, rng: &mut impl Rng) -> Self {
        let config = &QuorumConfig { trees: (TREES * config.trees as f64).ceil() as usize, ..config.clone() };
        let mut values = Self {
            unlabelled: Default::default(),
            normals: Default::default(),
            anomalies: Default::default(),
            anomaly_rows: Vec::new(),
            labelled: data.anomalies.len(),
            columns: data.columns,
        };
        for fold in 0..folds.count() {
            let rows = config.rows(folds.outside(fold), config.most_rows, rng);
            let opinions = Opinions::of(data, &rows, folds.covariance(data, Some(fold)), config.trees, rng);
            let score = |rows: &[usize], values: &mut [Vec<f32>]| {
                for rows in rows.chunks(block(data.columns)) {
                    let made = opinions.values(&data.select(rows));
                    values.iter_mut().zip(made).for_each(|(values, made)| values.extend(made));
                }
            };
            // As many rows as the neighbours and trees are made of are enough to know the usual values.
            let most = config.most_rows.div_ceil(folds.count());
            let FitRows { unlabelled, normals, anomalies } = folds.inside(fold);
            score(&unlabelled[..unlabelled.len().min(most)], &mut values.unlabelled);
            score(&normals[..normals.len().min(most)], &mut values.normals);
            if data.anomalies.len() > 1 {
                score(&anomalies, &mut values.anomalies);
                values.anomaly_rows.extend(anomalies);
            }
        }
        values
    }

    /// For each held-out anomaly, the probability that its label is right: the smaller one of two, that among right labels and that where
    /// most labels are wrong.
    pub fn right(&self, scales: &[NormalScores; COUNT], trust: f64) -> Vec<f64> {
        let joining = self.joining(scales, trust, &vec![1.0; self.anomaly_rows.len()]);
        let scores = |values: &[Vec<f32>; COUNT]| -> Vec<f32> {
            let level = |row: usize| std::array::from_fn(|opinion| scales[opinion].of_value(values[opinion][row]));
            (0..values[0].len()).map(|row| joining.score(level(row))).collect()
        };
        let mut usual = scores(&self.unlabelled);
        usual.sort_unstable_by(f32::total_cmp);
        let share = |score: f32| {
            let above = usual.len() - usual.partition_point(|usual| usual.total_cmp(&score).is_lt());
            (above as f64 + 0.5) / (usual.len() + 1) as f64
        };
        let shares: Vec<f64> = scores(&self.anomalies).into_iter().map(share).collect();
        let wrong = wrong_where_most_are(&shares);
        labels::right(&shares).into_iter().zip(wrong).map(|(right, wrong)| right.min(1.0 - wrong)).collect()
    }

    /// The weights of the groups, given the probability that each anomaly's label is right.
    ///
    /// They are a mean over a grid of weights. A point of the grid counts by the product of its prior weight and of the likelihood of the
    /// ranks that it gives to the held-out anomalies ([`log_likelihood`]), each as far as its label is right. `trust` is the exponent of
    /// the likelihood, in units of [`TRUST`]. The share of unlabelled rows above an anomaly and that of confirmed normals are added, so that
    /// a single confirmed normal counts more than an unlabelled row. Of `n` unlabelled rows, `k` are a share of `(k + ½)/(n + 1)`: with few
    /// rows, none above an anomaly says less than with many.
    pub fn joining(&self, scales: &[NormalScores; COUNT], trust: f64, right: &[f64]) -> Joining {
        let levels = |values: &[Vec<f32>]| -> Vec<Vec<f64>> {
            let level = |(values, scale): (&Vec<f32>, &NormalScores)| {
                values.iter().map(|&value| f64::from(scale.of_value(value))).collect()
            };
            values.iter().zip(scales).map(level).collect()
        };
        let [unlabelled, normals, anomalies] =
            [&self.unlabelled, &self.normals, &self.anomalies].map(|rows| levels(rows));
        let sums = |levels: &[Vec<f64>], group: Range<usize>| -> Vec<f64> {
            let count = levels[group.start].len();
            (0..count).map(|row| group.clone().map(|opinion| levels[opinion][row]).sum()).collect()
        };
        let widths = GROUPS.map(|group| deviation(&sums(&unlabelled, group)));
        let bent = |levels: &[Vec<f64>]| -> [Vec<f64>; GROUPS.len()] {
            std::array::from_fn(|group| {
                sums(levels, GROUPS[group].clone()).into_iter().map(|sum| softplus(sum / widths[group])).collect()
            })
        };
        let [unlabelled, normals, anomalies] = [&unlabelled, &normals, &anomalies].map(|rows| bent(rows));
        let heights = unlabelled.each_ref().map(|values| deviation(values));
        let joined = |groups: &[Vec<f64>; GROUPS.len()], weights: [f64; GROUPS.len()]| -> Vec<f64> {
            let parts = |row: usize| {
                groups
                    .iter()
                    .zip(heights)
                    .zip(weights)
                    .map(move |((group, height), weight)| weight * group[row] / height)
            };
            (0..groups[0].len()).map(|row| parts(row).sum()).collect()
        };
        let grid = grid(self.labelled, self.columns);
        let logs: Vec<f64> = grid
            .iter()
            .map(|&(weights, prior)| {
                let mut anomalies: Vec<(f64, f64)> =
                    joined(&anomalies, weights).into_iter().zip(right.iter().copied()).collect();
                anomalies.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
                let above = [&unlabelled, &normals].map(|rows| rows_above(&anomalies, &joined(rows, weights)));
                let [unlabelled, normals] = [&unlabelled, &normals].map(|rows| rows[0].len() as f64);
                let share = |at: usize| (above[0][at] + 0.5) / (unlabelled + 1.0) + above[1][at] / normals.max(1.0);
                let ranks: Vec<(f64, f64)> =
                    anomalies.iter().enumerate().map(|(at, (_, right))| (share(at), *right)).collect();
                prior.ln() + trust / TRUST * log_likelihood(&ranks)
            })
            .collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
        let total: f64 = shares.iter().sum();
        let mut means = [0.0; GROUPS.len()];
        for ((weights, _), share) in grid.iter().zip(&shares) {
            let length = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
            means.iter_mut().zip(weights).for_each(|(mean, weight)| *mean += share / total * weight / length);
        }
        let weight = |group: usize| means[group] / heights[group];
        Joining { groups: std::array::from_fn(|group| [widths[group], weight(group)].map(|value| value as f32)) }
    }
}

/// How the opinions' normal scores become one score: for each group, the divisor of their sum, and the weight of the softplus of
/// the quotient.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Joining {
    pub groups: [[f32; 2]; GROUPS.len()],
}

impl Joining {
    /// The score of a row from the normal scores of its opinions.
    pub fn score(&self, levels: [f32; COUNT]) -> f32 {
        let part = |(group, [width, weight]): (Range<usize>, [f32; 2])| {
            weight * softplus(f64::from(levels[group].iter().sum::<f32>() / width)) as f32
        };
        GROUPS.into_iter().zip(self.groups).map(part).sum()
    }
}

/// `ln(1 + eˣ)`: a group that finds a row usual takes little away from a group that finds it unusual.
fn softplus(value: f64) -> f64 {
    value.max(0.0) + (-value.abs()).exp().ln_1p()
}

/// The grid: weights of the groups, and the prior weight of each point, before held-out labels are seen.
///
/// The mean of a few cosines says less than that of many, so the weight of directions grows with the number of labels. Without labels a
/// direction in which few rows lie says little where there are few columns. Trees do: each split compares one column, and with
/// many columns a tree sees few of them.
fn grid(labelled: usize, columns: usize) -> Vec<([f64; GROUPS.len()], f64)> {
    // Both are from 1 down to 0.
    let (unknown, narrow) = (1.0 / (1.0 + labelled as f64), NARROW / (NARROW + columns as f64));
    let (of_towards, of_alone) = (1.0 - unknown, 1.0 - unknown * narrow);
    let of_trees = TREE_WEIGHT * narrow * (1.0 + unknown);
    // High weights of the trees need many labels: each doubling has half the prior weight.
    let trees = [(0.0, 1.0), (0.5, 1.0), (1.0, 0.7), (2.0, 0.5), (4.0, 0.2), (8.0, 0.1), (16.0, 0.05), (32.0, 0.025)];
    let mut grid = Vec::new();
    for direction in [0.5, 1.0, 2.0, 4.0] {
        for (neighbours, near) in [(0.0, 0.5), (1.0, 1.0)] {
            for (trees, few) in trees {
                let weights = [1.0, of_towards * direction, of_alone * neighbours, of_trees * trees];
                grid.push((weights, near * few));
            }
        }
    }
    grid
}

/// For each anomaly, of ascending scores, the number of rows that do not score below it.
fn rows_above(anomalies: &[(f64, f64)], rows: &[f64]) -> Vec<f64> {
    // The number of rows that are not below this many anomalies, and then not below this many or more.
    let mut counts = vec![0usize; anomalies.len() + 1];
    rows.iter().for_each(|row| counts[anomalies.partition_point(|(score, _)| score <= row)] += 1);
    (1..anomalies.len()).rev().for_each(|at| counts[at] += counts[at + 1]);
    counts[1..].iter().map(|&count| count as f64).collect()
}

/// The standard deviation; 1 if all values are equal.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    if variance > 1e-12 { variance.sqrt() } else { 1.0 }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    /// Values of every opinion on 100 unlabelled rows, and the given values on anomalies.
    fn held_out(anomalies: [&[f32]; COUNT]) -> HeldOut {
        let usual = |opinion: usize| (0..100).map(|row| ((row * 37 + opinion * 11) % 100) as f32).collect();
        HeldOut {
            unlabelled: std::array::from_fn(usual),
            normals: Default::default(),
            anomaly_rows: (0..anomalies[0].len()).collect(),
            // The grid is the same for all.
            labelled: 8,
            columns: 60,
            anomalies: anomalies.map(<[f32]>::to_vec),
        }
    }

    fn scales(held: &HeldOut) -> [NormalScores; COUNT] {
        held.unlabelled.each_ref().map(|values| NormalScores::of(values))
    }

    /// The share of each group in the sum of the weights.
    fn shares(held: &HeldOut, trust: f64) -> [f32; GROUPS.len()] {
        let right = vec![1.0; held.anomaly_rows.len()];
        let groups = held.joining(&scales(held), trust, &right).groups;
        let all: f32 = groups.iter().map(|[_, weight]| weight).sum();
        assert!(groups.as_flattened().iter().all(|value| value.is_finite() && *value > 0.0), "{groups:?}");
        groups.map(|[_, weight]| weight / all)
    }

    #[test]
    fn opinions_that_rank_anomalies_first_weigh_more_than_expected() {
        let (high, middle, low): (&[f32], &[f32], &[f32]) = (&[99.5; 5], &[50.5; 5], &[5.5; 5]);
        for (group, places) in GROUPS.into_iter().enumerate().skip(1) {
            let value = |opinion| if places.contains(&opinion) { high } else { middle };
            let held = held_out(std::array::from_fn(value));
            let (expected, found) = (shares(&held, 0.0), shares(&held, 8.0));
            assert!(found[group] > 1.05 * expected[group], "{group}: {expected:?} {found:?}");
            let value = |opinion| if places.contains(&opinion) { low } else { middle };
            let found = shares(&held_out(std::array::from_fn(value)), 8.0);
            assert!(found[group] < expected[group], "{group}: {expected:?} {found:?}");
        }
    }

    #[test]
    fn a_group_that_ranks_confirmed_normals_above_anomalies_loses_weight() {
        for (group, places) in GROUPS.into_iter().enumerate().skip(1) {
            let mut held = held_out([&[50.5; 5]; COUNT]);
            let before = shares(&held, 8.0);
            held.normals = std::array::from_fn(|opinion| vec![if places.contains(&opinion) { 99.5 } else { 5.5 }; 3]);
            let after = shares(&held, 8.0);
            assert!(after[group] < 0.99 * before[group], "{group}: {before:?} {after:?}");
        }
    }

    #[test]
    fn rows_above_an_anomaly_are_those_that_do_not_score_below_it() {
        let anomalies = [1.0, 2.0, 2.0, 5.0].map(|score| (score, 1.0));
        assert_eq!(rows_above(&anomalies, &[0.0, 2.0, 3.0]), [2.0, 2.0, 2.0, 0.0]);
        assert_eq!(rows_above(&anomalies, &[]), [0.0; 4]);
        assert!(rows_above(&[], &[1.0]).is_empty());
    }

    #[test]
    fn more_anomalies_move_the_weights_further() {
        let of = |count: usize| {
            let (high, low) = (vec![99.5; count], vec![50.5; count]);
            let held = held_out(std::array::from_fn(|opinion| if opinion >= 6 { &high[..] } else { &low }));
            shares(&held, 8.0)[3]
        };
        let shares = [0, 1, 3, 20].map(of);
        assert!(shares.is_sorted_by(|a, b| a < b), "{shares:?}");
    }

    /// The trees rank eight anomalies first and two below most rows, which the other groups rank higher. With these two left out, it is as if
    /// there were eight.
    #[test]
    fn a_label_that_is_not_right_does_not_count() {
        let of = |low: &[f32], right: &[f64]| {
            let raised: Vec<f32> = low.iter().map(|value| value + 60.0).collect();
            let (high, middle) = ([&[99.5; 8], low].concat(), [&[50.5; 8][..], &raised].concat());
            let held = held_out(std::array::from_fn(|opinion| if opinion >= 6 { &high[..] } else { &middle }));
            held.joining(&scales(&held), 8.0, right)
        };
        let wrong = [[1.0; 8].as_slice(), &[0.0; 2]].concat();
        assert_eq!(of(&[5.5, 30.5], &wrong), of(&[], &[1.0; 8]));
        assert_ne!(of(&[5.5, 30.5], &[1.0; 10]), of(&[], &[1.0; 8]));
    }

    #[test]
    fn an_anomaly_far_below_ten_others_that_rank_first_is_doubtful() {
        let values: Vec<f32> = (0..10).map(|row| 97.5 + row as f32 / 5.0).chain([20.5]).collect();
        let held = held_out([&values; COUNT]);
        let right = held.right(&scales(&held), 8.0);
        assert!(right[..10].iter().all(|right| *right > 0.95) && right[10] < 0.05, "{right:?}");
    }

    /// With fewer labels directions weigh less and trees more, and with more columns trees weigh less and "alone" more.
    #[test]
    fn the_grid_follows_the_numbers_of_labels_and_of_columns() {
        let weights = |labelled: usize, columns: usize| grid(labelled, columns).pop().unwrap().0;
        let [none, one, many] = [0, 1, 1000].map(|labelled| weights(labelled, 10));
        assert_eq!((none[1], none[0], one[0], many[0]), (0.0, 1.0, 1.0, 1.0));
        assert!(none[1] < one[1] && one[1] < many[1] && none[2] < one[2] && one[2] < many[2], "{none:?} {one:?}");
        assert!(none[3] > one[3] && one[3] > many[3], "{none:?} {one:?} {many:?}");
        let wide = weights(1, 1000);
        assert!(wide[1] == one[1] && wide[2] > one[2] && wide[3] < one[3] / 5.0, "{one:?} {wide:?}");
    }

    /// Three clear anomalies, and twelve unlabelled rows that are labelled by mistake.
    #[test]
    fn where_most_labels_are_wrong_the_clear_ones_are_trusted() {
        let mut held = held_out([&[]; COUNT]);
        let wrong =
            |values: &[f32]| [&[99.5; 3][..], &values.iter().copied().step_by(8).take(12).collect::<Vec<_>>()].concat();
        held.anomalies = held.unlabelled.each_ref().map(|values| wrong(values));
        held.anomaly_rows = (0..15).collect();
        let right = held.right(&scales(&held), 8.0);
        let mean = right[3..].iter().sum::<f64>() / 12.0;
        assert!(right[..3].iter().all(|right| *right > 0.9) && mean < 0.35, "{right:?}");
    }

    #[test]
    fn without_held_out_anomalies_the_weights_are_the_prior_ones() {
        let none = held_out([&[]; COUNT]);
        assert_eq!(shares(&none, 8.0), shares(&none, 0.0));
        let some = held_out([&[70.0, 3.0]; COUNT]);
        assert_eq!(shares(&some, 0.0), shares(&none, 0.0));
    }

    #[test]
    fn opinions_with_equal_values_for_all_rows_give_finite_weights() {
        let mut held = held_out([&[]; COUNT]);
        held.unlabelled = std::array::from_fn(|_| vec![1.0; 9]);
        shares(&held, 8.0);
    }

    /// ln(1 + e^(3/2)), twice ln 2 and ln(1 + e⁻²)/2; large values must not overflow an exponential.
    #[test]
    fn a_score_is_the_weighted_sum_of_the_groups_softplus() {
        let joining = Joining { groups: [[2.0, 1.0], [1.0, 2.0], [0.5, 0.5], [1.0, 0.0]] };
        let score = joining.score([1.0, 2.0, 3.0, -1.0, -2.0, -1.0, 5.0, 5.0]);
        assert!((score - (1.701_413_3 + 1.386_294_4 + 0.063_464)).abs() < 1e-5, "{score}");
        assert_eq!((softplus(1e4), softplus(-1e4)), (1e4, 0.0));
    }
}
