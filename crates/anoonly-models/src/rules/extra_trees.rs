//! Extremely randomised trees between labelled anomalies and all other rows.
//!
//! Geurts, Ernst and Wehenkel, "Extremely randomized trees", Machine Learning 2006.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::tools::balance::ClassRows;
use crate::tools::trees::{Classes, Forest, MOST_ROWS, Splits};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of extremely randomised trees. Each is grown from all rows. A node draws one threshold in each of `√columns` random
/// columns and takes the one with the lowest Gini impurity. Both classes have the same total weight; confirmed normals have half of that of
/// the rows that are no anomalies. The score of a row is the mean share of anomalies, by weight, in its leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtraTreesConfig {
    /// The number of trees.
    pub trees: usize,
    /// The smallest number of rows in a leaf.
    pub leaf: usize,
}

impl Default for ExtraTreesConfig {
    fn default() -> Self {
        Self { trees: 200, leaf: 2 }
    }
}

impl Method for ExtraTreesConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "extra-trees",
        title: "Extra trees",
        kind: MethodKind::FewLabels,
        source: "Geurts, Ernst, Wehenkel, Machine Learning 2006",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .parts("trees", self.trees)
            .that((1..=MOST_ROWS).contains(&self.leaf), "leaf", self.leaf, "from 1 to 8388608")
            .done()
    }
}

impl RuleMethod for ExtraTreesConfig {
    type Fitted = ExtraTrees;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> ExtraTrees {
        let classes = Classes { trees: self.trees, leaf: self.leaf, splits: Splits::Random };
        let (unlabelled, normals, anomalies) = (data.unlabelled_rows(), data.normal_rows(), data.anomalous_rows());
        let rows = ClassRows { unlabelled: &unlabelled, normals: &normals, anomalies: &anomalies };
        ExtraTrees { forest: classes.grow(rows, data.columns, rng) }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<ExtraTrees, String> {
        let forest = Forest::restore(columns, self.trees..=self.trees, &mut saved.part("forest"))?;
        Ok(ExtraTrees { forest })
    }
}

/// Trees with leaves that hold their shares of anomalies.
#[derive(Debug)]
pub struct ExtraTrees {
    forest: Forest,
}

impl FittedRule for ExtraTrees {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.forest.scores(rows)
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let mean = self.forest.describe_mean(&mut graph, Graph::ROWS);
        graph.narrow(mean);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default().with_part("forest", self.forest.save())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    /// The rows of `xtask/golden/golden_trees.py`: 150 rows with four columns from a fixed sequence. The last 30 are anomalies, with
    /// slightly higher values, and the 20 before them are confirmed as normal if `confirmed`.
    fn data(confirmed: bool) -> RuleData {
        let mut state = 1u64;
        let mut next = || {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            (state >> 7) as f32 / (1 << 24) as f32
        };
        let cells = (0..600).map(|cell| next() + if cell >= 480 { 0.25 } else { 0.0 });
        RuleData {
            rows: cells.collect(),
            columns: 4,
            others: (0..120).collect(),
            anomalies: (120..150).collect(),
            normals: if confirmed { (100..120).collect() } else { Vec::new() },
        }
    }

    /// Eight new rows on a diagonal and beside it.
    const ASKED: [[f32; 4]; 8] = [
        [0.1, 0.1, 0.1, 0.1],
        [0.5, 0.5, 0.5, 0.5],
        [0.6, 0.6, 0.6, 0.6],
        [0.8, 0.8, 0.8, 0.8],
        [1.1, 1.1, 1.1, 1.1],
        [0.1, 0.9, 0.3, 1.2],
        [1.0, 0.2, 0.9, 0.4],
        [0.4, 1.1, 1.1, 0.4],
    ];

    /// Figures from `xtask/golden/golden_trees.py`. Both sides average 4000 trees. In a fully grown tree a row's share is almost always 0
    /// or 1, so that the standard error of a difference is at most √(2 · 0.25 / 4000) = 0.011.
    #[test]
    fn shares_agree_with_scikit_learn() {
        let method = ExtraTreesConfig { trees: 4000, leaf: 1 };
        for (confirmed, expected) in [(false, BALANCED), (true, CONFIRMED)] {
            let fitted = method.fit(&data(confirmed), &mut Seed(1).stream(&[]));
            for (ours, theirs) in fitted.score(RowBlock::new(&ASKED.concat(), 4)).into_iter().zip(expected) {
                assert!((ours - theirs).abs() < 4.0 * 0.0112, "{ours}, but scikit-learn says {theirs}");
            }
        }
    }

    const BALANCED: [f32; 8] = [0.0000, 0.0343, 0.1412, 0.1045, 0.9920, 0.4592, 0.2323, 0.6385];
    const CONFIRMED: [f32; 8] = [0.0000, 0.0382, 0.1370, 0.1095, 0.9920, 0.4650, 0.2193, 0.6597];
}
