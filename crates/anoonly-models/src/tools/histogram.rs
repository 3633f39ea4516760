//! Histograms with bins of equal width.

use std::ops::Range;

/// A range of values, divided into bins of equal width. As in NumPy, an edge between two bins belongs to the upper one, and the last
/// bin includes its upper edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bins {
    low: f64,
    high: f64,
    count: usize,
}

impl Bins {
    /// Bins between two ends, which are `f32` so that they are the same after saving. There must be at least one bin.
    pub fn new(ends: [f32; 2], count: usize) -> Self {
        Self { low: f64::from(ends[0]), high: f64::from(ends[1]), count }
    }

    /// The smallest and the largest value. If all values are equal, the range extends by half a unit to each side.
    pub fn ends(values: impl Iterator<Item = f32>) -> [f32; 2] {
        let [low, high] =
            values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)]);
        match low < high {
            true => [low, high],
            // Half a unit does not change a large value.
            false => [(low - 0.5).min(low.next_down()), (high + 0.5).max(high.next_up())],
        }
    }

    /// Checks ends from a file, two for each histogram.
    pub fn check(ends: &[f32]) -> Result<(), String> {
        match ends.chunks_exact(2).position(|ends| ends[0] >= ends[1]) {
            None => Ok(()),
            Some(place) => Err(format!("histogram {place} does not end above its start")),
        }
    }

    /// The width of a bin.
    pub fn width(&self) -> f64 {
        (self.high - self.low) / self.count as f64
    }

    /// The range, extended to each side by a share of a bin's width.
    pub fn reach(&self, share: f64) -> Range<f64> {
        self.low - share * self.width()..self.high + share * self.width()
    }

    /// The bin of a value; the nearest bin for a value outside the range.
    pub fn of(&self, value: f32) -> usize {
        let (value, last) = (f64::from(value), self.count - 1);
        let edge = |bin: usize| self.low + bin as f64 * self.width();
        let mut bin = (((value - self.low) / self.width()) as usize).min(last);
        // Corrects the rounding of the quotient.
        if bin > 0 && value < edge(bin) {
            bin -= 1;
        } else if bin < last && value >= edge(bin + 1) {
            bin += 1;
        }
        bin
    }

    /// The smallest values of all bins but the first.
    pub fn starts(&self) -> impl Iterator<Item = f32> + '_ {
        (1..self.count).map(|bin| at_least(self.low + bin as f64 * self.width()))
    }

    /// The number of values in each bin.
    pub fn counts(&self, values: impl Iterator<Item = f32>) -> Vec<usize> {
        let mut counts = vec![0; self.count];
        values.for_each(|value| counts[self.of(value)] += 1);
        counts
    }
}

/// The smallest single-precision value that is at least this one.
pub(crate) fn at_least(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) >= value { nearest } else { nearest.next_up() }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    /// Figures from numpy 2.4.6: `histogram([0, 0.1, 0.2, 0.25, 0.3, 0.6, 0.7, 1], 10)` of `f32` values, read as `f64`.
    #[test]
    fn counts_agree_with_numpy() {
        let values = [0.0f32, 0.1, 0.2, 0.25, 0.3, 0.6, 0.7, 1.0];
        let ends = Bins::ends(values.into_iter());
        assert_eq!(ends, [0.0, 1.0]);
        assert_eq!(Bins::new(ends, 10).counts(values.into_iter()), COUNTS);
    }

    const COUNTS: [usize; 10] = [1, 1, 2, 1, 0, 0, 2, 0, 0, 1];

    #[test]
    fn values_outside_the_range_belong_to_the_nearest_bin() {
        let bins = Bins::new([2.0, 4.0], 4);
        assert_eq!(
            [-1e30, 1.9, 2.0, 2.5, 3.99, 4.0, 5.0, f32::MAX].map(|value| bins.of(value)),
            [0, 0, 0, 1, 3, 3, 3, 3]
        );
        assert_eq!(bins.reach(0.5), 1.75..4.25);
    }

    #[test]
    fn ends_in_the_wrong_order_are_refused() {
        assert_eq!(Bins::check(&[0.0, 1.0, -3.0, -2.0]), Ok(()));
        assert!(Bins::check(&[0.0, 1.0, 2.0, 2.0]).unwrap_err().contains("histogram 1"));
        let ends = Bins::ends([3e38, 3e38].into_iter());
        assert_eq!(Bins::check(&ends), Ok(()));
    }

    #[test]
    fn equal_values_are_in_the_middle() {
        let bins = Bins::new(Bins::ends([3.0, 3.0].into_iter()), 10);
        assert_eq!(bins.counts([3.0, 3.0].into_iter())[5], 2);
    }
}
