//! Products of training steps, with a factor in panels.
//!
//! The right factor is packed into panels that are one vector wide, so that a tile of the product reads it in order and from the
//! cache. The left factor is read in place, also transposed. The product can be written in panels: the gradient of weights in panels
//! has their order.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::panels::{NEAR, lanes};
use super::products::StridedRows;

/// A matrix `[terms, width]` in panels, `[panels, terms, lanes]`. The last panel is padded with zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    pub cells: &'a [f32],
    pub width: usize,
}

impl Packed<'_> {
    /// The number of cells of a matrix `[terms, width]` in panels.
    pub fn cells(terms: usize, width: usize) -> usize {
        terms * width.next_multiple_of(lanes())
    }

    /// Packs rows, `[terms, width]`.
    pub fn pack(rows: StridedRows<'_>, packed: &mut Vec<f32>) {
        let (terms, lanes) = (rows.len(), lanes());
        packed.resize(Self::cells(terms, rows.width), 0.0);
        for term in 0..terms {
            for (panel, cells) in rows.row(term).chunks(lanes).enumerate() {
                let (copied, padding) = packed[(panel * terms + term) * lanes..][..lanes].split_at_mut(cells.len());
                copied.copy_from_slice(cells);
                padding.fill(0.0);
            }
        }
    }

    /// The rows, `[terms, width]`.
    pub fn unpacked(self, terms: usize) -> Vec<f32> {
        let lanes = lanes();
        let panel = |column: usize| &self.cells[column / lanes * terms * lanes + column % lanes..];
        (0..terms).flat_map(|term| (0..self.width).map(move |column| panel(column)[term * lanes])).collect()
    }

    /// Packs the transpose: from a matrix `[width, terms]` in panels to `[terms, width]` in panels.
    pub fn transpose(self, width: usize, packed: &mut Vec<f32>) {
        let (terms, lanes) = (self.width, lanes());
        packed.resize(Self::cells(terms, width), 0.0);
        for (panel, cells) in self.cells.chunks_exact(width * lanes).enumerate() {
            let count = lanes.min(terms - panel * lanes);
            for (into, cells) in cells.chunks(lanes * lanes).enumerate() {
                let block = &mut packed[(into * terms + panel * lanes) * lanes..][..count * lanes];
                for (lane, row) in block.chunks_exact_mut(lanes).enumerate() {
                    let (copied, padding) = row.split_at_mut(cells.len() / lanes);
                    copied.iter_mut().zip(cells[lane..].iter().step_by(lanes)).for_each(|(to, from)| *to = *from);
                    padding.fill(0.0);
                }
            }
        }
    }
}

/// The left factor of a product, `[sums, terms]`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left<'a> {
    /// A row for each sum.
    Rows(StridedRows<'a>),
    /// A row for each term, with a cell for each sum.
    Columns(StridedRows<'a>),
}

/// What a layer adds to a product: the bias, padded to whole panels, and an activation with the given slope below 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish<'a> {
    pub bias: &'a [f32],
    pub slope: f32,
}

/// The order of the cells of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    /// `[sums, width]`.
    Rows,
    /// `[panels, sums, lanes]`.
    Panels,
}

/// Computes `left · right`. Each cell is a sum in the order of the terms, whatever the other rows and columns are.
pub(crate) fn product(left: Left<'_>, right: Packed<'_>, finish: Option<Finish<'_>>, order: Order, out: &mut [f32]) {
    let (sums, terms) = match left {
        Left::Rows(rows) => (rows.len(), rows.width),
        Left::Columns(rows) => (rows.width, rows.len()),
    };
    assert_eq!(right.cells.len(), Packed::cells(terms, right.width));
    match order {
        Order::Rows => assert_eq!(out.len(), sums * right.width),
        Order::Panels => assert_eq!(out.len(), Packed::cells(sums, right.width)),
    }
    match left {
        Left::Rows(rows) => Arch::new().dispatch(Product { left: ByRow(rows), sums, terms, right, finish, order, out }),
        Left::Columns(rows) => {
            Arch::new().dispatch(Product { left: ByColumn(rows), sums, terms, right, finish, order, out })
        }
    }
}

/// A left factor: the cells of consecutive sums at each term.
trait Factor: Copy {
    /// Whether a sum has a row.
    const BY_ROW: bool;

    /// The rows of `R` consecutive sums, cut to a part of the terms; empty where a row is one of a term.
    fn rows<const R: usize>(&self, sum: usize, part: Range<usize>) -> [&[f32]; R];

    /// The cells of `R` consecutive sums at a term of the part.
    fn at<const R: usize>(&self, rows: &[&[f32]; R], sum: usize, start: usize, term: usize) -> [f32; R];
}

#[derive(Clone, Copy)]
struct ByRow<'a>(StridedRows<'a>);

impl Factor for ByRow<'_> {
    const BY_ROW: bool = true;

    #[inline(always)]
    fn rows<const R: usize>(&self, sum: usize, part: Range<usize>) -> [&[f32]; R] {
        let mut rows: [&[f32]; R] = self.0.rows(sum);
        rows.iter_mut().for_each(|row| *row = &row[part.clone()]);
        rows
    }

    #[inline(always)]
    fn at<const R: usize>(&self, rows: &[&[f32]; R], _: usize, _: usize, term: usize) -> [f32; R] {
        let mut cells = [0.0; R];
        cells.iter_mut().zip(rows).for_each(|(cell, row)| *cell = row[term]);
        cells
    }
}

#[derive(Clone, Copy)]
struct ByColumn<'a>(StridedRows<'a>);

impl Factor for ByColumn<'_> {
    const BY_ROW: bool = false;

    #[inline(always)]
    fn rows<const R: usize>(&self, _: usize, _: Range<usize>) -> [&[f32]; R] {
        [&[]; R]
    }

    #[inline(always)]
    fn at<const R: usize>(&self, _: &[&[f32]; R], sum: usize, start: usize, term: usize) -> [f32; R] {
        let mut cells = [0.0; R];
        cells.copy_from_slice(&self.0.row(start + term)[sum..][..R]);
        cells
    }
}

struct Product<'a, F> {
    left: F,
    sums: usize,
    terms: usize,
    right: Packed<'a>,
    finish: Option<Finish<'a>>,
    order: Order,
    out: &'a mut [f32],
}

impl<F: Factor> WithSimd for Product<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.right.width.div_ceil(S::F32_LANES);
        let mut panel = 0;
        // The sums of a tile fill the registers.
        while panel < panels {
            panel += match (S::F32_LANES >= 16, panels - panel) {
                (true, 1) => self.panels::<S, 12, 1>(simd, panel),
                (true, 2) => self.panels::<S, 12, 2>(simd, panel),
                (true, 3) => self.panels::<S, 8, 3>(simd, panel),
                (true, _) => self.panels::<S, 6, 4>(simd, panel),
                (false, 1) => self.panels::<S, 8, 1>(simd, panel),
                (false, _) => self.panels::<S, 6, 2>(simd, panel),
            };
        }
    }
}

impl<F: Factor> Product<'_, F> {
    #[inline(always)]
    fn panels<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, panel: usize) -> usize {
        let mut from = 0;
        while from < self.terms {
            let to = (from + NEAR / V).min(self.terms);
            let mut sum = 0;
            while sum < self.sums {
                sum += match self.sums - sum {
                    left if left >= R => self.tile::<S, R, V>(simd, sum, panel, from..to),
                    4.. => self.tile::<S, 4, V>(simd, sum, panel, from..to),
                    2.. => self.tile::<S, 2, V>(simd, sum, panel, from..to),
                    _ => self.tile::<S, 1, V>(simd, sum, panel, from..to),
                }
            }
            from = to;
        }
        V
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        sum: usize,
        panel: usize,
        part: Range<usize>,
    ) -> usize {
        let (lanes, length) = (S::F32_LANES, part.end - part.start);
        let right: [&[S::f32s]; V] = std::array::from_fn(|offset| {
            let from = (panel + offset) * self.terms + part.start;
            &S::as_simd_f32s(&self.right.cells[from * lanes..][..length * lanes]).0[..length]
        });
        let left = self.left;
        let mut rows: [&[f32]; R] = left.rows(sum, part.start..part.end);
        for row in &mut rows {
            *row = if F::BY_ROW { &row[..length] } else { row };
        }
        // The loops before and after that of the terms are too long to be unrolled. They have copies of their own, so that the tile stays
        // in registers.
        let mut start = [[simd.splat_f32s(0.0); V]; R];
        if part.start > 0 {
            for (row, vectors) in start.iter_mut().enumerate() {
                for (offset, vector) in vectors.iter_mut().enumerate() {
                    let (from, count) = self.place(lanes, sum + row, panel + offset);
                    *vector = load(simd, &self.out[from..from + count]);
                }
            }
        } else if let Some(Finish { bias, .. }) = self.finish {
            let bias = &S::as_simd_f32s(bias).0[panel..][..V];
            for vectors in &mut start {
                vectors.copy_from_slice(bias);
            }
        }
        let mut tile = start;
        for term in 0..length {
            let right: [S::f32s; V] = std::array::from_fn(|offset| right[offset][term]);
            let cells = left.at(&rows, sum, part.start, term);
            for (vectors, cell) in tile.iter_mut().zip(cells) {
                let cell = simd.splat_f32s(cell);
                for (vector, right) in vectors.iter_mut().zip(right) {
                    *vector = simd.mul_add_e_f32s(cell, right, *vector);
                }
            }
        }
        let zero = simd.splat_f32s(0.0);
        let slope =
            self.finish.filter(|finish| part.end == self.terms && finish.slope != 1.0).map(|finish| finish.slope);
        let done = tile;
        for (row, vectors) in done.iter().enumerate() {
            for (offset, &vector) in vectors.iter().enumerate() {
                let (from, count) = self.place(lanes, sum + row, panel + offset);
                let vector = match slope {
                    None => vector,
                    Some(slope) => {
                        let below = simd.mul_f32s(simd.splat_f32s(slope), vector);
                        simd.select_f32s(simd.greater_than_f32s(vector, zero), vector, below)
                    }
                };
                store(simd, &mut self.out[from..from + count], vector);
            }
        }
        R
    }

    /// The place of a vector in the product, and its number of cells.
    #[inline(always)]
    fn place(&self, lanes: usize, sum: usize, panel: usize) -> (usize, usize) {
        match self.order {
            Order::Rows => (sum * self.right.width + panel * lanes, lanes.min(self.right.width - panel * lanes)),
            Order::Panels => ((panel * self.sums + sum) * lanes, lanes),
        }
    }
}

/// The cells of a vector; those of a partial vector are loaded with a mask, which takes longer.
#[inline(always)]
fn load<S: Simd>(simd: S, cells: &[f32]) -> S::f32s {
    match S::as_simd_f32s(cells) {
        ([vector], _) => *vector,
        (_, part) => simd.partial_load_f32s(part),
    }
}

#[inline(always)]
fn store<S: Simd>(simd: S, cells: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(cells) {
        ([place], _) => *place = vector,
        (_, part) => simd.partial_store_f32s(part, vector),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, start: usize) -> Vec<f32> {
        (0..count).map(|i| ((i + start) * 7919 % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    /// Covers tiles of every height and width, several parts of the terms, and both orders of both factors.
    #[test]
    fn products_of_all_shapes_match_their_definition() {
        for (sums, terms, width) in [
            (1, 1, 1),
            (13, 20, 16),
            (26, 37, 17),
            (7, 130, 33),
            (15, 600, 64),
            (9, 150, 100),
            (5, 700, 40),
            (7, 1100, 20),
            (3, 2100, 9),
        ] {
            let what = format!("{sums} × {terms} × {width}");
            let (rows, right) = (numbers(2 * sums * terms, 3), numbers(terms * width, 77));
            let indices: Vec<usize> = (0..sums).map(|sum| (sum * 5 + 1) % (2 * sums)).collect();
            let bias: Vec<f32> = numbers(width, 5);
            let mut padded = bias.clone();
            padded.resize(width.next_multiple_of(lanes()), 0.0);
            let mut packed = vec![f32::NAN; 3];
            Packed::pack(StridedRows::all(&right, width), &mut packed);
            let packed = Packed { cells: &packed, width };
            assert_eq!(packed.unpacked(terms), right, "{what}");

            let gathered = StridedRows { cells: &rows, width: terms, indices: Some(&indices) };
            let cell = |sum: usize, column: usize| -> f64 {
                let term = |k: usize| f64::from(rows[indices[sum] * terms + k]) * f64::from(right[k * width + column]);
                (0..terms).map(term).sum()
            };
            let close = |found: f32, expected: f64| (f64::from(found) - expected).abs() <= 1e-6 * (1.0 + terms as f64);
            let mut out = vec![f32::NAN; sums * width];
            let finish = Finish { bias: &padded, slope: 0.25 };
            product(Left::Rows(gathered), packed, Some(finish), Order::Rows, &mut out);
            for (place, found) in out.iter().enumerate() {
                let linear = cell(place / width, place % width) + f64::from(bias[place % width]);
                assert!(close(*found, linear.max(0.25 * linear)), "{what}: {found} and {linear}");
            }

            // The transpose of the rows, with a row for each term.
            let columns: Vec<f32> = (0..terms)
                .flat_map(|k| indices.iter().map(move |row| (row, k)))
                .map(|(row, k)| rows[row * terms + k])
                .collect();
            let mut panels = vec![f32::NAN; Packed::cells(sums, width)];
            product(Left::Columns(StridedRows::all(&columns, sums)), packed, None, Order::Panels, &mut panels);
            let unpacked = Packed { cells: &panels, width }.unpacked(sums);
            for (place, found) in unpacked.iter().enumerate() {
                assert!(close(*found, cell(place / width, place % width)), "{what}: {found} at {place}");
            }

            let mut transposed = vec![f32::NAN; 2];
            packed.transpose(terms, &mut transposed);
            let expected: Vec<f32> =
                (0..width * terms).map(|place| right[place % terms * width + place / terms]).collect();
            assert_eq!(Packed { cells: &transposed, width: terms }.unpacked(width), expected, "{what}");
        }
    }
}
