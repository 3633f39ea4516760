//! Whitening: rows mapped to a space in which the unlabelled rows have the same variance in every direction.

use crate::graph::{Graph, Matrix, Value};
use crate::kernels::panels::Panels;
use crate::kernels::products::{StridedRows, dots};
use crate::kernels::squares;
use crate::tools::covariance::Covariance;
use crate::{RowBlock, SavedTensors};

/// `(row − mean) · axes`.
#[derive(Clone, Debug)]
pub struct Whitening {
    /// `[columns]`.
    mean: Vec<f32>,
    /// `[columns, columns]`.
    axes: Matrix,
    /// The same axes, ready to multiply rows.
    product: Panels,
}

/// Rows that are whitened at a time; they stay in the cache.
pub(crate) const BLOCK: usize = 96;

impl Whitening {
    /// From a covariance and a ridge, which [`Covariance::whitening`] explains.
    pub fn new(covariance: &Covariance, ridge: f64) -> Self {
        let mean = covariance.mean.iter().map(|&cell| cell as f32).collect();
        Self::of_axes(mean, covariance.whitening(ridge))
    }

    fn of_axes(mean: Vec<f32>, axes: Vec<f32>) -> Self {
        let axes = Matrix { shape: [mean.len(), mean.len()], cells: axes };
        let product = Panels::new(&axes, None);
        Self { mean, axes, product }
    }

    /// The whitened rows, `[rows, columns]`. A row's values do not depend on the other rows.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let columns = self.mean.len();
        let mut white = Vec::with_capacity(rows.len());
        let mut centred = Vec::with_capacity(BLOCK.min(rows.len() / columns) * columns);
        for block in rows.chunks(BLOCK * columns) {
            centred.clear();
            for row in block.chunks_exact(columns) {
                centred.extend(row.iter().zip(&self.mean).map(|(cell, mean)| cell - mean));
            }
            self.product.append(&centred, &mut white);
        }
        white
    }

    /// The squared length of each whitened row.
    pub(crate) fn squared_lengths(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut lengths = Vec::with_capacity(rows.count());
        for block in rows.blocks(BLOCK) {
            lengths.extend(self.apply(block.cells()).chunks_exact(rows.columns()).map(squares));
        }
        lengths
    }

    /// The gradient by the rows' cells, `[rows, columns]`, from the gradient by the whitened rows, `[rows, columns]`.
    pub(crate) fn gradient(&self, by_white: &[f32]) -> Vec<f32> {
        let columns = self.mean.len();
        let mut gradient = vec![0.0; by_white.len()];
        dots(StridedRows::all(by_white, columns), StridedRows::all(&self.axes.cells, columns), &mut gradient);
        gradient
    }

    /// Adds its steps to a graph.
    pub fn describe(&self, graph: &mut Graph) -> Value {
        let centred = graph.add(Graph::ROWS, self.mean.iter().map(|cell| -cell).collect());
        graph.linear(centred, self.axes.clone(), None)
    }

    /// `mean`, `[columns]`, and `axes`, `[columns, columns]`.
    pub(crate) fn save(&self) -> SavedTensors {
        SavedTensors::default().with("mean", &[self.mean.len()], self.mean.clone()).with(
            "axes",
            &self.axes.shape,
            self.axes.cells.clone(),
        )
    }

    /// The whitening that [`save`](Self::save) saved.
    pub(crate) fn restore(columns: usize, saved: &mut SavedTensors) -> Result<Self, String> {
        let whitening = Self::of_axes(saved.take("mean", &[columns])?, saved.take("axes", &[columns, columns])?);
        match saved.left() {
            None => Ok(whitening),
            Some(path) => Err(format!("a whitening has no tensor `{path}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, columns: usize) -> Vec<f32> {
        (0..count * columns).map(|cell| ((cell * 7919 + cell / 5 * 104_729) % 1009) as f32 / 1009.0).collect()
    }

    /// Widths that fill a vector and that do not, and more rows than one block holds.
    #[test]
    fn whitened_rows_agree_with_their_definition_and_do_not_depend_on_other_rows() {
        for columns in [1, 3, 16, 37, 130] {
            let rows = rows(BLOCK + 13, columns);
            let covariance = Covariance::ledoit_wolf(&rows, columns);
            let whitening = Whitening::new(&covariance, 0.5);
            let white = whitening.apply(&rows);
            assert_eq!(white.len(), rows.len());
            for (row, white) in rows.chunks_exact(columns).zip(white.chunks_exact(columns)) {
                assert_eq!(whitening.apply(row), white);
                for (axis, cell) in white.iter().enumerate() {
                    let scale = (covariance.variances[axis] + 0.5).sqrt();
                    let centred = row.iter().zip(&covariance.mean).map(|(&cell, mean)| f64::from(cell) - mean);
                    let expected = centred.zip(covariance.axis(axis)).map(|(a, b)| a * b).sum::<f64>() / scale;
                    assert!((f64::from(*cell) - expected).abs() < 1e-5, "{columns}: {cell}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn a_saved_whitening_is_restored() {
        let rows = rows(20, 3);
        let whitening = Whitening::new(&Covariance::ledoit_wolf(&rows, 3), 0.0);
        let restored = Whitening::restore(3, &mut whitening.save()).unwrap();
        assert_eq!(restored.apply(&rows), whitening.apply(&rows));
        assert!(Whitening::restore(2, &mut whitening.save()).is_err());
    }
}
