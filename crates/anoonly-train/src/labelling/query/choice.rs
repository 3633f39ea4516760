//! The query strategies.

use std::cmp::Ordering;
use std::collections::HashSet;

use rand::Rng;
use rand::seq::index;

use super::Ranking;

/// How many times as many rows as are asked come into question for `diverse`.
const POOL: usize = 3;

/// The candidates with the highest scores.
pub fn top(ranking: &Ranking<'_>, count: usize) -> Vec<usize> {
    smallest(ranking.candidates, count, |row| -score(ranking, row))
}

/// The candidates whose scores are nearest to the threshold.
pub fn margin(ranking: &Ranking<'_>, count: usize) -> Vec<usize> {
    match ranking.threshold {
        Some(threshold) => {
            smallest(ranking.candidates, count, |row| (score(ranking, row) - f64::from(threshold)).abs())
        }
        None => top(ranking, count),
    }
}

/// Candidates drawn without replacement.
pub fn random(candidates: &[usize], count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let places = index::sample(rng, candidates.len(), count.min(candidates.len()));
    places.into_iter().map(|place| candidates[place]).collect()
}

/// High candidates that are far from each other.
pub fn diverse(ranking: &Ranking<'_>, count: usize) -> Vec<usize> {
    let mut pool = highest_different(ranking, POOL.saturating_mul(count));
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    let mut distances = vec![f64::INFINITY; pool.len()];
    while chosen.len() < count && !pool.is_empty() {
        // All distances are infinite at first, so the first row is the highest one.
        let farthest =
            (1..pool.len()).fold(0, |best, place| if distances[place] > distances[best] { place } else { best });
        let row = pool.remove(farthest);
        distances.remove(farthest);
        for (distance, &other) in distances.iter_mut().zip(&pool) {
            *distance = distance.min(squared_distance(ranking, row, other));
        }
        chosen.push(row);
    }
    // There were fewer different rows than are asked.
    if chosen.len() < count {
        let known: HashSet<usize> = chosen.iter().copied().collect();
        let more = top(ranking, ranking.candidates.len()).into_iter().filter(|row| !known.contains(row));
        chosen.extend(more.take(count - known.len()));
    }
    chosen
}

/// The candidates with the highest scores among those whose features equal those of no earlier candidate.
fn highest_different(ranking: &Ranking<'_>, count: usize) -> Vec<usize> {
    let mut looked_at = count;
    loop {
        let rows = top(ranking, looked_at);
        let all = rows.len() == ranking.candidates.len();
        let mut seen = HashSet::new();
        let mut different: Vec<usize> = rows.into_iter().filter(|&row| seen.insert(bits(ranking, row))).collect();
        if all || different.len() >= count {
            different.truncate(count);
            return different;
        }
        looked_at = looked_at.saturating_mul(4);
    }
}

/// The features of a row as bits; 0 and -0 are equal.
fn bits(ranking: &Ranking<'_>, row: usize) -> Vec<u32> {
    ranking.features.row(row).iter().map(|value| (value + 0.0).to_bits()).collect()
}

fn squared_distance(ranking: &Ranking<'_>, one: usize, other: usize) -> f64 {
    let pairs = ranking.features.row(one).into_iter().zip(ranking.features.row(other));
    pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// The score of a row; one that is not a number is the lowest.
fn score(ranking: &Ranking<'_>, row: usize) -> f64 {
    let score = f64::from(ranking.scores[row]);
    if score.is_nan() { f64::NEG_INFINITY } else { score }
}

/// The rows with the smallest values, in their order; equal values in the order of rows.
fn smallest(rows: &[usize], count: usize, value: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut valued: Vec<(f64, usize)> = rows.iter().map(|&row| (value(row) + 0.0, row)).collect();
    let order = |a: &(f64, usize), b: &(f64, usize)| -> Ordering { a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)) };
    if (1..valued.len()).contains(&count) {
        valued.select_nth_unstable_by(count - 1, order);
    }
    valued.truncate(count);
    valued.sort_unstable_by(order);
    valued.into_iter().map(|(_, row)| row).collect()
}
