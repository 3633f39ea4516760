//! XGBOD: gradient-boosted trees on the columns and on the scores of unsupervised methods.
//!
//! Zhao and Hryniewicki, "XGBOD: Improving Supervised Outlier Detection with Unsupervised Representation Learning", IJCNN 2018.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Step};
use crate::rules::gbdt::GbdtConfig;
use crate::rules::hbos::{Hbos, HbosConfig};
use crate::rules::isolation_forest::{IsolationForest, IsolationForestConfig};
use crate::rules::knn::{Knn, KnnConfig};
use crate::rules::lof::{Lof, LofConfig};
use crate::rules::ocsvm::{Ocsvm, OcsvmConfig};
use crate::tools::balance::ClassRows;
use crate::tools::trees::Forest;
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of XGBOD: of the unsupervised methods, which are fitted on all training rows, and of the trees, which are fitted on the
/// columns and the scores of these methods. The score of a row is its log odds.
///
/// Differs from the paper in that each method has one setting. The paper takes many settings of each and selects among the scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XgbodConfig {
    /// The distance to a neighbour.
    pub knn: KnnConfig,
    /// The local outlier factor.
    pub lof: LofConfig,
    /// The histogram-based score.
    pub hbos: HbosConfig,
    /// The isolation forest.
    pub isolation_forest: IsolationForestConfig,
    /// The one-class support vector machine.
    pub ocsvm: OcsvmConfig,
    /// The gradient-boosted trees.
    pub gbdt: GbdtConfig,
}

impl Method for XgbodConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "xgbod",
        title: "XGBOD",
        kind: MethodKind::FewLabels,
        source: "Zhao and Hryniewicki, IJCNN 2018",
    };

    fn check(&self) -> Result<(), ConfigError> {
        self.knn.check()?;
        self.lof.check()?;
        self.hbos.check()?;
        self.isolation_forest.check()?;
        self.ocsvm.check()?;
        self.gbdt.check()
    }
}

impl RuleMethod for XgbodConfig {
    type Fitted = Xgbod;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> Xgbod {
        // A row that a method was fitted on scores lower than a new one. This must not reveal labels, so anomalies are included.
        let mut unlabelled = [&data.others[..], &data.anomalies].concat();
        unlabelled.sort_unstable();
        let all = RuleData { others: unlabelled, ..data.clone() };
        let unsupervised = Unsupervised {
            knn: self.knn.fit(&all, rng),
            lof: self.lof.fit(&all, rng),
            hbos: self.hbos.fit(&all, rng),
            isolation_forest: self.isolation_forest.fit(&all, rng),
            ocsvm: self.ocsvm.fit(&all, rng),
        };
        let columns = data.columns;
        let [unlabelled, normals, anomalies] = [data.unlabelled_rows(), data.normal_rows(), data.anomalous_rows()]
            .map(|rows| unsupervised.widened(RowBlock::new(&rows, columns)));
        let rows = ClassRows { unlabelled: &unlabelled, normals: &normals, anomalies: &anomalies };
        Xgbod { forest: self.gbdt.grow(rows, columns + SCORES, rng), unsupervised }
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        RuleMethod::memory(&self.ocsvm, rows, columns).max(RuleMethod::memory(&self.lof, rows, columns))
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Xgbod, String> {
        let mut parts = saved.part("unsupervised");
        let unsupervised = Unsupervised {
            knn: restored(&self.knn, "knn", columns, &mut parts)?,
            lof: restored(&self.lof, "lof", columns, &mut parts)?,
            hbos: restored(&self.hbos, "hbos", columns, &mut parts)?,
            isolation_forest: restored(&self.isolation_forest, "isolation_forest", columns, &mut parts)?,
            ocsvm: restored(&self.ocsvm, "ocsvm", columns, &mut parts)?,
        };
        match parts.left() {
            None => Ok(Xgbod {
                unsupervised,
                forest: Forest::restore(columns + SCORES, 0..=self.gbdt.trees, &mut saved.part("forest"))?,
            }),
            Some(path) => Err(format!("no method has the tensor `unsupervised.{path}`")),
        }
    }
}

/// Restores a fitted method from the tensors of its part. It must use every one of them.
fn restored<M: RuleMethod>(
    method: &M,
    part: &str,
    columns: usize,
    saved: &mut SavedTensors,
) -> Result<M::Fitted, String> {
    let mut saved = saved.part(part);
    let fitted = method.restore(columns, &mut saved).map_err(|reason| format!("unsupervised.{part}: {reason}"))?;
    match saved.left() {
        None => Ok(fitted),
        Some(path) => Err(format!("unsupervised.{part} has no tensor `{path}`")),
    }
}

/// The number of scores that are added to the columns.
const SCORES: usize = 5;
/// The number of rows scored together.
const BLOCK: usize = 2048;

/// The methods whose scores are added to the columns.
#[derive(Debug)]
struct Unsupervised {
    knn: Knn,
    lof: Lof,
    hbos: Hbos,
    isolation_forest: IsolationForest,
    ocsvm: Ocsvm,
}

impl Unsupervised {
    /// Rows followed by their scores, `[rows, columns + 5]`.
    fn widened(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut wide = Vec::with_capacity(rows.count() * (rows.columns() + SCORES));
        for rows in rows.blocks(BLOCK) {
            let scores: [Vec<f32>; SCORES] = [
                self.knn.score(rows),
                self.lof.score(rows),
                self.hbos.score(rows),
                self.isolation_forest.score(rows),
                self.ocsvm.score(rows),
            ];
            for (index, row) in rows.iter().enumerate() {
                wide.extend(row);
                wide.extend(scores.iter().map(|scores| scores[index]));
            }
        }
        wide
    }
}

/// The unsupervised methods, and the trees on the columns and their scores.
#[derive(Debug)]
pub struct Xgbod {
    unsupervised: Unsupervised,
    forest: Forest,
}

impl FittedRule for Xgbod {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let blocks = rows.blocks(BLOCK).map(|block| self.unsupervised.widened(block));
        let sums = blocks.flat_map(|wide| self.forest.sums(RowBlock::new(&wide, rows.columns() + SCORES).into()));
        sums.map(|sum| sum as f32).collect()
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let Unsupervised { knn, lof, hbos, isolation_forest, ocsvm } = &self.unsupervised;
        let scores = [
            knn.describe(&mut graph),
            lof.describe(&mut graph),
            hbos.describe(&mut graph),
            isolation_forest.describe(&mut graph),
            ocsvm.describe(&mut graph),
        ];
        let wide = graph.then(Step::Concat { of: [Graph::ROWS].into_iter().chain(scores).collect() });
        let sum = self.forest.describe_sum(&mut graph, wide);
        graph.narrow(sum);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        let Unsupervised { knn, lof, hbos, isolation_forest, ocsvm } = &self.unsupervised;
        let unsupervised = SavedTensors::default()
            .with_part("knn", knn.save())
            .with_part("lof", lof.save())
            .with_part("hbos", hbos.save())
            .with_part("isolation_forest", isolation_forest.save())
            .with_part("ocsvm", ocsvm.save());
        SavedTensors::default().with_part("unsupervised", unsupervised).with_part("forest", self.forest.save())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    /// Unlabelled rows in a disc, and two labelled anomalies to the right of it.
    fn data() -> RuleData {
        let disc = (0..200).map(|row| point(row as f32 * 2.4, (row as f32 / 200.0).sqrt()));
        let rows = disc.chain([point(0.1, 2.0), point(-0.1, 2.1)]).flatten().collect();
        RuleData { rows, columns: 2, others: (0..200).collect(), anomalies: vec![200, 201], normals: Vec::new() }
    }

    fn point(angle: f32, radius: f32) -> [f32; 2] {
        [radius * angle.cos(), radius * angle.sin()]
    }

    /// The columns do not separate anomalies on the left from other rows, but the distance from other rows does.
    #[test]
    fn anomalies_on_sides_without_a_label_are_found() {
        let rows = [point(3.1, 2.0), point(3.1, 0.5)].concat();
        let (rows, data) = (RowBlock::new(&rows, 2), data());
        let rng = || Seed(1).stream(&[]);
        let with = XgbodConfig::default().fit(&data, &mut rng()).score(rows);
        let without = GbdtConfig::default().fit(&data, &mut rng()).score(rows);
        assert!(with[0] > with[1], "{with:?}");
        assert!(without[0] <= without[1], "{without:?}");
    }

    #[test]
    fn a_restored_rule_scores_the_same_and_other_tensors_are_refused() {
        let (config, data) = (XgbodConfig::default(), data());
        let xgbod = config.fit(&data, &mut Seed(1).stream(&[]));
        let mut saved = xgbod.save();
        assert_eq!(config.restore(2, &mut saved).unwrap().score(data_block(&data)), xgbod.score(data_block(&data)));
        assert_eq!(saved.left(), None);
        for path in ["unsupervised.rows", "unsupervised.knn.squares", "unsupervised.isolation_forest.forest.rows"] {
            let mut saved = xgbod.save().with(path, &[1], vec![0.0]);
            let error = config.restore(2, &mut saved).unwrap_err();
            assert!(error.contains(path.rsplit('.').next().unwrap()), "{path}: {error}");
        }
    }

    fn data_block(data: &RuleData) -> RowBlock<'_> {
        RowBlock::new(&data.rows, data.columns)
    }
}
