//! Histograms with bins of equal width.

use std::ops::Range;

use crate::kernels::vectorised;

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
    pub fn ends(values: &[f32]) -> [f32; 2] {
        let (low, high) = vectorised!(ends(values));
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
    #[cfg(test)]
    pub fn of(&self, value: f32) -> usize {
        let mut bin = [0];
        self.find(&[value], &mut bin);
        bin[0] as usize
    }

    /// Writes the bin of each value; the nearest bin for a value outside the range.
    pub fn find(&self, values: &[f32], bins: &mut [u32]) {
        vectorised!(self.find_inlined(values, bins));
    }

    /// As [`find`](Self::find), for callers that choose the instructions of the processor themselves.
    #[inline(always)]
    pub fn find_inlined(&self, values: &[f32], bins: &mut [u32]) {
        let (low, width, last) = (self.low, self.width(), (self.count - 1) as f64);
        let inverse = width.recip();
        for (bin, &value) in bins.iter_mut().zip(values) {
            let value = f64::from(value);
            let guess = ((value - low) * inverse).max(0.0).min(last).trunc();
            // Corrects the rounding of the guess.
            let below = guess > 0.0 && value < low + guess * width;
            let above = guess < last && value >= low + (guess + 1.0) * width;
            *bin = (guess as i32 - i32::from(below) + i32::from(above)) as u32;
        }
    }

    /// The smallest values of all bins but the first.
    pub fn starts(&self) -> impl Iterator<Item = f32> + '_ {
        (1..self.count).map(|bin| at_least(self.low + bin as f64 * self.width()))
    }

    /// The number of values in each bin.
    pub fn counts(&self, values: &[f32]) -> Vec<usize> {
        // Values in a row often have the same bin. Several counts of each do not wait for one another.
        let mut counts = vec![[0u32; 4]; self.count];
        let mut bins = [0; BLOCK];
        for values in values.chunks(BLOCK) {
            let bins = &mut bins[..values.len()];
            self.find(values, bins);
            bins.iter().enumerate().for_each(|(place, &bin)| counts[bin as usize][place % 4] += 1);
        }
        counts.into_iter().map(|counts| counts.into_iter().map(|count| count as usize).sum()).collect()
    }
}

/// The number of values whose bins are found at a time.
const BLOCK: usize = 512;

/// The number of values that are compared at a time.
const LANES: usize = 16;

/// The smallest and the largest value; infinities if there are none.
#[inline(always)]
pub(crate) fn ends(values: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut compare = |place: usize, value: f32| {
        low[place] = if value < low[place] { value } else { low[place] };
        high[place] = if value > high[place] { value } else { high[place] };
    };
    for part in whole {
        part.iter().enumerate().for_each(|(place, &value)| compare(place, value));
    }
    rest.iter().enumerate().for_each(|(place, &value)| compare(place, value));
    (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::NEG_INFINITY, f32::max))
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
        let ends = Bins::ends(&values);
        assert_eq!(ends, [0.0, 1.0]);
        assert_eq!(Bins::new(ends, 10).counts(&values), COUNTS);
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
        let ends = Bins::ends(&[3e38, 3e38]);
        assert_eq!(Bins::check(&ends), Ok(()));
    }

    #[test]
    fn equal_values_are_in_the_middle() {
        let bins = Bins::new(Bins::ends(&[3.0, 3.0]), 10);
        assert_eq!(bins.counts(&[3.0, 3.0])[5], 2);
    }
}
