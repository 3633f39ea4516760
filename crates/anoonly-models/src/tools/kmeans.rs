//! k-means.
//!
//! Lloyd, "Least squares quantization in PCM", 1982, with the initial centres of Arthur and Vassilvitskii, "k-means++: The Advantages of
//! Careful Seeding", SODA 2007.

mod assignment;

use rand::{Rng, RngExt};

use self::assignment::Assignment;
use crate::kernels::narrow::{sums_of_columns, sums_of_terms};
use crate::kernels::panels::packed_rows::{NewCentre, PackedRows, SUMS};
use crate::kernels::products::StridedRows;
use crate::kernels::vectorised;

/// The most rounds, as in scikit-learn.
const ROUNDS: usize = 300;
/// k-means ends when the squares of how far the centres have moved sum to at most this, in mean variances of the columns; as in
/// scikit-learn.
const TOLERANCE: f64 = 1e-4;

/// The round in which rows are reordered. In the rounds before, centres move far, and most rows are compared in any order.
const REORDERED: usize = 1;

/// How many candidates are drawn for each further centre; the best is taken. `2 + ln k`, as in scikit-learn.
fn candidates(clusters: usize) -> usize {
    2 + (clusters as f64).ln() as usize
}

/// Clusters of rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clusters {
    /// The mean of each cluster that has a row, `[clusters, columns]`.
    pub centres: Vec<f32>,
    /// The number of rows in each, `[clusters]`.
    pub sizes: Vec<usize>,
}

impl Clusters {
    /// Finds `count` clusters of rows `[rows, columns]`, at least one row; fewer if there are fewer distinct rows.
    pub fn of(rows: &[f32], columns: usize, count: usize, rng: &mut impl Rng) -> Self {
        let (means, variance) = moments(rows, columns);
        let origin = means.into_iter().map(|mean| mean as f32).collect();
        Self::until(TOLERANCE * variance, StridedRows::all(rows, columns), origin, count, rng)
    }

    /// The same, given the sum of squares at which it ends, and an origin near the rows.
    fn until(still: f64, rows: StridedRows<'_>, origin: Vec<f32>, count: usize, rng: &mut impl Rng) -> Self {
        let columns = rows.width;
        let packed = PackedRows::new(rows, origin);
        let mut centres = seeded(rows, &packed, count, rng);
        if centres.len() < count * columns {
            // Rows that differ little may be equal after their mean is subtracted.
            centres = seeded(rows, &PackedRows::new(rows, vec![0.0; columns]), count, rng);
        }
        let mut assignment = Assignment::new(rows, packed);
        assignment.update(&centres, 0.0, |_, _, _| ());
        let mut means = Means::of(&assignment, centres.len() / columns);
        for round in 0..ROUNDS {
            if round == REORDERED {
                assignment.reorder();
            }
            let Moved { most, squares } = means.put(&mut centres);
            let mut changed = false;
            assignment.update(&centres, most, |row, from, to| {
                means.exchange(row, from, to);
                changed = true;
            });
            if !changed || squares <= still {
                break;
            }
        }
        // Without the rounding errors of all rows that have come and gone.
        let means = Means::of(&assignment, centres.len() / columns);
        means.put(&mut centres);
        let filled = centres.chunks_exact(columns).zip(&means.sizes).filter(|(_, size)| **size > 0);
        let (centres, sizes): (Vec<&[f32]>, Vec<usize>) = filled.map(|(centre, &size)| (centre, size)).unzip();
        Self { centres: centres.concat(), sizes }
    }
}

/// How far centres have moved: the largest distance, and the sum of all squared distances.
struct Moved {
    most: f64,
    squares: f64,
}

/// The sums of the rows of each cluster.
struct Means {
    columns: usize,
    /// `[clusters, columns]`.
    sums: Vec<f64>,
    sizes: Vec<usize>,
}

impl Means {
    fn of(assignment: &Assignment<'_>, clusters: usize) -> Self {
        let (rows, columns) = (assignment.rows, assignment.rows.width);
        let mut means = Self { columns, sums: vec![0.0; clusters * columns], sizes: vec![0; clusters] };
        let by_row = assignment.by_row();
        vectorised!(for (row, &cluster) in by_row.iter().enumerate() {
            let sums = means.sums[cluster * columns..].iter_mut();
            sums.zip(rows.row(row)).for_each(|(sum, &cell)| *sum += f64::from(cell));
            means.sizes[cluster] += 1;
        });
        means
    }

    /// Takes a row from one cluster to another one.
    #[inline(always)]
    fn exchange(&mut self, row: &[f32], from: usize, to: usize) {
        let sums = self.sums[from * self.columns..].iter_mut();
        sums.zip(row).for_each(|(sum, &cell)| *sum -= f64::from(cell));
        let sums = self.sums[to * self.columns..].iter_mut();
        sums.zip(row).for_each(|(sum, &cell)| *sum += f64::from(cell));
        self.sizes[from] -= 1;
        self.sizes[to] += 1;
    }

    /// Moves the centres of clusters with rows to the means of these.
    fn put(&self, centres: &mut [f32]) -> Moved {
        let sums = self.sums.chunks_exact(self.columns).zip(&self.sizes);
        let mut moved = Moved { most: 0.0, squares: 0.0 };
        for (centre, (sum, &size)) in
            centres.chunks_exact_mut(self.columns).zip(sums).filter(|(_, (_, size))| **size > 0)
        {
            let mut square = 0.0;
            for (cell, sum) in centre.iter_mut().zip(sum) {
                let mean = (sum / size as f64) as f32;
                square += (f64::from(mean) - f64::from(*cell)).powi(2);
                *cell = mean;
            }
            moved.most = moved.most.max(square.sqrt());
            moved.squares += square;
        }
        moved
    }
}

/// The mean of each column, and the mean over the columns of their variances.
fn moments(rows: &[f32], columns: usize) -> (Vec<f64>, f64) {
    let count = (rows.len() / columns) as f64;
    let means: Vec<f64> = sums_of_columns(rows, columns).into_iter().map(|sum: f64| sum / count).collect();
    let square = |cell: f32, _, mean: f64| (f64::from(cell) - mean) * (f64::from(cell) - mean);
    let squares = sums_of_terms([rows; 2], &means, square);
    (means, squares.into_iter().sum::<f64>() / rows.len() as f64)
}

/// Draws rows as centres, each with a probability proportional to its squared distance from the centres before. Several candidates are
/// drawn for each, and the one that leaves the smallest sum of squares is taken.
fn seeded(rows: StridedRows<'_>, packed: &PackedRows, count: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut first = [NewCentre::new(rows.row(rng.random_range(0..rows.len())))];
    packed.nearest(&packed.no_centre(), &mut first);
    let [NewCentre { row: first, mut squares }] = first;
    let (mut centres, mut total) = (first.to_vec(), sum(&squares));
    let mut tried: Vec<NewCentre<'_>> = (0..candidates(count)).map(|_| NewCentre::new(first)).collect();
    while centres.len() < count * rows.width && total > 0.0 {
        let shares: Vec<f64> = tried.iter().map(|_| rng.random::<f64>() * total).collect();
        let places = drawn(&squares[..rows.len()], &shares);
        tried.iter_mut().zip(places).for_each(|(centre, place)| centre.row = rows.row(place));
        packed.nearest(&squares, &mut tried);
        let sums = tried.iter_mut().map(|centre| (sum(&centre.squares), centre));
        let Some((left, best)) = sums.reduce(|best, other| if other.0 < best.0 { other } else { best }) else { break };
        centres.extend(best.row);
        total = left;
        std::mem::swap(&mut squares, &mut best.squares);
    }
    centres
}

/// The sum of squares, in the same order on every processor.
fn sum(squares: &[f32]) -> f64 {
    vectorised!({
        let mut sums = [0.0f64; SUMS];
        for squares in squares.chunks(SUMS) {
            sums.iter_mut().zip(squares).for_each(|(sum, &square)| *sum += f64::from(square));
        }
        sums.iter().sum()
    })
}

/// For each share of the sum of the weights, the first place up to which the weights sum to more than the share. If rounding lets none do
/// so, the last place with a weight.
fn drawn(weights: &[f32], shares: &[f64]) -> Vec<usize> {
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    let mut places = vec![last; shares.len()];
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&one, &other| shares[one].total_cmp(&shares[other]));
    let mut left = order.into_iter().peekable();
    let mut sum = 0.0;
    for (place, &weight) in weights.iter().enumerate() {
        sum += f64::from(weight);
        while let Some(share) = left.next_if(|&share| sum > shares[share]) {
            places[share] = place;
        }
    }
    places
}

/// The squared distance, summed in single precision.
#[inline(always)]
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |a: f32, b: f32| (a - b) * (a - b);
    let mut sums = [0.0f32; SUMS];
    let wide = a.len() / SUMS * SUMS;
    for (a, b) in a[..wide].chunks_exact(SUMS).zip(b.chunks_exact(SUMS)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (&a, &b))| *sum += square(a, b));
    }
    let rest: f32 = a[wide..].iter().zip(&b[wide..]).map(|(&a, &b)| square(a, b)).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    #[test]
    fn three_groups_of_rows_have_their_means_as_centres_for_every_seed() {
        let rows: Vec<f32> = (0..30).flat_map(|row| [(row / 10) as f32, (row % 10) as f32 / 100.0]).collect();
        for seed in 0..20 {
            let clusters = Clusters::of(&rows, 2, 3, &mut Seed(seed).stream(&[]));
            let mut centres: Vec<&[f32]> = clusters.centres.chunks(2).collect();
            centres.sort_by(|a, b| a[0].total_cmp(&b[0]));
            assert_eq!(clusters.sizes, [10; 3]);
            assert_eq!(centres, [[0.0, 0.045], [1.0, 0.045], [2.0, 0.045]]);
        }
    }

    /// Beside a value that is far larger, the smallest ones are equal once their mean is subtracted.
    #[test]
    fn rows_that_differ_little_are_distinct() {
        let rows: Vec<f32> = (0..1000).map(|row| if row == 500 { 1.0 } else { (row % 7) as f32 * 1e-12 }).collect();
        for seed in 0..5 {
            assert_eq!(Clusters::of(&rows, 1, 8, &mut Seed(seed).stream(&[])).sizes.len(), 8);
        }
    }

    #[test]
    fn there_are_no_more_clusters_than_distinct_rows() {
        let clusters = Clusters::of(&[1.0, 1.0, 2.0, 1.0], 1, 8, &mut Seed(1).stream(&[]));
        assert_eq!(clusters.sizes.iter().sum::<usize>(), 4);
        assert_eq!(clusters.sizes.len(), 2);
        assert_eq!(Clusters::of(&[3.0; 17], 17, 8, &mut Seed(1).stream(&[])).centres, [3.0; 17]);
    }

    /// Groups that overlap, so that many rounds pass before rows stay where they are.
    #[test]
    fn rows_that_are_not_compared_again_are_where_a_comparison_would_put_them() {
        let rows: Vec<f32> =
            (0..3000).map(|cell| (cell * 7919 % 10_007) as f32 / 10_007.0 + (cell % 5) as f32 / 5.0).collect();
        let (all, origin) = (StridedRows::all(&rows, 3), vec![0.9, 0.4, 0.0]);
        let mut centres = seeded(all, &PackedRows::new(all, origin.clone()), 8, &mut Seed(1).stream(&[]));
        let (mut nearest, mut sizes, mut rounds) = (Vec::new(), [0; 8], 0);
        loop {
            let exact = |row: &[f32]| {
                let distances = centres.chunks_exact(3).map(|centre| squared_distance(row, centre)).enumerate();
                distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
            };
            let next: Vec<usize> = rows.chunks_exact(3).map(exact).collect();
            if next == nearest {
                break;
            }
            nearest = next;
            rounds += 1;
            for (cluster, centre) in centres.chunks_exact_mut(3).enumerate() {
                let own: Vec<&[f32]> =
                    rows.chunks_exact(3).zip(&nearest).filter(|row| *row.1 == cluster).map(|row| row.0).collect();
                sizes[cluster] = own.len();
                for (column, cell) in centre.iter_mut().enumerate() {
                    *cell = (own.iter().map(|row| f64::from(row[column])).sum::<f64>() / own.len() as f64) as f32;
                }
            }
        }
        assert!(rounds > 10, "{rounds}");
        let ours = Clusters::until(0.0, all, origin, 8, &mut Seed(1).stream(&[]));
        assert_eq!(ours, Clusters { centres, sizes: sizes.to_vec() });
        // A tolerance ends it earlier, near the same centres: the centres differ by less than the rows spread.
        let rough = Clusters::of(&rows, 3, 8, &mut Seed(1).stream(&[]));
        let far = rough.centres.iter().zip(&ours.centres).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far > 0.0 && f64::from(far) < moments(&rows, 3).1.sqrt(), "{far}");
    }

    #[test]
    fn a_place_is_drawn_where_the_sum_of_the_weights_passes_its_share() {
        let weights = [2.0, 0.0, 3.0, 0.0, 1.0, 0.0];
        assert_eq!(drawn(&weights, &[5.5, 0.0, 1.9, 2.0, 4.9, 5.0, 6.0]), [4, 0, 0, 2, 2, 4, 4]);
    }

    /// By hand: the columns have the variances 2/3 and 6.
    #[test]
    fn the_mean_variance_is_over_columns() {
        let (means, variance) = moments(&[1.0, 0.0, 2.0, 3.0, 3.0, 6.0], 2);
        assert!(means == [2.0, 3.0] && (variance - (2.0 / 3.0 + 6.0) / 2.0).abs() < 1e-12, "{means:?} {variance}");
    }
}
