//! How likely the ranks of labelled anomalies are under some weights of the groups.
//!
//! The share of rows above a labelled anomaly comes from an exponential distribution, whose rate is unknown and the same for all of them. With
//! a wrong label it comes from a uniform one, as that of any row. Each label is wrong with the same unknown probability, most likely 0.
//! A few anomalies that rank first then decide, even if many labels rank as any row.

/// The usual rate: half of all anomalies rank above about 91 % of the rows.
const USUAL: f64 = 8.0;
/// The prior standard deviation of the rate's natural logarithm.
const SPREAD: f64 = 2.0;
/// The lowest rate of the sum over rates, and the number of rates, each twice the one before.
const LOWEST: f64 = 0.5;
const RATES: i32 = 13;
/// The probabilities above 0 that a label is wrong. They have the prior probability [`ANY_WRONG`] together, each the same part of it.
const WRONG: [f64; 6] = [0.05, 0.15, 0.3, 0.5, 0.7, 0.85];
const ANY_WRONG: f64 = 0.05;

/// The logarithm of the likelihood of shares, up to a constant. `anomalies` has for each one the share of rows above it, in ascending or
/// descending order, and how much it counts, from 0 to 1.
///
/// With confirmed normals a share is a sum of two, from 0 to 2. The densities are used as they are; they are then not normalised.
pub(super) fn log_likelihood(anomalies: &[(f64, f64)]) -> f64 {
    // There are no more different shares than rows that they are counted in.
    let equal = anomalies.chunk_by(|one, other| one.0 == other.0);
    let anomalies: Vec<(f64, f64)> =
        equal.map(|group| (group[0].0, group.iter().map(|(_, counts)| counts).sum())).collect();
    let mut logs = Vec::with_capacity(RATES as usize * (WRONG.len() + 1));
    for doublings in 0..RATES {
        let rate = LOWEST * 2f64.powi(doublings);
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

    /// Anomalies with equal shares are summed at once. Alternating shares are never next to each other.
    #[test]
    fn anomalies_with_equal_shares_count_as_often_as_they_are() {
        let halves = [&[(0.0, 1.0); 900][..], &[(0.3, 0.5); 900]].concat();
        let apart: Vec<(f64, f64)> = (0..1800).map(|at| halves[at % 2 * 900]).collect();
        let [together, apart] = [&halves, &apart].map(|anomalies| log_likelihood(anomalies));
        assert!((together - apart).abs() < 1e-9 * apart.abs(), "{together} {apart}");
        assert!((together - log_likelihood(&[(0.0, 1.0), (0.3, 0.5)])).abs() > 100.0);
    }
}
