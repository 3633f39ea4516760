//! PCA: rows far out along the axes on which the unlabelled rows hardly vary.
//!
//! Shyu, Chen, Sarinnapakorn and Chang, "A Novel Anomaly Detection Scheme Based on Principal Component Classifier", ICDM
//! Foundations Workshop 2003.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::{Combination, Graph, Matrix, Step};
use crate::kernels::panels::Panels;
use crate::kernels::products::{StridedRows, dots, dots_with};
use crate::kernels::squares;
#[cfg(feature = "fit")]
use crate::tools::covariance::{self, Covariance};
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// The score of a row is `Σⱼ ‖z − vⱼ‖/rⱼ`, where `z` is the row, centred and in standard deviations of each column, `vⱼ` the principal
/// axes of the unlabelled rows, each with its largest entry positive, and `rⱼ` the share of the variance along them. This is PyOD's
/// default. There are no options.
///
/// Departs from the paper, whose distance is `Σ (z·vⱼ)²/λⱼ`, as PyOD does. Axes with less than a billionth of the variance are left
/// out; PyOD divides by the rounding error of a share of 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaConfig {}

/// The share of the variance up to which an axis is left out.
const NONE: f64 = 1e-9;
/// The smallest squared distance: at 0 the square root has no gradient.
const NEAREST: f32 = 1e-12;
/// Rows that are scored at a time.
const BLOCK: usize = 96;

impl Method for PcaConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "pca",
        title: "PCA",
        kind: MethodKind::Unsupervised,
        source: "Shyu, Chen, Sarinnapakorn, Chang, ICDM workshop 2003",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl RuleMethod for PcaConfig {
    type Fitted = Pca;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Pca {
        let columns = data.columns;
        let (covariance, scales) = Covariance::standardised(data.at(&data.others));
        let total: f64 = covariance.variances.iter().sum();
        let count = covariance.variances.len();
        let (mut axes, mut weights) = (vec![0.0; columns * count], vec![0.0; count]);
        for (place, &variance) in covariance.variances.iter().enumerate() {
            if variance <= NONE * total {
                continue;
            }
            let axis: Vec<f64> = covariance.axis(place).collect();
            let largest = axis.iter().fold(0.0f64, |max, &cell| if cell.abs() > max.abs() { cell } else { max });
            axis.iter().enumerate().for_each(|(row, cell)| {
                axes[row * count + place] = (cell * largest.signum()) as f32;
            });
            weights[place] = (total / variance) as f32;
        }
        let single = |cells: Vec<f64>| cells.into_iter().map(|cell| cell as f32).collect();
        Pca::new(single(covariance.mean), single(scales), axes, weights)
    }

    #[cfg(feature = "fit")]
    fn memory(&self, rows: usize, columns: usize) -> u64 {
        covariance::memory(rows, columns)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Pca, String> {
        let count = saved.entries("weights");
        if !(1..=columns).contains(&count) {
            return Err(format!("tensor `weights` has {count} rows, needs 1 to {columns}"));
        }
        Ok(Pca::new(
            saved.take("mean", &[columns])?,
            saved.take("scale", &[columns])?,
            saved.take("axes", &[columns, count])?,
            saved.take("weights", &[count, 1])?,
        ))
    }
}

/// The principal axes and their weights.
#[derive(Clone, Debug)]
pub struct Pca {
    /// The mean of each column, `[columns]`.
    mean: Vec<f32>,
    /// The inverse standard deviation of each column, `[columns]`.
    scale: Vec<f32>,
    /// The axes as columns, `[columns, axes]`; zeros for an axis that is left out.
    axes: Matrix,
    /// The same axes, ready to multiply rows.
    product: Panels,
    /// The inverse share of the variance along each axis, `[axes]`; 0 for an axis that is left out.
    weights: Vec<f32>,
}

impl Pca {
    fn new(mean: Vec<f32>, scale: Vec<f32>, axes: Vec<f32>, weights: Vec<f32>) -> Self {
        let axes = Matrix { shape: [mean.len(), weights.len()], cells: axes };
        let product = Panels::new(&axes, None);
        Self { mean, scale, axes, product, weights }
    }

    /// Rows in standard deviations of each column, `[rows, columns]`, and their squared distances from the axes, `[rows, axes]`.
    fn squared_distances(&self, rows: RowBlock<'_>) -> (Vec<f32>, Vec<f32>) {
        let columns = rows.columns();
        let mut standard = Vec::with_capacity(rows.cells().len());
        for row in rows.iter() {
            let cells = row.iter().zip(&self.mean).zip(&self.scale);
            standard.extend(cells.map(|((cell, mean), scale)| (cell - mean) * scale));
        }
        let mut distances = Vec::with_capacity(rows.count() * self.weights.len());
        self.product.append(&standard, &mut distances);
        for (row, distances) in standard.chunks_exact(columns).zip(distances.chunks_exact_mut(self.weights.len())) {
            // ‖z − v‖² = ‖z‖² + 1 − 2zv.
            let square = squares(row) + 1.0;
            distances.iter_mut().for_each(|cell| *cell = square - 2.0 * *cell);
        }
        (standard, distances)
    }
}

impl FittedRule for Pca {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut scores = Vec::with_capacity(rows.count());
        for block in rows.blocks(BLOCK) {
            let (_, mut distances) = self.squared_distances(block);
            // Unlike `f32::max`, this keeps NaN.
            distances.iter_mut().for_each(|square| *square = if *square < NEAREST { NEAREST } else { *square }.sqrt());
            scores.extend(dots_with(&distances, &self.weights));
        }
        scores
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let centred = graph.add(Graph::ROWS, self.mean.iter().map(|cell| -cell).collect());
        let standard = graph.multiply(centred, self.scale.clone());
        let standard = graph.widen(standard);
        let along = graph.linear(standard, self.axes.clone(), None);
        let doubled = graph.affine(along, -2.0, 1.0);
        let square = graph.then(Step::SumOfSquares { of: standard });
        let squares = graph.combine(doubled, Combination::Sum, square);
        let squares = graph.at_least(squares, f64::from(NEAREST));
        let distances = graph.then(Step::Root { of: squares });
        let weights = Matrix { shape: [self.weights.len(), 1], cells: self.weights.clone() };
        let score = graph.linear(distances, weights, None);
        graph.narrow(score);
        Some(graph)
    }

    /// `mean` and `scale`, `[columns]`, `axes`, `[columns, axes]`, and `weights`, `[axes, 1]`.
    fn save(&self) -> SavedTensors {
        let columns = self.mean.len();
        SavedTensors::default()
            .with("mean", &[columns], self.mean.clone())
            .with("scale", &[columns], self.scale.clone())
            .with("axes", &self.axes.shape, self.axes.cells.clone())
            .with("weights", &[self.weights.len(), 1], self.weights.clone())
    }

    fn gradient(&self) -> Option<&dyn RuleGradient> {
        Some(self)
    }
}

/// With `qⱼ = weightⱼ/‖z − vⱼ‖`, the gradient by `z` is `Σⱼ qⱼ·(z − vⱼ)`. An axis at the smallest distance adds nothing.
impl RuleGradient for Pca {
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let columns = rows.columns();
        let mut gradients = Vec::with_capacity(rows.cells().len());
        for block in rows.blocks(BLOCK) {
            let (standard, mut factors) = self.squared_distances(block);
            let count = self.weights.len();
            for factors in factors.chunks_exact_mut(count) {
                for (cell, weight) in factors.iter_mut().zip(&self.weights) {
                    *cell = if *cell >= NEAREST { weight / cell.sqrt() } else { 0.0 };
                }
            }
            let mut along_axes = vec![0.0; standard.len()];
            let axes = StridedRows::all(&self.axes.cells, count);
            dots(StridedRows::all(&factors, count), axes, &mut along_axes);
            let parts = standard.chunks_exact(columns).zip(factors.chunks_exact(count));
            for ((row, factors), along_axes) in parts.zip(along_axes.chunks_exact(columns)) {
                let total: f32 = factors.iter().sum();
                let cells = row.iter().zip(along_axes).zip(&self.scale);
                gradients.extend(cells.map(|((cell, along), scale)| scale * (total * cell - along)));
            }
        }
        gradients
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{cells, check_gradient, check_saving, data};
    use anoonly_core::Seed;

    #[test]
    fn saved_axes_score_the_same_bits() {
        let names: [(&str, &[usize]); 4] = [("axes", &[5, 5]), ("mean", &[5]), ("scale", &[5]), ("weights", &[5, 1])];
        check_saving(&PcaConfig {}, &data(110, 3, 5), &names);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_score() {
        let fitted = PcaConfig {}.fit(&data(40, 3, 5), &mut Seed(1).stream(&[]));
        check_gradient(&fitted, RowBlock::new(&cells(4, 5), 5), 1e-2, 1e-2);
    }

    /// The second column repeats the first one, so that one axis has no variance: scores are finite all the same.
    #[test]
    fn axes_without_variance_are_left_out() {
        let rows: Vec<f32> = cells(30, 1).into_iter().flat_map(|cell| [cell, cell]).collect();
        let data = RuleData {
            rows: rows.clone(),
            columns: 2,
            others: (0..30).collect(),
            anomalies: Vec::new(),
            normals: Vec::new(),
        };
        let fitted = PcaConfig {}.fit(&data, &mut Seed(1).stream(&[]));
        assert_eq!(fitted.weights.iter().filter(|weight| **weight > 0.0).count(), 1);
        assert!(fitted.score(RowBlock::new(&rows, 2)).iter().all(|score| score.is_finite()));
    }
}
