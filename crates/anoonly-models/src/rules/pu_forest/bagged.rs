//! Trees that see all labelled rows and a few unlabelled ones each.

use anoonly_core::ByClass;
use rand::Rng;
use rand::seq::SliceRandom;

use super::PuForestConfig;
use crate::RowBlock;
use crate::tools::trees::{Forest, Kind, Splits, TreeGrower};

/// The share of the reliable unlabelled rows that a tree of the second pass sees at most.
const MOST_SEEN: f64 = 2.0 / 3.0;
/// The most labelled rows of a kind that a tree sees, in samples of unlabelled rows. If there are more, each tree draws its own.
const LABELLED: usize = 8;
/// The most unlabelled rows that the first pass scores, to find reliable ones among them.
const MOST_SCORED: usize = 10_000;

/// Rows whose scores are found at a time.
const BLOCK: usize = 1024;

/// The rows that trees are grown from.
pub(super) struct Bagged<'a> {
    pub config: &'a PuForestConfig,
    /// `[rows, columns]`.
    pub rows: &'a [f32],
    /// The values of each column.
    pub columns: &'a [Vec<f32>],
}

/// Trees, and the unlabelled rows that each of them has seen.
pub(super) struct Grown {
    pub forest: Forest,
    seen: Vec<Vec<u32>>,
}

impl Bagged<'_> {
    /// Grows the trees of both passes, and returns those of the second.
    pub fn grow(&self, classes: &ByClass, rng: &mut impl Rng) -> Grown {
        let normals = &classes.normals;
        let mut kinds = vec![Kind::Unlabelled; self.rows.len() / self.columns.len()];
        normals.iter().for_each(|&row| kinds[row] = Kind::Normal);
        classes.anomalies.iter().for_each(|&row| kinds[row] = Kind::Anomaly);
        let unlabelled = classes.others.iter().copied().filter(|&row| kinds[row] == Kind::Unlabelled);
        let indices = |rows: &[usize]| rows.iter().map(|&row| row as u32).collect::<Vec<_>>();
        let mut unlabelled: Vec<u32> = unlabelled.map(|row| row as u32).collect();
        let [mut normals, mut anomalies] = [indices(normals), indices(&classes.anomalies)];
        let first = self.pass(&kinds, [&mut unlabelled.clone(), &mut normals, &mut anomalies], 0.5, rng);
        if unlabelled.len() > MOST_SCORED {
            unlabelled = unlabelled.partial_shuffle(rng, MOST_SCORED).0.to_vec();
            unlabelled.sort_unstable();
        }
        let scores = first.scores_of(&unlabelled, self.rows, self.columns.len());
        let mut order: Vec<usize> = (0..unlabelled.len()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        order.truncate((self.config.reliable * order.len() as f64).ceil() as usize);
        let mut reliable: Vec<u32> = order.into_iter().map(|place| unlabelled[place]).collect();
        self.pass(&kinds, [&mut reliable, &mut normals, &mut anomalies], MOST_SEEN, rng)
    }

    /// Grows the trees of a pass from the unlabelled rows, at most `share` of them each, the confirmed normals and the anomalies.
    fn pass(&self, kinds: &[Kind], mut rows: [&mut Vec<u32>; 3], share: f64, rng: &mut impl Rng) -> Grown {
        let sample = self.config.sample;
        let most = [((share * rows[0].len() as f64) as usize).clamp(1, sample), LABELLED * sample, LABELLED * sample];
        let counts: [usize; 3] = std::array::from_fn(|kind| most[kind].min(rows[kind].len()));
        let weights = weights(self.config.certainty, counts);
        let (mut forest, mut seen) = (Forest::default(), Vec::with_capacity(self.config.trees));
        for _ in 0..self.config.trees {
            let mut drawn =
                rows.each_mut().map(|rows| rows.as_mut_slice()).into_iter().zip(counts).map(|(rows, count)| {
                    // All labelled rows of a session are few enough, and keep their order.
                    if count < rows.len() { &*rows.partial_shuffle(rng, count).0 } else { &*rows }.to_vec()
                });
            let mut unlabelled = drawn.next().unwrap_or_default();
            let mut grown_from: Vec<u32> = drawn.flatten().chain(unlabelled.iter().copied()).collect();
            let columns = self.columns;
            let mut grower = TreeGrower { columns, kinds, weights, leaf: 1, splits: Splits::Random, rng };
            forest.push(&grower.tree(&mut grown_from));
            unlabelled.sort_unstable();
            seen.push(unlabelled);
        }
        Grown { forest, seen }
    }
}

/// The weight of an unlabelled row, of a confirmed normal and of an anomaly, given their numbers. Anomalies have half of the total weight.
fn weights(certainty: f64, counts: [usize; 3]) -> [f64; 3] {
    let [unlabelled, normals, anomalies] = counts.map(|count| count as f64);
    let certain = match normals > 0.0 {
        true => certainty.max(normals / (normals + unlabelled)),
        false => 0.0,
    };
    let share = |weight: f64, count: f64| if count > 0.0 { weight / count } else { 0.0 };
    [share(0.5 * (1.0 - certain), unlabelled), share(0.5 * certain, normals), share(0.5, anomalies)]
}

impl Grown {
    /// The score of each of the training rows, `[rows, columns]`.
    pub fn scores(&self, rows: &[f32], columns: usize) -> Vec<f32> {
        let all: Vec<u32> = (0..(rows.len() / columns) as u32).collect();
        self.scores_of(&all, rows, columns)
    }

    /// The scores of the training rows at these indices, in ascending order. Each is the mean over the trees that have not seen the row;
    /// over all trees if there are none.
    fn scores_of(&self, indices: &[u32], rows: &[f32], columns: usize) -> Vec<f32> {
        let trees = self.seen.len();
        let row = |row: u32| &rows[row as usize * columns..][..columns];
        // The sum over all trees, and the sum and number of those that have seen the row.
        let mut sums = vec![(0.0f32, 0.0f32, 0usize); indices.len()];
        let mut seen: Vec<_> = self.seen.iter().map(|rows| rows.iter().peekable()).collect();
        for (indices, sums) in indices.chunks(BLOCK).zip(sums.chunks_mut(BLOCK)) {
            let cells: Vec<f32> = indices.iter().flat_map(|&index| row(index)).copied().collect();
            self.forest.each_values(RowBlock::new(&cells, columns).into(), |tree, first, values| {
                let (some, of_some) = (&indices[first..][..values.len()], &mut sums[first..][..values.len()]);
                of_some.iter_mut().zip(values).for_each(|(sum, value)| sum.0 += value);
                // Rows that the tree has seen may be missing among the indices.
                while let Some(known) = seen[tree].next_if(|known| some.last() >= Some(known)) {
                    if let Ok(place) = some.binary_search(known) {
                        of_some[place].1 += values[place];
                        of_some[place].2 += 1;
                    }
                }
            });
        }
        let mean = |(all, of_seen, seen): (f32, f32, usize)| match trees - seen {
            0 => all / trees as f32,
            unseen => (all - of_seen).max(0.0) / unseen as f32,
        };
        sums.into_iter().map(mean).collect()
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use anoonly_core::Seed;

    use super::super::by_column;
    use super::*;
    use crate::rule::tests::cells;
    use crate::tools::trees::{NODE, leaf_value};

    /// All rows and every third one, in several blocks. The last block has few rows.
    #[test]
    fn rows_are_scored_by_the_trees_that_have_not_seen_them() {
        let (count, columns) = (2 * BLOCK + 5, 3);
        let rows = cells(count, columns);
        let config = PuForestConfig { trees: 20, sample: 700, ..PuForestConfig::default() };
        let others = (0..count).filter(|row| ![3, 7].contains(row)).collect();
        let classes = ByClass { anomalies: vec![3, 7], others, normals: Vec::new() };
        let bagged = Bagged { config: &config, rows: &rows, columns: &by_column(&rows, columns) };
        let grown = bagged.grow(&classes, &mut Seed(1).stream(&[]));
        let mut nodes = grown.forest.nodes();
        let mut trees = Vec::new();
        for &size in &grown.forest.sizes {
            let (tree, rest) = nodes.split_at(size as usize * NODE);
            trees.push(tree);
            nodes = rest;
        }
        let mut fewest = trees.len();
        for step in [1, 3] {
            let indices: Vec<u32> = (0..count as u32).step_by(step).collect();
            let found = grown.scores_of(&indices, &rows, columns);
            for (index, found) in indices.iter().zip(found) {
                let row = &rows[*index as usize * columns..][..columns];
                let unseen = trees.iter().zip(&grown.seen).filter(|(_, seen)| !seen.contains(index));
                let values: Vec<f64> = unseen.map(|(tree, _)| f64::from(leaf_value(tree, row))).collect();
                assert!(!values.is_empty(), "{index}");
                fewest = fewest.min(values.len());
                let expected = values.iter().sum::<f64>() / values.len() as f64;
                assert!((f64::from(found) - expected).abs() < 1e-6, "{index}: {found}, not {expected}");
            }
        }
        assert!(fewest < trees.len());
    }
}
