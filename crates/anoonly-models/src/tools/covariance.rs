//! The covariance of rows, as variances along orthogonal axes.
//!
//! Sums are in double precision. Products and decomposition come from faer. Parts of many rows are summed on the
//! threads that `parallel::each` names; their number depends on the rows alone, and so do the bits of the result.

mod spectrum;
mod sums;

use faer::Mat;

use self::spectrum::{Spectrum, mean};
use self::sums::inverse_deviation;
pub(crate) use self::sums::{CovarianceSums, rough_mean, summing_memory};
use crate::kernels::products::StridedRows;

/// The mean of rows and their covariance `Σ = Σⱼ variancesⱼ · axisⱼ · axisⱼᵀ + rest · P`, where `P` projects on what is orthogonal to
/// all axes.
///
/// Usually the axes span the whole space. If there are far more columns than rows, most directions have the same variance, and the axes
/// only span the rows: see [`is_wide`].
#[derive(Clone, Debug)]
pub struct Covariance {
    /// The mean row, `[columns]`.
    pub mean: Vec<f64>,
    /// The variance along each axis, smallest first, `[axes]`.
    pub variances: Vec<f64>,
    /// How far the covariance was shrunk towards a multiple of the identity, from 0 (not at all) to 1 (completely).
    pub shrinkage: f64,
    /// The axes, each of length 1, as columns, `[columns, axes]`.
    axes: Mat<f64>,
    /// The variance in every direction that is orthogonal to all axes; `None` if there is no such direction.
    rest: Option<f64>,
}

/// A shrunk variance is at least this share of the mean variance. Two rows, for example, are not shrunk at all.
const LEAST: f64 = 1e-6;
/// Up to this number of columns, all variances and axes are computed: the matrices are small.
const WIDE: usize = 1024;

/// Whether the covariance of rows is computed in the space of the rows, from their scalar products. The covariance of all pairs of
/// columns would take far more memory.
pub fn is_wide(rows: usize, columns: usize) -> bool {
    columns > WIDE && rows < columns
}

/// The number of bytes that a covariance and what is made of it takes at most.
pub(crate) fn memory(rows: usize, columns: usize) -> u64 {
    let (rows, columns) = (rows as u64, columns as u64);
    match is_wide(rows as usize, columns as usize) {
        // Products and axes in double precision, and packed axes.
        false => columns.saturating_mul(columns).saturating_mul(32).saturating_add(summing_memory(1, columns as usize)),
        true => rows.saturating_mul(columns).saturating_mul(32),
    }
}

impl Covariance {
    /// The plain covariance of rows `[rows, columns]`, at least one: sums of products divided by the number of rows.
    ///
    /// # Panics
    /// When there is no row, or a value is not finite.
    pub fn of(rows: &[f32], columns: usize) -> Self {
        Self::plain(Spectrum::of(StridedRows::all(rows, columns)))
    }

    fn plain(Spectrum { mean, values, axes, .. }: Spectrum) -> Self {
        let rest = (axes.ncols() < mean.len()).then_some(0.0);
        Self { mean, variances: values.into_iter().map(|value| value.max(0.0)).collect(), shrinkage: 0.0, axes, rest }
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
        Self::ledoit_wolf_of(StridedRows::all(rows, columns))
    }

    /// The same of rows that are read where they are.
    ///
    /// # Panics
    /// As [`ledoit_wolf`](Self::ledoit_wolf).
    pub(crate) fn ledoit_wolf_of(rows: StridedRows<'_>) -> Self {
        Self::shrunk(Spectrum::of(rows))
    }

    /// The correlation of rows, at least one: the plain covariance of the rows in standard deviations of each column, with the mean of the
    /// rows as they are. Also what each column is multiplied by, 1 for a constant one.
    ///
    /// # Panics
    /// When there is no row, or a value is not finite.
    pub(crate) fn standardised(rows: StridedRows<'_>) -> (Self, Vec<f64>) {
        let columns = rows.width;
        if !is_wide(rows.len(), columns) {
            let (spectrum, scales) = CovarianceSums::of(rows, &rough_mean(rows)).standardised();
            return (Self::plain(spectrum), scales);
        }
        let mut buffer = Vec::new();
        let cells = rows.gathered(&mut buffer);
        let (mean, count) = mean(cells, columns);
        let mut variances = vec![0.0; columns];
        for row in cells.chunks_exact(columns) {
            let squares = row.iter().zip(&mean).map(|(&cell, mean)| (f64::from(cell) - mean).powi(2));
            variances.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square / count);
        }
        let scales: Vec<f64> = variances.into_iter().map(inverse_deviation).collect();
        let standard = |(place, &cell): (usize, &f32)| {
            ((f64::from(cell) - mean[place % columns]) * scales[place % columns]) as f32
        };
        let standard: Vec<f32> = cells.iter().enumerate().map(standard).collect();
        (Self { mean, ..Self::of(&standard, columns) }, scales)
    }

    fn shrunk(Spectrum { mean, values, axes, level, square, fourth, count }: Spectrum) -> Self {
        let width = mean.len() as f64;
        let distance = (square - width * level * level) / width;
        let noise = (fourth / count - square) / (count * width);
        let shrinkage = if distance > 0.0 { (noise / distance).clamp(0.0, 1.0) } else { 1.0 };
        let least = if level > 0.0 { level * LEAST } else { 1.0 };
        let shrunk = |value: f64| ((1.0 - shrinkage) * value + shrinkage * level).max(least);
        let rest = (axes.ncols() < mean.len()).then(|| shrunk(0.0));
        Self { mean, variances: values.into_iter().map(shrunk).collect(), shrinkage, axes, rest }
    }

    /// The same covariance, with axes that span the given rows, `[rows, columns]`, too. The mean is the origin.
    pub fn spanning(mut self, rows: &[f32]) -> Self {
        let Some(rest) = self.rest else { return self };
        let columns = self.columns();
        let mut added: Vec<Vec<f64>> = Vec::new();
        for row in rows.chunks_exact(columns) {
            let mut row: Vec<f64> = row.iter().zip(&self.mean).map(|(&cell, mean)| f64::from(cell) - mean).collect();
            let length = dot(&row, &row).sqrt();
            // Twice, because the first result may be small and then mostly rounding error.
            for _ in 0..2 {
                let known: Vec<f64> = (0..self.axes.ncols()).map(|place| self.along(place, &row)).collect();
                for (place, share) in known.into_iter().enumerate() {
                    row.iter_mut().zip(self.axis(place)).for_each(|(cell, axis)| *cell -= share * axis);
                }
                for other in &added {
                    let share = dot(other, &row);
                    row.iter_mut().zip(other).for_each(|(cell, axis)| *cell -= share * axis);
                }
            }
            let left = dot(&row, &row).sqrt();
            if left > SPANNED * length && self.axes.ncols() + added.len() < columns {
                row.iter_mut().for_each(|cell| *cell /= left);
                added.push(row);
            }
        }
        let (known, new) = (&self.axes, added.len());
        let axes = Mat::from_fn(columns, known.ncols() + new, |row, place| match place.checked_sub(new) {
            None => added[place][row],
            Some(place) => known[(row, place)],
        });
        self.variances.splice(0..0, std::iter::repeat_n(rest, new));
        self.rest = self.rest.filter(|_| axes.ncols() < columns);
        self.axes = axes;
        self
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// The axis of the entry of [`variances`](Self::variances) at this index, `[columns]`.
    pub fn axis(&self, place: usize) -> impl Iterator<Item = f64> {
        self.axes.col(place).iter().copied()
    }

    /// The variance in every direction that is orthogonal to all axes; `None` if there is no such direction.
    pub fn rest(&self) -> Option<f64> {
        self.rest
    }

    /// The variance of each coordinate of a whitened row: of the rest, if there is one, and along each axis.
    pub(crate) fn coordinates(&self) -> Vec<f64> {
        self.rest.into_iter().chain(self.variances.iter().copied()).collect()
    }

    /// The median variance; for an even number, the mean of the two in the middle.
    pub fn median_variance(&self) -> f64 {
        // The directions without an axis have the smallest variance.
        let hidden = self.columns() - self.variances.len();
        let variance = |place: usize| match place.checked_sub(hidden) {
            None => self.rest.unwrap_or(0.0),
            Some(place) => self.variances[place],
        };
        let middle = self.columns() / 2;
        match self.columns() % 2 {
            1 => variance(middle),
            _ => (variance(middle - 1) + variance(middle)) / 2.0,
        }
    }

    /// The matrix that whitens a centred row, `[columns, axes]`, row by row: column `j` is `axisⱼ/√(variancesⱼ + ridge)`.
    /// With a ridge of 0 the squared length of a whitened row is its squared Mahalanobis distance. The larger the ridge, the less
    /// weight axes of small variance have. The rest is not part of it.
    pub fn whitening(&self, ridge: f64) -> Vec<f32> {
        let scales: Vec<f64> = self.variances.iter().map(|variance| 1.0 / (variance + ridge).sqrt()).collect();
        self.scaled_axes(&scales)
    }

    /// The axes, each multiplied by its scale, `[columns, axes]`, row by row.
    pub(crate) fn scaled_axes(&self, scales: &[f64]) -> Vec<f32> {
        let row = |row: usize| scales.iter().enumerate().map(move |(axis, scale)| self.axes[(row, axis)] * scale);
        (0..self.columns()).flat_map(row).map(|cell| cell as f32).collect()
    }

    /// `Σ⁻¹·vector`, `[columns]`.
    pub fn inverse_times(&self, vector: &[f64]) -> Vec<f64> {
        let mut result = vec![0.0; self.columns()];
        if let Some(rest) = self.rest {
            result.iter_mut().zip(vector).for_each(|(cell, given)| *cell = given / rest);
        }
        for (place, variance) in self.variances.iter().enumerate() {
            let along = self.along(place, vector);
            let share = match self.rest {
                None => along / variance,
                Some(rest) => along / variance - along / rest,
            };
            result.iter_mut().zip(self.axis(place)).for_each(|(cell, axis)| *cell += share * axis);
        }
        result
    }

    /// The product of an axis and a vector.
    fn along(&self, place: usize, vector: &[f64]) -> f64 {
        self.axis(place).zip(vector).map(|(a, b)| a * b).sum::<f64>()
    }
}

/// A row lies in the space of the axes if at most this share of it is orthogonal to them.
const SPANNED: f64 = 1e-6;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
#[cfg(feature = "fit")]
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

    /// All cells at the ends of the range of `f32`, one of them, or cells whose squares vanish.
    #[test]
    fn extreme_rows_have_finite_axes() {
        const EXTREMES: [f32; 6] = [f32::MAX, f32::MIN, 1e-45, 0.0, -1e20, 1.0];
        let all = |cell: usize| EXTREMES[cell * 7919 % 997 % EXTREMES.len()];
        let one = |cell: usize| if cell == 7 { f32::MIN } else { (cell * 7919 % 997) as f32 / 997.0 };
        let least = |cell: usize| (cell * 7919 % 5) as f32 * 1e-45;
        for columns in [3, 40, 300] {
            for cell in [&all as &dyn Fn(usize) -> f32, &one, &least] {
                let rows: Vec<f32> = (0..60 * columns).map(cell).collect();
                let spectra =
                    [Spectrum::of_columns(StridedRows::all(&rows, columns)), Spectrum::of_rows(&rows, columns)];
                for shrunk in spectra.map(Covariance::shrunk) {
                    let axes = (0..shrunk.variances.len()).flat_map(|place| shrunk.axis(place).collect::<Vec<_>>());
                    assert!(axes.chain(shrunk.mean.clone()).all(f64::is_finite), "{columns}");
                    assert!(shrunk.coordinates().into_iter().all(|variance| variance.is_finite() && variance > 0.0));
                }
            }
        }
    }

    /// In the space of the rows: the same variances, distances and products with the inverse, also of a row outside of this space.
    #[test]
    fn the_space_of_the_rows_gives_the_same_covariance() {
        let columns = 40;
        let cells: Vec<f32> =
            (0..12 * columns).map(|cell| ((cell * 7919 + cell / 7 * 104_729) % 997) as f32 / 997.0).collect();
        let (rows, others) = cells.split_at(9 * columns);
        let whole = Covariance::shrunk(Spectrum::of_columns(StridedRows::all(rows, columns)));
        let few = Covariance::shrunk(Spectrum::of_rows(rows, columns));
        assert_eq!((few.variances.len(), few.axes.ncols(), whole.rest()), (8, 8, None));
        for covariance in [&few, &few.clone().spanning(others)] {
            close(&[covariance.shrinkage, covariance.median_variance()], &[whole.shrinkage, whole.median_variance()]);
            close(&[covariance.rest().unwrap()], &whole.variances[..1]);
            close(&covariance.variances, &whole.variances[columns - covariance.variances.len()..]);
            let vector: Vec<f64> = others[..columns].iter().map(|&cell| f64::from(cell)).collect();
            close(&covariance.inverse_times(&vector), &whole.inverse_times(&vector));
        }
        let spanning = few.spanning(others);
        assert_eq!(spanning.coordinates().len(), 12);
        for (place, other) in (0..11).flat_map(|place| (0..11).map(move |other| (place, other))) {
            let product: f64 = spanning.axis(place).zip(spanning.axis(other)).map(|(a, b)| a * b).sum();
            assert!((product - if place == other { 1.0 } else { 0.0 }).abs() < 1e-9, "{place}, {other}: {product}");
        }
        // With as many rows as columns in all, nothing is orthogonal to the axes.
        let plain = Covariance::plain(Spectrum::of_rows(&cells[..2 * columns], columns));
        let identity: Vec<f32> =
            (0..columns * columns).map(|cell| f32::from(u8::from(cell % (columns + 1) == 0))).collect();
        let all = plain.spanning(&identity);
        assert_eq!((all.rest(), all.axes.ncols()), (None, columns));
    }

    /// As the covariance of a copy of the rows, in either space; one column is constant.
    #[test]
    fn standardised_rows_have_the_covariance_of_a_standardised_copy() {
        for (count, columns) in [(300, 6), (5, 1030)] {
            let cell = |cell: usize| if cell % columns == 2 { 0.1 } else { ((cell * 7919 + cell / 5) % 997) as f32 };
            let cells: Vec<f32> = (0..count * columns).map(cell).collect();
            let (mean, _) = mean(&cells, columns);
            let (ours, scales) = Covariance::standardised(StridedRows::all(&cells, columns));
            let standard = |(place, &cell): (usize, &f32)| {
                ((f64::from(cell) - mean[place % columns]) * scales[place % columns]) as f32
            };
            let copy: Vec<f32> = cells.iter().enumerate().map(standard).collect();
            let expected = Covariance::of(&copy, columns);
            assert_eq!(scales[2], 1.0);
            close(&ours.mean, &mean);
            let largest = expected.variances.last().unwrap();
            for (ours, expected) in ours.variances.iter().zip(&expected.variances) {
                assert!((ours - expected).abs() < 1e-6 * largest, "{ours}, not {expected}");
            }
            let total = ours.variances.iter().sum::<f64>() / (columns - 1) as f64;
            assert!((total - 1.0).abs() < 1e-6, "{total}");
        }
    }

    #[test]
    fn equal_rows_are_equal_in_the_space_of_the_rows_too() {
        let covariance = Covariance::shrunk(Spectrum::of_rows(&[0.5; 12], 6));
        assert_eq!((covariance.variances.clone(), covariance.rest()), (vec![1.0], Some(1.0)));
        assert!(is_wide(1000, 20_000) && !is_wide(20_000, 20_000) && !is_wide(10, 768));
    }

    const SHRINKAGE: f64 = 0.477_298_540_6;
    const SHRUNK: [f64; 5] = [0.040_653_956, 0.059_621_261, 0.066_884_982, 0.099_359_005, 0.159_356_347];
    const PLAIN: [f64; 5] = [0.0, 0.036_287_071, 0.050_183_572, 0.112_310_858, 0.227_094_050];
    const DISTANCES: [f64; 3] = [8.755_509_552, 5.710_976_980, 0.643_139_565];
}
