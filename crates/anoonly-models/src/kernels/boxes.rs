//! Which rows are near to a box.

use pulp::{Arch, Simd, WithSimd};

use super::panels::scan::bits;

/// The number of rows that are compared with a box together.
pub(crate) const GROUP: usize = 48;

/// Marks the rows whose squared distance from a box is not above their bounds plus `error`, the first row with the lowest bit.
///
/// The rows are `[columns, GROUP]`. The box has the lowest and the highest value of each column, `[columns]`.
pub(crate) fn near(rows: &[f32], lowest: &[f32], highest: &[f32], bounds: &[f32; GROUP], error: f32) -> u64 {
    Arch::new().dispatch(Boxed { rows, lowest, highest, bounds, error })
}

struct Boxed<'a> {
    rows: &'a [f32],
    lowest: &'a [f32],
    highest: &'a [f32],
    bounds: &'a [f32; GROUP],
    error: f32,
}

impl WithSimd for Boxed<'_> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> u64 {
        let bounds = S::as_simd_f32s(self.bounds).0;
        let [zero, error] = [0.0, self.error].map(|cell| simd.splat_f32s(cell));
        let mut marks = 0;
        for (place, &bound) in bounds.iter().enumerate() {
            let mut sum = zero;
            for ((rows, &low), &high) in self.rows.chunks_exact(GROUP).zip(self.lowest).zip(self.highest) {
                let cells = S::as_simd_f32s(rows).0[place];
                let below = simd.sub_f32s(simd.splat_f32s(low), cells);
                let above = simd.sub_f32s(cells, simd.splat_f32s(high));
                let outside = simd.max_f32s(simd.max_f32s(below, above), zero);
                sum = simd.mul_add_e_f32s(outside, outside, sum);
            }
            let near = bits::<S>(simd.less_than_or_equal_f32s(sum, simd.add_f32s(bound, error)));
            marks |= u64::from(near) << (place * S::F32_LANES);
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_inside_and_near_to_a_box_are_marked() {
        // In the second column all rows are 1 below the box.
        let rows: Vec<f32> = (0..GROUP).map(|row| row as f32).chain([2.0; GROUP]).collect();
        let mut bounds = [4.0; GROUP];
        bounds[20] = -0.5;
        let marks = near(&rows, &[10.0, 3.0], &[30.0, 5.0], &bounds, 0.9);
        for row in 0..GROUP {
            assert_eq!(marks >> row & 1 == 1, (9..=31).contains(&row) && row != 20, "{row}");
        }
    }
}
