//! Products with few output columns.
//!
//! The hidden layers of this field have some twenty units. They fill neither a vector unit nor the panels into which a general product
//! copies its factors. Here, vectors run along the inputs, which number in the hundreds. Weights are stored transposed,
//! `[outputs, inputs]`. The forward pass computes dot products of rows, and the backward pass sums multiples of rows. Rows are read in
//! place, without a copy.

use std::iter::StepBy;
use std::ops::Range;
use std::slice::Iter;

use pulp::{Arch, Simd, WithSimd};

use super::panels::lanes;

/// Rows of equal width in `cells`: all of them, or those at the given indices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StridedRows<'a> {
    pub cells: &'a [f32],
    pub width: usize,
    pub indices: Option<&'a [usize]>,
}

impl<'a> StridedRows<'a> {
    pub fn all(cells: &'a [f32], width: usize) -> Self {
        Self { cells, width, indices: None }
    }

    pub fn len(self) -> usize {
        self.indices.map_or(self.cells.len() / self.width, <[usize]>::len)
    }

    /// The cells of the rows, row by row. Rows at indices are copied to `buffer`.
    pub fn gathered(self, buffer: &'a mut Vec<f32>) -> &'a [f32] {
        let Some(indices) = self.indices else { return self.cells };
        buffer.clear();
        for place in 0..indices.len() {
            self.fetch(place + FETCHED..place + FETCHED + 1);
            buffer.extend_from_slice(self.row(place));
        }
        buffer
    }

    /// One row.
    #[inline(always)]
    pub fn row(self, place: usize) -> &'a [f32] {
        let row = self.indices.map_or(place, |indices| indices[place]);
        &self.cells[row * self.width..][..self.width]
    }

    /// Prefetches some rows, if they do not simply follow each other.
    pub fn fetch(self, places: Range<usize>) {
        for &row in self.indices.and_then(|indices| indices.get(places)).unwrap_or_default() {
            let row = &self.cells[row * self.width..][..self.width];
            prefetch(row.iter().step_by(LINE).chain(row.last()));
        }
    }

    /// `N` consecutive rows, starting at `from`.
    #[inline(always)]
    pub fn rows<const N: usize>(self, from: usize) -> [&'a [f32]; N] {
        // `from_fn` is not inlined for many rows.
        let mut rows: [&[f32]; N] = [&[]; N];
        rows.iter_mut().enumerate().for_each(|(offset, row)| *row = self.row(from + offset));
        rows
    }
}

/// A row is prefetched this many rows before it is copied.
const FETCHED: usize = 4;

/// Cells that a product prefetches from memory for the next computation.
#[derive(Clone, Debug)]
pub(crate) struct Ahead<'a> {
    lines: StepBy<Iter<'a, f32>>,
    at_once: usize,
}

/// The number of cells in a cache line.
pub(crate) const LINE: usize = 16;

impl<'a> Ahead<'a> {
    /// Spreads the cells over the given number of calls to [`fetch`](Self::fetch).
    pub fn new(cells: &'a [f32], turns: usize) -> Self {
        let lines = cells.iter().step_by(LINE);
        let at_once = lines.len().div_ceil(turns.max(1));
        Self { lines, at_once }
    }

    /// Prefetches the next part of the cells. It only affects speed.
    #[inline(always)]
    pub fn fetch(&mut self) {
        prefetch(self.lines.by_ref().take(self.at_once));
    }
}

/// Prefetches the cache lines of cells. It only affects speed.
#[inline(always)]
fn prefetch<'a, T: 'a>(cells: impl IntoIterator<Item = &'a T>) {
    #[cfg(not(target_arch = "x86_64"))]
    let _ = cells;
    #[cfg(target_arch = "x86_64")]
    if let Some(sse) = pulp::core_arch::x86::Sse::try_new() {
        for cell in cells {
            sse._mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(cell).cast());
        }
    }
}

/// `rows · weightsᵀ`: the dot product of each row with each row of weights, `[rows, outputs]`.
pub(crate) fn dots(rows: StridedRows<'_>, weights: StridedRows<'_>, out: &mut [f32]) {
    dots_and_fetch(rows, weights, &[], out);
}

/// Like [`dots`], and prefetches `ahead` from memory while the processor multiplies.
pub(crate) fn dots_and_fetch(rows: StridedRows<'_>, weights: StridedRows<'_>, ahead: &[f32], out: &mut [f32]) {
    assert_eq!((rows.width, out.len()), (weights.width, rows.len() * weights.len()));
    let vectors = rows.width / lanes();
    let ahead = Ahead::new(ahead, rows.len().div_ceil(TALL) * weights.len().div_ceil(WIDE) * vectors.div_ceil(STRETCH));
    Arch::new().dispatch(Dots { rows, weights, ahead, out });
}

/// The dot product of each row, `[rows, columns]`, with one vector, `[columns]`. The result for a row does not depend on the other
/// rows.
pub(crate) fn dots_with(rows: &[f32], vector: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; rows.len() / vector.len()];
    dots(StridedRows::all(rows, vector.len()), StridedRows::all(vector, vector.len()), &mut out);
    out
}

/// With fewer terms than this, a product with packed weights is faster than [`dots`].
pub(crate) const FEW: usize = 256;

/// With more outputs than this, the general product is faster than [`dots`].
pub(super) const FEW_OUTPUTS: usize = 48;

struct Dots<'a> {
    rows: StridedRows<'a>,
    weights: StridedRows<'a>,
    ahead: Ahead<'a>,
    out: &'a mut [f32],
}

/// The numbers of rows and of weight rows in a tile. The sums of a tile fill the registers.
const TALL: usize = 4;
const WIDE: usize = 5;
/// The number of vectors between two calls that prefetch.
const STRETCH: usize = 8;

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let count = self.rows.len();
        let whole = count - count % TALL;
        for row in (0..whole).step_by(TALL) {
            self.some_rows::<S, TALL>(simd, row);
        }
        for row in whole..count {
            self.some_rows::<S, 1>(simd, row);
        }
    }
}

impl<'a> Dots<'a> {
    #[inline(always)]
    fn some_rows<S: Simd, const R: usize>(&mut self, simd: S, from: usize) {
        let count = self.weights.len();
        let whole = count - count % WIDE;
        for weight in (0..whole).step_by(WIDE) {
            self.tile::<S, R, WIDE>(simd, from, weight, self.next(from, weight / WIDE));
        }
        for weight in whole..count {
            self.tile::<S, R, 1>(simd, from, weight, self.next(from, TALL));
        }
    }

    /// The row that a tile of the rows at `from` prefetches: the tiles of these rows take one of the rows after them each. Rows that simply
    /// follow each other need no prefetching, and the result is then a row that is in the cache.
    #[inline(always)]
    fn next(&self, from: usize, turn: usize) -> &'a [f32] {
        let next = from + TALL + turn;
        self.rows.row(if self.rows.indices.is_some() && turn < TALL && next < self.rows.len() { next } else { from })
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, simd: S, row: usize, weight: usize, next: &'a [f32]) {
        let length = self.rows.width / S::F32_LANES;
        let (rows, weights) = (self.rows.rows::<R>(row), self.weights.rows::<C>(weight));
        // Slices of equal length, so that the compiler removes the bounds checks in the loop.
        let mut row_vectors: [&[S::f32s]; R] = [&[]; R];
        let mut weight_vectors: [&[S::f32s]; C] = [&[]; C];
        for (vectors, cells) in row_vectors.iter_mut().zip(rows) {
            *vectors = &S::as_simd_f32s(cells).0[..length];
        }
        for (vectors, cells) in weight_vectors.iter_mut().zip(weights) {
            *vectors = &S::as_simd_f32s(cells).0[..length];
        }
        let next = &S::as_simd_f32s(next).0[..length];
        let zero = simd.splat_f32s(0.0);
        let mut tile = [[zero; C]; R];
        for from in (0..length).step_by(STRETCH) {
            for place in from..(from + STRETCH).min(length) {
                prefetch(next.get(place));
                let mut weight = [zero; C];
                for (weight, vectors) in weight.iter_mut().zip(&weight_vectors) {
                    *weight = vectors[place];
                }
                for (sums, vectors) in tile.iter_mut().zip(&row_vectors) {
                    let row = vectors[place];
                    for (sum, weight) in sums.iter_mut().zip(weight) {
                        *sum = simd.mul_add_e_f32s(row, weight, *sum);
                    }
                }
            }
            self.ahead.fetch();
        }
        let mut sums = tile;
        if length * S::F32_LANES < self.rows.width {
            for (sums, cells) in sums.iter_mut().zip(rows) {
                let row = simd.partial_load_f32s(S::as_simd_f32s(cells).1);
                for (sum, cells) in sums.iter_mut().zip(weights) {
                    *sum = simd.mul_add_e_f32s(row, simd.partial_load_f32s(S::as_simd_f32s(cells).1), *sum);
                }
            }
        }
        let width = self.weights.len();
        // The loop after that of the vectors is too long to be unrolled. It has a copy of the tile of its own, so that the tile stays in
        // registers.
        let done = sums;
        for (offset, sums) in done.iter().enumerate() {
            let out = &mut self.out[(row + offset) * width + weight..][..C];
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = simd.reduce_sum_f32s(*sum);
            }
        }
    }
}

/// Factors, `[sums, rows]` or transposed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors<'a> {
    pub cells: &'a [f32],
    /// The stride between sums and the stride between rows.
    pub strides: [usize; 2],
}

impl Factors<'_> {
    #[inline(always)]
    fn at(self, sum: usize, row: usize) -> f32 {
        self.cells[sum * self.strides[0] + row * self.strides[1]]
    }
}

/// `factors · rows`: sums of multiples of the rows, `[sums, width]`.
pub(crate) fn sums(factors: Factors<'_>, rows: StridedRows<'_>, out: &mut [f32]) {
    assert!(rows.len() * (out.len() / rows.width) <= factors.cells.len());
    Arch::new().dispatch(Sums { factors, rows, out });
}

struct Sums<'a> {
    factors: Factors<'a>,
    rows: StridedRows<'a>,
    out: &'a mut [f32],
}

/// The number of sums in a tile, and the number of vectors of each sum.
const MANY: usize = 5;
const LONG: usize = 4;

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (width, lanes) = (self.rows.width, S::F32_LANES);
        let (long, whole) = (width - width % (LONG * lanes), width - width % lanes);
        for column in (0..long).step_by(LONG * lanes) {
            self.columns::<S, LONG>(simd, column);
        }
        for column in (long..whole).step_by(lanes) {
            self.columns::<S, 1>(simd, column);
        }
        if whole < width {
            self.columns::<S, 0>(simd, whole);
        }
    }
}

impl Sums<'_> {
    /// Computes `V` vectors of all sums, or the columns that do not fill a vector if `V` is 0.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, simd: S, column: usize) {
        let count = self.out.len() / self.rows.width;
        let whole = count - count % MANY;
        for sum in (0..whole).step_by(MANY) {
            self.some_sums::<S, MANY, V>(simd, sum, column);
        }
        for sum in whole..count {
            self.some_sums::<S, 1, V>(simd, sum, column);
        }
    }

    #[inline(always)]
    fn some_sums<S: Simd, const N: usize, const V: usize>(&mut self, simd: S, from: usize, column: usize) {
        match V {
            0 => self.ends::<S, N>(simd, from, column),
            _ => self.tile::<S, N, V>(simd, from, column),
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const N: usize, const V: usize>(&mut self, simd: S, from: usize, column: usize) {
        // The tiles of these columns take turns: each prefetches one cache line of the columns after them.
        let ahead = V * S::F32_LANES + from / MANY * LINE;
        let mut sums = [[simd.splat_f32s(0.0); V]; N];
        for row in 0..self.rows.len() {
            let cells = &self.rows.row(row)[column..];
            prefetch(cells.get(ahead));
            let (vectors, _) = S::as_simd_f32s(&cells[..V * S::F32_LANES]);
            let vectors: [S::f32s; V] = std::array::from_fn(|place| vectors[place]);
            for (sum, vector_sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32s(self.factors.at(from + sum, row));
                for (vector_sum, vector) in vector_sums.iter_mut().zip(vectors) {
                    *vector_sum = simd.mul_add_e_f32s(factor, vector, *vector_sum);
                }
            }
        }
        for (sum, vector_sums) in sums.into_iter().enumerate() {
            let out = &mut self.out[(from + sum) * self.rows.width + column..][..V * S::F32_LANES];
            S::as_mut_simd_f32s(out).0.copy_from_slice(&vector_sums);
        }
    }

    /// Computes the last columns, which do not fill a vector.
    #[inline(always)]
    fn ends<S: Simd, const N: usize>(&mut self, simd: S, from: usize, column: usize) {
        let mut sums = [simd.splat_f32s(0.0); N];
        for row in 0..self.rows.len() {
            let vector = simd.partial_load_f32s(&self.rows.row(row)[column..]);
            for (sum, vector_sum) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32s(self.factors.at(from + sum, row));
                *vector_sum = simd.mul_add_e_f32s(factor, vector, *vector_sum);
            }
        }
        let width = self.rows.width;
        for (sum, vector_sum) in sums.into_iter().enumerate() {
            simd.partial_store_f32s(&mut self.out[(from + sum) * width + column..(from + sum + 1) * width], vector_sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, start: usize) -> Vec<f32> {
        (0..count).map(|i| ((i + start) * 7919 % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[track_caller]
    fn close(found: &[f32], expected: impl Iterator<Item = f64>, scale: f64, what: &str) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() <= 1e-6 * scale, "{what}: {found} and {expected}");
        }
    }

    /// Covers every remainder of rows, outputs and columns.
    #[test]
    fn products_of_all_shapes_match_their_definition() {
        for (rows, width, outputs) in
            [(1, 1, 1), (4, 16, 5), (7, 20, 1), (9, 130, 12), (3, 64, 20), (6, 100, 9), (13, 31, 4), (5, 67, 6)]
        {
            let what = format!("{rows} × {width} × {outputs}");
            let cells = numbers(3 * rows * width, 1);
            let indices: Vec<usize> = (0..rows).map(|row| row * 5 % (3 * rows)).collect();
            let weights = numbers(outputs * width, 77);
            let gathered = StridedRows { cells: &cells, width, indices: Some(&indices) };
            let cell = |row: usize, column: usize| f64::from(cells[indices[row] * width + column]);

            let mut out = vec![f32::NAN; rows * outputs];
            dots(gathered, StridedRows::all(&weights, width), &mut out);
            let product = |row: usize, output: usize| {
                (0..width).map(|k| cell(row, k) * f64::from(weights[output * width + k])).sum::<f64>()
            };
            let expected = (0..rows).flat_map(|row| (0..outputs).map(move |output| (row, output)));
            close(&out, expected.map(|(row, output)| product(row, output)), width as f64, &what);

            // Factors in both orders.
            let factors = numbers(rows * outputs, 5);
            for strides in [[1, outputs], [rows, 1]] {
                let mut out = vec![f32::NAN; outputs * width];
                sums(Factors { cells: &factors, strides }, gathered, &mut out);
                let sum = |output: usize, column: usize| {
                    let factor = |row: usize| f64::from(factors[output * strides[0] + row * strides[1]]);
                    (0..rows).map(|row| factor(row) * cell(row, column)).sum::<f64>()
                };
                let expected = (0..outputs).flat_map(|output| (0..width).map(move |column| (output, column)));
                close(&out, expected.map(|(output, column)| sum(output, column)), rows as f64, &what);
            }
        }
    }
}
