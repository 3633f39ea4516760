//! How far out in the tails of its columns' distributions a row lies, by what was seen in the training rows.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::layers::host::{cells, parameter, tensor, unlabelled};
use crate::{Shapes, TrainingData};

/// The empirical distribution of each column.
#[derive(Module, Debug)]
pub struct Tails<B: Backend> {
    /// The values of each column, in order, `[rows, columns]`.
    sorted: Param<Tensor<B, 2>>,
    /// −1, 0 or 1 as the column's distribution is skewed to the left, not at all, or to the right, `[columns]`.
    skews: Param<Tensor<B, 1>>,
}

/// Of a value, what is told by the left tail, by the right one, and by the one that the column is skewed to.
pub(crate) struct Tail {
    /// `−ln` of the share of values up to this one.
    pub left: f64,
    /// `−ln` of the share of values from this one on.
    pub right: f64,
    /// That of the tail on the side of the skew, and the sum of both where there is none.
    pub skewed: f64,
}

/// The number of values in it, as part `tails` of a network.
pub(crate) fn weights(columns: usize, saved: &Shapes) -> usize {
    columns.saturating_mul(saved.within("tails").entries("sorted").saturating_add(1))
}

impl<B: Backend> Tails<B> {
    /// One of the shape that was saved, as part `tails` of a network.
    pub(crate) fn blank(columns: usize, saved: &Shapes, device: &B::Device) -> Self {
        let rows = saved.within("tails").entries("sorted");
        Self {
            sorted: parameter(vec![0.0; rows * columns], [rows, columns], device),
            skews: parameter(vec![0.0; columns], [columns], device),
        }
    }

    /// Of the unlabelled rows.
    pub(crate) fn of(data: &TrainingData<B>) -> Self {
        let (device, columns, rows) = (data.rows.device(), data.columns(), data.unlabelled.len());
        let mut by_column = turned(&unlabelled(data), columns);
        let mut skews = Vec::with_capacity(columns);
        for column in by_column.chunks_exact_mut(rows) {
            column.sort_unstable_by(f32::total_cmp);
            skews.push(skew(column));
        }
        Self {
            sorted: parameter(turned(&by_column, rows), [rows, columns], &device),
            skews: parameter(skews, [columns], &device),
        }
    }

    /// Of each row, the sum of what `worth` makes of its columns' tails.
    pub(crate) fn score(&self, rows: Tensor<B, 2>, worth: impl Fn(Tail) -> f64) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let known = self.sorted.val().dims()[0];
        let (sorted, skews) = (turned(&cells(self.sorted.val()), columns), cells(self.skews.val()));
        let mut scores = vec![0.0f64; count];
        let rows = turned(&cells(rows), columns);
        for ((sorted, &skew), column) in sorted.chunks_exact(known).zip(&skews).zip(rows.chunks_exact(count)) {
            for (score, &value) in scores.iter_mut().zip(column) {
                // The value itself is one more.
                let rarity = |seen: usize| -((seen + 1) as f64 / (known + 1) as f64).ln();
                let left = rarity(sorted.partition_point(|&other| other <= value));
                let right = rarity(known - sorted.partition_point(|&other| other < value));
                let skewed = match skew {
                    _ if skew < 0.0 => left,
                    _ if skew > 0.0 => right,
                    _ => left + right,
                };
                *score += worth(Tail { left, right, skewed });
            }
        }
        tensor(scores.into_iter().map(|score| score as f32).collect(), [count], &device)
    }
}

/// The sign of the third central moment of sorted values.
fn skew(sorted: &[f32]) -> f32 {
    if sorted.first() == sorted.last() {
        return 0.0;
    }
    let mean = sorted.iter().map(|&value| f64::from(value)).sum::<f64>() / sorted.len() as f64;
    let moment: f64 = sorted.iter().map(|&value| (f64::from(value) - mean).powi(3)).sum();
    if moment == 0.0 { 0.0 } else { moment.signum() as f32 }
}

/// Rows of so many cells as columns.
fn turned(cells: &[f32], columns: usize) -> Vec<f32> {
    let rows = cells.len() / columns;
    let mut turned = vec![0.0; cells.len()];
    for (row, cells) in cells.chunks_exact(columns).enumerate() {
        cells.iter().enumerate().for_each(|(column, &cell)| turned[column * rows + row] = cell);
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_has_the_sign_of_the_longer_tail() {
        let skews = [&[0.0, 1.0, 1.0][..], &[0.0, 0.0, 1.0], &[0.0, 1.0, 2.0], &[0.1, 0.1], &[0.3]].map(skew);
        assert_eq!(skews, [-1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn turning_twice_gives_what_was() {
        let cells: Vec<f32> = (0..6).map(|cell| cell as f32).collect();
        assert_eq!(turned(&cells, 3), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(turned(&turned(&cells, 3), 2), cells);
    }
}
