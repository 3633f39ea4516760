//! The values of many rows in small trees.
//!
//! A walk takes few steps, but each step waits for the one before. Here, every split of a tree is evaluated for a block of rows, from the
//! leaves to the root: a split takes the value of its first or of its second child, row by row. No step depends on where a row goes, so
//! that a vector holds as many rows as it has lanes. The values are those of a walk, bit by bit. Of a larger tree, the splits near the root
//! are evaluated in this way, and walks go on from there.

use std::collections::BinaryHeap;

use pulp::{Arch, Simd, WithSimd};

use super::{NODE, TreeRows};
use crate::kernels::panels::lanes;

/// The most splits of a small tree, for each lane of a vector. With more, a walk is faster.
const SPLITS: usize = 12;
/// The most splits of a larger tree that are evaluated before walks go on, for each lane of a vector.
const TOP: usize = 3;
/// The number of cells in a block of rows: they stay in the nearest cache with the values of some splits.
const CELLS: usize = 6144;
/// The fewest and the most rows of a block. More rows share the work that a split takes besides its rows.
const BLOCK: [usize; 2] = [64, 256];
/// The number of rows of a block is padded to a multiple of this number, of `f32` in a cache line. The widest vectors are as long.
const LINE: usize = 16;

/// Where the values of a child are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Child {
    /// All rows have this value.
    Leaf(f32),
    /// In a slot, which has one value for each row.
    Slot(usize),
}

/// A split of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Split {
    column: usize,
    /// A row with at most this value takes the value of the first child, any other row that of the second.
    threshold: f32,
    children: [Child; 2],
    /// The slot of the split's own values, which is not that of a child. If a vector were written to where it was read from, a compiler
    /// would write only the lanes that change, which is slow on some processors.
    slot: usize,
}

/// A small tree, or the top of a larger one, ready to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SmallTree {
    /// Whether this is a whole tree. The values of a top are indices of nodes, from which walks go on.
    pub whole: bool,
    /// Each split after those below it.
    splits: Vec<Split>,
    /// The number of slots.
    slots: usize,
    /// Where the values of the root are.
    root: Child,
}

impl SmallTree {
    /// A tree, whose nodes are as in a [`Forest`](super::Forest); `None` if walks alone are faster.
    pub fn new(tree: &[f32]) -> Option<Self> {
        let lanes = lanes();
        match tree.len() / NODE / 2 {
            _ if lanes == 1 => None,
            splits if splits <= SPLITS * lanes => Some(Self::of(tree, true)),
            _ => Some(Self::of(&top(tree, TOP * lanes), false)),
        }
    }

    fn of(tree: &[f32], whole: bool) -> Self {
        let nodes = tree.len() / NODE;
        let child = |node: usize| tree[node * NODE + 2] as usize;
        // The number of slots that the values of each node take at once.
        let mut needs = vec![0; nodes];
        for node in (0..nodes).rev().filter(|&node| child(node) > 0) {
            let [first, second] = [needs[child(node)], needs[child(node) + 1]];
            needs[node] = if first == second { first + 1 } else { first.max(second) };
        }
        let mut made = Self { whole, splits: Vec::with_capacity(nodes / 2), slots: 0, root: Child::Leaf(0.0) };
        made.root = made.add(tree, &needs, 0, &mut Vec::new());
        made
    }

    /// Adds the splits of a node and of those below it. `free` are the slots that are not in use.
    fn add(&mut self, tree: &[f32], needs: &[usize], node: usize, free: &mut Vec<usize>) -> Child {
        let [column, threshold, child, value] = std::array::from_fn(|cell| tree[node * NODE + cell]);
        let first = child as usize;
        if first == 0 {
            return Child::Leaf(value);
        }
        // The child that needs more slots comes first: fewer are kept meanwhile.
        let turned = usize::from(needs[first + 1] > needs[first]);
        let mut children = [0, 1].map(|place| self.add(tree, needs, first + (place ^ turned), free));
        children.rotate_left(turned);
        let slot = free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        for child in children {
            if let Child::Slot(slot) = child {
                free.push(slot);
            }
        }
        self.splits.push(Split { column: column as usize, threshold, children, slot });
        Child::Slot(slot)
    }
}

/// The tree of some splits from the root of a larger tree on, those with the most nodes below them. The value of a leaf is the index of the
/// larger tree's node, which an `f32` holds exactly.
fn top(tree: &[f32], splits: usize) -> Vec<f32> {
    let child = |node: usize| tree[node * NODE + 2] as usize;
    let mut below = vec![1; tree.len() / NODE];
    for node in (0..below.len()).rev().filter(|&node| child(node) > 0) {
        below[node] += below[child(node)] + below[child(node) + 1];
    }
    let leaf = |node: usize| [0.0, 0.0, 0.0, node as f32];
    let mut nodes = vec![leaf(0)];
    let mut leaves = BinaryHeap::from([(below[0], 0)]);
    for _ in 0..splits {
        let Some((_, place)) = leaves.pop() else { break };
        let node = nodes[place][3] as usize;
        if child(node) > 0 {
            nodes[place] = [tree[node * NODE], tree[node * NODE + 1], nodes.len() as f32, 0.0];
            for child in [child(node), child(node) + 1] {
                leaves.push((below[child], nodes.len()));
                nodes.push(leaf(child));
            }
        }
    }
    nodes.concat()
}

/// A block of rows, column by column, and the slots of a tree.
#[derive(Default)]
pub(super) struct SmallBlock {
    /// `[columns, stride]`.
    cells: AlignedCells,
    /// `[slots, stride]`.
    slots: AlignedCells,
    /// The number of rows, padded.
    stride: usize,
}

impl SmallBlock {
    /// The number of rows of a block, given the number of columns.
    pub fn rows(columns: usize) -> usize {
        let [least, most] = BLOCK;
        (CELLS / columns.max(1)).clamp(least, most) / LINE * LINE
    }

    /// Takes the cells of rows.
    pub fn read(&mut self, rows: TreeRows<'_>) {
        let stride = rows.count().next_multiple_of(LINE);
        self.stride = stride;
        let cells = self.cells.of(stride * (rows.stride - rows.skipped));
        for (place, row) in rows.cells.chunks_exact(rows.stride).enumerate() {
            cells[place..].iter_mut().step_by(stride).zip(&row[rows.skipped..]).for_each(|(to, &cell)| *to = cell);
        }
    }

    /// The value of each row in a tree; there are more values than rows.
    pub fn values(&mut self, tree: &SmallTree) -> &[f32] {
        let stride = self.stride;
        let slots = self.slots.of(stride * tree.slots.max(1));
        match tree.root {
            Child::Leaf(value) => {
                slots[..stride].fill(value);
                &slots[..stride]
            }
            Child::Slot(slot) => {
                let cells = self.cells.current();
                Arch::new().dispatch(Evaluate { tree, cells, stride, slots });
                &slots[slot * stride..][..stride]
            }
        }
    }
}

/// Cells that begin with a cache line, so that no vector lies in two of them.
#[derive(Default)]
struct AlignedCells {
    cells: Vec<f32>,
    count: usize,
}

impl AlignedCells {
    /// This number of cells, whose values are those of an earlier use.
    fn of(&mut self, count: usize) -> &mut [f32] {
        self.count = count;
        if self.cells.len() < count + LINE {
            self.cells.resize(count + LINE, 0.0);
        }
        let start = self.start();
        &mut self.cells[start..][..count]
    }

    /// The cells of the last call of [`of`](Self::of).
    fn current(&self) -> &[f32] {
        &self.cells[self.start()..][..self.count]
    }

    fn start(&self) -> usize {
        self.cells.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
    }
}

/// Evaluates the splits of a tree.
struct Evaluate<'a> {
    tree: &'a SmallTree,
    /// `[columns, stride]`.
    cells: &'a [f32],
    stride: usize,
    /// `[slots, stride]`.
    slots: &'a mut [f32],
}

impl WithSimd for Evaluate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.stride / S::F32_LANES;
        let (cells, _) = S::as_simd_f32s(self.cells);
        let (slots, _) = S::as_mut_simd_f32s(self.slots);
        let at = |slot: usize| slot * vectors..(slot + 1) * vectors;
        for &Split { column, threshold, children, slot } in &self.tree.splits {
            let (cells, threshold) = (&cells[at(column)], simd.splat_f32s(threshold));
            let choose = |cell, first, second| simd.select_f32s(simd.less_than_f32s(threshold, cell), second, first);
            let disjoint = "the slot of a split is none of its children's";
            match children {
                [Child::Leaf(first), Child::Leaf(second)] => {
                    let [first, second] = [first, second].map(|value| simd.splat_f32s(value));
                    let to = slots[at(slot)].iter_mut().zip(cells);
                    to.for_each(|(to, &cell)| *to = choose(cell, first, second));
                }
                [Child::Leaf(first), Child::Slot(second)] => {
                    let first = simd.splat_f32s(first);
                    let [to, second] = slots.get_disjoint_mut([at(slot), at(second)]).expect(disjoint);
                    let to = to.iter_mut().zip(cells).zip(&*second);
                    to.for_each(|((to, &cell), &second)| *to = choose(cell, first, second));
                }
                [Child::Slot(first), Child::Leaf(second)] => {
                    let second = simd.splat_f32s(second);
                    let [to, first] = slots.get_disjoint_mut([at(slot), at(first)]).expect(disjoint);
                    let to = to.iter_mut().zip(cells).zip(&*first);
                    to.for_each(|((to, &cell), &first)| *to = choose(cell, first, second));
                }
                [Child::Slot(first), Child::Slot(second)] => {
                    let places = [at(slot), at(first), at(second)];
                    let [to, first, second] = slots.get_disjoint_mut(places).expect(disjoint);
                    let to = to.iter_mut().zip(cells).zip(&*first).zip(&*second);
                    to.for_each(|(((to, &cell), &first), &second)| *to = choose(cell, first, second));
                }
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use anoonly_core::Seed;
    use rand::{Rng, RngExt};

    use super::*;
    use crate::tools::trees::{BLOCKS, Forest, NEAR, leaf_value};

    /// A tree with this number of splits of `columns` columns, each at a random leaf; `deep` ones at the last leaf.
    fn tree(splits: usize, columns: usize, deep: bool, rng: &mut impl Rng) -> Vec<f32> {
        let leaf = |rng: &mut dyn Rng| [0.0, 0.0, 0.0, rng.random_range(0.0..1.0f32)];
        let mut nodes = vec![leaf(rng)];
        for _ in 0..splits {
            let (next, leaves) = (nodes.len(), nodes.iter().enumerate().filter(|(_, node)| node[2] == 0.0));
            let leaves: Vec<usize> = leaves.map(|(place, _)| place).collect();
            let place = if deep { leaves[leaves.len() - 1] } else { leaves[rng.random_range(0..leaves.len())] };
            nodes[place] = [rng.random_range(0..columns) as f32, rng.random_range(0..8) as f32 / 8.0, next as f32, 7.0];
            nodes.extend([leaf(rng), leaf(rng)]);
        }
        nodes.concat()
    }

    /// Trees that are evaluated whole, of any shape, beside trees with walks below their top; cells that are equal to thresholds; numbers of
    /// rows that fill no block or several; rows with cells that the trees do not see.
    #[test]
    fn values_are_those_of_walks() {
        let mut rng = Seed(1).stream(&["small trees"]);
        let most = SPLITS * lanes();
        for (columns, skipped) in [(1, 0), (3, 0), (20, 2), (150, 0)] {
            let mut forest = Forest::default();
            let sizes = [0, 1, 2, 5, 30, 47, 64, most, most + 1, 400];
            let mut trees: Vec<Vec<f32>> = sizes.map(|splits| tree(splits, columns, false, &mut rng)).to_vec();
            trees.extend((0..10).map(|splits| tree(splits * 4, columns, true, &mut rng)));
            trees.iter().for_each(|tree| forest.push(tree));
            let wholes: Vec<bool> = forest.small.iter().flatten().map(|small| small.whole).collect();
            assert!(lanes() == 1 || wholes.len() == trees.len() && wholes.contains(&true) && wholes.contains(&false));
            let stride = columns + skipped;
            for count in [1, 15, 16, 17, 63, 64, 100, 256, 700] {
                let cells: Vec<f32> = (0..count * stride).map(|_| rng.random_range(0..16) as f32 / 16.0).collect();
                let expected = cells
                    .chunks_exact(stride)
                    .map(|row| trees.iter().map(|tree| f64::from(leaf_value(tree, &row[skipped..]))).sum::<f64>());
                let rows = TreeRows { cells: &cells, stride, skipped };
                assert_eq!(forest.sums(rows), expected.collect::<Vec<_>>(), "{count} rows of {columns} columns");
            }
        }
    }

    /// A forest that no cache holds, so that several blocks of rows go through a tree before the next one: more rows than go together, with a
    /// last block that is not full, and rows that fill none.
    #[test]
    fn rows_go_through_a_large_forest_in_their_order() {
        let mut rng = Seed(2).stream(&["large forest"]);
        let (columns, trees) = (150, 90);
        let trees: Vec<Vec<f32>> = (0..trees).map(|_| tree(400, columns, false, &mut rng)).collect();
        let mut forest = Forest::default();
        trees.iter().for_each(|tree| forest.push(tree));
        assert!(forest.nodes().len() > NEAR);
        let together = BLOCKS * SmallBlock::rows(columns);
        for count in [together + 7, 2 * together + SmallBlock::rows(columns) + 20] {
            let cells: Vec<f32> = (0..count * columns).map(|_| rng.random_range(0..16) as f32 / 16.0).collect();
            let mut found: Vec<Vec<f32>> = vec![Vec::new(); trees.len()];
            let mut trees_of_row = vec![0; count];
            forest.each_values(TreeRows { cells: &cells, stride: columns, skipped: 0 }, |tree, first, values| {
                assert_eq!(found[tree].len(), first, "the rows of each tree come in their order");
                found[tree].extend(values);
                for next in &mut trees_of_row[first..first + values.len()] {
                    assert_eq!(*next, tree, "the trees of each row come in their order");
                    *next += 1;
                }
            });
            for (tree, found) in trees.iter().zip(found) {
                let expected: Vec<f32> = cells.chunks_exact(columns).map(|row| leaf_value(tree, row)).collect();
                assert_eq!(found, expected);
            }
        }
    }
}
