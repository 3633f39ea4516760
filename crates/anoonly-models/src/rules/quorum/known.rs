//! Whitened rows that are known, and the search for those nearest to another row and most similar in direction.

use pulp::Arch;

use crate::SavedTensors;
use crate::graph::Matrix;
use crate::kernels::panels::Panels;
use crate::kernels::panels::scan::{Bounds, ScanVectors};
use crate::tools::neighbours::{exact_product, exact_square, slack};

/// The number of neighbours whose cosines are averaged.
pub(super) const NEIGHBOURS: usize = 10;
/// Rows that are compared with the known ones at a time; what is found of them stays in the cache.
const BLOCK: usize = 96;
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
    /// The square of each length, `[rows]`.
    squares: Vec<f32>,
    /// The largest of these squares.
    largest: f64,
    /// The indices of rows without a direction.
    undirected: Vec<u32>,
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
        let count = lengths.len();
        let scales: Vec<f64> = lengths.iter().map(|&length| to_unit(length)).collect();
        let mut cells = vec![0.0; rows.len()];
        for (place, (row, scale)) in rows.chunks_exact(width).zip(&scales).enumerate() {
            for (column, &cell) in row.iter().enumerate() {
                cells[column * count + place] = (f64::from(cell) * scale) as f32;
            }
        }
        let squares: Vec<f32> = lengths.iter().map(|length| (length * length) as f32).collect();
        let lower = 1.0 - slack(width);
        let units = ScanVectors::new(
            Panels::new(&Matrix { shape: [width, count], cells }, None),
            lengths.iter().map(|&length| length as f32).collect(),
            squares.iter().map(|square| lower * square).collect(),
        );
        let largest = lengths.iter().fold(0.0f64, |largest, length| largest.max(length * length));
        let undirected = (0..count as u32).filter(|&row| lengths[row as usize] <= SHORTEST).collect();
        Self { rows, width, equal_left_out, lengths, units, squares, largest, undirected }
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
        let directed: Vec<bool> = self.lengths.iter().map(|&length| length > SHORTEST).collect();
        let mut units = Vec::with_capacity(self.rows.len());
        for (row, (&length, &directed)) in self.rows.chunks_exact(self.width).zip(self.lengths.iter().zip(&directed)) {
            let scale = if directed { to_unit(length) } else { 0.0 };
            units.extend(row.iter().map(|&cell| (f64::from(cell) * scale) as f32));
        }
        (units, directed)
    }

    /// Whether a known row that is equal to the row in question is no neighbour.
    pub fn equal_left_out(&self) -> bool {
        self.equal_left_out
    }

    /// How rows, `[rows, width]`, resemble the known ones. The result for a row does not depend on the other rows.
    pub fn resemblances(&self, rows: &[f32]) -> Vec<Resemblance> {
        rows.chunks(BLOCK * self.width).flat_map(|rows| self.of_block(rows)).collect()
    }

    fn of_block(&self, rows: &[f32]) -> Vec<Resemblance> {
        let lengths = lengths(rows, self.width);
        let mut searches: Vec<Search> = lengths.iter().map(|&length| self.search(length)).collect();
        let mut bounds: Vec<Bounds> = searches.iter().map(Search::bounds).collect();
        let mut units = Vec::with_capacity(rows.len());
        for (row, &length) in rows.chunks_exact(self.width).zip(&lengths) {
            let scale = to_unit(length);
            units.extend(row.iter().map(|&cell| (f64::from(cell) * scale) as f32));
        }
        self.units.scan(&units, &mut bounds, |row, place, product| {
            let search = &mut searches[row];
            search.add(place as u32, self.lengths[place], self.squares[place], product);
            search.bounds()
        });
        Arch::new().dispatch(|| {
            let mut resemblances = Vec::with_capacity(searches.len());
            for ((search, row), &length) in searches.iter().zip(rows.chunks_exact(self.width)).zip(&lengths) {
                let (distance, cosine) = (self.distance(search, row, length), self.cosine(search, row, length));
                resemblances.push(Resemblance { distance, cosine });
            }
            resemblances
        })
    }

    /// A search for what resembles a row of this length.
    fn search(&self, length: f64) -> Search {
        let slack = slack(self.width);
        // Squares beyond the range of `f32` bound nothing: every distance is computed.
        let square = (length * length + self.largest <= LARGEST).then_some((length * length) as f32);
        let mut aligned = Least::new(NEIGHBOURS.min(self.lengths.len()));
        for &row in self.undirected.iter().take(NEIGHBOURS) {
            aligned.add(row, 0.0, 0.0);
        }
        Search {
            near: Least::new(if self.equal_left_out { 2 } else { 1 }.min(self.lengths.len())),
            aligned,
            factor: -2.0 * length as f32,
            square,
            directed: length > SHORTEST,
            slack,
        }
    }

    #[inline(always)]
    fn distance(&self, search: &Search, row: &[f32], length: f64) -> f32 {
        let mut nearest = [f64::INFINITY; 2];
        let mut add = |place: u32| {
            let square = exact_square(row, &self.rows[place as usize * self.width..][..self.width]);
            if square < nearest[0] {
                nearest = [square, nearest[0]];
            } else if square < nearest[1] {
                nearest[1] = square;
            }
        };
        match search.square {
            Some(_) => {
                for place in search.near.left() {
                    add(place);
                }
            }
            None => (0..self.lengths.len() as u32).for_each(add),
        }
        let [first, second] = nearest;
        let equal = first <= EQUAL * length * length;
        let other = self.equal_left_out && equal && second < f64::INFINITY;
        if other { second } else { first }.sqrt() as f32
    }

    #[inline(always)]
    fn cosine(&self, search: &Search, row: &[f32], length: f64) -> f32 {
        if !search.directed {
            return if length.is_nan() { f32::NAN } else { 0.0 };
        }
        let (mut largest, mut count) = ([f64::NEG_INFINITY; NEIGHBOURS], 0);
        for place in search.aligned.left() {
            let place = place as usize;
            let known = &self.rows[place * self.width..][..self.width];
            let cosine = exact_product(row, known) / (length * self.lengths[place]);
            let mut cosine = if self.lengths[place] > SHORTEST { cosine } else { 0.0 };
            for other in &mut largest {
                let larger = if *other > cosine { *other } else { cosine };
                cosine = if *other > cosine { cosine } else { *other };
                *other = larger;
            }
            count += 1;
        }
        let count = count.min(NEIGHBOURS);
        (largest[..count].iter().sum::<f64>() / count as f64) as f32
    }
}

/// The search for the known rows that resemble one row.
struct Search {
    near: Least,
    /// By the negative cosine, so that the smallest values are wanted.
    aligned: Least,
    /// −2 times the length of the row.
    factor: f32,
    /// The squared length of the row; `None` if all distances are needed anyway.
    square: Option<f32>,
    /// Whether the row has a direction.
    directed: bool,
    /// The largest rounding error of a product.
    slack: f32,
}

/// What is called while products are in registers is compiled for their vectors.
impl Search {
    #[inline(always)]
    fn bounds(&self) -> Bounds {
        Bounds {
            most: if self.directed { -self.aligned.bound() - self.slack } else { f32::INFINITY },
            factor: self.factor,
            far: self.square.map_or(f32::NEG_INFINITY, |square| self.near.bound() - (1.0 - self.slack) * square),
        }
    }

    #[inline(always)]
    fn add(&mut self, place: u32, length: f64, square: f32, product: f32) {
        if self.directed && length > SHORTEST && -product - self.slack <= self.aligned.bound() {
            self.aligned.add(place, -product, self.slack);
        }
        if let Some(own) = self.square {
            let squares = own + square;
            let (distance, slack) = (squares + self.factor * length as f32 * product, self.slack * squares);
            if distance - slack <= self.near.bound() {
                self.near.add(place, distance, slack);
            }
        }
    }
}

/// The rows that may have the smallest values of all. Values are known up to rounding errors.
struct Least {
    /// The number of values wanted.
    count: usize,
    /// The smallest upper bounds of values so far, smallest first, after a place that is smaller than all.
    upper: [f32; 1 + KEPT],
    /// Lower bounds of values, with the indices of the rows.
    candidates: Vec<(f32, u32)>,
}

/// The number of bounds that are kept: more than are wanted, so that they fill whole vectors.
const KEPT: usize = 16;

impl Least {
    fn new(count: usize) -> Self {
        let mut upper = [f32::INFINITY; 1 + KEPT];
        upper[0] = f32::NEG_INFINITY;
        Self { count, upper, candidates: Vec::with_capacity(4 * NEIGHBOURS) }
    }

    /// No value above this is wanted.
    #[inline(always)]
    fn bound(&self) -> f32 {
        self.upper[self.count]
    }

    /// Adds a row, given its value and the largest error of it.
    #[inline(always)]
    fn add(&mut self, row: u32, value: f32, slack: f32) {
        // Each place takes the larger of its predecessor and of the smaller of itself and the new value: no branch to mispredict.
        let (upper, old) = (value + slack, self.upper);
        for (place, pair) in self.upper[1..].iter_mut().zip(old.windows(2)) {
            let smaller = if pair[1] < upper { pair[1] } else { upper };
            *place = if pair[0] > smaller { pair[0] } else { smaller };
        }
        if self.candidates.len() == self.candidates.capacity() {
            let bound = self.bound();
            self.candidates.retain(|(lower, _)| *lower <= bound);
        }
        self.candidates.push((value - slack, row));
    }

    /// The rows that are left.
    fn left(&self) -> impl Iterator<Item = u32> {
        let bound = self.bound();
        self.candidates.iter().filter(move |(lower, _)| *lower <= bound).map(|&(_, row)| row)
    }
}

/// The length of each row.
fn lengths(rows: &[f32], width: usize) -> Vec<f64> {
    rows.chunks_exact(width).map(|row| exact_product(row, row).sqrt()).collect()
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

    /// By hand, in double precision: rows of the known ones and others, near and far, and enough of them for several tiles.
    #[test]
    fn the_nearest_and_most_similar_rows_are_those_of_a_search_over_all_rows() {
        for (count, width, scale) in [(700, 7, 1.0), (90, 40, 1e-9), (300, 3, 1e15), (100, 5, 3e18), (60, 4, 1e22)] {
            let scaled = |cells: Vec<f32>| -> Vec<f32> { cells.into_iter().map(|cell| cell * scale).collect() };
            let rows = scaled([&cells(40 * width, 31), &cells(10 * width, 0)[..]].concat());
            let (known, product) = (scaled(cells(count * width, 0)), |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
            });
            for (equal_left_out, row) in
                [false, true].into_iter().flat_map(|left_out| rows.chunks_exact(width).map(move |row| (left_out, row)))
            {
                let length = product(row, row).sqrt();
                let square = |known: &[f32]| {
                    row.iter().zip(known).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
                };
                let mut squares: Vec<f64> = known.chunks_exact(width).map(square).collect();
                squares.sort_unstable_by(f64::total_cmp);
                let distance = if equal_left_out && squares[0] == 0.0 { squares[1] } else { squares[0] }.sqrt();
                let mut cosines: Vec<f64> = known
                    .chunks_exact(width)
                    .map(|known| product(row, known) / length / product(known, known).sqrt())
                    .collect();
                cosines.sort_unstable_by(|a, b| b.total_cmp(a));
                let cosine = if length > 1e-6 { cosines[..10].iter().sum::<f64>() / 10.0 } else { 0.0 };
                let ours = Known::new(known.clone(), width, equal_left_out).resemblances(row)[0];
                let [far, off] = [f64::from(ours.distance) - distance, f64::from(ours.cosine) - cosine].map(f64::abs);
                assert!(far <= 1e-6 * distance && off <= 1e-6, "{count} × {width}: {ours:?}, not {distance}, {cosine}");
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
