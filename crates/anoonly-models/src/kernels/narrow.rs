//! Loops over the cells of narrow rows.
//!
//! The layers of this field have some twenty units. A loop over the cells of one such row does not fill vectors, and with a sum for each
//! column, every row would read and write all sums in memory.

use std::ops::AddAssign;

use super::vectorised;

/// The number of rows whose cells are summed together. They stay in the cache while their columns are taken block by block.
const ROWS: usize = 256;

/// The sum of `term` over the rows of two matrices, for each column. `term` takes a cell of each matrix and the column's constant.
pub(crate) fn sums_of_terms<T: Copy + Default + AddAssign, C: Copy>(
    [left, right]: [&[f32]; 2],
    constants: &[C],
    term: impl Fn(f32, f32, C) -> T,
) -> Vec<T> {
    let width = constants.len();
    let mut sums = vec![T::default(); width];
    vectorised!(for rows in left.chunks(ROWS * width).zip(right.chunks(ROWS * width)) {
        let mut from = 0;
        while from < width {
            from += match width - from {
                16.. => add_columns::<T, C, 16>(rows, constants, &term, from, &mut sums),
                4.. => add_columns::<T, C, 4>(rows, constants, &term, from, &mut sums),
                _ => add_columns::<T, C, 1>(rows, constants, &term, from, &mut sums),
            };
        }
    });
    sums
}

/// Adds rows to `N` sums of [`sums_of_terms`] in registers.
#[inline(always)]
fn add_columns<T: Copy + AddAssign, C: Copy, const N: usize>(
    (left, right): (&[f32], &[f32]),
    constants: &[C],
    term: impl Fn(f32, f32, C) -> T,
    from: usize,
    sums: &mut [T],
) -> usize {
    let columns = from..from + N;
    let mut totals = [sums[from]; N];
    totals.copy_from_slice(&sums[columns.clone()]);
    for (left, right) in left.chunks_exact(constants.len()).zip(right.chunks_exact(constants.len())) {
        let cells = left[columns.clone()].iter().zip(&right[columns.clone()]);
        for (total, ((left, right), constant)) in totals.iter_mut().zip(cells.zip(&constants[columns.clone()])) {
            *total += term(*left, *right, *constant);
        }
    }
    sums[columns].copy_from_slice(&totals);
    N
}

/// The sum of each column of rows, `[rows, width]` to `[width]`.
pub(crate) fn sums_of_columns<T: Copy + Default + AddAssign + From<f32>>(cells: &[f32], width: usize) -> Vec<T> {
    sums_of_terms([cells; 2], &vec![(); width], |cell, _, ()| T::from(cell))
}

/// The number of rows of a width that a loop over cells takes at once. A loop over one narrow row would not fill vectors.
pub(super) fn together(width: usize) -> usize {
    const CELLS: usize = 256;
    (CELLS / width).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Covers blocks of every size. Each sum is in the order of the rows.
    #[test]
    fn sums_of_columns_match_their_definition() {
        for width in [1, 3, 4, 10, 16, 20, 39] {
            let number =
                |start: usize| (0..(ROWS + 7) * width).map(move |i| ((i + start) * 7919 % 2003) as f32 / 100.0 - 10.0);
            let (left, right): (Vec<f32>, Vec<f32>) = (number(1).collect(), number(50).collect());
            let constants: Vec<f32> = (0..width).map(|column| column as f32).collect();
            let found = sums_of_terms([&left, &right], &constants, |left, right, constant| left * right - constant);
            for (column, found) in found.into_iter().enumerate() {
                let cells = left.iter().zip(&right).skip(column).step_by(width);
                let expected = cells.fold(0.0, |sum, (left, right)| sum + (left * right - column as f32));
                assert_eq!(found, expected, "column {column} of {width}");
            }
        }
    }
}
