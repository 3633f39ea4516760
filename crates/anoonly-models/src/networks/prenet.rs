//! PReNet: a network that scores pairs of rows by how many anomalies they hold.
//!
//! Pang, Shen, Jin and van den Hengel, "Deep Weakly-supervised Anomaly Detection", KDD 2023.

use std::ops::Range;

mod direct;

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::activation::{Activation, dense};
use crate::layers::host::{cells, matrix};
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::section;
use crate::recipe::{Augmentation, Batches, EpsilonAt, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// PReNet's configuration. The defaults are those of the AnoOnly paper's host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PReNetConfig {
    /// Width of the representation of a row.
    pub width: usize,
    /// What stands after the representation's ReLU.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The score a pair of two labelled anomalies is pulled to. A pair of an anomaly and an unlabelled row is pulled to
    /// `mixed_target`, a pair of unlabelled rows to 0.
    pub anomalous_target: f64,
    /// The score a pair of a labelled anomaly and an unlabelled row is pulled to.
    pub mixed_target: f64,
    /// How it is trained. A batch of `u` unlabelled rows and `a` labelled anomalies makes `min(a/3, u)` mixed pairs; the
    /// other rows are paired with their like.
    pub recipe: Recipe,
}

impl Default for PReNetConfig {
    fn default() -> Self {
        Self {
            width: 20,
            norm: Norm::None,
            norm_settings: NormSettings { epsilon: 1e-5, keep: 0.9 },
            anomalous_target: 8.0,
            mixed_target: 4.0,
            recipe: Recipe {
                // 512 pairs: a quarter of two anomalies, a quarter mixed, half of two unlabelled rows.
                batches: Batches::Balanced { unlabelled: 640, anomalies: 384, steps: 20 },
                epochs: 50,
                optimiser: Optimiser::RmsProp {
                    learning_rate: 1e-3,
                    decay: 0.99,
                    epsilon: 1e-8,
                    epsilon_at: EpsilonAt::OutsideRoot,
                    weight_decay: 1e-2,
                },
                schedule: Schedule::Cosine { to: 1e-5 },
                keep: Keep::Last,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

impl Method for PReNetConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "prenet",
        title: "PReNet",
        kind: MethodKind::FewLabels,
        source: "Pang, Shen, Jin, van den Hengel, KDD 2023",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .at_least_one("width", self.width)
            .norm(self.norm_settings)
            .positive("anomalous_target", self.anomalous_target)
            .positive("mixed_target", self.mixed_target)
            .done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for PReNetConfig {
    type Network<B: Backend> = PReNet<B>;

    fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    fn recipe_mut(&mut self) -> &mut Recipe {
        &mut self.recipe
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let feature = linear_weights(columns, self.width, true).saturating_add(self.norm.weights(self.width));
        // The weights of a pair and their bias, and the offset.
        feature.saturating_add(self.width.saturating_mul(2)).saturating_add(2)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> PReNet<B> {
        let device = data.rows.device();
        let feature = WeightInit::PytorchUniform.linear(data.columns(), self.width, true, rng, &device);
        PReNet {
            feature,
            norm: NormLayer::new(self.norm, self.width, self.norm_settings, &device),
            pair: WeightInit::PytorchUniform.linear(2 * self.width, 1, true, rng, &device),
            offset: Param::initialized(ParamId::new(), Tensor::zeros([1], &device)),
            anomalous_target: self.anomalous_target,
            mixed_target: self.mixed_target,
        }
    }
}

/// PReNet's network: `f(x) = norm(ReLU(Linear(x)))`, and a linear score of `[f(x), f(x′)]`.
#[derive(Module, Debug)]
pub struct PReNet<B: Backend> {
    pub(crate) feature: Linear<B>,
    pub(crate) norm: NormLayer<B>,
    pub(crate) pair: Linear<B>,
    /// What is added to a row's own share to make it its expected score, `[1]`.
    offset: Param<Tensor<B, 1>>,
    pub(crate) anomalous_target: f64,
    pub(crate) mixed_target: f64,
}

/// The pairs that a batch makes, in this order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs {
    /// Pairs of two anomalies.
    pub anomalies: usize,
    /// Pairs of an anomaly and an unlabelled row.
    pub mixed: usize,
    /// Pairs of two unlabelled rows.
    pub unlabelled: usize,
    /// Unlabelled rows of the batch, behind which its anomalies stand.
    start: usize,
}

impl Pairs {
    /// Of so many rows, of which the first `unlabelled` are unlabelled.
    pub fn of(rows: usize, unlabelled: usize) -> Self {
        let anomalies = rows - unlabelled;
        let mixed = (anomalies / 3).min(unlabelled);
        Self { anomalies: (anomalies - mixed) / 2, mixed, unlabelled: (unlabelled - mixed) / 2, start: unlabelled }
    }

    pub fn count(self) -> usize {
        self.anomalies + self.mixed + self.unlabelled
    }

    /// The rows on the left side.
    pub fn left(self) -> [Range<usize>; 2] {
        [section_of(self.start, self.anomalies + self.mixed), section_of(0, self.unlabelled)]
    }

    /// The rows on the right side.
    pub fn right(self) -> [Range<usize>; 2] {
        let anomalies = section_of(self.start + self.anomalies + self.mixed, self.anomalies);
        [anomalies, section_of(self.unlabelled, self.mixed + self.unlabelled)]
    }
}

fn section_of(from: usize, count: usize) -> Range<usize> {
    from..from + count
}

impl<B: Backend> PReNet<B> {
    /// The hidden layer, before its normalisation.
    fn hidden(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        dense(rows, &self.feature, Activation::Relu)
    }

    fn represent(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        self.norm.forward(self.hidden(rows))
    }

    /// The score of each pair of a row of `left` and the same row of `right`, both `[pairs, columns]`: `[pairs]`.
    pub fn pair_scores(&self, left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
        self.pair_scores_of_hidden(self.hidden(left), self.hidden(right))
    }

    fn pair_scores_of_hidden(&self, left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
        let both = Tensor::cat(vec![self.norm.forward(left), self.norm.forward(right)], 1);
        dense(both, &self.pair, Activation::Linear).squeeze_dim(1)
    }

    /// The weights of the left and of the right side, each `[width, 1]`.
    fn sides(&self) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let weights = self.pair.weight.val();
        let width = weights.dims()[0] / 2;
        (weights.clone().narrow(0, 0, width), weights.narrow(0, width, width))
    }
}

impl<B: Backend> Network<B> for PReNet<B> {
    /// `|target − s|` of each pair (equation 4 of the paper).
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let pairs = Pairs::of(batch.rows(), batch.unlabelled());
        let hidden = batch.by_row(|rows| self.hidden(rows));
        let take = |ranges: [Range<usize>; 2]| {
            joined(ranges.map(|range| section(hidden.clone(), range.start, range.len())).into())
        };
        let scores = self.pair_scores_of_hidden(take(pairs.left()), take(pairs.right()));
        let part = |from, count, target: f64| section(scores.clone(), from, count).sub_scalar(target).abs();
        let Pairs { anomalies, mixed, unlabelled, .. } = pairs;
        let anomalous = vec![part(0, anomalies, self.anomalous_target), part(anomalies, mixed, self.mixed_target)];
        LossTerms { normal: part(anomalies + mixed, unlabelled, 0.0), anomalous: joined(anomalous) }
    }

    fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        direct::direct(self, data)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        vec![&mut self.norm]
    }

    /// The part of the expected score that is the same for every row: with `w` and `v` the weights of the two sides and `b`
    /// the bias, `w·f̄(anomalies) + v·f̄(unlabelled) + 2b`.
    fn finish(self, data: &TrainingData<B>) -> Self {
        let (left, right) = self.sides();
        // Block by block: the rows together would be a second copy of the training matrix.
        let mean = |rows: &[usize]| {
            let blocks = rows.chunks(BLOCK).map(|rows| self.represent(data.select(rows)));
            Tensor::cat(blocks.collect(), 0).mean_dim(0)
        };
        let sides = mean(&data.anomalies).matmul(left) + mean(&data.unlabelled).matmul(right);
        let bias = self.pair.bias.as_ref().map_or_else(|| Tensor::zeros([1], &sides.device()), |bias| bias.val());
        let offset = sides.squeeze_dim::<1>(1) + bias.mul_scalar(2.0);
        Self { offset: Param::initialized(ParamId::new(), offset), ..self }
    }

    /// `f(x)`.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.represent(rows))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let hidden = graph.dense(Graph::ROWS, &self.feature, Activation::Relu);
        let code = self.norm.describe(&mut graph, hidden, Activation::Linear);
        let (left, right) = self.sides();
        graph.linear(code, matrix(left + right), Some(cells(self.offset.val())));
        Some(graph)
    }

    /// The expectation of `s(a, x) + s(x, u)` over labelled anomalies `a` and unlabelled rows `u`, which the paper (section
    /// 3.4) estimates from 30 draws. The pair score is additive in its two sides, so one pass gives it: `(w + v)·f(x)` plus a
    /// constant.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (left, right) = self.sides();
        let own: Tensor<B, 1> = self.represent(rows).matmul(left + right).squeeze_dim(1);
        own + self.offset.val()
    }
}

/// Rows worked out at a time.
const BLOCK: usize = 2048;

/// The parts that are not empty, one after the other; one of them must not be.
fn joined<B: Backend, const D: usize>(mut parts: Vec<Tensor<B, D>>) -> Tensor<B, D> {
    if parts.iter().any(|part| part.dims()[0] > 0) {
        parts.retain(|part| part.dims()[0] > 0);
    }
    Tensor::cat(parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn::tensor::{Distribution, ElementConversion};
    use burn_ndarray::NdArray;

    /// With n draws of a and u, the error of the sampled score falls as 1/√n; its spread is known from the draws themselves.
    #[test]
    fn the_sampled_score_converges_to_the_closed_form() {
        let device = Default::default();
        let rows = Tensor::<NdArray, 2>::random([60, 8], Distribution::Default, &device);
        let data = TrainingData { rows: rows.clone(), unlabelled: (0..50).collect(), anomalies: (50..60).collect() };
        let config = PReNetConfig { norm: Norm::Batch, ..Default::default() };
        let network = config.init(&data, &mut Seed(4).stream(&["weights"])).finish(&data);
        let closed: Vec<f32> = network.score(rows.clone()).into_data().iter::<f32>().collect();
        let mut rng = Seed(4).stream(&["pairs"]);
        let mut draw = |from: &[usize]| -> usize {
            use rand::RngExt;
            from[rng.random_range(0..from.len())]
        };
        for x in [0, 20, 55] {
            let draws: Vec<f64> = (0..2000)
                .map(|_| {
                    let (a, u) = (draw(&data.anomalies), draw(&data.unlabelled));
                    let score = |l: usize, r: usize| {
                        let pair = network.pair_scores(data.select(&[l]), data.select(&[r]));
                        pair.into_scalar().elem::<f64>()
                    };
                    score(a, x) + score(x, u)
                })
                .collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let error = (variance / draws.len() as f64).sqrt();
            assert!(
                error > 0.0 && (mean - f64::from(closed[x])).abs() < 4.0 * error,
                "{mean} ± {error}, {}",
                closed[x]
            );
        }
    }

    #[test]
    fn pairs_have_the_targets_of_their_kind() {
        let device = Default::default();
        let rows = Tensor::<NdArray, 2>::zeros([16, 3], &device);
        let data = TrainingData { rows: rows.clone(), unlabelled: vec![0], anomalies: vec![1] };
        let network = PReNetConfig::default().init(&data, &mut Seed(1).stream(&[]));
        let score = network.pair_scores(rows.clone().narrow(0, 0, 1), rows.clone().narrow(0, 0, 1)).into_scalar();
        // 10 unlabelled, 6 anomalies: 2 mixed pairs, 2 of anomalies, 4 of unlabelled rows.
        let LossTerms { normal, anomalous } = network.terms(&Batch::new(rows, 10));
        let values = |tensor: Tensor<NdArray, 1>| tensor.into_data().to_vec::<f32>().unwrap();
        let close =
            |a: Vec<f32>, b: Vec<f32>| a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(values(normal), vec![score.abs(); 4]));
        assert!(close(values(anomalous), vec![8.0 - score, 8.0 - score, 4.0 - score, 4.0 - score]));
    }
}
