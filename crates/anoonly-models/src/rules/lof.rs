//! Local outlier factor: rows in sparser regions than their neighbours.
//!
//! Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Combination, GeneralStep, Graph, LookupTable, Step, Value};
use crate::tools::neighbours::Neighbours;
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of the local outlier factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LofConfig {
    /// The number of neighbours of a row, MinPts in the paper; all other rows if there are fewer.
    pub k: usize,
}

impl Default for LofConfig {
    fn default() -> Self {
        Self { k: 20 }
    }
}

/// Added to a mean reachability distance, as in scikit-learn, so that a row with as many copies as neighbours has a finite density.
const GAP: f64 = 1e-10;

impl Method for LofConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "lof",
        title: "Local outlier factor",
        kind: MethodKind::Unsupervised,
        source: "Breunig, Kriegel, Ng, Sander, SIGMOD 2000",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).at_least_one("k", self.k).done()
    }
}

impl RuleMethod for LofConfig {
    type Fitted = Lof;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Lof {
        let rows = Neighbours::new(data.other_rows(), data.columns);
        let nearest = rows.of_each(self.k);
        let mut reaches: Vec<f32> = nearest.by_row().map(|(_, distances)| farthest(distances)).collect();
        let mut densities: Vec<f32> =
            nearest.by_row().map(|(places, distances)| density(places, distances, &reaches) as f32).collect();
        // A single row has no neighbours.
        reaches.resize(rows.rows(), 0.0);
        densities.resize(rows.rows(), (1.0 / GAP) as f32);
        Lof { rows, reaches, densities, k: self.k }
    }

    /// The neighbours of all rows, and their distances.
    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, _: usize) -> u64 {
        (rows as u64).saturating_mul(self.k.min(rows) as u64).saturating_mul(16)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Lof, String> {
        let rows = Neighbours::restore(saved, "rows", columns)?;
        let (reaches, densities) = (saved.take("reaches", &[rows.rows()])?, saved.take("densities", &[rows.rows()])?);
        match reaches.iter().chain(&densities).all(|value| *value >= 0.0) {
            true => Ok(Lof { rows, reaches, densities, k: self.k }),
            false => Err("a distance or a density is negative".into()),
        }
    }
}

/// The largest of sorted distances.
fn farthest(distances: &[f64]) -> f32 {
    distances.last().map_or(0.0, |&distance| distance as f32)
}

/// The local reachability density: one over the mean reachability distance to the neighbours. This is the distance to a neighbour, or
/// the neighbour's reach if that is larger.
fn density(places: &[u32], distances: &[f64], reaches: &[f32]) -> f64 {
    let reached = |(&place, &distance): (&u32, &f64)| distance.max(f64::from(reaches[place as usize]));
    let sum: f64 = places.iter().zip(distances).map(reached).sum();
    1.0 / (sum / places.len() as f64 + GAP)
}

/// The unlabelled rows, indexed, with what the factor needs of each.
#[derive(Debug)]
pub struct Lof {
    rows: Neighbours,
    /// The distance of each row to the farthest of its neighbours, `[rows]`.
    reaches: Vec<f32>,
    /// The local reachability density of each row, `[rows]`.
    densities: Vec<f32>,
    k: usize,
}

impl Lof {
    /// Adds its steps to a graph.
    pub(crate) fn describe(&self, graph: &mut Graph) -> Value {
        let [places, squares] = self.rows.describe(graph, Graph::ROWS, self.k);
        let share = 1.0 / self.k.min(self.rows.rows()) as f64;
        let [reaches, densities] = [&self.reaches, &self.densities].map(|values| {
            let table =
                LookupTable { shape: [1, values.len()], cells: values.iter().map(|&value| f64::from(value)).collect() };
            graph.general(GeneralStep::Lookup { at: places, table })
        });
        let distances = graph.then(Step::Root { of: squares });
        let reached = graph.combine(distances, Combination::Larger, reaches);
        let [reached, densities] = [reached, densities].map(|of| graph.sum(of));
        let inverse_density = graph.affine(reached, share, GAP);
        let mean = graph.affine(densities, share, 0.0);
        let factor = graph.combine(mean, Combination::Product, inverse_density);
        graph.narrow(factor)
    }
}

impl FittedRule for Lof {
    /// The mean density of a row's neighbours divided by the row's own: about 1 for a row in a region as dense as theirs.
    ///
    /// A scored row is not one of the fitted rows: if it is a copy of one, that row is its nearest neighbour.
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let factor = |(places, distances): (&[u32], &[f64])| {
            let sum: f64 = places.iter().map(|&place| f64::from(self.densities[place as usize])).sum();
            (sum / places.len() as f64 / density(places, distances, &self.reaches)) as f32
        };
        self.rows.of(rows.cells(), self.k).by_row().map(factor).collect()
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        self.describe(&mut graph);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        let count = self.rows.rows();
        SavedTensors::default()
            .with("rows", &[count, self.rows.columns()], self.rows.given().to_vec())
            .with("reaches", &[count], self.reaches.clone())
            .with("densities", &[count], self.densities.clone())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    fn fitted(rows: Vec<f32>) -> Lof {
        let unlabelled = (0..rows.len()).collect();
        let data = RuleData { rows, columns: 1, others: unlabelled, anomalies: Vec::new(), normals: Vec::new() };
        LofConfig { k: 2 }.fit(&data, &mut Seed(1).stream(&[]))
    }

    /// A row among evenly spaced ones has a factor near 1, a distant row a large one, and a fit on a single row a finite one.
    #[test]
    fn a_row_as_dense_as_its_neighbours_has_the_factor_one() {
        let lof = fitted((0..9).map(|row| row as f32).collect());
        let scores = lof.score(RowBlock::new(&[4.5, 30.0], 1));
        assert!((scores[0] - 1.0).abs() < 0.4 && scores[1] > 10.0, "{scores:?}");
        assert!(fitted(vec![3.0]).score(RowBlock::new(&[3.0], 1))[0].is_finite());
    }

    #[test]
    fn a_restored_rule_scores_the_same_and_its_tensors_must_agree() {
        let lof = fitted(vec![0.0, 1.0, 2.5, 2.6, 7.0]);
        let rows = RowBlock::new(&[0.3, 2.5, 100.0], 1);
        let restore = |mut saved: SavedTensors| LofConfig { k: 2 }.restore(1, &mut saved);
        assert_eq!(restore(lof.save()).unwrap().score(rows), lof.score(rows));
        assert!(restore(lof.save().with("densities", &[4], vec![1.0; 4])).unwrap_err().contains("densities"));
        assert!(restore(lof.save().with("reaches", &[6], vec![1.0; 6])).unwrap_err().contains("reaches"));
        assert!(restore(lof.save().with("rows", &[0, 1], Vec::new())).unwrap_err().contains("rows"));
    }
}
