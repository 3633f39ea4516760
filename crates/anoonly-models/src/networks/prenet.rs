//! PReNet: scores pairs of rows by the number of anomalies among them.
//!
//! Pang, Shen, Jin and van den Hengel, "Deep Weakly-supervised Anomaly Detection", KDD 2023.

use std::ops::Range;

mod direct;

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::activation::{Activation, dense, linear_score};
use crate::layers::host::{cells, matrix};
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::members::{self, joined};
use crate::network::recipe_accessors;
use crate::recipe::{Batches, EpsilonAt, Optimiser, Recipe, Schedule};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of PReNet. The defaults are those of PReNet in the AnoOnly paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PReNetConfig {
    /// The width of the representation of a row.
    pub width: usize,
    /// The normalisation after the ReLU of the representation.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The target score of a pair of two labelled anomalies. The target of a pair of two unlabelled rows is 0.
    pub anomalous_target: f64,
    /// The target score of a pair of a labelled anomaly and an unlabelled row.
    pub mixed_target: f64,
    /// How the network is trained. A batch of `u` unlabelled rows and `a` labelled anomalies gives `min(a/3, u)` mixed pairs. The
    /// remaining rows are paired with rows of the same kind.
    pub recipe: Recipe,
}

impl Default for PReNetConfig {
    fn default() -> Self {
        Self {
            width: 20,
            norm: Norm::None,
            norm_settings: NormSettings::PYTORCH,
            anomalous_target: 8.0,
            mixed_target: 4.0,
            recipe: Recipe {
                schedule: Schedule::Cosine { to: 1e-5 },
                ..Recipe::new(
                    // 512 pairs: a quarter of two anomalies, a quarter mixed, half of two unlabelled rows.
                    Batches::Balanced { unlabelled: 640, anomalies: 384, steps: 20 },
                    50,
                    Optimiser::RmsProp {
                        learning_rate: 1e-3,
                        decay: 0.99,
                        epsilon: 1e-8,
                        epsilon_at: EpsilonAt::OutsideRoot,
                        weight_decay: 1e-2,
                    },
                )
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
            .width("width", self.width)
            .norm(self.norm_settings)
            .positive("anomalous_target", self.anomalous_target)
            .positive("mixed_target", self.mixed_target)
            .done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for PReNetConfig {
    type Network<B: Backend> = PReNet<B>;

    recipe_accessors!();

    /// All members must have the same numbers of pairs.
    fn stacks(&self) -> bool {
        matches!(self.recipe.batches, Batches::Balanced { .. })
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let feature = linear_weights(columns, self.width, true).saturating_add(self.norm.weights(self.width));
        // The weights and the bias of a pair, and the offset.
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

/// The network of PReNet: `f(x) = norm(ReLU(Linear(x)))` and a linear score of `[f(x), f(x′)]`.
#[derive(Module, Debug)]
pub struct PReNet<B: Backend> {
    pub(crate) feature: Linear<B>,
    pub(crate) norm: NormLayer<B>,
    pub(crate) pair: Linear<B>,
    /// The part of the expected score that is the same for every row, `[1]`.
    offset: Param<Tensor<B, 1>>,
    pub(crate) anomalous_target: f64,
    pub(crate) mixed_target: f64,
}

/// The numbers of pairs in a batch, in this order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs {
    /// Pairs of two anomalies.
    pub anomalies: usize,
    /// Pairs of an anomaly and an unlabelled row, or a confirmed normal if there are no unlabelled rows.
    pub mixed: usize,
    /// Pairs of two unlabelled rows.
    pub unlabelled: usize,
    /// Pairs of two confirmed normals.
    pub confirmed: usize,
    /// The position of the first anomaly in the batch.
    anomaly_start: usize,
    /// The position of the first confirmed normal that is paired with another one.
    confirmed_start: usize,
}

impl Pairs {
    /// The pairs of a batch of `rows` rows. The first `others` are no anomalies, and the last `normals` of those are confirmed as normal.
    pub fn of(rows: usize, others: usize, normals: usize) -> Self {
        let (anomalies, unlabelled) = (rows - others, others - normals);
        let any = if unlabelled > 0 { unlabelled } else { normals };
        let mixed = (anomalies / 3).min(any);
        let (confirmed_start, confirmed) =
            if unlabelled > 0 { (unlabelled, normals) } else { (mixed, normals - mixed) };
        Self {
            anomalies: (anomalies - mixed) / 2,
            mixed,
            unlabelled: unlabelled.saturating_sub(mixed) / 2,
            confirmed: confirmed / 2,
            anomaly_start: others,
            confirmed_start,
        }
    }

    /// The number of pairs.
    pub fn count(self) -> usize {
        self.anomalies + self.mixed + self.unlabelled + self.confirmed
    }

    /// The positions of the rows on the left side.
    pub fn left(self) -> [Range<usize>; 3] {
        [
            range(self.anomaly_start, self.anomalies + self.mixed),
            range(0, self.unlabelled),
            range(self.confirmed_start, self.confirmed),
        ]
    }

    /// The positions of the rows on the right side.
    pub fn right(self) -> [Range<usize>; 3] {
        [
            range(self.anomaly_start + self.anomalies + self.mixed, self.anomalies),
            range(self.unlabelled, self.mixed + self.unlabelled),
            range(self.confirmed_start + self.confirmed, self.confirmed),
        ]
    }
}

fn range(from: usize, count: usize) -> Range<usize> {
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

    /// The score of each pair of a row of `left` and the row at the same position of `right`: `[pairs, columns]` each to `[pairs]`.
    pub fn pair_scores(&self, left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
        self.pair_scores_of_hidden(self.hidden(left), self.hidden(right))
    }

    fn pair_scores_of_hidden(&self, left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
        let both = Tensor::cat(vec![self.norm.forward(left), self.norm.forward(right)], 1);
        linear_score(both, &self.pair)
    }

    /// The weights of the left and of the right side, `[width, 1]` each.
    fn sides(&self) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let weights = self.pair.weight.val();
        let members = self.offset.dims()[0];
        let width = weights.dims()[0] / (2 * members);
        let [left, right] = [0, width].map(|from| members::section(weights.clone(), members, from, width));
        (left, right)
    }
}

impl<B: Backend> Network<B> for PReNet<B> {
    /// `|target − s|` of each pair (equation 4 of the paper), and `max(0, s)` of a pair of two confirmed normals: under AnoOnly, unlabelled
    /// rows may have scores below 0.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let pairs = Pairs::of(batch.rows(), batch.others(), batch.normals());
        let hidden = batch.by_row(|rows| self.hidden(rows));
        let take = |ranges: [Range<usize>; 3]| {
            let of = |range: Range<usize>| batch.section(hidden.clone(), range.start, range.len());
            joined(ranges.map(of).into(), batch.members())
        };
        let scores = self.pair_scores_of_hidden(take(pairs.left()), take(pairs.right()));
        let part = |from, count, target: f64| batch.section(scores.clone(), from, count).sub_scalar(target).abs();
        let Pairs { anomalies, mixed, unlabelled, confirmed, .. } = pairs;
        let anomalous = vec![part(0, anomalies, self.anomalous_target), part(anomalies, mixed, self.mixed_target)];
        LossTerms {
            normal: part(anomalies + mixed, unlabelled, 0.0),
            confirmed: match batch.section(scores.clone(), anomalies + mixed + unlabelled, confirmed) {
                none if confirmed == 0 => none,
                scores => relu(scores),
            },
            anomalous: joined(anomalous, batch.members()),
        }
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

    /// Computes the part of the expected score that is the same for every row: `w·f̄(anomalies) + v·f̄(unlabelled) + 2b`, with the
    /// weights `w` and `v` of the two sides and the bias `b`.
    fn finish(self, data: &TrainingData<B>) -> Self {
        let (left, right) = self.sides();
        // In blocks, to avoid a second copy of the whole training matrix.
        let mean = |rows: &[usize]| {
            let blocks = rows.chunks(BLOCK).map(|rows| self.represent(data.select(rows)));
            Tensor::cat(blocks.collect(), 0).mean_dim(0)
        };
        let sides = mean(&data.anomalies).matmul(left) + mean(&data.others).matmul(right);
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

    /// The expectation of `s(a, x) + s(x, u)` over labelled anomalies `a` and unlabelled rows `u`. The paper (section 3.4) estimates
    /// it from 30 draws. The pair score is additive in its two sides, so a single pass computes it exactly: `(w + v)·f(x)` plus a
    /// constant.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (left, right) = self.sides();
        let code = self.represent(rows);
        members::linear(code, left + right, Some(self.offset.val())).squeeze_dim(1)
    }
}

/// The number of rows in a block.
const BLOCK: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn::tensor::{Distribution, ElementConversion};
    use burn_ndarray::NdArray;

    /// With n draws of `a` and `u`, the error of the sampled score falls as 1/√n. The draws give its standard error.
    #[test]
    fn the_sampled_score_converges_to_the_closed_form() {
        let device = Default::default();
        let rows = Tensor::<NdArray, 2>::random([60, 8], Distribution::Default, &device);
        let data = TrainingData {
            rows: rows.clone(),
            others: (0..50).collect(),
            anomalies: (50..60).collect(),
            normals: Vec::new(),
        };
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
                    let (a, u) = (draw(&data.anomalies), draw(&data.others));
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
        let data = TrainingData { rows: rows.clone(), others: vec![0], anomalies: vec![1], normals: Vec::new() };
        let network = PReNetConfig::default().init(&data, &mut Seed(1).stream(&[]));
        let score = network.pair_scores(rows.clone().narrow(0, 0, 1), rows.clone().narrow(0, 0, 1)).into_scalar();
        // 10 unlabelled rows and 6 anomalies give 2 mixed pairs, 2 pairs of anomalies and 4 pairs of unlabelled rows.
        let batch = Batch::new(rows, 10);
        let LossTerms { normal, anomalous, confirmed } = network.terms(&batch);
        assert_eq!(confirmed.dims(), [0]);
        let values = |tensor: Tensor<NdArray, 1>| tensor.into_data().to_vec::<f32>().unwrap();
        let close =
            |a: Vec<f32>, b: Vec<f32>| a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(values(normal), vec![score.abs(); 4]));
        assert!(close(values(anomalous), vec![8.0 - score, 8.0 - score, 4.0 - score, 4.0 - score]));
        // Four of the ten are confirmed as normal: 2 mixed pairs, 2 of unlabelled rows and 2 of confirmed normals.
        let LossTerms { normal, confirmed, anomalous } = network.terms(&batch.with_normals(4));
        assert_eq!((normal.dims(), anomalous.dims()), ([2], [4]));
        assert!(close(values(confirmed), vec![score.max(0.0); 2]));
    }

    /// Pairs are of two rows of their kind, and no row is in two pairs.
    #[test]
    fn every_row_is_in_one_pair_at_most() {
        for (others, normals) in [(10, 0), (10, 4), (10, 9), (10, 10), (0, 0)] {
            let pairs = Pairs::of(others + 6, others, normals);
            let [left, right] =
                [pairs.left(), pairs.right()].map(|side| side.into_iter().flatten().collect::<Vec<usize>>());
            assert_eq!((left.len(), right.len()), (pairs.count(), pairs.count()));
            let kind = |row: usize| usize::from(row >= others - normals) + usize::from(row >= others);
            let kinds = |pair: usize| [kind(left[pair]), kind(right[pair])];
            for pair in 0..pairs.count() {
                let expected = match pair {
                    pair if pair < pairs.anomalies => [2, 2],
                    pair if pair < pairs.anomalies + pairs.mixed => [2, usize::from(others == normals)],
                    pair if pair < pairs.count() - pairs.confirmed => [0, 0],
                    _ => [1, 1],
                };
                assert_eq!(kinds(pair), expected, "{pairs:?}, pair {pair}");
            }
            let mut rows = [left, right].concat();
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), 2 * pairs.count(), "{pairs:?}");
        }
    }
}
