//! Random forest: trees of the best splits between labelled anomalies and unlabelled rows.
//!
//! Breiman, "Random Forests", Machine Learning 2001.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host::{cells, tensor, unlabelled};
use crate::tools::trees::{self, Classes, SavedForest, Splits};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of a random forest. Both classes have the same weight in sum; a node is split by the best threshold in `√columns`
/// random columns, by the Gini impurity; the score of a row is the mean share of anomalies, by weight, at its ends.
///
/// Departs from scikit-learn where a tree is grown from more than 2^23 rows: it draws no more than so many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomForestConfig {
    /// Trees, each of rows drawn with replacement.
    pub trees: usize,
    /// Rows at an end of a tree at least.
    pub leaf: usize,
}

impl Default for RandomForestConfig {
    fn default() -> Self {
        Self { trees: 100, leaf: 1 }
    }
}

impl Method for RandomForestConfig {
    type Network<B: Backend> = RandomForest<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "random-forest",
        title: "Random forest",
        kind: Kind::FewLabels,
        source: "Breiman, Machine Learning 2001",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).at_least_one("trees", self.trees).at_least_one("leaf", self.leaf).done()
    }

    fn weights(&self, _: usize, saved: &Shapes) -> usize {
        trees::weights(&saved.within("forest"))
    }

    fn blank<B: Backend>(&self, _: usize, saved: &Shapes, device: &B::Device) -> RandomForest<B> {
        RandomForest { forest: SavedForest::blank(&saved.within("forest"), device) }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> RandomForest<B> {
        let classes = Classes { trees: self.trees, leaf: self.leaf, splits: Splits::Best };
        let anomalies = cells(data.select(&data.anomalies));
        let forest = classes.grow(&unlabelled(data), &anomalies, data.columns(), rng);
        RandomForest { forest: SavedForest::new(forest, &data.rows.device()) }
    }
}

/// Trees whose ends tell the share of anomalies.
#[derive(Module, Debug)]
pub struct RandomForest<B: Backend> {
    forest: SavedForest<B>,
}

impl<B: Backend> Network<B> for RandomForest<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let forest = self.forest.read();
        let scores = cells(rows).chunks_exact(columns).map(|row| forest.mean(row) as f32).collect();
        tensor(scores, [count], &device)
    }
}
