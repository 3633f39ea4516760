//! Isolation trees: trees of random splits, whose short paths show rows that are easily separated from the others.
//!
//! Liu, Ting and Zhou, "Isolation Forest", ICDM 2008.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::{Forest, NODE};
use crate::RowBlock;
use crate::graph::{Function, Graph, Value};

/// Grows trees, each from `sample` of the rows, `[rows, columns]`, drawn without replacement, or from all if there are fewer. The
/// value of a leaf is the length of its path, divided by the mean length of a search among the sampled rows.
pub(crate) fn grow(rows: &[f32], columns: usize, trees: usize, sample: usize, rng: &mut impl Rng) -> Forest {
    grow_from((0..(rows.len() / columns) as u32).collect(), rows, columns, trees, sample, rng)
}

/// As [`grow`], from the rows at these indices. A row whose index comes several times is drawn as if it were several rows.
pub(crate) fn grow_from(
    mut all: Vec<u32>,
    rows: &[f32],
    columns: usize,
    trees: usize,
    sample: usize,
    rng: &mut impl Rng,
) -> Forest {
    let sample = sample.min(all.len());
    let unit = mean_search(sample);
    let highest = (sample.max(2) as f64).log2().ceil() as usize;
    let mut grower = Grower { rows, columns, unit, highest, order: (0..columns as u32).collect(), rng };
    let mut forest = Forest::default();
    for _ in 0..trees {
        let (drawn, _) = all.partial_shuffle(grower.rng, sample);
        let mut tree = vec![0.0; NODE];
        grower.node(&mut tree, 0, drawn, 0);
        forest.push(&tree);
    }
    forest
}

/// The same trees with negated values: the mean is higher for a row that is isolated early.
pub(crate) fn negated(forest: &Forest) -> Forest {
    forest.with_values(forest.nodes.chunks_exact(NODE).map(|node| -node[3]))
}

/// The score of each row, `2^(−mean path)`: near 1 for a row that is isolated early, 0.5 for an average one.
pub(crate) fn scores(forest: &Forest, rows: RowBlock<'_>) -> Vec<f32> {
    forest.means(rows.into()).into_iter().map(|mean| (-mean).exp2() as f32).collect()
}

/// Adds [`scores`] to a graph.
pub(crate) fn describe(forest: &Forest, graph: &mut Graph, of: Value) -> Value {
    let mean = forest.describe_mean(graph, of);
    let power = graph.affine(mean, -std::f64::consts::LN_2, 0.0);
    let score = graph.map(power, Function::Exp);
    graph.narrow(score)
}

/// The state while trees grow.
struct Grower<'a, R> {
    /// `[rows, columns]`.
    rows: &'a [f32],
    columns: usize,
    /// The mean length of a search among the sampled rows.
    unit: f64,
    /// The height of a tree at most.
    highest: usize,
    /// All columns, in an order that changes with each draw.
    order: Vec<u32>,
    rng: &'a mut R,
}

impl<R: Rng> Grower<'_, R> {
    /// Grows the node at an index of the tree, and everything below it.
    fn node(&mut self, tree: &mut Vec<f32>, index: usize, rows: &mut [u32], depth: usize) {
        let split = if depth < self.highest && rows.len() > 1 { self.split(rows) } else { None };
        let Some((column, threshold)) = split else {
            // In a tree of a single row all paths have length 0; its leaf has the value 1, of an average row.
            let length = depth as f64 + mean_search(rows.len());
            tree[index * NODE + 3] = if self.unit > 0.0 { length / self.unit } else { 1.0 } as f32;
            return;
        };
        let mut first = 0;
        for at in 0..rows.len() {
            if self.cell(rows[at], column) <= threshold {
                rows.swap(first, at);
                first += 1;
            }
        }
        let child = tree.len() / NODE;
        tree[index * NODE..][..3].copy_from_slice(&[column as f32, threshold, child as f32]);
        tree.extend([0.0; 2 * NODE]);
        let (left, right) = rows.split_at_mut(first);
        self.node(tree, child, left, depth + 1);
        self.node(tree, child + 1, right, depth + 1);
    }

    fn cell(&self, row: u32, column: usize) -> f32 {
        self.rows[row as usize * self.columns + column]
    }

    /// A random column in which the rows differ, and a random threshold between their values.
    fn split(&mut self, rows: &[u32]) -> Option<(usize, f32)> {
        for drawn in 0..self.columns {
            let other = self.rng.random_range(drawn..self.columns);
            self.order.swap(drawn, other);
            let column = self.order[drawn] as usize;
            let ends = (f32::INFINITY, f32::NEG_INFINITY);
            let (low, high) = rows.iter().fold(ends, |(low, high), &row| {
                let cell = self.cell(row, column);
                (low.min(cell), high.max(cell))
            });
            if low < high {
                // Drawn as an `f32`, as saved, so that a restored tree sends the same rows the same way.
                return Some((column, self.rng.random_range(low..high)));
            }
        }
        None
    }
}

/// The mean length of an unsuccessful search in a binary search tree with this number of rows: equation 1 of the paper, with the
/// harmonic number approximated by a logarithm.
fn mean_search(rows: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let count = rows as f64;
            2.0 * ((count - 1.0).ln() + EULER) - 2.0 * (count - 1.0) / count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::trees::leaf_value;
    use anoonly_core::Seed;

    fn score(forest: &Forest, row: &[f32]) -> f32 {
        scores(forest, RowBlock::new(row, row.len()))[0]
    }

    fn grown(rows: &[f32], columns: usize, trees: usize, sample: usize) -> Forest {
        grow(rows, columns, trees, sample, &mut Seed(1).stream(&[]))
    }

    /// Figures from scikit-learn 1.9.1, `sklearn.ensemble._iforest._average_path_length([2, 3, 256])`.
    #[test]
    fn search_lengths_agree_with_scikit_learn() {
        for (rows, expected) in [(0, 0.0), (1, 0.0), (2, 1.0), (3, 1.207_392_357), (256, 10.244_770_920)] {
            assert!((mean_search(rows) - expected).abs() < 1e-8, "{rows}: {}", mean_search(rows));
        }
    }

    #[test]
    fn negated_trees_are_the_same_trees_with_negated_means() {
        let rows: Vec<f32> = (0..200).map(|cell| (cell * 7919 % 1000) as f32).collect();
        let plain = grown(&rows, 2, 9, 32);
        let negated = negated(&plain);
        assert_eq!(plain.sizes, negated.sizes);
        let sums = |forest: &Forest| forest.sums(RowBlock::new(&rows, 2).into());
        let expected: Vec<f64> = sums(&plain).into_iter().map(|sum| -sum).collect();
        assert_eq!(sums(&negated), expected);
    }

    /// A row that comes as often as a tenth of all is hard to separate from itself.
    #[test]
    fn a_row_that_comes_several_times_is_less_isolated() {
        let mut rows: Vec<f32> = (0..400).map(|cell| (cell * 7919 % 1000) as f32 / 1000.0).collect();
        rows.extend([5.0, 5.0]);
        let once = grown(&rows, 2, 100, 256);
        let repeated = grow_from((0..200).chain([200; 20]).collect(), &rows, 2, 100, 256, &mut Seed(1).stream(&[]));
        let [once, repeated] = [once, repeated].map(|forest| score(&forest, &[5.0, 5.0]));
        assert!(repeated < once - 0.1, "{once} {repeated}");
    }

    /// Each tree of two rows has one split, and each path has the length of a search among two rows.
    #[test]
    fn one_split_separates_two_rows() {
        let forest = grown(&[0.0, 1.0], 1, 10, 256);
        assert_eq!(forest.sizes, [3.0; 10]);
        assert_eq!((score(&forest, &[0.0]), score(&forest, &[1.0]), score(&forest, &[9.0])), (0.5, 0.5, 0.5));
    }

    #[test]
    fn a_row_far_from_all_others_is_isolated_early() {
        let mut rows: Vec<f32> = (0..400).map(|cell| (cell * 7919 % 1000) as f32 / 1000.0).collect();
        rows.extend([5.0, 5.0]);
        let forest = grown(&rows, 2, 100, 256);
        assert!(score(&forest, &[5.0, 5.0]) > 0.65, "{}", score(&forest, &[5.0, 5.0]));
        assert!(score(&forest, &[0.5, 0.5]) < 0.5, "{}", score(&forest, &[0.5, 0.5]));
    }

    /// Leaves hold the lengths of their paths, so the values of rows show the height of a tree.
    #[test]
    fn no_path_is_longer_than_the_height_allows() {
        let rows: Vec<f32> = (0..300).map(|cell| (cell * 7919 % 1000) as f32).collect();
        let forest = grown(&rows, 1, 20, 64);
        let first = &forest.nodes[..forest.sizes[0] as usize * NODE];
        let longest = rows.chunks(1).map(|row| f64::from(leaf_value(first, row)));
        // Six splits, plus the length of a search among the rows left at such a leaf.
        assert!(longest.fold(0.0, f64::max) <= (6.0 + mean_search(59)) / mean_search(64));
        assert!(forest.sizes.iter().all(|&size| size <= 127.0 && size > 20.0), "{:?}", forest.sizes);
    }

    #[test]
    fn equal_rows_or_a_single_row_make_trees_of_one_leaf() {
        for rows in [vec![1.0; 10], vec![1.0; 2]] {
            let forest = grown(&rows, 2, 3, 256);
            assert_eq!((forest.sizes.clone(), score(&forest, &[1.0, 2.0])), (vec![1.0; 3], 0.5));
        }
    }
}
