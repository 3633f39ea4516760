//! Sums over rows. The covariance of several parts of the rows together follows from the sums of each part.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par};

use super::{Covariance, Spectrum, eigen};
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
#[derive(Clone, Debug)]
pub(crate) struct CovarianceSums {
    origin: Vec<f64>,
    /// The number of rows.
    count: f64,
    /// The sum of the rows, `[columns]`.
    rows: Vec<f64>,
    /// The sum of the rows' squared lengths.
    squares: f64,
    /// The sum of the squares of these.
    fourth: f64,
    /// The sum of the rows, each times its squared length, `[columns]`.
    weighted: Vec<f64>,
    /// The sum of the products of all pairs of columns, `[columns, columns]`, the lower triangle.
    products: Mat<f64>,
}

impl CovarianceSums {
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
        let columns = origin.len();
        let parts = each_part(rows.len(), PART_ROWS, most_parts(groups, columns), |places| {
            let mut sums = vec![Self::empty(origin); groups];
            let mut blocks = vec![Vec::with_capacity(BLOCK * columns); groups];
            vectorised!(for place in places.clone() {
                let Some(group) = group(place) else { continue };
                let block = &mut blocks[group];
                block.extend(rows.row(place).iter().zip(origin).map(|(&cell, origin)| f64::from(cell) - origin));
                if block.len() == BLOCK * columns {
                    sums[group].add(block);
                    block.clear();
                }
            });
            sums.iter_mut().zip(&blocks).for_each(|(sums, block)| sums.add(block));
            sums
        });
        let mut parts = parts.into_iter();
        let mut sums = parts.next().unwrap_or_else(|| vec![Self::empty(origin); groups]);
        parts.for_each(|part| sums.iter_mut().zip(&part).for_each(|(sums, part)| sums.join(part)));
        sums
    }

    fn empty(origin: &[f64]) -> Self {
        let columns = origin.len();
        Self {
            origin: origin.to_vec(),
            count: 0.0,
            rows: vec![0.0; columns],
            squares: 0.0,
            fourth: 0.0,
            weighted: vec![0.0; columns],
            products: Mat::zeros(columns, columns),
        }
    }

    /// Adds some rows, minus the origin.
    fn add(&mut self, block: &[f64]) {
        let columns = self.origin.len();
        let whole = block.len() - block.len() % (TOGETHER * columns);
        let (together, rest) = block.split_at(whole);
        vectorised!({
            for rows in together.chunks_exact(TOGETHER * columns) {
                self.add_squares::<TOGETHER>(rows);
            }
            for row in rest.chunks_exact(columns) {
                self.add_squares::<1>(row);
            }
        });
        let rows = MatRef::from_row_major_slice(block, block.len() / columns, columns);
        let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        matmul(self.products.as_mut(), lower, Accum::Add, rows.transpose(), whole, rows, whole, 1.0, Par::Seq);
    }

    /// Adds `N` rows, minus the origin, to all sums but those of products.
    #[inline(always)]
    fn add_squares<const N: usize>(&mut self, rows: &[f64]) {
        let columns = self.origin.len();
        for (row, square) in rows.chunks_exact(columns).zip(squared_lengths::<N>(rows, columns)) {
            self.count += 1.0;
            self.squares += square;
            self.fourth += square * square;
            for ((sum, weighted), cell) in self.rows.iter_mut().zip(&mut self.weighted).zip(row) {
                *sum += cell;
                *weighted += square * cell;
            }
        }
    }

    /// Adds the sums over other rows, with the same origin.
    pub fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.squares += other.squares;
        self.fourth += other.fourth;
        self.rows.iter_mut().zip(&other.rows).for_each(|(sum, cell)| *sum += cell);
        self.weighted.iter_mut().zip(&other.weighted).for_each(|(sum, cell)| *sum += cell);
        self.products += &other.products;
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
        assert!(self.count > 0.0, "a covariance needs at least one row");
        let (count, columns) = (self.count, self.origin.len());
        let shift: Vec<f64> = self.rows.iter().map(|sum| sum / count).collect();
        let covariance = |row: usize, column: usize| self.products[(row, column)] / count - shift[row] * shift[column];
        let scales: Vec<f64> = (0..columns).map(|column| inverse_deviation(covariance(column, column))).collect();
        let products = Mat::from_fn(columns, columns, |row, column| match row >= column {
            true => covariance(row, column) * scales[row] * scales[column],
            false => 0.0,
        });
        self.origin.iter_mut().zip(&shift).for_each(|(origin, shift)| *origin += shift);
        let (values, axes) = eigen(&products);
        let level = values.iter().sum::<f64>() / columns as f64;
        let square = values.iter().map(|value| value * value).sum();
        (Spectrum { mean: self.origin, values, axes, level, square, fourth: self.fourth, count }, scales)
    }

    pub(super) fn spectrum(mut self) -> Spectrum {
        assert!(self.count > 0.0, "a covariance needs at least one row");
        let (count, columns) = (self.count, self.origin.len());
        let shift: Vec<f64> = self.rows.iter().map(|sum| sum / count).collect();
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
        let fourth = self.fourth + 4.0 * moved + count * distance * distance - 4.0 * along(&self.weighted)
            + 2.0 * distance * self.squares
            - 4.0 * distance * along(&self.rows);
        let mean = self.origin.iter().zip(&shift).map(|(origin, shift)| origin + shift).collect();
        let (values, axes) = eigen(&self.products);
        Spectrum { mean, values, axes, level, square, fourth, count }
    }
}

/// The most parts of the rows that are summed apart, each for this number of groups.
fn most_parts(groups: usize, columns: usize) -> usize {
    (PART_CELLS / groups.saturating_mul(columns.saturating_mul(columns)).max(1)).clamp(1, PARTS)
}

/// The number of bytes that sums over rows take in between.
pub(crate) fn summing_memory(groups: usize, columns: usize) -> u64 {
    let one = groups as u64 * (columns as u64).saturating_mul(columns as u64).saturating_mul(8);
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

/// Independent sums, so that no addition waits for another one.
const SUMS: usize = 16;
/// Rows whose sums are added at a time: each addition waits for the one before, and the waits of several rows overlap.
const TOGETHER: usize = 4;

/// The squared length of each of `N` rows. That of a row does not depend on the other rows.
#[inline(always)]
fn squared_lengths<const N: usize>(rows: &[f64], columns: usize) -> [f64; N] {
    let mut sums = [[0.0; SUMS]; N];
    for (sums, row) in sums.iter_mut().zip(rows.chunks_exact(columns)) {
        let (chunks, rest) = row.as_chunks::<SUMS>();
        for chunk in chunks {
            sums.iter_mut().zip(chunk).for_each(|(sum, cell)| *sum += cell * cell);
        }
        sums.iter_mut().zip(rest).for_each(|(sum, cell)| *sum += cell * cell);
    }
    let mut lengths = [0.0; N];
    for place in 0..SUMS {
        lengths.iter_mut().zip(&sums).for_each(|(length, sums)| *length += sums[place]);
    }
    lengths
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
