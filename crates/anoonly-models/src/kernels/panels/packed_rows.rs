//! Rows packed once and compared with a few others again and again.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{OnPanels, Panels, add_products, by_width};

/// Rows, packed into panels.
#[derive(Clone, Debug)]
pub(crate) struct PackedRows {
    panels: Panels,
}

/// Which of some centres is nearest to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NearestCentre {
    pub index: usize,
    /// Its squared distance minus the squared length of the row.
    pub value: f32,
    /// How much farther the next one is, as a difference of squared distances.
    pub gap: f32,
}

impl PackedRows {
    /// Packs rows, `[rows, columns]`.
    pub fn new(rows: &[f32], columns: usize) -> Self {
        Self { panels: Panels::of_rows(rows, columns, 1.0) }
    }

    /// The number of rows in a panel; the last one may have fewer.
    pub fn lanes(&self) -> usize {
        self.panels.lanes
    }

    /// The nearest centre of each row in some panels, of `[centres, columns]` with these squared lengths. The result is rounded as
    /// `|centre|² − 2 · row · centre` is; of centres at the same distance it is the first one.
    pub fn nearest(&self, panels: Range<usize>, centres: &[f32], squares: &[f32], nearest: &mut Vec<NearestCentre>) {
        nearest.clear();
        let rows = panels.start * self.panels.lanes..self.panels.outputs.min(panels.end * self.panels.lanes);
        Arch::new().dispatch(Centres { rows: &self.panels, panels, centres, squares, nearest });
        nearest.truncate(rows.len());
    }

    /// The squared distance of each row from one row, with the bits of [`squared_distance`](crate::tools::kmeans::squared_distance).
    pub fn squared_distances(&self, row: &[f32]) -> Vec<f32> {
        let mut squares = vec![0.0; self.panels.stride()];
        Arch::new().dispatch(Squares { rows: &self.panels, row, squares: &mut squares });
        squares.truncate(self.panels.outputs);
        squares
    }
}

struct Centres<'a> {
    rows: &'a Panels,
    panels: Range<usize>,
    centres: &'a [f32],
    squares: &'a [f32],
    nearest: &'a mut Vec<NearestCentre>,
}

impl WithSimd for Centres<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        by_width(simd, self.panels.clone(), &mut self);
    }
}

/// The smallest values of some rows, the values after them, and the indices of the smallest.
struct Least<T, const V: usize> {
    first: [T; V],
    second: [T; V],
    index: [T; V],
}

/// The number of centres in a tile.
const TALL: usize = 4;

impl OnPanels for Centres<'_> {
    #[inline(always)]
    fn some<S: Simd, const V: usize>(&mut self, simd: S, panel: usize) {
        let infinity = [simd.splat_f32s(f32::INFINITY); V];
        let mut least = Least { first: infinity, second: infinity, index: [simd.splat_f32s(0.0); V] };
        let count = self.squares.len();
        let whole = count - count % TALL;
        (0..whole).step_by(TALL).for_each(|from| self.tile::<S, TALL, V>(simd, panel, from, &mut least));
        (whole..count).for_each(|from| self.tile::<S, 1, V>(simd, panel, from, &mut least));
        for ((first, second), index) in least.first.iter().zip(&least.second).zip(&least.index) {
            let gaps = simd.sub_f32s(*second, *first);
            let cells = [index, first, &gaps].map(|vector| pulp::bytemuck::cast_slice(std::slice::from_ref(vector)));
            let [indices, values, gaps]: [&[f32]; 3] = cells;
            let rows = indices.iter().zip(values.iter().zip(gaps));
            let nearest = rows.map(|(&index, (&value, &gap))| NearestCentre { index: index as usize, value, gap });
            self.nearest.extend(nearest);
        }
    }
}

impl Centres<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        panel: usize,
        from: usize,
        least: &mut Least<S::f32s, V>,
    ) {
        let Panels { inputs, lanes, ref weights, .. } = *self.rows;
        let centres: [&[f32]; R] = std::array::from_fn(|offset| &self.centres[(from + offset) * inputs..][..inputs]);
        let weights: [&[S::f32s]; V] = std::array::from_fn(|offset| {
            &S::as_simd_f32s(&weights[(panel + offset) * inputs * lanes..][..inputs * lanes]).0[..inputs]
        });
        let sums = add_products(simd, centres, weights, 0..inputs, [[simd.splat_f32s(0.0); V]; R]);
        for (centre, sums) in (from..from + R).zip(sums) {
            let [minus_two, square, index] =
                [-2.0, self.squares[centre], centre as f32].map(|cell| simd.splat_f32s(cell));
            for (vector, sum) in sums.into_iter().enumerate() {
                let value = simd.mul_add_e_f32s(minus_two, sum, square);
                let first = least.first[vector];
                let less = simd.less_than_f32s(value, first);
                least.second[vector] = simd.min_f32s(least.second[vector], simd.max_f32s(first, value));
                least.first[vector] = simd.select_f32s(less, value, first);
                least.index[vector] = simd.select_f32s(less, index, least.index[vector]);
            }
        }
    }
}

struct Squares<'a> {
    rows: &'a Panels,
    row: &'a [f32],
    squares: &'a mut [f32],
}

/// The number of sums of a squared distance, which are added at last.
pub(crate) const SUMS: usize = 16;

impl WithSimd for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let inputs = self.rows.inputs;
        let wide = inputs / SUMS * SUMS;
        let panels = S::as_simd_f32s(&self.rows.weights).0.chunks_exact(inputs);
        for (square, cells) in S::as_mut_simd_f32s(self.squares).0.iter_mut().zip(panels) {
            let mut all = simd.splat_f32s(0.0);
            // The columns of each sum, and then the columns that are left over.
            for first in 0..SUMS.min(wide) + 1 {
                let (columns, step) = if first < SUMS.min(wide) { (first..wide, SUMS) } else { (wide..inputs, 1) };
                let mut sum = simd.splat_f32s(0.0);
                let mut column = columns.start;
                while column < columns.end {
                    let difference = simd.sub_f32s(cells[column], simd.splat_f32s(self.row[column]));
                    sum = simd.add_f32s(sum, simd.mul_f32s(difference, difference));
                    column += step;
                }
                all = simd.add_f32s(all, sum);
            }
            *square = all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::kmeans::squared_distance;

    fn cells(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|cell| (cell * step % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    #[test]
    fn the_nearest_centre_and_the_squared_distances_are_those_by_hand() {
        for (columns, count) in [(3, 1), (16, 4), (37, 9)] {
            let (rows, centres) = (cells(150 * columns, 7919), cells(count * columns, 104_729));
            let packed = PackedRows::new(&rows, columns);
            let squares: Vec<f32> =
                centres.chunks(columns).map(|row| row.iter().map(|cell| cell * cell).sum()).collect();
            let (mut nearest, lanes) = (Vec::new(), packed.lanes());
            packed.nearest(1..150usize.div_ceil(lanes), &centres, &squares, &mut nearest);
            assert_eq!(nearest.len(), 150 - lanes);
            for (row, nearest) in rows.chunks(columns).skip(lanes).zip(nearest) {
                let square = |centre: &[f32]| -> f64 {
                    row.iter().zip(centre).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
                };
                let mut all: Vec<(f64, usize)> = centres.chunks(columns).map(square).zip(0..).collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert_eq!(nearest.index, all[0].1);
                let length: f64 = row.iter().map(|&cell| f64::from(cell).powi(2)).sum();
                assert!((f64::from(nearest.value) + length - all[0].0).abs() < 1e-5, "{nearest:?}");
                let gap = all.get(1).map_or(f64::INFINITY, |next| next.0 - all[0].0);
                assert!(f64::from(nearest.gap) == gap || (f64::from(nearest.gap) - gap).abs() < 1e-5, "{nearest:?}");
            }
            let ours = packed.squared_distances(&centres[..columns]);
            let by_row = rows.chunks(columns).map(|row| squared_distance(row, &centres[..columns]) as f32);
            assert_eq!(ours, by_row.collect::<Vec<_>>());
        }
    }
}
