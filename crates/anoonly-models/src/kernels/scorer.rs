//! Scoring in plain memory.
//!
//! A network with a [`Graph`] is scored by its steps. Rows are processed in blocks that stay in the cache, weights are packed once,
//! and the next rows are prefetched during the products. [`Network::score`](crate::Network::score) is the definition, and the tests compare the two.

mod unscaled;

use super::panels::{After, Panels, lanes};
use super::products::{FEW, FEW_OUTPUTS, StridedRows, dots_and_fetch};
use super::vectorised;
use crate::graph::{Graph, Matrix, Step, Value};

/// A network or rule that is prepared to score many rows.
#[derive(Clone, Debug)]
pub struct Scorer {
    columns: usize,
    /// The shapes of the rows and of each step's result.
    shapes: Vec<RowShape>,
    steps: Vec<PreparedStep>,
    /// Whether the first product takes rows in original units.
    unscaled: bool,
}

/// Buffers for a block of rows.
#[derive(Debug)]
struct Buffers {
    /// The rows and each step's result, `[rows, stride]` each.
    values: Vec<Vec<f32>>,
    products: Vec<f32>,
}

/// The width of a value, and the distance between its rows in cells, a multiple of a vector.
#[derive(Clone, Copy, Debug)]
struct RowShape {
    width: usize,
    stride: usize,
}

impl RowShape {
    fn new(width: usize) -> Self {
        Self { width, stride: width.next_multiple_of(lanes()) }
    }
}

/// A step with the indices of its inputs.
#[derive(Clone, Debug)]
enum PreparedStep {
    /// A product followed by operations on its cells.
    Dense(usize, Weights, Vec<After>),
    After(usize, After),
    Subtract(usize, usize),
    Divide(usize, usize),
    Root(usize),
    Sum(usize),
    SumOfSquares(usize),
    Concat(Vec<usize>),
}

#[derive(Clone, Debug)]
enum Weights {
    /// For many columns or few terms.
    Panels(Panels),
    /// For few columns with many terms: the transposed weights, `[outputs, stride of the rows]`, and the biases.
    Dots(Vec<f32>, Vec<f32>),
}

/// The most rows in a block.
const MOST: usize = 96;
/// The number of cells in the buffers of a block, unless the weights are larger.
const CELLS: usize = 1 << 16;
/// The number of cells that are scaled before their product with the first weights, so that they stay in the L1 cache.
const NEAR: usize = 6144;
/// Blocks contain a multiple of this number of rows, which suits the tiles of the products.
const TALL: usize = 12;

impl Scorer {
    /// Prepares a graph for rows with `columns` columns.
    ///
    /// # Panics
    /// When a step is not dense ([`Graph::is_dense`]).
    pub fn new(graph: &Graph, columns: usize) -> Self {
        let shapes = vec![RowShape::new(columns)];
        let mut scorer = Self { columns, shapes, steps: Vec::new(), unscaled: false };
        let uses = |value: usize| graph.steps().iter().flat_map(Step::takes).filter(|of| of.index() == value).count();
        // The index of each value of the graph among the prepared values.
        let mut places = vec![0];
        for step in graph.steps() {
            // An operation on a product that nothing else uses is fused with the product.
            if let Some((of, after)) = scorer.after(step, &|value| places[value.index()])
                && let Some(PreparedStep::Dense(_, _, afters)) = scorer.steps.last_mut()
                && of == scorer.shapes.len() - 1
                && uses(step.takes()[0].index()) == 1
            {
                afters.push(after);
                places.push(of);
                continue;
            }
            let (prepared, width) = scorer.prepare(step, &|value| places[value.index()]);
            scorer.steps.push(prepared);
            scorer.shapes.push(RowShape::new(width));
            places.push(scorer.steps.len());
        }
        scorer
    }

    /// The prepared step and the width of its result.
    fn prepare(&self, step: &Step, at: &dyn Fn(&Value) -> usize) -> (PreparedStep, usize) {
        let width = |value: &Value| self.shapes[at(value)].width;
        if let Some((of, after)) = self.after(step, at) {
            return (PreparedStep::After(of, after), self.shapes[of].width);
        }
        match step {
            Step::Linear { of, weight, bias } => {
                let [inputs, outputs] = weight.shape;
                let weights = match inputs >= FEW && outputs <= FEW_OUTPUTS {
                    true => {
                        let bias = bias.clone().unwrap_or_else(|| vec![0.0; outputs]);
                        Weights::Dots(transposed(weight, self.shapes[at(of)].stride), bias)
                    }
                    false => Weights::Panels(Panels::new(weight, bias.as_deref())),
                };
                (PreparedStep::Dense(at(of), weights, Vec::new()), outputs)
            }
            Step::Subtract { left, right } => {
                (PreparedStep::Subtract(at(left), at(right)), width(left).max(width(right)))
            }
            Step::Divide { left, right } => (PreparedStep::Divide(at(left), at(right)), width(left).max(width(right))),
            Step::LeakyRelu { .. } | Step::Add { .. } | Step::Multiply { .. } => {
                unreachable!("`after` returns these steps")
            }
            Step::Root { of } => (PreparedStep::Root(at(of)), width(of)),
            Step::Sum { of } => (PreparedStep::Sum(at(of)), 1),
            Step::SumOfSquares { of } => (PreparedStep::SumOfSquares(at(of)), 1),
            Step::Concat { of } => (PreparedStep::Concat(of.iter().map(at).collect()), of.iter().map(width).sum()),
            Step::General(step) => unreachable!("{step:?} is not dense"),
        }
    }

    /// A step that changes each cell independently, with the index of its input; `None` for other steps.
    fn after(&self, step: &Step, at: &dyn Fn(&Value) -> usize) -> Option<(usize, After)> {
        let padded = |of: usize, constants: &[f32]| {
            let RowShape { width, stride } = self.shapes[of];
            let mut cells: Vec<f32> = constants.iter().copied().cycle().take(width).collect();
            cells.resize(stride, 0.0);
            cells
        };
        match step {
            Step::LeakyRelu { of, slope } => Some((at(of), After::Activate(*slope))),
            Step::Add { of, constants } => Some((at(of), After::Add(padded(at(of), constants)))),
            Step::Multiply { of, constants } => Some((at(of), After::Multiply(padded(at(of), constants)))),
            _ => None,
        }
    }

    /// The score of each row, `[rows, columns]` in original units.
    ///
    /// `scale(rows, scaled, stride)` writes scaled rows, which start `stride` cells apart, and returns whether all of them can be scored.
    /// `None` if a row cannot. A scorer for [`unscaled`](Self::unscaled) rows does not call it, and gives NaN where a row's first
    /// product is not finite.
    pub fn score(&self, rows: &[f32], scale: impl Fn(&[f32], &mut [f32], usize) -> bool) -> Option<Vec<f32>> {
        let count = rows.len() / self.columns;
        let cells: usize = self.shapes.iter().map(|shape| shape.stride).sum();
        // Steps from a file may be so wide that even a few rows take much memory.
        let least = if cells > 16 * CELLS { 1 } else { TALL };
        let block = (CELLS.max(self.weights()) / cells / TALL * TALL).clamp(least, MOST).min(count);
        let values = self.shapes.iter().map(|shape| vec![0.0; block * shape.stride]).collect();
        let mut buffers = Buffers { values, products: Vec::new() };
        let mut scores = Vec::with_capacity(count);
        let mut left = rows;
        while !left.is_empty() {
            let (rows, others) = left.split_at(left.len().min(block * self.columns));
            self.score_block(rows, others, &scale, &mut buffers)?;
            let (results, last) = (buffers.values.last()?, self.shapes.last()?);
            scores.extend(results.iter().step_by(last.stride));
            left = others;
        }
        Some(scores)
    }

    /// The number of weights. With many weights, larger blocks are faster.
    fn weights(&self) -> usize {
        let of = |step: &PreparedStep| match step {
            PreparedStep::Dense(_, Weights::Panels(panels), _) => panels.cells(),
            PreparedStep::Dense(_, Weights::Dots(weights, _), _) => weights.len(),
            _ => 0,
        };
        self.steps.iter().map(of).sum()
    }

    fn score_block(
        &self,
        block: &[f32],
        others: &[f32],
        scale: &impl Fn(&[f32], &mut [f32], usize) -> bool,
        buffers: &mut Buffers,
    ) -> Option<()> {
        let count = block.len() / self.columns;
        for (cells, shape) in buffers.values.iter_mut().zip(&self.shapes) {
            cells.truncate(count * shape.stride);
        }
        let (scaled, results) = buffers.values.split_at_mut(1);
        let stride = if self.unscaled { self.columns } else { self.shapes[0].stride };
        // Rows in original units whose product is not finite.
        let mut bad = Vec::new();
        // If the first step is a product of the rows, it is computed part by part after their scaling, and the next part is
        // prefetched.
        let (first, steps) = match self.steps.split_first() {
            Some((PreparedStep::Dense(0, weights, afters), steps)) => (Some((weights, afters)), steps),
            _ => (None, &self.steps[..]),
        };
        let stretch = match first {
            Some((Weights::Dots(..), _)) => (NEAR / stride / TALL * TALL).clamp(TALL, MOST),
            // Panels and many rows stay in the L2 cache.
            Some((Weights::Panels(_), _)) | None => count,
        };
        let mut from = 0;
        while from < count {
            let to = (from + stretch).min(count);
            let rows = &block[from * self.columns..to * self.columns];
            let part = if self.unscaled {
                rows
            } else {
                let part = &mut scaled[0][from * stride..to * stride];
                if !scale(rows, part, stride) {
                    return None;
                }
                part
            };
            if let Some((weights, afters)) = first {
                let next = &block[to * self.columns..];
                let next = if next.is_empty() { others } else { next };
                let ahead = &next[..next.len().min(stretch * self.columns)];
                let width = self.shapes[1].stride;
                let result = &mut results[0][from * width..to * width];
                weights.multiply(part, stride, afters, ahead, result, &mut buffers.products);
                // 0 · x is NaN where x is not finite.
                if self.unscaled && sum(result, |cell| 0.0 * cell).is_nan() {
                    let rows = result.chunks_exact(width).enumerate();
                    bad.extend(
                        rows.filter(|(_, row)| row.iter().any(|cell| !cell.is_finite())).map(|(row, _)| from + row),
                    );
                }
            }
            from = to;
        }
        let done = self.steps.len() - steps.len() + 1;
        for (index, step) in steps.iter().enumerate() {
            let (before, result) = buffers.values.split_at_mut(done + index);
            self.step(step, before, &mut result[0], self.shapes[done + index], &mut buffers.products);
        }
        if let (Some(results), Some(shape)) = (buffers.values.last_mut(), self.shapes.last()) {
            bad.into_iter().for_each(|row| results[row * shape.stride] = f32::NAN);
        }
        Some(())
    }

    fn step(
        &self,
        step: &PreparedStep,
        before: &[Vec<f32>],
        result: &mut [f32],
        shape: RowShape,
        products: &mut Vec<f32>,
    ) {
        if let PreparedStep::Dense(of, weights, afters) = step {
            return weights.multiply(&before[*of], self.shapes[*of].stride, afters, &[], result, products);
        }
        // The rows of a value, and whether they have a single cell.
        let rows = |value: usize| before[value].chunks_exact(self.shapes[value].stride);
        let single = |value: usize| self.shapes[value].width == 1;
        let cells = |value: usize| rows(value).map(move |row| &row[..self.shapes[value].width]);
        vectorised!({
            let result_rows = result.chunks_exact_mut(shape.stride);
            match step {
                PreparedStep::Dense(..) => {}
                PreparedStep::After(of, after) => {
                    result.copy_from_slice(&before[*of]);
                    after.run(result);
                }
                PreparedStep::Root(of) => {
                    result.iter_mut().zip(&before[*of]).for_each(|(result, cell)| *result = cell.sqrt())
                }
                PreparedStep::Subtract(left, right) => {
                    let (of_left, of_right) = (single(*left), single(*right));
                    for ((result, left), right) in result_rows.zip(rows(*left)).zip(rows(*right)) {
                        let result = &mut result[..shape.width];
                        by_cell(result, (left, of_left), (right, of_right), |left, right| left - right);
                    }
                }
                PreparedStep::Divide(left, right) => {
                    let (of_left, of_right) = (single(*left), single(*right));
                    for ((result, left), right) in result_rows.zip(rows(*left)).zip(rows(*right)) {
                        // The cells beyond the width stay 0.
                        let result = &mut result[..shape.width];
                        by_cell(result, (left, of_left), (right, of_right), |left, right| left / right);
                    }
                }
                PreparedStep::Sum(of) => {
                    result_rows.zip(cells(*of)).for_each(|(result, row)| result[0] = sum(row, |cell| cell));
                }
                PreparedStep::SumOfSquares(of) => {
                    result_rows.zip(cells(*of)).for_each(|(result, row)| result[0] = sum(row, |cell| cell * cell));
                }
                PreparedStep::Concat(of) => {
                    let mut from = 0;
                    for &value in of {
                        let width = self.shapes[value].width;
                        for (result, row) in result.chunks_exact_mut(shape.stride).zip(cells(value)) {
                            result[from..from + width].copy_from_slice(row);
                        }
                        from += width;
                    }
                }
            }
        });
    }
}

/// The transposed weights, `[outputs, stride]`, padded with zeros.
fn transposed(weight: &Matrix, stride: usize) -> Vec<f32> {
    let [inputs, outputs] = weight.shape;
    let mut cells = vec![0.0; outputs * stride];
    for (output, column) in cells.chunks_exact_mut(stride).enumerate() {
        let weights = weight.cells[output..].iter().step_by(outputs);
        column[..inputs].iter_mut().zip(weights).for_each(|(cell, weight)| *cell = *weight);
    }
    cells
}

impl Weights {
    /// Multiplies rows that start `stride` cells apart and applies `afters`. `ahead` is prefetched; `products` is a buffer.
    fn multiply(
        &self,
        rows: &[f32],
        stride: usize,
        afters: &[After],
        ahead: &[f32],
        result: &mut [f32],
        products: &mut Vec<f32>,
    ) {
        match self {
            Weights::Panels(panels) => panels.multiply(rows, stride, afters, ahead, result),
            Weights::Dots(weights, bias) => {
                products.resize(rows.len() / stride * bias.len(), 0.0);
                dots_and_fetch(StridedRows::all(rows, stride), StridedRows::all(weights, stride), ahead, products);
                let width = bias.len().next_multiple_of(lanes());
                vectorised!({
                    for (result, product) in result.chunks_exact_mut(width).zip(products.chunks_exact(bias.len())) {
                        result
                            .iter_mut()
                            .zip(product)
                            .zip(bias)
                            .for_each(|((result, cell), bias)| *result = cell + bias);
                    }
                    afters.iter().for_each(|after| after.run(result));
                });
            }
        }
    }
}

/// Applies `function` cell by cell. Either side may be a single cell, marked by `true`.
#[inline(always)]
fn by_cell(result: &mut [f32], left: (&[f32], bool), right: (&[f32], bool), function: impl Fn(f32, f32) -> f32) {
    match (left, right) {
        ((left, true), (right, _)) => {
            result.iter_mut().zip(right).for_each(|(result, right)| *result = function(left[0], *right));
        }
        ((left, _), (right, true)) => {
            result.iter_mut().zip(left).for_each(|(result, left)| *result = function(*left, right[0]));
        }
        ((left, _), (right, _)) => {
            result
                .iter_mut()
                .zip(left)
                .zip(right)
                .for_each(|((result, left), right)| *result = function(*left, *right));
        }
    }
}

/// The sum in sixteen parts, which is faster with vectors and has a smaller rounding error.
#[inline(always)]
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0f32; 16];
    let parts = row.chunks_exact(sums.len());
    let rest: f32 = parts.remainder().iter().map(|&cell| of(cell)).sum();
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, &cell)| *sum += of(cell));
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::Network;
    use crate::graph::tests::{networks, rows};
    use crate::kernels::scorer;

    /// Covers both kinds of products, and full and partial blocks. Half of the rows are also scored without the others.
    #[test]
    fn a_scorer_matches_its_network() {
        for columns in [3, 70, FEW + 5] {
            for (method, network) in networks(columns) {
                let scorer = scorer(&network, columns).unwrap();
                for count in [1, 2 * MOST + TALL + 5] {
                    let rows = rows(count, columns, 2);
                    let expected: Vec<f32> = network.score(rows.clone()).into_data().iter::<f32>().collect();
                    let cells: Vec<f32> = rows.into_data().iter::<f32>().map(|cell| cell * 2.0).collect();
                    let halve = |rows: &[f32], scaled: &mut [f32], stride: usize| {
                        for (row, scaled) in rows.chunks_exact(columns).zip(scaled.chunks_exact_mut(stride)) {
                            scaled.iter_mut().zip(row).for_each(|(scaled, cell)| *scaled = cell / 2.0);
                        }
                        true
                    };
                    let scores = scorer.score(&cells, halve).unwrap();
                    assert_eq!(scores.len(), count);
                    let largest = expected.iter().fold(0.0f32, |largest, score| largest.max(score.abs()));
                    for (ours, theirs) in scores.iter().zip(&expected) {
                        assert!((ours - theirs).abs() <= 2e-5 * (1.0 + largest), "{method:?}: {ours} and {theirs}");
                    }
                    let from = count / 2;
                    assert_eq!(scorer.score(&cells[from * columns..], halve).unwrap(), scores[from..], "{method:?}");
                }
            }
        }
    }

    #[test]
    fn a_row_that_cannot_be_scaled_has_no_score() {
        let (_, network) = networks(3).remove(0);
        let scorer = scorer(&network, 3).unwrap();
        let short = |rows: &[f32], _: &mut [f32], _: usize| rows.iter().all(|cell| *cell < 150.0);
        let cells: Vec<f32> = (0..600).map(|cell| cell as f32).collect();
        assert!(scorer.score(&cells[..150], short).is_some());
        assert_eq!(scorer.score(&cells, short), None);
    }
}
