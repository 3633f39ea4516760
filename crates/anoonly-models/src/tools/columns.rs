//! Rows by column.

/// Rows that are transposed together: their cells stay in the nearest cache.
const TILE: usize = 32;

/// The transposed matrix of rows, `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transposed(cells: &[f32], columns: usize) -> Vec<f32> {
    let mut made = vec![0.0; cells.len()];
    transpose(cells, columns, &mut made);
    made
}

/// Writes the transposed matrix of rows, `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transpose(cells: &[f32], columns: usize, to: &mut [f32]) {
    let rows = cells.len() / columns;
    for (tile, cells) in cells.chunks(TILE * columns).enumerate() {
        let first = tile * TILE;
        let count = cells.len() / columns;
        for (column, to) in to.chunks_exact_mut(rows).enumerate() {
            let from = cells[column..].iter().step_by(columns);
            to[first..first + count].iter_mut().zip(from).for_each(|(to, &cell)| *to = cell);
        }
    }
}

/// The values of each column of the rows at these indices, `[columns, indices]`. The rows are `[rows, columns]`.
pub(crate) fn transposed_of(cells: &[f32], columns: usize, indices: &[usize]) -> Vec<f32> {
    let mut made = vec![0.0; indices.len() * columns];
    for (tile, rows) in indices.chunks(TILE).enumerate() {
        for (column, to) in made.chunks_exact_mut(indices.len()).enumerate() {
            let to = &mut to[tile * TILE..][..rows.len()];
            to.iter_mut().zip(rows).for_each(|(to, &row)| *to = cells[row * columns + column]);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_transposed_twice_is_the_same() {
        let cells: Vec<f32> = (0..6).map(|cell| cell as f32).collect();
        assert_eq!(transposed(&cells, 3), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let cells: Vec<f32> = (0..3 * 70).map(|cell| cell as f32).collect();
        assert_eq!(transposed(&transposed(&cells, 3), 70), cells);
        let all: Vec<usize> = (0..70).collect();
        assert_eq!(transposed_of(&cells, 3, &all), transposed(&cells, 3));
        assert_eq!(transposed_of(&cells, 3, &[69, 1]), [207.0, 3.0, 208.0, 4.0, 209.0, 5.0]);
    }
}
