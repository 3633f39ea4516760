//! REPEN: a representation in which a nearest neighbour in a small sample of rows tells anomalies.
//!
//! Pang, Cao, Chen and Liu, "Learning Representations of Ultrahigh-dimensional Data for Random Distance-based Outlier Detection",
//! KDD 2018. The score is that of Pang, Ting and Albrecht, "LeSiNN: Detecting Anomalies by Identifying Least Similar Nearest
//! Neighbours", ICDM Workshops 2015.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::activation::{Activation, dense};
use crate::layers::host::{cells, parameter, places};
use crate::layers::init::{WeightInit, linear_weights};
use crate::network::{recipe_accessors, section};
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::tools::neighbours::Neighbours;
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// REPEN's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepenConfig {
    /// Width of the representation.
    pub width: usize,
    /// By how much a row's squared distance to an anomaly is to exceed that to an unlabelled row.
    pub margin: f64,
    /// Samples in which the nearest neighbour of a row is looked for.
    pub samples: usize,
    /// Unlabelled rows of each sample, drawn with replacement.
    pub sample: usize,
    /// How it is trained. A batch of `u` unlabelled rows and `a` labelled anomalies makes `min(u/2, a)` triplets.
    pub recipe: Recipe,
}

impl Default for RepenConfig {
    fn default() -> Self {
        Self {
            width: 20,
            margin: 1000.0,
            samples: 50,
            sample: 8,
            recipe: Recipe::new(
                Batches::Balanced { unlabelled: 512, anomalies: 256, steps: 20 },
                50,
                Optimiser::adam(1e-3, 0.0),
            ),
        }
    }
}

/// Added to squared distances under the root, so that a distance of zero has a gradient.
const GAP: f64 = 1e-12;
/// A bound on what a model file can ask for.
const MOST_ROWS: usize = 1 << 16;

impl Method for RepenConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "repen",
        title: "REPEN",
        kind: MethodKind::FewLabels,
        source: "Pang, Cao, Chen, Liu, KDD 2018",
    };

    fn check(&self) -> Result<(), ConfigError> {
        let rows = self.samples.saturating_mul(self.sample);
        Checks::of(Self::INFO.name)
            .at_least_one("width", self.width)
            .positive("margin", self.margin)
            .at_least_one("samples", self.samples)
            .at_least_one("sample", self.sample)
            .that(rows <= MOST_ROWS, "samples", self.samples, "such that all samples together are at most 65536 rows")
            .done()?;
        if let Batches::Balanced { unlabelled, anomalies, .. } = self.recipe.batches {
            let triplets = Checks::of(Self::INFO.name);
            triplets
                .that(unlabelled >= 2, "recipe.batches.unlabelled", unlabelled, "at least 2, for one triplet")
                .at_least_one("recipe.batches.anomalies", anomalies)
                .done()?;
        }
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for RepenConfig {
    type Network<B: Backend> = Repen<B>;

    recipe_accessors!();

    /// Each triplet holds a labelled anomaly: the loss has no part on normal rows that a strategy could leave out.
    fn takes_strategy(&self) -> bool {
        false
    }

    /// It has no normalisation layer.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let rows = self.samples.saturating_mul(self.sample);
        linear_weights(columns, self.width, true).saturating_add(columns.saturating_mul(rows))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Repen<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let layer = WeightInit::PytorchUniform.linear(columns, self.width, true, rng, &device);
        let draw = |_| data.unlabelled[rng.random_range(0..data.unlabelled.len())];
        let drawn: Vec<usize> = (0..self.samples * self.sample).map(draw).collect();
        let sampled = parameter(cells(data.select(&drawn)), [drawn.len(), columns], &device);
        Repen { layer, sampled, sample: self.sample, margin: self.margin }
    }
}

/// The representation `ReLU(Linear(x))` and the rows of all samples, `[rows, columns]`.
#[derive(Module, Debug)]
pub struct Repen<B: Backend> {
    layer: Linear<B>,
    sampled: Param<Tensor<B, 2>>,
    sample: usize,
    margin: f64,
}

impl<B: Backend> Repen<B> {
    fn represent(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        dense(rows, &self.layer, Activation::Relu)
    }
}

impl<B: Backend> Network<B> for Repen<B> {
    /// `max(0, m + ‖f(q) − f(p)‖² − ‖f(q) − f(a)‖²)` of triplets of two unlabelled rows and a labelled anomaly (equation 4 of the
    /// paper).
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let codes = batch.by_row(|rows| self.represent(rows));
        let none = Tensor::zeros([0], &codes.device());
        let triplets = (batch.unlabelled() / 2).min(batch.rows() - batch.unlabelled());
        if triplets == 0 {
            // Shuffled batches may hold no anomaly: the gradient is then to be zero and not missing.
            return LossTerms { normal: codes.mean_dim(1).squeeze_dim::<1>(1).mul_scalar(0.0), anomalous: none };
        }
        let [query, near, far] = [0, triplets, batch.unlabelled()].map(|start| section(codes.clone(), start, triplets));
        let squared = |other: Tensor<B, 2>| (query.clone() - other).square().sum_dim(1).squeeze_dim::<1>(1);
        LossTerms { normal: none, anomalous: relu((squared(near) - squared(far)).add_scalar(self.margin)) }
    }

    /// `f(x)`.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.represent(rows))
    }

    /// The distance to the nearest row of a sample, on average over the samples.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (codes, known) = (self.represent(rows), self.represent(self.sampled.val()));
        let (samples, width) = (known.dims()[0] / self.sample, known.dims()[1]);
        let asked = cells(codes.clone());
        let nearest = |sample: usize| -> Tensor<B, 1> {
            let known = known.clone().narrow(0, sample * self.sample, self.sample);
            let nearest = Neighbours::new(cells(known.clone()), width).of(&asked, 1).places;
            // Of the nearest row alone the distance is taken on the device, so that it has a gradient.
            let nearest = known.select(0, places(nearest.into_iter(), &codes.device()));
            (codes.clone() - nearest).square().sum_dim(1).add_scalar(GAP).sqrt().squeeze_dim(1)
        };
        let sum = (1..samples).fold(nearest(0), |sum, sample| sum + nearest(sample));
        sum.div_scalar(samples as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn_ndarray::NdArray;

    fn network() -> Repen<NdArray> {
        let rows = Tensor::from_data([[0.0, 1.0], [2.0, 0.5], [1.0, 1.0]], &Default::default());
        let data = TrainingData { rows, unlabelled: vec![0, 1], anomalies: vec![2] };
        RepenConfig { samples: 2, sample: 2, ..Default::default() }.init(&data, &mut Seed(3).stream(&[]))
    }

    fn code(network: &Repen<NdArray>, row: [f32; 2]) -> Vec<f32> {
        cells(network.represent(Tensor::from_data([row], &Default::default())))
    }

    fn squared(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
    }

    #[test]
    fn triplets_and_scores_are_those_worked_by_hand() {
        let network = network();
        let rows = [[0.2, 0.7], [0.9, 0.1], [0.4, 0.4], [3.0, -1.0], [5.0, 2.0]];
        let codes = rows.map(|row| code(&network, row));
        let batch = Batch::new(Tensor::from_data(rows, &Default::default()), 3);
        let LossTerms { normal, anomalous } = network.terms(&batch);
        assert_eq!(normal.dims(), [0]);
        // Three unlabelled rows make one triplet.
        let expected = 1000.0 + squared(&codes[0], &codes[1]) - squared(&codes[0], &codes[3]);
        let loss = cells(anomalous);
        assert!(loss.len() == 1 && (loss[0] - expected).abs() < 1e-3, "{loss:?}, not {expected}");

        let known: Vec<Vec<f32>> =
            cells(network.sampled.val()).chunks(2).map(|row| code(&network, [row[0], row[1]])).collect();
        let scores = cells(network.score(Tensor::from_data(rows, &Default::default())));
        for (code, score) in codes.iter().zip(scores) {
            let nearest = |sample: &[Vec<f32>]| {
                sample.iter().map(|known| squared(code, known).sqrt()).fold(f32::INFINITY, f32::min)
            };
            let expected = known.chunks(2).map(nearest).sum::<f32>() / 2.0;
            assert!((score - expected).abs() < 1e-5, "{score}, not {expected}");
        }
    }
}
