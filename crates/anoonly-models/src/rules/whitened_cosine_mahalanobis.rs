//! The strongest floor without any training: how far a row lies from the middle, and whether it lies where the labelled
//! anomalies do.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host;
use crate::rules::whitened_cosine::{WhitenedCosine, WhitenedCosineConfig};
use crate::tools::covariance::Covariance;
use crate::tools::normal_scores::{self, NormalScores, SavedNormalScores};
use crate::tools::whitening::{self, Whitening};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is the sum of its [whitened cosine](crate::rules::whitened_cosine) and its
/// [Mahalanobis distance](crate::rules::mahalanobis), each as a normal score among the unlabelled training rows, so that neither
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
        let scale = |values| SavedNormalScores::new(&NormalScores::of(&host::cells(values)), &data.rows.device());
        let cosines = scale(cosine.score(rows.clone()));
        let distances = scale(squared_distance(&whitening, rows));
        WhitenedCosineMahalanobis { cosine, whitening, cosines, distances }
    }
}

/// Both parts, with the scale of each.
#[derive(Module, Debug)]
pub struct WhitenedCosineMahalanobis<B: Backend> {
    cosine: WhitenedCosine<B>,
    whitening: Whitening<B>,
    cosines: SavedNormalScores<B>,
    distances: SavedNormalScores<B>,
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
        let device = rows.device();
        let distances = host::cells(squared_distance(&self.whitening, rows.clone()));
        let cosines = host::cells(self.cosine.score(rows));
        let (by_cosine, by_distance) = (self.cosines.read(), self.distances.read());
        let parts = cosines.into_iter().zip(distances);
        let scores = parts.map(|(cosine, distance)| by_cosine.of_value(cosine) + by_distance.of_value(distance));
        let scores: Vec<f32> = scores.collect();
        let shape = [scores.len()];
        host::tensor(scores, shape, &device)
    }
}
