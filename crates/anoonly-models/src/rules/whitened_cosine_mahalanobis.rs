//! The strongest baseline without training: how far a row lies from the mean, and whether it lies in the direction of the labelled
//! anomalies.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Combination, Graph, Step};
#[cfg(feature = "fit")]
use crate::rules::whitened_cosine::covariance_of;
use crate::rules::whitened_cosine::{WhitenedCosine, WhitenedCosineConfig};
#[cfg(feature = "fit")]
use crate::tools::covariance;
use crate::tools::normal_scores::NormalScores;
use crate::tools::whitening::Whitening;
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// The score of a row is the sum of its [whitened cosine](crate::rules::whitened_cosine) and its
/// [Mahalanobis distance](crate::rules::mahalanobis), each as a normal score among the unlabelled training rows, so that neither
/// outweighs the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhitenedCosineMahalanobisConfig {
    /// For the cosine: how many median eigenvalues are added to each eigenvalue.
    pub ridge: f64,
}

impl Default for WhitenedCosineMahalanobisConfig {
    fn default() -> Self {
        Self { ridge: WhitenedCosineConfig::default().ridge }
    }
}

impl Method for WhitenedCosineMahalanobisConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "whitened-cosine-mahalanobis",
        title: "Whitened cosine + Mahalanobis",
        kind: MethodKind::Baseline,
        source: "this project; Ledoit and Wolf 2004; van der Waerden 1952",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).not_negative("ridge", self.ridge).done()
    }
}

impl RuleMethod for WhitenedCosineMahalanobisConfig {
    type Fitted = WhitenedCosineMahalanobis;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> WhitenedCosineMahalanobis {
        let unlabelled = data.other_rows();
        let covariance = covariance_of(&unlabelled, data);
        let cosine = WhitenedCosine::new(&covariance, self.ridge, data);
        let whitening = Whitening::new(&covariance, 0.0);
        let rows = RowBlock::new(&unlabelled, data.columns);
        let cosines = NormalScores::of(&cosine.score(rows));
        let distances = NormalScores::of(&whitening.squared_lengths(rows));
        WhitenedCosineMahalanobis { cosine, whitening, cosines, distances }
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        covariance::memory(rows, columns)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<WhitenedCosineMahalanobis, String> {
        Ok(WhitenedCosineMahalanobis {
            cosine: WhitenedCosine::restore(columns, &mut saved.part("cosine"))?,
            whitening: Whitening::restore(columns, &mut saved.part("whitening"))?,
            cosines: NormalScores::restore(&mut saved.part("cosines"))?,
            distances: NormalScores::restore(&mut saved.part("distances"))?,
        })
    }
}

/// Both parts and the scale of each. Like the cosine, the score has no useful gradient.
#[derive(Clone, Debug)]
pub struct WhitenedCosineMahalanobis {
    cosine: WhitenedCosine,
    /// Without a ridge: the squared length of a whitened row is its squared Mahalanobis distance.
    whitening: Whitening,
    cosines: NormalScores,
    distances: NormalScores,
}

impl FittedRule for WhitenedCosineMahalanobis {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let parts = self.cosine.score(rows).into_iter().zip(self.whitening.squared_lengths(rows));
        parts.map(|(cosine, distance)| self.cosines.of_value(cosine) + self.distances.of_value(distance)).collect()
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let cosine = self.cosine.describe(&mut graph);
        let cosine = self.cosines.describe(&mut graph, cosine);
        let white = self.whitening.describe(&mut graph);
        let square = graph.then(Step::SumOfSquares { of: white });
        let distance = self.distances.describe(&mut graph, square);
        let sum = graph.combine(cosine, Combination::Sum, distance);
        graph.narrow(sum);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default()
            .with_part("cosine", self.cosine.save())
            .with_part("whitening", self.whitening.save())
            .with_part("cosines", self.cosines.save())
            .with_part("distances", self.distances.save())
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{check_saving, data};

    #[test]
    fn a_saved_rule_scores_the_same_bits() {
        let names: [(&str, &[usize]); 9] = [
            ("cosine.direction", &[5, 1]),
            ("cosine.whitening.axes", &[5, 5]),
            ("cosine.whitening.mean", &[5]),
            ("cosines.knots", &[513]),
            ("cosines.levels", &[513]),
            ("distances.knots", &[513]),
            ("distances.levels", &[513]),
            ("whitening.axes", &[5, 5]),
            ("whitening.mean", &[5]),
        ];
        check_saving(&WhitenedCosineMahalanobisConfig::default(), &data(40, 3, 5), &names);
    }
}
