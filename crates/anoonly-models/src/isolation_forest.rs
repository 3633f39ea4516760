//! Isolation forest: rows that random splits soon part from the others are anomalies.
//!
//! Liu, Ting and Zhou, "Isolation Forest", ICDM 2008.

mod trees;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use self::trees::{Forest, MOST_ROWS, NODE};
use crate::error::Checks;
use crate::host::{cells, parameter, tensor, unlabelled};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of an isolation forest. The score is the paper's, `2^(−E h(x)/c(ψ))`, between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IsolationForestConfig {
    /// Trees.
    pub trees: usize,
    /// Unlabelled rows that each tree is grown from, ψ; all of them where there are fewer.
    pub sample: usize,
}

impl Default for IsolationForestConfig {
    fn default() -> Self {
        Self { trees: 100, sample: 256 }
    }
}

impl Method for IsolationForestConfig {
    type Network<B: Backend> = IsolationForest<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "isolation-forest",
        title: "Isolation forest",
        kind: Kind::Unsupervised,
        source: "Liu, Ting, Zhou, ICDM 2008",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .at_least_one("trees", self.trees)
            .that((2..=MOST_ROWS).contains(&self.sample), "sample", self.sample, "from 2 to 8388608")
            .done()
    }

    fn weights(&self, _: usize, saved: &Shapes) -> usize {
        saved.entries("nodes").saturating_mul(NODE).saturating_add(saved.entries("sizes"))
    }

    fn blank<B: Backend>(&self, _: usize, saved: &Shapes, device: &B::Device) -> IsolationForest<B> {
        let zeros = |entries: usize| vec![0.0; entries];
        let (nodes, trees) = (saved.entries("nodes"), saved.entries("sizes"));
        IsolationForest {
            nodes: parameter(zeros(nodes * NODE), [nodes, NODE], device),
            sizes: parameter(zeros(trees), [trees], device),
        }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> IsolationForest<B> {
        let device = data.rows.device();
        let Forest { nodes, sizes } = Forest::grow(&unlabelled(data), data.columns(), self.trees, self.sample, rng);
        let (entries, trees) = (nodes.len() / NODE, sizes.len());
        IsolationForest { nodes: parameter(nodes, [entries, NODE], &device), sizes: parameter(sizes, [trees], &device) }
    }
}

/// The nodes of all trees, `[nodes, 4]`, and the number of each tree's, `[trees]`.
#[derive(Module, Debug)]
pub struct IsolationForest<B: Backend> {
    nodes: Param<Tensor<B, 2>>,
    sizes: Param<Tensor<B, 1>>,
}

impl<B: Backend> Network<B> for IsolationForest<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let forest = Forest { nodes: cells(self.nodes.val()), sizes: cells(self.sizes.val()) };
        let scores = cells(rows).chunks_exact(columns).map(|row| forest.score(row)).collect();
        tensor(scores, [count], &device)
    }
}
