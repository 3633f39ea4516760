//! How likely the ranks of labelled anomalies are under some weights of the groups.
//!
//! The share of rows above a labelled anomaly comes from an exponential distribution, whose rate is the same for all of them and unknown. With
//! a wrong label it comes from a uniform one, as that of any row. Labels are wrong independently, and the probability of that is unknown;
//! most likely it is 0. So where many anomalies rank as any row, the few that rank first decide.

/// The usual rate: half of all anomalies rank above about 91 % of the rows.
const USUAL: f64 = 8.0;
/// The prior standard deviation of the rate's natural logarithm.
const SPREAD: f64 = 2.0;
/// The lowest rate of the sum over rates, and the number of rates, each twice the one before.
const LOWEST: f64 = 0.5;
const RATES: i32 = 13;
/// Probabilities that a label is wrong, besides 0, and the prior probability of all of them together. Each has the same.
const WRONG: [f64; 6] = [0.05, 0.15, 0.3, 0.5, 0.7, 0.85];
const ANY_WRONG: f64 = 0.05;
/// Of more anomalies than this, those that rank alike are taken together.
const MOST: usize = 256;

/// The logarithm of the likelihood of shares, but for a constant. `anomalies` has for each one the share of rows above it, in ascending or
/// descending order, and how much it counts, from 0 to 1.
pub(super) fn log_likelihood(anomalies: &[(f64, f64)]) -> f64 {
    let anomalies = grouped(anomalies);
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

/// At most [`MOST`] shares that stand for all of them, each with the sum of what those count.
fn grouped(anomalies: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = anomalies.len().div_ceil(MOST).max(1);
    if size == 1 {
        return anomalies.to_vec();
    }
    let together = |group: &[(f64, f64)]| {
        let counts: f64 = group.iter().map(|(_, counts)| counts).sum();
        let sum: f64 = group.iter().map(|(share, counts)| share * counts).sum();
        (if counts > 0.0 { sum / counts } else { 0.0 }, counts)
    };
    anomalies.chunks(size).map(together).collect()
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

    #[test]
    fn many_anomalies_are_taken_together_where_they_rank_alike() {
        let shares =
            |count: usize| -> Vec<f64> { uniform(count).into_iter().map(|share| share * share / 4.0).collect() };
        let one = |shares: &[f64]| more_likely(shares, &vec![0.1; shares.len()]) / shares.len() as f64;
        assert!((one(&shares(256)) - one(&shares(3000))).abs() < 0.02);
    }
}
