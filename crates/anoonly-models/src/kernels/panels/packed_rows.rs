//! Rows packed once and compared with a few others again and again.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::scan::{MOST_LANES, bits};
use super::{OnPanels, Panels, add_products, by_width};
use crate::kernels::products::StridedRows;

/// Rows, packed into panels.
#[derive(Clone, Debug)]
pub(crate) struct PackedRows {
    /// The rows minus the origin.
    panels: Panels,
    origin: Vec<f32>,
}

/// Centres that rows are compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Centres<'a> {
    /// Minus the origin, `[centres, columns]`.
    pub cells: &'a [f32],
    /// Their squared lengths.
    pub squares: &'a [f32],
    /// The rounding error of a squared distance, as a share of the two squared lengths together.
    pub error: f32,
    /// The largest squared length.
    pub largest: f32,
}

impl PackedRows {
    /// Packs rows minus an origin, `[columns]`: with shorter rows, the rounding errors of their products are smaller.
    pub fn new(rows: StridedRows<'_>, origin: Vec<f32>) -> Self {
        Self { panels: Panels::of_rows(rows, |column, cell| cell - origin[column]), origin }
    }

    /// Replaces the rows by as many other ones, minus the same origin.
    pub fn fill(&mut self, rows: StridedRows<'_>) {
        self.panels.fill(rows, |column, cell| cell - self.origin[column]);
    }

    /// `[columns]`.
    pub fn origin(&self) -> &[f32] {
        &self.origin
    }

    /// Rows, `[rows, columns]`, minus the origin.
    pub fn centred(&self, rows: &[f32]) -> Vec<f32> {
        rows.chunks_exact(self.origin.len())
            .flat_map(|row| row.iter().zip(&self.origin))
            .map(|(cell, origin)| cell - origin)
            .collect()
    }

    /// The number of rows in a panel; the last one may have fewer.
    pub fn lanes(&self) -> usize {
        self.panels.lanes
    }

    /// The number of rows and of the padding after them.
    pub fn stride(&self) -> usize {
        self.panels.stride()
    }

    /// Compares the rows in some panels, whose squared lengths are given, with all centres. Calls `other` with a row, the index of its
    /// nearest centre and whether it is certain, if it is not certain or not the one in `known`. Puts into `margins` how much closer each
    /// of these rows is at least to its nearest centre than to any other one: 0 if rounding may have decided, NaN if there is no other.
    ///
    /// `squares`, `known` and `margins` are `[stride]`; the margins of the padding have no meaning.
    pub fn compare(
        &self,
        panels: Range<usize>,
        centres: Centres<'_>,
        squares: &[f32],
        known: &[f32],
        margins: &mut [f32],
        other: impl FnMut(usize, usize, bool),
    ) {
        Arch::new().dispatch(Compare { rows: &self.panels, panels, centres, squares, known, margins, other });
    }

    /// The squared distances from the nearest centre before there is a centre, `[stride]`: infinite, and 0 for the padding.
    pub fn no_centre(&self) -> Vec<f32> {
        let mut squares = vec![f32::INFINITY; self.stride()];
        squares[self.panels.outputs..].fill(0.0);
        squares
    }

    /// Adds a centre to those from which the squared distances are known, once for each of some rows. With an origin of 0, squared distances
    /// have the bits of [`squared_distance`](crate::tools::kmeans::squared_distance).
    ///
    /// `known` is `[stride]`, and 0 for the padding.
    pub fn nearest(&self, known: &[f32], centres: &mut [NewCentre<'_>]) {
        assert_eq!(known.len(), self.stride());
        let rows: Vec<Vec<f32>> = centres.iter().map(|centre| self.centred(centre.row)).collect();
        assert!(rows.iter().all(|row| row.len() == self.panels.inputs), "a centre has the columns of the rows");
        centres.iter_mut().for_each(|centre| centre.squares.resize(known.len(), 0.0));
        Arch::new().dispatch(Nearest { panels: &self.panels, known, rows: &rows, centres });
    }
}

/// A row that is a new centre.
#[derive(Debug)]
pub(crate) struct NewCentre<'a> {
    pub row: &'a [f32],
    /// The squared distance of each packed row from its nearest centre, this one among them, `[stride]`.
    pub squares: Vec<f32>,
}

impl<'a> NewCentre<'a> {
    pub fn new(row: &'a [f32]) -> Self {
        Self { row, squares: Vec::new() }
    }
}

struct Compare<'a, F> {
    rows: &'a Panels,
    panels: Range<usize>,
    centres: Centres<'a>,
    squares: &'a [f32],
    known: &'a [f32],
    margins: &'a mut [f32],
    other: F,
}

impl<F: FnMut(usize, usize, bool)> WithSimd for Compare<'_, F> {
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

impl<F: FnMut(usize, usize, bool)> OnPanels for Compare<'_, F> {
    #[inline(always)]
    fn some<S: Simd, const V: usize>(&mut self, simd: S, panel: usize) {
        let infinity = [simd.splat_f32s(f32::INFINITY); V];
        let mut least = Least { first: infinity, second: infinity, index: [simd.splat_f32s(0.0); V] };
        let count = self.centres.squares.len();
        let whole = count - count % TALL;
        (0..whole).step_by(TALL).for_each(|from| self.tile::<S, TALL, V>(simd, panel, from, &mut least));
        (whole..count).for_each(|from| self.tile::<S, 1, V>(simd, panel, from, &mut least));
        (0..V).for_each(|offset| self.panel(simd, panel + offset, offset, &least));
    }
}

impl<F: FnMut(usize, usize, bool)> Compare<'_, F> {
    /// Passes on what is not as it was in a panel.
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, panel: usize, offset: usize, least: &Least<S::f32s, V>) {
        let lanes = S::F32_LANES;
        let [squares, known] = [self.squares, self.known].map(|cells| S::as_simd_f32s(cells).0[panel]);
        let [zero, error, largest] = [0.0, self.centres.error, self.centres.largest].map(|cell| simd.splat_f32s(cell));
        let errors = simd.mul_f32s(error, simd.add_f32s(squares, largest));
        let (second, index) = (least.second[offset], least.index[offset]);
        let gaps = simd.sub_f32s(second, least.first[offset]);
        let certain = simd.greater_than_f32s(gaps, errors);
        // The difference of the squared distances is that of the distances times their sum, at most twice the larger one.
        let farther = simd.sqrt_f32s(simd.add_f32s(simd.add_f32s(squares, second), errors));
        let margins = simd.div_f32s(simd.sub_f32s(gaps, errors), simd.add_f32s(farther, farther));
        S::as_mut_simd_f32s(self.margins).0[panel] = simd.select_f32s(certain, margins, zero);
        let same = bits::<S>(simd.and_m32s(certain, simd.equal_f32s(index, known)));
        let mut others = !same & (u32::MAX >> (32 - lanes));
        let certain = bits::<S>(certain);
        let indices = &mut [0.0; MOST_LANES][..lanes];
        S::as_mut_simd_f32s(indices).0.copy_from_slice(&[index]);
        while others > 0 {
            let lane = others.trailing_zeros() as usize;
            let row = panel * lanes + lane;
            if row < self.rows.outputs {
                (self.other)(row, indices[lane] as usize, certain >> lane & 1 == 1);
            }
            others &= others - 1;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        panel: usize,
        from: usize,
        least: &mut Least<S::f32s, V>,
    ) {
        let Panels { inputs, lanes, ref weights, .. } = *self.rows;
        let centres: [&[f32]; R] =
            std::array::from_fn(|offset| &self.centres.cells[(from + offset) * inputs..][..inputs]);
        let weights: [&[S::f32s]; V] = std::array::from_fn(|offset| {
            &S::as_simd_f32s(&weights[(panel + offset) * inputs * lanes..][..inputs * lanes]).0[..inputs]
        });
        let sums = add_products(simd, centres, weights, 0..inputs, [[simd.splat_f32s(0.0); V]; R]);
        for (centre, sums) in (from..from + R).zip(sums) {
            let [minus_two, square, index] =
                [-2.0, self.centres.squares[centre], centre as f32].map(|cell| simd.splat_f32s(cell));
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

struct Nearest<'a, 'b> {
    panels: &'a Panels,
    known: &'a [f32],
    /// The rows of the centres, minus the origin.
    rows: &'a [Vec<f32>],
    centres: &'a mut [NewCentre<'b>],
}

/// The number of sums of a squared distance, which are added at last.
pub(crate) const SUMS: usize = 16;
/// Vectors of cells that are compared with one new centre after the other. They stay in the cache.
const TOGETHER: usize = 2048;

impl WithSimd for Nearest<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let inputs = self.panels.inputs;
        let count = (TOGETHER / inputs).max(1);
        let panels = S::as_simd_f32s(&self.panels.weights).0.chunks(count * inputs);
        let known = S::as_simd_f32s(self.known).0.chunks(count);
        for (block, (panels, known)) in panels.zip(known).enumerate() {
            for (centre, row) in self.centres.iter_mut().zip(self.rows) {
                let found = &mut S::as_mut_simd_f32s(&mut centre.squares).0[block * count..][..known.len()];
                for ((found, known), cells) in found.iter_mut().zip(known).zip(panels.chunks_exact(inputs)) {
                    *found = simd.min_f32s(squares(simd, cells, row), *known);
                }
            }
        }
    }
}

/// The squared distances of the rows of a panel from a row.
#[inline(always)]
fn squares<S: Simd>(simd: S, cells: &[S::f32s], row: &[f32]) -> S::f32s {
    let wide = row.len() / SUMS * SUMS;
    let mut all = simd.splat_f32s(0.0);
    // The columns of each sum, and then the columns that are left over.
    for first in 0..SUMS.min(wide) + 1 {
        let (columns, step) = if first < SUMS.min(wide) { (first..wide, SUMS) } else { (wide..row.len(), 1) };
        let mut sum = simd.splat_f32s(0.0);
        let mut column = columns.start;
        while column < columns.end {
            let difference = simd.sub_f32s(cells[column], simd.splat_f32s(row[column]));
            sum = simd.add_f32s(sum, simd.mul_f32s(difference, difference));
            column += step;
        }
        all = simd.add_f32s(all, sum);
    }
    all
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
            let (rows, centres) = (cells(190 * columns, 7919), cells(count * columns, 104_729));
            let packed = PackedRows::new(StridedRows::all(&rows, columns), vec![0.0; columns]);
            let squares: Vec<f32> =
                centres.chunks(columns).map(|row| row.iter().map(|cell| cell * cell).sum()).collect();
            let lengths: Vec<f32> = rows.chunks(columns).map(|row| row.iter().map(|cell| cell * cell).sum()).collect();
            let padded = |mut cells: Vec<f32>| {
                cells.resize(packed.stride(), 0.0);
                cells
            };
            // The first panel is left out, and every third row has another centre than before.
            let (first, all) = (packed.lanes(), padded(vec![0.0; 190]));
            let by_hand = |row: usize| {
                let square = |centre: &[f32]| -> f64 {
                    let pairs = rows[row * columns..].iter().zip(centre);
                    pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
                };
                let mut all: Vec<(f64, usize)> = centres.chunks(columns).map(square).zip(0..).collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0));
                all
            };
            let known =
                padded((0..190).map(|row| by_hand(row)[0].1 as f32 + f32::from(u8::from(row % 3 == 0))).collect());
            let given = Centres { cells: &centres, squares: &squares, error: 1e-6, largest: 0.0 };
            let mut found = Vec::new();
            let panels = 1..all.len() / first;
            let mut margins = padded(Vec::new());
            packed.compare(panels, given, &padded(lengths), &known, &mut margins, |row, index, certain| {
                assert!(certain, "{row}");
                assert_eq!(index, by_hand(row)[0].1);
                found.push(row);
            });
            assert_eq!(found, (first..190).filter(|row| row % 3 == 0).collect::<Vec<_>>());
            assert!(margins[..first].iter().all(|margin| *margin == 0.0));
            for (row, &margin) in margins.iter().enumerate().take(190).skip(first) {
                match by_hand(row)[..] {
                    [(nearest, _), (second, _), ..] => {
                        let (margin, closer) = (f64::from(margin), second.sqrt() - nearest.sqrt());
                        assert!(margin <= closer && (margin - (second - nearest) / second.sqrt() / 2.0).abs() < 1e-4);
                    }
                    _ => assert!(margin.is_nan()),
                }
            }
        }
    }

    /// Many more rows than are compared at a time, and a last panel that is not full.
    #[test]
    fn squared_distances_from_new_centres_are_those_by_row() {
        for (columns, count) in [(3, 20_003), (37, 2500), (3000, 40)] {
            let (rows, centres) = (cells(count * columns, 7919), cells(3 * columns, 104_729));
            let packed = PackedRows::new(StridedRows::all(&rows, columns), vec![0.0; columns]);
            let mut known = packed.no_centre();
            (0..count).step_by(3).for_each(|row| known[row] = 0.01 * (row % 100) as f32);
            let mut new: Vec<NewCentre<'_>> = centres.chunks(columns).map(NewCentre::new).collect();
            packed.nearest(&known, &mut new);
            for NewCentre { row: centre, squares } in new {
                let by_row = rows.chunks(columns).zip(&known);
                let by_row = by_row.map(|(row, known)| known.min(squared_distance(row, centre) as f32));
                assert_eq!(squares[..count], by_row.collect::<Vec<_>>());
                assert!(squares[count..].iter().all(|padding| *padding == 0.0));
            }
        }
    }

    /// Columns far from 0. In double precision by hand.
    #[test]
    fn an_origin_changes_no_distance() {
        let rows: Vec<f32> = cells(150 * 5, 7919).into_iter().map(|cell| 1e4 + cell).collect();
        let packed = PackedRows::new(StridedRows::all(&rows, 5), vec![1e4; 5]);
        let mut new = [NewCentre::new(&rows[10..15])];
        packed.nearest(&packed.no_centre(), &mut new);
        for (row, found) in rows.chunks(5).zip(&new[0].squares) {
            let pairs = row.iter().zip(&rows[10..15]);
            let expected: f64 = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            assert!((f64::from(*found) - expected).abs() <= 1e-5 * expected, "{found} and {expected}");
        }
    }
}
