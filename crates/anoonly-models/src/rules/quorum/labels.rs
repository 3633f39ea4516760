//! How likely it is that the label of an anomaly is right, from how it ranks among unlabelled rows.
//!
//! Clear anomalies mostly rank high. Among them, one that ranks as any row may have a wrong label. But where anomalies are hard to see, right
//! labels rank so, too. Two descriptions of the ranks are therefore compared: all labels are right, and their normal
//! scores have a normal distribution with unknown mean and spread; or some are wrong and have a standard normal distribution, as any
//! row. A label is doubted only as far as the second description explains the ranks better.

use statrs::distribution::{ContinuousCDF, Normal};

/// The prior number of wrong and of right labels.
const LABELS: [f64; 2] = [1.0, 4.0];
/// The prior number of normal scores that have the prior deviation.
const SCORES: f64 = 2.0;
/// The prior deviation of the normal scores of right labels.
const DEVIATION: f64 = 0.7;
/// The least deviation of the normal scores of right labels, as a share of their mean: where most rank far up, one that ranks above 90 % of
/// the rows is hardly doubted.
const LEAST: f64 = 0.2;
/// The prior odds, as a logarithm, that all labels are right.
const ALL_RIGHT: f64 = 2.0;
/// Shares of wrong labels that the search for the best description starts from. It may stay near a start.
const STARTS: [f64; 4] = [0.1, 0.3, 0.6, 0.85];
/// Steps of each search.
const STEPS: usize = 60;

/// For each anomaly, the probability that its label is right, given the share of unlabelled rows that rank above it, between 0 and 1.
pub(super) fn right(shares: &[f64]) -> Vec<f64> {
    let standard = Normal::standard();
    let scores: Vec<f64> = shares.iter().map(|share| -standard.inverse_cdf(*share)).collect();
    let all = Description::of(&scores, None);
    let mut best: Option<Description> = None;
    for start in STARTS {
        let some = Description::of(&scores, Some(start));
        if best.as_ref().is_none_or(|best| some.log > best.log) {
            best = Some(some);
        }
    }
    let Some(some) = best else { return Vec::new() };
    let doubt = sigmoid(some.log - all.log - ALL_RIGHT);
    some.right.into_iter().map(|right| 1.0 - doubt * (1.0 - right)).collect()
}

/// A description of the normal scores of labelled anomalies.
struct Description {
    /// The logarithm of its posterior density, but for a constant.
    log: f64,
    /// For each anomaly, the probability that its label is right.
    right: Vec<f64>,
}

impl Description {
    /// The best one by expectation maximisation from a share of wrong labels, or with none of them.
    fn of(scores: &[f64], start: Option<f64>) -> Self {
        let (count, square) = (scores.len() as f64, DEVIATION * DEVIATION);
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(|one, other| other.total_cmp(one));
        let first = ((1.0 - start.unwrap_or(0.0)) * count).round().max(1.0);
        let mut mean = (sorted.iter().take(first as usize).sum::<f64>() / first).max(0.0);
        let (mut deviation, mut wrong, mut right) = (DEVIATION, start, vec![1.0; scores.len()]);
        for _ in 0..STEPS {
            if let Some(wrong) = wrong {
                for (right, score) in right.iter_mut().zip(scores) {
                    // A label that ranks above the mean is no more doubtful than at the mean.
                    let score = score.min(mean);
                    *right = sigmoid(
                        logit(1.0 - wrong) + log_density(score, mean, deviation) - log_density(score, 0.0, 1.0),
                    );
                }
            }
            let sum: f64 = right.iter().sum();
            let weighted = |of: &dyn Fn(f64) -> f64| {
                right.iter().zip(scores).map(|(right, &score)| right * of(score)).sum::<f64>()
            };
            mean = (weighted(&|score| score) / sum.max(1e-9)).max(0.0);
            deviation = ((weighted(&|score| (score - mean).powi(2)) + SCORES * square) / (sum + SCORES)).sqrt();
            deviation = deviation.max(LEAST * mean);
            wrong = wrong.map(|_| (count - sum + LABELS[0]) / (count + LABELS[0] + LABELS[1]));
        }
        let mut log = -SCORES * (deviation.ln() + square / (2.0 * deviation * deviation));
        if let Some(wrong) = wrong {
            let prior = LABELS[0] / (LABELS[0] + LABELS[1]);
            log += LABELS[0] * (wrong / prior).ln() + LABELS[1] * ((1.0 - wrong) / (1.0 - prior)).ln();
        }
        for &score in scores {
            let own = log_density(score, mean, deviation);
            log += match wrong {
                None => own,
                Some(wrong) => log_sum((1.0 - wrong).ln() + own, wrong.ln() + log_density(score, 0.0, 1.0)),
            };
        }
        Self { log, right }
    }
}

/// The logarithm of a normal density, but for a constant.
fn log_density(score: f64, mean: f64, deviation: f64) -> f64 {
    -((score - mean) / deviation).powi(2) / 2.0 - deviation.ln()
}

/// `ln(eᵃ + eᵇ)`.
fn log_sum(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn logit(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_label_among_ten_clear_ones_is_doubted_and_these_are_not() {
        let shares: Vec<f64> = (1..=10).map(|place| f64::from(place) / 500.0).chain([0.6]).collect();
        let right = right(&shares);
        assert!(right[..10].iter().all(|right| *right > 0.95) && right[10] < 0.05, "{right:?}");
    }

    /// All are clear; their ranks spread as those of one normal distribution; they rank as any row; or there are few of them.
    #[test]
    fn labels_that_rank_alike_are_not_doubted() {
        let quantiles = |count: usize, mean: f64| -> Vec<f64> {
            let place = |place: usize| (place as f64 + 0.5) / count as f64;
            let standard = Normal::standard();
            (0..count).map(|at| 1.0 - standard.cdf(mean + standard.inverse_cdf(place(at)))).collect()
        };
        let clear = (1..=10).map(|place| f64::from(place) / 500.0).collect();
        for shares in [clear, quantiles(40, 1.0), quantiles(40, 0.0), quantiles(12, 0.5), vec![0.01, 0.3], vec![0.9]] {
            let right = right(&shares);
            assert!(right.iter().all(|right| *right > 0.8), "{shares:?}: {right:?}");
        }
        assert!(right(&[]).is_empty());
    }

    /// Nearly all rank before every row. Three rank above 90 to 99.8 % of the rows.
    #[test]
    fn a_label_that_ranks_above_most_rows_is_hardly_doubted() {
        for (low, least) in [(0.1, 0.95), (0.05, 0.95), (0.002, 0.99)] {
            for first in [2e-4, 1e-3] {
                let shares = [vec![first; 100], vec![low; 3]].concat();
                let right = right(&shares);
                assert!(right.iter().all(|right| *right > least), "{first} {low}: {:?}", &right[100..]);
            }
        }
    }

    #[test]
    fn half_of_many_labels_may_be_wrong() {
        let shares: Vec<f64> =
            (0..30).flat_map(|at| [f64::from(at + 1) / 1000.0, (f64::from(at) + 0.5) / 30.0]).collect();
        let right = right(&shares);
        let mean = |wrong: usize| right.iter().skip(wrong).step_by(2).sum::<f64>() / 30.0;
        assert!(mean(0) > 0.95 && mean(1) < 0.15, "{} {}", mean(0), mean(1));
    }

    #[test]
    fn extreme_shares_give_probabilities() {
        for shares in [vec![1e-300; 5], vec![1.0 - 1e-16; 5], vec![0.5; 9], vec![1e-9, 1.0 - 1e-12]] {
            assert!(right(&shares).iter().all(|right| (0.0..=1.0).contains(right)), "{shares:?}");
        }
    }
}
