//! Random forest: trees with the best splits between labelled anomalies and all other rows.
//!
//! Breiman, "Random Forests", Machine Learning 2001.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::tools::balance::ClassRows;
use crate::tools::trees::{Classes, Forest, MOST_ROWS, Splits};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of a random forest. Both classes have the same total weight; confirmed normals have half of that of
/// the rows that are no anomalies. A node is split at the best threshold in `√columns`
/// random columns, by the Gini impurity. The score of a row is the mean share of anomalies, by weight, in its leaves.
///
/// Differs from scikit-learn if there are more than 2^23 rows: a tree is grown from at most this number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomForestConfig {
    /// The number of trees. Each is grown from rows drawn with replacement.
    pub trees: usize,
    /// The smallest number of rows in a leaf.
    pub leaf: usize,
}

impl Default for RandomForestConfig {
    fn default() -> Self {
        Self { trees: 100, leaf: 1 }
    }
}

impl Method for RandomForestConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "random-forest",
        title: "Random forest",
        kind: MethodKind::FewLabels,
        source: "Breiman, Machine Learning 2001",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .parts("trees", self.trees)
            .that((1..=MOST_ROWS).contains(&self.leaf), "leaf", self.leaf, "from 1 to 8388608")
            .done()
    }
}

impl RuleMethod for RandomForestConfig {
    type Fitted = RandomForest;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> RandomForest {
        let classes = Classes { trees: self.trees, leaf: self.leaf, splits: Splits::Best };
        let (unlabelled, normals, anomalies) = (data.unlabelled_rows(), data.normal_rows(), data.anomalous_rows());
        let rows = ClassRows { unlabelled: &unlabelled, normals: &normals, anomalies: &anomalies };
        RandomForest { forest: classes.grow(rows, data.columns, rng) }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<RandomForest, String> {
        let forest = Forest::restore(columns, self.trees..=self.trees, &mut saved.part("forest"))?;
        Ok(RandomForest { forest })
    }
}

/// Trees with leaves that hold their shares of anomalies.
#[derive(Debug)]
pub struct RandomForest {
    forest: Forest,
}

impl FittedRule for RandomForest {
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
