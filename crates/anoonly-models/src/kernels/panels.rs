//! Products with weights that are packed once and multiply many rows.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::bent;
use super::products::{Ahead, LINE};
use crate::graph::Matrix;

/// Weights `[inputs, outputs]` and biases, cut into columns as wide as a vector, of which the last ends in zeros.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    inputs: usize,
    outputs: usize,
    lanes: usize,
    /// Column after column, each `[inputs, lanes]`.
    weights: Vec<f32>,
    /// `[columns, lanes]`.
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

    /// The weights.
    pub fn cells(&self) -> usize {
        self.weights.len()
    }

    /// The cells of a row of the product, those of the zeros at its end included.
    pub fn stride(&self) -> usize {
        self.bias.len()
    }

    /// `rows · weights + bias`, `[rows, stride]`, of rows that stand `stride` cells apart, and what comes after it. `ahead` is what
    /// will be read next: while the processor multiplies, it is fetched from memory. What becomes of a row does not depend on the
    /// others.
    pub fn multiply(&self, rows: &[f32], stride: usize, after: &[After], ahead: &[f32], product: &mut [f32]) {
        assert!(stride >= self.inputs && rows.len() / stride == product.len() / self.stride());
        let turns = (rows.len() / stride).div_ceil(TALL) * self.stride().div_ceil(4 * self.lanes);
        let ahead = Ahead::new(ahead, turns * self.inputs.div_ceil(LINE));
        Arch::new().dispatch(Multiply { panels: self, rows, stride, after, ahead, product });
    }

    /// Appends `rows · weights + bias`, `[rows, outputs]`, of rows `[rows, inputs]`. A row's product does not depend on the other rows.
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

/// What is done to the cells of a product. Constants are one for each cell of a row, those at its end included.
#[derive(Clone, Debug)]
pub(crate) enum After {
    /// An activation, by its slope below 0.
    Bend(f32),
    Add(Vec<f32>),
    Multiply(Vec<f32>),
}

impl After {
    /// Does it to rows.
    #[inline(always)]
    pub fn run(&self, cells: &mut [f32]) {
        match self {
            After::Bend(slope) => cells.iter_mut().for_each(|cell| *cell = bent(*cell, *slope)),
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

/// The columns of a vector.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// Rows multiplied at a time.
const TALL: usize = 6;
/// Weights of so many vectors stay in the nearest cache.
const NEAR: usize = 512;

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
        // The sums of so many columns fill the registers.
        let most = if S::F32_LANES >= 16 { 4 } else { 2 };
        let columns = self.panels.stride() / self.panels.lanes;
        let mut column = 0;
        while column < columns {
            let left = (columns - column).min(most);
            match left {
                4 => self.panel::<S, 4>(simd, column),
                2 | 3 => self.panel::<S, 2>(simd, column),
                _ => self.panel::<S, 1>(simd, column),
            }
            column += [1, 1, 2, 2, 4][left];
        }
    }
}

impl Multiply<'_> {
    /// `V` columns of the product. Their weights are taken in parts that stay in the nearest cache from row to row.
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, column: usize) {
        let count = self.rows.len() / self.stride;
        let whole = count - count % TALL;
        let inputs = self.panels.inputs;
        for from in (0..inputs).step_by(NEAR / V) {
            let part = from..(from + NEAR / V).min(inputs);
            (0..whole).step_by(TALL).for_each(|row| self.tile::<S, TALL, V>(simd, row, column, part.clone()));
            (whole..count).for_each(|row| self.tile::<S, 1, V>(simd, row, column, part.clone()));
        }
    }

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
            for term in from..(from + LINE).min(terms) {
                let weights: [S::f32s; V] = std::array::from_fn(|offset| weights[offset][term]);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let cell = simd.splat_f32s(row[term]);
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = simd.mul_add_e_f32s(cell, weight, *sum);
                    }
                }
            }
            self.ahead.fetch();
        }
        if part.end == *inputs {
            for after in self.after {
                match after {
                    After::Bend(slope) => {
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
