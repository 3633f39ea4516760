//! Whitened rows that are known, and the search for those nearest to another row and most similar in direction.

use crate::SavedTensors;
use crate::kernels::panels::scan::{Picked, ScanVectors, Wanted};
use crate::kernels::vectorised;
use crate::tools::neighbours::{exact_product, exact_square, slack};

/// The number of neighbours whose cosines are averaged.
pub(super) const NEIGHBOURS: usize = 10;
/// A row up to this length has no direction.
pub(super) const SHORTEST: f64 = 1e-6;
/// A row is equal to one at this share of its squared length or less. Other programs round the whitening differently.
pub(super) const EQUAL: f64 = 1e-10;
/// Beyond this square of a length, sums of squares may exceed the range of `f32`.
const LARGEST: f64 = 1e37;

/// Whitened unlabelled rows and confirmed normals.
///
/// Both opinions about them need the scalar products of a row with all of them. The products are computed once, in single precision, with
/// rows scaled to length 1. Exact values are computed only for those that may be among the wanted ones by a bound on the rounding error.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// `[rows, width]`.
    rows: Vec<f32>,
    width: usize,
    /// Whether a known row that is equal to the row in question is no neighbour. Without labelled anomalies, the distance decides much,
    /// and the rows of the training table, which are known rows themselves, are those that are looked at.
    equal_left_out: bool,
    /// The length of each row, `[rows]`.
    lengths: Vec<f64>,
    /// The rows scaled to length 1, ready to be multiplied.
    units: ScanVectors,
    /// The largest square of a length.
    largest: f64,
}

/// What the known rows say about a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resemblance {
    /// The distance to the nearest known row. If equal rows are left out, this leaves out one of them.
    pub distance: f32,
    /// The mean of the largest cosines with known rows. Without a direction the cosine counts as 0.
    pub cosine: f32,
}

impl Known {
    pub fn new(rows: Vec<f32>, width: usize, equal_left_out: bool) -> Self {
        let lengths = lengths(&rows, width);
        let units = to_units(&rows, &lengths, width);
        let units = ScanVectors::new(&units, width, &lengths, |length| length > SHORTEST, slack(width));
        let largest = lengths.iter().fold(0.0f64, |largest, length| largest.max(length * length));
        Self { rows, width, equal_left_out, lengths, units, largest }
    }

    /// The known rows that are saved as `rows`.
    pub fn restore(saved: &mut SavedTensors, width: usize, equal_left_out: bool) -> Result<Self, String> {
        let rows = saved.take_rows("rows", width)?;
        match rows.len().checked_div(width) {
            None | Some(0) => Err("tensor `rows` has no rows".into()),
            Some(count) if count >= u32::MAX as usize => Err(format!("tensor `rows` has {count} rows, too many")),
            Some(_) => Ok(Self::new(rows, width, equal_left_out)),
        }
    }

    /// The rows, `[rows, width]`.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The rows scaled to length 1, `[rows, width]`, and whether each has a direction. A row without one becomes zeros.
    pub fn units(&self) -> (Vec<f32>, Vec<bool>) {
        let lengths: Vec<f64> =
            self.lengths.iter().map(|&length| if length > SHORTEST { length } else { 0.0 }).collect();
        (to_units(&self.rows, &lengths, self.width), lengths.iter().map(|&length| length > 0.0).collect())
    }

    /// Whether a known row that is equal to the row in question is no neighbour.
    pub fn equal_left_out(&self) -> bool {
        self.equal_left_out
    }

    /// How rows, `[rows, width]`, resemble the known ones. The result for a row does not depend on the other rows.
    pub fn resemblances(&self, rows: &[f32]) -> Vec<Resemblance> {
        let (mut resemblances, mut space) = (Vec::with_capacity(rows.len() / self.width), Vec::new());
        for rows in rows.chunks(self.units.block() * self.width) {
            let lengths = lengths(rows, self.width);
            let wanted: Vec<Wanted> = lengths.iter().map(|&length| self.wanted(length)).collect();
            let picked = self.units.scan(&to_units(rows, &lengths, self.width), &wanted, &mut space);
            let exact = Exact { known: self, lengths, picked };
            vectorised!(exact.compare(rows, &mut resemblances));
        }
        resemblances
    }

    /// What is wanted for a row of this length.
    fn wanted(&self, length: f64) -> Wanted {
        let count = self.lengths.len();
        let products = if length > SHORTEST { NEIGHBOURS.min(count) } else { 0 };
        match self.in_range(length) {
            true => Wanted {
                products,
                distances: if self.equal_left_out { 2 } else { 1 }.min(count),
                length: length as f32,
            },
            false => Wanted { products, distances: 0, length: 0.0 },
        }
    }

    /// Whether the squared distances of a row of this length are within the range of `f32`. If not, all distances are computed.
    fn in_range(&self, length: f64) -> bool {
        length * length + self.largest <= LARGEST
    }
}

/// Exact distances from and cosines with the known rows that were picked.
struct Exact<'a> {
    known: &'a Known,
    /// The lengths of the rows.
    lengths: Vec<f64>,
    picked: Picked,
}

impl Exact<'_> {
    /// Appends how the rows, `[rows, width]`, resemble the known ones.
    #[inline(always)]
    fn compare(&self, rows: &[f32], resemblances: &mut Vec<Resemblance>) {
        for (place, row) in rows.chunks_exact(self.known.width).enumerate() {
            let (distance, cosine) = (self.distance(place, row), self.cosine(place, row));
            resemblances.push(Resemblance { distance, cosine });
        }
    }

    #[inline(always)]
    fn distance(&self, place: usize, row: &[f32]) -> f32 {
        let (known, length) = (self.known, self.lengths[place]);
        let (picked, all) = match known.in_range(length) {
            true => (self.picked.distances.of(place), 0),
            false => (&[][..], known.lengths.len()),
        };
        let mut nearest = [f64::INFINITY; 2];
        for place in picked.iter().map(|&place| place as usize).chain(0..all) {
            let square = exact_square(row, &known.rows[place * known.width..][..known.width]);
            if square < nearest[0] {
                nearest = [square, nearest[0]];
            } else if square < nearest[1] {
                nearest[1] = square;
            }
        }
        let [first, second] = nearest;
        let equal = first <= EQUAL * length * length;
        let other = known.equal_left_out && equal && second < f64::INFINITY;
        if other { second } else { first }.sqrt() as f32
    }

    #[inline(always)]
    fn cosine(&self, place: usize, row: &[f32]) -> f32 {
        let (known, length) = (self.known, self.lengths[place]);
        if length.is_nan() || length <= SHORTEST {
            return if length.is_nan() { f32::NAN } else { 0.0 };
        }
        let (mut largest, picked) = ([f64::NEG_INFINITY; NEIGHBOURS], self.picked.products.of(place));
        for &place in picked {
            let place = place as usize;
            let cosine =
                exact_product(row, &known.rows[place * known.width..][..known.width]) / (length * known.lengths[place]);
            let mut cosine = if known.lengths[place] > SHORTEST { cosine } else { 0.0 };
            for other in &mut largest {
                let larger = if *other > cosine { *other } else { cosine };
                cosine = if *other > cosine { cosine } else { *other };
                *other = larger;
            }
        }
        let count = picked.len().min(NEIGHBOURS);
        (largest[..count].iter().sum::<f64>() / count as f64) as f32
    }
}

/// The length of each row.
fn lengths(rows: &[f32], width: usize) -> Vec<f64> {
    rows.chunks_exact(width).map(|row| exact_product(row, row).sqrt()).collect()
}

/// Rows, `[rows, width]`, scaled to length 1, given their lengths.
fn to_units(rows: &[f32], lengths: &[f64], width: usize) -> Vec<f32> {
    let mut units = Vec::with_capacity(rows.len());
    for (row, &length) in rows.chunks_exact(width).zip(lengths) {
        let scale = to_unit(length);
        units.extend(row.iter().map(|&cell| (f64::from(cell) * scale) as f32));
    }
    units
}

/// What a row of this length is multiplied with to have length 1.
fn to_unit(length: f64) -> f64 {
    if length > 0.0 { 1.0 / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|cell| ((cell + seed) * 7919 % 10_007) as f32 / 10_007.0 - 0.5).collect()
    }

    /// By hand: the row (3, 4) has the cosines 0.6 and 0.8 with the axes; a row of zeros has no direction.
    #[test]
    fn distances_and_cosines_agree_with_those_by_hand() {
        let rows = [2.0, 0.0, 3.0, 4.0, 0.0, 0.0];
        let close = |equal_left_out: bool, distances: [f32; 3]| {
            let known = Known::new(vec![2.0, 0.0, 0.0, 7.0, 0.0, 0.0], 2, equal_left_out);
            let cosines = [1.0 / 3.0, (0.6 + 0.8) / 3.0, 0.0];
            for ((ours, distance), cosine) in known.resemblances(&rows).iter().zip(distances).zip(cosines) {
                assert!((ours.distance - distance).abs() < 1e-6 && (ours.cosine - cosine).abs() < 1e-6, "{ours:?}");
            }
        };
        close(false, [0.0, 17f32.sqrt(), 0.0]);
        // The first and the last row are equal to a known row.
        close(true, [2.0, 17f32.sqrt(), 2.0]);
    }

    /// By hand, in double precision: rows of the known ones and others, near and far, and enough of them for several blocks.
    #[test]
    fn the_nearest_and_most_similar_rows_are_those_of_a_search_over_all_rows() {
        for (count, width, scale) in [
            (700, 7, 1.0),
            (90, 40, 1e-9),
            (300, 3, 1e15),
            (100, 5, 3e18),
            (60, 4, 1e22),
            (40, 5, 1e-24),
            (12, 3, 1.0),
            (4, 3, 1.0),
        ] {
            let scaled = |cells: Vec<f32>| -> Vec<f32> { cells.into_iter().map(|cell| cell * scale).collect() };
            let rows = scaled([&cells(200 * width, 31), &cells(4 * width, 0)[..]].concat());
            let product =
                |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
            // Some known rows are equal to others, much longer or much shorter.
            let mut known = cells(count * width, 0);
            known.copy_within(..width, width * (count / 2));
            known[width * (count - 1)..].iter_mut().for_each(|cell| *cell *= 100.0);
            known[width * (count - 2)..width * (count - 1)].iter_mut().for_each(|cell| *cell *= 1e-7);
            let known = scaled(known);
            for equal_left_out in [false, true] {
                let found = Known::new(known.clone(), width, equal_left_out).resemblances(&rows);
                for (row, ours) in rows.chunks_exact(width).zip(found) {
                    let length = product(row, row).sqrt();
                    let square = |known: &[f32]| {
                        row.iter().zip(known).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
                    };
                    let mut squares: Vec<f64> = known.chunks_exact(width).map(square).collect();
                    squares.sort_unstable_by(f64::total_cmp);
                    let distance = if equal_left_out && squares[0] == 0.0 { squares[1] } else { squares[0] }.sqrt();
                    let cosine = |known: &[f32]| {
                        let known_length = product(known, known).sqrt();
                        if known_length > SHORTEST { product(row, known) / length / known_length } else { 0.0 }
                    };
                    let mut cosines: Vec<f64> = known.chunks_exact(width).map(cosine).collect();
                    cosines.sort_unstable_by(|a, b| b.total_cmp(a));
                    cosines.truncate(NEIGHBOURS);
                    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
                    let cosine = if length > SHORTEST { mean } else { 0.0 };
                    let [far, off] =
                        [f64::from(ours.distance) - distance, f64::from(ours.cosine) - cosine].map(f64::abs);
                    assert!(
                        far <= 1e-6 * distance + 1e-30 && off <= 1e-6,
                        "{count} × {width}: {ours:?}, not {distance}, {cosine}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_row_alone_has_bitwise_the_same_result() {
        let known = Known::new(cells(500 * 50, 4), 50, true);
        let rows = cells(40 * 50, 9);
        let alone = rows.chunks_exact(50).map(|row| known.resemblances(row)[0]);
        assert_eq!(alone.collect::<Vec<_>>(), known.resemblances(&rows));
    }

    #[test]
    fn rows_and_known_rows_with_impossible_values_do_not_panic() {
        for value in [f32::NAN, f32::INFINITY, f32::MAX, -1e38] {
            let mut known = cells(60 * 4, 1);
            known.iter_mut().step_by(3).for_each(|cell| *cell = value);
            for row in [[0.5; 4], [value; 4], [0.0; 4]] {
                Known::new(known.clone(), 4, true).resemblances(&row);
                Known::new(cells(60 * 4, 1), 4, false).resemblances(&row);
            }
        }
    }
}
