//! Gradient-boosted trees between labelled anomalies and all other rows.
//!
//! Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics 2001, with second derivatives as in
//! Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016. The crate `forust-ml` grows the trees.

#[cfg(feature = "fit")]
use forust_ml::objective::ObjectiveType;
#[cfg(feature = "fit")]
use forust_ml::tree::Tree;
#[cfg(feature = "fit")]
use forust_ml::{GradientBooster, Matrix};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::tools::balance::{ClassRows, weight_divisors};
use crate::tools::trees::{Forest, NODE, between};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of gradient-boosted trees. The loss is logistic, and both classes have the same total weight; confirmed
/// normals have half of that of the rows that are no anomalies. The score of a row is its
/// log odds.
///
/// A column is cut at no more than 256 values. A threshold lies in the middle between two training values, as in scikit-learn; in
/// XGBoost it is the upper one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GbdtConfig {
    /// The number of trees.
    pub trees: usize,
    /// The largest number of splits between a tree's root and a leaf.
    pub depth: usize,
    /// The factor of each leaf's value.
    pub learning_rate: f64,
    /// Added to the sum of second derivatives at a node: the larger it is, the smaller are the values of leaves.
    pub l2: f64,
    /// The smallest sum of second derivatives at a node. Before the first tree, a row contributes a quarter of its weight.
    pub least_hessian: f64,
    /// The share of the columns that each tree may split, above 0 and at most 1. They are drawn at random for each tree.
    pub columns: f64,
}

impl Default for GbdtConfig {
    fn default() -> Self {
        Self { trees: 100, depth: 3, learning_rate: 0.1, l2: 1.0, least_hessian: 1.0, columns: 1.0 }
    }
}

/// The largest number of values at which a column is cut.
const CUTS: u16 = 256;

impl Method for GbdtConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "gbdt",
        title: "Gradient-boosted trees",
        kind: MethodKind::FewLabels,
        source: "Friedman 2001; Chen and Guestrin, KDD 2016",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .parts("trees", self.trees)
            .that((1..=20).contains(&self.depth), "depth", self.depth, "from 1 to 20")
            .positive("learning_rate", self.learning_rate)
            .not_negative("l2", self.l2)
            .not_negative("least_hessian", self.least_hessian)
            .that(self.columns > 0.0 && self.columns <= 1.0, "columns", self.columns, "above 0 and at most 1")
            .done()
    }
}

impl RuleMethod for GbdtConfig {
    type Fitted = Gbdt;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> Gbdt {
        let (unlabelled, normals, anomalies) = (data.unlabelled_rows(), data.normal_rows(), data.anomalous_rows());
        let rows = ClassRows { unlabelled: &unlabelled, normals: &normals, anomalies: &anomalies };
        Gbdt { forest: self.grow(rows, data.columns, rng) }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Gbdt, String> {
        Ok(Gbdt { forest: Forest::restore(columns, 0..=self.trees, &mut saved.part("forest"))? })
    }
}

#[cfg(feature = "fit")]
impl GbdtConfig {
    /// Grows trees from rows with `columns` columns. The sum of a row's values is its log odds.
    pub(crate) fn grow(&self, rows: ClassRows<'_>, columns: usize, rng: &mut impl Rng) -> Forest {
        let counts = rows.counts(columns);
        let count: usize = counts.iter().sum();
        let by_column: Vec<f64> =
            (0..columns).flat_map(|column| rows.iter(columns).map(move |row| f64::from(row[column]))).collect();
        let of_kind = |values: [f64; 3]| -> Vec<f64> {
            counts.into_iter().zip(values).flat_map(|(count, value)| std::iter::repeat_n(value, count)).collect()
        };
        let mut booster = GradientBooster::default();
        booster.objective_type = ObjectiveType::LogLoss;
        booster.iterations = self.trees;
        booster.learning_rate = self.learning_rate as f32;
        booster.max_depth = self.depth;
        booster.l2 = self.l2 as f32;
        booster.min_leaf_weight = self.least_hessian as f32;
        // The log odds of two classes with the same weight.
        (booster.initialize_base_score, booster.base_score) = (false, 0.0);
        booster.nbins = CUTS;
        // One thread: the result is bitwise the same on every machine, and callers run fits in parallel.
        booster.parallel = false;
        booster.allow_missing_splits = false;
        // At least one column.
        booster.colsample_bytree = self.columns.max(1.0 / columns as f64);
        booster.seed = rng.random();
        let weights = of_kind(weight_divisors(counts).map(|divisor| count as f64 / divisor));
        let rows = Matrix::new(&by_column, count, columns);
        booster.fit(&rows, &of_kind([0.0, 0.0, 1.0]), &weights, None).expect("the options are checked");
        let mut forest = Forest::default();
        booster.trees.iter().for_each(|tree| forest.push(&nodes(tree, &rows)));
        forest
    }
}

/// The nodes of a tree in the layout of a [`Forest`].
#[cfg(feature = "fit")]
fn nodes(tree: &Tree, rows: &Matrix<'_, f64>) -> Vec<f32> {
    let mut nodes = vec![0.0; NODE];
    let mut open = vec![(0, 0)];
    while let Some((from, index)) = open.pop() {
        let node = &tree.nodes[from];
        if node.is_leaf {
            nodes[index * NODE + 3] = node.weight_value;
            continue;
        }
        // In forust-ml a value below the threshold goes left, in a forest also one equal to it.
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for &value in rows.get_col(node.split_feature) {
            if value < node.split_value {
                low = low.max(value);
            } else {
                high = high.min(value);
            }
        }
        let child = nodes.len() / NODE;
        let split = [node.split_feature as f32, between(low as f32, high as f32), child as f32];
        nodes[index * NODE..][..3].copy_from_slice(&split);
        nodes.extend([0.0; 2 * NODE]);
        open.extend([(node.left_child, child), (node.right_child, child + 1)]);
    }
    nodes
}

/// Trees with leaves that hold parts of the log odds.
#[derive(Debug)]
pub struct Gbdt {
    forest: Forest,
}

impl FittedRule for Gbdt {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.forest.sums(rows.into()).into_iter().map(|sum| sum as f32).collect()
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let sum = self.forest.describe_sum(&mut graph, Graph::ROWS);
        graph.narrow(sum);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default().with_part("forest", self.forest.save())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    /// 150 rows with four columns from a fixed sequence. The last 30 are anomalies, with slightly higher values.
    fn rows() -> (Vec<f32>, Vec<f32>) {
        let mut state = 1u64;
        let mut next = || {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            (state >> 7) as f32 / (1 << 24) as f32
        };
        let mut cells: Vec<f32> = (0..600).map(|_| next()).collect();
        let anomalies: Vec<f32> = cells.split_off(480).into_iter().map(|cell| cell + 0.25).collect();
        (cells, anomalies)
    }

    fn class_rows<'a>(unlabelled: &'a [f32], anomalies: &'a [f32]) -> ClassRows<'a> {
        ClassRows { unlabelled, normals: &[], anomalies }
    }

    /// The last 20 of the 120 rows that are no anomalies are confirmed as normal.
    #[test]
    fn log_odds_with_confirmed_normals_agree_with_scikit_learn() {
        let (others, anomalies) = rows();
        let (unlabelled, normals) = others.split_at(400);
        let config = GbdtConfig { trees: 30, l2: 0.0, ..Default::default() };
        let forest = config.grow(ClassRows { unlabelled, normals, anomalies: &anomalies }, 4, &mut Seed(1).stream(&[]));
        let asked = others.chunks(4).take(4).chain(anomalies.chunks(4).take(2));
        for (row, theirs) in asked.chain([&[0.6, 0.6, 0.6, 0.6][..], &[0.1, 0.9, 0.3, 1.2]]).zip(CONFIRMED) {
            let ours = forest.sum(row);
            assert!((ours - theirs).abs() < 1e-4, "{ours}, but scikit-learn says {theirs}");
        }
    }

    /// Figures from `xtask/golden/golden_trees.py`, which uses the same rows and documents the other settings. The sums of `forust-ml` are
    /// `f32`.
    #[test]
    fn log_odds_agree_with_scikit_learn() {
        let (unlabelled, anomalies) = rows();
        for (config, expected) in [
            (GbdtConfig { trees: 30, l2: 0.0, ..Default::default() }, PLAIN),
            (GbdtConfig { trees: 30, depth: 4, learning_rate: 0.3, l2: 2.5, ..Default::default() }, SHRUNK),
        ] {
            let forest = config.grow(class_rows(&unlabelled, &anomalies), 4, &mut Seed(1).stream(&[]));
            assert_eq!(forest.sizes.len(), 30);
            let asked = unlabelled.chunks(4).take(4).chain(anomalies.chunks(4).take(2));
            for (row, theirs) in asked.chain([&[0.6, 0.6, 0.6, 0.6][..], &[0.1, 0.9, 0.3, 1.2]]).zip(expected) {
                let ours = forest.sum(row);
                assert!((ours - theirs).abs() < 1e-4, "{ours}, but scikit-learn says {theirs}");
            }
        }
    }

    #[test]
    fn equal_rows_have_log_odds_of_zero() {
        let forest = GbdtConfig::default().grow(class_rows(&[0.5; 20], &[0.5; 4]), 2, &mut Seed(1).stream(&[]));
        assert!(forest.sum(&[0.5, 0.5]).abs() < 1e-5, "{}", forest.sum(&[0.5, 0.5]));
    }

    /// The columns of a tree are drawn at random, and depend only on the seed.
    #[test]
    fn the_seed_determines_the_columns_of_a_tree() {
        let (unlabelled, anomalies) = rows();
        let config = GbdtConfig { columns: 0.5, ..Default::default() };
        let grown = |seed: u64| config.grow(class_rows(&unlabelled, &anomalies), 4, &mut Seed(seed).stream(&[]));
        assert_eq!(grown(1), grown(1));
        assert_ne!(grown(1), grown(2));
    }

    const PLAIN: [f64; 8] = [-3.103366, -1.967850, -3.100815, -2.829064, 0.933878, 3.103753, -1.482416, 0.527642];
    const CONFIRMED: [f64; 8] = [-3.323744, -1.781241, -3.315890, -2.868322, 0.792540, 3.083004, -1.488807, 1.677312];
    const SHRUNK: [f64; 8] = [-4.169571, -2.726640, -4.169571, -3.747637, 1.439633, 4.595685, -2.228141, -0.902204];
}
