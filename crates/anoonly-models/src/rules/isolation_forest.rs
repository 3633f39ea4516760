//! Isolation forest: rows that random splits soon part from the others are anomalies.
//!
//! Liu, Ting and Zhou, "Isolation Forest", ICDM 2008.

mod trees;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host::{cells, tensor, unlabelled};
use crate::tools::trees::{self as forests, MOST_ROWS, SavedForest};
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
        forests::weights(&saved.within("forest"))
    }

    fn blank<B: Backend>(&self, _: usize, saved: &Shapes, device: &B::Device) -> IsolationForest<B> {
        IsolationForest { forest: SavedForest::blank(&saved.within("forest"), device) }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> IsolationForest<B> {
        let forest = trees::grow(&unlabelled(data), data.columns(), self.trees, self.sample, rng);
        IsolationForest { forest: SavedForest::new(forest, &data.rows.device()) }
    }
}

/// Trees whose ends tell the length of a path.
#[derive(Module, Debug)]
pub struct IsolationForest<B: Backend> {
    forest: SavedForest<B>,
}

impl<B: Backend> Network<B> for IsolationForest<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let forest = self.forest.read();
        let scores = cells(rows).chunks_exact(columns).map(|row| trees::score(&forest, row)).collect();
        tensor(scores, [count], &device)
    }
}
