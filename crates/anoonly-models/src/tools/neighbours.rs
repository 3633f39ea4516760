//! Exact nearest neighbours.
//!
//! Distances are first estimated by a product, `|x − t|² = |x|² + |t|² − 2xt`, together with a bound on the rounding error. Exact
//! distances are computed only for the rows that the bound cannot exclude. The indexed rows are in the leaves of a tree. In tables of few
//! columns, most leaves are too far away to be compared with; in tables of many columns, products of whole blocks of rows cost little. The
//! result is exact and depends neither on the number of rows in a query nor on the number of threads.

mod search;
mod tree;

use std::sync::Arc;

use self::search::Search;
use self::tree::Tree;
use super::parallel;
use crate::SavedTensors;
use crate::graph::{GeneralStep, Graph, Matrix, Value};
use crate::kernels::boxes::GROUP;
use crate::kernels::panels::near::NearVectors;
use crate::kernels::vectorised;

/// Rows, indexed for the search of neighbours among them.
#[derive(Clone, Debug)]
pub struct Neighbours {
    columns: usize,
    /// As given, `[rows, columns]`.
    rows: Vec<f32>,
    /// Their mean, `[columns]`.
    mean: Vec<f32>,
    /// The rows minus their mean, which makes the bound tight.
    tree: Tree,
    /// These rows in the order of the leaves, ready to be compared.
    packed: NearVectors,
    /// Their squared lengths in this order, `[rows]`.
    squares: Vec<f32>,
    /// The largest of these squares.
    largest: f32,
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

/// Beyond this square of a length, sums of squares may exceed the range of `f32`.
const LARGEST: f32 = 1e37;

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
        let given = squares(&centred, columns);
        let tree = Tree::new(&centred, columns, &given);
        let row = |&row: &u32| &centred[row as usize * columns..][..columns];
        let ordered: Vec<f32> = tree.order.iter().flat_map(row).copied().collect();
        let squares: Vec<f32> = tree.order.iter().map(|&row| given[row as usize]).collect();
        let lower: Vec<f32> = squares.iter().map(|square| (1.0 - slack(columns)) * square).collect();
        let packed = NearVectors::new(&ordered, columns, &lower);
        // NaN counts as infinite.
        let largest = squares.iter().fold(0.0, |most, &square| if square <= most { most } else { square });
        Self { columns, rows, mean, tree, packed, squares, largest }
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
        let rows_given = rows.len() / self.columns;
        if count == 0 {
            return Nearest { count, places: Vec::new(), distances: Vec::new() };
        }
        let centred = centred(rows, &self.mean);
        let squares = squares(&centred, self.columns);
        let row = |place: usize| &rows[place * self.columns..][..self.columns];
        // Rows of one leaf, and of leaves near to each other, are searched for together.
        let leaf = |(place, row): (usize, &[f32])| (self.tree.leaf(row), place);
        let mut order: Vec<(usize, usize)> = centred.chunks_exact(self.columns).enumerate().map(leaf).collect();
        order.sort_unstable();
        let (usual, far): (Vec<_>, Vec<_>) =
            order.into_iter().partition(|(_, place)| squares[*place] + self.largest <= LARGEST);
        let mut nearest =
            Nearest { count, places: vec![0; rows_given * count], distances: vec![0.0; rows_given * count] };
        for group in usual.chunks(GROUP) {
            let centred = group.iter().flat_map(|(_, place)| &centred[place * self.columns..][..self.columns]);
            let squares = group.iter().map(|(_, place)| squares[*place]).collect();
            let leaves = group.iter().map(|(leaf, _)| *leaf).collect();
            let found = Search::new(self, count, centred.copied().collect(), squares, leaves).run();
            for (found, (_, place)) in found.iter().zip(group) {
                nearest.put(*place, &self.exact(row(*place), found.left()));
            }
        }
        for (_, place) in far {
            nearest.put(place, &self.exact(row(place), 0..self.rows()));
        }
        nearest
    }

    /// The neighbours of the indexed rows themselves: `count` of each, or all others if there are fewer. No row is its own
    /// neighbour.
    ///
    /// Runs on the threads of the pool that calls it, or on all cores; within `parallel::on_one_core`, on the calling thread.
    pub fn of_each(&self, count: usize) -> Nearest {
        let count = count.min(self.rows().saturating_sub(1));
        let mut nearest =
            Nearest { count, places: vec![0; self.rows() * count], distances: vec![0.0; self.rows() * count] };
        if count == 0 {
            return nearest;
        }
        let of_group = |group: usize| self.of_own(group * GROUP..(group * GROUP + GROUP).min(self.rows()), count);
        let found = parallel::each(self.rows().div_ceil(GROUP), of_group);
        for (found, &row) in found.iter().flatten().zip(&self.tree.order) {
            nearest.put(row as usize, found);
        }
        nearest
    }

    /// The neighbours of the indexed rows at some places, without each row itself.
    fn of_own(&self, places: std::ops::Range<usize>, count: usize) -> Vec<Vec<(f64, u32)>> {
        let own = |place: usize| self.row(self.tree.order[place]);
        let without = |place: usize| (0..self.rows()).filter(move |other| *other != place);
        if self.largest + self.largest > LARGEST || self.largest.is_nan() {
            return places.map(|place| self.exact(own(place), without(place))).collect();
        }
        let rows: Vec<f32> = places.clone().flat_map(|place| centred(own(place), &self.mean)).collect();
        let leaves = rows.chunks_exact(self.columns).map(|row| self.tree.leaf(row)).collect();
        let squares = self.squares[places.clone()].to_vec();
        let search = Search::new(self, count, rows, squares, leaves).without(places.clone());
        let found = search.run();
        places.zip(found).map(|(place, found)| self.exact(own(place), found.left())).collect()
    }

    /// The rows at some places with their exact squared distances from a row, nearest first.
    fn exact(&self, row: &[f32], places: impl Iterator<Item = usize>) -> Vec<(f64, u32)> {
        let mut exact: Vec<(f64, u32)> = places.map(|place| (0.0, self.tree.order[place])).collect();
        vectorised!({
            for (square, known) in &mut exact {
                *square = exact_square(row, self.row(*known));
            }
        });
        exact.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        exact
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
}

impl Nearest {
    /// Takes the neighbours of a row from a sorted list.
    fn put(&mut self, row: usize, found: &[(f64, u32)]) {
        let range = row * self.count..(row + 1) * self.count;
        let to = self.places[range.clone()].iter_mut().zip(&mut self.distances[range]);
        to.zip(found).for_each(|(to, (square, place))| (*to.0, *to.1) = (*place, square.sqrt()));
    }

    /// The indices and distances of each row's neighbours; nothing if `count` is 0.
    pub fn by_row(&self) -> impl Iterator<Item = (&[u32], &[f64])> {
        let width = self.count.max(1);
        self.places.chunks_exact(width).zip(self.distances.chunks_exact(width))
    }
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
mod tests;
