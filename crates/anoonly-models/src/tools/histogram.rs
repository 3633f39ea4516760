//! Histograms of equal bins.

use std::ops::Range;

/// A range of values in bins of the same width. Each but the last one leaves its upper edge to the next, as NumPy has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bins {
    low: f64,
    high: f64,
    count: usize,
}

impl Bins {
    /// Bins between two ends, of type f32 so that they are the same after saving.
    pub fn new(ends: [f32; 2], count: usize) -> Self {
        Self { low: f64::from(ends[0]), high: f64::from(ends[1]), count }
    }

    /// Where values range. Around values that are all alike there is half a unit to each side.
    pub fn ends(values: impl Iterator<Item = f32>) -> [f32; 2] {
        let [low, high] =
            values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)]);
        if low < high { [low, high] } else { [low - 0.5, high + 0.5] }
    }

    /// The width of a bin.
    pub fn width(&self) -> f64 {
        (self.high - self.low) / self.count as f64
    }

    /// The values that are within the range, or beyond it by no more than a share of a bin's width.
    pub fn reach(&self, share: f64) -> Range<f64> {
        self.low - share * self.width()..self.high + share * self.width()
    }

    /// The bin of a value; beyond the range, the one at that end.
    pub fn of(&self, value: f32) -> usize {
        let (value, last) = (f64::from(value), self.count - 1);
        let edge = |bin: usize| self.low + bin as f64 * self.width();
        let mut bin = (((value - self.low) / self.width()) as usize).min(last);
        // What the quotient was rounded to is made good.
        if bin > 0 && value < edge(bin) {
            bin -= 1;
        } else if bin < last && value >= edge(bin + 1) {
            bin += 1;
        }
        bin
    }

    /// How many values are in each bin.
    pub fn counts(&self, values: impl Iterator<Item = f32>) -> Vec<usize> {
        let mut counts = vec![0; self.count];
        values.for_each(|value| counts[self.of(value)] += 1);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of numpy 2.4.6: `histogram([0, 0.1, 0.2, 0.25, 0.3, 0.6, 0.7, 1], 10)` of values of type f32, read as f64.
    #[test]
    fn counts_agree_with_numpy() {
        let values = [0.0f32, 0.1, 0.2, 0.25, 0.3, 0.6, 0.7, 1.0];
        let ends = Bins::ends(values.into_iter());
        assert_eq!(ends, [0.0, 1.0]);
        assert_eq!(Bins::new(ends, 10).counts(values.into_iter()), COUNTS);
    }

    const COUNTS: [usize; 10] = [1, 1, 2, 1, 0, 0, 2, 0, 0, 1];

    #[test]
    fn values_beyond_the_ends_are_of_the_bins_there() {
        let bins = Bins::new([2.0, 4.0], 4);
        assert_eq!(
            [-1e30, 1.9, 2.0, 2.5, 3.99, 4.0, 5.0, f32::MAX].map(|value| bins.of(value)),
            [0, 0, 0, 1, 3, 3, 3, 3]
        );
        assert_eq!(bins.reach(0.5), 1.75..4.25);
    }

    #[test]
    fn values_all_alike_are_in_the_middle() {
        let bins = Bins::new(Bins::ends([3.0, 3.0].into_iter()), 10);
        assert_eq!(bins.counts([3.0, 3.0].into_iter())[5], 2);
    }
}
