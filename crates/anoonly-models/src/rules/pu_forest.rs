//! PU forest: extremely randomised trees, each between all labelled rows and a few unlabelled ones, and an unsupervised start.
//!
//! Bagging for positive and unlabelled examples: Mordelet and Vert, "A bagging SVM to learn from positive and unlabeled examples",
//! Pattern Recognition Letters 2014. The trees: Geurts, Ernst and Wehenkel, "Extremely randomized trees", Machine Learning 2006. The
//! second pass on reliable negatives follows the two-step methods surveyed by Bekker and Davis, "Learning from positive and unlabeled
//! data", Machine Learning 2020. The start and the numbers are this project's own; `docs/experiments/labelling.md` records how they were
//! chosen.

mod bagged;
mod start;

use std::sync::OnceLock;

use anoonly_core::ByClass;
use rand::Rng;
use serde::{Deserialize, Serialize};

use self::bagged::Bagged;
use self::start::{Start, StartRows};
use crate::error::Checks;
use crate::rule::{RefittedRule, RuleRefits};
use crate::tools::trees::{Forest, MOST_ROWS};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of a PU forest.
///
/// The trees of a first pass see all labelled rows and `sample` unlabelled rows each. Those of the second pass draw their unlabelled rows
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
            .that((1..=MOST_ROWS).contains(&self.sample), "sample", self.sample, "from 1 to 8388608")
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

    fn refits(&self, data: RuleData) -> Box<dyn RuleRefits> {
        let columns = by_column(&data.rows, data.columns);
        Box::new(PuForestRefits { config: self.clone(), data, columns, start: OnceLock::new() })
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
    let mut by_column: Vec<Vec<f32>> = (0..columns).map(|_| Vec::with_capacity(rows.len() / columns)).collect();
    for row in rows.chunks_exact(columns) {
        by_column.iter_mut().zip(row).for_each(|(column, &cell)| column.push(cell));
    }
    by_column
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
            Stage::Trees(forest) => rows.iter().map(|row| forest.mean(row) as f32).collect(),
        }
    }

    /// The tensors of the trees as `trees`, or those of the start as `start`.
    fn save(&self) -> SavedTensors {
        match &self.0 {
            Stage::Start(start) => SavedTensors::default().with_part("start", start.save()),
            Stage::Trees(forest) => SavedTensors::default().with_part("trees", forest.save()),
        }
    }
}
