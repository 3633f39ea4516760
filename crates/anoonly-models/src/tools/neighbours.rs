//! Exact nearest neighbours.
//!
//! Embeddings have hundreds of columns, where search trees visit nearly all rows and matrix products of whole blocks are far
//! faster. So distances are first estimated by a product, `|x − t|² = |x|² + |t|² − 2xt`, together with a bound on the rounding
//! error. Exact distances are computed only for the rows that the bound cannot exclude. The result is exact and depends neither on
//! the number of rows in a query nor on the number of threads.

use std::sync::Arc;

#[cfg(feature = "fit")]
use faer::linalg::matmul::matmul;
#[cfg(feature = "fit")]
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::SavedTensors;
use crate::graph::{GeneralStep, Graph, Matrix, Value};
#[cfg(not(feature = "fit"))]
use crate::kernels::products::{StridedRows, dots};

/// Rows, indexed for the search of neighbours among them.
#[derive(Clone, Debug)]
pub struct Neighbours {
    columns: usize,
    /// As given, `[rows, columns]`.
    rows: Vec<f32>,
    /// Their mean, `[columns]`.
    mean: Vec<f32>,
    /// The rows minus their mean, `[rows, columns]`; centring makes the bound tight.
    centred: Vec<f32>,
    /// The squared lengths of the centred rows, `[rows]`.
    squares: Vec<f32>,
}

/// The neighbours of rows, nearest first. Neighbours at the same distance are in the order in which they were given.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// The number of neighbours of each row.
    pub count: usize,
    /// The indices of the neighbours among the indexed rows, `[rows, count]`.
    pub places: Vec<u32>,
    /// The Euclidean distances to the neighbours, `[rows, count]`.
    pub distances: Vec<f64>,
}

/// The number of query rows in a product.
const QUERIES: usize = 256;
/// The number of indexed rows in a product: 4 MiB of distances.
const TILE: usize = 4096;

impl Neighbours {
    /// Indexes rows, `[rows, columns]`, row by row.
    ///
    /// # Panics
    /// When there is no column, or there are `u32::MAX` rows or more.
    pub fn new(rows: Vec<f32>, columns: usize) -> Self {
        assert!(rows.len() / columns < u32::MAX as usize, "indices have 32 bits");
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

    /// Indexes the rows of a saved tensor, `[rows, columns]`.
    ///
    /// # Errors
    /// When there is no such tensor, it has another shape, or it has no rows or too many.
    pub fn restore(saved: &mut SavedTensors, path: &str, columns: usize) -> Result<Self, String> {
        let rows = saved.take_rows(path, columns)?;
        match rows.len().checked_div(columns) {
            None | Some(0) => Err(format!("tensor `{path}` has no rows")),
            Some(count) if count >= u32::MAX as usize => Err(format!("tensor `{path}` has {count} rows, too many")),
            Some(_) => Ok(Self::new(rows, columns)),
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.squares.len()
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One row, `[columns]`.
    pub fn row(&self, index: u32) -> &[f32] {
        &self.rows[index as usize * self.columns..][..self.columns]
    }

    /// The rows as given, `[rows, columns]`.
    pub fn given(&self) -> &[f32] {
        &self.rows
    }

    /// The neighbours of other rows, `[rows, columns]`: `count` of each, or all indexed rows if there are fewer. Runs on the
    /// calling thread.
    pub fn of(&self, rows: &[f32], count: usize) -> Nearest {
        let count = count.min(self.rows());
        let blocks = rows.chunks(QUERIES * self.columns).map(|block| self.block(block, count, None));
        Nearest::joined(count, blocks)
    }

    /// The neighbours of the indexed rows themselves: `count` of each, or all others if there are fewer. No row is its own
    /// neighbour.
    ///
    /// Runs on all cores, unless the caller itself runs on a thread pool.
    pub fn of_each(&self, count: usize) -> Nearest {
        let count = count.min(self.rows().saturating_sub(1));
        let block = |(index, block): (usize, &[f32])| self.block(block, count, Some(index * QUERIES));
        if rayon::current_thread_index().is_some() {
            return Nearest::joined(count, self.rows.chunks(QUERIES * self.columns).enumerate().map(block));
        }
        let blocks = self.rows.par_chunks(QUERIES * self.columns).enumerate().map(block);
        Nearest::joined(count, blocks.collect::<Vec<_>>().into_iter())
    }

    /// Adds [`of`](Self::of) to a graph: the indices of `count` neighbours, nearest first, and their squared distances, with 64-bit elements.
    pub fn describe(&self, graph: &mut Graph, of: Value, count: usize) -> [Value; 2] {
        let known = Arc::new(Matrix { shape: [self.rows(), self.columns], cells: self.rows.clone() });
        let count = count.min(self.rows());
        let candidates = graph.general(GeneralStep::Candidates { of, known: known.clone(), count });
        let squares = graph.general(GeneralStep::SquaredDistances { of, known, at: candidates });
        let nearest = graph.general(GeneralStep::Smallest { of: squares, count });
        [candidates, squares].map(|of| graph.general(GeneralStep::Pick { of, at: nearest }))
    }

    /// The neighbours of a block of rows. `own` is the index of the first one if they are indexed rows themselves.
    fn block(&self, rows: &[f32], count: usize, own: Option<usize>) -> Nearest {
        let queries = centred(rows, &self.mean);
        let query_squares = squares(&queries, self.columns);
        let mut found: Vec<Found> = query_squares.iter().map(|_| Found::new(count)).collect();
        let mut products = vec![0.0f32; TILE.min(self.rows()) * found.len()];
        let slack = slack(self.columns);
        let tiles = self.centred.chunks(TILE * self.columns).zip(self.squares.chunks(TILE));
        for (tile, (known, known_squares)) in tiles.enumerate().filter(|_| count > 0) {
            let products = &mut products[..known_squares.len() * found.len()];
            multiply(&queries, known, self.columns, products);
            let columns = products.chunks_exact(known_squares.len()).zip(&query_squares);
            for (row, (found, (products, square))) in found.iter_mut().zip(columns).enumerate() {
                let own = own.and_then(|own| (own + row).checked_sub(tile * TILE));
                for (index, (product, known)) in products.iter().zip(known_squares).enumerate() {
                    let squares = square + known;
                    let (distance, slack) = (squares + product, slack * squares);
                    // Squares beyond the range of f32 make this NaN, which excludes nothing.
                    let excluded = distance - slack > found.bound;
                    if !excluded && own != Some(index) {
                        found.add((tile * TILE + index) as u32, distance, slack);
                    }
                }
            }
        }
        let mut nearest = Nearest { count, places: Vec::new(), distances: Vec::new() };
        for (found, row) in found.into_iter().zip(rows.chunks_exact(self.columns)) {
            let mut exact: Vec<(f64, u32)> =
                found.left().map(|index| (exact_square(row, self.row(index)), index)).collect();
            exact.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            nearest.places.extend(exact[..count].iter().map(|(_, index)| index));
            nearest.distances.extend(exact[..count].iter().map(|(square, _)| square.sqrt()));
        }
        nearest
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

    /// The indices and distances of each row's neighbours; nothing if `count` is 0.
    pub fn by_row(&self) -> impl Iterator<Item = (&[u32], &[f64])> {
        let width = self.count.max(1);
        self.places.chunks_exact(width).zip(self.distances.chunks_exact(width))
    }
}

/// The rows that may be among the nearest of one row.
struct Found {
    /// The number of neighbours wanted.
    count: usize,
    /// The `count` smallest upper bounds of distances so far, smallest first.
    upper: Vec<f32>,
    /// The largest of these bounds once there are `count`: a row that is certainly farther is no neighbour.
    bound: f32,
    /// Lower bounds of distances, with the indices of the rows.
    candidates: Vec<(f32, u32)>,
    /// The number of candidates at which those beyond the bound are dropped.
    full: usize,
}

impl Found {
    fn new(count: usize) -> Self {
        let full = 4 * count + 64;
        Self { count, upper: Vec::with_capacity(count + 1), bound: f32::INFINITY, candidates: Vec::new(), full }
    }

    fn add(&mut self, index: u32, distance: f32, slack: f32) {
        let upper = distance + slack;
        if upper < self.bound {
            let at = self.upper.partition_point(|&other| other <= upper);
            self.upper.insert(at, upper);
            self.upper.truncate(self.count);
            if self.upper.len() == self.count {
                self.bound = self.upper[self.count - 1];
            }
        }
        self.candidates.push((distance - slack, index));
        if self.candidates.len() >= self.full {
            let bound = self.bound;
            self.candidates.retain(|&(lower, _)| lower.is_nan() || lower <= bound);
            self.full = 2 * self.candidates.len() + 64;
        }
    }

    /// The indices of the candidates that are left.
    fn left(&self) -> impl Iterator<Item = u32> {
        self.candidates.iter().filter(|(lower, _)| lower.is_nan() || *lower <= self.bound).map(|&(_, index)| index)
    }
}

/// The products of each query with each known row times −2, `[queries, known]`.
#[cfg(feature = "fit")]
fn multiply(queries: &[f32], known: &[f32], columns: usize, products: &mut [f32]) {
    let (count, known_count) = (queries.len() / columns, known.len() / columns);
    let queries = MatRef::from_row_major_slice(queries, count, columns).transpose();
    let known = MatRef::from_row_major_slice(known, known_count, columns);
    let product = MatMut::from_column_major_slice_mut(products, known_count, count);
    matmul(product, Accum::Replace, known, queries, -2.0, Par::Seq);
}

/// The same without faer, which takes longer to build than all the rest. Neighbours are exact, so the two find the same ones.
#[cfg(not(feature = "fit"))]
fn multiply(queries: &[f32], known: &[f32], columns: usize, products: &mut [f32]) {
    dots(StridedRows::all(queries, columns), StridedRows::all(known, columns), products);
    products.iter_mut().for_each(|product| *product *= -2.0);
}

/// The largest rounding error of a squared distance, as a share of the sum of the two squared lengths. A sum of `n` products has an
/// error of at most `n` half units in the last place (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1).
/// `2n` covers the product, which counts twice, and the lengths; the constant covers centring and the final sums.
pub(crate) fn slack(columns: usize) -> f32 {
    (2 * columns + 16) as f32 * (f32::EPSILON / 2.0)
}

/// The squared distance between two rows in double precision.
#[inline(always)]
pub(crate) fn exact_square(a: &[f32], b: &[f32]) -> f64 {
    exact_sum(a, b, |a, b| (a - b).powi(2))
}

/// The scalar product of two rows in double precision.
#[inline(always)]
pub(crate) fn exact_product(a: &[f32], b: &[f32]) -> f64 {
    exact_sum(a, b, |a, b| a * b)
}

/// The sum of what `of` makes of each pair of cells. The order of the sum is the same for all rows.
#[inline(always)]
fn exact_sum(a: &[f32], b: &[f32], of: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let (wide, rest) = (a.chunks_exact(LANES), a.len() / LANES * LANES);
    let mut sums = [0.0; LANES];
    for (a, b) in wide.zip(b.chunks_exact(LANES)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (&a, &b))| *sum += of(f64::from(a), f64::from(b)));
    }
    let others = a[rest..].iter().zip(&b[rest..]).map(|(&a, &b)| of(f64::from(a), f64::from(b)));
    sums.iter().sum::<f64>() + others.sum::<f64>()
}

/// Rows minus a mean, `[rows, columns]`.
fn centred(rows: &[f32], mean: &[f32]) -> Vec<f32> {
    rows.chunks_exact(mean.len()).flat_map(|row| row.iter().zip(mean).map(|(cell, mean)| cell - mean)).collect()
}

/// The squared length of each row, `[rows]`.
pub(crate) fn squares(rows: &[f32], columns: usize) -> Vec<f32> {
    let square = |row: &[f32]| row.iter().map(|&cell| f64::from(cell).powi(2)).sum::<f64>() as f32;
    rows.chunks_exact(columns).map(square).collect()
}

#[cfg(test)]
#[cfg(feature = "fit")]
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

    /// The distances of a row to all others, sorted, with the indices of these.
    fn by_hand(rows: &[f32], columns: usize, row: &[f32], own: Option<usize>) -> Vec<(f64, u32)> {
        let distance = |known: &[f32]| {
            row.iter().zip(known).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
        };
        let all = rows.chunks_exact(columns).enumerate().filter(|(index, _)| Some(*index) != own);
        let mut all: Vec<(f64, u32)> = all.map(|(index, known)| (distance(known), index as u32)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all
    }

    /// Rows far from 0, several tiles and blocks, few and many columns.
    #[test]
    fn neighbours_agree_with_a_search_over_all_rows() {
        for (rows, columns, level) in [(9000, 3, 1000.0), (600, 130, 0.0), (300, 1, 0.5)] {
            let known = cells(rows * columns, 1, level);
            let queries = cells(300 * columns, 2, level);
            let nearest = Neighbours::new(known.clone(), columns).of(&queries, 7);
            for ((places, distances), row) in nearest.by_row().zip(queries.chunks_exact(columns)) {
                let expected = &by_hand(&known, columns, row, None)[..7];
                assert!(places.iter().eq(expected.iter().map(|(_, index)| index)), "{places:?} {expected:?}");
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
    fn no_row_is_its_own_neighbour_and_threads_do_not_matter() {
        let rows = cells(700 * 20, 3, 0.0);
        let neighbours = Neighbours::new(rows.clone(), 20);
        let nearest = neighbours.of_each(4);
        for (index, (places, _)) in nearest.by_row().enumerate() {
            let expected = by_hand(&rows, 20, &rows[index * 20..][..20], Some(index));
            assert!(places.iter().eq(expected[..4].iter().map(|(_, index)| index)));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        assert_eq!(pool.install(|| neighbours.of_each(4)), nearest);
    }

    #[test]
    fn a_row_alone_has_bitwise_the_same_neighbours() {
        let neighbours = Neighbours::new(cells(500 * 64, 4, 0.0), 64);
        let queries = cells(40 * 64, 5, 0.0);
        let together = neighbours.of(&queries, 3);
        let alone = queries.chunks_exact(64).map(|row| neighbours.of(row, 3));
        assert_eq!(Nearest::joined(3, alone), together);
    }

    /// Copies are exactly at distance 0 and in the order in which they were given.
    #[test]
    fn copies_are_at_distance_zero() {
        let row = cells(50, 6, 3.0);
        let neighbours = Neighbours::new(row.repeat(400), 50);
        let nearest = neighbours.of(&row, 5);
        assert_eq!((nearest.places, nearest.distances), (vec![0, 1, 2, 3, 4], vec![0.0; 5]));
        assert_eq!(neighbours.of_each(2).places[..4], [1, 2, 0, 2]);
    }

    #[test]
    fn rows_whose_squares_overflow_have_neighbours() {
        let neighbours = Neighbours::new(vec![0.0, 1.0, 2.0, 3e38], 1);
        assert_eq!(neighbours.of(&[1e25], 2).places, [0, 1]);
        assert_eq!(neighbours.of(&[2.9e38], 1).places, [3]);
    }

    #[test]
    fn all_rows_are_neighbours_if_there_are_fewer_than_asked_for() {
        let neighbours = Neighbours::new(vec![1.0, 4.0, 2.0], 1);
        assert_eq!(neighbours.of(&[0.0], 9).places, [0, 2, 1]);
        assert_eq!(neighbours.of_each(9).places, [2, 1, 2, 0, 0, 1]);
        let one = Neighbours::new(vec![1.0], 1);
        assert_eq!((one.of_each(9).count, one.of(&[3.0], 2).distances), (0, vec![2.0]));
    }

    #[test]
    fn saved_rows_need_rows_and_the_right_width() {
        let saved = || SavedTensors::default().with("rows", &[2, 1], vec![1.0, 4.0]).with("none", &[0, 1], Vec::new());
        assert_eq!(Neighbours::restore(&mut saved(), "rows", 1).unwrap().given(), [1.0, 4.0]);
        for (path, columns) in [("rows", 2), ("rows", 0), ("none", 1), ("other", 1)] {
            assert!(Neighbours::restore(&mut saved(), path, columns).unwrap_err().contains(path));
        }
    }
}
