//! Trees of splits as plain values: how they are kept, saved and walked, whatever grew them.

mod classes;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

pub(crate) use self::classes::{Classes, Splits};
use crate::Shapes;
use crate::layers::host::{cells, parameter};

/// Values of a node: the column it asks for; the threshold, up to which a row goes to the first child; the place of this child,
/// after which the other one stands, or 0; and what a row is worth that ends here.
///
/// Places count from the root of the node's tree, so that values of type f32 hold them: up to 2^24.
pub(crate) const NODE: usize = 4;
/// Rows that a tree can be grown from.
pub(crate) const MOST_ROWS: usize = 1 << 23;

/// Trees, one after the other. Both children of a node stand side by side, behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Forest {
    /// The nodes of all trees, [`NODE`] values each.
    pub nodes: Vec<f32>,
    /// The nodes in each tree.
    pub sizes: Vec<f32>,
}

impl Forest {
    /// Adds a tree of these nodes.
    pub fn push(&mut self, tree: &[f32]) {
        self.sizes.push((tree.len() / NODE) as f32);
        self.nodes.extend(tree);
    }

    /// The sum of what a row is worth at its ends in all trees. Nodes that point backwards or outside of their tree, as in a file
    /// that was tampered with, are taken for ends.
    pub fn sum(&self, row: &[f32]) -> f64 {
        let (mut rest, mut sum) = (&self.nodes[..], 0.0);
        for &size in &self.sizes {
            let (tree, others) = rest.split_at((size as usize).saturating_mul(NODE).min(rest.len()));
            sum += f64::from(worth(tree, row));
            rest = others;
        }
        sum
    }

    /// The mean of the same over the trees.
    pub fn mean(&self, row: &[f32]) -> f64 {
        self.sum(row) / self.sizes.len().max(1) as f64
    }
}

/// What a row is worth in one tree.
pub(crate) fn worth(tree: &[f32], row: &[f32]) -> f32 {
    let node = |place: usize| tree.get(place.checked_mul(NODE)?..)?.first_chunk::<NODE>();
    let (mut place, Some(mut at)) = (0, node(0)) else { return 0.0 };
    loop {
        let [column, threshold, child, worth] = *at;
        let Some(&cell) = row.get(column as usize) else { return worth };
        let next = child as usize + usize::from(cell > threshold);
        match node(next) {
            Some(next_node) if child as usize > place => (place, at) = (next, next_node),
            _ => return worth,
        }
    }
}

/// A threshold in the middle between two values, the lower of which is on its side.
pub(crate) fn between(low: f32, high: f32) -> f32 {
    let middle = low / 2.0 + high / 2.0;
    // Two values next to each other have none between.
    if low <= middle && middle < high { middle } else { low }
}

/// A forest as part of a network: the nodes of all trees, `[nodes, 4]`, and the number of each tree's, `[trees]`.
#[derive(Module, Debug)]
pub struct SavedForest<B: Backend> {
    nodes: Param<Tensor<B, 2>>,
    sizes: Param<Tensor<B, 1>>,
}

/// The number of values in a forest, given the shapes of this part of a network.
pub(crate) fn weights(saved: &Shapes) -> usize {
    saved.entries("nodes").saturating_mul(NODE).saturating_add(saved.entries("sizes"))
}

impl<B: Backend> SavedForest<B> {
    /// Of a forest.
    pub(crate) fn new(forest: Forest, device: &B::Device) -> Self {
        let (nodes, trees) = (forest.nodes.len() / NODE, forest.sizes.len());
        Self { nodes: parameter(forest.nodes, [nodes, NODE], device), sizes: parameter(forest.sizes, [trees], device) }
    }

    /// One of the shape that was saved, whose values are still to be replaced.
    pub(crate) fn blank(saved: &Shapes, device: &B::Device) -> Self {
        let nodes = vec![0.0; saved.entries("nodes") * NODE];
        Self::new(Forest { nodes, sizes: vec![0.0; saved.entries("sizes")] }, device)
    }

    /// The forest.
    pub(crate) fn read(&self) -> Forest {
        Forest { nodes: cells(self.nodes.val()), sizes: cells(self.sizes.val()) }
    }
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
            assert_eq!(worth(&TREE, &row), expected);
        }
    }

    #[test]
    fn each_tree_counts_its_places_from_its_own_root() {
        let mut forest = Forest::default();
        [&[0.0, 0.0, 0.0, 1.0][..], &TREE].into_iter().for_each(|tree| forest.push(tree));
        assert_eq!((forest.sizes.clone(), forest.sum(&[0.0, 0.0])), (vec![1.0, 5.0], 11.0));
        assert_eq!((forest.mean(&[0.0, 0.0]), Forest::default().mean(&[0.0])), (5.5, 0.0));
    }

    #[test]
    fn damaged_nodes_end_a_walk() {
        let backwards = [0.0, 0.5, 1.0, 0.25, 0.0, 0.5, 1.0, 0.75];
        assert_eq!(worth(&backwards, &[0.1]), 0.75);
        assert_eq!(worth(&[9.0, 0.5, 1.0, 0.25], &[0.1]), 0.25);
        assert_eq!(worth(&[0.0, 0.5, 1e9, 1.0], &[0.1]), 1.0);
        let damaged = Forest { nodes: vec![0.0, 0.5, f32::NAN, 1.0], sizes: vec![f32::NAN, -1.0, 7.0] };
        assert_eq!(damaged.sum(&[0.1]), 1.0);
    }
}
