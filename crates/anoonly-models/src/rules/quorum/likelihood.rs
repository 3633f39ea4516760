//! How likely the ranks of labelled anomalies are under some weights of the groups.
//!
//! The share of rows above a labelled anomaly comes from an exponential distribution, whose rate is unknown and the same for all of them. With
//! a wrong label it comes from a uniform one, as that of any row. Each label is wrong with the same unknown probability, most likely 0.
//! A few anomalies that rank first then decide, even if many labels rank as any row.

/// The usual rate: half of all anomalies rank above about 91 % of the rows.
const USUAL: f64 = 8.0;
/// The prior standard deviation of the rate's natural logarithm.
const SPREAD: f64 = 2.0;
/// The lowest rate of the sum over rates, and the number of rates. Each is the fourth root of 2 times the one before: among many anomalies a
/// small difference of the rate counts.
const LOWEST: f64 = 0.5;
const RATES: i32 = 49;
/// The probabilities above 0 that a label is wrong. They have the prior probability [`ANY_WRONG`] together, each the same part of it.
const WRONG: [f64; 6] = [0.05, 0.15, 0.3, 0.5, 0.7, 0.85];
const ANY_WRONG: f64 = 0.05;
/// Of more anomalies than this, those whose shares differ by less than the square root of 2 are taken together.
const MANY: usize = 32;

/// At this probability of a wrong label and above, most labels are wrong.
const MOSTLY_WRONG: f64 = 0.7;

/// One description of the shares.
struct Description {
    rate: f64,
    /// The density of right labels at a share of 0.
    highest: f64,
    /// The probability that a label is wrong.
    wrong: f64,
    /// The logarithm of the prior probability and the likelihood, up to a constant.
    log: f64,
}

/// All descriptions. `anomalies` has for each one the share of rows above it, in ascending or descending order, and how much it counts,
/// from 0 to 1. `highest` is the density of right labels at a share of 0, given the rate.
fn descriptions(anomalies: &[(f64, f64)], highest: impl Fn(f64) -> f64) -> Vec<Description> {
    let anomalies = grouped(anomalies);
    let mut descriptions = Vec::with_capacity(RATES as usize * (WRONG.len() + 1));
    for step in 0..RATES {
        let rate = LOWEST * (f64::from(step) / 4.0).exp2();
        let highest = highest(rate);
        let prior = -((rate / USUAL).ln() / SPREAD).powi(2) / 2.0;
        let right: f64 = anomalies.iter().map(|(share, counts)| counts * (highest.ln() - rate * share)).sum();
        descriptions.push(Description { rate, highest, wrong: 0.0, log: prior + (1.0 - ANY_WRONG).ln() + right });
        let densities: Vec<f64> = anomalies.iter().map(|(share, _)| highest * (-rate * share).exp()).collect();
        for wrong in WRONG {
            let mixed = densities.iter().zip(&anomalies);
            let mixed: f64 = mixed.map(|(density, (_, counts))| counts * ((1.0 - wrong) * density + wrong).ln()).sum();
            let log = prior + (ANY_WRONG / WRONG.len() as f64).ln() + mixed;
            descriptions.push(Description { rate, highest, wrong, log });
        }
    }
    descriptions
}

/// The logarithm of the sum of the likelihoods, and the part of each in this sum.
fn joined(descriptions: &[Description]) -> (f64, Vec<f64>) {
    let most = descriptions.iter().map(|description| description.log).fold(f64::NEG_INFINITY, f64::max);
    let parts: Vec<f64> = descriptions.iter().map(|description| (description.log - most).exp()).collect();
    let total: f64 = parts.iter().sum();
    (most + total.ln(), parts.into_iter().map(|part| part / total).collect())
}

/// The logarithm of the likelihood of shares, up to a constant, given as for [`descriptions`].
///
/// With confirmed normals a share is a sum of two, from 0 to 2. The densities are used as they are; they are then not normalised.
pub(super) fn log_likelihood(anomalies: &[(f64, f64)]) -> f64 {
    joined(&descriptions(anomalies, |rate| rate)).0
}

/// For each share of rows above an anomaly, the probability that most labels are wrong and the label of this anomaly is one of them.
///
/// Shares are from 0 to 1, and the density of right labels is normalised for this range. Where anomalies are hard to see, right labels then
/// explain the shares as well as wrong ones, and no label is doubted.
pub(super) fn wrong_where_most_are(shares: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<(f64, f64)> = shares.iter().map(|&share| (share, 1.0)).collect();
    sorted.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let descriptions = descriptions(&sorted, |rate| -rate / (-rate).exp_m1());
    let (_, parts) = joined(&descriptions);
    let mostly_wrong: Vec<(&Description, f64)> =
        descriptions.iter().zip(parts).filter(|(description, _)| description.wrong >= MOSTLY_WRONG).collect();
    let probability = |share: f64| {
        let of = |(Description { rate, highest, wrong, .. }, part): &(&Description, f64)| {
            part * wrong / ((1.0 - wrong) * highest * (-rate * share).exp() + wrong)
        };
        mostly_wrong.iter().map(of).sum()
    };
    shares.iter().map(|&share| probability(share)).collect()
}

/// The anomalies, or fewer that stand for many of them: the mean share of each group, and the sum of what these count.
fn grouped(anomalies: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if anomalies.len() <= MANY {
        return anomalies.to_vec();
    }
    let level = |share: f64| (2.0 * share.log2()).floor();
    let groups = anomalies.chunk_by(|one, other| level(one.0) == level(other.0));
    let mean = |group: &[(f64, f64)]| {
        let counts: f64 = group.iter().map(|(_, counts)| counts).sum();
        let sum: f64 = group.iter().map(|(share, counts)| share * counts).sum();
        (counts > 0.0).then(|| (sum / counts, counts))
    };
    groups.filter_map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(shares: &[f64]) -> Vec<(f64, f64)> {
        shares.iter().map(|&share| (share, 1.0)).collect()
    }

    fn uniform(count: usize) -> Vec<f64> {
        (0..count).map(|place| (place as f64 + 0.5) / count as f64).collect()
    }

    fn more_likely(one: &[f64], than: &[f64]) -> f64 {
        log_likelihood(&even(one)) - log_likelihood(&even(than))
    }

    /// Logarithms of ratios of likelihoods by NumPy's trapezoidal rule on 200 001 logarithms of rates, from 0.5 / √2 to 2048 √2.
    #[test]
    fn the_sum_over_rates_is_close_to_the_integral() {
        let mixed = [&[0.001; 3][..], &uniform(24)].concat();
        let later = [&[0.2; 3][..], &uniform(24)].concat();
        let found = [
            more_likely(&[0.01, 0.05], &[0.2, 0.3]),
            more_likely(&[0.02; 10], &[0.04; 10]),
            more_likely(&mixed, &later),
            more_likely(&mixed, &uniform(27)),
        ];
        for (found, expected) in found.into_iter().zip([4.151646, 6.688565, 5.355299, 5.755446]) {
            assert!((found - expected).abs() < 0.02, "{found} instead of {expected}");
        }
    }

    #[test]
    fn fewer_rows_above_are_more_likely() {
        for count in [1, 2, 10, 100] {
            let at = |share: f64| log_likelihood(&even(&vec![share; count]));
            assert!([0.8, 0.4, 0.2, 0.1, 0.05, 0.01].map(at).is_sorted(), "{count}");
        }
    }

    /// Among many labels that rank as any row, a few that rank first are worth more than that all rank a little higher.
    #[test]
    fn a_few_clear_anomalies_decide_among_wrong_labels() {
        let few = [&[0.001; 4][..], &uniform(30)].concat();
        let all: Vec<f64> = uniform(34).into_iter().map(|share| 0.8 * share).collect();
        assert!(few.iter().sum::<f64>() > all.iter().sum::<f64>());
        assert!(more_likely(&few, &all) > 3.0, "{}", more_likely(&few, &all));
    }

    #[test]
    fn an_anomaly_that_does_not_count_changes_nothing() {
        let shares = [(0.01, 1.0), (0.3, 0.5)];
        let with = [(0.01, 1.0), (0.3, 0.5), (2.0, 0.0)];
        assert_eq!(log_likelihood(&shares), log_likelihood(&with));
        assert!(log_likelihood(&[]).is_finite() && log_likelihood(&[(2.0, 1.0); 2000]).is_finite());
    }

    /// The first and the last probability by NumPy's trapezoidal rule on 200 001 logarithms of rates, from 0.5 / √2 to 2048 √2. Only in the
    /// first case are most labels wrong and some clear. In others half are, or the anomalies are hard to see.
    #[test]
    fn labels_are_doubted_where_most_are_wrong() {
        let powers = |count: usize, power: f64| uniform(count).into_iter().map(|share| share.powf(power)).collect();
        for (shares, expected) in [
            ([&[0.001; 4][..], &uniform(16)].concat(), [0.015790, 0.981928]),
            ([&[0.001; 10][..], &uniform(10)].concat(), [0.000920, 0.135029]),
            (uniform(20), [0.043299, 0.070148]),
            (powers(50, 1.5), [0.028889, 0.096866]),
            (powers(20, 4.0), [0.006423, 0.364423]),
            (vec![0.001; 20], [0.0; 2]),
        ] {
            let found = wrong_where_most_are(&shares);
            for (found, expected) in [found[0], found[shares.len() - 1]].into_iter().zip(expected) {
                assert!((found - expected).abs() < 0.02, "{shares:?}: {found} instead of {expected}");
            }
            assert!(found.is_sorted(), "{shares:?}: {found:?}");
        }
        assert!(wrong_where_most_are(&[]).is_empty());
        assert!(wrong_where_most_are(&[1.0; 2000]).iter().all(|doubt| (0.0..=1.0).contains(doubt)));
    }

    /// Half of the shares are small and half are those of any rows; a few of the small ones are larger. Alternating shares are never alike.
    #[test]
    fn many_anomalies_that_rank_alike_are_taken_together() {
        let shares = |moved: usize| -> Vec<(f64, f64)> {
            let share = |at: usize| match at {
                0..500 if at < 500 - moved => (at + 1) as f64 / 1e6,
                0..500 => 0.02,
                _ => (at as f64 - 499.5) / 500.0,
            };
            (0..1000).map(|at| (share(at), if at % 2 == 0 { 1.0 } else { 0.8 })).collect()
        };
        let apart = |anomalies: &[(f64, f64)]| -> Vec<(f64, f64)> {
            (0..1000).map(|at| anomalies[at / 2 + at % 2 * 500]).collect()
        };
        let [few, none] = [shares(5), shares(0)];
        assert!(grouped(&few).len() < 40 && grouped(&apart(&few)).len() == 1000);
        let together = log_likelihood(&few) - log_likelihood(&none);
        let exact = log_likelihood(&apart(&few)) - log_likelihood(&apart(&none));
        assert!(exact < -10.0 && (together - exact).abs() < 0.02 * exact.abs(), "{together} instead of {exact}");
    }
}
