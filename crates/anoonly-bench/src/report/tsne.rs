//! t-SNE: rows of many features as points in the plane, with similar rows near each other.
//!
//! Van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008, with the step size of Belkina et al. 2019. It computes all
//! pairs, which takes half a second for a few hundred rows. The crate `bhtsne` sums in an order that changes with threads and from
//! run to run, so its pictures differ; this implementation gives the same picture every time.

use rand::{Rng, RngExt};

/// The number of steps, and of early ones with exaggerated similarity, in which clusters form.
const STEPS: usize = 750;
const EARLY: usize = 250;
const EXAGGERATION: f64 = 12.0;

/// A point for each row, starting from points drawn from `rng`. `None` for fewer than four rows or if all rows are equal.
///
/// `perplexity` is the approximate number of neighbours of a row; it is lowered for few rows.
pub fn embed(rows: &[&[f32]], perplexity: f64, rng: &mut impl Rng) -> Option<Vec<(f64, f64)>> {
    let count = rows.len();
    if count < 4 {
        return None;
    }
    let distances = squared_distances(rows);
    if distances.iter().all(|distance| *distance == 0.0) {
        return None;
    }
    let similarity = joint(&distances, count, perplexity.min((count - 1) as f64 / 3.0));
    let mut points: Vec<[f64; 2]> = (0..count).map(|_| [0, 1].map(|_| 1e-2 * (rng.random::<f64>() - 0.5))).collect();
    let mut moved = vec![[0.0; 2]; count];
    let mut gains = vec![[1.0f64; 2]; count];
    let rate = (count as f64 / EXAGGERATION / 4.0).max(50.0);
    for step in 0..STEPS {
        let (exaggeration, momentum) = if step < EARLY { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let slope = gradient(&points, &similarity, exaggeration);
        for row in 0..count {
            for axis in 0..2 {
                let along = slope[row][axis] * moved[row][axis] < 0.0;
                gains[row][axis] = (if along { gains[row][axis] + 0.2 } else { gains[row][axis] * 0.8 }).max(0.01);
                moved[row][axis] = momentum * moved[row][axis] - rate * gains[row][axis] * slope[row][axis];
                points[row][axis] += moved[row][axis];
            }
        }
    }
    points
        .iter()
        .all(|point| point.iter().all(|place| place.is_finite()))
        .then(|| points.iter().map(|p| (p[0], p[1])).collect())
}

/// The gradient, equation 5 of the paper, summed over all pairs: 4 Σⱼ (pᵢⱼ − qᵢⱼ)(yᵢ − yⱼ)/(1 + |yᵢ − yⱼ|²).
fn gradient(points: &[[f64; 2]], similarity: &[f64], exaggeration: f64) -> Vec<[f64; 2]> {
    let count = points.len();
    let kernel = |a: &[f64; 2], b: &[f64; 2]| 1.0 / (1.0 + (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
    let kernels: Vec<f64> = points.iter().flat_map(|a| points.iter().map(move |b| kernel(a, b))).collect();
    let all = kernels.iter().sum::<f64>() - count as f64;
    let of_row = |row: usize| {
        let mut slope = [0.0; 2];
        for other in 0..count {
            let near = kernels[row * count + other];
            let pull = 4.0 * (exaggeration * similarity[row * count + other] - near / all) * near;
            slope[0] += pull * (points[row][0] - points[other][0]);
            slope[1] += pull * (points[row][1] - points[other][1]);
        }
        slope
    };
    (0..count).map(of_row).collect()
}

fn squared_distances(rows: &[&[f32]]) -> Vec<f64> {
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    rows.iter().flat_map(|a| rows.iter().map(move |b| distance(a, b))).collect()
}

/// The similarity of each pair of rows, equations 1 and 3 of the paper: a Gaussian around each row whose width gives the
/// perplexity, then the mean of both directions. All pairs sum to 1.
fn joint(distances: &[f64], count: usize, perplexity: f64) -> Vec<f64> {
    let mut one_way = Vec::with_capacity(count * count);
    for row in 0..count {
        let near = &distances[row * count..(row + 1) * count];
        one_way.extend(of_neighbours(near, row, perplexity.ln()));
    }
    let both = |place: usize| one_way[place] + one_way[place % count * count + place / count];
    (0..count * count).map(|place| (both(place) / (2.0 * count as f64)).max(1e-12)).collect()
}

/// The similarities of the other rows to one row. The precision of the Gaussian is found by bisection on the entropy.
fn of_neighbours(distances: &[f64], row: usize, entropy: f64) -> Vec<f64> {
    // Distances relative to the nearest row, so that not all exponentials are 0.
    let others = || distances.iter().enumerate().filter(|(other, _)| *other != row);
    let nearest = others().map(|(_, distance)| *distance).fold(f64::INFINITY, f64::min);
    let weights = |precision: f64| -> Vec<f64> {
        let weight = |(other, distance): (usize, &f64)| {
            if other == row { 0.0 } else { (-precision * (distance - nearest)).exp() }
        };
        let weights: Vec<f64> = distances.iter().enumerate().map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    };
    let spread = |weights: &[f64]| -weights.iter().filter(|w| **w > 0.0).map(|w| w * w.ln()).sum::<f64>();
    let (mut low, mut high, mut precision) = (0.0, f64::INFINITY, 1.0);
    let mut found = weights(precision);
    for _ in 0..200 {
        let difference = spread(&found) - entropy;
        if difference.abs() < 1e-6 {
            break;
        }
        if difference > 0.0 {
            low = precision
        } else {
            high = precision
        }
        precision = if high.is_finite() { (low + high) / 2.0 } else { precision * 2.0 };
        found = weights(precision);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    /// The embedding of two distant clusters of 20 rows.
    fn clusters(seed: u64) -> Vec<(f64, f64)> {
        let mut rng = Seed(1).stream(&["rows"]);
        let mut row = |centre: f32| -> Vec<f32> { (0..5).map(|_| centre + rng.random::<f32>()).collect() };
        let rows: Vec<Vec<f32>> = (0..40).map(|place| row(if place < 20 { 0.0 } else { 8.0 })).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        embed(&rows, 10.0, &mut Seed(seed).stream(&["start"])).unwrap()
    }

    #[test]
    fn clusters_stay_apart_and_a_seed_determines_the_picture() {
        let points = clusters(1);
        let distance = |a: (f64, f64), b: (f64, f64)| ((a.0 - b.0).powi(2) + (a.1 - b.1).powi(2)).sqrt();
        for (row, point) in points.iter().enumerate() {
            let nearest = (0..40)
                .filter(|other| *other != row)
                .min_by(|a, b| distance(*point, points[*a]).total_cmp(&distance(*point, points[*b])));
            assert_eq!(nearest.unwrap() < 20, row < 20, "row {row} is nearest to the other cluster");
        }
        assert_eq!(points, clusters(1));
        assert_ne!(points, clusters(2));
    }

    #[test]
    fn similarities_have_the_requested_perplexity() {
        let rows: Vec<[f32; 2]> =
            (0..30u8).map(|row| [f32::from(row % 7), f32::from(row.wrapping_mul(row) % 11)]).collect();
        let rows: Vec<&[f32]> = rows.iter().map(|row| row.as_slice()).collect();
        let distances = squared_distances(&rows);
        for row in 0..30 {
            let similarity = of_neighbours(&distances[row * 30..(row + 1) * 30], row, 8f64.ln());
            let entropy = -similarity.iter().filter(|w| **w > 0.0).map(|w| w * w.ln()).sum::<f64>();
            assert!((entropy.exp() - 8.0).abs() < 1e-4, "{}", entropy.exp());
            assert_eq!(similarity[row], 0.0);
        }
        let all = joint(&distances, 30, 8.0);
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-8);
        assert!((0..900).all(|place| all[place] == all[place % 30 * 30 + place / 30]), "similarity is symmetric");
    }

    /// Compared with finite differences of the loss Σ p ln(p/q).
    #[test]
    fn the_gradient_is_that_of_the_divergence() {
        let rows: Vec<[f32; 2]> = (0..8u8).map(|row| [f32::from(row), f32::from(row * row % 5)]).collect();
        let rows: Vec<&[f32]> = rows.iter().map(|row| row.as_slice()).collect();
        let similarity = joint(&squared_distances(&rows), 8, 2.0);
        let mut points: Vec<[f64; 2]> = (0..8).map(|row| [0.3 * row as f64, ((row * 5) % 8) as f64 * 0.2]).collect();
        let divergence = |points: &[[f64; 2]]| {
            let near = |a: usize, b: usize| {
                1.0 / (1.0 + (points[a][0] - points[b][0]).powi(2) + (points[a][1] - points[b][1]).powi(2))
            };
            let pairs = || (0..64).filter(|pair| pair / 8 != pair % 8);
            let all: f64 = pairs().map(|pair| near(pair / 8, pair % 8)).sum();
            pairs()
                .map(|pair| similarity[pair] * (similarity[pair] / (near(pair / 8, pair % 8) / all)).ln())
                .sum::<f64>()
        };
        let slope = gradient(&points, &similarity, 1.0);
        for row in 0..8 {
            for axis in 0..2 {
                let here = points[row][axis];
                let [above, below] = [1e-5, -1e-5].map(|step| {
                    points[row][axis] = here + step;
                    divergence(&points)
                });
                points[row][axis] = here;
                let measured = (above - below) / 2e-5;
                assert!((measured - slope[row][axis]).abs() < 1e-6, "{measured} is not {}", slope[row][axis]);
            }
        }
    }

    #[test]
    fn few_or_equal_rows_have_no_picture() {
        let mut rng = Seed(1).stream(&[]);
        assert!(embed(&[&[1.0], &[2.0], &[3.0]], 5.0, &mut rng).is_none());
        assert!(embed(&[&[1.0, 2.0][..]; 10], 5.0, &mut rng).is_none());
        // Copies of a few rows are accepted.
        let copies: Vec<&[f32]> = (0..12).map(|row| if row % 2 == 0 { &[0.0f32][..] } else { &[1.0][..] }).collect();
        assert_eq!(embed(&copies, 5.0, &mut rng).map(|points| points.len()), Some(12));
    }
}
