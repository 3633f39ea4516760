//! Quorum: several simple opinions on a row, weighed by how they rank labelled anomalies that they have not seen.
//!
//! No opinion is trained by gradients. What it takes from where: the covariance with shrinkage of Ledoit and Wolf 2004,
//! Mahalanobis' distance (1936), neighbours as in Ramaswamy, Rastogi and Shim, SIGMOD 2000, extremely randomised trees of Geurts,
//! Ernst and Wehenkel 2006. The way of weighing is the project's own; `docs/experiments/recipe.md` tells how it was chosen.

mod held_out;
mod opinions;

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use self::held_out::{HeldOut, Joining};
use self::opinions::{COUNT, Fitted, GROUPS, Known};
use crate::error::Checks;
use crate::layers::host::{cells, parameter, tensor};
use crate::tools::normal_scores::{self, NormalScores, SavedNormalScores};
use crate::tools::trees::{self, SavedForest};
use crate::tools::whitening::{self, Whitening};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of Quorum. The defaults were chosen by experiment, once for all tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuorumConfig {
    /// Parts of the training rows, each of which is judged by opinions formed on the others.
    pub folds: usize,
    /// Trees on the columns; there are as many again on the axes of largest variance.
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
        let kept = columns.saturating_mul(saved.entries("rows"));
        let forests = ["forest", "turned"].map(|forest| trees::weights(&saved.within(forest)));
        let kept = forests.into_iter().fold(kept, usize::saturating_add);
        axes.saturating_add(kept).saturating_add(COUNT * normal_scores::WEIGHTS + GROUPS.len() * 2)
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Quorum<B> {
        let zeros = |shape: [usize; 2]| Param::initialized(ParamId::new(), Tensor::zeros(shape, device));
        Quorum {
            whitening: Whitening::blank(columns, device),
            directions: zeros([columns, opinions::AXES]),
            squares: zeros([columns, opinions::AXES]),
            rows: zeros([saved.entries("rows"), columns]),
            forest: SavedForest::blank(&saved.within("forest"), device),
            turned: SavedForest::blank(&saved.within("turned"), device),
            scales: vec![SavedNormalScores::new(&NormalScores::of(&[0.0]), device); COUNT],
            joining: zeros([GROUPS.len(), 2]),
        }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Quorum<B> {
        let device = data.rows.device();
        let held = HeldOut::judged(self, data, rng);
        let fitted = self.fitted(data, &data.unlabelled, &data.anomalies, rng);
        let scales = held.unlabelled.each_ref().map(|values| NormalScores::of(values));
        let joining = held.joining(&scales, self.trust);
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
            turned: SavedForest::new(fitted.turned, &device),
            scales: scales.iter().map(|scale| SavedNormalScores::new(scale, &device)).collect(),
            joining: matrix(joining.groups.as_flattened().to_vec(), 2),
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

/// The opinions, what brings them to one scale, and what joins them.
#[derive(Module, Debug)]
pub struct Quorum<B: Backend> {
    whitening: Whitening<B>,
    /// What a whitened row, and its square, is multiplied with, `[columns, AXES]`.
    directions: Param<Tensor<B, 2>>,
    squares: Param<Tensor<B, 2>>,
    /// Whitened unlabelled rows, `[rows, columns]`.
    rows: Param<Tensor<B, 2>>,
    /// The trees on the columns,
    forest: SavedForest<B>,
    /// and those on the axes of largest variance.
    turned: SavedForest<B>,
    /// The scales of the opinions.
    scales: Vec<SavedNormalScores<B>>,
    /// How the groups of opinions are joined, `[groups, 2]`.
    joining: Param<Tensor<B, 2>>,
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
            turned: self.turned.read(),
        };
        let scales: Vec<NormalScores> = self.scales.iter().map(SavedNormalScores::read).collect();
        let joining = cells(self.joining.val());
        let (groups, _) = joining.as_chunks();
        let joining = Joining { groups: std::array::from_fn(|group| groups[group]) };
        let mut scores = Vec::new();
        for block in rows.split(opinions::BLOCK, 0) {
            let judged = fitted.opinions(block);
            let levels = |row: usize| std::array::from_fn(|opinion| scales[opinion].of_value(judged[opinion][row]));
            scores.extend((0..judged[0].len()).map(|row| joining.score(levels(row))));
        }
        let shape = [scores.len()];
        tensor(scores, shape, &device)
    }
}
