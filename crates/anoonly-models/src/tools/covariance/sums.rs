//! Sums over rows. The covariance of several parts of the rows together follows from the sums of each part.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par};

use super::{BLOCK, Covariance, Spectrum, eigen};

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
    /// Sums over rows. The nearer the origin is to their mean, the smaller are the rounding errors. Rows are copied in small blocks.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a [f32]>, origin: &[f64]) -> Self {
        let columns = origin.len();
        let mut sums = Self {
            origin: origin.to_vec(),
            count: 0.0,
            rows: vec![0.0; columns],
            squares: 0.0,
            fourth: 0.0,
            weighted: vec![0.0; columns],
            products: Mat::zeros(columns, columns),
        };
        let mut block = Vec::new();
        for row in rows {
            block.extend(row.iter().zip(origin).map(|(&cell, origin)| f64::from(cell) - origin));
            sums.add(&block[block.len() - columns..]);
            if block.len() == BLOCK * columns {
                sums.add_products(&block);
                block.clear();
            }
        }
        sums.add_products(&block);
        sums
    }

    fn add(&mut self, row: &[f64]) {
        let square = row.iter().map(|cell| cell * cell).sum::<f64>();
        self.count += 1.0;
        self.squares += square;
        self.fourth += square * square;
        for ((sum, weighted), cell) in self.rows.iter_mut().zip(&mut self.weighted).zip(row) {
            *sum += cell;
            *weighted += square * cell;
        }
    }

    fn add_products(&mut self, block: &[f64]) {
        let columns = self.origin.len();
        let rows = MatRef::from_row_major_slice(block, block.len() / columns, columns);
        let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        matmul(self.products.as_mut(), lower, Accum::Add, rows.transpose(), whole, rows, whole, 1.0, Par::Seq);
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
    pub fn ledoit_wolf(mut self) -> Covariance {
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
        Covariance::shrunk(Spectrum { mean, values, axes, level, square, fourth, count })
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
            let mut parts = parts.map(|part| CovarianceSums::of(part.chunks_exact(columns), &origin));
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
}
