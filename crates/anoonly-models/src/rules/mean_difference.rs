//! The simplest baseline with labels: the direction from the mean unlabelled row to the mean labelled anomaly.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Matrix};
use crate::kernels::Scorer;
use crate::kernels::products::dots_with;
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// The score of a row is its product with the unit vector from the mean unlabelled row to the mean labelled anomaly. If some rows are
/// confirmed as normal, the vector starts in the middle between their mean and the mean unlabelled row.
///
/// This is a linear discriminant that takes the covariance to be a multiple of the identity. It has no options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeanDifferenceConfig {}

impl Method for MeanDifferenceConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "mean-difference",
        title: "Mean difference",
        kind: MethodKind::Baseline,
        source: "Fisher's discriminant (1936) with a round covariance",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl RuleMethod for MeanDifferenceConfig {
    type Fitted = MeanDifference;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> MeanDifference {
        let means = data.mean(&data.anomalies).into_iter().zip(data.usual_mean());
        let difference: Vec<f32> = means.map(|(anomalous, usual)| anomalous as f32 - usual as f32).collect();
        let length = difference.iter().map(|&cell| f64::from(cell).powi(2)).sum::<f64>().sqrt();
        // If the means are equal, all scores are 0.
        let length = length.max(f64::from(f32::MIN_POSITIVE));
        MeanDifference { direction: difference.iter().map(|&cell| (f64::from(cell) / length) as f32).collect() }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<MeanDifference, String> {
        Ok(MeanDifference { direction: saved.take("direction", &[columns])? })
    }
}

/// The fitted direction, `[columns]`.
#[derive(Clone, Debug)]
pub struct MeanDifference {
    direction: Vec<f32>,
}

impl FittedRule for MeanDifference {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        dots_with(rows.cells(), &self.direction)
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default().with("direction", &[self.direction.len()], self.direction.clone())
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
        graph.linear(Graph::ROWS, direction, None);
        Some(graph)
    }
}

/// The direction, for every row.
impl RuleGradient for MeanDifference {
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
        check_saving(&MeanDifferenceConfig {}, &data(40, 3, 5), &[("direction", &[5])]);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_score() {
        let fitted = MeanDifferenceConfig {}.fit(&data(40, 3, 5), &mut Seed(1).stream(&[]));
        check_gradient(&fitted, RowBlock::new(&cells(4, 5), 5), 0.1, 1e-3);
    }

    #[test]
    fn equal_means_score_every_row_0() {
        let rows = vec![0.25, 0.5, 0.75, 1.0, 0.5, 0.75];
        let data =
            RuleData { rows: rows.clone(), columns: 2, others: vec![0, 1], anomalies: vec![2], normals: Vec::new() };
        let fitted = MeanDifferenceConfig {}.fit(&data, &mut Seed(1).stream(&[]));
        assert_eq!(fitted.score(RowBlock::new(&rows, 2)), [0.0; 3]);
    }
}
