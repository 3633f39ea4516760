//! k-means clusters, from which the fit of a mixture starts.

use nalgebra::{DMatrix, DVectorView};
use rand::{Rng, RngExt};

/// The largest number of rounds. Clusters of real data converge within some tens.
const ROUNDS: usize = 100;

/// The cluster of each point by Lloyd's algorithm, with initial centres from k-means++ (Arthur and Vassilvitskii 2007).
///
/// Clusters may be empty when there are fewer distinct points than clusters.
pub fn clusters(points: &DMatrix<f64>, count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut centres = seeded(points, count, rng);
    let mut nearest = assigned(points, &centres);
    for _ in 0..ROUNDS {
        let mut sums = DMatrix::zeros(points.nrows(), count);
        let mut sizes = vec![0usize; count];
        for (point, &cluster) in points.column_iter().zip(&nearest) {
            sums.column_mut(cluster).zip_apply(&point, |sum, value| *sum += value);
            sizes[cluster] += 1;
        }
        for (cluster, &size) in sizes.iter().enumerate().filter(|(_, size)| **size > 0) {
            centres.set_column(cluster, &(sums.column(cluster) / size as f64));
        }
        let next = assigned(points, &centres);
        if next == nearest {
            break;
        }
        nearest = next;
    }
    nearest
}

/// Points drawn as centres, each with a probability proportional to the squared distance from the nearest earlier centre.
fn seeded(points: &DMatrix<f64>, count: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    let mut chosen = vec![rng.random_range(0..points.ncols())];
    let mut distances = vec![f64::INFINITY; points.ncols()];
    while chosen.len() < count {
        let last = points.column(chosen[chosen.len() - 1]);
        for (distance, point) in distances.iter_mut().zip(points.column_iter()) {
            *distance = distance.min(squared_distance(point, last));
        }
        let mut left = rng.random::<f64>() * distances.iter().sum::<f64>();
        let passed = |distance: &f64| {
            left -= distance;
            left < 0.0
        };
        // When every point coincides with a centre, any point will do.
        chosen.push(distances.iter().position(passed).unwrap_or(points.ncols() - 1));
    }
    points.select_columns(&chosen)
}

fn assigned(points: &DMatrix<f64>, centres: &DMatrix<f64>) -> Vec<usize> {
    let nearest = |point: DVectorView<'_, f64>| {
        let distances = centres.column_iter().map(|centre| squared_distance(point, centre));
        distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(cluster, _)| cluster)
    };
    points.column_iter().map(nearest).collect()
}

fn squared_distance(a: DVectorView<'_, f64>, b: DVectorView<'_, f64>) -> f64 {
    a.iter().zip(b.iter()).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn separate_groups_become_the_clusters_for_every_seed() {
        // Three groups of ten points that are close together.
        let points =
            DMatrix::from_fn(2, 30, |row, point| ((point / 10) * (row + 5)) as f64 + 0.01 * (point % 10) as f64);
        for seed in 0..20 {
            let clusters = clusters(&points, 3, &mut Seed(seed).stream(&[]));
            let mut of_places: Vec<usize> = clusters.chunks(10).map(|place| place[0]).collect();
            assert!(clusters.chunks(10).all(|place| place.iter().all(|cluster| *cluster == place[0])), "{clusters:?}");
            of_places.sort_unstable();
            assert_eq!(of_places, [0, 1, 2]);
        }
    }

    #[test]
    fn more_clusters_than_distinct_points_leave_some_empty() {
        let clusters = clusters(&DMatrix::from_element(2, 5, 1.0), 3, &mut Seed(1).stream(&[]));
        assert!(clusters.iter().all(|cluster| *cluster == clusters[0]));
    }
}
