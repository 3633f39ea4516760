//! Loops over the cells of narrow rows.
//!
//! The layers of this field have some twenty units. A loop over the cells of one such row does not fill vectors, and with a sum for each
//! column, every row would read and write all sums in memory.

use std::ops::AddAssign;

use super::vectorised;

/// The sum of `term` over the rows of two matrices, for each column. `term` takes a cell of each matrix and the column's constant.
pub(super) fn column_sums<T: Copy + Default + AddAssign>(
    matrices: [&[f32]; 2],
    constants: &[f32],
    term: impl Fn(f32, f32, f32) -> T,
) -> Vec<T> {
    let mut sums = vec![T::default(); constants.len()];
    vectorised!({
        let mut from = 0;
        while from < constants.len() {
            from += match constants.len() - from {
                16.. => add_columns::<T, 16>(matrices, constants, &term, from, &mut sums),
                4.. => add_columns::<T, 4>(matrices, constants, &term, from, &mut sums),
                _ => add_columns::<T, 1>(matrices, constants, &term, from, &mut sums),
            };
        }
    });
    sums
}

/// Computes `N` sums of [`column_sums`] in registers.
#[inline(always)]
fn add_columns<T: Copy + Default + AddAssign, const N: usize>(
    [left, right]: [&[f32]; 2],
    constants: &[f32],
    term: impl Fn(f32, f32, f32) -> T,
    from: usize,
    sums: &mut [T],
) -> usize {
    let columns = from..from + N;
    let mut totals = [T::default(); N];
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
pub(crate) fn sums_of_columns(cells: &[f32], width: usize) -> Vec<f32> {
    column_sums([cells; 2], &vec![0.0; width], |cell, _, _| cell)
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
            let number = |start: usize| (0..7 * width).map(move |i| ((i + start) * 7919 % 2003) as f32 / 100.0 - 10.0);
            let (left, right): (Vec<f32>, Vec<f32>) = (number(1).collect(), number(50).collect());
            let constants: Vec<f32> = (0..width).map(|column| column as f32).collect();
            let found = column_sums([&left, &right], &constants, |left, right, constant| left * right - constant);
            for (column, found) in found.into_iter().enumerate() {
                let cells = left.iter().zip(&right).skip(column).step_by(width);
                let expected = cells.fold(0.0, |sum, (left, right)| sum + (left * right - column as f32));
                assert_eq!(found, expected, "column {column} of {width}");
            }
        }
    }
}
