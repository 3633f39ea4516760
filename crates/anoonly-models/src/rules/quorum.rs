//! Quorum: several simple anomaly scores, weighted by how well they rank labelled anomalies that they have not seen.
//!
//! Each simple score is called an *opinion*. None is trained by gradients. Their sources: the shrunk covariance of Ledoit and Wolf
//! 2004; the distance of Mahalanobis 1936; the distance to the nearest neighbours of Ramaswamy, Rastogi and Shim, SIGMOD 2000; the
//! extremely randomised trees of Geurts, Ernst and Wehenkel 2006; the isolation trees of Liu, Ting and Zhou, ICDM 2008. The weighting
//! is this project's own; `docs/experiments/recipe.md` records how it was chosen.

#[cfg(feature = "fit")]
mod folds;
mod held_out;
mod known;
mod labels;
mod likelihood;
mod opinions;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

#[cfg(feature = "fit")]
use self::folds::Folds;
use self::held_out::{HeldOut, Joining};
use self::opinions::{COUNT, FitRows, GROUPS, OpinionRows, Opinions};
use crate::error::Checks;
use crate::graph::Graph;
#[cfg(feature = "fit")]
use crate::tools::covariance;
use crate::tools::normal_scores::NormalScores;
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of Quorum. The defaults were chosen by experiment, once for all tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuorumConfig {
    /// How many parts the training rows are split into. Each part is scored by opinions fitted on the other parts.
    pub folds: usize,
    /// The number of trees on the columns, and again of trees on the axes of largest variance.
    pub trees: usize,
    /// The most unlabelled rows, and the most confirmed normals, that are kept as neighbours and that trees are grown from. If there are
    /// more, this many are drawn. The covariance always takes all rows.
    pub most_rows: usize,
    /// How strongly the ranks of labelled anomalies, among unlabelled rows and among confirmed normals, change the weights that are
    /// expected before the fit; 0 for not at all.
    pub trust: f64,
}

/// The number of unlabelled rows for each labelled anomaly that trees are grown from, if it is more than are kept as neighbours.
#[cfg(feature = "fit")]
const TREE_ROWS: usize = 100;
/// At most this many times the rows that are kept as neighbours.
#[cfg(feature = "fit")]
const MOST_TIMES: usize = 4;
/// The largest product of the numbers of trees and of rows.
const MOST_CELLS: usize = 1 << 22;

impl Default for QuorumConfig {
    fn default() -> Self {
        Self { folds: 5, trees: 100, most_rows: 2500, trust: 8.0 }
    }
}

impl Method for QuorumConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "quorum",
        title: "Quorum",
        kind: MethodKind::FewLabels,
        source: "this project, docs/models/quorum.md",
    };

    fn needs_labels(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .that((2..=100).contains(&self.folds), "folds", self.folds, "from 2 to 100")
            .parts("trees", self.trees)
            .that((2..=1 << 15).contains(&self.most_rows), "most_rows", self.most_rows, "from 2 to 32768")
            .that(
                self.trees.saturating_mul(self.most_rows) <= MOST_CELLS,
                "trees",
                self.trees,
                "fewer: at most 4194304 over most_rows",
            )
            .not_negative("trust", self.trust)
            .done()
    }
}

impl RuleMethod for QuorumConfig {
    type Fitted = Quorum;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> Quorum {
        let folds = Folds::of(self.folds, data, rng);
        let held_out = HeldOut::of(self, data, &folds, rng);
        let scales = held_out.unlabelled.each_ref().map(|values| NormalScores::of(values));
        let right = held_out.right(&scales, self.trust);
        let joining = held_out.joining(&scales, self.trust, &right);
        let mut rows = self.rows(FitRows::all(data), self.tree_rows(data.anomalies.len()), rng);
        rows.trust_labels(&held_out.anomaly_rows, &right);
        let opinions = Opinions::of(data, &rows, folds.covariance(data, None), self.trees, rng);
        Quorum { opinions, scales, joining }
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        covariance::memory(rows, columns).saturating_add(folds::memory(self.folds, columns))
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Quorum, String> {
        let mut scales = Vec::with_capacity(COUNT);
        for opinion in 0..COUNT {
            scales.push(NormalScores::restore(&mut saved.part(&format!("scales.{opinion}")))?);
        }
        let joining = saved.take("joining", &[GROUPS.len(), 2])?;
        if joining.chunks_exact(2).any(|group| group[0] <= 0.0 || group[1] < 0.0) {
            return Err("a group of opinions has a width or a weight that is not possible".into());
        }
        Ok(Quorum {
            opinions: Opinions::restore(columns, self.trees, saved)?,
            scales: scales.try_into().expect("there is a scale for each opinion"),
            joining: Joining { groups: std::array::from_fn(|group| [joining[2 * group], joining[2 * group + 1]]) },
        })
    }
}

#[cfg(feature = "fit")]
impl QuorumConfig {
    /// The most unlabelled rows that the trees of all training rows are grown from: with many labels, more than are kept as neighbours.
    fn tree_rows(&self, anomalies: usize) -> usize {
        let wanted = TREE_ROWS.saturating_mul(anomalies).min(MOST_TIMES * self.most_rows).min(MOST_CELLS / self.trees);
        wanted.max(self.most_rows)
    }

    /// Draws the rows that opinions are fitted on, at most `tree_rows` unlabelled ones for the trees. All labels are trusted.
    fn rows(&self, rows: FitRows, tree_rows: usize, rng: &mut impl Rng) -> OpinionRows {
        let FitRows { unlabelled, normals, anomalies } = rows;
        let drawn = |mut rows: Vec<usize>, most: usize, rng: &mut _| {
            if rows.len() > most {
                rows = rows.partial_shuffle(rng, most).0.to_vec();
                rows.sort_unstable();
            }
            rows
        };
        let unlabelled = drawn(unlabelled, tree_rows, rng);
        let neighbours = drawn((0..unlabelled.len()).collect(), self.most_rows, rng);
        let normals = drawn(normals, self.most_rows, rng);
        OpinionRows { unlabelled, neighbours, normals, trust: vec![1.0; anomalies.len()], anomalies }
    }
}

/// The opinions, the map of each to a common scale, and the weights that join them.
#[derive(Clone, Debug)]
pub struct Quorum {
    opinions: Opinions,
    scales: [NormalScores; COUNT],
    joining: Joining,
}

impl FittedRule for Quorum {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut scores = Vec::with_capacity(rows.count());
        for block in rows.blocks(opinions::block(rows.columns())) {
            let values = self.opinions.values(block.cells());
            let normal =
                |row: usize| std::array::from_fn(|opinion| self.scales[opinion].of_value(values[opinion][row]));
            scores.extend((0..block.count()).map(|row| self.joining.score(normal(row))));
        }
        scores
    }

    fn graph(&self) -> Option<Graph> {
        Some(self.opinions.graph(&self.scales, &self.joining))
    }

    /// The tensors of `Opinions`, `scales.0` to `scales.7`, one for each opinion, and `joining`, `[groups, 2]`.
    fn save(&self) -> SavedTensors {
        let joining = self.joining.groups.as_flattened().to_vec();
        let saved = self.opinions.save().with("joining", &[GROUPS.len(), 2], joining);
        let scales = self.scales.iter().enumerate();
        scales.fold(saved, |saved, (opinion, scale)| saved.with_part(&format!("scales.{opinion}"), scale.save()))
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use rand::RngExt;

    const COLUMNS: usize = 5;

    fn config() -> QuorumConfig {
        QuorumConfig { trees: 7, most_rows: 50, ..QuorumConfig::default() }
    }

    fn fitted() -> (RuleData, Quorum) {
        let cell = |cell: usize| ((cell * 7919 + cell / COLUMNS * 104_729) % 1009) as f32 / 1009.0;
        let rows = (0..90 * COLUMNS).map(|place| cell(place) + if place < 8 * COLUMNS { 0.4 } else { 0.0 }).collect();
        let data = RuleData {
            rows,
            columns: COLUMNS,
            others: (8..90).collect(),
            anomalies: (0..8).collect(),
            normals: Vec::new(),
        };
        let quorum = config().fit(&data, &mut Seed(3).stream(&[]));
        (data, quorum)
    }

    #[test]
    fn a_saved_quorum_scores_the_same_bits() {
        let (data, quorum) = fitted();
        let rows = RowBlock::new(&data.rows, COLUMNS);
        let mut saved = quorum.save();
        let restored = config().restore(COLUMNS, &mut saved).unwrap();
        assert_eq!((restored.score(rows), saved.left()), (quorum.score(rows), None));
        assert_eq!(restored.save(), quorum.save());
    }

    /// 200 random rows in a square. The first ten are a cluster at one corner, the next ten one at another.
    fn clusters(anomalies: &[usize], normals: &[usize]) -> RuleData {
        let mut rng = Seed(5).stream(&["clusters"]);
        let mut cell = |low: f32, high: f32| rng.random_range(low..high);
        let corner = |row: usize| match row {
            0..10 => [(1.3, 1.5), (1.3, 1.5)],
            10..20 => [(1.3, 1.5), (-0.5, -0.3)],
            _ => [(0.0, 1.0), (0.0, 1.0)],
        };
        let rows = (0..200).flat_map(|row| corner(row).map(|(low, high)| cell(low, high))).collect();
        let others = (0..200).filter(|row| !anomalies.contains(row)).collect();
        RuleData { rows, columns: 2, anomalies: anomalies.to_vec(), others, normals: normals.to_vec() }
    }

    /// The mean place of rows in the ranking, counted from 0 for the highest score.
    fn mean_place(data: &RuleData, rows: std::ops::Range<usize>) -> f64 {
        let config = QuorumConfig { trees: 20, ..QuorumConfig::default() };
        let scores = config.fit(data, &mut Seed(3).stream(&[])).score(RowBlock::new(&data.rows, 2));
        let place = |row: usize| scores.iter().filter(|&&other| other > scores[row]).count() as f64;
        let count = rows.len() as f64;
        rows.map(place).sum::<f64>() / count
    }

    /// A row of the training table is no neighbour of itself: otherwise it would score lower than the held-out rows, and those that lie
    /// apart would not come first.
    #[test]
    fn without_labels_the_training_rows_that_lie_apart_come_first() {
        let mut data = clusters(&[], &[]);
        data.rows[..2].copy_from_slice(&[-1.5, 1.9]);
        data.rows[20..22].copy_from_slice(&[0.4, -1.8]);
        let quorum = config().fit(&data, &mut Seed(3).stream(&[]));
        let rows = RowBlock::new(&data.rows, 2);
        let scores = quorum.score(rows);
        for row in [0, 10] {
            assert!(scores.iter().filter(|&&other| other > scores[row]).count() < 2, "row {row}: {scores:?}");
        }
        let restored = config().restore(2, &mut quorum.save()).unwrap();
        assert_eq!((restored.score(rows), restored.save()), (scores, quorum.save()));
        let damaged = quorum.save().with("equal_left_out", &[1], vec![0.5]);
        assert!(config().restore(2, &mut damaged.clone()).is_err());
    }

    #[test]
    fn without_labels_new_rows_far_from_the_others_score_higher() {
        let data = clusters(&[], &[]);
        let quorum = config().fit(&data, &mut Seed(3).stream(&[]));
        let scores = quorum.score(RowBlock::new(&[-1.5, 1.9, 0.4, -1.8, 0.5, 0.5, 0.3, 0.8], 2));
        assert!(scores[0].min(scores[1]) > scores[2].max(scores[3]) + 0.5, "{scores:?}");
    }

    #[test]
    fn confirmed_normals_pull_down_the_rows_that_resemble_them() {
        for anomalies in [vec![], vec![0], vec![0, 10], vec![0, 1, 10]] {
            let before = clusters(&anomalies, &[]);
            let after = clusters(&anomalies, &[11, 12, 13, 14]);
            let [unlike, like] =
                [4..10, 15..20].map(|rows| [&before, &after].map(|data| mean_place(data, rows.clone())));
            assert!(like[1] - like[0] > 10.0 + unlike[1] - unlike[0], "{anomalies:?}: {like:?} {unlike:?}");
        }
    }

    #[test]
    fn saved_tensors_keep_their_names_and_shapes() {
        let (_, quorum) = fitted();
        let shapes: Vec<(String, Vec<usize>)> =
            quorum.save().into_iter().map(|(path, tensor)| (path, tensor.shape)).collect();
        let trees = ["forest.nodes", "turned.nodes"].map(|path| quorum.save().entries(path));
        let mut expected = vec![
            ("directions".to_owned(), vec![COLUMNS, 4]),
            ("forest.nodes".into(), vec![trees[0], 4]),
            ("forest.sizes".into(), vec![7]),
            ("joining".into(), vec![4, 2]),
            ("rows".into(), vec![50, COLUMNS]),
        ];
        for opinion in 0..8 {
            expected.push((format!("scales.{opinion}.knots"), vec![513]));
            expected.push((format!("scales.{opinion}.levels"), vec![513]));
        }
        expected.extend([
            ("squares".into(), vec![COLUMNS, 4]),
            ("turned.nodes".into(), vec![trees[1], 4]),
            ("turned.sizes".into(), vec![7]),
            ("whitening.axes".into(), vec![COLUMNS, COLUMNS]),
            ("whitening.mean".into(), vec![COLUMNS]),
        ]);
        assert_eq!(shapes, expected);
    }

    #[test]
    fn a_file_without_neighbours_is_refused_and_damaged_numbers_do_not_panic() {
        let (data, quorum) = fitted();
        let empty = quorum.save().with("rows", &[0, COLUMNS], Vec::new());
        assert!(config().restore(COLUMNS, &mut empty.clone()).is_err());
        for value in [f32::NAN, f32::INFINITY, -1e38] {
            let damaged = |of: &dyn Fn(&str) -> bool| -> SavedTensors {
                let change = |(path, mut tensor): (String, crate::SavedTensor)| {
                    if of(&path) {
                        tensor.values.iter_mut().step_by(3).for_each(|cell| *cell = value);
                    }
                    (path, tensor)
                };
                quorum.save().into_iter().map(change).collect()
            };
            // Numbers in an order, indices and divisors.
            for checked in ["scales.", "forest.nodes", "turned.sizes", "joining"] {
                let mut saved = damaged(&|path| path.starts_with(checked));
                // NaN and infinite values do not get through the reader of files, which is another layer.
                assert!(config().restore(COLUMNS, &mut saved).is_err() || !value.is_finite(), "{checked}: {value}");
            }
            let mut saved = damaged(&|path| ["rows", "directions", "squares", "whitening.mean"].contains(&path));
            let restored = config().restore(COLUMNS, &mut saved).unwrap();
            assert_eq!(restored.score(RowBlock::new(&data.rows, COLUMNS)).len(), 90);
        }
    }

    #[test]
    fn a_row_alone_scores_the_same_bits() {
        let (data, quorum) = fitted();
        let together = quorum.score(RowBlock::new(&data.rows, COLUMNS));
        let alone = data.rows.chunks_exact(COLUMNS).map(|row| quorum.score(RowBlock::new(row, COLUMNS))[0]);
        assert_eq!(together, alone.collect::<Vec<_>>());
    }
}
