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

/// The logarithm of the likelihood of shares, up to a constant. `anomalies` has for each one the share of rows above it, in ascending or
/// descending order, and how much it counts, from 0 to 1.
///
/// With confirmed normals a share is a sum of two, from 0 to 2. The densities are used as they are; they are then not normalised.
pub(super) fn log_likelihood(anomalies: &[(f64, f64)]) -> f64 {
    let anomalies = grouped(anomalies);
    let mut logs = Vec::with_capacity(RATES as usize * (WRONG.len() + 1));
    for step in 0..RATES {
        let rate = LOWEST * (f64::from(step) / 4.0).exp2();
        let prior = -((rate / USUAL).ln() / SPREAD).powi(2) / 2.0;
        let right: f64 = anomalies.iter().map(|(share, counts)| counts * (rate.ln() - rate * share)).sum();
        logs.push(prior + (1.0 - ANY_WRONG).ln() + right);
        let densities: Vec<f64> = anomalies.iter().map(|(share, _)| rate * (-rate * share).exp()).collect();
        for wrong in WRONG {
            let mixed = densities.iter().zip(&anomalies);
            let mixed: f64 = mixed.map(|(density, (_, counts))| counts * ((1.0 - wrong) * density + wrong).ln()).sum();
            logs.push(prior + (ANY_WRONG / WRONG.len() as f64).ln() + mixed);
        }
    }
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln()
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
