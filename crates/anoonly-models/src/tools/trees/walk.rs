//! The walk of many rows through trees.
//!
//! A step needs the node, then the row's cell, then the next node: each waits for the one before. Many walks take a few steps in turn, so
//! that their waits overlap.

use super::NODE;
use crate::RowBlock;

/// A node, ready for walks. A leaf leads to itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    threshold: f32,
    /// The index of the first child, counted from the root of the tree.
    child: u32,
    /// The column; and from bit [`PARENTS`] on, for the first and the second child, whether it has children itself.
    column_and_parents: u32,
    /// The value of a row that ends here.
    value: f32,
}

/// The first bit beyond any column.
const PARENTS: u32 = 30;

impl Step {
    /// The child that a row goes on to, and 1 if it has children itself, otherwise 0.
    #[inline(always)]
    fn next(self, cells: &[f32]) -> (u32, u32) {
        let column = self.column_and_parents & ((1 << PARENTS) - 1);
        let beyond = u32::from(cells[column as usize] > self.threshold);
        (self.child + beyond, self.column_and_parents >> (PARENTS + beyond) & 1)
    }
}

/// Trees, ready for walks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Walks {
    /// The nodes of all trees.
    steps: Vec<Step>,
    /// The index of each tree's root.
    roots: Vec<usize>,
}

/// Rows that walk through trees: `stride` cells each, the first `skipped` of them unseen by the trees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeRows<'a> {
    pub cells: &'a [f32],
    pub stride: usize,
    pub skipped: usize,
}

impl<'a> From<RowBlock<'a>> for TreeRows<'a> {
    fn from(rows: RowBlock<'a>) -> Self {
        Self { cells: rows.cells(), stride: rows.columns(), skipped: 0 }
    }
}

impl TreeRows<'_> {
    /// The number of rows.
    pub fn count(self) -> usize {
        self.cells.len() / self.stride
    }

    /// The first rows, and the others.
    pub(super) fn split(self, rows: usize) -> (Self, Self) {
        let (first, others) = self.cells.split_at(rows * self.stride);
        (Self { cells: first, ..self }, Self { cells: others, ..self })
    }
}

/// The number of rows that go through a tree together. They stay in the nearest cache with the tree.
const BLOCK: usize = 128;
/// The number of steps that a walk takes in its turn. More would be in vain for walks that end early.
const IN_TURN: usize = 2;
/// The number of trees that a row goes through at once, if there are few rows.
pub(super) const TOGETHER: usize = 16;

/// The walks of a block of rows through a tree, those that have not ended first.
pub(super) struct Block {
    /// The row of each walk.
    rows: [u32; BLOCK],
    /// The node that each walk has reached.
    at: [u32; BLOCK],
    /// The node that each row has reached.
    leaves: [u32; BLOCK],
}

impl Walks {
    /// Adds a tree, whose nodes are as in a [`Forest`](super::Forest): each child comes after its parent.
    pub fn push(&mut self, tree: &[f32]) {
        self.roots.push(self.steps.len());
        let child = |node: usize| tree[node * NODE + 2] as usize;
        let step = |node: usize| {
            let [column, threshold, first, value] = std::array::from_fn(|cell| tree[node * NODE + cell]);
            let first = first as usize;
            if first == 0 {
                return Step { threshold: f32::INFINITY, child: node as u32, column_and_parents: 0, value };
            }
            let parents = u32::from(child(first) > 0) | u32::from(child(first + 1) > 0) << 1;
            Step { threshold, child: first as u32, column_and_parents: column as u32 | parents << PARENTS, value }
        };
        self.steps.extend((0..tree.len() / NODE).map(step));
    }

    /// The value of a leaf, counted over the nodes of all trees.
    #[inline(always)]
    pub fn value(&self, leaf: usize) -> f32 {
        self.steps[leaf].value
    }

    /// Calls `visit` with the index of each tree, of each row and of its leaf in the tree, counted over the nodes of all trees; for each row
    /// in the order of the trees.
    pub fn each_leaf(&self, mut rows: TreeRows<'_>, mut visit: impl FnMut(usize, usize, usize)) {
        let (mut first, mut walks) = (0, Block::default());
        while rows.count() >= TOGETHER {
            let (block, others) = rows.split(rows.count().min(BLOCK));
            for tree in 0..self.roots.len() {
                self.leaves(tree, block, None, &mut walks, |row, leaf| visit(tree, first + row, leaf));
            }
            (first, rows) = (first + block.count(), others);
        }
        for (row, cells) in rows.cells.chunks_exact(rows.stride).enumerate() {
            let cells = &cells[rows.skipped..];
            let (together, others) = self.roots.as_chunks::<TOGETHER>();
            for (group, &roots) in together.iter().enumerate() {
                let leaves = self.through_trees(roots, cells).into_iter().enumerate();
                leaves.for_each(|(tree, leaf)| visit(group * TOGETHER + tree, first + row, leaf));
            }
            for (tree, &root) in others.iter().enumerate() {
                let [leaf] = self.through_trees([root], cells);
                visit(together.len() * TOGETHER + tree, first + row, leaf);
            }
        }
    }

    /// Calls `visit` with the index of each row and of its leaf in a tree, counted over the nodes of all trees. `starts` are the nodes that
    /// the rows have reached, counted from the root of the tree.
    pub fn leaves(
        &self,
        tree: usize,
        mut rows: TreeRows<'_>,
        starts: Option<&[f32]>,
        walks: &mut Block,
        mut visit: impl FnMut(usize, usize),
    ) {
        let root = self.roots[tree];
        let steps = &self.steps[root..self.roots.get(tree + 1).copied().unwrap_or(self.steps.len())];
        let mut first = 0;
        while rows.count() > 0 {
            let (block, others) = rows.split(rows.count().min(BLOCK));
            let leaves = walks.through_tree(steps, block, starts.map(|starts| &starts[first..]));
            leaves.iter().enumerate().for_each(|(row, &leaf)| visit(first + row, root + leaf as usize));
            (first, rows) = (first + block.count(), others);
        }
    }

    /// The leaves of a row in the trees with these roots.
    fn through_trees<const N: usize>(&self, roots: [usize; N], row: &[f32]) -> [usize; N] {
        let mut at = roots;
        loop {
            let mut moved = 0;
            for (root, at) in roots.into_iter().zip(&mut at) {
                let next = root + self.steps[*at].next(row).0 as usize;
                moved |= next ^ *at;
                *at = next;
            }
            if moved == 0 {
                return at;
            }
        }
    }
}

impl Block {
    /// The leaf of each row in a tree, counted from its root, as the nodes are from which the rows start.
    fn through_tree(&mut self, tree: &[Step], rows: TreeRows<'_>, starts: Option<&[f32]>) -> &[u32] {
        let count = rows.count();
        self.leaves[..count].fill(0);
        let mut left = if tree.len() > 1 { count } else { 0 };
        for place in 0..left {
            self.rows[place] = place as u32;
            self.at[place] = starts.map_or(0, |starts| starts[place] as u32);
        }
        while left > 0 {
            let mut others = 0;
            for place in 0..left.min(BLOCK) {
                let (row, mut at) = (self.rows[place], self.at[place]);
                let cells = &rows.cells[row as usize * rows.stride + rows.skipped..];
                let mut goes_on = 0;
                // A walk that ends on the way stays at its leaf.
                for _ in 0..IN_TURN {
                    (at, goes_on) = tree[at as usize].next(cells);
                }
                self.leaves[row as usize % BLOCK] = at;
                // Walks that have not ended move to the front. There is no branch that depends on the row.
                let to = others % BLOCK;
                (self.rows[to], self.at[to]) = (row, at);
                others += goes_on as usize;
            }
            left = others;
        }
        &self.leaves[..count]
    }
}

impl Default for Block {
    fn default() -> Self {
        Self { rows: [0; BLOCK], at: [0; BLOCK], leaves: [0; BLOCK] }
    }
}
