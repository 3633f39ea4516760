//! PU forest: extremely randomised trees, each between all labelled rows and a few unlabelled ones, and an unsupervised start.
//!
//! Bagging for positive and unlabelled examples: Mordelet and Vert, "A bagging SVM to learn from positive and unlabeled examples",
//! Pattern Recognition Letters 2014. The trees: Geurts, Ernst and Wehenkel, "Extremely randomized trees", Machine Learning 2006. The
//! second pass on reliable negatives follows the two-step methods surveyed by Bekker and Davis, "Learning from positive and unlabeled
//! data", Machine Learning 2020. The start and the numbers are this project's own; `docs/experiments/labelling.md` records how they were
//! chosen.

mod bagged;
mod graph;
mod start;

use std::sync::OnceLock;

use anoonly_core::ByClass;
use rand::Rng;
use serde::{Deserialize, Serialize};

use self::bagged::Bagged;
use self::start::{Start, StartRows};
use crate::error::Checks;
use crate::graph::Graph;
use crate::rule::{RefittedRule, RuleRefits};
use crate::tools::columns::transposed;
use crate::tools::trees::Forest;
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of a PU forest.
///
/// The trees of a first pass see all labelled rows (of more than `8 · sample` of a kind, as many) and `sample` unlabelled rows each. Those of the second pass draw their unlabelled rows
/// from the share `reliable` that scored lowest in the first, so that hidden anomalies are seldom taken for normal rows. The score of a
/// row is the mean share of anomalies, by weight, in its leaves. Anomalies have half of the weight; confirmed normals have the share
/// `certainty` of the other half.
///
/// As long as no row is labelled an anomaly, the score is unsupervised: the larger normal score of an isolation forest and of the distance
/// to the fifth nearest neighbour, pulled down next to confirmed normals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PuForestConfig {
    /// The number of trees of each pass.
    pub trees: usize,
    /// The number of unlabelled rows that each tree is grown from; half of them if there are fewer than twice as many.
    pub sample: usize,
    /// The share of the unlabelled rows, those with the lowest scores, that the second pass draws from.
    pub reliable: f64,
    /// The share of confirmed normals in the weight of the rows that are no anomalies. Their share of those rows, if it is larger.
    pub certainty: f64,
}

impl Default for PuForestConfig {
    fn default() -> Self {
        Self { trees: 100, sample: 500, reliable: 0.85, certainty: 0.8 }
    }
}

impl Method for PuForestConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "pu-forest",
        title: "PU forest",
        kind: MethodKind::FewLabels,
        source: "this project, docs/models/pu-forest.md; Mordelet and Vert 2014",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .parts("trees", self.trees)
            .that((1..=1 << 18).contains(&self.sample), "sample", self.sample, "from 1 to 262144")
            .that(self.reliable > 0.0 && self.reliable <= 1.0, "reliable", self.reliable, "above 0 and at most 1")
            .that((0.0..1.0).contains(&self.certainty), "certainty", self.certainty, "at least 0 and below 1")
            .done()
    }

    fn needs_labels(&self) -> bool {
        false
    }
}

impl RuleMethod for PuForestConfig {
    type Fitted = PuForest;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> PuForest {
        let classes =
            ByClass { anomalies: data.anomalies.clone(), others: data.others.clone(), normals: data.normals.clone() };
        match data.anomalies.is_empty() {
            true => PuForest::from(StartRows::of(&data.rows, data.columns, rng).start(&data.normals)),
            false => {
                let columns = by_column(&data.rows, data.columns);
                PuForest(Stage::Trees(
                    Bagged { config: self, rows: &data.rows, columns: &columns }.grow(&classes, rng).forest,
                ))
            }
        }
    }

    #[cfg(feature = "fit")]
    fn refits(&self, data: RuleData) -> Box<dyn RuleRefits> {
        let columns = by_column(&data.rows, data.columns);
        Box::new(PuForestRefits { config: self.clone(), data, columns, start: OnceLock::new() })
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        let of_row = (columns as u64).saturating_mul(size_of::<f32>() as u64).saturating_add(start::BYTES_PER_ROW);
        of_row.saturating_mul(rows as u64)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<PuForest, String> {
        match saved.entries("trees.sizes") > 0 {
            true => {
                Ok(PuForest(Stage::Trees(Forest::restore(columns, self.trees..=self.trees, &mut saved.part("trees"))?)))
            }
            false => Ok(PuForest::from(Start::restore(columns, &mut saved.part("start"))?)),
        }
    }
}

/// The values of each column of rows, `[rows, columns]`.
fn by_column(rows: &[f32], columns: usize) -> Vec<Vec<f32>> {
    let count = (rows.len() / columns).max(1);
    transposed(rows, columns).chunks_exact(count).map(<[f32]>::to_vec).collect()
}

/// Fits on the same rows. The start is worked out once.
#[derive(Debug)]
struct PuForestRefits {
    config: PuForestConfig,
    data: RuleData,
    /// The values of each column.
    columns: Vec<Vec<f32>>,
    start: OnceLock<StartRows>,
}

impl RuleRefits for PuForestRefits {
    /// Unlabelled rows are scored by the trees that have not seen them.
    fn refit(&mut self, classes: &ByClass, mut rng: &mut dyn Rng) -> RefittedRule {
        let Self { config, data, columns, start } = self;
        if classes.anomalies.is_empty() {
            let rows = start.get_or_init(|| StartRows::of(&data.rows, data.columns, &mut rng));
            let scores = rows.scores(&classes.normals);
            return RefittedRule { rule: Box::new(PuForest::from(rows.start(&classes.normals))), scores };
        }
        let grown = Bagged { config, rows: &data.rows, columns }.grow(classes, &mut rng);
        let scores = grown.scores(&data.rows, data.columns);
        RefittedRule { rule: Box::new(PuForest(Stage::Trees(grown.forest))), scores }
    }
}

/// A fitted PU forest.
#[derive(Debug)]
pub struct PuForest(Stage);

/// What scores the rows.
#[derive(Debug)]
enum Stage {
    /// Without a labelled anomaly.
    Start(Box<Start>),
    /// Trees whose leaves hold their shares of anomalies.
    Trees(Forest),
}

impl From<Start> for PuForest {
    fn from(start: Start) -> Self {
        Self(Stage::Start(Box::new(start)))
    }
}

impl FittedRule for PuForest {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        match &self.0 {
            Stage::Start(start) => start.score(rows),
            Stage::Trees(forest) => forest.scores(rows),
        }
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        match &self.0 {
            Stage::Start(start) => start.describe(&mut graph),
            Stage::Trees(forest) => {
                let mean = forest.describe_mean(&mut graph, Graph::ROWS);
                graph.narrow(mean);
            }
        }
        Some(graph)
    }

    /// The tensors of the trees as `trees`, or those of the start as `start`.
    fn save(&self) -> SavedTensors {
        match &self.0 {
            Stage::Start(start) => SavedTensors::default().with_part("start", start.save()),
            Stage::Trees(forest) => SavedTensors::default().with_part("trees", forest.save()),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::check_saving;
    use anoonly_core::Seed;
    use rand::RngExt;

    const COLUMNS: usize = 3;

    fn config() -> PuForestConfig {
        PuForestConfig { trees: 20, sample: 30, ..PuForestConfig::default() }
    }

    /// 120 random rows between 0 and 1. The first ten are larger by 1 in all columns.
    fn rows() -> Vec<f32> {
        let mut rng = Seed(5).stream(&["rows"]);
        let cell = |place: usize| rng.random_range(0.0..1.0) + if place < 10 * COLUMNS { 1.0 } else { 0.0 };
        (0..120 * COLUMNS).map(cell).collect()
    }

    fn classes(anomalies: &[usize], normals: &[usize]) -> ByClass {
        let others = (0..120).filter(|row| !anomalies.contains(row)).collect();
        ByClass { anomalies: anomalies.to_vec(), others, normals: normals.to_vec() }
    }

    fn data(ByClass { anomalies, others, normals }: ByClass) -> RuleData {
        RuleData { rows: rows(), columns: COLUMNS, anomalies, others, normals }
    }

    fn refits() -> Box<dyn RuleRefits> {
        config().refits(data(classes(&[], &[])))
    }

    fn scores(refits: &mut dyn RuleRefits, anomalies: &[usize], normals: &[usize]) -> Vec<f32> {
        refits.refit(&classes(anomalies, normals), &mut Seed(3).stream(&[])).scores
    }

    /// The indices of the highest scores, in ascending order.
    fn highest(scores: &[f32], count: usize) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        rows.truncate(count);
        rows.sort_unstable();
        rows
    }

    #[test]
    fn unlabelled_anomalies_come_first_before_and_after_the_first_label() {
        let mut refits = refits();
        assert!(highest(&scores(&mut *refits, &[], &[]), 10).iter().filter(|&&row| row < 10).count() >= 9);
        // The labelled rows are among the first; the hidden anomalies follow them.
        assert_eq!(highest(&scores(&mut *refits, &[0, 1, 2], &[]), 10), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_row_confirmed_as_normal_loses_and_so_do_its_neighbours() {
        let mut refits = refits();
        for anomalies in [&[][..], &[4, 5]] {
            let (before, after) = (scores(&mut *refits, anomalies, &[]), scores(&mut *refits, anomalies, &[0, 1, 2]));
            let places = |scores: &[f32], row: usize| scores.iter().filter(|&&other| other > scores[row]).count();
            for row in [0, 1, 2] {
                assert!(places(&after, row) > places(&before, row), "{anomalies:?}, row {row}");
            }
            let sum = |scores: &[f32]| -> usize { [3, 6, 7, 8, 9].iter().map(|&row| places(scores, row)).sum() };
            assert!(sum(&after) > sum(&before), "{anomalies:?}: hidden anomalies that resemble confirmed normals");
        }
    }

    #[test]
    fn a_fit_depends_on_its_labels_and_not_on_earlier_fits() {
        let (mut used, mut new) = (refits(), refits());
        scores(&mut *used, &[], &[50]);
        scores(&mut *used, &[0, 1], &[50, 60]);
        for (anomalies, normals) in [(&[][..], &[50][..]), (&[0, 3], &[60])] {
            assert_eq!(scores(&mut *used, anomalies, normals), scores(&mut *new, anomalies, normals));
        }
    }

    /// New rows are scored by all trees. The mean over the trees that have not seen an unlabelled row is seldom lower, because a tree
    /// that has seen it counts it as normal. If only reliable rows are drawn, no tree has seen a hidden anomaly.
    #[test]
    fn unlabelled_training_rows_are_scored_by_trees_that_have_not_seen_them() {
        let classes = classes(&[0, 1, 2], &[50, 51]);
        for (reliable, draws_hidden) in [(1.0, true), (0.85, false)] {
            let config = PuForestConfig { reliable, ..config() };
            let fitted = config.fit(&data(classes.clone()), &mut Seed(3).stream(&[]));
            let as_new = fitted.score(RowBlock::new(&rows(), COLUMNS));
            let mut refits = config.refits(data(classes.clone()));
            let unseen = refits.refit(&classes, &mut Seed(3).stream(&[])).scores;
            let sums = [&as_new, &unseen].map(|scores| scores[3..10].iter().sum::<f32>());
            assert_eq!(sums[1] > sums[0] + 0.1, draws_hidden, "{reliable}: {sums:?}");
            assert_eq!(as_new[..3], unseen[..3], "every tree has seen the labelled rows");
        }
    }

    #[test]
    fn a_saved_forest_scores_the_same_bits_at_both_stages() {
        let labelled = data(classes(&[0, 1, 2], &[50, 51]));
        let fit = |data: &RuleData| config().fit(data, &mut Seed(3).stream(&[]));
        let fitted = fit(&labelled);
        let restored = config().restore(COLUMNS, &mut fitted.save()).unwrap();
        let cells = rows();
        let rows = RowBlock::new(&cells, COLUMNS);
        assert_eq!((restored.score(rows), restored.save()), (fitted.score(rows), fitted.save()));
        assert!(config().restore(1, &mut fitted.save()).is_err(), "a tree splits a column that is not there");
        let unlabelled = data(classes(&[], &[50, 51]));
        let nodes = fit(&unlabelled).save().entries("start.forest.nodes");
        let shapes: [(&str, &[usize]); 8] = [
            ("start.distance.knots", &[513]),
            ("start.distance.levels", &[513]),
            ("start.forest.nodes", &[nodes, 4]),
            ("start.forest.sizes", &[100]),
            ("start.isolation.knots", &[513]),
            ("start.isolation.levels", &[513]),
            ("start.refuted", &[nodes]),
            ("start.rows", &[120, COLUMNS]),
        ];
        check_saving(&config(), &unlabelled, &shapes);
    }

    #[test]
    fn tiny_tables_and_tables_without_unlabelled_rows_are_fitted() {
        let cells = vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        for (anomalies, others, normals) in
            [(vec![], vec![0, 1], vec![]), (vec![1], vec![0], vec![]), (vec![1], vec![0], vec![0])]
        {
            let data = RuleData { rows: cells.clone(), columns: COLUMNS, anomalies, others, normals };
            let scores = config().fit(&data, &mut Seed(1).stream(&[])).score(RowBlock::new(&cells, COLUMNS));
            assert!(scores.iter().all(|score| score.is_finite()) && scores[1] >= scores[0], "{scores:?}");
        }
    }
}
