//! ECOD: rows far out in the tails of their columns' distributions.
//!
//! Li, Zhao, Hu, Botta, Ionescu and Chen, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution
//! Functions", TKDE 2022.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Combination, Graph};
use crate::tools::tails::{Tail, Tails};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// The score of a row is a sum over its columns: the largest of the rarity in the left tail, the rarity in the right tail, and the
/// rarity in the tail that the column is skewed to. A rarity is `−ln` of the share of values at least as far out. There are no options.
///
/// Departs from the paper, which takes the largest of three sums over all columns; PyOD also takes the largest column by column.
/// A row that is scored counts as one more row beside the unlabelled ones. PyOD counts all rows that are scored together, so that a
/// row's score would depend on the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EcodConfig {}

impl Method for EcodConfig {
    const INFO: MethodInfo =
        MethodInfo { name: "ecod", title: "ECOD", kind: MethodKind::Unsupervised, source: "Li et al., TKDE 2022" };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl RuleMethod for EcodConfig {
    type Fitted = Ecod;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Ecod {
        Ecod { tails: Tails::of(data) }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Ecod, String> {
        Ok(Ecod { tails: Tails::restore(columns, &mut saved.part("tails"))? })
    }
}

/// The distribution of each column.
#[derive(Clone, Debug)]
pub struct Ecod {
    tails: Tails,
}

impl FittedRule for Ecod {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.tails.score(rows, |Tail { left, right, skewed }| left.max(right).max(skewed))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let [left, right, skewed] = self.tails.describe(&mut graph);
        let larger = graph.combine(left, Combination::Larger, right);
        let largest = graph.combine(larger, Combination::Larger, skewed);
        let sum = graph.sum(largest);
        graph.narrow(sum);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default().with_part("tails", self.tails.save())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{check_saving, data};

    #[test]
    fn saved_distributions_score_the_same_bits() {
        let names: [(&str, &[usize]); 2] = [("tails.skews", &[5]), ("tails.sorted", &[40, 5])];
        check_saving(&EcodConfig {}, &data(40, 3, 5), &names);
    }
}
