//! The baseline of one Gaussian: how far a row lies from the mean, relative to the spread of the unlabelled rows.
//!
//! Mahalanobis, "On the generalised distance in statistics", 1936; the covariance is shrunk after Ledoit and Wolf (2004).

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Step};
use crate::kernels::Scorer;
#[cfg(feature = "fit")]
use crate::tools::covariance::{self, Covariance};
use crate::tools::whitening::Whitening;
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// The score of a row is its squared Mahalanobis distance from the mean of the unlabelled rows, with their shrunk covariance
/// ([`Covariance::ledoit_wolf`]). It uses no labels and has no options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MahalanobisConfig {}

impl Method for MahalanobisConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "mahalanobis",
        title: "Mahalanobis distance",
        kind: MethodKind::Baseline,
        source: "Mahalanobis 1936; Ledoit and Wolf 2004",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn needs_labels(&self) -> bool {
        false
    }

    fn learns_from_normals(&self) -> bool {
        false
    }
}

impl RuleMethod for MahalanobisConfig {
    type Fitted = Mahalanobis;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Mahalanobis {
        let covariance = Covariance::ledoit_wolf_of(data.at(&data.others));
        Mahalanobis { whitening: Whitening::new(&covariance, 0.0) }
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        covariance::memory(rows, columns)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Mahalanobis, String> {
        Ok(Mahalanobis { whitening: Whitening::restore(columns, &mut saved.part("whitening"))? })
    }
}

/// The mean and the axes, each divided by its standard deviation.
#[derive(Clone, Debug)]
pub struct Mahalanobis {
    whitening: Whitening,
}

impl FittedRule for Mahalanobis {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.whitening.squared_lengths(rows)
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default().with_part("whitening", self.whitening.save())
    }

    fn gradient(&self) -> Option<&dyn RuleGradient> {
        Some(self)
    }

    fn scorer(&self, columns: usize) -> Option<Scorer> {
        self.graph().map(|graph| Scorer::new(&graph, columns))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let whitened = self.whitening.describe(&mut graph);
        graph.then(Step::SumOfSquares { of: whitened });
        Some(graph)
    }
}

impl RuleGradient for Mahalanobis {
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.whitening.gradient_of_squared_lengths(rows.cells())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{cells, check_gradient, check_saving, data};
    use anoonly_core::Seed;

    #[test]
    fn a_saved_distance_scores_the_same_bits() {
        let names: [(&str, &[usize]); 2] = [("whitening.axes", &[5, 5]), ("whitening.mean", &[5])];
        check_saving(&MahalanobisConfig {}, &data(40, 3, 5), &names);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_score() {
        let fitted = MahalanobisConfig {}.fit(&data(40, 3, 5), &mut Seed(1).stream(&[]));
        check_gradient(&fitted, RowBlock::new(&cells(4, 5), 5), 1e-2, 1e-3);
    }
}
