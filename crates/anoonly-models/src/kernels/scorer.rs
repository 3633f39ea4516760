//! Scoring in plain memory.
//!
//! A network that tells its [`Graph`] is scored by the steps of it, some rows at a time that stay in the nearest caches, with weights that
//! are packed once and rows that are fetched while others are multiplied. [`Network::score`] remains the definition, and the
//! tests hold the two together.

use std::any::TypeId;

use burn::tensor::backend::Backend;
use burn_flex::Flex;
use pulp::Arch;

use super::dense::FEW_OUTPUTS;
use super::panels::{After, Panels, lanes};
use super::products::{FEW, StridedRows, dots_and_fetch};
use crate::Network;
use crate::graph::{Graph, Matrix, Step, Value};

/// A network ready to score many rows.
#[derive(Clone, Debug)]
pub struct Scorer {
    columns: usize,
    /// The rows, then what each step makes of them.
    made: Vec<Shape>,
    steps: Vec<Ready>,
}

/// What the rows of a block are scored in.
#[derive(Debug)]
struct Room {
    /// By value, `[rows, stride]`.
    made: Vec<Vec<f32>>,
    products: Vec<f32>,
}

/// The width of a value, and the cells from one of its rows to the next, which fill vectors.
#[derive(Clone, Copy, Debug)]
struct Shape {
    width: usize,
    stride: usize,
}

impl Shape {
    fn new(width: usize) -> Self {
        Self { width, stride: width.next_multiple_of(lanes()) }
    }
}

/// A step, by the places of the values it takes.
#[derive(Clone, Debug)]
enum Ready {
    /// A product and what comes after it.
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
    /// Of many columns, or of few terms.
    Panels(Panels),
    /// Of few columns and many terms: transposed, `[outputs, stride of the rows]`, and the biases.
    Dots(Vec<f32>, Vec<f32>),
}

/// The network as a scorer, on [`Flex`] and where it tells its graph.
pub fn scorer<B: Backend, N: Network<B>>(network: &N, columns: usize) -> Option<Scorer> {
    match TypeId::of::<B>() == TypeId::of::<Flex>() {
        true => Some(Scorer::new(&network.graph()?, columns)),
        false => None,
    }
}

/// Rows worked on at a time, at most, and the cells of all values that they may take.
const MOST: usize = 96;
const CELLS: usize = 1 << 16;
/// The cells that are scaled at a time, before their product with the first weights, in the nearest cache.
const NEAR: usize = 6144;
/// Products are made of so many rows at a time.
const TALL: usize = 12;

impl Scorer {
    /// A scorer of rows of `columns` columns by the steps of a graph.
    pub fn new(graph: &Graph, columns: usize) -> Self {
        let mut scorer = Self { columns, made: vec![Shape::new(columns)], steps: Vec::new() };
        let taken = |value: usize| graph.steps().iter().flat_map(Step::takes).filter(|of| of.index() == value).count();
        // Where the values of the graph are found.
        let mut places = vec![0];
        for step in graph.steps() {
            // What is done to a product alone is done along with it.
            if let Some((of, after)) = scorer.after(step, &|value| places[value.index()])
                && let Some(Ready::Dense(_, _, afters)) = scorer.steps.last_mut()
                && of == scorer.made.len() - 1
                && taken(step.takes()[0].index()) == 1
            {
                afters.push(after);
                places.push(of);
                continue;
            }
            let (ready, width) = scorer.ready(step, &|value| places[value.index()]);
            scorer.steps.push(ready);
            scorer.made.push(Shape::new(width));
            places.push(scorer.steps.len());
        }
        scorer
    }

    /// A step and the width of what it makes.
    fn ready(&self, step: &Step, at: &dyn Fn(&Value) -> usize) -> (Ready, usize) {
        let width = |value: &Value| self.made[at(value)].width;
        if let Some((of, after)) = self.after(step, at) {
            return (Ready::After(of, after), self.made[of].width);
        }
        match step {
            Step::Linear { of, weight, bias } => {
                let [inputs, outputs] = weight.shape;
                let weights = match inputs >= FEW && outputs <= FEW_OUTPUTS {
                    true => {
                        let bias = bias.clone().unwrap_or_else(|| vec![0.0; outputs]);
                        Weights::Dots(transposed(weight, self.made[at(of)].stride), bias)
                    }
                    false => Weights::Panels(Panels::new(weight, bias.as_deref())),
                };
                (Ready::Dense(at(of), weights, Vec::new()), outputs)
            }
            Step::Subtract { left, right } => (Ready::Subtract(at(left), at(right)), width(left).max(width(right))),
            Step::Divide { left, right } => (Ready::Divide(at(left), at(right)), width(left).max(width(right))),
            Step::LeakyRelu { .. } | Step::Add { .. } | Step::Multiply { .. } => {
                unreachable!("these are told by what they do after a step")
            }
            Step::Root { of } => (Ready::Root(at(of)), width(of)),
            Step::Sum { of } => (Ready::Sum(at(of)), 1),
            Step::SumOfSquares { of } => (Ready::SumOfSquares(at(of)), 1),
            Step::Concat { of } => (Ready::Concat(of.iter().map(at).collect()), of.iter().map(width).sum()),
        }
    }

    /// What a step does cell by cell, and to which value.
    fn after(&self, step: &Step, at: &dyn Fn(&Value) -> usize) -> Option<(usize, After)> {
        let padded = |of: usize, constants: &[f32]| {
            let Shape { width, stride } = self.made[of];
            let mut cells: Vec<f32> = constants.iter().copied().cycle().take(width).collect();
            cells.resize(stride, 0.0);
            cells
        };
        match step {
            Step::LeakyRelu { of, slope } => Some((at(of), After::Bend(*slope))),
            Step::Add { of, constants } => Some((at(of), After::Add(padded(at(of), constants)))),
            Step::Multiply { of, constants } => Some((at(of), After::Multiply(padded(at(of), constants)))),
            _ => None,
        }
    }

    /// The score of each of the rows, `[rows, columns]` in their original units. `scale` scales rows into the first cells of rows that
    /// stand as far apart as it is told, and tells whether they may be scored; none where one may not.
    pub fn score(&self, rows: &[f32], scale: impl Fn(&[f32], &mut [f32], usize) -> bool) -> Option<Vec<f32>> {
        let count = rows.len() / self.columns;
        let cells: usize = self.made.iter().map(|shape| shape.stride).sum();
        let block = (CELLS.max(self.weights()) / cells / TALL * TALL).clamp(TALL, MOST).min(count);
        let made = self.made.iter().map(|shape| vec![0.0; block * shape.stride]).collect();
        let mut room = Room { made, products: Vec::new() };
        let mut scores = Vec::with_capacity(count);
        let mut left = rows;
        while !left.is_empty() {
            let (rows, others) = left.split_at(left.len().min(block * self.columns));
            self.score_block(rows, others, &scale, &mut room)?;
            let (made, last) = (room.made.last()?, self.made.last()?);
            scores.extend(made.iter().step_by(last.stride));
            left = others;
        }
        Some(scores)
    }

    /// The cells that a block passes; many of them want many rows each time.
    fn weights(&self) -> usize {
        let of = |step: &Ready| match step {
            Ready::Dense(_, Weights::Panels(panels), _) => panels.cells(),
            Ready::Dense(_, Weights::Dots(weights, _), _) => weights.len(),
            _ => 0,
        };
        self.steps.iter().map(of).sum()
    }

    fn score_block(
        &self,
        block: &[f32],
        others: &[f32],
        scale: &impl Fn(&[f32], &mut [f32], usize) -> bool,
        room: &mut Room,
    ) -> Option<()> {
        let count = block.len() / self.columns;
        for (cells, shape) in room.made.iter_mut().zip(&self.made) {
            cells.truncate(count * shape.stride);
        }
        let (scaled, results) = room.made.split_at_mut(1);
        let stride = self.made[0].stride;
        // A product of the rows goes along with their scaling: what is scaled next is fetched meanwhile.
        let (first, steps) = match self.steps.split_first() {
            Some((Ready::Dense(0, weights, afters), steps)) => (Some((weights, afters)), steps),
            _ => (None, &self.steps[..]),
        };
        let stretch = match first {
            Some(_) => (NEAR / stride / TALL * TALL).clamp(TALL, MOST),
            None => count,
        };
        let mut from = 0;
        while from < count {
            let to = (from + stretch).min(count);
            let part = &mut scaled[0][from * stride..to * stride];
            if !scale(&block[from * self.columns..to * self.columns], part, stride) {
                return None;
            }
            if let Some((weights, afters)) = first {
                let next = &block[to * self.columns..];
                let next = if next.is_empty() { others } else { next };
                let ahead = &next[..next.len().min(stretch * self.columns)];
                let width = self.made[1].stride;
                let made = &mut results[0][from * width..to * width];
                weights.multiply(part, stride, afters, ahead, made, &mut room.products);
            }
            from = to;
        }
        let done = self.steps.len() - steps.len() + 1;
        for (index, step) in steps.iter().enumerate() {
            let (before, made) = room.made.split_at_mut(done + index);
            self.step(step, before, &mut made[0], self.made[done + index], &mut room.products);
        }
        Some(())
    }

    fn step(&self, step: &Ready, before: &[Vec<f32>], made: &mut [f32], shape: Shape, products: &mut Vec<f32>) {
        if let Ready::Dense(of, weights, afters) = step {
            return weights.multiply(&before[*of], self.made[*of].stride, afters, &[], made, products);
        }
        // The rows of a value, and whether they are of a single cell.
        let rows = |value: usize| before[value].chunks_exact(self.made[value].stride);
        let single = |value: usize| self.made[value].width == 1;
        let cells = |value: usize| rows(value).map(move |row| &row[..self.made[value].width]);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let made_rows = made.chunks_exact_mut(shape.stride);
                match step {
                    Ready::Dense(..) => {}
                    Ready::After(of, after) => {
                        made.copy_from_slice(&before[*of]);
                        after.run(made);
                    }
                    Ready::Root(of) => made.iter_mut().zip(&before[*of]).for_each(|(made, cell)| *made = cell.sqrt()),
                    Ready::Subtract(left, right) => {
                        let (of_left, of_right) = (single(*left), single(*right));
                        for ((made, left), right) in made_rows.zip(rows(*left)).zip(rows(*right)) {
                            by_cell(made, (left, of_left), (right, of_right), |left, right| left - right);
                        }
                    }
                    Ready::Divide(left, right) => {
                        let (of_left, of_right) = (single(*left), single(*right));
                        for ((made, left), right) in made_rows.zip(rows(*left)).zip(rows(*right)) {
                            by_cell(made, (left, of_left), (right, of_right), |left, right| left / right);
                        }
                    }
                    Ready::Sum(of) => {
                        made_rows.zip(cells(*of)).for_each(|(made, row)| made[0] = sum(row, |cell| cell));
                    }
                    Ready::SumOfSquares(of) => {
                        made_rows.zip(cells(*of)).for_each(|(made, row)| made[0] = sum(row, |cell| cell * cell));
                    }
                    Ready::Concat(of) => {
                        let mut from = 0;
                        for &value in of {
                            let width = self.made[value].width;
                            for (made, row) in made.chunks_exact_mut(shape.stride).zip(cells(value)) {
                                made[from..from + width].copy_from_slice(row);
                            }
                            from += width;
                        }
                    }
                }
            },
        );
    }
}

/// Weights as `[outputs, stride]`, zeros behind each.
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
    /// The product of rows so many cells apart, and what comes after it; `ahead` is what is read next, and `products` room.
    fn multiply(
        &self,
        rows: &[f32],
        stride: usize,
        afters: &[After],
        ahead: &[f32],
        made: &mut [f32],
        products: &mut Vec<f32>,
    ) {
        match self {
            Weights::Panels(panels) => panels.multiply(rows, stride, afters, ahead, made),
            Weights::Dots(weights, bias) => {
                products.resize(rows.len() / stride * bias.len(), 0.0);
                dots_and_fetch(StridedRows::all(rows, stride), StridedRows::all(weights, stride), ahead, products);
                let width = bias.len().next_multiple_of(lanes());
                Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        for (made, product) in made.chunks_exact_mut(width).zip(products.chunks_exact(bias.len())) {
                            made.iter_mut().zip(product).zip(bias).for_each(|((made, cell), bias)| *made = cell + bias);
                        }
                        afters.iter().for_each(|after| after.run(made));
                    },
                );
            }
        }
    }
}

/// Cell by cell, a row or its single cell on either side.
#[inline(always)]
fn by_cell(made: &mut [f32], left: (&[f32], bool), right: (&[f32], bool), function: impl Fn(f32, f32) -> f32) {
    match (left, right) {
        ((left, true), (right, _)) => {
            made.iter_mut().zip(right).for_each(|(made, right)| *made = function(left[0], *right));
        }
        ((left, _), (right, true)) => {
            made.iter_mut().zip(left).for_each(|(made, left)| *made = function(*left, right[0]));
        }
        ((left, _), (right, _)) => {
            made.iter_mut().zip(left).zip(right).for_each(|((made, left), right)| *made = function(*left, *right));
        }
    }
}

/// In sixteen parts, for the vectors and for the rounding.
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
mod tests {
    use super::*;
    use crate::graph::tests::{networks, rows};

    /// Products of both kinds, and blocks that are full and not. Half of the rows are scored without the others, too.
    #[test]
    fn a_scorer_scores_as_its_network() {
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
