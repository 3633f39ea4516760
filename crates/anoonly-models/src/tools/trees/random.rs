//! Growth of trees, with one random threshold for each column or with the best ones.
//!
//! The rows of a node are kept apart by their kind. What a split needs, the ends of a column and the number of rows of each kind up to a
//! threshold, are then plain passes over the cells of the column, which are gathered once.

use rand::{Rng, RngExt};

use super::best::{Best, SideWeights};
use super::classes::{TreeGrower, candidates, impurity};
use super::{Kind, NODE, Splits};
use crate::tools::histogram::ends;

/// What a tree's growth works with.
struct Workspace {
    /// All columns, in ascending order between two splits.
    order: Vec<usize>,
    /// The cells of a node's rows in one column, kind after kind.
    cells: Vec<f32>,
    /// The rows beyond a threshold.
    beyond: Vec<u32>,
    /// The columns that were exchanged for a split.
    swapped: Vec<usize>,
    /// The weights of numbers of rows, for the best thresholds.
    sides: SideWeights,
}

impl<R: Rng> TreeGrower<'_, R> {
    /// The nodes of a tree grown from the rows at these indices, whose order changes.
    pub fn tree(&mut self, rows: &mut [u32]) -> Vec<f32> {
        let (mut tree, count) = (vec![0.0; NODE], rows.len());
        let kind = |row: u32| self.kinds[row as usize];
        rows.sort_by_key(|&row| kind(row) as usize);
        let [first, second] = [Kind::Unlabelled, Kind::Normal]
            .map(|last| rows.partition_point(|&row| kind(row) as usize <= last as usize));
        let (usual, anomalies) = rows.split_at_mut(second);
        let (unlabelled, normals) = usual.split_at_mut(first);
        let mut space = Workspace {
            order: (0..self.columns.len()).collect(),
            cells: Vec::with_capacity(first),
            beyond: vec![0; count],
            swapped: Vec::with_capacity(self.columns.len()),
            sides: match self.splits {
                Splits::Random => SideWeights::default(),
                Splits::Best => SideWeights::new(self.weights, [first, second - first, count - second]),
            },
        };
        self.node(&mut tree, 0, [unlabelled, normals, anomalies], &mut space);
        tree
    }

    /// Grows the node at an index of the tree, and everything below it, from rows of each kind.
    fn node(&mut self, nodes: &mut Vec<f32>, index: usize, rows: [&mut [u32]; 3], space: &mut Workspace) {
        let counts = rows.each_ref().map(|rows| rows.len());
        let sums = self.weigh(counts);
        nodes[index * NODE + 3] = (sums[1] / (sums[0] + sums[1])) as f32;
        if sums.contains(&0.0) || counts.iter().sum::<usize>() < 2 * self.leaf {
            return;
        }
        let lists = rows.each_ref().map(|rows| &**rows);
        let Some((column, threshold)) = self.split(lists, sums, space) else { return };
        let cells = &self.columns[column][..];
        let [unlabelled, normals, anomalies] = rows.map(|rows| {
            let first = divide(rows, &mut space.beyond, |row| cells[row as usize] <= threshold);
            rows.split_at_mut(first)
        });
        let child = nodes.len() / NODE;
        nodes[index * NODE..][..3].copy_from_slice(&[column as f32, threshold, child as f32]);
        nodes.extend([0.0; 2 * NODE]);
        self.node(nodes, child, [unlabelled.0, normals.0, anomalies.0], space);
        self.node(nodes, child + 1, [unlabelled.1, normals.1, anomalies.1], space);
    }

    /// The best of the splits on random columns that are not constant among the rows, with one threshold each. Most nodes have few rows:
    /// compiled for wide vectors, this takes a fifth longer.
    fn split(&mut self, rows: [&[u32]; 3], sums: [f64; 2], space: &mut Workspace) -> Option<(usize, f32)> {
        let Workspace { order, cells, sides, swapped, .. } = space;
        let lengths = rows.map(<[u32]>::len);
        let (candidates, mut best, mut least) = (candidates(order.len()), None, f64::INFINITY);
        let mut compared = 0;
        swapped.clear();
        for drawn in 0..order.len() {
            if compared == candidates {
                break;
            }
            let other = self.rng.random_range(drawn..order.len());
            order.swap(drawn, other);
            swapped.push(other);
            let column = order[drawn];
            let values = &self.columns[column][..];
            gather(rows, values, cells);
            let (low, high) = ends(cells);
            if low >= high {
                continue;
            }
            compared += 1;
            let found = match self.splits {
                Splits::Random => self.random_threshold(cells, lengths, [low, high], sums),
                Splits::Best => Best { cells, lengths, leaf: self.leaf, sides, sums }.below(least),
            };
            // An impurity that is not a number is taken only if there is no other.
            if let Some((threshold, impurity)) = found
                && (best.is_none() || impurity < least)
            {
                (best, least) = (Some((column, threshold)), impurity);
            }
        }
        for (drawn, other) in swapped.drain(..).enumerate().rev() {
            order.swap(drawn, other);
        }
        best
    }
}

impl<R: Rng> TreeGrower<'_, R> {
    /// A random threshold between the ends of a node's cells, and the impurity that it leaves; `None` if a side is too small.
    fn random_threshold(
        &mut self,
        cells: &[f32],
        lengths: [usize; 3],
        [low, high]: [f32; 2],
        sums: [f64; 2],
    ) -> Option<(f32, f64)> {
        let threshold = self.rng.random_range(low..high);
        let mut rest = cells;
        let counts = lengths.map(|length| {
            let (part, others) = rest.split_at(length);
            rest = others;
            count_up_to(part, threshold)
        });
        let count: usize = counts.iter().sum();
        let large = count >= self.leaf && cells.len() - count >= self.leaf;
        large.then(|| (threshold, impurity(self.weigh(counts), sums)))
    }
}

/// Writes the values of rows, kind after kind.
#[inline(always)]
fn gather(rows: [&[u32]; 3], values: &[f32], cells: &mut Vec<f32>) {
    cells.clear();
    for rows in rows {
        cells.extend(rows.iter().map(|&row| values[row as usize]));
    }
}

/// Moves the rows that are `below` to the front, and returns their number. Both sides keep their order.
fn divide(rows: &mut [u32], others: &mut [u32], below: impl Fn(u32) -> bool) -> usize {
    let (others, mut first, mut beyond) = (&mut others[..rows.len()], 0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let below = usize::from(below(row));
        // Both are written, and one of them is kept: there is no branch that depends on the row.
        (rows[first], others[beyond]) = (row, row);
        first += below;
        beyond += 1 - below;
    }
    rows[first..].copy_from_slice(&others[..beyond]);
    first
}

/// The number of cells up to a threshold.
#[inline(always)]
pub(super) fn count_up_to(cells: &[f32], threshold: f32) -> usize {
    cells.iter().map(|&cell| u32::from(cell <= threshold)).sum::<u32>() as usize
}
