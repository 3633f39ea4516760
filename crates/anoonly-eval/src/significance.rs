//! Comparison of methods over many data sets (Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR
//! 2006).

mod nemenyi;
mod ranks;
mod wilcoxon;

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor};

use crate::StatisticsError;
use crate::multiple::holm_checked;
use ranks::mid_ranks;

pub use nemenyi::critical_difference;
pub use wilcoxon::{Wilcoxon, wilcoxon};

/// A value for each method on each data set; higher is better.
///
/// The tests assume independent data sets. Data sets of one family are not independent: average them first, and compare methods on
/// families.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// One row of values for each data set.
    values: Vec<Vec<f64>>,
    /// The ranks of each row.
    ranks: Vec<Vec<f64>>,
    methods: usize,
}

/// Friedman's test of whether all methods are equally good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Friedman {
    /// Friedman's statistic, corrected for ties; 0 if all methods tie everywhere.
    pub chi_square: f64,
    /// Its p-value, from χ² with methods − 1 degrees of freedom.
    pub p_value: f64,
    /// The statistic of Iman and Davenport; infinite if all data sets rank the methods in the same order.
    pub f: f64,
    /// Its p-value, from F with methods − 1 and (methods − 1)(sets − 1) degrees of freedom. It is less conservative than `p_value`,
    /// and Demšar recommends it.
    pub f_p_value: f64,
}

/// The numbers of data sets on which one method beats another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WinTieLoss {
    /// Data sets on which the first method is better.
    pub wins: usize,
    /// Data sets on which neither method is better.
    pub ties: usize,
    /// Data sets on which the second method is better.
    pub losses: usize,
}

/// Two methods and the test of their difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PairTest {
    /// The first method.
    pub first: usize,
    /// The second method.
    pub second: usize,
    /// The test of first minus second.
    pub test: Wilcoxon,
    /// The p-value after Holm's correction for all pairs tested together.
    pub adjusted_p_value: f64,
}

impl Comparison {
    /// A comparison of `values[set][method]`.
    ///
    /// # Errors
    /// When there are fewer than two methods or data sets, the data sets have different numbers of values, or a value is NaN or
    /// infinite.
    pub fn new(values: Vec<Vec<f64>>) -> Result<Self, StatisticsError> {
        let methods = values.first().map_or(0, Vec::len);
        if values.len() < 2 {
            return Err(StatisticsError::TooFewSets { sets: values.len() });
        }
        if methods < 2 {
            return Err(StatisticsError::TooFewMethods { methods });
        }
        for (set, row) in values.iter().enumerate() {
            if row.len() != methods {
                return Err(StatisticsError::Ragged { set: set + 1, values: row.len(), methods });
            }
            if let Some(method) = row.iter().position(|value| !value.is_finite()) {
                return Err(StatisticsError::NotFinite { set: set + 1, method: method + 1 });
            }
        }
        let ranks = values.iter().map(|row| mid_ranks(row.iter().map(|value| -value)).ranks).collect();
        Ok(Self { values, ranks, methods })
    }

    /// The number of methods.
    pub fn methods(&self) -> usize {
        self.methods
    }

    /// The number of data sets.
    pub fn sets(&self) -> usize {
        self.values.len()
    }

    /// The rank of each method, averaged over the data sets. The best method has rank 1, and tied methods share the mean of their
    /// ranks.
    pub fn average_ranks(&self) -> Vec<f64> {
        (0..self.methods).map(|method| self.rank_sum(method) / self.sets() as f64).collect()
    }

    /// Friedman's test (Friedman 1937) with the correction for ties, and its form by Iman and Davenport (1980).
    ///
    /// χ² agrees with `scipy.stats.friedmanchisquare`. It is an approximation for about ten data sets and five methods or more.
    pub fn friedman(&self) -> Friedman {
        let (sets, methods) = (self.sets() as f64, self.methods as f64);
        // Conover's form of the statistic (Practical Nonparametric Statistics, 1999, section 5.8). Ranks are multiples of ½, so
        // both sums are exact, and so is their difference if all data sets agree.
        let expected = methods * (methods + 1.0).powi(2) / 4.0;
        let between = (0..self.methods).map(|m| self.rank_sum(m).powi(2)).sum::<f64>() - sets * sets * expected;
        let total = self.ranks.iter().flatten().map(|rank| rank * rank).sum::<f64>() - sets * expected;
        if total == 0.0 {
            return Friedman { chi_square: 0.0, p_value: 1.0, f: 0.0, f_p_value: 1.0 };
        }
        let chi_square = (methods - 1.0) * between / total;
        let f = (sets - 1.0) * between / (sets * total - between);
        let chi = ChiSquared::new(methods - 1.0).expect("there are two methods or more");
        let fisher = FisherSnedecor::new(methods - 1.0, (methods - 1.0) * (sets - 1.0))
            .expect("there are two methods and two data sets or more");
        Friedman { chi_square, p_value: chi.sf(chi_square), f, f_p_value: fisher.sf(f) }
    }

    /// The Wilcoxon signed-rank test of each pair of methods, with Holm's correction for the number of pairs. Choose
    /// the pairs before looking at the values.
    ///
    /// # Panics
    /// When a pair names a method that does not exist.
    pub fn wilcoxon(&self, pairs: &[(usize, usize)]) -> Vec<PairTest> {
        let tests: Vec<Wilcoxon> = pairs
            .iter()
            .map(|&(first, second)| {
                let differences: Vec<f64> = self.values.iter().map(|row| row[first] - row[second]).collect();
                wilcoxon::of_finite(&differences)
            })
            .collect();
        let adjusted = holm_checked(&tests.iter().map(|test| test.p_value).collect::<Vec<_>>());
        pairs
            .iter()
            .zip(tests)
            .zip(adjusted)
            .map(|((&(first, second), test), adjusted_p_value)| PairTest { first, second, test, adjusted_p_value })
            .collect()
    }

    /// Wins, ties and losses of the first method against the second. Values that differ by at most `tolerance` tie.
    ///
    /// # Panics
    /// When a method does not exist.
    pub fn wins(&self, first: usize, second: usize, tolerance: f64) -> WinTieLoss {
        let mut counts = WinTieLoss { wins: 0, ties: 0, losses: 0 };
        for row in &self.values {
            let gain = row[first] - row[second];
            if gain.abs() <= tolerance {
                counts.ties += 1;
            } else if gain > 0.0 {
                counts.wins += 1;
            } else {
                counts.losses += 1;
            }
        }
        counts
    }

    fn rank_sum(&self, method: usize) -> f64 {
        self.ranks.iter().map(|row| row[method]).sum()
    }
}
