//! Trees of splits as plain values: their layout, saving and evaluation, whatever grew them.

mod best;
mod classes;
pub(crate) mod isolation;
mod random;
mod small;
mod walk;

use std::ops::RangeInclusive;

pub(crate) use self::classes::{Classes, Kind, Splits, TreeGrower};
use self::small::{SmallBlock, SmallTree};
pub(crate) use self::walk::TreeRows;
use self::walk::{Block, TOGETHER, Walks};
use crate::graph::{GeneralStep, Graph, TreeNodes, Value};
use crate::{RowBlock, SavedTensors};

/// The values of a node:
/// 0. the column that it compares;
/// 1. the threshold: a row with at most this value goes to the first child, any other row to the second;
/// 2. the index of the first child, or 0 at a leaf; the second child follows the first;
/// 3. the value of a row that ends here.
///
/// Indices count from the root of the node's tree, so that an `f32` holds them exactly, up to 2^24.
pub(crate) const NODE: usize = 4;
/// The largest number of rows that a tree can be grown from.
pub(crate) const MOST_ROWS: usize = 1 << 23;

/// Trees, one after the other. The children of a node stand side by side, behind the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Forest {
    /// The nodes of all trees, `[nodes, 4]`. What follows is made from them, so they do not change.
    nodes: Vec<f32>,
    /// The number of nodes in each tree, `[trees]`.
    pub sizes: Vec<f32>,
    /// The same trees, ready for walks.
    walks: Walks,
    /// The same trees, whole or their tops, ready to be evaluated; `None` for one that rows only walk through.
    small: Vec<Option<SmallTree>>,
}

/// The most columns for each tree of a forest whose trees or tops are evaluated. That reads all cells of a row, a walk only some.
const MOST_COLUMNS: usize = 8;
/// The most cells in `nodes` of a forest that stays in the second-level cache.
const NEAR: usize = 1 << 17;
/// In a larger forest, the most blocks of rows that go through a tree before the next tree is read.
const BLOCKS: usize = 16;

impl Forest {
    /// Adds a tree with these nodes.
    pub fn push(&mut self, tree: &[f32]) {
        self.sizes.push((tree.len() / NODE) as f32);
        self.nodes.extend(tree);
        self.walks.push(tree);
        self.small.push(SmallTree::new(tree));
    }

    /// The sum of each row's values in all trees. A row's sum does not depend on the other rows.
    pub fn sums(&self, rows: TreeRows<'_>) -> Vec<f64> {
        let mut sums = vec![0.0; rows.count()];
        self.each_values(rows, |_, first, values| {
            sums[first..].iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value));
        });
        sums
    }

    /// The nodes of all trees, `[nodes, 4]`.
    pub fn nodes(&self) -> &[f32] {
        &self.nodes
    }

    /// The same trees with another value of each node, in the order of the nodes.
    pub fn with_values(&self, values: impl IntoIterator<Item = f32>) -> Self {
        let mut nodes = self.nodes.clone();
        nodes.chunks_exact_mut(NODE).zip(values).for_each(|(node, value)| node[3] = value);
        let (mut made, mut rest) = (Self::default(), &nodes[..]);
        for &size in &self.sizes {
            let (tree, others) = rest.split_at(size as usize * NODE);
            made.push(tree);
            rest = others;
        }
        made
    }

    /// Calls `visit` with the index of a tree, that of a row and the values of consecutive rows from it on. The rows of each tree come in
    /// their order, and so do the trees of each row.
    pub fn each_values(&self, mut rows: TreeRows<'_>, mut visit: impl FnMut(usize, usize, &[f32])) {
        let (mut first, width) = (0, rows.stride - rows.skipped);
        let value = |leaf: usize| self.walks.value(leaf);
        if width <= MOST_COLUMNS * self.small.iter().flatten().count() {
            let most = if self.nodes.len() > NEAR { BLOCKS } else { 1 };
            let mut small: Vec<SmallBlock> = (0..most).map(|_| SmallBlock::default()).collect();
            let (mut walks, mut walked) = (Block::default(), Vec::new());
            while rows.count() >= TOGETHER {
                let mut blocks = Vec::with_capacity(most);
                for small in &mut small {
                    if rows.count() >= TOGETHER {
                        let (block, others) = rows.split(rows.count().min(SmallBlock::rows(width)));
                        small.read(block);
                        blocks.push((first, block));
                        (first, rows) = (first + block.count(), others);
                    }
                }
                for (place, tree) in self.small.iter().enumerate() {
                    for (small, &(first, block)) in small.iter_mut().zip(&blocks) {
                        let count = block.count();
                        let values = tree.as_ref().map(|tree| (tree.whole, &small.values(tree)[..count]));
                        let starts = match values {
                            Some((true, values)) => {
                                visit(place, first, values);
                                continue;
                            }
                            Some((false, starts)) => Some(starts),
                            None => None,
                        };
                        walked.resize(count, 0.0);
                        self.walks.leaves(place, block, starts, &mut walks, |row, leaf| walked[row] = value(leaf));
                        visit(place, first, &walked);
                    }
                }
            }
        }
        self.walks.each_leaf(rows, |tree, row, leaf| visit(tree, first + row, &[value(leaf)]));
    }

    /// The mean of each row's values over the trees; 0 without trees.
    pub fn means(&self, rows: TreeRows<'_>) -> Vec<f64> {
        let count = self.sizes.len().max(1) as f64;
        self.sums(rows).into_iter().map(|sum| sum / count).collect()
    }

    /// The means as scores.
    pub fn scores(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.means(rows.into()).into_iter().map(|mean| mean as f32).collect()
    }

    /// The sum of one row's values.
    #[cfg(test)]
    pub fn sum(&self, row: &[f32]) -> f64 {
        self.sums(RowBlock::new(row, row.len()).into())[0]
    }

    /// The mean of one row's values.
    #[cfg(test)]
    pub fn mean(&self, row: &[f32]) -> f64 {
        self.means(RowBlock::new(row, row.len()).into())[0]
    }

    /// The indices of the leaves in which rows end, `[rows, trees]`. Indices count over the nodes of all trees.
    pub fn leaves(&self, rows: TreeRows<'_>) -> Vec<u32> {
        let trees = self.sizes.len();
        let mut leaves = vec![0; rows.count() * trees];
        self.walks.each_leaf(rows, |tree, row, leaf| leaves[row * trees + tree] = leaf as u32);
        leaves
    }

    /// Adds the value of each tree to a graph, `[rows, trees]`, with 64-bit elements; zeros, `[rows, 1]`, without trees.
    pub fn describe(&self, graph: &mut Graph, of: Value) -> Value {
        if self.sizes.is_empty() {
            let first = graph.select(of, [0]);
            return graph.affine(first, 0.0, 0.0);
        }
        let nodes = self.nodes.chunks_exact(NODE).map(|node| std::array::from_fn(|value| node[value])).collect();
        let trees = TreeNodes { nodes, sizes: self.sizes.iter().map(|&size| size as usize).collect() };
        let values = graph.general(GeneralStep::Trees { of, trees });
        graph.widen(values)
    }

    /// Adds [`sum`](Self::sum) to a graph, with 64-bit elements.
    pub fn describe_sum(&self, graph: &mut Graph, of: Value) -> Value {
        let values = self.describe(graph, of);
        graph.sum(values)
    }

    /// Adds [`mean`](Self::mean) to a graph, with 64-bit elements.
    pub fn describe_mean(&self, graph: &mut Graph, of: Value) -> Value {
        let sum = self.describe_sum(graph, of);
        graph.affine(sum, 1.0 / self.sizes.len().max(1) as f64, 0.0)
    }

    /// The nodes of all trees, `nodes` `[nodes, 4]`, and the number of nodes in each tree, `sizes` `[trees]`.
    pub fn save(&self) -> SavedTensors {
        SavedTensors::default().with("nodes", &[self.nodes.len() / NODE, NODE], self.nodes.clone()).with(
            "sizes",
            &[self.sizes.len()],
            self.sizes.clone(),
        )
    }

    /// The forest that [`save`](Self::save) saved, for rows with `columns` columns. `trees` is the possible number of trees.
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong shape, or there are others; or when the nodes are no trees: a size or an index
    /// is no whole number or out of range, a child does not come after its parent, or a node is the child of none or of several.
    pub fn restore(columns: usize, trees: RangeInclusive<usize>, saved: &mut SavedTensors) -> Result<Self, String> {
        let (nodes, sizes) = (saved.take_rows("nodes", NODE)?, saved.take_list("sizes")?);
        if let Some(path) = saved.left() {
            return Err(format!("a forest has no tensor `{path}`"));
        }
        if !trees.contains(&sizes.len()) {
            return Err(format!("a forest has {} trees, needs {} to {}", sizes.len(), trees.start(), trees.end()));
        }
        let (mut walks, mut small, mut rest) = (Walks::default(), Vec::new(), &nodes[..]);
        for (tree, &size) in sizes.iter().enumerate() {
            let cells = index(size).and_then(|size| size.checked_mul(NODE));
            let own = cells.filter(|cells| *cells > 0).and_then(|cells| rest.split_at_checked(cells));
            let (own, others) = own.ok_or_else(|| format!("tree {tree} cannot have {size} nodes"))?;
            check_tree(own, columns).map_err(|reason| format!("tree {tree}, {reason}"))?;
            walks.push(own);
            small.push(SmallTree::new(own));
            rest = others;
        }
        match rest.is_empty() {
            true => Ok(Self { nodes, sizes, walks, small }),
            false => Err(format!("{} nodes belong to no tree", rest.len() / NODE)),
        }
    }
}

/// The index that a value of a node or a size stands for; `None` if it is no whole number up to 2^24.
fn index(value: f32) -> Option<usize> {
    ((0.0..=MOST_NODES).contains(&value) && value.fract() == 0.0).then_some(value as usize)
}

/// Checks the nodes of a tree.
fn check_tree(tree: &[f32], columns: usize) -> Result<(), String> {
    let count = tree.len() / NODE;
    // Whether each node has a parent. The root needs none.
    let mut reached = vec![false; count];
    for (place, node) in tree.chunks_exact(NODE).enumerate() {
        if place > 0 && !reached[place] {
            return Err(format!("node {place}: no node leads to it"));
        }
        let [column, _, child, _] = [node[0], node[1], node[2], node[3]];
        if child == 0.0 {
            continue;
        }
        let children = index(child).filter(|child| *child > place && *child < count - 1);
        let children = children.ok_or_else(|| format!("node {place}: {child} is not the index of its first child"))?;
        if index(column).is_none_or(|column| column >= columns) {
            return Err(format!("node {place}: there is no column {column}"));
        }
        for child in [children, children + 1] {
            if std::mem::replace(&mut reached[child], true) {
                return Err(format!("node {child}: several nodes lead to it"));
            }
        }
    }
    Ok(())
}

/// The largest number of nodes in a tree: an `f32` holds all whole numbers up to it.
const MOST_NODES: f32 = (1 << 24) as f32;

/// The value of a row in one tree.
#[cfg(test)]
pub(crate) fn leaf_value(tree: &[f32], row: &[f32]) -> f32 {
    let mut at = 0;
    loop {
        let node = &tree[at * NODE..][..NODE];
        match node[2] as usize {
            0 => return node[3],
            child => at = child + usize::from(row[node[0] as usize] > node[1]),
        }
    }
}

/// A threshold in the middle between two values; `low` is at most the threshold, `high` is above it.
pub(crate) fn between(low: f32, high: f32) -> f32 {
    let middle = low / 2.0 + high / 2.0;
    // There is no value between two neighbouring floats.
    if low <= middle && middle < high { middle } else { low }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    /// A split at 0.5 of column 1, whose first child splits at 0.25 of column 0.
    const TREE: [f32; 5 * NODE] =
        [1.0, 0.5, 1.0, 9.0, 0.0, 0.25, 3.0, 9.0, 0.0, 0.0, 0.0, 30.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 20.0];

    #[test]
    fn a_row_up_to_the_threshold_goes_to_the_first_child() {
        for (row, expected) in [([0.25, 0.5], 10.0), ([0.26, 0.5], 20.0), ([0.0, 0.51], 30.0)] {
            assert_eq!(leaf_value(&TREE, &row), expected);
        }
    }

    #[test]
    fn indices_count_from_the_root_of_each_tree() {
        let mut forest = Forest::default();
        [&[0.0, 0.0, 0.0, 1.0][..], &TREE].into_iter().for_each(|tree| forest.push(tree));
        assert_eq!((forest.sizes.clone(), forest.sum(&[0.0, 0.0])), (vec![1.0, 5.0], 11.0));
        assert_eq!((forest.mean(&[0.0, 0.0]), Forest::default().mean(&[0.0])), (5.5, 0.0));
    }

    #[test]
    fn a_saved_forest_is_restored_and_other_tensors_are_refused() {
        let mut forest = Forest::default();
        forest.push(&TREE);
        let saved = forest.save();
        assert_eq!((saved.entries("nodes"), saved.entries("sizes")), (5, 1));
        assert_eq!(Forest::restore(2, 1..=1, &mut saved.clone()).unwrap(), forest);
        let other =
            |saved: SavedTensors| Forest::restore(2, 1..=1, &mut saved.with("rows", &[1], vec![0.0])).unwrap_err();
        assert_eq!(other(saved.clone()), "a forest has no tensor `rows`");
        let mut narrow = SavedTensors::default().with("nodes", &[2, 2], vec![0.0; 4]).with("sizes", &[1], vec![1.0]);
        assert!(Forest::restore(2, 1..=1, &mut narrow).unwrap_err().contains("[2, 2]"));
        assert_eq!(Forest::restore(2, 2..=3, &mut saved.clone()).unwrap_err(), "a forest has 1 trees, needs 2 to 3");
    }

    /// Every node of a restored forest is reached from its root by one way, and no walk can loop or leave its tree.
    #[test]
    fn nodes_that_are_no_trees_are_refused() {
        let refused = |nodes: &[f32], sizes: &[f32]| {
            let saved = SavedTensors::default().with("nodes", &[nodes.len() / NODE, NODE], nodes.to_vec());
            Forest::restore(2, 1..=9, &mut saved.with("sizes", &[sizes.len()], sizes.to_vec())).unwrap_err()
        };
        let changed = |place: usize, value: f32| {
            let mut nodes = TREE;
            nodes[place] = value;
            refused(&nodes, &[5.0])
        };
        // The first child of the root, and of the node at 1.
        for child in [-1.0, 0.5, 4.0, 5.0, 1e19, f32::MAX, f32::INFINITY, f32::NAN] {
            assert!(changed(2, child).contains("is not the index of its first child"), "{child}");
        }
        for child in [1.0, 0.25] {
            assert!(changed(NODE + 2, child).contains("node 1: "), "{child}");
        }
        assert_eq!(changed(NODE + 2, 0.0), "tree 0, node 3: no node leads to it");
        assert_eq!(changed(NODE + 2, 2.0), "tree 0, node 2: several nodes lead to it");
        for column in [2.0, -1.0, 0.5, 1e30, f32::NAN] {
            assert!(changed(0, column).contains("node 0: there is no column"), "{column}");
        }
        for size in [0.0, -1.0, 6.0, 4.5, f32::INFINITY, f32::NAN] {
            assert!(refused(&TREE, &[size]).starts_with("tree 0 cannot have"), "{size}");
        }
        let leaves = [0.0; 2 * NODE];
        assert_eq!(refused(&leaves, &[1.0]), "1 nodes belong to no tree");
        assert_eq!(refused(&leaves, &[2.0]), "tree 0, node 1: no node leads to it");
    }
}
