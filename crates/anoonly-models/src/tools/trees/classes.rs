//! Trees that separate labelled anomalies from other rows.
//!
//! Both classes have the same total weight ([`weight_divisors`]). A node is split on the best of `√columns` random columns, by the Gini
//! impurity.

use rand::{Rng, RngExt};

use super::{Forest, MOST_ROWS};
use crate::tools::balance::{ClassRows, weight_divisors};
use crate::tools::columns::transposed;

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

impl Classes {
    /// Grows trees from rows with `columns` columns.
    pub fn grow(&self, rows: ClassRows<'_>, columns: usize, rng: &mut impl Rng) -> Forest {
        self.grow_trusting(rows, &[], columns, rng)
    }

    /// Grows trees from rows with `columns` columns. With [`Splits::Random`], each tree has an anomaly with its probability in `trust`, where
    /// there are probabilities; at least one of them has to be 1.
    pub fn grow_trusting(&self, rows: ClassRows<'_>, trust: &[f64], columns: usize, rng: &mut impl Rng) -> Forest {
        let counts = rows.counts(columns);
        let count: usize = counts.iter().sum();
        let parts = [rows.unlabelled, rows.normals, rows.anomalies].map(|rows| transposed(rows, columns));
        let column = |column: usize| {
            let parts = parts.iter().zip(counts).map(|(part, count)| &part[column * count..][..count]);
            parts.collect::<Vec<_>>().concat()
        };
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
                Splits::Random if trust.iter().all(|&trust| trust >= 1.0) => (0..count as u32).collect(),
                Splits::Random => {
                    let others = (count - counts[2]) as u32;
                    let mut rows: Vec<u32> = (0..others).collect();
                    let drawn = (others..).zip(trust).filter(|(_, trust)| grower.rng.random::<f64>() < **trust);
                    rows.extend(drawn.map(|(row, _)| row));
                    let divisors = weight_divisors([counts[0], counts[1], rows.len() - others as usize]);
                    grower.weights = divisors.map(|divisor| rows.len() as f64 / divisor);
                    rows
                }
                Splits::Best => {
                    let drawn = (0..count.min(MOST_ROWS)).map(|_| grower.rng.random_range(0..count as u32));
                    in_order(drawn, count)
                }
            };
            forest.push(&grower.tree(&mut rows));
        }
        forest
    }
}

impl<R: Rng> TreeGrower<'_, R> {
    /// The total weight of each class, given the number of rows of each kind.
    pub(super) fn weigh(&self, counts: [usize; 3]) -> [f64; 2] {
        let weight = |kind: usize| counts[kind] as f64 * self.weights[kind];
        [weight(0) + weight(1), weight(2)]
    }
}

/// The indices below `count` in ascending order, which is that of the rows in memory; the growth of a tree does not depend on it.
fn in_order(indices: impl Iterator<Item = u32>, count: usize) -> Vec<u32> {
    let mut times = vec![0u32; count];
    indices.for_each(|index| times[index as usize] += 1);
    (0..).zip(times).flat_map(|(index, times)| std::iter::repeat_n(index, times as usize)).collect()
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

    /// One column, with an anomaly at each end: the one that no tree has is as usual as the rows around it.
    #[test]
    fn anomalies_are_drawn_with_their_probabilities() {
        let classes = Classes { trees: 400, leaf: 1, splits: Splits::Random };
        let rows = ClassRows { unlabelled: &[0.1, 0.2, 0.3, 0.4, 0.5], normals: &[], anomalies: &[0.0, 0.6] };
        let shares = |trust: &[f64]| {
            let forest = classes.grow_trusting(rows, trust, 1, &mut Seed(1).stream(&[]));
            [0.0, 0.6].map(|cell| forest.mean(&[cell]))
        };
        assert_eq!(shares(&[1.0, 0.0]), [1.0, 0.0]);
        assert_eq!((shares(&[1.0, 1.0]), shares(&[])), ([1.0; 2], [1.0; 2]));
        let [sure, drawn] = shares(&[1.0, 0.25]);
        assert!(sure == 1.0 && (drawn - 0.25).abs() < 0.1, "{sure} {drawn}");
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
}
