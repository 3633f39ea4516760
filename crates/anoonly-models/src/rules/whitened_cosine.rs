//! The baseline of directions: whether a row lies in the direction of the labelled anomalies, seen from the mean unlabelled row.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Matrix, Step, Value};
use crate::kernels::Scorer;
use crate::kernels::products::dots_with;
use crate::kernels::squares;
#[cfg(feature = "fit")]
use crate::tools::covariance::{self, Covariance};
use crate::tools::whitening::{BLOCK, Whitening};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// The score of a row is the mean of its cosines with the labelled anomalies, all whitened: centred on the mean of the unlabelled
/// rows, rotated to the eigenvectors of their shrunk covariance ([`Covariance::ledoit_wolf`]) and divided by
/// `√(eigenvalue + ridge · median eigenvalue)`. Half of the mean cosine with the rows that are confirmed as normal is subtracted, as in
/// the relevance feedback of Rocchio ("Relevance Feedback in Information Retrieval", 1971).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhitenedCosineConfig {
    /// How many median eigenvalues are added to each eigenvalue. The more, the less weight axes of small variance have.
    pub ridge: f64,
}

impl Default for WhitenedCosineConfig {
    fn default() -> Self {
        Self { ridge: 10.0 }
    }
}

impl Method for WhitenedCosineConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "whitened-cosine",
        title: "Whitened cosine",
        kind: MethodKind::Baseline,
        source: "this project; Ledoit and Wolf 2004",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).not_negative("ridge", self.ridge).done()
    }
}

impl RuleMethod for WhitenedCosineConfig {
    type Fitted = WhitenedCosine;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> WhitenedCosine {
        WhitenedCosine::new(&covariance_of(&data.other_rows(), data), self.ridge, data)
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        covariance::memory(rows, columns)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<WhitenedCosine, String> {
        WhitenedCosine::restore(columns, saved)
    }
}

/// The shrunk covariance of the unlabelled rows, whose axes span the labelled anomalies, too.
#[cfg(feature = "fit")]
pub(crate) fn covariance_of(unlabelled: &[f32], data: &RuleData) -> Covariance {
    Covariance::ledoit_wolf(unlabelled, data.columns).spanning(&data.anomalous_rows())
}

/// The whitening and the mean direction of the whitened labelled anomalies.
///
/// The mean of the cosines is the product with the mean direction, divided by the length of the row.
///
/// The score has no useful gradient: explanations start at the mean of the unlabelled rows, where a cosine changes abruptly.
#[derive(Clone, Debug)]
pub struct WhitenedCosine {
    whitening: Whitening,
    /// `[width]`.
    direction: Vec<f32>,
}

/// What the mean cosine with confirmed normals is multiplied by before it is subtracted.
const NORMAL_SHARE: f64 = 0.5;

/// Added to a squared length, so that a row at the mean has a score: 0.
const GAP: f32 = 1e-12;

impl WhitenedCosine {
    /// Fitted with a given [`covariance_of`].
    #[cfg(feature = "fit")]
    pub(crate) fn new(covariance: &Covariance, ridge: f64, data: &RuleData) -> Self {
        let whitening = Whitening::new(covariance, ridge * covariance.median_variance());
        let mut direction = mean_direction(&whitening, &data.anomalous_rows());
        if !data.normals.is_empty() {
            let normal = mean_direction(&whitening, &data.normal_rows());
            direction.iter_mut().zip(normal).for_each(|(cell, normal)| *cell -= NORMAL_SHARE * normal);
        }
        Self { whitening, direction: direction.into_iter().map(|cell| cell as f32).collect() }
    }

    /// Adds its steps to a graph.
    pub(crate) fn describe(&self, graph: &mut Graph) -> Value {
        let whitened = self.whitening.describe(graph);
        let direction = Matrix { shape: [self.direction.len(), 1], cells: self.direction.clone() };
        let product = graph.linear(whitened, direction, None);
        let length = graph.length(whitened, GAP);
        graph.then(Step::Divide { left: product, right: length })
    }

    /// The tensors of `whitening`, and `direction`, `[width, 1]`.
    pub(crate) fn restore(columns: usize, saved: &mut SavedTensors) -> Result<Self, String> {
        let whitening = Whitening::restore(columns, &mut saved.part("whitening"))?;
        let direction = saved.take("direction", &[whitening.width(), 1])?;
        Ok(Self { whitening, direction })
    }
}

/// The mean of rows, `[rows, columns]`, each whitened and divided by its length.
fn mean_direction(whitening: &Whitening, rows: &[f32]) -> Vec<f64> {
    let rows = whitening.apply(rows);
    let mut direction = vec![0.0f64; whitening.width()];
    for row in rows.chunks_exact(whitening.width()) {
        let length = f64::from(length(row));
        direction.iter_mut().zip(row).for_each(|(sum, &cell)| *sum += f64::from(cell) / length);
    }
    let count = (rows.len() / whitening.width()) as f64;
    direction.into_iter().map(|sum| sum / count).collect()
}

/// The length of a whitened row.
fn length(row: &[f32]) -> f32 {
    (squares(row) + GAP).sqrt()
}

impl FittedRule for WhitenedCosine {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut scores = Vec::with_capacity(rows.count());
        for block in rows.blocks(BLOCK) {
            let white = self.whitening.apply(block.cells());
            let products = dots_with(&white, &self.direction);
            let lengths = white.chunks_exact(self.whitening.width()).map(length);
            scores.extend(products.iter().zip(lengths).map(|(product, length)| product / length));
        }
        scores
    }

    fn save(&self) -> SavedTensors {
        SavedTensors::default().with_part("whitening", self.whitening.save()).with(
            "direction",
            &[self.direction.len(), 1],
            self.direction.clone(),
        )
    }

    fn scorer(&self, columns: usize) -> Option<Scorer> {
        self.graph().map(|graph| Scorer::new(&graph, columns))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        self.describe(&mut graph);
        Some(graph)
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{check_saving, data};
    use anoonly_core::Seed;

    #[test]
    fn a_saved_cosine_scores_the_same_bits() {
        let names: [(&str, &[usize]); 3] =
            [("direction", &[5, 1]), ("whitening.axes", &[5, 5]), ("whitening.mean", &[5])];
        check_saving(&WhitenedCosineConfig::default(), &data(40, 3, 5), &names);
    }

    /// The cosine of a row with itself is 1.
    #[test]
    fn half_of_the_cosine_with_confirmed_normals_is_subtracted() {
        let data = data(40, 3, 5);
        let confirmed = RuleData { normals: vec![9], ..data.clone() };
        let cosine = |anomalies: &[usize]| {
            let data = RuleData { anomalies: anomalies.to_vec(), ..data.clone() };
            WhitenedCosine::new(&covariance_of(&data.other_rows(), &data), 10.0, &data)
                .score(RowBlock::new(data.row(9), 5))[0]
        };
        let score = WhitenedCosineConfig::default().fit(&confirmed, &mut Seed(1).stream(&[]));
        let score = score.score(RowBlock::new(data.row(9), 5))[0];
        assert!((score - (cosine(&[0, 1, 2]) - 0.5)).abs() < 1e-5, "{score}");
    }

    /// With one labelled anomaly, its own cosine is 1 and that of its mirror image −1; the mean row has 0.
    #[test]
    fn cosines_are_those_of_directions_from_the_mean() {
        let data = data(40, 1, 5);
        let fitted = WhitenedCosineConfig::default().fit(&data, &mut Seed(1).stream(&[]));
        let covariance = Covariance::ledoit_wolf(&data.other_rows(), 5);
        let mean: Vec<f32> = covariance.mean.iter().map(|&cell| cell as f32).collect();
        let mirrored = mean.iter().zip(data.row(0)).map(|(mean, cell)| 2.0 * mean - cell);
        let rows: Vec<f32> = data.row(0).iter().copied().chain(mirrored).chain(mean.iter().copied()).collect();
        for (score, expected) in fitted.score(RowBlock::new(&rows, 5)).iter().zip([1.0, -1.0, 0.0]) {
            assert!((score - expected).abs() < 1e-5, "{score}, not {expected}");
        }
    }
}
