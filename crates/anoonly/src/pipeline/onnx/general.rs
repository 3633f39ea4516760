//! Steps of graphs beyond those of dense layers, as ONNX nodes.

use std::sync::Arc;

use anoonly_models::graph::{Combination, Function, GeneralStep, Matrix, TreeNodes, Value};

use super::nodes::{Nodes, floats, integer, integers, texts};
use super::proto::DataType;

/// The number of rows beyond those wanted among which the nearest ones are sought by exact distances.
const MORE: usize = 16;
/// The steps in which estimated squared distances are compared, as a share of the squared lengths of rows as near as the neighbours: larger
/// than their rounding error, so that rows at the same distance stay in their order.
const STEP: f64 = 1.0 / (1u64 << 44) as f64;

impl Nodes {
    /// Adds the nodes of a step. `of` gives the name of a value, and `width` the number of its columns.
    pub fn general(&mut self, step: &GeneralStep, of: &dyn Fn(&Value) -> String, double: bool) -> String {
        match step {
            GeneralStep::Widen { of: rows } => self.cast(&of(rows), DataType::Double),
            GeneralStep::Narrow { of: rows } => self.cast(&of(rows), DataType::Float),
            GeneralStep::Map { of: rows, by } => {
                let operator = match by {
                    Function::Exp => "Exp",
                    Function::Log => "Log",
                    Function::Tanh => "Tanh",
                    Function::Absolute => "Abs",
                };
                self.node(operator, &[&of(rows)], None)
            }
            GeneralStep::Affine { of: rows, factor, offset } => self.affine(&of(rows), *factor, *offset),
            GeneralStep::AtLeast { of: rows, least } if double => self.with_row("Max", &of(rows), &[*least]),
            GeneralStep::AtLeast { of: rows, least } => self.with_row("Max", &of(rows), &[*least as f32]),
            GeneralStep::Combine { left, right, by } => {
                let operator = match by {
                    Combination::Sum => "Add",
                    Combination::Product => "Mul",
                    Combination::Larger => "Max",
                    Combination::Smaller => "Min",
                };
                self.node(operator, &[&of(left), &of(right)], None)
            }
            GeneralStep::Choose { condition, then, otherwise } => {
                let zero = if double { self.row(&[0.0f64]) } else { self.row(&[0.0f32]) };
                let above = self.node("Greater", &[&of(condition), &zero], None);
                self.node("Where", &[&above, &of(then), &of(otherwise)], None)
            }
            GeneralStep::Select { of: rows, columns } => {
                let columns = self.row(&columns.iter().map(|&column| column as i64).collect::<Vec<_>>());
                self.node("Gather", &[&of(rows), &columns], [integer("axis", 1)])
            }
            GeneralStep::Largest { of: rows } => {
                self.node("ReduceMax", &[&of(rows)], [integers("axes", vec![1]), integer("keepdims", 1)])
            }
            GeneralStep::Trees { of: rows, trees } => self.trees(&of(rows), trees),
            GeneralStep::Rank { of: rows, knots, equal } => self.rank(&of(rows), knots, *equal),
            GeneralStep::Lookup { at, table } => {
                let values = self.constant(&[table.cells.len()], &table.cells);
                let places = self.of_column(&of(at), table.shape);
                self.node("Gather", &[&values, &places], None)
            }
            GeneralStep::Candidates { of: rows, known, count } => {
                let more = if *count < known.shape[0] { (2 * count + MORE).min(known.shape[0]) } else { *count };
                let distances = self.estimates(&of(rows), known, *count);
                self.smallest(&distances, more)
            }
            GeneralStep::SquaredDistances { of: rows, known, at } => self.squared_distances(&of(rows), known, &of(at)),
            GeneralStep::AllSquaredDistances { of: rows, known } => {
                let (partial_distances, wide) = self.partial_distances(&of(rows), known);
                let squares = self.node("Mul", &[&wide, &wide], None);
                let square = self.sum(&squares);
                self.node("Add", &[&partial_distances, &square], None)
            }
            GeneralStep::Reshape { of: rows, width } => self.reshaped(&of(rows), &[-1, *width as i64]),
            GeneralStep::Attention { query, key, value, counts: [queries, tokens], heads } => {
                self.attention([(of(query), *queries), (of(key), *tokens), (of(value), *tokens)], *heads)
            }
            GeneralStep::Smallest { of: rows, count } => self.smallest(&of(rows), *count),
            GeneralStep::Pick { of: rows, at } => {
                self.node("GatherElements", &[&of(rows), &of(at)], [integer("axis", 1)])
            }
        }
    }

    fn affine(&mut self, of: &str, factor: f64, offset: f64) -> String {
        let product = if factor == 1.0 { of.to_owned() } else { self.with_row("Mul", of, &[factor]) };
        if offset == 0.0 && factor != 1.0 { product } else { self.with_row("Add", &product, &[offset]) }
    }

    /// The value of each tree. A classifier with one class for each tree, because not every runtime has `TreeEnsembleRegressor`. Its scores
    /// are the sums of the leaf values by class.
    fn trees(&mut self, of: &str, trees: &TreeNodes) -> String {
        let count = trees.sizes.len();
        // With two classes, runtimes treat the scores as those of one class and of its opposite.
        let classes = count.max(3);
        let mut ids = [(); 5].map(|()| Vec::new());
        let mut leaves = [(); 3].map(|()| Vec::new());
        let (mut thresholds, mut weights, mut modes) = (Vec::new(), Vec::new(), Vec::new());
        let mut nodes = trees.nodes.iter();
        for (tree, &size) in trees.sizes.iter().enumerate() {
            for (place, &[column, threshold, child, value]) in nodes.by_ref().take(size).enumerate() {
                let (tree, place, leaf) = (tree as i64, place as i64, child == 0.0);
                let child = child as i64;
                let second = if leaf { 0 } else { child + 1 };
                let column = if leaf { 0 } else { column as i64 };
                ids.iter_mut().zip([tree, place, column, child, second]).for_each(|(list, id)| list.push(id));
                thresholds.push(if leaf { 0.0 } else { threshold });
                modes.push(if leaf { "LEAF" } else { "BRANCH_LEQ" });
                if leaf {
                    leaves.iter_mut().zip([tree, place, tree]).for_each(|(list, id)| list.push(id));
                    weights.push(value);
                }
            }
        }
        let [tree_ids, node_ids, columns, firsts, seconds] = ids;
        let [leaf_trees, leaf_nodes, leaf_classes] = leaves;
        let attributes = [
            integers("classlabels_int64s", (0..classes as i64).collect()),
            integers("nodes_treeids", tree_ids),
            integers("nodes_nodeids", node_ids),
            integers("nodes_featureids", columns),
            integers("nodes_truenodeids", firsts),
            integers("nodes_falsenodeids", seconds),
            floats("nodes_values", thresholds),
            texts("nodes_modes", modes),
            integers("class_treeids", leaf_trees),
            integers("class_nodeids", leaf_nodes),
            integers("class_ids", leaf_classes),
            floats("class_weights", weights),
        ];
        let scores = self.ml_node("TreeEnsembleClassifier", &[of], attributes);
        if let Some(node) = self.nodes.last_mut() {
            // The first output is the class with the largest score.
            node.output = vec![format!("{scores}_class"), scores.clone()];
        }
        if classes == count {
            return scores;
        }
        let kept = self.row(&(0..count as i64).collect::<Vec<_>>());
        self.node("Gather", &[&scores, &kept], [integer("axis", 1)])
    }

    /// The number of knots up to each cell: a binary search of a fixed number of rounds.
    fn rank(&mut self, of: &str, knots: &Matrix, equal: bool) -> String {
        let [columns, count] = knots.shape;
        let cells = self.constant(&[columns * count], &knots.cells);
        // Where each column's knots start.
        let starts: Vec<i64> = (0..columns).map(|column| (column * count) as i64).collect();
        let starts = self.row(&starts);
        let operator = if equal { "LessOrEqual" } else { "Less" };
        let (mut left, mut place) = (count, starts.clone());
        while left > 0 {
            // The last round decides about one knot.
            let half = (left / 2).max(1);
            let probe = self.with_row("Add", &place, &[half as i64 - 1]);
            let knot = self.node("Gather", &[&cells, &probe], None);
            let below = self.node(operator, &[&knot, of], None);
            let next = self.with_row("Add", &place, &[half as i64]);
            place = self.node("Where", &[&below, &next, &place], None);
            left = if left == 1 { 0 } else { left - half };
        }
        self.node("Sub", &[&place, &starts], None)
    }

    /// Indices into tables `[columns, values]`, laid out one after the other.
    fn of_column(&mut self, places: &str, [columns, values]: [usize; 2]) -> String {
        match columns {
            1 => places.to_owned(),
            _ => {
                let starts: Vec<i64> = (0..columns).map(|column| (column * values) as i64).collect();
                self.with_row("Add", places, &starts)
            }
        }
    }

    /// The name of the constant with known rows, as they are. Steps share it.
    fn known(&mut self, known: &Arc<Matrix>) -> String {
        let address = Arc::as_ptr(known) as usize;
        if let Some((_, name)) = self.shared.iter().find(|(other, _)| *other == address) {
            return name.clone();
        }
        let name = self.constant(&known.shape, &known.cells);
        self.shared.push((address, name.clone()));
        name
    }

    /// The squared distances to known rows without the squared length of each row, and the rows, both with 64-bit elements. Lengths count
    /// from the medians of the columns: rows among most others are short then, and their distances lose no digits to a few far rows.
    fn partial_distances(&mut self, rows: &str, known: &Arc<Matrix>) -> (String, String) {
        let centre = medians(known);
        let cells = self.known(known);
        let cells = self.cast(&cells, DataType::Double);
        let cells = self.with_row("Sub", &cells, &centre);
        let cells = self.node("Transpose", &[&cells], [integers("perm", vec![1, 0])]);
        let wide = self.cast(rows, DataType::Double);
        let wide = self.with_row("Sub", &wide, &centre);
        let products = self.node("MatMul", &[&wide, &cells], None);
        let doubled = self.with_row("Mul", &products, &[-2.0]);
        let squares: Vec<f64> = squared_lengths(known, &centre).collect();
        (self.with_row("Add", &doubled, &squares), wide)
    }

    /// Estimated squared distances to known rows, in whole steps, without the squared length of each row. Known rows as near as the
    /// nearest `count` are at most as long as the row and its distance to the last of them together.
    fn estimates(&mut self, rows: &str, known: &Arc<Matrix>, count: usize) -> String {
        let (partial_distances, wide) = self.partial_distances(rows, known);
        let squares = self.node("Mul", &[&wide, &wide], None);
        let square = self.sum(&squares);
        let length = self.node("Sqrt", &[&square], None);
        let nearest = self.smallest(&partial_distances, count);
        let nearest = self.node("GatherElements", &[&partial_distances, &nearest], [integer("axis", 1)]);
        let last = self.node("ReduceMax", &[&nearest], [integers("axes", vec![1]), integer("keepdims", 1)]);
        let last = self.node("Add", &[&last, &square], None);
        let last = self.with_row("Max", &last, &[0.0]);
        let distance = self.node("Sqrt", &[&last], None);
        let longest = self.node("Add", &[&length, &distance], None);
        let largest = self.node("Mul", &[&longest, &longest], None);
        let step = self.with_row("Mul", &largest, &[STEP]);
        let step = self.with_row("Max", &step, &[f64::MIN_POSITIVE]);
        let steps = self.node("Div", &[&partial_distances, &step], None);
        self.node("Floor", &[&steps], None)
    }

    fn reshaped(&mut self, of: &str, shape: &[i64]) -> String {
        let shape = self.row(shape);
        self.node("Reshape", &[of, &shape], None)
    }

    /// Attention with `[rows · tokens, heads · width]` for the query, the key and the value, each with its number of tokens.
    fn attention(&mut self, [query, key, value]: [(String, usize); 3], [heads, width]: [usize; 2]) -> String {
        let mut by_head = |(of, tokens): (String, usize), order: [i64; 4]| {
            let split = self.reshaped(&of, &[-1, tokens as i64, heads as i64, width as i64]);
            self.node("Transpose", &[&split], [integers("perm", order.to_vec())])
        };
        let query = by_head(query, [0, 2, 1, 3]);
        let key = by_head(key, [0, 2, 3, 1]);
        let value = by_head(value, [0, 2, 1, 3]);
        let products = self.node("MatMul", &[&query, &key], None);
        let weights = self.node("Softmax", &[&products], [integer("axis", 3)]);
        let means = self.node("MatMul", &[&weights, &value], None);
        let means = self.node("Transpose", &[&means], [integers("perm", vec![0, 2, 1, 3])]);
        self.reshaped(&means, &[-1, (heads * width) as i64])
    }

    fn squared_distances(&mut self, rows: &str, known: &Arc<Matrix>, at: &str) -> String {
        let cells = self.known(known);
        let near = self.node("Gather", &[&cells, at], None);
        let axes = self.row(&[1i64]);
        let rows = self.node("Unsqueeze", &[rows, &axes], None);
        let [near, rows] = [near, rows].map(|of| self.cast(&of, DataType::Double));
        let differences = self.node("Sub", &[&rows, &near], None);
        let squares = self.node("Mul", &[&differences, &differences], None);
        let axes = self.row(&[2i64]);
        self.node("ReduceSum", &[&squares, &axes], [integer("keepdims", 0)])
    }

    /// The indices of the smallest cells.
    fn smallest(&mut self, of: &str, count: usize) -> String {
        let count = self.row(&[count as i64]);
        let attributes = [integer("axis", 1), integer("largest", 0), integer("sorted", 1)];
        let places = self.node("TopK", &[of, &count], attributes);
        if let Some(node) = self.nodes.last_mut() {
            node.output = vec![format!("{places}_values"), places.clone()];
        }
        places
    }
}

/// The median of each column of known rows.
fn medians(known: &Matrix) -> Vec<f64> {
    let [rows, columns] = known.shape;
    let median = |column: usize| {
        let mut cells: Vec<f32> = known.cells[column..].iter().step_by(columns).copied().collect();
        cells.select_nth_unstable_by(rows / 2, f32::total_cmp).1.to_owned().into()
    };
    if rows == 0 { vec![0.0; columns] } else { (0..columns).map(median).collect() }
}

/// The squared length of each known row, counted from a centre.
fn squared_lengths<'a>(known: &'a Matrix, centre: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    let square =
        move |row: &[f32]| row.iter().zip(centre).map(|(&cell, middle)| (f64::from(cell) - middle).powi(2)).sum();
    known.cells.chunks_exact(known.shape[1]).map(square)
}
