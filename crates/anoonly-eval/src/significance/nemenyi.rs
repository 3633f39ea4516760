//! The Nemenyi test of all pairs of methods by their average ranks.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::erfc;

use super::Comparison;

impl Comparison {
    /// The p-value of each pair of methods by the Nemenyi test (Nemenyi 1963), which corrects for the number of pairs;
    /// 1 on the diagonal.
    pub fn nemenyi(&self) -> Vec<Vec<f64>> {
        let ranks = self.average_ranks();
        let unit = standard_error(self.methods(), self.sets());
        ranks
            .iter()
            .map(|a| ranks.iter().map(|b| range_tail((a - b).abs() / unit * SQRT_2, self.methods())).collect())
            .collect()
    }

    /// The bars of a critical-difference diagram (Demšar 2006, figure 1): the maximal groups of methods whose average ranks all differ
    /// by less than the [critical difference](critical_difference). Groups, and the methods in a group, are sorted by average rank,
    /// best first. A method that differs from all others is in no group.
    ///
    /// # Panics
    /// When `alpha` is not between 0 and 1.
    pub fn groups(&self, alpha: f64) -> Vec<Vec<usize>> {
        let critical = critical_difference(self.methods(), self.sets(), alpha);
        let ranks = self.average_ranks();
        let mut order: Vec<usize> = (0..self.methods()).collect();
        order.sort_by(|&a, &b| ranks[a].total_cmp(&ranks[b]));
        let mut groups = Vec::new();
        let mut covered = 0;
        for (start, &best) in order.iter().enumerate() {
            let end = order.partition_point(|&method| ranks[method] - ranks[best] < critical);
            // A group that ends where an earlier one ends is a part of it.
            if end > covered && end - start > 1 {
                groups.push(order[start..end].to_vec());
                covered = end;
            }
        }
        groups
    }
}

/// The smallest difference of average ranks that is significant at level `alpha`, such as 0.05, by the Nemenyi test:
/// q √(k(k+1)/6n) for k methods and n data sets, with q the upper quantile of the studentized range of k values over √2
/// (Demšar 2006, section 3.2).
///
/// # Panics
/// When there are fewer than two methods or no data sets, or `alpha` is not between 0 and 1.
pub fn critical_difference(methods: usize, sets: usize, alpha: f64) -> f64 {
    assert!(methods >= 2 && sets > 0, "two methods and a data set are needed");
    assert!(alpha > 0.0 && alpha < 1.0, "alpha must be between 0 and 1");
    range_quantile(alpha, methods) / SQRT_2 * standard_error(methods, sets)
}

/// The standard error of the difference of two average ranks.
fn standard_error(methods: usize, sets: usize) -> f64 {
    let k = methods as f64;
    (k * (k + 1.0) / (6.0 * sets as f64)).sqrt()
}

/// The probability that `k` standard normal values span `q` or more: the upper tail of the studentized range with
/// infinitely many degrees of freedom. Relative error below 1e-10.
///
/// If the highest value is z, all others are below z, and not all of them are above z − q:
/// k ∫ φ(z) (Φ(z)ᵏ⁻¹ − (Φ(z) − Φ(z−q))ᵏ⁻¹) dz.
fn range_tail(q: f64, k: usize) -> f64 {
    /// For this integrand the trapezoidal rule converges faster than any power of the step.
    const STEPS_PER_UNIT: i32 = 32;
    if q == 0.0 {
        return 1.0;
    }
    let others = (k - 1) as f64;
    let cdf = |z: f64| erfc(-z / SQRT_2) / 2.0;
    let sum: f64 = (-8 * STEPS_PER_UNIT..=40 * STEPS_PER_UNIT)
        .map(|step| {
            let z = f64::from(step) / f64::from(STEPS_PER_UNIT);
            let below = cdf(z);
            // The difference of the two powers, without cancellation for small differences.
            let gap = -(others * (-cdf(z - q) / below).ln_1p()).exp_m1();
            (-z * z / 2.0).exp() * below.powf(others) * gap
        })
        .sum();
    (k as f64 * sum / (f64::from(STEPS_PER_UNIT) * (2.0 * PI).sqrt())).min(1.0)
}

/// The span that `k` standard normal values reach with probability `tail`.
fn range_quantile(tail: f64, k: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while range_tail(high, k) > tail {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high || high - low < 1e-13 * high {
            return middle;
        }
        if range_tail(middle, k) > tail { low = middle } else { high = middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_two_values_is_a_folded_normal() {
        for q in [0.0, 0.01, 0.5, 2.0, 5.0, 12.0, 30.0] {
            let (ours, exact) = (range_tail(q, 2), erfc(q / 2.0));
            assert!((ours / exact - 1.0).abs() < 1e-10, "{q}: {ours} is not {exact}");
        }
    }
}
