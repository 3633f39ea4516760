//! Quorum: several simple opinions on a row, weighed by how they rank labelled anomalies that they have not seen.
//!
//! No opinion is trained by gradients. What it takes from where: the covariance with shrinkage of Ledoit and Wolf 2004,
//! Mahalanobis' distance (1936), neighbours as in Ramaswamy, Rastogi and Shim, SIGMOD 2000, extremely randomised trees of Geurts,
//! Ernst and Wehenkel 2006. The way of weighing is the project's own; `docs/experiments/recipe.md` tells how it was chosen.

mod opinions;

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use self::opinions::{COUNT, Fitted, GROUPS, Known};
use crate::error::Checks;
use crate::host::{cells, parameter, tensor};
use crate::normal_scores::{self, NormalScores, SavedNormalScores};
use crate::trees::{self, SavedForest};
use crate::whitening::{self, Whitening};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of Quorum. The defaults were chosen by experiment, once for all tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuorumConfig {
    /// Parts of the training rows, each of which is judged by opinions formed on the others.
    pub folds: usize,
    /// Trees.
    pub trees: usize,
    /// Unlabelled rows that are kept as neighbours and that trees grow from: of more, so many are drawn. The covariance is of
    /// all rows.
    pub most_rows: usize,
    /// How much the ranks of labelled anomalies count against the weights expected before the fit: 0 for not at all.
    pub trust: f64,
}

impl Default for QuorumConfig {
    fn default() -> Self {
        Self { folds: 5, trees: 100, most_rows: 5000, trust: 8.0 }
    }
}

impl Method for QuorumConfig {
    type Network<B: Backend> = Quorum<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "quorum",
        title: "Quorum",
        kind: Kind::FewLabels,
        source: "this project, docs/models/quorum.md",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .that(self.folds >= 2, "folds", self.folds, "at least 2")
            .at_least_one("trees", self.trees)
            .that((2..=1 << 15).contains(&self.most_rows), "most_rows", self.most_rows, "from 2 to 32768")
            .that(
                self.trees.saturating_mul(self.most_rows) <= 1 << 22,
                "trees",
                self.trees,
                "fewer: at most 4194304 over most_rows",
            )
            .not_negative("trust", self.trust)
            .done()
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        // What turns rows and points; then what depends on the rows.
        let axes = whitening::weights(columns).saturating_add(columns.saturating_mul(2 * opinions::AXES));
        let kept =
            columns.saturating_mul(saved.entries("rows")).saturating_add(trees::weights(&saved.within("forest")));
        axes.saturating_add(kept).saturating_add(COUNT * (normal_scores::WEIGHTS + 1))
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Quorum<B> {
        let zeros = |shape: [usize; 2]| Param::initialized(ParamId::new(), Tensor::zeros(shape, device));
        Quorum {
            whitening: Whitening::blank(columns, device),
            directions: zeros([columns, opinions::AXES]),
            squares: zeros([columns, opinions::AXES]),
            rows: zeros([saved.entries("rows"), columns]),
            forest: SavedForest::blank(&saved.within("forest"), device),
            scales: vec![SavedNormalScores::new(&NormalScores::of(&[0.0]), device); COUNT],
            weights: zeros([COUNT, 1]),
        }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Quorum<B> {
        let device = data.rows.device();
        let held = HeldOut::judged(self, data, rng);
        let fitted = self.fitted(data, &data.unlabelled, &data.anomalies, rng);
        let scales = held.unlabelled.each_ref().map(|values| NormalScores::of(values));
        let weights = held.weights(&scales, self.trust);
        let whole = |tensor| Param::initialized(ParamId::new(), tensor);
        let matrix = |cells: Vec<f32>, width: usize| {
            let shape = [cells.len() / width, width];
            parameter(cells, shape, &device)
        };
        Quorum {
            whitening: fitted.whitening,
            directions: whole(fitted.directions),
            squares: whole(fitted.squares),
            rows: matrix(fitted.known.rows().to_vec(), data.columns()),
            forest: SavedForest::new(fitted.forest, &device),
            scales: scales.iter().map(|scale| SavedNormalScores::new(scale, &device)).collect(),
            weights: matrix(weights, 1),
        }
    }
}

impl QuorumConfig {
    fn fitted<B: Backend>(
        &self,
        data: &TrainingData<B>,
        unlabelled: &[usize],
        anomalies: &[usize],
        rng: &mut impl Rng,
    ) -> Fitted<B> {
        let mut kept = unlabelled.to_vec();
        if kept.len() > self.most_rows {
            kept = kept.partial_shuffle(rng, self.most_rows).0.to_vec();
            kept.sort_unstable();
        }
        Fitted::of(data, unlabelled, &kept, anomalies, self.trees, rng)
    }
}

/// Values of all opinions on training rows, each by opinions that have not seen it.
struct HeldOut {
    /// For each opinion, its values on unlabelled rows.
    unlabelled: [Vec<f32>; COUNT],
    /// And on labelled anomalies; none where there is only one anomaly.
    anomalies: [Vec<f32>; COUNT],
}

impl HeldOut {
    fn judged<B: Backend>(config: &QuorumConfig, data: &TrainingData<B>, rng: &mut impl Rng) -> Self {
        let (mut unlabelled, mut anomalies) = (data.unlabelled.clone(), data.anomalies.clone());
        unlabelled.shuffle(rng);
        anomalies.shuffle(rng);
        let mut values = Self { unlabelled: Default::default(), anomalies: Default::default() };
        let lone = anomalies.len() == 1;
        // A lone unlabelled row is judged by opinions that have seen it: there is no other.
        let folds = config.folds.min(unlabelled.len()).max(2);
        for fold in 0..folds {
            let part = |rows: &[usize], inside: bool| -> Vec<usize> {
                let places = rows.iter().enumerate().filter(|(place, _)| (place % folds == fold) == inside);
                places.map(|(_, &row)| row).collect()
            };
            let known = |rows: &[usize]| if rows.len() == 1 { rows.to_vec() } else { part(rows, false) };
            let fitted = config.fitted(data, &known(&unlabelled), &known(&anomalies), rng);
            let judge = |rows: Vec<usize>, values: &mut [Vec<f32>]| {
                for rows in rows.chunks(opinions::BLOCK) {
                    let judged = fitted.opinions(data.select(rows));
                    values.iter_mut().zip(judged).for_each(|(values, judged)| values.extend(judged));
                }
            };
            // So many as the neighbours and trees are of say well enough what is usual.
            let mut rows = part(&unlabelled, true);
            rows.truncate(config.most_rows.div_ceil(folds));
            judge(rows, &mut values.unlabelled);
            if !lone {
                judge(part(&anomalies, true), &mut values.anomalies);
            }
        }
        values
    }

    /// The weight of each opinion.
    ///
    /// Weights of the four groups come from a grid. Each point of it has a weight expected beforehand, and one by how it ranks
    /// the labelled anomalies among the unlabelled rows: `exp(−trust · Σ (1 − share of unlabelled rows below))`, the sum being
    /// over the anomalies. The result is the mean over the grid.
    fn weights(&self, scales: &[NormalScores; COUNT], trust: f64) -> Vec<f32> {
        let levels = |values: &[Vec<f32>]| -> Vec<Vec<f64>> {
            let of = |(values, scale): (&Vec<f32>, &NormalScores)| {
                values.iter().map(|&value| f64::from(scale.of_value(value))).collect()
            };
            values.iter().zip(scales).map(of).collect()
        };
        let (unlabelled, anomalies) = (levels(&self.unlabelled), levels(&self.anomalies));
        let sums = |levels: &[Vec<f64>], group: &std::ops::Range<usize>| -> Vec<f64> {
            let count = levels[group.start].len();
            (0..count).map(|row| group.clone().map(|opinion| levels[opinion][row]).sum()).collect()
        };
        let deviations = GROUPS.clone().map(|group| deviation(&sums(&unlabelled, &group)));
        let scaled = |levels: &[Vec<f64>]| {
            let mut deviations = deviations.iter();
            GROUPS.clone().map(|group| {
                let deviation = deviations.next().copied().unwrap_or(1.0);
                sums(levels, &group).into_iter().map(|sum| sum / deviation).collect::<Vec<f64>>()
            })
        };
        let (unlabelled, anomalies) = (scaled(&unlabelled), scaled(&anomalies));
        let joined = |groups: &[Vec<f64>; 4], weights: [f64; 4]| -> Vec<f64> {
            let count = groups[0].len();
            (0..count).map(|row| groups.iter().zip(weights).map(|(group, weight)| weight * group[row]).sum()).collect()
        };
        let grid = grid();
        let logs: Vec<f64> = grid
            .iter()
            .map(|&(weights, expected)| {
                let mut usual = joined(&unlabelled, weights);
                usual.sort_unstable_by(f64::total_cmp);
                let above =
                    |score: f64| 1.0 - usual.partition_point(|&other| other < score) as f64 / usual.len() as f64;
                let missed: f64 = joined(&anomalies, weights).into_iter().map(above).sum();
                expected.ln() - trust * missed
            })
            .collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let beliefs: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
        let all: f64 = beliefs.iter().sum();
        let mut result = vec![0.0; COUNT];
        for ((weights, _), belief) in grid.iter().zip(&beliefs) {
            let length = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
            for ((group, weight), deviation) in GROUPS.iter().zip(weights).zip(deviations) {
                for opinion in group.clone() {
                    result[opinion] += belief / all * weight / length / deviation;
                }
            }
        }
        result.into_iter().map(|weight| weight as f32).collect()
    }
}

/// Weights of the groups, and how far each is expected before any label is looked at.
fn grid() -> Vec<([f64; 4], f64)> {
    let mut grid = Vec::new();
    for direction in [0.5, 1.0, 2.0, 4.0] {
        for (neighbours, near) in [(0.0, 0.5), (1.0, 1.0)] {
            for (trees, few) in [(0.0, 1.0), (0.5, 1.0), (1.0, 0.7), (2.0, 0.5), (4.0, 0.3)] {
                grid.push(([1.0, direction, neighbours, trees], near * few));
            }
        }
    }
    grid
}

/// The standard deviation; 1 where all values are alike.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    if variance > 1e-12 { variance.sqrt() } else { 1.0 }
}

/// The opinions, what brings them to one scale, and their weights.
#[derive(Module, Debug)]
pub struct Quorum<B: Backend> {
    whitening: Whitening<B>,
    /// What a whitened row, and its square, is multiplied with, `[columns, AXES]`.
    directions: Param<Tensor<B, 2>>,
    squares: Param<Tensor<B, 2>>,
    /// Whitened unlabelled rows, `[rows, columns]`.
    rows: Param<Tensor<B, 2>>,
    /// The trees.
    forest: SavedForest<B>,
    /// The scales of the opinions.
    scales: Vec<SavedNormalScores<B>>,
    /// The weights of the opinions, `[opinions, 1]`.
    weights: Param<Tensor<B, 2>>,
}

impl<B: Backend> Network<B> for Quorum<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let (columns, device) = (rows.dims()[1], rows.device());
        let fitted = Fitted {
            whitening: self.whitening.clone(),
            directions: self.directions.val(),
            squares: self.squares.val(),
            known: Known::new(cells(self.rows.val()), columns),
            forest: self.forest.read(),
        };
        let scales: Vec<NormalScores> = self.scales.iter().map(SavedNormalScores::read).collect();
        let weights = cells(self.weights.val());
        let mut scores = Vec::new();
        for block in rows.split(opinions::BLOCK, 0) {
            let judged = fitted.opinions(block);
            let level = |row: usize| {
                let parts = judged.iter().zip(&scales).zip(&weights);
                parts.map(|((values, scale), weight)| weight * scale.of_value(values[row])).sum::<f32>()
            };
            scores.extend((0..judged[0].len()).map(level));
        }
        let shape = [scores.len()];
        tensor(scores, shape, &device)
    }
}
