//! The covariance of rows, as variances along orthogonal axes.
//!
//! Sums are in double precision. Products and decomposition come from faer and run on the calling thread.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

/// The mean of rows and their covariance `Σ = Σⱼ variancesⱼ · axisⱼ · axisⱼᵀ`.
#[derive(Clone, Debug)]
pub struct Covariance {
    /// The mean row, `[columns]`.
    pub mean: Vec<f64>,
    /// The variance along each axis, smallest first, `[columns]`.
    pub variances: Vec<f64>,
    /// How far the covariance was shrunk towards a multiple of the identity, from 0 (not at all) to 1 (completely).
    pub shrinkage: f64,
    /// The axes, each of length 1, as columns, `[columns, columns]`.
    axes: Mat<f64>,
}

/// Rows that are multiplied at a time.
const BLOCK: usize = 1024;
/// A shrunk variance is at least this share of the mean variance. Two rows, for example, are not shrunk at all.
const LEAST: f64 = 1e-6;

impl Covariance {
    /// The plain covariance of rows `[rows, columns]`, at least one: sums of products divided by the number of rows.
    ///
    /// # Panics
    /// When there is no row, or a value is not finite.
    pub fn of(rows: &[f32], columns: usize) -> Self {
        let Sums { mean, products, .. } = Sums::of(rows, columns);
        let (values, axes) = eigen(&products);
        Self { mean, variances: values.into_iter().map(|value| value.max(0.0)).collect(), shrinkage: 0.0, axes }
    }

    /// The covariance of rows `[rows, columns]`, at least one, shrunk as far as is best for their number.
    ///
    /// Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", Journal of Multivariate
    /// Analysis 2004, lemmas 3.2 to 3.4: with `S` the plain covariance of `p` columns and `μ` its mean variance, the result is
    /// `(1 − ρ)·S + ρ·μ·I`, where `ρ = min(β², δ²)/δ²`, `δ² = ‖S − μI‖²/p` and `β² = Σ ‖xxᵀ − S‖²/(n²p)` over the `n` centred
    /// rows `x`. The result can be inverted: every variance is at least a millionth of the mean variance, and 1 if all rows are
    /// equal.
    ///
    /// # Panics
    /// When there is no row, or a value is not finite.
    pub fn ledoit_wolf(rows: &[f32], columns: usize) -> Self {
        let Sums { mean, products, fourth, count } = Sums::of(rows, columns);
        let width = columns as f64;
        let level = (0..columns).map(|column| products[(column, column)]).sum::<f64>() / width;
        let square = products.squared_norm_l2();
        let distance = (square - width * level * level) / width;
        let noise = (fourth / count - square) / (count * width);
        let shrinkage = if distance > 0.0 { (noise / distance).clamp(0.0, 1.0) } else { 1.0 };
        let (values, axes) = eigen(&products);
        let least = if level > 0.0 { level * LEAST } else { 1.0 };
        let shrunk = |value: f64| ((1.0 - shrinkage) * value + shrinkage * level).max(least);
        Self { mean, variances: values.into_iter().map(shrunk).collect(), shrinkage, axes }
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// The axis of the entry of [`variances`](Self::variances) at this index, `[columns]`.
    pub fn axis(&self, place: usize) -> impl Iterator<Item = f64> {
        self.axes.col(place).iter().copied()
    }

    /// The median variance; for an even number, the mean of the two in the middle.
    pub fn median_variance(&self) -> f64 {
        let middle = self.variances.len() / 2;
        match self.variances.len() % 2 {
            1 => self.variances[middle],
            _ => (self.variances[middle - 1] + self.variances[middle]) / 2.0,
        }
    }

    /// The matrix that whitens a centred row, `[columns, columns]`, row by row: column `j` is `axisⱼ/√(variancesⱼ + ridge)`.
    /// With a ridge of 0 the squared length of a whitened row is its squared Mahalanobis distance. The larger the ridge, the less
    /// weight axes of small variance have.
    pub fn whitening(&self, ridge: f64) -> Vec<f32> {
        let scales: Vec<f64> = self.variances.iter().map(|variance| 1.0 / (variance + ridge).sqrt()).collect();
        let row = |row: usize| scales.iter().enumerate().map(move |(axis, scale)| self.axes[(row, axis)] * scale);
        (0..self.columns()).flat_map(row).map(|cell| cell as f32).collect()
    }

    /// `Σ⁻¹·vector`, `[columns]`.
    pub fn inverse_times(&self, vector: &[f64]) -> Vec<f64> {
        let mut result = vec![0.0; self.columns()];
        for (place, variance) in self.variances.iter().enumerate() {
            let share = self.axis(place).zip(vector).map(|(a, b)| a * b).sum::<f64>() / variance;
            result.iter_mut().zip(self.axis(place)).for_each(|(cell, axis)| *cell += share * axis);
        }
        result
    }
}

/// Sums over the rows.
struct Sums {
    mean: Vec<f64>,
    /// The plain covariance.
    products: Mat<f64>,
    /// The sum of the fourth powers of the centred rows' lengths.
    fourth: f64,
    /// The number of rows.
    count: f64,
}

impl Sums {
    fn of(rows: &[f32], columns: usize) -> Self {
        let rows_given = rows.len() / columns.max(1);
        assert!(rows_given > 0, "a covariance needs at least one row");
        let count = rows_given as f64;
        let mut mean = vec![0.0; columns];
        for row in rows.chunks_exact(columns) {
            mean.iter_mut().zip(row).for_each(|(mean, &cell)| *mean += f64::from(cell));
        }
        mean.iter_mut().for_each(|mean| *mean /= count);
        let mut products = Mat::zeros(columns, columns);
        let mut fourth = 0.0;
        let mut centred = Vec::with_capacity(BLOCK.min(rows_given) * columns);
        for block in rows.chunks(BLOCK * columns) {
            centred.clear();
            for row in block.chunks_exact(columns) {
                centred.extend(row.iter().zip(&mean).map(|(&cell, mean)| f64::from(cell) - mean));
                let row = &centred[centred.len() - columns..];
                fourth += row.iter().map(|cell| cell * cell).sum::<f64>().powi(2);
            }
            let rows = MatRef::from_row_major_slice(&centred, centred.len() / columns, columns);
            matmul(products.as_mut(), Accum::Add, rows.transpose(), rows, 1.0 / count, Par::Seq);
        }
        Self { mean, products, fourth, count }
    }
}

/// Eigenvalues, smallest first, and eigenvectors.
fn eigen(matrix: &Mat<f64>) -> (Vec<f64>, Mat<f64>) {
    let made = matrix.self_adjoint_eigen(Side::Lower).expect("a finite symmetric matrix has eigenvalues");
    (made.S().column_vector().iter().copied().collect(), made.U().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<f32> {
        (0..60).map(|cell| ((cell * 7919 + cell / 5 * 104_729) % 1000) as f32 / 1000.0).collect()
    }

    fn close(ours: &[f64], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!(
                (ours - theirs).abs() <= 1e-6 * theirs.abs() + 1e-12,
                "{ours}, but scikit-learn and numpy have {theirs}"
            );
        }
    }

    /// Figures of `xtask/golden/golden_covariance.py`: scikit-learn's `LedoitWolf`, numpy's `cov` and `eigvalsh`.
    #[test]
    fn variances_and_shrinkage_agree_with_scikit_learn() {
        let shrunk = Covariance::ledoit_wolf(&rows(), 5);
        close(&shrunk.variances, &SHRUNK);
        close(&[shrunk.shrinkage], &[SHRINKAGE]);
        close(&Covariance::of(&rows(), 5).variances, &PLAIN);
        assert_eq!(shrunk.median_variance(), shrunk.variances[2]);
    }

    /// Squared Mahalanobis distances of the first rows.
    #[test]
    fn lengths_of_whitened_rows_agree_with_scikit_learn() {
        let covariance = Covariance::ledoit_wolf(&rows(), 5);
        let whitening = covariance.whitening(0.0);
        for (row, expected) in rows().chunks_exact(5).zip(DISTANCES) {
            let centred: Vec<f64> = row.iter().zip(&covariance.mean).map(|(&a, b)| f64::from(a) - b).collect();
            let length = |axis: usize| {
                centred
                    .iter()
                    .zip(whitening.chunks_exact(5))
                    .map(|(cell, row)| cell * f64::from(row[axis]))
                    .sum::<f64>()
            };
            close(&[(0..5).map(|axis| length(axis).powi(2)).sum()], &[expected]);
            let solved = covariance.inverse_times(&centred);
            close(&[solved.iter().zip(&centred).map(|(a, b)| a * b).sum()], &[expected]);
        }
    }

    #[test]
    fn equal_rows_have_the_identity_as_covariance() {
        for rows in [[0.5, 0.25].repeat(3), vec![0.5, 0.25]] {
            let covariance = Covariance::ledoit_wolf(&rows, 2);
            assert_eq!((covariance.mean.clone(), covariance.variances.clone()), (vec![0.5, 0.25], vec![1.0, 1.0]));
            assert_eq!(covariance.shrinkage, 1.0);
        }
    }

    /// Two rows differ in one direction, and nothing is shrunk; the other variances are a millionth of the mean.
    #[test]
    fn every_shrunk_variance_is_above_zero() {
        let covariance = Covariance::ledoit_wolf(&[0.0, 0.0, 0.0, 2.0, 0.0, 0.0], 3);
        assert_eq!(covariance.variances, [1e-6 / 3.0, 1e-6 / 3.0, 1.0]);
        let axis: Vec<f64> = covariance.axis(2).map(f64::abs).collect();
        close(&axis[..1], &[1.0]);
    }

    const SHRINKAGE: f64 = 0.477_298_540_6;
    const SHRUNK: [f64; 5] = [0.040_653_956, 0.059_621_261, 0.066_884_982, 0.099_359_005, 0.159_356_347];
    const PLAIN: [f64; 5] = [0.0, 0.036_287_071, 0.050_183_572, 0.112_310_858, 0.227_094_050];
    const DISTANCES: [f64; 3] = [8.755_509_552, 5.710_976_980, 0.643_139_565];
}
