//! The Wilcoxon signed-rank test.

use std::f64::consts::SQRT_2;

use serde::Serialize;
use statrs::function::erf::erfc;

use super::ranks::mid_ranks;
use crate::StatisticsError;

/// The result of a two-sided signed-rank test of whether paired differences are centred on 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Wilcoxon {
    /// The smaller of the rank sums of positive and of negative differences.
    pub statistic: f64,
    /// The p-value.
    pub p_value: f64,
    /// The number of differences other than 0.
    pub nonzero: usize,
    /// Whether the p-value is exact; otherwise it comes from the normal approximation.
    pub exact: bool,
}

/// The signed-rank test (Wilcoxon 1945), two-sided, by the rules of `scipy.stats.wilcoxon` with its default options:
///
/// - Differences of 0 are left out (`zero_method="wilcox"`); equal differences share their mean rank.
/// - The p-value is exact, from all assignments of signs to the ranks, for up to 50 differences without ties and zeros, and for up to
///   13 with them.
/// - Otherwise it is the normal approximation with the variance corrected for ties, without continuity correction.
///
/// If all differences are 0, the p-value is 1.
///
/// # Errors
/// When there are no differences, or a difference is NaN or infinite.
pub fn wilcoxon(differences: &[f64]) -> Result<Wilcoxon, StatisticsError> {
    if differences.is_empty() {
        return Err(StatisticsError::NoValues);
    }
    if let Some(place) = differences.iter().position(|difference| !difference.is_finite()) {
        return Err(StatisticsError::NotFiniteDifference { place: place + 1 });
    }
    Ok(of_finite(differences))
}

pub(super) fn of_finite(differences: &[f64]) -> Wilcoxon {
    let nonzero: Vec<f64> = differences.iter().copied().filter(|&difference| difference != 0.0).collect();
    let mid = mid_ranks(nonzero.iter().map(|difference| difference.abs()));
    let positive: f64 = mid.ranks.iter().zip(&nonzero).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let all: f64 = mid.ranks.iter().sum();
    let statistic = positive.min(all - positive);
    let regular = mid.tie_term == 0.0 && nonzero.len() == differences.len();
    let exact = differences.len() <= if regular { 50 } else { 13 };
    let p_value = if nonzero.is_empty() {
        1.0
    } else if exact {
        (2.0 * lower_tail(&mid.ranks, statistic)).min(1.0)
    } else {
        let n = nonzero.len() as f64;
        let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - mid.tie_term / 2.0) / 24.0;
        erfc((all / 2.0 - statistic) / variance.sqrt() / SQRT_2)
    };
    Wilcoxon { statistic, p_value, nonzero: nonzero.len(), exact }
}

/// The share of the subsets of at most 50 ranks whose sum is at most `bound`.
fn lower_tail(ranks: &[f64], bound: f64) -> f64 {
    // Mid-ranks are multiples of ½, so sums of doubled ranks are indices. Counts stay below 2⁵³ and are exact in f64.
    let bound = (2.0 * bound) as usize;
    let mut ways = vec![0.0; bound + 1];
    ways[0] = 1.0;
    for rank in ranks {
        let rank = (2.0 * rank) as usize;
        for sum in (rank..=bound).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    ways.iter().sum::<f64>() / (ranks.len() as f64).exp2()
}
