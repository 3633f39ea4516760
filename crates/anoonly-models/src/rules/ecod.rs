//! ECOD: rows far out in the tails of their columns' distributions.
//!
//! Li, Zhao, Hu, Botta, Ionescu and Chen, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution
//! Functions", TKDE 2022.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::tools::tails::{self, Tail, Tails};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is the sum over its columns of the largest of three: the rarity of its left tail, of its right tail, and of the
/// tail that the column is skewed to. A rarity is `−ln` of the share of values as far out. There is nothing to set.
///
/// Departs from the paper, which compares the sums of the three over all columns, as PyOD does, which takes the largest column by
/// column. What is scored is counted as one more row beside the unlabelled ones and by itself; PyOD counts all rows that are
/// scored together, so that the score of one would depend on the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EcodConfig {}

impl Method for EcodConfig {
    type Network<B: Backend> = Ecod<B>;

    const INFO: MethodInfo =
        MethodInfo { name: "ecod", title: "ECOD", kind: Kind::Unsupervised, source: "Li et al., TKDE 2022" };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        tails::weights(columns, saved)
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Ecod<B> {
        Ecod { tails: Tails::blank(columns, saved, device) }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Ecod<B> {
        Ecod { tails: Tails::of(data) }
    }
}

/// The distribution of each column.
#[derive(Module, Debug)]
pub struct Ecod<B: Backend> {
    tails: Tails<B>,
}

impl<B: Backend> Network<B> for Ecod<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.tails.score(rows, |Tail { left, right, skewed }| left.max(right).max(skewed))
    }
}
