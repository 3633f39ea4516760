//! The search through the products of rows with many packed vectors: what lies within bounds is picked out while the products are in
//! registers.

use pulp::{Arch, Simd, WithSimd};

use super::{OnPanels, Panels, TALL, add_products, by_width};

/// Which products of one row are picked out: for the vector `v`, those that are at least `most`, and those for which
/// `squaresᵥ + factor · lengthsᵥ · product` is at most `far`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub most: f32,
    pub factor: f32,
    pub far: f32,
}

/// Vectors, each with a length and a square.
#[derive(Clone, Debug)]
pub(crate) struct ScanVectors {
    panels: Panels,
    /// With the padding, which is 0.
    lengths: Vec<f32>,
    /// With the padding, which is infinite.
    squares: Vec<f32>,
}

impl ScanVectors {
    /// The vectors are the columns of the panels.
    pub fn new(panels: Panels, mut lengths: Vec<f32>, mut squares: Vec<f32>) -> Self {
        assert!(
            lengths.len() == panels.outputs && squares.len() == panels.outputs,
            "each vector has a length and a square"
        );
        lengths.resize(panels.stride(), 0.0);
        squares.resize(panels.stride(), f32::INFINITY);
        Self { panels, lengths, squares }
    }

    /// Calls `found` for the products of each row, `[rows, inputs]`, within its bounds: with the index of the row, that of the vector and
    /// the product. It returns the row's bounds from then on; a few products beyond them may follow.
    ///
    /// Vectors come in ascending order for each row. A product depends neither on the other rows nor on the other vectors.
    pub fn scan(&self, rows: &[f32], bounds: &mut [Bounds], found: impl FnMut(usize, usize, f32) -> Bounds) {
        assert_eq!(rows.len(), bounds.len() * self.panels.inputs);
        Arch::new().dispatch(Scan { vectors: self, rows, bounds, found });
    }
}

/// The most lanes of a vector.
pub(super) const MOST_LANES: usize = 16;

struct Scan<'a, F> {
    vectors: &'a ScanVectors,
    rows: &'a [f32],
    bounds: &'a mut [Bounds],
    found: F,
}

impl<F: FnMut(usize, usize, f32) -> Bounds> WithSimd for Scan<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.vectors.panels.stride() / self.vectors.panels.lanes;
        by_width(simd, 0..panels, &mut self);
    }
}

impl<F: FnMut(usize, usize, f32) -> Bounds> OnPanels for Scan<'_, F> {
    #[inline(always)]
    fn some<S: Simd, const V: usize>(&mut self, simd: S, column: usize) {
        let count = self.bounds.len();
        let whole = count - count % TALL;
        (0..whole).step_by(TALL).for_each(|row| self.tile::<S, TALL, V>(simd, row, column));
        (whole..count).for_each(|row| self.tile::<S, 1, V>(simd, row, column));
    }
}

impl<F: FnMut(usize, usize, f32) -> Bounds> Scan<'_, F> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize) {
        let Panels { inputs, ref weights, .. } = self.vectors.panels;
        let lanes = S::F32_LANES;
        let rows: [&[f32]; R] = std::array::from_fn(|offset| &self.rows[(row + offset) * inputs..][..inputs]);
        let weights: [&[S::f32s]; V] = std::array::from_fn(|offset| {
            &S::as_simd_f32s(&weights[(column + offset) * inputs * lanes..][..inputs * lanes]).0[..inputs]
        });
        let sums = add_products(simd, rows, weights, 0..inputs, [[simd.splat_f32s(0.0); V]; R]);
        let place = column * lanes..(column + V) * lanes;
        let lengths = &S::as_simd_f32s(&self.vectors.lengths[place.clone()]).0[..V];
        let squares = &S::as_simd_f32s(&self.vectors.squares[place]).0[..V];
        for (offset, sums) in sums.iter().enumerate() {
            let bounds = self.bounds[row + offset];
            let [most, factor, far] = [bounds.most, bounds.factor, bounds.far].map(|bound| simd.splat_f32s(bound));
            let within: [S::m32s; V] = std::array::from_fn(|part| {
                let distance = simd.mul_add_e_f32s(simd.mul_f32s(factor, lengths[part]), sums[part], squares[part]);
                let near = simd.less_than_or_equal_f32s(distance, far);
                simd.or_m32s(near, simd.greater_than_or_equal_f32s(sums[part], most))
            });
            let any = within[1..].iter().fold(within[0], |any, &mask| simd.or_m32s(any, mask));
            if simd.first_true_m32s(any) == lanes {
                continue;
            }
            for (part, mask) in within.into_iter().enumerate() {
                let mut marks = bits::<S>(mask);
                let products = &mut [0.0; MOST_LANES][..lanes];
                S::as_mut_simd_f32s(products).0.copy_from_slice(&sums[part..=part]);
                while marks > 0 {
                    let lane = marks.trailing_zeros() as usize;
                    let vector = (column + part) * lanes + lane;
                    if vector < self.vectors.panels.outputs {
                        self.bounds[row + offset] = (self.found)(row + offset, vector, products[lane]);
                    }
                    marks &= marks - 1;
                }
            }
        }
    }
}

/// The marked lanes as bits, the first lane as the lowest bit.
#[inline(always)]
pub(in crate::kernels) fn bits<S: Simd>(mask: S::m32s) -> u32 {
    let bytes = pulp::bytemuck::bytes_of(&mask);
    match *bytes {
        // AVX-512 has masks of bits.
        [low, high] if S::F32_LANES == MOST_LANES => u16::from_le_bytes([low, high]).into(),
        _ => {
            let lanes = bytes.chunks_exact(bytes.len() / S::F32_LANES).enumerate();
            lanes.map(|(lane, mask)| u32::from(mask[0] != 0) << lane).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Matrix;

    fn cells(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|cell| (cell * step % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    /// More vectors than fill the panels, and more rows than fill the tiles. By hand, in double precision; no product is within rounding
    /// of its bound.
    #[test]
    fn the_products_within_the_bounds_are_found() {
        let (inputs, vectors, rows) = (7, 75, 20);
        let weights = Matrix { shape: [inputs, vectors], cells: cells(inputs * vectors, 7919) };
        let lengths: Vec<f32> = (0..vectors).map(|vector| 1.0 + vector as f32 / 50.0).collect();
        let squares: Vec<f32> = (0..vectors).map(|vector| (vector * 13 % 75) as f32 / 75.0).collect();
        let queries = cells(rows * inputs, 104_729);
        let packed = ScanVectors::new(Panels::new(&weights, None), lengths.clone(), squares.clone());
        let limits = |row: usize| Bounds { most: 0.55, factor: -1.0 - row as f32 / 20.0, far: -0.3 };
        let product = |row: usize, vector: usize| -> f64 {
            let term = |input: usize| {
                f64::from(queries[row * inputs + input]) * f64::from(weights.cells[input * vectors + vector])
            };
            (0..inputs).map(term).sum()
        };
        let within = |row: usize, vector: usize| {
            let (product, bounds) = (product(row, vector), limits(row));
            let distance = f64::from(squares[vector]) + f64::from(bounds.factor * lengths[vector]) * product;
            product >= f64::from(bounds.most) || distance <= f64::from(bounds.far)
        };
        let mut found = vec![vec![f64::NAN; vectors]; rows];
        let mut bounds: Vec<Bounds> = (0..rows).map(limits).collect();
        packed.scan(&queries, &mut bounds, |row, vector, product| {
            found[row][vector] = f64::from(product);
            limits(row)
        });
        let all = || (0..rows).flat_map(|row| (0..vectors).map(move |vector| (row, vector)));
        for (row, vector) in all() {
            let ours = found[row][vector];
            let expected = if within(row, vector) { product(row, vector) } else { f64::NAN };
            assert!((ours - expected).abs() < 1e-6 || ours.is_nan() && expected.is_nan(), "{row}, {vector}: {ours}");
        }
    }
}
