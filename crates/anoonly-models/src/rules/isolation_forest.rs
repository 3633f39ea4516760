//! Isolation forest: a row that few random splits separate from the others is an anomaly.
//!
//! Liu, Ting and Zhou, "Isolation Forest", ICDM 2008.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Value};
use crate::tools::trees::{Forest, MOST_ROWS, isolation};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of an isolation forest. The score is the paper's, `2^(−E h(x)/c(ψ))`, between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IsolationForestConfig {
    /// The number of trees.
    pub trees: usize,
    /// The number of unlabelled rows that each tree is grown from, ψ; all of them if there are fewer.
    pub sample: usize,
}

impl Default for IsolationForestConfig {
    fn default() -> Self {
        Self { trees: 100, sample: 256 }
    }
}

impl Method for IsolationForestConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "isolation-forest",
        title: "Isolation forest",
        kind: MethodKind::Unsupervised,
        source: "Liu, Ting, Zhou, ICDM 2008",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .parts("trees", self.trees)
            .that((2..=MOST_ROWS).contains(&self.sample), "sample", self.sample, "from 2 to 8388608")
            .done()
    }
}

impl RuleMethod for IsolationForestConfig {
    type Fitted = IsolationForest;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> IsolationForest {
        let others = data.others.iter().map(|&row| row as u32).collect();
        let forest = isolation::grow_from(others, &data.rows, data.columns, self.trees, self.sample, rng);
        IsolationForest { forest }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<IsolationForest, String> {
        let forest = Forest::restore(columns, self.trees..=self.trees, &mut saved.part("forest"))?;
        Ok(IsolationForest { forest })
    }
}

/// Trees with leaves that hold the lengths of their paths.
#[derive(Debug)]
pub struct IsolationForest {
    forest: Forest,
}

impl IsolationForest {
    /// Adds its steps to a graph.
    pub(crate) fn describe(&self, graph: &mut Graph) -> Value {
        isolation::describe(&self.forest, graph, Graph::ROWS)
    }
}

impl FittedRule for IsolationForest {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        isolation::scores(&self.forest, rows)
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        self.describe(&mut graph);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default().with_part("forest", self.forest.save())
    }
}
