//! A plain evaluation of graphs, which tests compare with scores.

use super::{Combination, Element, Function, GeneralStep, Graph, Matrix, Step, Value};

/// A value: its cells, row by row, and its width.
#[derive(Clone, Debug)]
struct Cells {
    cells: Vec<f64>,
    width: usize,
}

impl Cells {
    fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.width..][..self.width]
    }

    /// A cell of a row; that of the only column if there is one.
    fn at(&self, row: usize, column: usize) -> f64 {
        self.row(row)[if self.width == 1 { 0 } else { column }]
    }
}

/// The scores of rows, `[rows, columns]`.
pub(crate) fn evaluate(graph: &Graph, rows: &[f32], columns: usize) -> Vec<f64> {
    let rows = Cells { cells: rows.iter().map(|&cell| f64::from(cell)).collect(), width: columns };
    let mut values = vec![rows];
    let elements = graph.elements();
    for (step, element) in graph.steps().iter().zip(&elements[1..]) {
        let mut made = result(step, &values);
        if *element == Element::Single {
            made.cells.iter_mut().for_each(|cell| *cell = f64::from(*cell as f32));
        }
        values.push(made);
    }
    let scores = values.pop().unwrap();
    assert_eq!(scores.width, 1);
    scores.cells
}

fn result(step: &Step, values: &[Cells]) -> Cells {
    let first = &values[step.takes()[0].index()];
    let count = first.cells.len() / first.width;
    let of = |value: &Value| &values[value.index()];
    let wide = |left: &Value, right: &Value| of(left).width.max(of(right).width);
    // A result of some width, made cell by cell.
    let made = |width: usize, cell: &dyn Fn(usize, usize) -> f64| Cells {
        cells: (0..count * width).map(|place| cell(place / width, place % width)).collect(),
        width,
    };
    let map = |value: &Value, function: &dyn Fn(f64) -> f64| Cells {
        cells: of(value).cells.iter().map(|&cell| function(cell)).collect(),
        width: of(value).width,
    };
    let constant =
        |constants: &[f32], column: usize| f64::from(constants[if constants.len() == 1 { 0 } else { column }]);
    match step {
        Step::Linear { of: rows, weight, bias } => made(weight.shape[1], &|row, output| {
            let weights = weight.cells[output..].iter().step_by(weight.shape[1]);
            let products = of(rows).row(row).iter().zip(weights).map(|(cell, &weight)| cell * f64::from(weight));
            products.sum::<f64>() + bias.as_ref().map_or(0.0, |bias| f64::from(bias[output]))
        }),
        Step::LeakyRelu { of, slope } => map(of, &|x| if x > 0.0 { x } else { f64::from(*slope) * x }),
        Step::Add { of: rows, constants } => {
            made(of(rows).width, &|row, column| of(rows).at(row, column) + constant(constants, column))
        }
        Step::Multiply { of: rows, constants } => {
            made(of(rows).width, &|row, column| of(rows).at(row, column) * constant(constants, column))
        }
        Step::Subtract { left, right } => {
            made(wide(left, right), &|row, column| of(left).at(row, column) - of(right).at(row, column))
        }
        Step::Divide { left, right } => {
            made(wide(left, right), &|row, column| of(left).at(row, column) / of(right).at(row, column))
        }
        Step::Root { of } => map(of, &f64::sqrt),
        Step::Sum { of: rows } => made(1, &|row, _| of(rows).row(row).iter().sum()),
        Step::SumOfSquares { of: rows } => made(1, &|row, _| of(rows).row(row).iter().map(|cell| cell * cell).sum()),
        Step::Concat { of: parts } => Cells {
            cells: (0..count).flat_map(|row| parts.iter().flat_map(move |part| of(part).row(row).to_vec())).collect(),
            width: parts.iter().map(|part| of(part).width).sum(),
        },
        Step::General(step) => general(step, &of, &made, &map),
    }
}

type Make<'a> = &'a dyn Fn(usize, &dyn Fn(usize, usize) -> f64) -> Cells;
type MapCells<'a> = &'a dyn Fn(&Value, &dyn Fn(f64) -> f64) -> Cells;

fn general<'a>(step: &GeneralStep, of: &dyn Fn(&Value) -> &'a Cells, made: Make<'_>, map: MapCells<'_>) -> Cells {
    let distance = |known: &Matrix, place: usize, row: &[f64]| -> f64 {
        let known = &known.cells[place * known.shape[1]..][..row.len()];
        row.iter().zip(known).map(|(a, &b)| (a - f64::from(b)).powi(2)).sum()
    };
    match step {
        GeneralStep::Widen { of } | GeneralStep::Narrow { of } => map(of, &|cell| cell),
        GeneralStep::Map { of, by } => map(of, &|cell| match by {
            Function::Exp => cell.exp(),
            Function::Log => cell.ln(),
            Function::Tanh => cell.tanh(),
            Function::Absolute => cell.abs(),
        }),
        GeneralStep::Affine { of, factor, offset } => map(of, &|cell| factor * cell + offset),
        GeneralStep::AtLeast { of, least } => map(of, &|cell| cell.max(*least)),
        GeneralStep::Combine { left, right, by } => made(of(left).width.max(of(right).width), &|row, column| {
            let (left, right) = (of(left).at(row, column), of(right).at(row, column));
            match by {
                Combination::Sum => left + right,
                Combination::Product => left * right,
                Combination::Larger => left.max(right),
                Combination::Smaller => left.min(right),
            }
        }),
        GeneralStep::Choose { condition, then, otherwise } => {
            made(of(then).width.max(of(otherwise).width).max(of(condition).width), &|row, column| {
                of(if of(condition).at(row, column) > 0.0 { then } else { otherwise }).at(row, column)
            })
        }
        GeneralStep::Select { of: rows, columns } => {
            made(columns.len(), &|row, column| of(rows).row(row)[columns[column]])
        }
        GeneralStep::Largest { of: rows } => {
            made(1, &|row, _| of(rows).row(row).iter().copied().fold(f64::NEG_INFINITY, f64::max))
        }
        GeneralStep::Trees { of: rows, trees } => {
            let starts: Vec<usize> =
                trees.sizes.iter().scan(0, |next, size| Some(std::mem::replace(next, *next + size))).collect();
            made(trees.sizes.len(), &|row, tree| {
                let nodes = &trees.nodes[starts[tree]..];
                let mut at = 0;
                while nodes[at][2] > 0.0 {
                    let above = of(rows).row(row)[nodes[at][0] as usize] > f64::from(nodes[at][1]);
                    at = nodes[at][2] as usize + usize::from(above);
                }
                f64::from(nodes[at][3])
            })
        }
        GeneralStep::Rank { of: rows, knots, equal } => made(of(rows).width, &|row, column| {
            let cell = of(rows).at(row, column);
            let knots = &knots.cells[column * knots.shape[1]..][..knots.shape[1]];
            let counts = |knot: &&f32| f64::from(**knot) < cell || *equal && f64::from(**knot) == cell;
            knots.iter().filter(counts).count() as f64
        }),
        GeneralStep::Lookup { at, table } => made(of(at).width, &|row, column| {
            let list = if table.shape[0] == 1 { 0 } else { column };
            table.cells[list * table.shape[1] + of(at).at(row, column) as usize]
        }),
        GeneralStep::Candidates { of: rows, known, .. } => {
            made(known.shape[0], &|_, place| place as f64 + 0.0 * of(rows).cells[0])
        }
        GeneralStep::SquaredDistances { of: rows, known, at } => {
            made(of(at).width, &|row, column| distance(known, of(at).at(row, column) as usize, of(rows).row(row)))
        }
        GeneralStep::AllSquaredDistances { of: rows, known } => {
            made(known.shape[0], &|row, place| distance(known, place, of(rows).row(row)))
        }
        GeneralStep::Smallest { of: rows, count } => {
            let order = |row: &[f64]| {
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|&a, &b| row[a].total_cmp(&row[b]));
                order.truncate(*count);
                order.into_iter().map(|place| place as f64)
            };
            Cells { cells: of(rows).cells.chunks_exact(of(rows).width).flat_map(order).collect(), width: *count }
        }
        GeneralStep::Reshape { of: rows, width } => Cells { cells: of(rows).cells.clone(), width: *width },
        GeneralStep::Attention { query, key, value, counts: [queries, tokens], heads: [_, width] } => {
            made(of(query).width, &|row, column| {
                let (token, head) = (row / queries * tokens, column / width * width);
                let product = |other: usize| {
                    let pairs = of(query).row(row)[head..][..*width].iter().zip(&of(key).row(other)[head..]);
                    pairs.map(|(a, b)| a * b).sum::<f64>()
                };
                let weights: Vec<f64> = (token..token + tokens).map(|other| product(other).exp()).collect();
                let values = (token..).zip(&weights).map(|(other, weight)| weight * of(value).row(other)[column]);
                values.sum::<f64>() / weights.iter().sum::<f64>()
            })
        }
        GeneralStep::Pick { of: rows, at } => {
            made(of(at).width, &|row, column| of(rows).row(row)[of(at).at(row, column) as usize])
        }
    }
}
