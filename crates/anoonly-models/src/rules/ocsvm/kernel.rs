//! The Gaussian kernel of rows with many known rows.

use crate::kernels::exponential::exp;
use crate::kernels::panels::Panels;
use crate::kernels::products::StridedRows;
use crate::kernels::vectorised;
use crate::tools::neighbours::squares;

/// Known rows, ready to be compared with others by `k(x, y) = exp(−‖x − y‖²/columns)`.
#[derive(Debug)]
pub(super) struct Kernel {
    columns: usize,
    /// The squared lengths of the rows, followed by zeros up to the stride.
    squares: Vec<f32>,
    /// Multiplies rows by minus twice the known rows.
    product: Panels,
}

impl Kernel {
    /// From known rows, `[rows, columns]`.
    pub fn new(rows: &[f32], columns: usize) -> Self {
        let product = Panels::of_rows(StridedRows::all(rows, columns), |_, cell| -2.0 * cell);
        let mut squares = squares(rows, columns);
        squares.resize(product.stride(), 0.0);
        Self { columns, squares, product }
    }

    /// The number of cells for the kernels of a row: the number of known rows and padding.
    pub fn stride(&self) -> usize {
        self.squares.len()
    }

    /// The kernels of rows, `[rows, columns]`, with all known rows, `[rows, stride]`. They are 0 for a row whose squared length overflows,
    /// and `clamped` for a squared distance that rounding has made negative.
    ///
    /// A kernel has the same bits whatever the other rows, and with its two rows exchanged.
    pub fn of(&self, rows: &[f32], clamped: f32, kernels: &mut [f32]) {
        self.product.multiply(rows, self.columns, &[], &[], kernels);
        let scale = (-1.0 / self.columns as f64) as f32;
        let row_squares = squares(rows, self.columns);
        vectorised!({
            for (kernels, square) in kernels.chunks_exact_mut(self.stride()).zip(&row_squares) {
                if !square.is_finite() {
                    kernels.fill(0.0);
                    continue;
                }
                for (cell, known) in kernels.iter_mut().zip(&self.squares) {
                    let distance = square + known + *cell;
                    let kernel = exp(scale * distance);
                    *cell = if distance < 0.0 { clamped } else { kernel };
                }
            }
        });
    }
}
