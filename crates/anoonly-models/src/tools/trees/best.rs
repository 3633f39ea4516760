//! The best threshold of a column.
//!
//! As the threshold moves past rows of one class, the Gini impurity of both sides is a concave function, whose least value is at an end:
//! next to a row of the other class (Fayyad and Irani, "On the handling of continuous-valued attributes in decision tree generation",
//! Machine Learning 1992). It is enough to compare the thresholds beside the rows of the smaller class. For these, only the rows of the
//! larger class below and up to their values are counted, and nothing is sorted but the smaller class.

use super::between;
use super::classes::impurity;
use super::random::count_up_to;
use crate::kernels::vectorised;

/// Rows that are compared with all markers at a time: they stay in the nearest cache.
const BLOCK: usize = 2048;
/// The most different values of the smaller class that rows are compared with. With more, sorting all rows is faster.
const MOST_MARKERS: usize = 256;

/// The weight of any number of rows of each kind, added row by row.
#[derive(Debug, Default)]
pub(super) struct SideWeights([Vec<f64>; 3]);

impl SideWeights {
    /// Up to `counts` rows with these weights.
    pub fn new(weights: [f64; 3], counts: [usize; 3]) -> Self {
        let sums = |kind: usize| {
            let add = |sum: &mut f64, weight: f64| {
                let before = *sum;
                *sum += weight;
                Some(before)
            };
            std::iter::repeat_n(weights[kind], counts[kind] + 1).scan(0.0, add).collect()
        };
        Self([sums(0), sums(1), sums(2)])
    }

    /// The weight of each class, given the number of rows of each kind.
    fn of(&self, counts: [usize; 3]) -> [f64; 2] {
        let weight = |kind: usize| self.0[kind][counts[kind]];
        [weight(0) + weight(1), weight(2)]
    }
}

/// The search for the best threshold of a column.
pub(super) struct Best<'a> {
    /// The cells of a node's rows, kind after kind.
    pub cells: &'a [f32],
    /// The number of rows of each kind.
    pub lengths: [usize; 3],
    /// The smallest number of rows on a side.
    pub leaf: usize,
    pub sides: &'a SideWeights,
    /// The weight of each class.
    pub sums: [f64; 2],
}

/// A value of the smaller class.
struct Marker {
    value: f32,
    /// The rows of each kind with less than this value.
    below: [usize; 3],
    /// The rows of each kind with at most this value.
    up_to: [usize; 3],
}

impl Best<'_> {
    /// The threshold with the least impurity, and this impurity, if it is less than a limit.
    pub fn below(&self, limit: f64) -> Option<(f32, f64)> {
        // A threshold that leaves a side too small makes another one best, which need not be next to a row of the other class.
        let found = if self.leaf == 1 { self.markers() } else { None };
        match found {
            Some(markers) => self.beside(&markers, limit),
            None => self.sorted(limit),
        }
    }

    /// The cells of a kind.
    fn part(&self, kind: usize) -> &[f32] {
        let start: usize = self.lengths[..kind].iter().sum();
        &self.cells[start..][..self.lengths[kind]]
    }

    /// The different values of the smaller class, in ascending order; `None` if there are too many.
    fn markers(&self) -> Option<Vec<Marker>> {
        let [unlabelled, normals, anomalies] = self.lengths;
        let (own, others): (&[usize], &[usize]) =
            if anomalies <= unlabelled + normals { (&[2], &[0, 1]) } else { (&[0, 1], &[2]) };
        if own.iter().map(|&kind| self.lengths[kind]).sum::<usize>() > 4 * MOST_MARKERS {
            return None;
        }
        let mut values: Vec<(f32, usize)> =
            own.iter().flat_map(|&kind| self.part(kind).iter().map(move |&cell| (cell, kind))).collect();
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut markers, mut counts) = (Vec::<Marker>::new(), [0; 3]);
        for (value, kind) in values {
            if markers.last().is_none_or(|last| last.value != value) {
                markers.push(Marker { value, below: counts, up_to: counts });
            }
            counts[kind] += 1;
            if let Some(last) = markers.last_mut() {
                last.up_to = counts;
            }
        }
        if markers.len() > MOST_MARKERS {
            return None;
        }
        for &kind in others {
            for cells in self.part(kind).chunks(BLOCK) {
                vectorised!({
                    for marker in &mut markers {
                        marker.below[kind] += count_below(cells, marker.value);
                        marker.up_to[kind] += count_up_to(cells, marker.value);
                    }
                });
            }
        }
        Some(markers)
    }

    /// The best of the thresholds next to the markers.
    fn beside(&self, markers: &[Marker], limit: f64) -> Option<(f32, f64)> {
        let (mut best, mut least) = (None, limit);
        for (place, marker) in markers.iter().enumerate() {
            for (above, counts) in [(false, marker.below), (true, marker.up_to)] {
                let count: usize = counts.iter().sum();
                if count == 0 || count == self.cells.len() {
                    continue;
                }
                let impurity = impurity(self.sides.of(counts), self.sums);
                if impurity < least {
                    (best, least) = (Some((place, above)), impurity);
                }
            }
        }
        let (place, above) = best?;
        let value = markers[place].value;
        // The next value on the other side of the threshold. Markers are among the cells.
        let threshold = match above {
            true => between(value, vectorised!(least_above(self.cells, value))),
            false => between(vectorised!(most_below(self.cells, value)), value),
        };
        Some((threshold, least))
    }

    /// The best of all thresholds between two different cells.
    fn sorted(&self, limit: f64) -> Option<(f32, f64)> {
        let mut sorted: Vec<(f32, usize)> =
            (0..3).flat_map(|kind| self.part(kind).iter().map(move |&cell| (cell, kind))).collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut counts, mut best, mut least) = ([0; 3], None, limit);
        for (place, pair) in sorted.windows(2).enumerate() {
            counts[pair[0].1] += 1;
            let large = place + 1 >= self.leaf && sorted.len() - place > self.leaf;
            if !large || pair[0].0 == pair[1].0 {
                continue;
            }
            let impurity = impurity(self.sides.of(counts), self.sums);
            if impurity < least {
                (best, least) = (Some(between(pair[0].0, pair[1].0)), impurity);
            }
        }
        best.map(|threshold| (threshold, least))
    }
}

/// The number of cells below a value.
#[inline(always)]
fn count_below(cells: &[f32], value: f32) -> usize {
    cells.iter().map(|&cell| u32::from(cell < value)).sum::<u32>() as usize
}

/// The largest cell below a value.
#[inline(always)]
fn most_below(cells: &[f32], value: f32) -> f32 {
    cells.iter().fold(f32::NEG_INFINITY, |most, &cell| if cell < value && cell > most { cell } else { most })
}

/// The smallest cell above a value.
#[inline(always)]
fn least_above(cells: &[f32], value: f32) -> f32 {
    cells.iter().fold(f32::INFINITY, |least, &cell| if cell > value && cell < least { cell } else { least })
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    const ANY: f64 = f64::INFINITY;

    /// The threshold in the middle of the gap leaves no impurity.
    #[test]
    fn the_best_threshold_is_between_the_classes() {
        let sides = SideWeights::new([1.0; 3], [1, 1, 2]);
        let search = |leaf: usize| Best {
            cells: &[0.0, 0.4, 0.8, 1.0],
            lengths: [1, 1, 2],
            leaf,
            sides: &sides,
            sums: [2.0; 2],
        };
        for (threshold, impurity) in [search(1).below(ANY).unwrap(), search(1).sorted(ANY).unwrap()] {
            assert!((threshold - 0.6).abs() < 1e-6 && impurity == 0.0, "{threshold} {impurity}");
        }
        assert_eq!((search(1).below(0.0), search(3).below(ANY)), (None, None));
    }

    /// Values of a coarse grid, so that many are equal, and of a fine one; few anomalies, few others, and as many of both.
    #[test]
    fn thresholds_beside_the_smaller_class_are_as_good_as_all() {
        for (case, lengths) in [[90, 0, 4], [60, 30, 9], [3, 2, 80], [20, 10, 30], [1, 0, 1]].into_iter().enumerate() {
            for grid in [7, 50, 10_007] {
                let count: usize = lengths.iter().sum();
                let value = |row: usize| (((row + 3) * 7919 + case * 104_729 + row * row) % grid) as f32 / grid as f32;
                let cells: Vec<f32> = (0..count).map(value).collect();
                let weights = [0.5, 0.75, 11.0];
                let sides = SideWeights::new(weights, lengths);
                let sums = sides.of(lengths);
                let search = Best { cells: &cells, lengths, leaf: 1, sides: &sides, sums };
                let markers = search.markers().unwrap();
                assert_eq!(search.beside(&markers, ANY), search.sorted(ANY), "{lengths:?}, {grid} values");
            }
        }
    }
}
