//! Extremely randomised trees that tell labelled anomalies from unlabelled rows.
//!
//! Geurts, Ernst and Wehenkel, "Extremely randomized trees", Machine Learning 2006. Both classes have the same weight in sum, a
//! leaf holds two rows at least, and each split is the best of `√columns` columns at one random threshold each, by the Gini
//! impurity.

use rand::{Rng, RngExt};

/// Values of a node: the column it asks for, the threshold, the place of its first child or 0, and the share of anomalies.
pub(super) const NODE: usize = 4;
/// Rows in a leaf at least.
const LEAF: usize = 2;

/// Grows trees one after the other. Both children of a node stand side by side, behind it: a row whose value is at most the
/// threshold goes to the first one. A node is four values of type f32, which hold places up to 2^24.
pub(super) struct Trees {
    /// The nodes, [`NODE`] values each.
    pub nodes: Vec<f32>,
    /// The place of each tree's root.
    pub roots: Vec<f32>,
}

/// Rows by column, with the classes and what a row of each weighs.
struct Grower<'a, R> {
    columns: Vec<Vec<f32>>,
    anomalous: Vec<bool>,
    weights: [f64; 2],
    /// Columns looked at for a split.
    tried: usize,
    rng: &'a mut R,
}

struct Split {
    column: usize,
    threshold: f32,
    impurity: f64,
}

impl Trees {
    /// Trees grown from rows one after the other.
    pub fn grow(unlabelled: &[f32], anomalies: &[f32], columns: usize, trees: usize, rng: &mut impl Rng) -> Self {
        let counts = [unlabelled, anomalies].map(|rows| rows.len() / columns);
        let all = (counts[0] + counts[1]) as f64;
        let column = |column: usize| {
            let cells = [unlabelled, anomalies].into_iter().flat_map(|rows| rows.chunks_exact(columns));
            cells.map(|row| row[column]).collect()
        };
        let mut grower = Grower {
            columns: (0..columns).map(column).collect(),
            anomalous: (0..counts[0] + counts[1]).map(|row| row >= counts[0]).collect(),
            weights: counts.map(|count| all / (2.0 * count.max(1) as f64)),
            tried: ((columns as f64).sqrt() as usize).max(1),
            rng,
        };
        let mut grown = Self { nodes: Vec::new(), roots: Vec::new() };
        for _ in 0..trees {
            let root = grown.nodes.len() / NODE;
            grown.roots.push(root as f32);
            grown.nodes.extend([0.0; NODE]);
            let mut rows: Vec<u32> = (0..grower.anomalous.len() as u32).collect();
            grower.node(&mut grown.nodes, root, &mut rows);
        }
        grown
    }
}

impl<R: Rng> Grower<'_, R> {
    fn node(&mut self, nodes: &mut Vec<f32>, place: usize, rows: &mut [u32]) {
        let sums = self.sums(rows.iter().copied());
        nodes[place * NODE + 3] = (sums[1] / (sums[0] + sums[1])) as f32;
        if sums.contains(&0.0) || rows.len() < 2 * LEAF {
            return;
        }
        let Some(split) = self.split(rows, sums) else { return };
        let cells = &self.columns[split.column];
        let mut first = 0;
        for place in 0..rows.len() {
            if cells[rows[place] as usize] <= split.threshold {
                rows.swap(first, place);
                first += 1;
            }
        }
        let child = nodes.len() / NODE;
        nodes[place * NODE] = split.column as f32;
        nodes[place * NODE + 1] = split.threshold;
        nodes[place * NODE + 2] = child as f32;
        nodes.extend([0.0; 2 * NODE]);
        let (left, right) = rows.split_at_mut(first);
        self.node(nodes, child, left);
        self.node(nodes, child + 1, right);
    }

    fn sums(&self, rows: impl Iterator<Item = u32>) -> [f64; 2] {
        let mut counts = [0usize; 2];
        rows.for_each(|row| counts[usize::from(self.anomalous[row as usize])] += 1);
        [0, 1].map(|class| counts[class] as f64 * self.weights[class])
    }

    /// The best of as many random splits as are tried, on columns that are not constant.
    fn split(&mut self, rows: &[u32], sums: [f64; 2]) -> Option<Split> {
        let mut columns: Vec<usize> = (0..self.columns.len()).collect();
        let (mut best, mut tried) = (None::<Split>, 0);
        for drawn in 0..columns.len() {
            if tried == self.tried {
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
            tried += 1;
            let threshold = self.rng.random_range(low..high);
            let below = |row: &u32| cells[*row as usize] <= threshold;
            let count = rows.iter().filter(|row| below(row)).count();
            if count < LEAF || rows.len() - count < LEAF {
                continue;
            }
            let left = self.sums(rows.iter().copied().filter(below));
            let right = [sums[0] - left[0], sums[1] - left[1]];
            // The Gini impurity of both sides, each by its weight.
            let side = |[a, b]: [f64; 2]| 2.0 * a * b / (a + b);
            let impurity = side(left) + side(right);
            if best.as_ref().is_none_or(|best| impurity < best.impurity) {
                best = Some(Split { column, threshold, impurity });
            }
        }
        best
    }
}

/// The mean share of anomalies in the leaves that a row comes to. Nodes that point backwards or outside, as in a file that was
/// tampered with, are leaves.
pub(super) fn share(nodes: &[f32], roots: &[f32], row: &[f32]) -> f32 {
    let node = |place: usize| nodes.get(place.checked_mul(NODE)?..)?.first_chunk::<NODE>();
    let leaf = |root: &f32| {
        let mut place = *root as usize;
        let Some(mut at) = node(place) else { return 0.0 };
        loop {
            let [column, threshold, child, share] = *at;
            let Some(&cell) = row.get(column as usize) else { return share };
            let next = child as usize + usize::from(cell > threshold);
            match node(next) {
                Some(next_node) if child as usize > place => (place, at) = (next, next_node),
                _ => return share,
            }
        }
    };
    roots.iter().map(leaf).sum::<f32>() / roots.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_data::Seed;

    /// Rows in the unit square; the anomalies are those of a corner.
    fn rows(count: usize, corner: f32) -> Vec<f32> {
        let mut rng = Seed(3).stream(&["rows", &count.to_string()]);
        (0..2 * count).map(|_| corner + rng.random_range(0.0..1.0 - corner)).collect()
    }

    #[test]
    fn rows_among_the_anomalies_have_the_higher_share() {
        let trees = Trees::grow(&rows(200, 0.0), &rows(10, 0.8), 2, 50, &mut Seed(1).stream(&[]));
        let share = |row: [f32; 2]| share(&trees.nodes, &trees.roots, &row);
        assert!(share([0.9, 0.9]) > 0.7, "{}", share([0.9, 0.9]));
        assert!(share([0.2, 0.3]) < 0.1, "{}", share([0.2, 0.3]));
    }

    /// One column that parts the classes: every tree finds pure leaves, and the share is 0 or 1 away from the gap.
    #[test]
    fn classes_apart_are_told_apart_wholly() {
        let trees = Trees::grow(&[0.0, 0.1, 0.2, 0.3], &[0.8, 0.9, 1.0, 0.7], 1, 20, &mut Seed(1).stream(&[]));
        let share = |cell: f32| share(&trees.nodes, &trees.roots, &[cell]);
        assert!(share(0.0) < 0.35 && share(1.0) > 0.65, "{} {}", share(0.0), share(1.0));
    }

    #[test]
    fn damaged_nodes_end_a_walk() {
        let backwards = [0.0, 0.5, 1.0, 0.25, 0.0, 0.5, 1.0, 0.75];
        assert_eq!(share(&backwards, &[0.0], &[0.1]), 0.75);
        assert_eq!(share(&backwards, &[7.0], &[0.1]), 0.0);
        assert_eq!(share(&[9.0, 0.5, 1.0, 0.25], &[0.0], &[0.1]), 0.25);
    }
}
