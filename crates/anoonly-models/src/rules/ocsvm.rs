//! One-class support vector machine: rows outside the region that holds most unlabelled rows, in the space of a Gaussian kernel.
//!
//! Schölkopf, Platt, Shawe-Taylor, Smola and Williamson, "Estimating the Support of a High-Dimensional Distribution", Neural
//! Computation 2001.

mod cache;
mod kernel;
mod solver;

use std::sync::Arc;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use self::kernel::Kernel;
use self::solver::{Solution, solve};
use crate::error::Checks;
use crate::graph::{Function, GeneralStep, Graph, Matrix, Value};
use crate::kernels::products::{Factors, StridedRows, sums};
use crate::kernels::vectorised;
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// Configuration of the one-class support vector machine. The kernel is `k(x, y) = exp(−‖x − y‖²/columns)`; the score of a row is
/// `ρ − Σ αᵢk(xᵢ, x)`, above 0 outside the support.
///
/// Differs from PyOD in that it is fitted on [`most_rows`](Self::most_rows) rows at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OcsvmConfig {
    /// An upper bound on the share of rows outside the support and a lower bound on the share of support vectors, above 0 and at most 1.
    pub nu: f64,
    /// The largest violation of the optimality conditions.
    pub tolerance: f64,
    /// The largest number of unlabelled rows to fit on; if there are more, they are drawn at random. The time of a fit grows with the
    /// square of this number.
    pub most_rows: usize,
}

impl Default for OcsvmConfig {
    fn default() -> Self {
        Self { nu: 0.5, tolerance: 1e-3, most_rows: 10_000 }
    }
}

impl Method for OcsvmConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "ocsvm",
        title: "One-class SVM",
        kind: MethodKind::Unsupervised,
        source: "Schölkopf et al., Neural Computation 2001",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .that(self.nu > 0.0 && self.nu <= 1.0, "nu", self.nu, "above 0 and at most 1")
            .positive("tolerance", self.tolerance)
            .at_least_one("most_rows", self.most_rows)
            .done()
    }
}

impl RuleMethod for OcsvmConfig {
    type Fitted = Ocsvm;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> Ocsvm {
        let columns = data.columns;
        let mut drawn = data.others.clone();
        if drawn.len() > self.most_rows {
            drawn = drawn.partial_shuffle(rng, self.most_rows).0.to_vec();
            drawn.sort_unstable();
        }
        let rows = data.select(&drawn);
        let Solution { weights, offset } = solve(&rows, columns, self.nu * drawn.len() as f64, self.tolerance);
        let support = rows.chunks_exact(columns).zip(&weights).filter(|(_, weight)| **weight > 0.0);
        let (vectors, weights): (Vec<&[f32]>, Vec<f32>) = support.map(|(row, &weight)| (row, weight as f32)).unzip();
        Ocsvm::new(vectors.concat(), weights, offset as f32)
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, _: usize) -> u64 {
        let rows = rows.min(self.most_rows) as u64;
        rows.saturating_mul(rows).saturating_mul(size_of::<f32>() as u64).min(solver::CACHE as u64)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Ocsvm, String> {
        let vectors = saved.take_rows("vectors", columns)?;
        let count =
            vectors.len().checked_div(columns).filter(|count| *count > 0).ok_or("tensor `vectors` has no rows")?;
        let (weights, offset) = (saved.take("weights", &[count, 1])?, saved.take("offset", &[1])?);
        Ok(Ocsvm::new(vectors, weights, offset[0]))
    }
}

/// The support vectors and their weights.
#[derive(Debug)]
pub struct Ocsvm {
    /// `[vectors, columns]`.
    vectors: Vec<f32>,
    /// α, `[vectors]`.
    weights: Vec<f32>,
    /// ρ.
    offset: f32,
    /// The vectors, ready to be compared with rows.
    kernel: Kernel,
}

/// The number of kernels in memory at a time: 1 MiB.
const BLOCK: usize = 1 << 18;
/// The largest number of rows in a block.
const ROWS: usize = 240;

impl Ocsvm {
    /// From support vectors, `[vectors, columns]`, at least one; their weights, `[vectors]`; and ρ.
    fn new(vectors: Vec<f32>, weights: Vec<f32>, offset: f32) -> Self {
        let kernel = Kernel::new(&vectors, vectors.len() / weights.len());
        Self { kernel, vectors, weights, offset }
    }

    /// Blocks of rows with their kernels, `[rows, kernel.stride()]`; cells behind those of the vectors are padding.
    fn kernels<'a>(&'a self, rows: RowBlock<'a>, clamped: f32) -> impl Iterator<Item = (RowBlock<'a>, Vec<f32>)> + 'a {
        let stride = self.kernel.stride();
        rows.blocks((BLOCK / stride).clamp(1, ROWS)).map(move |block| {
            let mut kernels = vec![0.0; block.count() * stride];
            self.kernel.of(block.cells(), clamped, &mut kernels);
            (block, kernels)
        })
    }
}

/// The sum of the products, in double precision. The order of the sum is the same for all rows.
#[inline(always)]
fn weighted(kernels: &[f32], weights: &[f32]) -> f64 {
    const LANES: usize = 32;
    let mut sums = [0.0; LANES];
    let whole = weights.len() / LANES * LANES;
    for (kernels, weights) in kernels[..whole].chunks_exact(LANES).zip(weights.chunks_exact(LANES)) {
        let products = kernels.iter().zip(weights).map(|(&cell, &weight)| f64::from(cell) * f64::from(weight));
        sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
    }
    let rest = kernels[whole..].iter().zip(&weights[whole..]);
    sums.iter().sum::<f64>() + rest.map(|(&cell, &weight)| f64::from(cell) * f64::from(weight)).sum::<f64>()
}

impl Ocsvm {
    /// Adds its steps to a graph.
    pub(crate) fn describe(&self, graph: &mut Graph) -> Value {
        let (count, columns) = (self.weights.len(), self.vectors.len() / self.weights.len());
        let known = Arc::new(Matrix { shape: [count, columns], cells: self.vectors.clone() });
        let squares = graph.general(GeneralStep::AllSquaredDistances { of: Graph::ROWS, known });
        let squares = graph.at_least(squares, 0.0);
        let powers = graph.affine(squares, -1.0 / columns as f64, 0.0);
        let kernels = graph.map(powers, Function::Exp);
        let sum = graph.linear(kernels, Matrix { shape: [count, 1], cells: self.weights.clone() }, None);
        let score = graph.affine(sum, -1.0, f64::from(self.offset));
        graph.narrow(score)
    }
}

impl FittedRule for Ocsvm {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut scores = Vec::with_capacity(rows.count());
        for (_, kernels) in self.kernels(rows, 1.0) {
            vectorised!({
                let sums = kernels.chunks_exact(self.kernel.stride()).map(|kernels| weighted(kernels, &self.weights));
                scores.extend(sums.map(|sum| (f64::from(self.offset) - sum) as f32));
            });
        }
        scores
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        self.describe(&mut graph);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        let count = self.weights.len();
        SavedTensors::default()
            .with("vectors", &[count, self.vectors.len() / count], self.vectors.clone())
            .with("weights", &[count, 1], self.weights.clone())
            .with("offset", &[1], vec![self.offset])
    }

    fn gradient(&self) -> Option<&dyn RuleGradient> {
        Some(self)
    }
}

impl RuleGradient for Ocsvm {
    /// `2/columns · Σ αᵢk(xᵢ, x)·(x − xᵢ)`, without the vectors whose squared distance rounding has made negative.
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let (columns, stride) = (rows.columns(), self.kernel.stride());
        let factor = 2.0 / columns as f32;
        let mut gradient = Vec::with_capacity(rows.cells().len());
        for (block, mut kernels) in self.kernels(rows, 0.0) {
            for kernels in kernels.chunks_exact_mut(stride) {
                kernels.iter_mut().zip(&self.weights).for_each(|(cell, weight)| *cell *= weight);
            }
            let mut pulls = vec![0.0; block.cells().len()];
            let factors = Factors { cells: &kernels, strides: [stride, 1] };
            sums(factors, StridedRows::all(&self.vectors, columns), &mut pulls);
            let by_row = block.iter().zip(pulls.chunks_exact(columns)).zip(kernels.chunks_exact(stride));
            for ((row, pulls), kernels) in by_row {
                let whole = kernels[..self.weights.len()].iter().map(|&cell| f64::from(cell)).sum::<f64>() as f32;
                gradient.extend(row.iter().zip(pulls).map(|(cell, pull)| factor * (whole * cell - pull)));
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

    fn cells(count: usize) -> Vec<f32> {
        (0..count).map(|cell| ((cell * 7919 + cell / 7 * 104_729) % 1009) as f32 / 1009.0).collect()
    }

    fn fitted(rows: usize, columns: usize) -> Ocsvm {
        let unlabelled = (0..rows).collect();
        let data = RuleData {
            rows: cells(rows * columns),
            columns,
            others: unlabelled,
            anomalies: Vec::new(),
            normals: Vec::new(),
        };
        OcsvmConfig::default().fit(&data, &mut Seed(1).stream(&[]))
    }

    /// Widths and numbers of vectors that fill vector registers and that do not, and several blocks.
    #[test]
    fn scores_agree_with_their_definition_and_do_not_depend_on_other_rows() {
        for (count, columns) in [(1, 1), (60, 3), (90, 40)] {
            let ocsvm = fitted(count, columns);
            let rows = cells((ROWS + 7) * columns);
            let scores = ocsvm.score(RowBlock::new(&rows, columns));
            for (row, score) in rows.chunks_exact(columns).zip(scores) {
                let kernel = |vector: &[f32]| {
                    let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
                    (-row.iter().zip(vector).map(square).sum::<f64>() / columns as f64).exp()
                };
                let products = ocsvm.vectors.chunks_exact(columns).zip(&ocsvm.weights);
                let sum: f64 = products.map(|(vector, &weight)| kernel(vector) * f64::from(weight)).sum();
                assert!((f64::from(score) - (f64::from(ocsvm.offset) - sum)).abs() < 1e-5, "{columns}: {score}");
                assert_eq!(ocsvm.score(RowBlock::new(row, columns)), [score]);
            }
            assert_eq!(ocsvm.score(RowBlock::new(&vec![1e30; columns], columns)), [ocsvm.offset]);
        }
    }

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let (ocsvm, rows) = (fitted(60, 3), [0.1, 0.9, 0.4, 1.3, -0.2, 0.5, 0.6, 0.6, 0.6]);
        let gradient = RuleGradient::gradient(&ocsvm, RowBlock::new(&rows, 3));
        assert_eq!(gradient.len(), rows.len());
        for (cell, gradient) in gradient.into_iter().enumerate() {
            let moved = |step: f32| {
                let mut rows = rows;
                rows[cell] += step;
                ocsvm.score(RowBlock::new(&rows, 3))[cell / 3]
            };
            let difference = (moved(0.02) - moved(-0.02)) / 0.04;
            assert!((gradient - difference).abs() < 5e-3, "cell {cell}: {gradient} and {difference}");
        }
    }

    #[test]
    fn a_restored_rule_scores_the_same_and_its_tensors_must_agree() {
        let ocsvm = fitted(60, 3);
        let rows = cells(30);
        let restore = |mut saved: SavedTensors| OcsvmConfig::default().restore(3, &mut saved);
        let restored = restore(ocsvm.save()).unwrap();
        assert_eq!(restored.score(RowBlock::new(&rows, 3)), ocsvm.score(RowBlock::new(&rows, 3)));
        assert!(restore(ocsvm.save().with("weights", &[1, 1], vec![1.0])).unwrap_err().contains("weights"));
        assert!(restore(ocsvm.save().with("offset", &[2], vec![1.0; 2])).unwrap_err().contains("offset"));
        assert!(restore(ocsvm.save().with("vectors", &[0, 3], Vec::new())).unwrap_err().contains("vectors"));
    }
}
