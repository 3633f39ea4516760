//! Trees of splits as plain values: their layout, saving and evaluation, whatever grew them.

mod classes;

pub(crate) use self::classes::{Classes, Splits};
use crate::SavedTensors;

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
    /// The nodes of all trees, `[nodes, 4]`.
    pub nodes: Vec<f32>,
    /// The number of nodes in each tree, `[trees]`.
    pub sizes: Vec<f32>,
}

impl Forest {
    /// Adds a tree with these nodes.
    pub fn push(&mut self, tree: &[f32]) {
        self.sizes.push((tree.len() / NODE) as f32);
        self.nodes.extend(tree);
    }

    /// The sum of a row's values in all trees. A node that points backwards or outside its tree, as in a file that was tampered
    /// with, counts as a leaf.
    pub fn sum(&self, row: &[f32]) -> f64 {
        let (mut rest, mut sum) = (&self.nodes[..], 0.0);
        for &size in &self.sizes {
            let (tree, others) = rest.split_at((size as usize).saturating_mul(NODE).min(rest.len()));
            sum += f64::from(leaf_value(tree, row));
            rest = others;
        }
        sum
    }

    /// The mean of a row's values over the trees; 0 without trees.
    pub fn mean(&self, row: &[f32]) -> f64 {
        self.sum(row) / self.sizes.len().max(1) as f64
    }

    /// The nodes of all trees, `nodes` `[nodes, 4]`, and the number of nodes in each tree, `sizes` `[trees]`.
    pub fn save(&self) -> SavedTensors {
        SavedTensors::default().with("nodes", &[self.nodes.len() / NODE, NODE], self.nodes.clone()).with(
            "sizes",
            &[self.sizes.len()],
            self.sizes.clone(),
        )
    }

    /// A forest from the tensors of [`save`](Self::save), with any values: [`sum`](Self::sum) copes with all of them.
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong shape, or there are others.
    pub fn restore(saved: &mut SavedTensors) -> Result<Self, String> {
        let forest = Self { nodes: saved.take_rows("nodes", NODE)?, sizes: saved.take_list("sizes")? };
        match saved.left() {
            None => Ok(forest),
            Some(path) => Err(format!("a forest has no tensor `{path}`")),
        }
    }
}

/// The value of a row in one tree.
pub(crate) fn leaf_value(tree: &[f32], row: &[f32]) -> f32 {
    let node = |index: usize| tree.get(index.checked_mul(NODE)?..)?.first_chunk::<NODE>();
    let (mut index, Some(mut at)) = (0, node(0)) else { return 0.0 };
    loop {
        let [column, threshold, child, value] = *at;
        let Some(&cell) = row.get(column as usize) else { return value };
        let next = (child as usize).saturating_add(usize::from(cell > threshold));
        match node(next) {
            Some(next_node) if child as usize > index => (index, at) = (next, next_node),
            _ => return value,
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
    fn damaged_nodes_end_a_walk() {
        let backwards = [0.0, 0.5, 1.0, 0.25, 0.0, 0.5, 1.0, 0.75];
        assert_eq!(leaf_value(&backwards, &[0.1]), 0.75);
        assert_eq!(leaf_value(&[9.0, 0.5, 1.0, 0.25], &[0.1]), 0.25);
        for outside in [1e9, f32::INFINITY] {
            assert_eq!(leaf_value(&[0.0, 0.5, outside, 1.0], &[0.9]), 1.0);
        }
        let damaged = Forest { nodes: vec![0.0, 0.5, f32::NAN, 1.0], sizes: vec![f32::NAN, -1.0, 7.0] };
        assert_eq!(damaged.sum(&[0.1]), 1.0);
    }

    #[test]
    fn a_saved_forest_is_restored_and_other_tensors_are_refused() {
        let mut forest = Forest::default();
        forest.push(&TREE);
        let saved = forest.save();
        assert_eq!((saved.entries("nodes"), saved.entries("sizes")), (5, 1));
        assert_eq!(Forest::restore(&mut saved.clone()).unwrap(), forest);
        let other = |saved: SavedTensors| Forest::restore(&mut saved.with("rows", &[1], vec![0.0])).unwrap_err();
        assert_eq!(other(saved), "a forest has no tensor `rows`");
        let mut narrow = SavedTensors::default().with("nodes", &[2, 2], vec![0.0; 4]).with("sizes", &[1], vec![1.0]);
        assert!(Forest::restore(&mut narrow).unwrap_err().contains("[2, 2]"));
    }
}
