//! COPOD: rows far out in the tails of their columns' distributions, joined as by an empirical copula.
//!
//! Li, Zhao, Botta, Ionescu and Hu, "COPOD: Copula-Based Outlier Detection", ICDM 2020.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::tools::tails::{self, Tail, Tails};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is the sum over its columns of the rarity of the tail that the column is skewed to, or of the mean rarity of both
/// tails where that is larger. A rarity is `−ln` of the share of values as far out. There is nothing to set.
///
/// Departs from the paper, which takes the largest of three sums over all columns, as PyOD does. What is scored is counted as one
/// more row beside the unlabelled ones and by itself; PyOD counts all rows that are scored together, so that the score of one
/// would depend on the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopodConfig {}

impl Method for CopodConfig {
    type Network<B: Backend> = Copod<B>;

    const INFO: MethodInfo =
        MethodInfo { name: "copod", title: "COPOD", kind: Kind::Unsupervised, source: "Li et al., ICDM 2020" };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        tails::weights(columns, saved)
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Copod<B> {
        Copod { tails: Tails::blank(columns, saved, device) }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Copod<B> {
        Copod { tails: Tails::of(data) }
    }
}

/// The distribution of each column.
#[derive(Module, Debug)]
pub struct Copod<B: Backend> {
    tails: Tails<B>,
}

impl<B: Backend> Network<B> for Copod<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.tails.score(rows, |Tail { left, right, skewed }| skewed.max((left + right) / 2.0))
    }
}
