//! k-means.
//!
//! Lloyd, "Least squares quantization in PCM", 1982, with the initial centres of Arthur and Vassilvitskii, "k-means++: The Advantages of
//! Careful Seeding", SODA 2007.

use rand::{Rng, RngExt};

/// The most rounds, as in scikit-learn.
const ROUNDS: usize = 300;
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
        let mut centres = seeded(rows, columns, count, rng);
        let mut nearest = assigned(rows, columns, &centres);
        let mut sizes = Vec::new();
        for _ in 0..ROUNDS {
            let mut sums = vec![0.0f64; centres.len()];
            sizes = vec![0usize; centres.len() / columns];
            for (row, &cluster) in rows.chunks_exact(columns).zip(&nearest) {
                let sum = &mut sums[cluster * columns..][..columns];
                sum.iter_mut().zip(row).for_each(|(sum, &cell)| *sum += f64::from(cell));
                sizes[cluster] += 1;
            }
            for ((centre, sum), &size) in centres.chunks_exact_mut(columns).zip(sums.chunks_exact(columns)).zip(&sizes)
            {
                if size > 0 {
                    centre.iter_mut().zip(sum).for_each(|(cell, sum)| *cell = (sum / size as f64) as f32);
                }
            }
            let next = assigned(rows, columns, &centres);
            if next == nearest {
                break;
            }
            nearest = next;
        }
        let filled = centres.chunks_exact(columns).zip(&sizes).filter(|(_, size)| **size > 0);
        let (centres, sizes): (Vec<&[f32]>, Vec<usize>) = filled.map(|(centre, &size)| (centre, size)).unzip();
        Self { centres: centres.concat(), sizes }
    }
}

/// Draws rows as centres, each with a probability proportional to its squared distance from the centres before. Several candidates are
/// drawn for each, and the one that leaves the smallest sum of squares is taken.
fn seeded(rows: &[f32], columns: usize, count: usize, rng: &mut impl Rng) -> Vec<f32> {
    let row = |place: usize| &rows[place * columns..][..columns];
    let given = rows.len() / columns;
    let mut centres = row(rng.random_range(0..given)).to_vec();
    let mut distances: Vec<f64> = rows.chunks_exact(columns).map(|row| squared_distance(row, &centres)).collect();
    while centres.len() < count * columns {
        let total: f64 = distances.iter().sum();
        if total <= 0.0 {
            break;
        }
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..candidates(count) {
            let mut left = rng.random::<f64>() * total;
            let passed = |distance: &f64| {
                left -= distance;
                left < 0.0
            };
            let drawn = distances.iter().position(passed).unwrap_or(given - 1);
            let closer = rows.chunks_exact(columns).zip(&distances);
            let closer: Vec<f64> =
                closer.map(|(other, &known)| squared_distance(other, row(drawn)).min(known)).collect();
            let sum = closer.iter().sum();
            if best.as_ref().is_none_or(|(least, ..)| sum < *least) {
                best = Some((sum, drawn, closer));
            }
        }
        let Some((_, drawn, closer)) = best else { break };
        centres.extend(row(drawn));
        distances = closer;
    }
    centres
}

/// The nearest centre of each row.
fn assigned(rows: &[f32], columns: usize, centres: &[f32]) -> Vec<usize> {
    let nearest = |row: &[f32]| {
        let distances = centres.chunks_exact(columns).map(|centre| squared_distance(row, centre));
        distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(cluster, _)| cluster)
    };
    rows.chunks_exact(columns).map(nearest).collect()
}

/// The squared distance, summed in single precision.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let square = |a: f32, b: f32| (a - b) * (a - b);
    let mut sums = [0.0f32; LANES];
    let wide = a.len() / LANES * LANES;
    for (a, b) in a[..wide].chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
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

    #[test]
    fn there_are_no_more_clusters_than_distinct_rows() {
        let clusters = Clusters::of(&[1.0, 1.0, 2.0, 1.0], 1, 8, &mut Seed(1).stream(&[]));
        assert_eq!(clusters.sizes.iter().sum::<usize>(), 4);
        assert_eq!(clusters.sizes.len(), 2);
        assert_eq!(Clusters::of(&[3.0; 17], 17, 8, &mut Seed(1).stream(&[])).centres, [3.0; 17]);
    }
}
