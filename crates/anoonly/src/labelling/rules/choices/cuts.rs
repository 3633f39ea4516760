//! Bounds between observed values.

use crate::labelling::profile::power_of_ten;

/// The largest number of bounds in each direction.
const BOUNDS: usize = 48;

/// The bounds that may separate anomalies from other rows.
pub(super) struct Cuts {
    /// Bounds with anomalies above them.
    pub above: Vec<f64>,
    /// Bounds with anomalies at most as large.
    pub at_most: Vec<f64>,
    /// The number of bounds there are, also of those that are not listed.
    pub number: usize,
}

/// The bounds between neighbouring values. The first `anomalies` values are those of anomalies, the rest those of other rows. NaN is ignored.
///
/// A bound that divides neighbours of one class is never the best one (Fayyad and Irani, 1992), so that only others are taken: next to an
/// anomaly on the matching side, and to another row on the other side.
pub(super) fn cuts(values: &[f64], anomalies: usize, is_time: bool) -> Cuts {
    let mut sorted: Vec<(f64, bool)> = values
        .iter()
        .enumerate()
        .map(|(place, &value)| (value, place < anomalies))
        .filter(|(value, _)| !value.is_nan())
        .collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Each value, and whether it is one of an anomaly, and one of another row.
    let mut distinct: Vec<(f64, bool, bool)> = Vec::new();
    for (value, anomaly) in sorted {
        match distinct.last_mut().filter(|last| last.0 == value) {
            Some(last) => (last.1, last.2) = (last.1 | anomaly, last.2 | !anomaly),
            None => distinct.push((value, anomaly, !anomaly)),
        }
    }
    let bound = |low: f64, high: f64| if is_time { round_time(low, high) } else { round_number(low, high) };
    let (mut above, mut at_most) = (Vec::new(), Vec::new());
    for pair in distinct.windows(2) {
        let [(low, low_anomaly, low_other), (high, high_anomaly, high_other)] = [pair[0], pair[1]];
        if high_anomaly && low_other {
            above.push((low, high));
        }
        if low_anomaly && high_other {
            at_most.push((low, high));
        }
    }
    let number = above.len() + at_most.len();
    let listed = |gaps: Vec<(f64, f64)>| -> Vec<f64> {
        let kept = gaps.len().min(BOUNDS);
        (0..kept).map(|place| gaps[place * gaps.len() / kept]).map(|(low, high)| bound(low, high)).collect()
    };
    Cuts { above: listed(above), at_most: listed(at_most), number }
}

/// The number in [low, high) with the fewest digits; of several, the one nearest to the middle.
pub(super) fn round_number(low: f64, high: f64) -> f64 {
    if low <= 0.0 && high > 0.0 {
        return 0.0;
    }
    let largest = low.abs().max(high.abs());
    let first = largest.log10().floor() as i32;
    let middle = low / 2.0 + high / 2.0;
    for exponent in (first - 17..=first).rev() {
        let step = power_of_ten(exponent);
        let (least, most) = ((low / step).ceil(), (high / step).ceil() - 1.0);
        if least <= most {
            let digits = (middle / step).round().clamp(least, most);
            let number: f64 = format!("{digits:.0}e{exponent}").parse().unwrap_or(low);
            if low <= number && number < high {
                return number;
            }
        }
    }
    low
}

/// The time in [low, high) that is the roundest: a day, an hour, a minute or a second.
fn round_time(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    for step in [86_400.0, 3600.0, 60.0, 1.0] {
        let (least, most) = ((low / step).ceil(), (high / step).ceil() - 1.0);
        if least <= most {
            return (middle / step).round().clamp(least, most) * step;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_few_digits_and_separate() {
        for (low, high, bound) in [
            (3998.73, 4102.0, 4000.0),
            (3.0, 4.0, 3.0),
            (100.0, 23_591.0, 10_000.0),
            (0.1234, 0.1236, 0.1235),
            (-5.5, 2.0, 0.0),
            (-7.4, -6.1, -7.0),
            (1.0, 1.0 + f64::EPSILON, 1.0),
            (1e300, 1e301, 6e300),
            (5e-324, 1e-323, 5e-324),
            (19.99, 20.01, 20.0),
        ] {
            let found = round_number(low, high);
            assert!(low <= found && found < high, "{found} in [{low}, {high})");
            assert_eq!(found, bound, "[{low}, {high})");
        }
        assert_eq!(round_time(86_400.5, 3.0 * 86_400.0), 2.0 * 86_400.0);
        assert_eq!(round_time(86_400.5, 86_400.75), 86_400.5);
        assert_eq!(round_time(3601.5, 3700.0), 3660.0);
    }

    #[test]
    fn bounds_lie_between_anomalies_and_others() {
        // Anomalies: 5, 9, 9, missing. Others: 1, 2, 5, 7, 12.
        let found = cuts(&[5.0, 9.0, 9.0, f64::NAN, 1.0, 2.0, 5.0, 7.0, 12.0], 4, false);
        assert_eq!((found.above, found.at_most, found.number), (vec![4.0, 8.0], vec![6.0, 10.0], 4));
    }
}
