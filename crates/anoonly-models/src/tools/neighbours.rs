//! The nearest neighbours of rows, exactly.
//!
//! In the hundreds of columns that embeddings have, search trees look at nearly all rows; products of whole blocks of them are
//! faster by far. So distances come from a matrix product first, `|x − t|² = |x|² + |t|² − 2xt`, together with a bound on what
//! rounding may have done to them. Only the rows that the bound cannot rule out are looked at themselves. What comes out is exact
//! and depends neither on how many rows are asked for at once nor on the number of threads.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows among which neighbours are looked for.
#[derive(Clone, Debug)]
pub struct Neighbours {
    columns: usize,
    /// As they were given.
    rows: Vec<f32>,
    mean: Vec<f32>,
    /// Less their mean, so that the bound is tight.
    centred: Vec<f32>,
    /// The squared lengths of the centred ones.
    squares: Vec<f32>,
}

/// The neighbours of rows, nearest first; of two at the same distance, the one that was given first.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// The number of neighbours of each row.
    pub count: usize,
    /// Their places among the rows looked in, `[rows, count]`.
    pub places: Vec<u32>,
    /// Their Euclidean distances, `[rows, count]`.
    pub distances: Vec<f64>,
}

/// Rows whose neighbours are looked for together,
const ASKED: usize = 256;
/// and rows looked at together: 4 MiB of distances.
const LOOKED_AT: usize = 4096;

impl Neighbours {
    /// Looks in these rows, given one after the other.
    ///
    /// # Panics
    /// When there are `u32::MAX` rows or more.
    pub fn new(rows: Vec<f32>, columns: usize) -> Self {
        assert!(rows.len() / columns < u32::MAX as usize, "places are of 32 bits");
        let count = (rows.len() / columns) as f64;
        let mut sums = vec![0.0; columns];
        for row in rows.chunks_exact(columns) {
            sums.iter_mut().zip(row).for_each(|(sum, &cell)| *sum += f64::from(cell));
        }
        let mean: Vec<f32> = sums.into_iter().map(|sum| (sum / count) as f32).collect();
        let centred = centred(&rows, &mean);
        let squares = squares(&centred, columns);
        Self { columns, rows, mean, centred, squares }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.squares.len()
    }

    /// The rows as they were given.
    pub fn given(&self) -> &[f32] {
        &self.rows
    }

    /// The neighbours of other rows, given one after the other: `count` of each, or all rows where there are fewer. On the
    /// calling thread.
    pub fn of(&self, rows: &[f32], count: usize) -> Nearest {
        let count = count.min(self.rows());
        let blocks = rows.chunks(ASKED * self.columns).map(|block| self.block(block, count, None));
        Nearest::joined(count, blocks)
    }

    /// The neighbours of the rows themselves, none of which is its own: `count` of each, or all others where there are fewer.
    ///
    /// All cores take part, unless the caller is one of several that work side by side on a thread pool.
    pub fn of_each(&self, count: usize) -> Nearest {
        let count = count.min(self.rows().saturating_sub(1));
        let block = |(place, block): (usize, &[f32])| self.block(block, count, Some(place * ASKED));
        if rayon::current_thread_index().is_some() {
            return Nearest::joined(count, self.rows.chunks(ASKED * self.columns).enumerate().map(block));
        }
        let blocks = self.rows.par_chunks(ASKED * self.columns).enumerate().map(block);
        Nearest::joined(count, blocks.collect::<Vec<_>>().into_iter())
    }

    /// The neighbours of a block of rows, which are those from `own` on where they are of the rows looked in.
    fn block(&self, rows: &[f32], count: usize, own: Option<usize>) -> Nearest {
        let asked = centred(rows, &self.mean);
        let asked_squares = squares(&asked, self.columns);
        let mut found: Vec<Found> = asked_squares.iter().map(|_| Found::new(count)).collect();
        let asked = MatRef::from_row_major_slice(&asked, found.len(), self.columns).transpose();
        let mut products = vec![0.0f32; LOOKED_AT.min(self.rows()) * found.len()];
        let slack = slack(self.columns);
        let tiles = self.centred.chunks(LOOKED_AT * self.columns).zip(self.squares.chunks(LOOKED_AT));
        for (tile, (known, known_squares)) in tiles.enumerate().filter(|_| count > 0) {
            let products = &mut products[..known_squares.len() * found.len()];
            let known = MatRef::from_row_major_slice(known, known_squares.len(), self.columns);
            let made = MatMut::from_column_major_slice_mut(products, known_squares.len(), found.len());
            matmul(made, Accum::Replace, known, asked, -2.0, Par::Seq);
            let columns = products.chunks_exact(known_squares.len()).zip(&asked_squares);
            for (row, (found, (products, square))) in found.iter_mut().zip(columns).enumerate() {
                let own = own.and_then(|own| (own + row).checked_sub(tile * LOOKED_AT));
                for (place, (product, known)) in products.iter().zip(known_squares).enumerate() {
                    let squares = square + known;
                    let (distance, slack) = (squares + product, slack * squares);
                    // Squares beyond the range of f32 rule nothing out.
                    let out = distance - slack > found.bound;
                    if !out && own != Some(place) {
                        found.add((tile * LOOKED_AT + place) as u32, distance, slack);
                    }
                }
            }
        }
        let mut nearest = Nearest { count, places: Vec::new(), distances: Vec::new() };
        for (found, row) in found.into_iter().zip(rows.chunks_exact(self.columns)) {
            let places = found.places();
            let mut exact: Vec<(f64, u32)> = places.map(|place| (self.distance(row, place), place)).collect();
            exact.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            nearest.places.extend(exact[..count].iter().map(|(_, place)| place));
            nearest.distances.extend(exact[..count].iter().map(|(square, _)| square.sqrt()));
        }
        nearest
    }

    /// The squared distance, summed in an order of its own.
    fn distance(&self, row: &[f32], place: u32) -> f64 {
        const LANES: usize = 8;
        let known = &self.rows[place as usize * self.columns..][..self.columns];
        let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
        let (wide, rest) = (row.chunks_exact(LANES), row.len() / LANES * LANES);
        let mut sums = [0.0; LANES];
        for (row, known) in wide.zip(known.chunks_exact(LANES)) {
            sums.iter_mut().zip(row.iter().zip(known)).for_each(|(sum, cells)| *sum += square(cells));
        }
        sums.iter().sum::<f64>() + row[rest..].iter().zip(&known[rest..]).map(square).sum::<f64>()
    }
}

impl Nearest {
    fn joined(count: usize, blocks: impl Iterator<Item = Nearest>) -> Self {
        let mut all = Self { count, places: Vec::new(), distances: Vec::new() };
        for block in blocks {
            all.places.extend(block.places);
            all.distances.extend(block.distances);
        }
        all
    }

    /// The places and distances of each row's neighbours.
    pub fn by_row(&self) -> impl Iterator<Item = (&[u32], &[f64])> {
        let width = self.count.max(1);
        self.places.chunks_exact(width).zip(self.distances.chunks_exact(width))
    }
}

/// What may be among the nearest of a row.
struct Found {
    count: usize,
    /// So many upper bounds as neighbours are wanted, smallest first.
    upper: Vec<f32>,
    /// The largest of them once there are so many: what is farther for sure is no neighbour.
    bound: f32,
    /// Lower bounds, with places.
    candidates: Vec<(f32, u32)>,
    /// How many candidates are looked through again.
    full: usize,
}

impl Found {
    fn new(count: usize) -> Self {
        let full = 4 * count + 64;
        Self { count, upper: Vec::with_capacity(count + 1), bound: f32::INFINITY, candidates: Vec::new(), full }
    }

    fn add(&mut self, place: u32, distance: f32, slack: f32) {
        let upper = distance + slack;
        if upper < self.bound {
            let at = self.upper.partition_point(|&other| other <= upper);
            self.upper.insert(at, upper);
            self.upper.truncate(self.count);
            if self.upper.len() == self.count {
                self.bound = self.upper[self.count - 1];
            }
        }
        self.candidates.push((distance - slack, place));
        if self.candidates.len() >= self.full {
            let bound = self.bound;
            self.candidates.retain(|&(lower, _)| lower.is_nan() || lower <= bound);
            self.full = 2 * self.candidates.len() + 64;
        }
    }

    /// The candidates that are left.
    fn places(&self) -> impl Iterator<Item = u32> {
        self.candidates.iter().filter(|(lower, _)| lower.is_nan() || *lower <= self.bound).map(|&(_, place)| place)
    }
}

/// What rounding may add to or take from a squared distance, as a share of the two squared lengths it is made of. A sum of `n`
/// products errs by `n` half units in the last place at most (Higham, "Accuracy and Stability of Numerical Algorithms",
/// section 3.1), here once for the product, twice over, and once for the lengths; the rest makes up for centring and the sums.
fn slack(columns: usize) -> f32 {
    (2 * columns + 16) as f32 * (f32::EPSILON / 2.0)
}

fn centred(rows: &[f32], mean: &[f32]) -> Vec<f32> {
    rows.chunks_exact(mean.len()).flat_map(|row| row.iter().zip(mean).map(|(cell, mean)| cell - mean)).collect()
}

fn squares(rows: &[f32], columns: usize) -> Vec<f32> {
    let square = |row: &[f32]| row.iter().map(|&cell| f64::from(cell).powi(2)).sum::<f64>() as f32;
    rows.chunks_exact(columns).map(square).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(count: usize, seed: u64, level: f32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            level + (state >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..count).map(|_| next()).collect()
    }

    /// All distances, sorted.
    fn by_hand(rows: &[f32], columns: usize, row: &[f32], own: Option<usize>) -> Vec<(f64, u32)> {
        let distance = |known: &[f32]| {
            row.iter().zip(known).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
        };
        let all = rows.chunks_exact(columns).enumerate().filter(|(place, _)| Some(*place) != own);
        let mut all: Vec<(f64, u32)> = all.map(|(place, known)| (distance(known), place as u32)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all
    }

    /// Of rows far from 0, over several tiles and blocks, in few and many columns.
    #[test]
    fn neighbours_are_those_that_looking_at_every_row_finds() {
        for (rows, columns, level) in [(9000, 3, 1000.0), (600, 130, 0.0), (300, 1, 0.5)] {
            let known = cells(rows * columns, 1, level);
            let asked = cells(300 * columns, 2, level);
            let nearest = Neighbours::new(known.clone(), columns).of(&asked, 7);
            for ((places, distances), row) in nearest.by_row().zip(asked.chunks_exact(columns)) {
                let expected = &by_hand(&known, columns, row, None)[..7];
                assert!(places.iter().eq(expected.iter().map(|(_, place)| place)), "{places:?} {expected:?}");
                assert!(
                    distances
                        .iter()
                        .zip(expected)
                        .all(|(ours, (by_hand, _))| (ours - by_hand).abs() <= 1e-12 * by_hand)
                );
            }
        }
    }

    #[test]
    fn no_row_is_its_own_neighbour_and_threads_change_nothing() {
        let rows = cells(700 * 20, 3, 0.0);
        let neighbours = Neighbours::new(rows.clone(), 20);
        let nearest = neighbours.of_each(4);
        for (place, (places, _)) in nearest.by_row().enumerate() {
            let expected = by_hand(&rows, 20, &rows[place * 20..][..20], Some(place));
            assert!(places.iter().eq(expected[..4].iter().map(|(_, place)| place)));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        assert_eq!(pool.install(|| neighbours.of_each(4)), nearest);
    }

    #[test]
    fn a_row_alone_has_the_same_neighbours_to_the_bit() {
        let neighbours = Neighbours::new(cells(500 * 64, 4, 0.0), 64);
        let asked = cells(40 * 64, 5, 0.0);
        let together = neighbours.of(&asked, 3);
        let alone = asked.chunks_exact(64).map(|row| neighbours.of(row, 3));
        assert_eq!(Nearest::joined(3, alone), together);
    }

    /// Copies are at distance 0 exactly, and those that were given first come first.
    #[test]
    fn copies_are_at_no_distance() {
        let row = cells(50, 6, 3.0);
        let neighbours = Neighbours::new(row.repeat(400), 50);
        let nearest = neighbours.of(&row, 5);
        assert_eq!((nearest.places, nearest.distances), (vec![0, 1, 2, 3, 4], vec![0.0; 5]));
        assert_eq!(neighbours.of_each(2).places[..4], [1, 2, 0, 2]);
    }

    #[test]
    fn rows_beyond_the_range_of_squares_have_neighbours() {
        let neighbours = Neighbours::new(vec![0.0, 1.0, 2.0, 3e38], 1);
        assert_eq!(neighbours.of(&[1e25], 2).places, [0, 1]);
        assert_eq!(neighbours.of(&[2.9e38], 1).places, [3]);
    }

    #[test]
    fn fewer_rows_than_neighbours_are_all_neighbours() {
        let neighbours = Neighbours::new(vec![1.0, 4.0, 2.0], 1);
        assert_eq!(neighbours.of(&[0.0], 9).places, [0, 2, 1]);
        assert_eq!(neighbours.of_each(9).places, [2, 1, 2, 0, 0, 1]);
        let one = Neighbours::new(vec![1.0], 1);
        assert_eq!((one.of_each(9).count, one.of(&[3.0], 2).distances), (0, vec![2.0]));
    }
}
