//! Min-max scaling.

use ndarray::{Array2, ArrayView2};
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// Maps each column linearly so that its range in the rows it was fitted on becomes [0, 1].
///
/// Rows outside of the fitted ones may leave [0, 1]. A column that is constant in the fitted rows maps to 0 there; like
/// scikit-learn's `MinMaxScaler`, such a column is divided by 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinMaxScaler {
    minimum: Vec<f32>,
    /// One over the range; 1 for a constant column. In `f64`, because the range of `f32` values may overflow `f32`.
    scale: Vec<f64>,
}

impl MinMaxScaler {
    /// Takes the range of each column from a matrix of shape `[rows, columns]` of finite values.
    pub fn fit(features: &Array2<f32>) -> Self {
        let cells = features.as_standard_layout();
        let Some(cells) = cells.as_slice() else { unreachable!("a matrix in the standard layout is a slice") };
        let (minimum, maximum) = ends(cells, features.ncols());
        let scale = minimum.iter().zip(&maximum).map(|(&lo, &hi)| {
            let range = f64::from(hi) - f64::from(lo);
            if range > 0.0 { range.recip() } else { 1.0 }
        });
        let scale = scale.collect();
        Self { minimum, scale }
    }

    /// The number of columns this was fitted on.
    pub fn columns(&self) -> usize {
        self.minimum.len()
    }

    /// The value that is subtracted from each column.
    pub fn minimum(&self) -> &[f32] {
        &self.minimum
    }

    /// The factor by which each column is then multiplied.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Checks a scaler that was read from a file.
    ///
    /// # Errors
    /// A sentence about what is wrong: no columns, or a value that no fit can produce.
    pub fn check(&self) -> Result<(), String> {
        let good = |(minimum, scale): (&f32, &f64)| minimum.is_finite() && scale.is_finite() && *scale > 0.0;
        if self.minimum.is_empty() || self.minimum.len() != self.scale.len() {
            return Err("the scaling has no columns, or not one scale a column".into());
        }
        match self.minimum.iter().zip(&self.scale).all(good) {
            true => Ok(()),
            false => Err("the scaling holds a value that is not finite or not positive".into()),
        }
    }

    /// Scales a matrix of shape `[rows, columns]`. A value outside of the range of `f32` becomes the nearest one in it.
    ///
    /// # Panics
    /// When the number of columns is not [`columns`](Self::columns).
    pub fn transform(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        self.transform_checked(features).0
    }

    /// As [`transform`](Self::transform); `None` when a value is NaN or infinite.
    ///
    /// # Panics
    /// As [`transform`](Self::transform).
    pub fn transform_finite(&self, features: ArrayView2<'_, f32>) -> Option<Array2<f32>> {
        let (scaled, finite) = self.transform_checked(features);
        finite.then_some(scaled)
    }

    /// The scaled rows, and whether all values were finite.
    fn transform_checked(&self, features: ArrayView2<'_, f32>) -> (Array2<f32>, bool) {
        assert_eq!(features.ncols(), self.columns(), "the scaler was fitted on another number of columns");
        let by_row = self.by_row();
        let cells = features.as_standard_layout();
        let mut scaled = Array2::zeros(features.raw_dim());
        let (Some(cells), Some(made)) = (cells.as_slice(), scaled.as_slice_mut()) else {
            unreachable!("both have the standard layout")
        };
        let finite = by_row.scale(cells, made, self.columns());
        (scaled, finite)
    }

    /// A scaler for single rows.
    pub fn by_row(&self) -> RowScaler<'_> {
        RowScaler { scaler: self, scale: self.rounded().collect(), short: self.short() }
    }

    /// The factor of each column in `f32`, if rows are scaled in `f32`: rows of ordinary values whose result is finite.
    pub fn short_scale(&self) -> Option<Vec<f32>> {
        self.short().then(|| self.rounded().collect())
    }

    fn short(&self) -> bool {
        let ordinary = |scale: &f64| (1e-30..1e30).contains(scale);
        self.scale.iter().all(ordinary) && self.minimum.iter().all(|minimum| minimum.abs() <= LARGE)
    }

    fn rounded(&self) -> impl Iterator<Item = f32> + '_ {
        self.scale.iter().map(|&scale| scale as f32)
    }
}

/// A [`MinMaxScaler`] that scales row by row.
#[derive(Clone, Debug)]
pub struct RowScaler<'a> {
    scaler: &'a MinMaxScaler,
    scale: Vec<f32>,
    /// Whether rows can be scaled in `f32` first.
    short: bool,
}

impl RowScaler<'_> {
    /// Scales rows that are stored one after the other in `cells`. The scaled rows start every `stride` cells in `scaled`. Returns
    /// false when a cell is NaN or infinite. The result of a row does not depend on the other rows.
    ///
    /// # Panics
    /// When the numbers of rows differ, or the stride is less than the number of columns.
    pub fn scale(&self, cells: &[f32], scaled: &mut [f32], stride: usize) -> bool {
        let columns = self.scale.len();
        assert!(stride >= columns && cells.len() / columns == scaled.len() / stride, "one row for each");
        if self.short && self.in_f32(cells, scaled, stride) {
            return true;
        }
        let mut finite = true;
        for (cells, scaled) in cells.chunks_exact(columns).zip(scaled.chunks_exact_mut(stride)) {
            if !(self.short && self.in_f32(cells, scaled, stride)) {
                self.in_f64(cells, scaled);
                finite &= cells.iter().all(|cell| cell.is_finite());
            }
        }
        finite
    }

    /// Scales rows in `f32`, and returns false when a result is not finite. The last bit may differ from the result in `f64`.
    fn in_f32(&self, cells: &[f32], scaled: &mut [f32], stride: usize) -> bool {
        Arch::new().dispatch(InF32 { cells, scaled, stride, minimum: &self.scaler.minimum, scale: &self.scale })
    }

    /// Scales a row in `f64`.
    fn in_f64(&self, cells: &[f32], scaled: &mut [f32]) {
        let MinMaxScaler { minimum, scale } = self.scaler;
        for (((scaled, &cell), &lowest), scale) in scaled.iter_mut().zip(cells).zip(minimum).zip(scale) {
            let exact = (f64::from(cell) - f64::from(lowest)) * scale;
            *scaled = exact.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        }
    }
}

/// Cells that are compared with the ends of their columns at a time, as far as they are whole rows.
const TOGETHER: usize = 64;

/// The smallest and the largest value of each column of rows, `[columns]`; infinite without rows.
fn ends(cells: &[f32], columns: usize) -> (Vec<f32>, Vec<f32>) {
    let width = columns * (TOGETHER / columns.max(1)).max(1);
    let (mut minimum, mut maximum) = (vec![f32::INFINITY; width], vec![f32::NEG_INFINITY; width]);
    Arch::new().dispatch(Ends { cells, minimum: &mut minimum, maximum: &mut maximum });
    for place in columns..width {
        minimum[place % columns] = minimum[place % columns].min(minimum[place]);
        maximum[place % columns] = maximum[place % columns].max(maximum[place]);
    }
    minimum.truncate(columns);
    maximum.truncate(columns);
    (minimum, maximum)
}

struct Ends<'a> {
    cells: &'a [f32],
    minimum: &'a mut [f32],
    maximum: &'a mut [f32],
}

impl WithSimd for Ends<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for cells in self.cells.chunks(self.minimum.len().max(1)) {
            for ((low, high), &cell) in self.minimum.iter_mut().zip(&mut *self.maximum).zip(cells) {
                *low = if cell < *low { cell } else { *low };
                *high = if cell > *high { cell } else { *high };
            }
        }
    }
}

struct InF32<'a> {
    cells: &'a [f32],
    scaled: &'a mut [f32],
    stride: usize,
    minimum: &'a [f32],
    scale: &'a [f32],
}

impl WithSimd for InF32<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let zero = simd.splat_f32s(0.0);
        // Stays 0 while all results are finite, and becomes NaN otherwise.
        let mut zeros = zero;
        let mut scaled = |cell: S::f32s, lowest: S::f32s, scale: S::f32s| {
            let made = simd.mul_f32s(simd.sub_f32s(cell, lowest), scale);
            zeros = simd.mul_add_e_f32s(made, zero, zeros);
            made
        };
        let (minimum, minimum_end) = S::as_simd_f32s(self.minimum);
        let (scale, scale_end) = S::as_simd_f32s(self.scale);
        let columns = self.minimum.len();
        for (cells, made) in self.cells.chunks_exact(columns).zip(self.scaled.chunks_exact_mut(self.stride)) {
            let (cells, cells_end) = S::as_simd_f32s(cells);
            let (made, made_end) = S::as_mut_simd_f32s(&mut made[..columns]);
            for (((made, &cell), &lowest), &scale) in made.iter_mut().zip(cells).zip(minimum).zip(scale) {
                *made = scaled(cell, lowest, scale);
            }
            if !cells_end.is_empty() {
                let [cells, lowest, scale] = [cells_end, minimum_end, scale_end].map(|end| simd.partial_load_f32s(end));
                simd.partial_store_f32s(made_end, scaled(cells, lowest, scale));
            }
        }
        simd.reduce_sum_f32s(zeros) == 0.0
    }
}

/// The difference of two values up to this size does not overflow.
const LARGE: f32 = f32::MAX / 2.0;

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn ranges_become_the_unit_interval_and_constants_zero() {
        let train = array![[2.0, 5.0], [4.0, 5.0], [3.0, 5.0]];
        let scaler = MinMaxScaler::fit(&train);
        assert_eq!(scaler.transform(train.view()), array![[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]]);
        assert_eq!(scaler.transform(array![[6.0, 7.0]].view()), array![[2.0, 2.0]]);
    }

    /// Numbers of rows that are no multiple of those compared at a time, and an end in each row once.
    #[test]
    fn the_ends_of_columns_are_found_in_every_row() {
        for columns in [1, 3, 20, 64, 70] {
            for (rows, at) in [(1, 0), (2, 1), (7, 3), (65, 64), (200, 0), (200, 130)] {
                let mut cells: Vec<f32> = (0..rows * columns).map(|cell| (cell * 31 % 17) as f32).collect();
                let least = |column: usize| -1.0 - column as f32;
                (0..columns).for_each(|column| cells[at * columns + column] = least(column));
                let (minimum, maximum) = ends(&cells, columns);
                for column in 0..columns {
                    let values = || cells[column..].iter().step_by(columns).copied();
                    assert_eq!(minimum[column], least(column));
                    assert_eq!(maximum[column], values().fold(f32::NEG_INFINITY, f32::max));
                }
            }
        }
        let turned = array![[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]].reversed_axes();
        assert_eq!(MinMaxScaler::fit(&turned).minimum(), [1.0, 4.0]);
    }

    #[test]
    fn extreme_ranges_stay_finite() {
        let train = array![[f32::MAX, 0.0], [f32::MIN, f32::MIN_POSITIVE / 2.0]];
        let scaled = MinMaxScaler::fit(&train).transform(train.view());
        assert!(scaled.iter().all(|v| v.is_finite()), "{scaled}");
    }

    /// Both precisions give the same result up to the last bits, and extreme cells are scaled in `f64`.
    #[test]
    fn both_precisions_agree() {
        let columns = 21;
        let value = |i: usize| (i * 7919 % 2003) as f32 / 1001.0 * 10.0f32.powi((i % columns) as i32 - 10) + 3.0;
        let features = Array2::from_shape_fn((50, columns), |(row, column)| value(row * columns + column));
        let scaler = MinMaxScaler::fit(&features);
        let by_row = scaler.by_row();
        for row in features.rows() {
            let (mut short, mut exact) = (row.to_vec(), row.to_vec());
            assert!(by_row.in_f32(&row.to_vec(), &mut short, columns));
            by_row.in_f64(&row.to_vec(), &mut exact);
            for (short, exact) in short.into_iter().zip(exact) {
                assert!((short - exact).abs() <= 2.0 * f32::EPSILON * exact.abs(), "{short} and {exact}");
            }
        }
        let scaled = scaler.transform(features.view());
        for extreme in [f32::MAX, f32::MIN, f32::INFINITY, f32::NAN] {
            let mut features = features.clone();
            features[[1, 3]] = extreme;
            assert!(!by_row.in_f32(&features.row(1).to_vec(), &mut [0.0; 21], columns), "{extreme}");
            assert_eq!(scaler.transform_finite(features.view()).is_some(), extreme.is_finite(), "{extreme}");
            assert_eq!(scaler.transform(features.view()).row(2), scaled.row(2), "{extreme} changes another row");
        }
        let narrow = array![[0.0], [f32::MIN_POSITIVE]];
        assert_eq!(MinMaxScaler::fit(&narrow).transform(narrow.view()), array![[0.0], [1.0]]);
    }

    proptest! {
        #[test]
        fn fitted_rows_land_in_the_unit_interval(values in prop::collection::vec(-1e6f32..1e6, 2..40)) {
            let train = Array2::from_shape_vec((values.len(), 1), values).unwrap();
            let scaled = MinMaxScaler::fit(&train).transform(train.view());
            for v in scaled {
                prop_assert!((-1e-6..=1.000_001).contains(&v), "{}", v);
            }
        }
    }
}
