//! RoSAS: a continuous score, learned from mixtures of labelled anomalies and unlabelled rows.
//!
//! Xu, Wang, Pang, Jian, Liu and Wang, "RoSAS: Deep semi-supervised anomaly detection with contamination-resilient continuous
//! supervision", Information Processing and Management 2023.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::{relu, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::Beta;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::layers::activation::{Activation, LENGTH_GAP, length, linear_score};
use crate::layers::draws::Draws;
use crate::layers::hidden::{self, HiddenLayers, HiddenPlan};
use crate::layers::host::{places, tensor};
use crate::layers::init::{WeightInit, linear_weights, total};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::{recipe_accessors, section};
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of RoSAS. The defaults are those of the authors' implementation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RosasConfig {
    /// The widths of the encoder's layers. The last one is the width of the representation.
    pub widths: Vec<usize>,
    /// The width of the layer between the representation and the score.
    pub scorer: usize,
    /// The normalisation after the leaky ReLU of each layer.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The margin by which the distance between an unlabelled row and an anomaly should exceed the distance between two unlabelled
    /// rows.
    pub margin: f64,
    /// The share of a row in a mixture is drawn from Beta(α, α).
    pub alpha: f64,
    /// How the network is trained. A batch of `u` unlabelled rows and `a` labelled anomalies gives `min(u/2, a)` triplets and
    /// `u + a` mixtures.
    pub recipe: Recipe,
}

impl Default for RosasConfig {
    fn default() -> Self {
        Self {
            widths: vec![32, 32],
            scorer: 16,
            norm: Norm::None,
            norm_settings: NormSettings::PYTORCH,
            margin: 5.0,
            alpha: 0.5,
            recipe: Recipe::new(
                Batches::Balanced { unlabelled: 256, anomalies: 128, steps: 20 },
                100,
                Optimiser::adam(5e-3, 1e-5),
            ),
        }
    }
}

impl RosasConfig {
    fn plan<'a>(&self, widths: &'a [usize]) -> HiddenPlan<'a> {
        let Self { norm, norm_settings, .. } = *self;
        HiddenPlan { widths, bias: false, activation: Activation::LeakyRelu, norm, settings: norm_settings }
    }
}

impl Method for RosasConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "rosas",
        title: "RoSAS",
        kind: MethodKind::FewLabels,
        source: "Xu et al., Information Processing and Management 2023",
    };

    fn check(&self) -> Result<(), ConfigError> {
        hidden::check(Checks::of(Self::INFO.name), "widths", &self.widths)
            .width("scorer", self.scorer)
            .norm(self.norm_settings)
            .positive("margin", self.margin)
            .positive("alpha", self.alpha)
            .done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for RosasConfig {
    type Network<B: Backend> = Rosas<B>;

    recipe_accessors!();

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let encoder = self.plan(&self.widths);
        let parts = [
            encoder.weights(columns),
            self.plan(&[self.scorer]).weights(encoder.outputs(columns)),
            linear_weights(self.scorer, 1, true),
        ];
        total(parts)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Rosas<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let encoder = self.plan(&self.widths);
        Rosas {
            encoder: encoder.layers(columns, rng, &device),
            scorer: self.plan(&[self.scorer]).layers(encoder.outputs(columns), rng, &device),
            output: WeightInit::PytorchUniform.linear(self.scorer, 1, true, rng, &device),
            margin: self.margin,
            alpha: self.alpha,
            draws: Draws::new(rng),
        }
    }
}

/// An encoder, one more hidden layer, and a linear score. In training, a hyperbolic tangent bounds the score.
#[derive(Module, Debug)]
pub struct Rosas<B: Backend> {
    encoder: HiddenLayers<B>,
    scorer: HiddenLayers<B>,
    output: Linear<B>,
    margin: f64,
    alpha: f64,
    #[module(skip)]
    draws: Draws,
}

/// A mixture of two rows of a batch: `share · one + (1 − share) · other`.
#[derive(Clone, Copy, Debug)]
struct Mixture {
    one: usize,
    other: usize,
    share: f32,
}

/// The numbers of mixtures in a batch, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MixtureCounts {
    /// Mixtures of two rows that are no anomalies, and are not both confirmed as normal.
    normal: usize,
    /// Mixtures of two confirmed normals.
    confirmed: usize,
    /// Mixtures with an anomaly.
    anomalous: usize,
}

/// Mixes each row of a batch with a row drawn without replacement from the same batch. The first `others` rows of the batch are no
/// anomalies, and the last `normals` of those are confirmed as normal.
fn mixtures(
    rows: usize,
    others: usize,
    normals: usize,
    alpha: f64,
    rng: &mut impl Rng,
) -> (Vec<Mixture>, MixtureCounts) {
    let mut partners: Vec<usize> = (0..rows).collect();
    partners.shuffle(rng);
    let mut share = || match Beta::new(alpha, alpha) {
        Ok(beta) => rng.sample::<f64, _>(beta) as f32,
        Err(_) => unreachable!("the configuration has been checked"),
    };
    let mix = |(one, other)| Mixture { one, other, share: share() };
    let all: Vec<Mixture> = partners.into_iter().enumerate().map(mix).collect();
    let both = |mixture: &Mixture, is: &dyn Fn(usize) -> bool| is(mixture.one) && is(mixture.other);
    let (normal, anomalous): (Vec<_>, Vec<_>) = all.into_iter().partition(|mixture| both(mixture, &|row| row < others));
    let (confirmed, normal): (Vec<_>, Vec<_>) =
        normal.into_iter().partition(|mixture| both(mixture, &|row| row >= others - normals));
    let counts = MixtureCounts { normal: normal.len(), confirmed: confirmed.len(), anomalous: anomalous.len() };
    ([normal, confirmed, anomalous].concat(), counts)
}

/// The smooth L1 loss: `d²/2` for differences within ±1 and `|d| − ½` for larger ones.
fn smooth_l1<B: Backend>(difference: Tensor<B, 1>) -> Tensor<B, 1> {
    let size = difference.abs();
    let within = size.clone().clamp_max(1.0);
    within.clone().square().mul_scalar(0.5) + size - within
}

impl<B: Backend> Rosas<B> {
    /// The score of representations, `[rows, width]` to `[rows]`.
    fn scores(&self, code: Tensor<B, 2>) -> Tensor<B, 1> {
        linear_score(self.scorer.forward(code), &self.output)
    }

    /// `max(0, m + ‖φ(q) − φ(p)‖ − ‖φ(q) − φ(a)‖)` of triplets of two unlabelled rows `q`, `p` and an anomaly `a`. Where rows are
    /// confirmed as normal, `p` is one of them.
    fn triplets(&self, codes: &Tensor<B, 2>, count: usize, batch: &Batch<B>) -> Tensor<B, 1> {
        if count == 0 {
            return Tensor::zeros([0], &codes.device());
        }
        // Confirmed normals are the last of the other rows.
        let near = if batch.normals() > 0 { batch.others() - count } else { count };
        let [query, near, far] = [0, near, batch.others()].map(|start| codes.clone().narrow(0, start, count));
        let distance = |other: Tensor<B, 2>| length(query.clone() - other, LENGTH_GAP).squeeze_dim::<1>(1);
        relu((distance(near) - distance(far)).add_scalar(self.margin))
    }
}

impl<B: Backend> Network<B> for Rosas<B> {
    /// The mean of two losses: that of triplets in the representation and that of mixtures.
    ///
    /// The loss of a mixture compares its bounded score with its target, and with the mixed scores of its two rows. The target is −1
    /// for an unlabelled row or a confirmed normal, 1 for an anomaly, and mixed like the rows. A mixture of two such rows is an example
    /// whose target is normal. All other examples involve an anomaly.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (rows, others) = (batch.rows(), batch.others());
        let (mixtures, counts) = mixtures(rows, others, batch.normals(), self.alpha, &mut self.draws.next());
        let own = batch.by_row(|rows| rows);
        let device = own.device();
        let share: Vec<f32> = mixtures.iter().map(|mixture| mixture.share).collect();
        let rest = share.iter().map(|share| 1.0 - share).collect();
        let [share, rest] = [share, rest].map(|shares| tensor::<B, 2>(shares, [rows, 1], &device));
        let one = places(mixtures.iter().map(|mixture| mixture.one as u32), &device);
        let other = places(mixtures.iter().map(|mixture| mixture.other as u32), &device);
        let mixed =
            own.clone().select(0, one.clone()) * share.clone() + own.clone().select(0, other.clone()) * rest.clone();
        // In one pass, so that batch normalisation uses the statistics of rows and mixtures together.
        let codes = self.encoder.forward(Tensor::cat(vec![own, mixed], 0));
        let scores = tanh(self.scores(codes.clone()));
        let (own, mixed) = (scores.clone().narrow(0, 0, rows), scores.narrow(0, rows, rows));
        let by_shares = own.clone().select(0, one) * share.squeeze_dim(1) + own.select(0, other) * rest.squeeze_dim(1);
        let target = |row: usize| if row < others { -1.0 } else { 1.0 };
        let targets: Vec<f32> = mixtures
            .iter()
            .map(|Mixture { one, other, share }| share * target(*one) + (1.0 - share) * target(*other))
            .collect();
        let targets = Tensor::from_data(TensorData::new(targets, [rows]), &device);
        let of_mixtures = smooth_l1(mixed.clone() - targets) + smooth_l1(mixed - by_shares);
        let count = (others / 2).min(rows - others);
        let of_triplets = self.triplets(&codes, count, batch);
        // With these weights, the mean over all examples is the mean of the two mean losses.
        let weight = |examples: usize| (count + rows) as f64 / (2 * examples.max(1)) as f64;
        let of_mixtures = of_mixtures.mul_scalar(weight(rows));
        let MixtureCounts { normal, confirmed, anomalous } = counts;
        let mut anomalous =
            vec![of_triplets.mul_scalar(weight(count)), section(of_mixtures.clone(), normal + confirmed, anomalous)];
        anomalous.retain(|part| part.dims()[0] > 0);
        let anomalous = match anomalous.is_empty() {
            true => Tensor::zeros([0], &device),
            false => Tensor::cat(anomalous, 0),
        };
        let confirmed = section(of_mixtures.clone(), normal, confirmed);
        LossTerms { normal: section(of_mixtures, 0, normal), confirmed, anomalous }
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.encoder.norms_mut().chain(self.scorer.norms_mut()).collect()
    }

    /// The representation φ.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.encoder.forward(rows))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let code = self.encoder.describe(&mut graph, Graph::ROWS);
        let hidden = self.scorer.describe(&mut graph, code);
        graph.dense(hidden, &self.output, Activation::Linear);
        Some(graph)
    }

    /// The score before the hyperbolic tangent. It ranks rows in the same order and does not saturate.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.scores(self.encoder.forward(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use anoonly_core::Seed;
    use burn_ndarray::NdArray;

    #[test]
    fn mixtures_of_unlabelled_rows_come_first_and_each_row_is_drawn_once() {
        let (all, counts) = mixtures(30, 20, 0, 0.5, &mut Seed(1).stream(&["mixtures"]));
        let normal = |mixture: &Mixture| mixture.one < 20 && mixture.other < 20;
        let normals = counts.normal;
        assert!(all[..normals].iter().all(normal) && !all[normals..].iter().any(normal));
        assert!(normals > 0 && normals < 20);
        assert_eq!((counts.confirmed, counts.anomalous), (0, 30 - normals));
        // The same mixtures, where rows 8 to 19 are confirmed as normal.
        let (sorted, counts) = mixtures(30, 20, 12, 0.5, &mut Seed(1).stream(&["mixtures"]));
        let confirmed = |mixture: &Mixture| (8..20).contains(&mixture.one) && (8..20).contains(&mixture.other);
        let (first, second) = sorted[..normals].split_at(counts.normal);
        assert!(second.len() == counts.confirmed && second.iter().all(confirmed) && !first.iter().any(confirmed));
        assert!(!first.is_empty() && !second.is_empty() && first.iter().all(normal));
        for row in [|m: &Mixture| m.one, |m: &Mixture| m.other] {
            let mut rows: Vec<usize> = all.iter().map(row).collect();
            rows.sort_unstable();
            assert_eq!(rows, (0..30).collect::<Vec<_>>());
        }
        assert!(all.iter().all(|mixture| (0.0..=1.0).contains(&mixture.share)));
    }

    /// 6 unlabelled rows and 2 anomalies give 2 triplets and 8 mixtures. Without normalisation, each example can be computed
    /// independently.
    #[test]
    fn losses_match_the_formula() {
        let device = Default::default();
        let cell = |row: usize, column: usize| ((row * 7 + column * 5) % 11) as f32 / 5.0 - 1.0;
        let table: Vec<[f32; 3]> = (0..8).map(|row| std::array::from_fn(|column| cell(row, column))).collect();
        let rows = Tensor::<NdArray, 2>::from_data(TensorData::new(table.concat(), [8, 3]), &device);
        let data =
            TrainingData { rows: rows.clone(), others: (0..6).collect(), anomalies: vec![6, 7], normals: Vec::new() };
        let network = RosasConfig::default().init(&data, &mut Seed(1).stream(&[]));
        // The first draw of the training.
        let (mixed, MixtureCounts { normal: normals, .. }) = mixtures(8, 6, 0, 0.5, &mut network.draws.again().next());
        let LossTerms { normal, anomalous, .. } = network.terms(&Batch::new(rows, 6));
        let one = |row: Vec<f32>| Tensor::<NdArray, 2>::from_data(TensorData::new(row, [1, 3]), &device);
        let score = |row: &[f32]| cells(network.score(one(row.to_vec())))[0].tanh();
        let code = |row: usize| cells(network.encoder.forward(one(table[row].to_vec())));
        let apart = |a: usize, b: usize| code(a).iter().zip(code(b)).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        let loss = |d: f32| if d.abs() < 1.0 { d * d / 2.0 } else { d.abs() - 0.5 };
        let of_mixture = |&Mixture { one, other, share }: &Mixture| {
            let blend = |a: f32, b: f32| share * a + (1.0 - share) * b;
            let row: Vec<f32> = table[one].iter().zip(table[other]).map(|(a, b)| blend(*a, b)).collect();
            let target = |row: usize| if row < 6 { -1.0 } else { 1.0 };
            let (score_of, mixed) = (|row: usize| score(&table[row]), score(&row));
            let both =
                loss(mixed - blend(target(one), target(other))) + loss(mixed - blend(score_of(one), score_of(other)));
            both * 10.0 / 16.0
        };
        let of_triplet = |t: usize| (5.0 + apart(t, 2 + t) - apart(t, 6 + t)).max(0.0) * 10.0 / 4.0;
        let expected: Vec<f32> = (0..2).map(of_triplet).chain(mixed[normals..].iter().map(of_mixture)).collect();
        let close = |ours: Vec<f32>, theirs: Vec<f32>| {
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours - theirs).abs() < 1e-4, "{ours}, expected {theirs}");
            }
        };
        close(cells(anomalous), expected);
        close(cells(normal), mixed[..normals].iter().map(of_mixture).collect());
    }
}
