//! The variances of rows along orthogonal axes, from the columns or, in wide tables, from the rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

use super::{CovarianceSums, is_wide, rough_mean};
use crate::kernels::narrow::sums_of_columns;
use crate::kernels::products::StridedRows;

/// In the space of the rows, an axis with at most this share of the largest variance is left out: it would be a rounding error.
const NONE: f64 = 1e-9;

/// The plain covariance of rows, decomposed, and what its shrinkage depends on.
pub(super) struct Spectrum {
    pub mean: Vec<f64>,
    /// The variance along each axis, smallest first, `[axes]`.
    pub values: Vec<f64>,
    /// `[columns, axes]`. The variance is 0 in every direction that is orthogonal to them.
    pub axes: Mat<f64>,
    /// The mean variance of a column.
    pub level: f64,
    /// The sum of the squares of all covariances.
    pub square: f64,
    /// The sum of the fourth powers of the centred rows' lengths.
    pub fourth: f64,
    /// The number of rows.
    pub count: f64,
}

impl Spectrum {
    pub fn of(rows: StridedRows<'_>) -> Self {
        assert!(rows.len() > 0, "a covariance needs at least one row");
        match is_wide(rows.len(), rows.width) {
            false => Self::of_columns(rows),
            true => Self::of_rows(rows.gathered(&mut Vec::new()), rows.width),
        }
    }

    /// From the covariances of all pairs of columns.
    pub fn of_columns(rows: StridedRows<'_>) -> Self {
        CovarianceSums::of(rows, &rough_mean(rows)).spectrum()
    }

    /// From the products `G = XXᵀ/n` of all pairs of centred rows, which have the eigenvalues of the covariance `XᵀX/n` above 0. For an
    /// eigenvector `u` of `G` with eigenvalue `λ`, the axis is `Xᵀu/√(nλ)`.
    pub fn of_rows(rows: &[f32], columns: usize) -> Self {
        let (mean, count) = mean(rows, columns);
        let given = rows.len() / columns;
        let centred = rows.chunks_exact(columns).flat_map(|row| row.iter().zip(&mean));
        let centred: Vec<f64> = centred.map(|(&cell, mean)| f64::from(cell) - mean).collect();
        let centred = MatRef::from_row_major_slice(&centred, given, columns);
        let mut products = Mat::zeros(given, given);
        matmul(products.as_mut(), Accum::Replace, centred, centred.transpose(), 1.0 / count, Par::Seq);
        let squares: Vec<f64> = (0..given).map(|row| products[(row, row)]).collect();
        let level = squares.iter().sum::<f64>() / columns as f64;
        let fourth = squares.iter().map(|square| (square * count).powi(2)).sum();
        let square = products.squared_norm_l2();
        let (values, vectors) = eigen(products.as_ref());
        let least = values.last().map_or(0.0, |largest| largest * NONE);
        let first = values.iter().position(|value| *value > least && *value > 0.0);
        let Some(first) = first else {
            // All rows are equal. One axis is needed; along it, the variance is 0 as everywhere.
            let axes = Mat::from_fn(columns, 1, |row, _| if row == 0 { 1.0 } else { 0.0 });
            return Self { mean, values: vec![0.0], axes, level, square, fourth, count };
        };
        let values = values[first..].to_vec();
        let factors = Mat::from_fn(given, values.len(), |row, place| {
            vectors[(row, first + place)] / (count * values[place]).sqrt()
        });
        let mut axes = Mat::zeros(columns, values.len());
        matmul(axes.as_mut(), Accum::Replace, centred.transpose(), factors.as_ref(), 1.0, Par::Seq);
        Self { mean, values, axes, level, square, fourth, count }
    }
}

/// The mean of rows, and their number.
pub(super) fn mean(rows: &[f32], columns: usize) -> (Vec<f64>, f64) {
    let count = (rows.len() / columns) as f64;
    let mut mean: Vec<f64> = sums_of_columns(rows, columns);
    mean.iter_mut().for_each(|mean| *mean /= count);
    (mean, count)
}

/// Eigenvalues, smallest first, and eigenvectors. The matrix is finite: sums of squares of finite `f32` cells are far from the ends of `f64`.
pub(super) fn eigen(matrix: MatRef<'_, f64>) -> (Vec<f64>, Mat<f64>) {
    let made = matrix.self_adjoint_eigen(Side::Lower).expect("a finite symmetric matrix has eigenvalues");
    (made.S().column_vector().iter().copied().collect(), made.U().to_owned())
}
