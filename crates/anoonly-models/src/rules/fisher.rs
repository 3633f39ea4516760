//! The baseline of two Gaussians: Fisher's direction between the unlabelled rows and the labelled anomalies.
//!
//! Fisher, "The use of multiple measurements in taxonomic problems", 1936; the covariance is shrunk after Ledoit and Wolf (2004).

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Matrix};
use crate::kernels::Scorer;
use crate::kernels::products::dots_with;
#[cfg(feature = "fit")]
use crate::tools::covariance::{self, Covariance};
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// The score of a row `x` is `(x − u) · Σ⁻¹(a − u)`, where `u` is the mean unlabelled row, `a` the mean labelled anomaly and `Σ` the
/// shrunk covariance of the unlabelled rows ([`Covariance::ledoit_wolf`]), in standard deviations of the unlabelled rows along this
/// direction. It has no options. If some rows are confirmed as normal, `u` is the middle between their mean and the mean unlabelled row.
///
/// Departs from Fisher, whose covariance is that within both classes: labelled anomalies are too few to estimate one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FisherConfig {}

impl Method for FisherConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "fisher",
        title: "Fisher direction",
        kind: MethodKind::Baseline,
        source: "Fisher 1936; Ledoit and Wolf 2004",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl RuleMethod for FisherConfig {
    type Fitted = Fisher;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Fisher {
        let covariance = Covariance::ledoit_wolf_of(data.at(&data.others));
        let usual = if data.normals.is_empty() { covariance.mean.clone() } else { data.usual_mean() };
        let mut difference: Vec<f64> = usual.iter().map(|cell| -cell).collect();
        for anomaly in data.anomalous_rows().chunks_exact(data.columns) {
            let shares = anomaly.iter().map(|&cell| f64::from(cell) / data.anomalies.len() as f64);
            difference.iter_mut().zip(shares).for_each(|(cell, share)| *cell += share);
        }
        let direction = covariance.inverse_times(&difference);
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        // The variance along the direction is this very product. If the means are equal, all scores are 0.
        let variance = product(&direction, &difference);
        let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
        let offset = -scale * product(&direction, &usual);
        Fisher { direction: direction.iter().map(|cell| (cell * scale) as f32).collect(), offset: offset as f32 }
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        covariance::memory(rows, columns)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Fisher, String> {
        Ok(Fisher { direction: saved.take("direction", &[columns])?, offset: saved.take("offset", &[1])?[0] })
    }
}

/// The direction, `[columns]`, and what is added to the product with it.
#[derive(Clone, Debug)]
pub struct Fisher {
    direction: Vec<f32>,
    offset: f32,
}

impl FittedRule for Fisher {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        dots_with(rows.cells(), &self.direction).into_iter().map(|product| product + self.offset).collect()
    }

    /// `direction`, `[columns]`, and `offset`, `[1]`.
    fn save(&self) -> SavedTensors {
        SavedTensors::default().with("direction", &[self.direction.len()], self.direction.clone()).with(
            "offset",
            &[1],
            vec![self.offset],
        )
    }

    fn gradient(&self) -> Option<&dyn RuleGradient> {
        Some(self)
    }

    fn scorer(&self, columns: usize) -> Option<Scorer> {
        self.graph().map(|graph| Scorer::new(&graph, columns))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let direction = Matrix { shape: [self.direction.len(), 1], cells: self.direction.clone() };
        graph.linear(Graph::ROWS, direction, Some(vec![self.offset]));
        Some(graph)
    }
}

/// The direction, for every row.
impl RuleGradient for Fisher {
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.direction.repeat(rows.count())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{cells, check_gradient, check_saving, data};
    use anoonly_core::Seed;

    #[test]
    fn a_saved_direction_scores_the_same_bits() {
        check_saving(&FisherConfig {}, &data(40, 3, 5), &[("direction", &[5]), ("offset", &[1])]);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_score() {
        let fitted = FisherConfig {}.fit(&data(40, 3, 5), &mut Seed(1).stream(&[]));
        check_gradient(&fitted, RowBlock::new(&cells(4, 5), 5), 0.1, 1e-3);
    }

    /// In one column the score is the distance from the mean in standard deviations.
    #[test]
    fn scores_are_in_standard_deviations_of_the_unlabelled_rows() {
        let data = RuleData {
            rows: vec![1.0, 3.0, 1.0, 3.0, 5.0],
            columns: 1,
            others: vec![0, 1, 2, 3],
            anomalies: vec![4],
            normals: Vec::new(),
        };
        let fitted = FisherConfig {}.fit(&data, &mut Seed(1).stream(&[]));
        for (score, expected) in fitted.score(RowBlock::new(&data.rows, 1)).iter().zip([-1.0, 1.0, -1.0, 1.0, 3.0]) {
            assert!((score - expected).abs() < 1e-5, "{score}, not {expected}");
        }
    }
}
