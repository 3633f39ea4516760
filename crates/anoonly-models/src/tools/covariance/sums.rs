//! Sums over rows. The covariance of several parts of the rows together follows from the sums of each part.

use std::slice::ChunksExactMut;

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

use super::Covariance;
use super::spectrum::{Spectrum, eigen};
use crate::kernels::products::StridedRows;
use crate::kernels::vectorised;
use crate::tools::parallel::each_part;

/// Rows that are multiplied at a time. Those of some groups stay in the cache together.
const BLOCK: usize = 256;
/// The fewest rows of a part, which one core takes.
const PART_ROWS: usize = 1 << 12;
/// The most parts.
const PARTS: usize = 64;
/// The most cells of the products of all parts together, if there are several: 128 MiB.
const PART_CELLS: usize = 1 << 24;
/// The most rows whose mean is the origin of the sums.
const ORIGIN_ROWS: usize = 1024;

/// Sums over rows, each minus the same origin.
///
/// A row of a product has its columns, then 1, then its squared length, and zeros. So the products of all pairs are all sums that are needed:
/// of the columns, of the squared lengths, and of both times each other.
#[derive(Clone, Debug)]
pub(crate) struct CovarianceSums {
    origin: Vec<f64>,
    /// The sum of the products of all pairs, `[width, width]` for the [`width`] of a row, the lower triangle.
    products: Mat<f64>,
}

/// The number of cells in a row of a product: a multiple of what vector units take at once.
fn width(columns: usize) -> usize {
    (columns + 2).next_multiple_of(LANES)
}

impl CovarianceSums {
    /// The number of cells in sums over rows with this number of columns.
    pub fn cells(columns: usize) -> usize {
        width(columns).saturating_mul(width(columns))
    }

    /// Sums over all rows.
    pub fn of(rows: StridedRows<'_>, origin: &[f64]) -> Self {
        let mut sums = Self::of_groups(rows, origin, 1, |_| Some(0));
        sums.remove(0)
    }

    /// The sums over the rows of each group, given the group of the row at each place, if it is in any. The nearer the origin is to the
    /// mean of the rows, the smaller are the rounding errors. Rows are read in their order and copied in small blocks.
    pub fn of_groups(
        rows: StridedRows<'_>,
        origin: &[f64],
        groups: usize,
        group: impl Fn(usize) -> Option<usize> + Sync,
    ) -> Vec<Self> {
        let width = width(origin.len());
        let empty = || vec![Self { origin: origin.to_vec(), products: Mat::zeros(width, width) }; groups];
        let parts = each_part(rows.len(), PART_ROWS, most_parts(groups, origin.len()), |places| {
            let mut sums = empty();
            let mut blocks = vec![Block { cells: vec![0.0; BLOCK * width], filled: 0 }; groups];
            vectorised!(for place in places.clone() {
                let Some(group) = group(place) else { continue };
                let block = &mut blocks[group];
                block.push(rows.row(place), origin);
                if block.filled == block.cells.len() {
                    sums[group].add(block);
                    block.filled = 0;
                }
            });
            sums.iter_mut().zip(&mut blocks).for_each(|(sums, block)| sums.add(block));
            sums
        });
        parts.into_iter().fold(empty(), |mut sums, part| {
            sums.iter_mut().zip(&part).for_each(|(sums, part)| sums.join(part));
            sums
        })
    }

    /// Adds the rows of a block.
    fn add(&mut self, block: &mut Block) {
        let (columns, width) = (self.origin.len(), self.products.ncols());
        let cells = &mut block.cells[..block.filled];
        Arch::new().dispatch(Lengths { rows: cells.chunks_exact_mut(width), columns });
        let rows = MatRef::from_row_major_slice(cells, cells.len() / width, width);
        let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        matmul(self.products.as_mut(), lower, Accum::Add, rows.transpose(), whole, rows, whole, 1.0, Par::Seq);
    }

    /// Adds the sums over other rows, with the same origin.
    pub fn join(&mut self, other: &Self) {
        self.products += &other.products;
    }

    /// The number of rows, at least one.
    fn count(&self) -> f64 {
        let count = self.products[(self.origin.len(), self.origin.len())];
        assert!(count > 0.0, "a covariance needs at least one row");
        count
    }

    /// The sum of the rows, each times its cell at `of`, `[columns]`.
    fn times(&self, of: usize) -> Vec<f64> {
        (0..self.origin.len()).map(|column| self.products[(of, column)]).collect()
    }

    /// What [`Covariance::ledoit_wolf`] makes of the rows.
    ///
    /// # Panics
    /// When there is no row, or a value is not finite.
    pub fn ledoit_wolf(self) -> Covariance {
        Covariance::shrunk(self.spectrum())
    }

    /// The axes of the rows in standard deviations of each column, and what a column is multiplied by for that: 1 for a constant one.
    ///
    /// # Panics
    /// When there is no row, or a value is not finite.
    pub(super) fn standardised(mut self) -> (Spectrum, Vec<f64>) {
        let (count, columns) = (self.count(), self.origin.len());
        let shift: Vec<f64> = self.times(columns).into_iter().map(|sum| sum / count).collect();
        let covariance = |row: usize, column: usize| self.products[(row, column)] / count - shift[row] * shift[column];
        let scales: Vec<f64> = (0..columns).map(|column| inverse_deviation(covariance(column, column))).collect();
        let products = Mat::from_fn(columns, columns, |row, column| match row >= column {
            true => covariance(row, column) * scales[row] * scales[column],
            false => 0.0,
        });
        self.origin.iter_mut().zip(&shift).for_each(|(origin, shift)| *origin += shift);
        let (values, axes) = eigen(products.as_ref());
        let level = values.iter().sum::<f64>() / columns as f64;
        let square = values.iter().map(|value| value * value).sum();
        let fourth = self.products[(columns + 1, columns + 1)];
        (Spectrum { mean: self.origin, values, axes, level, square, fourth, count }, scales)
    }

    pub(super) fn spectrum(mut self) -> Spectrum {
        let (count, columns) = (self.count(), self.origin.len());
        let (rows, weighted) = (self.times(columns), self.times(columns + 1));
        let [squares, fourth] = [columns, columns + 1].map(|of| self.products[(columns + 1, of)]);
        let shift: Vec<f64> = rows.iter().map(|sum| sum / count).collect();
        let along = |sums: &[f64]| sums.iter().zip(&shift).map(|(sum, shift)| sum * shift).sum::<f64>();
        let (mut level, mut square, mut moved) = (0.0, 0.0, 0.0);
        for column in 0..columns {
            for row in column..columns {
                let times = if row == column { 1.0 } else { 2.0 };
                let product = &mut self.products[(row, column)];
                moved += times * *product * shift[row] * shift[column];
                *product = *product / count - shift[row] * shift[column];
                square += times * *product * *product;
            }
            level += self.products[(column, column)] / columns as f64;
        }
        // For a row y, its squared length q, the shift s and its squared length d: |y − s|⁴ = (q − 2ys + d)².
        let distance = shift.iter().map(|shift| shift * shift).sum::<f64>();
        let fourth = fourth + 4.0 * moved + count * distance * distance - 4.0 * along(&weighted)
            + 2.0 * distance * squares
            - 4.0 * distance * along(&rows);
        let mean = self.origin.iter().zip(&shift).map(|(origin, shift)| origin + shift).collect();
        let (values, axes) = eigen(self.products.submatrix(0, 0, columns, columns));
        Spectrum { mean, values, axes, level, square, fourth, count }
    }
}

/// The most parts of the rows that are summed apart, each for this number of groups.
fn most_parts(groups: usize, columns: usize) -> usize {
    (PART_CELLS / groups.saturating_mul(CovarianceSums::cells(columns)).max(1)).clamp(1, PARTS)
}

/// The number of bytes that sums over rows take in between.
pub(crate) fn summing_memory(groups: usize, columns: usize) -> u64 {
    let width = width(columns) as u64;
    let one = (groups as u64).saturating_mul(width.saturating_mul(width + BLOCK as u64)).saturating_mul(8);
    one.saturating_mul(most_parts(groups, columns) as u64)
}

/// The mean of some of the rows, evenly spaced, for the origin of sums.
pub(crate) fn rough_mean(rows: StridedRows<'_>) -> Vec<f64> {
    let count = rows.len().min(ORIGIN_ROWS);
    let mut mean = vec![0.0; rows.width];
    for place in 0..count {
        let row = rows.row(place * rows.len() / count);
        mean.iter_mut().zip(row).for_each(|(sum, &cell)| *sum += f64::from(cell));
    }
    mean.iter_mut().for_each(|mean| *mean /= count as f64);
    mean
}

/// One over the standard deviation of a column with this variance. A smaller variance is the rounding error of a constant column.
pub(super) fn inverse_deviation(variance: f64) -> f64 {
    if variance > 1e-20 { variance.sqrt().recip() } else { 1.0 }
}

/// The most `f64` that a vector unit takes at once, and the number of partial sums of a squared length.
const LANES: usize = 8;

/// Rows of a product.
#[derive(Clone, Debug)]
struct Block {
    /// `[rows, width]`.
    cells: Vec<f64>,
    /// The number of cells that are filled.
    filled: usize,
}

impl Block {
    /// Adds a row, minus the origin, without its squared length.
    #[inline(always)]
    fn push(&mut self, row: &[f32], origin: &[f64]) {
        let columns = origin.len();
        let cells = &mut self.cells[self.filled..][..width(columns)];
        cells.iter_mut().zip(row).zip(origin).for_each(|((to, &cell), origin)| *to = f64::from(cell) - origin);
        cells[columns..].fill(0.0);
        self.filled += cells.len();
    }
}

/// Completes rows, `[rows, width]`.
struct Lengths<'a> {
    rows: ChunksExactMut<'a, f64>,
    columns: usize,
}

impl WithSimd for Lengths<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.rows {
            let mut sums = [0.0; LANES];
            let (vectors, _) = S::as_mut_simd_f64s(&mut sums);
            for (place, &cells) in S::as_simd_f64s(row).0.iter().enumerate() {
                let sum = &mut vectors[place % (LANES / S::F64_LANES)];
                *sum = simd.add_f64s(*sum, simd.mul_f64s(cells, cells));
            }
            let [a, b, c, d, e, f, g, h] = sums;
            row[self.columns] = 1.0;
            row[self.columns + 1] = ((a + e) + (c + g)) + ((b + f) + (d + h));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums of three parts give the same covariance as all rows at once, whatever the origin; more rows than a block has.
    #[test]
    fn joined_sums_give_the_covariance_of_all_rows() {
        let columns = 6;
        let cells: Vec<f32> = (0..2500 * columns)
            .map(|cell| ((cell * 7919 + cell / 5 * 104_729) % 1009) as f32 / 1009.0 + (cell % columns) as f32)
            .collect();
        let all = Covariance::ledoit_wolf(&cells, columns);
        for origin in [vec![0.0; columns], all.mean.clone()] {
            let parts = cells.chunks(1100 * columns);
            let mut parts = parts.map(|part| CovarianceSums::of(StridedRows::all(part, columns), &origin));
            let mut joined = parts.next().unwrap();
            parts.for_each(|part| joined.join(&part));
            let ours = joined.ledoit_wolf();
            let close = |ours: f64, expected: f64| (ours - expected).abs() <= 1e-8 * expected.abs();
            assert!(close(ours.shrinkage, all.shrinkage), "{} {}", ours.shrinkage, all.shrinkage);
            for axis in 0..columns {
                assert!(close(ours.mean[axis], all.mean[axis]) && close(ours.variances[axis], all.variances[axis]));
                let along: f64 = ours.axis(axis).zip(all.axis(axis)).map(|(a, b)| a * b).sum();
                assert!((along.abs() - 1.0).abs() < 1e-10, "{along}");
            }
        }
    }

    /// Enough rows for several parts: each group's sums are those of its rows alone, and the number of threads changes no bit.
    #[test]
    fn groups_have_the_sums_of_their_rows() {
        let columns = 4;
        let cells: Vec<f32> = (0..9000 * columns).map(|cell| (cell * 7919 % 1009) as f32 / 1009.0).collect();
        let rows = StridedRows::all(&cells, columns);
        let origin = rough_mean(rows);
        let group = |place: usize| (place % 7 < 3).then_some(place % 7);
        let sums = || CovarianceSums::of_groups(rows, &origin, 3, group);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for ((group, ours), again) in sums().into_iter().enumerate().zip(pool.install(sums)) {
            assert_eq!(format!("{ours:?}"), format!("{again:?}"));
            let places: Vec<usize> = (0..9000).filter(|place| place % 7 == group).collect();
            let alone = StridedRows { indices: Some(&places), ..rows };
            let expected = CovarianceSums::of(alone, &[0.0; 4]).ledoit_wolf();
            let ours = ours.ledoit_wolf();
            assert!((ours.shrinkage - expected.shrinkage).abs() < 1e-9);
            for (ours, expected) in ours.variances.iter().zip(&expected.variances) {
                assert!((ours - expected).abs() <= 1e-9 * expected, "{ours}, not {expected}");
            }
        }
    }
}
