//! The baseline without labels: the distance to the k-th nearest unlabelled row.
//!
//! Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step, Value};
use crate::tools::neighbours::Neighbours;
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// Configuration of the distance to the k-th nearest neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnnConfig {
    /// Which neighbour's distance is the score. If there are fewer unlabelled rows, it is the farthest one.
    pub k: usize,
}

impl Default for KnnConfig {
    fn default() -> Self {
        Self { k: 5 }
    }
}

impl Method for KnnConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "knn",
        title: "kNN distance",
        kind: MethodKind::Unsupervised,
        source: "Ramaswamy, Rastogi, Shim, SIGMOD 2000",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).at_least_one("k", self.k).done()
    }
}

impl RuleMethod for KnnConfig {
    type Fitted = Knn;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Knn {
        Knn { rows: Neighbours::new(data.other_rows(), data.columns), k: self.k }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Knn, String> {
        Ok(Knn { rows: Neighbours::restore(saved, "rows", columns)?, k: self.k })
    }
}

/// The unlabelled rows, indexed.
#[derive(Debug)]
pub struct Knn {
    rows: Neighbours,
    k: usize,
}

impl Knn {
    /// Adds its steps to a graph.
    pub(crate) fn describe(&self, graph: &mut Graph) -> Value {
        let [_, squares] = self.rows.describe(graph, Graph::ROWS, self.k);
        let square = graph.select(squares, [self.k.min(self.rows.rows()) - 1]);
        let distance = graph.then(Step::Root { of: square });
        graph.narrow(distance)
    }
}

impl FittedRule for Knn {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let nearest = self.rows.of(rows.cells(), self.k);
        nearest.by_row().filter_map(|(_, distances)| distances.last()).map(|&distance| distance as f32).collect()
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        self.describe(&mut graph);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        let shape = [self.rows.rows(), self.rows.columns()];
        SavedTensors::default().with("rows", &shape, self.rows.given().to_vec())
    }

    fn gradient(&self) -> Option<&dyn RuleGradient> {
        Some(self)
    }
}

impl RuleGradient for Knn {
    /// `(x − t) / |x − t|` with `t` the k-th neighbour of the row `x`; NaN for a copy of its k-th neighbour.
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let nearest = self.rows.of(rows.cells(), self.k);
        let mut gradient = Vec::with_capacity(rows.cells().len());
        for (row, (places, distances)) in rows.iter().zip(nearest.by_row()) {
            if let (Some(&place), Some(distance)) = (places.last(), distances.last()) {
                let differences = row.iter().zip(self.rows.row(place)).map(|(&x, &t)| f64::from(x) - f64::from(t));
                gradient.extend(differences.map(|difference| (difference / distance) as f32));
            }
        }
        gradient
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    fn fitted(k: usize) -> Knn {
        let rows = vec![0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0, 3.0, 9.0, 9.0];
        let data = RuleData { rows, columns: 2, others: vec![0, 1, 2, 3], anomalies: vec![4], normals: Vec::new() };
        KnnConfig { k }.fit(&data, &mut Seed(1).stream(&[]))
    }

    #[test]
    fn the_score_is_the_distance_to_the_kth_unlabelled_row() {
        let rows = RowBlock::new(&[0.0, 0.0, 3.0, 3.0], 2);
        assert_eq!(fitted(1).score(rows), [0.0, 0.0]);
        assert_eq!(fitted(3).score(rows), [2.0, 13f32.sqrt()]);
        assert_eq!(fitted(9).score(rows), [18f32.sqrt(), 18f32.sqrt()]);
    }

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let (knn, rows) = (fitted(2), [0.3, 0.8, -1.5, 4.0, 2.5, 0.1]);
        let gradient = RuleGradient::gradient(&knn, RowBlock::new(&rows, 2));
        assert_eq!(gradient.len(), rows.len());
        for (cell, gradient) in gradient.into_iter().enumerate() {
            let moved = |step: f32| {
                let mut rows = rows;
                rows[cell] += step;
                knn.score(RowBlock::new(&rows, 2))[cell / 2]
            };
            let difference = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((gradient - difference).abs() < 1e-3, "cell {cell}: {gradient} and {difference}");
        }
        assert!(RuleGradient::gradient(&fitted(1), RowBlock::new(&[3.0, 3.0], 2)).iter().all(|cell| cell.is_nan()));
    }

    #[test]
    fn a_restored_rule_scores_the_same_and_needs_rows() {
        let (knn, rows) = (fitted(2), [0.3, 0.8, -1.5, 4.0]);
        let restored = KnnConfig { k: 2 }.restore(2, &mut knn.save()).unwrap();
        assert_eq!(restored.score(RowBlock::new(&rows, 2)), knn.score(RowBlock::new(&rows, 2)));
        let mut empty = SavedTensors::default().with("rows", &[0, 2], Vec::new());
        assert!(KnnConfig::default().restore(2, &mut empty).is_err());
    }
}
