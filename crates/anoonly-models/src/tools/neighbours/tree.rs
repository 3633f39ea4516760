//! Rows in leaves of near rows.

use std::ops::Range;

/// The number of rows in a leaf; the last one may have fewer.
pub(super) const LEAF: usize = 64;

/// A tree that halves the rows again and again at the column in which they differ most.
///
/// Bentley, "Multidimensional Binary Search Trees Used for Associative Searching", Communications of the ACM 1975.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    columns: usize,
    /// The left child of a node is the next one. The root is the first one.
    nodes: Vec<Node>,
    /// The lowest and the highest values of the rows of each node, `[nodes, 2, columns]`.
    boxes: Vec<f32>,
    /// The rows in the order of the leaves.
    pub order: Vec<u32>,
}

/// A node with the rows of its leaves.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Places in the order of the rows.
    pub places: Range<usize>,
    /// The largest square of a row.
    pub square: f32,
    /// `None` for a leaf.
    pub split: Option<Split>,
}

/// How a node divides its rows: those with a smaller value in the column, and some with an equal one, are on the left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub column: usize,
    pub value: f32,
    /// The right child.
    pub right: usize,
}

impl Tree {
    /// From rows, `[rows, columns]`, and their squares.
    pub fn new(rows: &[f32], columns: usize, squares: &[f32]) -> Self {
        let mut order: Vec<u32> = (0..squares.len() as u32).collect();
        let mut tree = Self { columns, nodes: Vec::new(), boxes: Vec::new(), order: Vec::new() };
        if !order.is_empty() {
            tree.add(rows, squares, &mut order, 0);
        }
        tree.order = order;
        tree
    }

    /// Adds the node of some rows and those below it.
    fn add(&mut self, rows: &[f32], squares: &[f32], order: &mut [u32], from: usize) {
        let columns = self.columns;
        let (mut lowest, mut highest) = (vec![f32::INFINITY; columns], vec![f32::NEG_INFINITY; columns]);
        for &row in &*order {
            let cells = &rows[row as usize * columns..][..columns];
            for ((low, high), &cell) in lowest.iter_mut().zip(&mut highest).zip(cells) {
                (*low, *high) = (if cell < *low { cell } else { *low }, if cell > *high { cell } else { *high });
            }
        }
        let square = order.iter().fold(0.0f32, |most, &row| most.max(squares[row as usize]));
        let widths = lowest.iter().zip(&highest).map(|(low, high)| high - low).enumerate();
        let (column, _) = widths.fold((0, 0.0), |widest, next| if next.1 > widest.1 { next } else { widest });
        self.boxes.extend(lowest);
        self.boxes.extend(highest);
        let node = self.nodes.len();
        self.nodes.push(Node { places: from..from + order.len(), square, split: None });
        if order.len() > LEAF {
            let left = (order.len() / 2).next_multiple_of(LEAF);
            let cell = |row: u32| rows[row as usize * columns + column];
            let (_, &mut first, _) =
                order.select_nth_unstable_by(left, |&a, &b| cell(a).total_cmp(&cell(b)).then(a.cmp(&b)));
            let value = cell(first);
            let (near, far) = order.split_at_mut(left);
            self.add(rows, squares, near, from);
            self.nodes[node].split = Some(Split { column, value, right: self.nodes.len() });
            self.add(rows, squares, far, from + left);
        }
    }

    /// A node.
    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// The lowest and the highest value of each column among the rows of a node.
    pub fn bounds(&self, node: usize) -> [&[f32]; 2] {
        [0, 1].map(|side| &self.boxes[(2 * node + side) * self.columns..][..self.columns])
    }

    /// The leaf that would hold a row, `[columns]`.
    pub fn leaf(&self, row: &[f32]) -> usize {
        let mut node = 0;
        while let Some(split) = self.nodes[node].split {
            node = if row[split.column] < split.value { node + 1 } else { split.right };
        }
        node
    }
}
