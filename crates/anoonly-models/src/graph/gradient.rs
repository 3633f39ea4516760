//! The gradient of a score that is described by steps, in plain memory.

use super::{Graph, Matrix, Step};
use crate::RowBlock;
use crate::kernels::panels::Panels;

/// A graph that is prepared to compute scores together with their gradients, from the last step back to the rows.
#[derive(Clone, Debug)]
pub struct GraphGradient {
    graph: Graph,
    columns: usize,
    /// The number of columns of the rows and of each step's result.
    widths: Vec<usize>,
    /// For each linear step, its weights and their transpose.
    products: Vec<Option<[Panels; 2]>>,
}

/// The number of values and gradients that are kept at a time: 16 MiB.
const CELLS: usize = 1 << 22;

impl GraphGradient {
    /// Prepares a graph for rows with `columns` columns.
    ///
    /// # Panics
    /// When a step is not dense ([`Graph::is_dense`]).
    pub fn new(graph: &Graph, columns: usize) -> Self {
        assert!(graph.is_dense(), "a gradient takes dense steps");
        let mut widths = vec![columns];
        let mut products = Vec::new();
        for step in graph.steps() {
            widths.push(match step {
                Step::Linear { weight, .. } => weight.shape[1],
                Step::Sum { .. } | Step::SumOfSquares { .. } => 1,
                _ => {
                    let inputs = step.takes().into_iter().map(|value| widths[value.index()]);
                    match step {
                        Step::Concat { .. } => inputs.sum(),
                        _ => inputs.max().unwrap_or_default(),
                    }
                }
            });
            products.push(match step {
                Step::Linear { weight, bias, .. } => {
                    Some([Panels::new(weight, bias.as_deref()), Panels::new(&transposed(weight), None)])
                }
                _ => None,
            });
        }
        Self { graph: graph.clone(), columns, widths, products }
    }

    /// The score of each row, and its gradient with respect to the cells of the row, `[rows, columns]`. A gradient may be NaN or
    /// infinite where the score is not differentiable. The results of a row do not depend on the other rows.
    pub fn of(&self, rows: RowBlock<'_>) -> (Vec<f32>, Vec<f32>) {
        let (mut scores, mut gradients) = (Vec::with_capacity(rows.count()), Vec::with_capacity(rows.cells().len()));
        let at_once = (CELLS / (2 * self.widths.iter().sum::<usize>())).max(1);
        for block in rows.blocks(at_once) {
            let values = self.values(block);
            gradients.extend(self.backward(&values, block.count()));
            scores.extend(values.last().into_iter().flatten());
        }
        (scores, gradients)
    }

    /// The rows and the result of each step, `[rows, width]` each.
    fn values(&self, rows: RowBlock<'_>) -> Vec<Vec<f32>> {
        let mut values = vec![rows.cells().to_vec()];
        for (place, step) in self.graph.steps().iter().enumerate() {
            let width = self.widths[place + 1];
            let at = |value: &super::Value| &values[value.index()][..];
            let by_column = |of: &super::Value, constants: &[f32], f: fn(f32, f32) -> f32| -> Vec<f32> {
                let row = |row: &[f32]| -> Vec<f32> {
                    row.iter().zip(constants.iter().cycle()).map(|(&cell, &constant)| f(cell, constant)).collect()
                };
                at(of).chunks_exact(width).flat_map(row).collect()
            };
            let pair = |left: &super::Value, right: &super::Value, f: fn(f32, f32) -> f32| -> Vec<f32> {
                let (a, b) = (self.widths[left.index()], self.widths[right.index()]);
                let rows = at(left).chunks_exact(a).zip(at(right).chunks_exact(b));
                rows.flat_map(|(left, right)| (0..width).map(move |cell| f(left[cell % a], right[cell % b]))).collect()
            };
            let sums = |of: &super::Value, f: fn(f32) -> f32| -> Vec<f32> {
                at(of).chunks_exact(self.widths[of.index()]).map(|row| row.iter().map(|&cell| f(cell)).sum()).collect()
            };
            let result = match step {
                Step::Linear { of, .. } => {
                    let mut product = Vec::new();
                    if let Some([forward, _]) = &self.products[place] {
                        forward.append(at(of), &mut product);
                    }
                    product
                }
                Step::LeakyRelu { of, slope } => {
                    at(of).iter().map(|&cell| if cell > 0.0 { cell } else { slope * cell }).collect()
                }
                Step::Add { of, constants } => by_column(of, constants, |cell, constant| cell + constant),
                Step::Multiply { of, constants } => by_column(of, constants, |cell, constant| cell * constant),
                Step::Subtract { left, right } => pair(left, right, |left, right| left - right),
                Step::Divide { left, right } => pair(left, right, |left, right| left / right),
                Step::Root { of } => at(of).iter().map(|cell| cell.sqrt()).collect(),
                Step::Sum { of } => sums(of, |cell| cell),
                Step::SumOfSquares { of } => sums(of, |cell| cell * cell),
                Step::Concat { of } => {
                    let row = |row: usize| {
                        let part = move |value: &super::Value| {
                            let width = self.widths[value.index()];
                            (value.index(), row * width..(row + 1) * width)
                        };
                        of.iter().map(part).collect::<Vec<_>>()
                    };
                    let parts = (0..rows.count()).flat_map(row);
                    parts.flat_map(|(index, range)| values[index][range].iter().copied()).collect()
                }
                Step::General(step) => unreachable!("{step:?} is not dense"),
            };
            values.push(result);
        }
        values
    }

    /// The gradients of the scores, `[rows, columns]`, given the values of all steps.
    fn backward(&self, values: &[Vec<f32>], count: usize) -> Vec<f32> {
        let mut gradients: Vec<Vec<f32>> = self.widths.iter().map(|width| vec![0.0; width * count]).collect();
        if let Some(score) = gradients.last_mut() {
            score.fill(1.0);
        }
        for (place, step) in self.graph.steps().iter().enumerate().rev() {
            let (before, result) = gradients.split_at_mut(place + 1);
            let (gradient, width) = (&result[0][..], self.widths[place + 1]);
            // Adds to the gradient of an input what `f` makes of the gradient of a cell and its index. An input with one column gets the
            // sum over all columns of the result.
            let mut add = |of: super::Value, f: &dyn Fn(f32, usize) -> f32| {
                let narrow = self.widths[of.index()] == 1;
                let cells = &mut before[of.index()];
                for (cell, &slope) in gradient.iter().enumerate() {
                    cells[if narrow { cell / width } else { cell }] += f(slope, cell);
                }
            };
            // The value of an input that a cell of the result was computed from.
            let value = |of: super::Value, cell: usize| {
                let narrow = self.widths[of.index()] == 1;
                values[of.index()][if narrow { cell / width } else { cell }]
            };
            match step {
                Step::Linear { of, .. } => {
                    if let Some([_, back]) = &self.products[place] {
                        let mut product = Vec::new();
                        back.append(gradient, &mut product);
                        before[of.index()].iter_mut().zip(product).for_each(|(cell, part)| *cell += part);
                    }
                }
                Step::LeakyRelu { of, slope: below } => {
                    add(*of, &|slope, cell| if value(*of, cell) > 0.0 { slope } else { below * slope });
                }
                Step::Add { of, .. } => add(*of, &|slope, _| slope),
                Step::Multiply { of, constants } => {
                    add(*of, &|slope, cell| slope * constants[cell % width % constants.len()]);
                }
                Step::Subtract { left, right } => {
                    add(*left, &|slope, _| slope);
                    add(*right, &|slope, _| -slope);
                }
                Step::Divide { left, right } => {
                    add(*left, &|slope, cell| slope / value(*right, cell));
                    add(*right, &|slope, cell| -slope * value(*left, cell) / value(*right, cell).powi(2));
                }
                Step::Root { of } => add(*of, &|slope, cell| slope / (2.0 * values[place + 1][cell])),
                Step::Sum { of } | Step::SumOfSquares { of } => {
                    let (wide, squared) = (self.widths[of.index()], matches!(step, Step::SumOfSquares { .. }));
                    let known = &values[of.index()];
                    for (cell, part) in before[of.index()].iter_mut().enumerate() {
                        *part += gradient[cell / wide] * if squared { 2.0 * known[cell] } else { 1.0 };
                    }
                }
                Step::Concat { of } => {
                    let mut from = 0;
                    for value in of {
                        let wide = self.widths[value.index()];
                        let rows = before[value.index()].chunks_exact_mut(wide).zip(gradient.chunks_exact(width));
                        for (cells, row) in rows {
                            cells.iter_mut().zip(&row[from..from + wide]).for_each(|(cell, slope)| *cell += slope);
                        }
                        from += wide;
                    }
                }
                Step::General(step) => unreachable!("{step:?} is not dense"),
            }
        }
        debug_assert_eq!(gradients[0].len(), count * self.columns);
        gradients.swap_remove(0)
    }
}

fn transposed(weight: &Matrix) -> Matrix {
    let [inputs, outputs] = weight.shape;
    let column = |output: usize| weight.cells[output..].iter().step_by(outputs).copied();
    Matrix { shape: [outputs, inputs], cells: (0..outputs).flat_map(column).collect() }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::graph::tests::{networks, rows};
    use crate::layers::norm::NormLayer;
    use crate::{AnyNetwork, Network};
    use burn::backend::Autodiff;
    use burn::module::AutodiffModule;
    use burn::tensor::Tensor;
    use burn_flex::Flex;

    /// Gradients of every network with a graph, compared with those of burn, whose normalisation is frozen as for explanations.
    #[test]
    fn gradients_match_those_of_the_network() {
        for (method, network) in networks(3) {
            let gradient = GraphGradient::new(&network.graph().unwrap(), 3);
            let points = rows(20, 3, 2);
            let cells: Vec<f32> = points.clone().into_data().iter::<f32>().collect();
            let mut network = AnyNetwork::<Autodiff<Flex>>::from_inner(network);
            network.norms_mut().into_iter().for_each(NormLayer::freeze);
            let points = Tensor::<Autodiff<Flex>, 2>::from_inner(points).require_grad();
            let scores = network.score(points.clone());
            let slopes = points.grad(&scores.clone().sum().backward()).unwrap();
            let (expected_scores, expected): (Vec<f32>, Vec<f32>) =
                (scores.into_data().iter::<f32>().collect(), slopes.into_data().iter::<f32>().collect());
            let (found_scores, found) = gradient.of(RowBlock::new(&cells, 3));
            for (ours, theirs) in found_scores.iter().zip(&expected_scores) {
                assert!((ours - theirs).abs() <= 1e-5 * (1.0 + theirs.abs()), "{method:?}: {ours} and {theirs}");
            }
            let largest = expected.iter().fold(0.0f32, |largest, slope| largest.max(slope.abs()));
            assert!(largest > 0.0, "{method:?}");
            for (ours, theirs) in found.iter().zip(&expected) {
                assert!((ours - theirs).abs() <= 2e-5 * largest, "{method:?}: {ours} and {theirs}");
            }
            let (_, alone) = gradient.of(RowBlock::new(&cells[..3], 3));
            assert_eq!(alone, found[..3], "{method:?}");
        }
    }
}
