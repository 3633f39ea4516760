//! The search for packed vectors near to rows: those within a bound are picked out while the distances are in registers.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::scan::{MOST_LANES, bits};
use super::{OnPanels, Panels, TALL, add_products, by_width};
use crate::kernels::products::StridedRows;

/// Vectors, each with a square.
#[derive(Clone, Debug)]
pub(crate) struct NearVectors {
    /// Minus twice the vectors; the biases are the squares, and infinite for the padding.
    panels: Panels,
}

impl NearVectors {
    /// Packs vectors, `[vectors, inputs]`.
    pub fn new(vectors: &[f32], inputs: usize, squares: &[f32]) -> Self {
        let mut panels = Panels::of_rows(StridedRows::all(vectors, inputs), |_, cell| -2.0 * cell);
        assert_eq!(squares.len(), panels.outputs);
        panels.bias.fill(f32::INFINITY);
        panels.bias[..squares.len()].copy_from_slice(squares);
        Self { panels }
    }

    /// Calls `found` with the row, the vector and `squareᵥ − 2 · row · vectorᵥ` for each vector in a range where this is at most the bound
    /// of the row, for some of the rows, `[rows, inputs]`. It returns the row's bound from then on; a few values above it may follow.
    ///
    /// The range begins with a multiple of 64. A value depends neither on the other rows nor on the other vectors.
    pub fn scan(
        &self,
        vectors: Range<usize>,
        rows: &[f32],
        which: &[usize],
        bounds: &mut [f32],
        found: impl FnMut(usize, usize, f32) -> f32,
    ) {
        let lanes = self.panels.lanes;
        assert!(vectors.start.is_multiple_of(lanes), "ranges begin with a whole panel");
        let panels = vectors.start / lanes..vectors.end.div_ceil(lanes);
        Arch::new().dispatch(Near { panels: &self.panels, some: panels, rows, which, bounds, found });
    }
}

struct Near<'a, F> {
    panels: &'a Panels,
    some: Range<usize>,
    rows: &'a [f32],
    which: &'a [usize],
    bounds: &'a mut [f32],
    found: F,
}

impl<F: FnMut(usize, usize, f32) -> f32> WithSimd for Near<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        by_width(simd, self.some.clone(), &mut self);
    }
}

impl<F: FnMut(usize, usize, f32) -> f32> OnPanels for Near<'_, F> {
    #[inline(always)]
    fn some<S: Simd, const V: usize>(&mut self, simd: S, panel: usize) {
        const PAIR: usize = 2;
        let count = self.which.len();
        let whole = count - count % TALL;
        let pairs = count - count % PAIR;
        (0..whole).step_by(TALL).for_each(|from| self.tile::<S, TALL, V>(simd, from, panel));
        (whole..pairs).step_by(PAIR).for_each(|from| self.tile::<S, PAIR, V>(simd, from, panel));
        (pairs..count).for_each(|from| self.tile::<S, 1, V>(simd, from, panel));
    }
}

impl<F: FnMut(usize, usize, f32) -> f32> Near<'_, F> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, from: usize, panel: usize) {
        let Panels { inputs, lanes, ref weights, ref bias, .. } = *self.panels;
        let places: [usize; R] = std::array::from_fn(|offset| self.which[from + offset]);
        let rows = places.map(|place| &self.rows[place * inputs..][..inputs]);
        let weights: [&[S::f32s]; V] = std::array::from_fn(|offset| {
            &S::as_simd_f32s(&weights[(panel + offset) * inputs * lanes..][..inputs * lanes]).0[..inputs]
        });
        let squares = &S::as_simd_f32s(&bias[panel * lanes..][..V * lanes]).0[..V];
        let sums = [std::array::from_fn(|offset| squares[offset]); R];
        let sums = add_products(simd, rows, weights, 0..inputs, sums);
        for (place, sums) in places.into_iter().zip(&sums) {
            let bound = simd.splat_f32s(self.bounds[place]);
            let least = sums[1..].iter().fold(sums[0], |least, &sum| simd.min_f32s(least, sum));
            if simd.first_true_m32s(simd.less_than_or_equal_f32s(least, bound)) == lanes {
                continue;
            }
            for (offset, sum) in sums.iter().enumerate() {
                let mut marks = bits::<S>(simd.less_than_or_equal_f32s(*sum, bound));
                let values = &mut [0.0; MOST_LANES][..lanes];
                S::as_mut_simd_f32s(values).0.copy_from_slice(std::slice::from_ref(sum));
                while marks > 0 {
                    let lane = marks.trailing_zeros() as usize;
                    let vector = (panel + offset) * lanes + lane;
                    // With an infinite bound, the padding is within it.
                    if vector < self.panels.outputs {
                        self.bounds[place] = (self.found)(place, vector, values[lane]);
                    }
                    marks &= marks - 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|cell| (cell * step % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    /// More vectors than fill the panels, and rows that fill tiles of each height. By hand, in double precision; no value is within
    /// rounding of its bound.
    #[test]
    fn the_vectors_within_the_bounds_are_found() {
        let (inputs, count, rows) = (7, 235, 20);
        let (vectors, queries) = (cells(inputs * count, 7919), cells(rows * inputs, 104_729));
        let squares: Vec<f32> = (0..count).map(|vector| (vector * 13 % 75) as f32 / 75.0).collect();
        let packed = NearVectors::new(&vectors, inputs, &squares);
        let which: Vec<usize> = (0..rows).filter(|row| row % 3 > 0).collect();
        for range in [0..count, 64..count, 64..128] {
            let mut found = vec![vec![f64::NAN; count]; rows];
            let bounds: Vec<f32> = (0..rows).map(|row| 0.2 + row as f32 / 50.0).collect();
            packed.scan(range.clone(), &queries, &which, &mut bounds.clone(), |row, vector, value| {
                found[row][vector] = f64::from(value);
                bounds[row]
            });
            for (row, vector) in (0..rows).flat_map(|row| (0..count).map(move |vector| (row, vector))) {
                let pairs = queries[row * inputs..].iter().zip(&vectors[vector * inputs..][..inputs]);
                let product: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                let value = f64::from(squares[vector]) - 2.0 * product;
                let wanted = which.contains(&row) && range.contains(&vector) && value <= f64::from(bounds[row]);
                let ours = found[row][vector];
                assert!(if wanted { (ours - value).abs() < 1e-6 } else { ours.is_nan() }, "{row}, {vector}: {ours}");
            }
        }
    }
}
