//! How many anomalies are left among rows that nobody has looked at, from rows drawn at random.

use crate::Interval;

/// A row drawn at random from the rows whose class was not known at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomDraw {
    /// The number of rows it was drawn from, itself included.
    pub unknown: usize,
    /// The number of anomalies among the rows of the pool that were known by then.
    pub found: usize,
    /// Whether it is an anomaly.
    pub anomaly: bool,
}

/// The weight of the first guess in the predictions of the next draw, in draws.
const GUESS_WEIGHT: f64 = 1.0;
/// The first guess: the share of anomalies in a pool. It changes the width of the interval and not its coverage.
const GUESS: f64 = 0.1;

/// Estimates how many anomalies are left in a pool. Of its rows, `found` are known to be anomalies and `unknown` are not known.
/// `None` without draws.
///
/// The rows that are looked at between draws may be chosen in any way, for example by scores that follow from earlier answers; only
/// the draws must be random. Let K be the number of anomalies in the pool. Given all that came before, draw i is an anomaly with
/// probability pᵢ(K) = (K − foundᵢ) / unknownᵢ.
///
/// The estimate of K solves Σ anomalyᵢ = Σ pᵢ(K). It is unbiased when the numbers of rows do not depend on the classes.
///
/// The interval holds every K with ∏ qᵢ / ∏ Pᵢ(K) < 1 / (1 − level), where Pᵢ(K) is the probability of the i-th outcome and qᵢ a prediction
/// of it from the draws before. For the true K this ratio is a supermartingale, so that by Ville's inequality the interval holds the
/// true number after *every* draw with probability at least `level` (Waudby-Smith and Ramdas, "Confidence sequences for sampling without
/// replacement", NeurIPS 2020; Wasserman, Ramdas and Balakrishnan, "Universal inference", PNAS 2020). A person may therefore look at it
/// after each answer and stop when it is narrow enough.
///
/// The estimate lies within the interval, and both within 0 and `unknown`: an estimate beyond them is moved to the nearest of them.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn anomalies_left(draws: &[RandomDraw], found: usize, unknown: usize, level: f64) -> Option<Interval> {
    assert!(level > 0.0 && level < 1.0, "the level must be between 0 and 1");
    if draws.is_empty() {
        return None;
    }
    let (least, most) = (found as i64, (found + unknown) as i64);
    let likelihood = |total: i64| log_likelihood(draws, total);
    // The likelihood rises up to its maximum and falls after it, because each factor is a concave function of K on the log scale.
    let (mut from, mut to) = (least, most);
    while from < to {
        let middle = from + (to - from) / 2;
        // Below the possible values the slope is up, above them down.
        match slope_is_up(draws, middle) {
            true => from = middle + 1,
            false => to = middle,
        }
    }
    let likeliest = from;
    let bar = log_prediction(draws) + (1.0 - level).ln();
    let accepted = |total: i64| likelihood(total) > bar;
    let (low, high) = match accepted(likeliest) {
        true => (edge(least, likeliest, accepted), edge(most, likeliest, accepted)),
        // Only when the classes of rows contradict each other, as after answers that were changed.
        false => (likeliest, likeliest),
    };
    let (hits, weights) = draws.iter().fold((0.0, 0.0), |(hits, weights), draw| {
        let unknown = draw.unknown as f64;
        (hits + f64::from(u8::from(draw.anomaly)) + draw.found as f64 / unknown, weights + 1.0 / unknown)
    });
    let left = |total: f64| (total - found as f64).max(0.0);
    let (low, high) = (left(low as f64), left(high as f64));
    Some(Interval { estimate: left(hits / weights).clamp(low, high), low, high })
}

/// The accepted value that is farthest from an accepted `inside` in the direction of `outside`.
fn edge(outside: i64, inside: i64, accepted: impl Fn(i64) -> bool) -> i64 {
    if accepted(outside) {
        return outside;
    }
    let (mut refused, mut inside) = (outside, inside);
    while refused.abs_diff(inside) > 1 {
        let middle = inside + (refused - inside) / 2;
        match accepted(middle) {
            true => inside = middle,
            false => refused = middle,
        }
    }
    inside
}

/// The logarithm of the probability of the draws when the pool has `total` anomalies; −∞ where they are impossible.
fn log_likelihood(draws: &[RandomDraw], total: i64) -> f64 {
    let log = |draw: &RandomDraw| {
        let left = total - draw.found as i64;
        let outcome = if draw.anomaly { left } else { draw.unknown as i64 - left };
        match left >= 0 && left <= draw.unknown as i64 && outcome > 0 {
            true => (outcome as f64 / draw.unknown as f64).ln(),
            false => f64::NEG_INFINITY,
        }
    };
    draws.iter().map(log).sum()
}

/// Whether the draws are likelier with `total + 1` anomalies in the pool than with `total`.
fn slope_is_up(draws: &[RandomDraw], total: i64) -> bool {
    let (mut here, mut next) = (0.0, 0.0);
    for draw in draws {
        let left = total - draw.found as i64;
        // A value that a draw rules out lies below all possible ones, or above them.
        if left < i64::from(draw.anomaly) {
            return true;
        }
        if left >= draw.unknown as i64 - i64::from(!draw.anomaly) {
            return false;
        }
        let outcome = |left: i64| if draw.anomaly { left } else { draw.unknown as i64 - left };
        here += (outcome(left) as f64).ln();
        next += (outcome(left + 1) as f64).ln();
    }
    next > here
}

/// The logarithm of the product of the predictions of the draws, each made from the draws before it. Two predictors are mixed: the
/// share of anomalies among the draws, and the number of anomalies that the draws suggest to be left. The second follows at once when
/// most anomalies have been found in another way.
fn log_prediction(draws: &[RandomDraw]) -> f64 {
    let (mut by_share, mut by_number) = (0.0f64, 0.0f64);
    let (mut hits, mut count) = (GUESS * GUESS_WEIGHT, GUESS_WEIGHT);
    let (mut shares, mut weights) = (0.0, 0.0);
    for (place, draw) in draws.iter().enumerate() {
        let unknown = draw.unknown as f64;
        if place == 0 {
            (shares, weights) =
                (GUESS * GUESS_WEIGHT + GUESS_WEIGHT * draw.found as f64 / unknown, GUESS_WEIGHT / unknown);
        }
        let share: f64 = hits / count;
        let left = (shares / weights - draw.found as f64) / unknown;
        let least = GUESS * GUESS_WEIGHT / count;
        let log = |share: f64| if draw.anomaly { share.ln() } else { (1.0 - share).ln() };
        by_share += log(share);
        by_number += log(left.clamp(least, 1.0 - least));
        let anomaly = f64::from(u8::from(draw.anomaly));
        (hits, count) = (hits + anomaly, count + 1.0);
        (shares, weights) = (shares + anomaly + draw.found as f64 / unknown, weights + 1.0 / unknown);
    }
    let higher = by_share.max(by_number);
    higher + (0.5 * ((by_share - higher).exp() + (by_number - higher).exp())).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn draws_without_an_anomaly_bound_what_is_left() {
        let misses = |count: usize| -> Vec<RandomDraw> {
            (0..count).map(|before| RandomDraw { unknown: 5000 - before, found: 0, anomaly: false }).collect()
        };
        assert_eq!(anomalies_left(&[], 0, 5000, 0.95), None);
        // The rule of three: an exact one-sided bound is 3 / draws of the rows. An interval that holds at all times is a little wider.
        for (count, exact) in [(50, 290.0), (200, 73.0), (1000, 13.4)] {
            let left = anomalies_left(&misses(count), 0, 5000 - count, 0.95).unwrap();
            assert_eq!((left.estimate, left.low), (0.0, 0.0));
            assert!(left.high > exact && left.high < 1.35 * exact, "{count} draws: {left:?}");
        }
        let all = anomalies_left(&misses(5000), 0, 0, 0.95).unwrap();
        assert_eq!((all.estimate, all.low, all.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn anomalies_that_were_found_otherwise_are_not_left() {
        // 10 of 100 draws are anomalies; then 490 anomalies are found otherwise, and 300 draws have none.
        let first = (0..100).map(|at| RandomDraw { unknown: 5000 - at, found: at / 10, anomaly: at % 10 == 9 });
        let later = (0..300).map(|at| RandomDraw { unknown: 4400 - at, found: 500, anomaly: false });
        let draws: Vec<RandomDraw> = first.chain(later).collect();
        let left = anomalies_left(&draws, 500, 4100, 0.95).unwrap();
        assert_eq!(left.low, 0.0);
        assert!(left.estimate < 10.0 && left.high < 100.0, "{left:?}");
    }

    /// A pool of 400 rows with 30 anomalies. Between draws a searcher looks at two rows, which are anomalies more often than others,
    /// the more so after a draw was one. At each moment he may stop.
    fn search(seed: u64) -> Vec<(f64, Interval)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut pool: Vec<bool> = (0..400).map(|row| row < 30).collect();
        let (mut found, mut draws, mut moments) = (0, Vec::new(), Vec::new());
        let mut skill = 0.1;
        for _ in 0..100 {
            let unknown = pool.len();
            let anomaly = pool.swap_remove(rng.random_range(0..unknown));
            draws.push(RandomDraw { unknown, found, anomaly });
            found += usize::from(anomaly);
            skill = if anomaly { 0.9 } else { skill * 0.9 };
            for _ in 0..2 {
                let wanted = rng.random::<f64>() < skill;
                let row = pool.iter().position(|&anomaly| anomaly == wanted).unwrap_or(0);
                found += usize::from(pool.swap_remove(row));
            }
            let left = pool.iter().filter(|&&anomaly| anomaly).count() as f64;
            moments.push((left, anomalies_left(&draws, found, pool.len(), 0.95).unwrap()));
        }
        moments
    }

    #[test]
    fn the_interval_holds_the_number_at_all_moments_of_a_search() {
        let rounds = 400;
        let mut always = 0;
        let (mut estimated, mut truly) = (0.0, 0.0);
        for seed in 0..rounds {
            let moments = search(seed);
            always += usize::from(moments.iter().all(|(left, found)| (found.low..=found.high).contains(left)));
            // Early, so that the estimate is seldom moved to a bound.
            let (left, found) = moments[29];
            (estimated, truly) = (estimated + found.estimate, truly + left);
        }
        // The standard error of the share is 0.011.
        assert!(always as f64 / rounds as f64 >= 0.95 - 0.02, "{always} of {rounds}");
        let (estimated, truly) = (estimated / rounds as f64, truly / rounds as f64);
        assert!((estimated / truly - 1.0).abs() < 0.1, "{estimated} and {truly}");
    }
}
