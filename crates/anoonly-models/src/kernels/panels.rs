//! Products of many rows with weights that are packed once.

pub(crate) mod near;
pub(crate) mod packed_rows;
pub(crate) mod scan;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use self::scan::MOST_LANES;
use super::activate;
use super::products::{Ahead, LINE, StridedRows};
use crate::graph::Matrix;

/// Weights `[inputs, outputs]` and biases, packed into panels that are one vector wide. The last panel is padded with zeros.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    inputs: usize,
    outputs: usize,
    lanes: usize,
    /// The panels one after the other, `[inputs, lanes]` each.
    weights: Vec<f32>,
    /// The biases, `[panels, lanes]`.
    bias: Vec<f32>,
}

impl Panels {
    pub fn new(weight: &Matrix, bias: Option<&[f32]>) -> Self {
        let ([inputs, outputs], lanes) = (weight.shape, lanes());
        let padded = |cells: &[f32]| {
            let mut columns = vec![0.0; outputs.next_multiple_of(lanes)];
            columns[..outputs].copy_from_slice(cells);
            columns
        };
        let mut weights = vec![0.0; inputs * outputs.next_multiple_of(lanes)];
        for (input, row) in weight.cells.chunks_exact(outputs).enumerate() {
            for (column, cells) in row.chunks(lanes).enumerate() {
                weights[(column * inputs + input) * lanes..][..cells.len()].copy_from_slice(cells);
            }
        }
        Self { inputs, outputs, lanes, weights, bias: bias.map_or_else(|| padded(&vec![0.0; outputs]), padded) }
    }

    /// Packs rows `[outputs, inputs]` as weights: each product is one with a row. `weight` makes a weight of a column and its cell.
    pub fn of_rows(rows: StridedRows<'_>, weight: impl Fn(usize, f32) -> f32) -> Self {
        let (inputs, outputs, lanes) = (rows.width, rows.len(), lanes());
        let stride = outputs.next_multiple_of(lanes);
        let (weights, bias) = (vec![0.0; inputs * stride], vec![0.0; stride]);
        let mut panels = Self { inputs, outputs, lanes, weights, bias };
        panels.fill(rows, weight);
        panels
    }

    /// Replaces the weights by those of as many other rows.
    pub fn fill(&mut self, rows: StridedRows<'_>, weight: impl Fn(usize, f32) -> f32) {
        let Self { inputs, outputs, lanes, .. } = *self;
        assert_eq!((rows.width, rows.len()), (inputs, outputs));
        for (panel, from) in self.weights.chunks_exact_mut(inputs * lanes).zip((0..outputs).step_by(lanes)) {
            rows.fetch(outputs.min(from + lanes)..outputs.min(from + 2 * lanes));
            let mut packed: [&[f32]; MOST_LANES] = [&[]; MOST_LANES];
            let count = lanes.min(outputs - from);
            packed[..count].iter_mut().enumerate().for_each(|(lane, row)| *row = rows.row(from + lane));
            for (column, cells) in panel.chunks_exact_mut(lanes).enumerate() {
                cells.iter_mut().zip(&packed[..count]).for_each(|(cell, row)| *cell = weight(column, row[column]));
            }
        }
    }

    /// The number of weights.
    pub fn cells(&self) -> usize {
        self.weights.len()
    }

    /// The length of a row of the product, including the padding.
    pub fn stride(&self) -> usize {
        self.bias.len()
    }

    /// Computes `rows · weights + bias`, `[rows, stride]`, followed by the operations in `after`. The rows start `stride` cells apart.
    ///
    /// The cells in `ahead` are prefetched from memory while the processor multiplies. The result for a row does not depend on the
    /// other rows.
    pub fn multiply(&self, rows: &[f32], stride: usize, after: &[After], ahead: &[f32], product: &mut [f32]) {
        assert!(stride >= self.inputs && rows.len() / stride == product.len() / self.stride());
        let turns = (rows.len() / stride).div_ceil(TALL) * self.stride().div_ceil(4 * self.lanes);
        let ahead = Ahead::new(ahead, turns * self.inputs.div_ceil(LINE));
        Arch::new().dispatch(Multiply { panels: self, rows, stride, after, ahead, product });
    }

    /// Appends `rows · weights + bias`, `[rows, outputs]`, for rows `[rows, inputs]`. The result for a row does not depend on the
    /// other rows.
    pub fn append(&self, rows: &[f32], products: &mut Vec<f32>) {
        let (from, stride) = (products.len(), self.stride());
        let count = rows.len() / self.inputs;
        if stride == self.outputs {
            products.resize(from + count * stride, 0.0);
            return self.multiply(rows, self.inputs, &[], &[], &mut products[from..]);
        }
        let mut padded = vec![0.0; count * stride];
        self.multiply(rows, self.inputs, &[], &[], &mut padded);
        padded.chunks_exact(stride).for_each(|row| products.extend_from_slice(&row[..self.outputs]));
    }
}

/// An operation on the cells of a product. There is one constant for each cell of a row, including the padding.
#[derive(Clone, Debug)]
pub(crate) enum After {
    /// An activation with the given slope below 0.
    Activate(f32),
    Add(Vec<f32>),
    Multiply(Vec<f32>),
}

impl After {
    /// Applies the operation to rows.
    #[inline(always)]
    pub fn run(&self, cells: &mut [f32]) {
        match self {
            After::Activate(slope) => cells.iter_mut().for_each(|cell| *cell = activate(*cell, *slope)),
            After::Add(constants) => {
                for row in cells.chunks_exact_mut(constants.len()) {
                    row.iter_mut().zip(constants).for_each(|(cell, constant)| *cell += constant);
                }
            }
            After::Multiply(constants) => {
                for row in cells.chunks_exact_mut(constants.len()) {
                    row.iter_mut().zip(constants).for_each(|(cell, constant)| *cell *= constant);
                }
            }
        }
    }
}

/// The number of f32 lanes of a vector.
pub(crate) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// The number of rows in a tile.
const TALL: usize = 6;
/// The number of vectors of packed weights in a part. They stay in the L2 cache from tile to tile. A tile reads them in order, so the
/// processor prefetches them.
pub(super) const NEAR: usize = 2048;

struct Multiply<'a> {
    panels: &'a Panels,
    rows: &'a [f32],
    stride: usize,
    after: &'a [After],
    ahead: Ahead<'a>,
    product: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.panels.stride() / self.panels.lanes;
        by_width(simd, 0..panels, &mut self);
    }
}

/// Work on consecutive panels.
trait OnPanels {
    /// Works on the `V` panels that begin with `panel`.
    fn some<S: Simd, const V: usize>(&mut self, simd: S, panel: usize);
}

/// Passes the panels on, as many together as fill the registers with their sums.
#[inline(always)]
fn by_width<S: Simd>(simd: S, panels: Range<usize>, work: &mut impl OnPanels) {
    let most = if S::F32_LANES >= 16 { 4 } else { 2 };
    let mut panel = panels.start;
    while panel < panels.end {
        let left = (panels.end - panel).min(most);
        match left {
            4 => work.some::<S, 4>(simd, panel),
            3 => work.some::<S, 3>(simd, panel),
            2 => work.some::<S, 2>(simd, panel),
            _ => work.some::<S, 1>(simd, panel),
        }
        panel += left;
    }
}

/// The sums and the products of the rows with vectors of weights, for some of the terms.
#[inline(always)]
fn add_products<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: [&[f32]; R],
    weights: [&[S::f32s]; V],
    terms: Range<usize>,
    mut sums: [[S::f32s; V]; R],
) -> [[S::f32s; V]; R] {
    // Slices of equal length, so that the compiler removes the bounds checks in the loop.
    let (rows, weights) = (rows.map(|row| &row[terms.clone()]), weights.map(|weights| &weights[terms.clone()]));
    for term in 0..terms.len() {
        let weights: [S::f32s; V] = std::array::from_fn(|offset| weights[offset][term]);
        for (sums, row) in sums.iter_mut().zip(rows) {
            let cell = simd.splat_f32s(row[term]);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(cell, weight, *sum);
            }
        }
    }
    sums
}

impl OnPanels for Multiply<'_> {
    /// Computes `V` panels of the product. The weights are processed in parts that stay in the cache from row to row.
    #[inline(always)]
    fn some<S: Simd, const V: usize>(&mut self, simd: S, column: usize) {
        let count = self.rows.len() / self.stride;
        let whole = count - count % TALL;
        let inputs = self.panels.inputs;
        for from in (0..inputs).step_by(NEAR / V) {
            let part = from..(from + NEAR / V).min(inputs);
            (0..whole).step_by(TALL).for_each(|row| self.tile::<S, TALL, V>(simd, row, column, part.clone()));
            (whole..count).for_each(|row| self.tile::<S, 1, V>(simd, row, column, part.clone()));
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
        part: Range<usize>,
    ) {
        let Panels { inputs, weights, bias, .. } = self.panels;
        let (lanes, stride, terms) = (S::F32_LANES, self.panels.stride(), part.len());
        let rows: [&[f32]; R] =
            std::array::from_fn(|offset| &self.rows[(row + offset) * self.stride + part.start..][..terms]);
        let weights: [&[S::f32s]; V] = std::array::from_fn(|offset| {
            let from = (column + offset) * inputs + part.start;
            &S::as_simd_f32s(&weights[from * lanes..][..terms * lanes]).0[..terms]
        });
        let place =
            |offset: usize| (row + offset) * stride + column * lanes..(row + offset) * stride + (column + V) * lanes;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for (offset, sums) in sums.iter_mut().enumerate() {
            let before =
                if part.start == 0 { &bias[column * lanes..][..V * lanes] } else { &self.product[place(offset)] };
            sums.copy_from_slice(S::as_simd_f32s(before).0);
        }
        for from in (0..terms).step_by(LINE) {
            sums = add_products(simd, rows, weights, from..(from + LINE).min(terms), sums);
            self.ahead.fetch();
        }
        if part.end == *inputs {
            for after in self.after {
                match after {
                    After::Activate(slope) => {
                        let (zero, slope) = (simd.splat_f32s(0.0), simd.splat_f32s(*slope));
                        for sums in &mut sums {
                            for sum in sums {
                                let below = simd.mul_f32s(slope, *sum);
                                *sum = simd.select_f32s(simd.greater_than_f32s(*sum, zero), *sum, below);
                            }
                        }
                    }
                    After::Add(constants) => {
                        let constants = &S::as_simd_f32s(constants).0[column..][..V];
                        for sums in &mut sums {
                            for (sum, constant) in sums.iter_mut().zip(constants) {
                                *sum = simd.add_f32s(*sum, *constant);
                            }
                        }
                    }
                    After::Multiply(constants) => {
                        let constants = &S::as_simd_f32s(constants).0[column..][..V];
                        for sums in &mut sums {
                            for (sum, constant) in sums.iter_mut().zip(constants) {
                                *sum = simd.mul_f32s(*sum, *constant);
                            }
                        }
                    }
                }
            }
        }
        for (offset, sums) in sums.into_iter().enumerate() {
            S::as_mut_simd_f32s(&mut self.product[place(offset)]).0.copy_from_slice(&sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Covers tiles of every width, and weights of several parts.
    #[test]
    fn products_with_panels_match_their_definition() {
        for (inputs, outputs) in [(3, 5), (600, 64), (700, 40), (1100, 20), (2100, 9)] {
            let number = |i: usize| (i * 7919 % 2003) as f32 / 1001.0 - 1.0;
            let rows: Vec<f32> = (0..(TALL + 1) * inputs).map(number).collect();
            let weight =
                Matrix { shape: [inputs, outputs], cells: (0..inputs * outputs).map(|i| number(i + 77)).collect() };
            let bias: Vec<f32> = (0..outputs).map(|i| number(i + 5)).collect();
            let mut products = Vec::new();
            Panels::new(&weight, Some(&bias)).append(&rows, &mut products);
            assert_eq!(products.len(), (TALL + 1) * outputs);
            for (place, found) in products.into_iter().enumerate() {
                let (row, output) = (place / outputs, place % outputs);
                let term = |k: usize| f64::from(rows[row * inputs + k]) * f64::from(weight.cells[k * outputs + output]);
                let expected = f64::from(bias[output]) + (0..inputs).map(term).sum::<f64>();
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error <= 1e-6 * (1.0 + inputs as f64),
                    "{inputs} × {outputs}: {found} and {expected} at {place}"
                );
            }
        }
    }
}
