//! Trees that separate labelled anomalies from other rows.
//!
//! Both classes have the same total weight ([`weight_divisors`]). A node is split on the best of `√columns` random columns, by the Gini
//! impurity.

use rand::{Rng, RngExt};

use super::{Forest, MOST_ROWS, NODE, between};
use crate::tools::balance::{ClassRows, weight_divisors};

/// How trees are grown. The value of a leaf is its share of anomalies, by weight.
pub(crate) struct Classes {
    /// The number of trees.
    pub trees: usize,
    /// The smallest number of rows in a leaf.
    pub leaf: usize,
    /// How thresholds are chosen.
    pub splits: Splits,
}

/// How thresholds are chosen.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Splits {
    /// One random threshold for each column: extremely randomised trees, each grown from all rows (Geurts, Ernst and Wehenkel,
    /// "Extremely randomized trees", Machine Learning 2006).
    Random,
    /// The best threshold of each column, in the middle between two values: a random forest, each tree grown from a bootstrap
    /// sample of the rows (Breiman, "Random Forests", Machine Learning 2001).
    Best,
}

/// What is known about a row that a tree is grown from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unlabelled,
    Normal,
    Anomaly,
}

impl Kind {
    /// All kinds, in the order of weights.
    pub const ALL: [Self; 3] = [Self::Unlabelled, Self::Normal, Self::Anomaly];
}

/// Grows trees from rows that are given column by column.
pub(crate) struct TreeGrower<'a, R> {
    /// The values of each column.
    pub columns: &'a [Vec<f32>],
    /// The kind of each row.
    pub kinds: &'a [Kind],
    /// The weight of a row of each kind.
    pub weights: [f64; 3],
    /// The smallest number of rows in a leaf.
    pub leaf: usize,
    /// How thresholds are chosen.
    pub splits: Splits,
    pub rng: &'a mut R,
}

struct Split {
    column: usize,
    threshold: f32,
    impurity: f64,
}

impl Classes {
    /// Grows trees from rows with `columns` columns.
    pub fn grow(&self, rows: ClassRows<'_>, columns: usize, rng: &mut impl Rng) -> Forest {
        let counts = rows.counts(columns);
        let count: usize = counts.iter().sum();
        let column = |column: usize| rows.iter(columns).map(|row| row[column]).collect();
        let kinds = counts.into_iter().zip(Kind::ALL).flat_map(|(count, kind)| std::iter::repeat_n(kind, count));
        let mut grower = TreeGrower {
            columns: &(0..columns).map(column).collect::<Vec<_>>(),
            kinds: &kinds.collect::<Vec<_>>(),
            weights: weight_divisors(counts).map(|divisor| count as f64 / divisor),
            leaf: self.leaf,
            splits: self.splits,
            rng,
        };
        let mut forest = Forest::default();
        for _ in 0..self.trees {
            let mut rows: Vec<u32> = match self.splits {
                Splits::Random => (0..count as u32).collect(),
                Splits::Best => (0..count.min(MOST_ROWS)).map(|_| grower.rng.random_range(0..count as u32)).collect(),
            };
            forest.push(&grower.tree(&mut rows));
        }
        forest
    }
}

impl<R: Rng> TreeGrower<'_, R> {
    /// The nodes of a tree grown from the rows at these indices, whose order changes.
    pub fn tree(&mut self, rows: &mut [u32]) -> Vec<f32> {
        if self.splits == Splits::Random {
            return self.random_tree(rows);
        }
        let mut tree = vec![0.0; NODE];
        self.node(&mut tree, 0, rows);
        tree
    }

    /// Grows the node at an index of the tree, and everything below it.
    fn node(&mut self, nodes: &mut Vec<f32>, index: usize, rows: &mut [u32]) {
        let sums = self.sums(rows.iter().copied());
        nodes[index * NODE + 3] = (sums[1] / (sums[0] + sums[1])) as f32;
        if sums.contains(&0.0) || rows.len() < 2 * self.leaf {
            return;
        }
        let Some(split) = self.split(rows, sums) else { return };
        let cells = &self.columns[split.column];
        let mut first = 0;
        for at in 0..rows.len() {
            if cells[rows[at] as usize] <= split.threshold {
                rows.swap(first, at);
                first += 1;
            }
        }
        let child = nodes.len() / NODE;
        nodes[index * NODE..][..3].copy_from_slice(&[split.column as f32, split.threshold, child as f32]);
        nodes.extend([0.0; 2 * NODE]);
        let (left, right) = rows.split_at_mut(first);
        self.node(nodes, child, left);
        self.node(nodes, child + 1, right);
    }

    /// The total weight of each class: of the rows that are no anomalies, and of the anomalies.
    fn sums(&self, rows: impl Iterator<Item = u32>) -> [f64; 2] {
        let mut counts = [0; 3];
        rows.for_each(|row| counts[self.kinds[row as usize] as usize] += 1);
        self.weigh(counts)
    }

    /// The total weight of each class, given the number of rows of each kind.
    pub(super) fn weigh(&self, counts: [usize; 3]) -> [f64; 2] {
        let weight = |kind: usize| counts[kind] as f64 * self.weights[kind];
        [weight(0) + weight(1), weight(2)]
    }

    /// The best split at the best thresholds of random columns that are not constant among the rows.
    fn split(&mut self, rows: &[u32], sums: [f64; 2]) -> Option<Split> {
        let mut columns: Vec<usize> = (0..self.columns.len()).collect();
        let (candidates, mut best, mut compared) = (candidates(columns.len()), None::<Split>, 0);
        for drawn in 0..columns.len() {
            if compared == candidates {
                break;
            }
            let other = self.rng.random_range(drawn..columns.len());
            columns.swap(drawn, other);
            let column = columns[drawn];
            let cells = &self.columns[column];
            let ends = (f32::INFINITY, f32::NEG_INFINITY);
            let (low, high) = rows.iter().fold(ends, |(low, high), &row| {
                let cell = cells[row as usize];
                (low.min(cell), high.max(cell))
            });
            if low >= high {
                continue;
            }
            compared += 1;
            if let Some((threshold, impurity)) = self.best_threshold(column, rows, sums)
                && best.as_ref().is_none_or(|best| impurity < best.impurity)
            {
                best = Some(Split { column, threshold, impurity });
            }
        }
        best
    }

    /// The threshold of a column with the least impurity, and this impurity.
    fn best_threshold(&self, column: usize, rows: &[u32], sums: [f64; 2]) -> Option<(f32, f64)> {
        let cells = &self.columns[column];
        let mut sorted: Vec<(f32, Kind)> =
            rows.iter().map(|&row| (cells[row as usize], self.kinds[row as usize])).collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut left, mut best) = ([0.0; 2], None::<(f32, f64)>);
        for (place, pair) in sorted.windows(2).enumerate() {
            let kind = pair[0].1 as usize;
            left[kind / 2] += self.weights[kind];
            let large = place + 1 >= self.leaf && rows.len() - place > self.leaf;
            if !large || pair[0].0 == pair[1].0 {
                continue;
            }
            let impurity = impurity(left, sums);
            if best.is_none_or(|(_, best)| impurity < best) {
                best = Some((between(pair[0].0, pair[1].0), impurity));
            }
        }
        best
    }
}

/// The number of columns that are compared for a split.
pub(super) fn candidates(columns: usize) -> usize {
    ((columns as f64).sqrt() as usize).max(1)
}

/// The Gini impurity of both sides of a split, weighted. `left` holds the class weights of one side, `sums` those of both.
pub(super) fn impurity(left: [f64; 2], sums: [f64; 2]) -> f64 {
    let side = |[a, b]: [f64; 2]| if a + b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 };
    side(left) + side([sums[0] - left[0], sums[1] - left[1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    /// Random rows in the unit square, or in its corner from `corner` to 1.
    fn rows(count: usize, corner: f32) -> Vec<f32> {
        let mut rng = Seed(3).stream(&["rows", &count.to_string()]);
        (0..2 * count).map(|_| corner + rng.random_range(0.0..1.0 - corner)).collect()
    }

    #[test]
    fn rows_among_the_anomalies_have_the_higher_share() {
        for (splits, leaf) in [(Splits::Random, 2), (Splits::Best, 10)] {
            let classes = Classes { trees: 50, leaf, splits };
            let (unlabelled, anomalies) = (rows(200, 0.0), rows(10, 0.8));
            let rows = ClassRows { unlabelled: &unlabelled, normals: &[], anomalies: &anomalies };
            let forest = classes.grow(rows, 2, &mut Seed(1).stream(&[]));
            let [near, far] = [[0.9, 0.9], [0.2, 0.3]].map(|row| forest.mean(&row));
            assert!(near > 0.5 && far < 0.1, "{near} {far}");
        }
    }

    /// Rows that cannot be separated share a leaf, whose value is the share of the weight: an anomaly has 4 of the 8 rows' weight, two
    /// confirmed normals have 2 together, and so have the five unlabelled rows.
    #[test]
    fn confirmed_normals_weigh_as_much_as_all_unlabelled_rows() {
        let share = |normals: &[f32]| {
            let classes = Classes { trees: 1, leaf: 1, splits: Splits::Random };
            let rows = ClassRows { unlabelled: &[0.5, 0.0, 0.0, 0.0, 0.0], normals, anomalies: &[0.5] };
            classes.grow(rows, 1, &mut Seed(1).stream(&[])).mean(&[0.5])
        };
        assert!((share(&[0.5, 0.0]) - 4.0 / (4.0 + 1.0 + 0.4)).abs() < 1e-6, "{}", share(&[0.5, 0.0]));
        assert!((share(&[]) - 3.0 / (3.0 + 0.6)).abs() < 1e-6, "{}", share(&[]));
    }

    /// One column separates the classes: every tree finds pure leaves, and the share is 0 or 1 away from the gap.
    #[test]
    fn separable_classes_are_separated() {
        let classes = Classes { trees: 20, leaf: 2, splits: Splits::Random };
        let rows = ClassRows { unlabelled: &[0.0, 0.1, 0.2, 0.3], normals: &[], anomalies: &[0.8, 0.9, 1.0, 0.7] };
        let forest = classes.grow(rows, 1, &mut Seed(1).stream(&[]));
        let share = |cell: f32| forest.mean(&[cell]);
        assert!(share(0.0) < 0.35 && share(1.0) > 0.65, "{} {}", share(0.0), share(1.0));
    }

    /// The threshold in the middle of the gap leaves no impurity.
    #[test]
    fn the_best_threshold_is_between_the_classes() {
        let kinds = &[Kind::Unlabelled, Kind::Anomaly, Kind::Normal, Kind::Anomaly];
        let columns = &[vec![0.0, 0.8, 0.4, 1.0]];
        let rng = &mut Seed(1).stream(&[]);
        let grower = TreeGrower { columns, kinds, weights: [1.0; 3], leaf: 1, splits: Splits::Best, rng };
        let (threshold, impurity) = grower.best_threshold(0, &[0, 1, 2, 3], [2.0; 2]).unwrap();
        assert!((threshold - 0.6).abs() < 1e-6 && impurity == 0.0, "{threshold} {impurity}");
        let leaf = TreeGrower { leaf: 3, ..grower };
        assert_eq!(leaf.best_threshold(0, &[0, 1, 2, 3], [2.0; 2]), None);
    }
}
