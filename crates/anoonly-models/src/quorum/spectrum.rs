//! The shrunk covariance of rows, by its axes.

use nalgebra::{DMatrix, SymmetricEigen};

/// Mean, and covariance with the shrinkage of Ledoit and Wolf, as variances along orthogonal axes.
pub(super) struct Spectrum {
    /// The mean, `[columns]`.
    pub mean: Vec<f64>,
    /// The variance along each axis, above 0.
    pub variances: Vec<f64>,
    /// The axes, one a column.
    pub axes: DMatrix<f64>,
}

/// Rows taken into a product at a time.
const BLOCK: usize = 1024;

impl Spectrum {
    /// Of rows one after the other, at least one.
    ///
    /// Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", Journal of Multivariate
    /// Analysis 2004, lemmas 3.2 to 3.4: the covariance `S` becomes `(1 − β/δ)·S + (β/δ)·m·I`, `m` being its mean variance.
    pub fn of(rows: &[f32], columns: usize) -> Self {
        let count = (rows.len() / columns) as f64;
        let mut mean = vec![0.0; columns];
        for row in rows.chunks_exact(columns) {
            mean.iter_mut().zip(row).for_each(|(mean, &cell)| *mean += f64::from(cell) / count);
        }
        let mut covariance = DMatrix::zeros(columns, columns);
        let mut fourth = 0.0;
        for block in rows.chunks(BLOCK * columns) {
            let centred =
                block.chunks_exact(columns).flat_map(|row| row.iter().zip(&mean).map(|(&c, m)| f64::from(c) - m));
            let centred = DMatrix::from_iterator(columns, block.len() / columns, centred);
            fourth += centred.column_iter().map(|row| row.norm_squared().powi(2)).sum::<f64>();
            covariance.gemm(1.0 / count, &centred, &centred.transpose(), 1.0);
        }
        let width = columns as f64;
        let level = covariance.trace() / width;
        let square = covariance.norm_squared();
        let distance = (square - width * level * level) / width;
        let noise = ((fourth / count - square) / (count * width)).min(distance);
        let share = if distance > 0.0 { (noise / distance).clamp(0.0, 1.0) } else { 1.0 };
        let SymmetricEigen { eigenvalues, eigenvectors } = SymmetricEigen::new(covariance);
        // Where nothing varies, no direction is longer than another.
        let least = if level > 0.0 { level * 1e-6 } else { 1.0 };
        let variances = eigenvalues.iter().map(|&value| ((1.0 - share) * value + share * level).max(least)).collect();
        Self { mean, variances, axes: eigenvectors }
    }

    /// The median variance.
    pub fn median(&self) -> f64 {
        let mut sorted = self.variances.clone();
        let middle = sorted.len() / 2;
        *sorted.select_nth_unstable_by(middle, f64::total_cmp).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of scikit-learn's `LedoitWolf` and numpy's `eigvalsh`, from `scripts/golden_spectrum.py`.
    #[test]
    fn variances_agree_with_scikit_learn() {
        let rows: Vec<f32> = (0..60).map(|cell| ((cell * 7919 + cell / 5 * 104_729) % 1000) as f32 / 1000.0).collect();
        let spectrum = Spectrum::of(&rows, 5);
        let mut variances = spectrum.variances.clone();
        variances.sort_by(f64::total_cmp);
        for (ours, theirs) in variances.iter().zip(EXPECTED) {
            assert!((ours - theirs).abs() < 1e-7, "{ours}, but scikit-learn says {theirs}");
        }
        assert_eq!(spectrum.median(), variances[2]);
    }

    const EXPECTED: [f64; 5] = [0.040653956, 0.059621261, 0.066884982, 0.099359005, 0.159356347];

    #[test]
    fn rows_that_are_all_alike_have_a_round_spectrum() {
        let spectrum = Spectrum::of(&[0.5, 0.25].repeat(3), 2);
        assert_eq!((spectrum.mean, spectrum.variances), (vec![0.5, 0.25], vec![1.0, 1.0]));
    }
}
