//! CBLOF: rows far from every large cluster.
//!
//! He, Xu and Deng, "Discovering cluster-based local outliers", Pattern Recognition Letters 2003.

use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{GeneralStep, Graph, Matrix, Step};
use crate::kernels::panels::packed_rows::{NewCentre, PackedRows};
use crate::kernels::products::StridedRows;
use crate::tools::kmeans::{Clusters, squared_distance};
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// Configuration of CBLOF. The score of a row is its distance from the nearest centre of a large cluster. For a row of a large cluster
/// this is usually its own centre.
///
/// Departs from the paper, as PyOD does by default: clusters come from k-means, and a score is not multiplied by the size of the
/// cluster. If no number of clusters counts as large, all clusters do; PyOD raises an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CblofConfig {
    /// The number of clusters; there are fewer if there are fewer distinct rows.
    pub clusters: usize,
    /// The large clusters together hold at least this share of the rows.
    pub alpha: f64,
    /// The smallest large cluster is at least this many times as large as the next cluster. If `alpha` and `beta` cannot both be met,
    /// `alpha` decides.
    pub beta: f64,
}

impl Default for CblofConfig {
    fn default() -> Self {
        Self { clusters: 8, alpha: 0.9, beta: 5.0 }
    }
}

impl Method for CblofConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "cblof",
        title: "CBLOF",
        kind: MethodKind::Unsupervised,
        source: "He, Xu, Deng, Pattern Recognition Letters 2003",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .parts("clusters", self.clusters)
            .share("alpha", self.alpha)
            .that(self.beta > 1.0 && self.beta.is_finite(), "beta", self.beta, "a finite number above 1")
            .positive("beta", self.beta)
            .done()
    }
}

impl RuleMethod for CblofConfig {
    type Fitted = Cblof;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> Cblof {
        let columns = data.columns;
        let Clusters { centres, sizes } = Clusters::of(&data.other_rows(), columns, self.clusters, rng);
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|&a, &b| sizes[b].cmp(&sizes[a]));
        let sorted: Vec<usize> = order.iter().map(|&cluster| sizes[cluster]).collect();
        let large = large(&sorted, self.alpha, self.beta);
        let kept = order[..large].iter().flat_map(|&cluster| &centres[cluster * columns..][..columns]).copied();
        Cblof { centres: kept.collect(), columns }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Cblof, String> {
        let centres = saved.take_rows("centres", columns)?;
        match centres.is_empty() {
            true => Err("tensor `centres` has no rows".into()),
            false => Ok(Cblof { centres, columns }),
        }
    }
}

/// How many of the clusters are large, given their sizes, largest first.
fn large(sizes: &[usize], alpha: f64, beta: f64) -> usize {
    let all: usize = sizes.iter().sum();
    let most = |count: &usize| sizes[..*count].iter().sum::<usize>() as f64 >= all as f64 * alpha;
    let falls = |count: &usize| sizes[count - 1] as f64 >= beta * sizes[*count] as f64;
    let counts = 1..sizes.len();
    let found = counts.clone().find(|count| most(count) && falls(count));
    found.or_else(|| counts.clone().find(most)).or_else(|| counts.clone().find(falls)).unwrap_or(sizes.len())
}

/// The centres of the large clusters, `[clusters, columns]`.
#[derive(Clone, Debug)]
pub struct Cblof {
    centres: Vec<f32>,
    columns: usize,
}

/// The smallest squared distance: at 0 the square root has no gradient.
const NEAREST: f32 = 1e-30;

impl Cblof {
    /// The nearest centre of a row, and its squared distance.
    #[inline(always)]
    fn nearest(&self, row: &[f32]) -> (&[f32], f32) {
        let mut centres = self.centres.chunks_exact(self.columns);
        let measured = |centre| (centre, squared_distance(row, centre) as f32);
        let first = measured(centres.next().expect("there is at least one centre"));
        centres.map(measured).fold(first, |nearest, other| if other.1 < nearest.1 { other } else { nearest })
    }
}

impl FittedRule for Cblof {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let packed = PackedRows::new(StridedRows::all(rows.cells(), self.columns), vec![0.0; self.columns]);
        let (mut squares, mut centre) = (packed.no_centre(), [NewCentre::new(&[])]);
        for row in self.centres.chunks_exact(self.columns) {
            centre[0].row = row;
            packed.nearest(&squares, &mut centre);
            std::mem::swap(&mut squares, &mut centre[0].squares);
        }
        squares.truncate(rows.count());
        squares.into_iter().map(|square| if square < NEAREST { NEAREST } else { square }.sqrt()).collect()
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let shape = [self.centres.len() / self.columns, self.columns];
        let known = Arc::new(Matrix { shape, cells: self.centres.clone() });
        let nearest = GeneralStep::Candidates { of: Graph::ROWS, known: known.clone(), count: 1 };
        let at = graph.general(nearest);
        let squares = graph.general(GeneralStep::SquaredDistances { of: Graph::ROWS, known, at });
        let negative = graph.affine(squares, -1.0, 0.0);
        let least = graph.general(GeneralStep::Largest { of: negative });
        let square = graph.affine(least, -1.0, 0.0);
        let square = graph.at_least(square, f64::from(NEAREST));
        let distance = graph.then(Step::Root { of: square });
        graph.narrow(distance);
        Some(graph)
    }

    /// `centres`, `[clusters, columns]`.
    fn save(&self) -> SavedTensors {
        let shape = [self.centres.len() / self.columns, self.columns];
        SavedTensors::default().with("centres", &shape, self.centres.clone())
    }

    fn gradient(&self) -> Option<&dyn RuleGradient> {
        Some(self)
    }
}

/// `(x − centre)/distance`, and 0 at a centre.
impl RuleGradient for Cblof {
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let of_row = |row: &[f32]| -> Vec<f32> {
            let (centre, square) = self.nearest(row);
            let factor = if square >= NEAREST { square.sqrt().recip() } else { 0.0 };
            row.iter().zip(centre).map(|(cell, centre)| (cell - centre) * factor).collect()
        };
        rows.iter().flat_map(of_row).collect()
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{cells, check_gradient, check_saving, data};
    use anoonly_core::Seed;

    /// By the rules of PyOD 3.6.7, `CBLOF._set_small_large_clusters`.
    #[test]
    fn clusters_are_large_by_both_rules_or_by_the_share() {
        for (sizes, expected) in [
            (&[50, 45, 5][..], 2),
            // Sizes fall steeply too early; the share decides.
            (&[60, 10, 10, 10, 10], 4),
            // Both are met by more clusters than the share alone.
            (&[90, 40, 1], 2),
            // Only the steep fall is met.
            (&[30, 6], 1),
            (&[1, 1, 1], 3),
            (&[7], 1),
        ] {
            assert_eq!(large(sizes, 0.9, 5.0), expected, "{sizes:?}");
        }
    }

    #[test]
    fn a_score_is_the_distance_from_the_nearest_centre_bit_by_bit() {
        for columns in [1, 5, 37] {
            let fitted = CblofConfig::default().fit(&data(40, 3, columns), &mut Seed(1).stream(&[]));
            let cells = [cells(300, columns), fitted.centres[..columns].to_vec()].concat();
            let expected = cells.chunks(columns).map(|row| fitted.nearest(row).1.max(NEAREST).sqrt());
            assert_eq!(fitted.score(RowBlock::new(&cells, columns)), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn saved_centres_score_the_same_bits() {
        let data = data(40, 3, 5);
        let config = CblofConfig::default();
        let centres = config.fit(&data, &mut Seed(3).stream(&[])).save().entries("centres");
        check_saving(&config, &data, &[("centres", &[centres, 5])]);
        let empty = SavedTensors::default().with("centres", &[0, 5], Vec::new());
        assert!(config.restore(5, &mut empty.clone()).is_err());
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_score() {
        let fitted = CblofConfig::default().fit(&data(40, 3, 5), &mut Seed(1).stream(&[]));
        check_gradient(&fitted, RowBlock::new(&cells(4, 5), 5), 1e-3, 1e-2);
        assert_eq!(RuleGradient::gradient(&fitted, RowBlock::new(&fitted.centres[..5], 5)), [0.0; 5]);
    }
}
