//! COPOD: rows far out in the tails of their columns' distributions, combined like an empirical copula.
//!
//! Li, Zhao, Botta, Ionescu and Hu, "COPOD: Copula-Based Outlier Detection", ICDM 2020.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Combination, Graph};
use crate::tools::tails::{Tail, Tails};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// The score of a row is a sum over its columns: the rarity in the tail that the column is skewed to, or the mean rarity of both tails if
/// that is larger. A rarity is `−ln` of the share of values at least as far out. There are no options.
///
/// Departs from the paper, which takes the largest of three sums over all columns; PyOD also takes the largest column by column.
/// A row that is scored counts as one more row beside the unlabelled ones. PyOD counts all rows that are scored together, so that a
/// row's score would depend on the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopodConfig {}

impl Method for CopodConfig {
    const INFO: MethodInfo =
        MethodInfo { name: "copod", title: "COPOD", kind: MethodKind::Unsupervised, source: "Li et al., ICDM 2020" };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl RuleMethod for CopodConfig {
    type Fitted = Copod;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Copod {
        Copod { tails: Tails::of(data) }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Copod, String> {
        Ok(Copod { tails: Tails::restore(columns, &mut saved.part("tails"))? })
    }
}

/// The distribution of each column.
#[derive(Clone, Debug)]
pub struct Copod {
    tails: Tails,
}

impl FittedRule for Copod {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.tails.score(rows, |Tail { left, right, skewed }| skewed.max((left + right) / 2.0))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let [left, right, skewed] = self.tails.describe(&mut graph);
        let both = graph.combine(left, Combination::Sum, right);
        let mean = graph.affine(both, 0.5, 0.0);
        let larger = graph.combine(skewed, Combination::Larger, mean);
        let sum = graph.sum(larger);
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
        check_saving(&CopodConfig {}, &data(40, 3, 5), &names);
    }
}
