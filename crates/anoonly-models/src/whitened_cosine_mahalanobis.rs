//! The strongest floor without any training: how far a row lies from the middle, and whether it lies where the labelled
//! anomalies do.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::covariance::Covariance;
use crate::error::Checks;
use crate::host;
use crate::normal_scores::{self, NormalScores};
use crate::whitened_cosine::{WhitenedCosine, WhitenedCosineConfig};
use crate::whitening::{self, Whitening};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is the sum of its [whitened cosine](crate::whitened_cosine) and its
/// [Mahalanobis distance](crate::mahalanobis), each as a normal score among the unlabelled training rows, so that neither
/// outweighs the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhitenedCosineMahalanobisConfig {
    /// Of the cosine: how many median eigenvalues are added to each.
    pub ridge: f64,
}

impl Default for WhitenedCosineMahalanobisConfig {
    fn default() -> Self {
        Self { ridge: WhitenedCosineConfig::default().ridge }
    }
}

impl Method for WhitenedCosineMahalanobisConfig {
    type Network<B: Backend> = WhitenedCosineMahalanobis<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "whitened-cosine-mahalanobis",
        title: "Whitened cosine + Mahalanobis",
        kind: Kind::Floor,
        source: "this project; Ledoit and Wolf 2004; van der Waerden 1952",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).not_negative("ridge", self.ridge).done()
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let cosine = whitening::weights(columns).saturating_add(columns);
        cosine.saturating_add(whitening::weights(columns)).saturating_add(2 * normal_scores::WEIGHTS)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> WhitenedCosineMahalanobis<B> {
        let covariance = Covariance::ledoit_wolf(&host::unlabelled(data), data.columns());
        let cosine = WhitenedCosine::new(&covariance, self.ridge, data);
        let whitening = Whitening::new(&covariance, 0.0, &data.rows.device());
        let rows = data.select(&data.unlabelled);
        let cosines = NormalScores::of(cosine.score(rows.clone()));
        let distances = NormalScores::of(squared_distance(&whitening, rows));
        WhitenedCosineMahalanobis { cosine, whitening, cosines, distances }
    }
}

/// Both parts, with the scale of each.
#[derive(Module, Debug)]
pub struct WhitenedCosineMahalanobis<B: Backend> {
    cosine: WhitenedCosine<B>,
    whitening: Whitening<B>,
    cosines: NormalScores<B>,
    distances: NormalScores<B>,
}

fn squared_distance<B: Backend>(whitening: &Whitening<B>, rows: Tensor<B, 2>) -> Tensor<B, 1> {
    whitening.apply(rows).square().sum_dim(1).squeeze_dim(1)
}

impl<B: Backend> Network<B> for WhitenedCosineMahalanobis<B> {
    /// As its cosine is not.
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let distances = squared_distance(&self.whitening, rows.clone());
        self.cosines.apply(self.cosine.score(rows)) + self.distances.apply(distances)
    }
}
