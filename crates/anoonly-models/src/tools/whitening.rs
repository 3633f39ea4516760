//! Whitening: rows mapped to a space in which the unlabelled rows have the same variance in every direction.

use crate::graph::{Graph, Matrix, Step, Value};
use crate::kernels::panels::Panels;
use crate::kernels::products::{StridedRows, dots};
use crate::kernels::squares;
#[cfg(feature = "fit")]
use crate::tools::covariance::Covariance;
use crate::{RowBlock, SavedTensors};

/// A map of rows, `[rows, columns]`, to whitened rows, `[rows, width]`.
#[derive(Clone, Debug)]
pub struct Whitening {
    /// `[columns]`.
    mean: Vec<f32>,
    axes: Axes,
}

#[derive(Clone, Debug)]
enum Axes {
    /// The axes span the whole space: a whitened row is `(row − mean) · axes`.
    Whole {
        /// `[columns, axes]`, each divided by its standard deviation.
        axes: Matrix,
        /// The same axes, ready to multiply rows.
        product: Panels,
    },
    /// The axes span the training rows. The first coordinate of a whitened row is its distance from their space; the training rows have 0
    /// there. The others are its coordinates along the axes.
    Rows {
        /// `[columns, axes]`, each of length 1.
        axes: Matrix,
        /// One over the standard deviation of each coordinate, `[1 + axes]`.
        scales: Vec<f32>,
        /// Multiplies rows with the axes.
        product: Panels,
        /// Multiplies coordinates with the transposed axes.
        back: Panels,
    },
}

/// Rows that are whitened at a time; they stay in the cache.
pub(crate) const BLOCK: usize = 96;

impl Whitening {
    /// From a covariance and a ridge, which [`Covariance::whitening`] explains.
    #[cfg(feature = "fit")]
    pub fn new(covariance: &Covariance, ridge: f64) -> Self {
        let mean: Vec<f32> = covariance.mean.iter().map(|&cell| cell as f32).collect();
        let count = covariance.variances.len();
        match covariance.rest() {
            None => Self::whole(mean, covariance.whitening(ridge)),
            Some(_) => {
                let scale = |variance: f64| (1.0 / (variance + ridge).sqrt()) as f32;
                let scales = covariance.coordinates().into_iter().map(scale).collect();
                Self::of_rows(mean, covariance.scaled_axes(&vec![1.0; count]), scales)
            }
        }
    }

    fn whole(mean: Vec<f32>, axes: Vec<f32>) -> Self {
        let axes = Matrix { shape: [mean.len(), mean.len()], cells: axes };
        let product = Panels::new(&axes, None);
        Self { mean, axes: Axes::Whole { axes, product } }
    }

    fn of_rows(mean: Vec<f32>, axes: Vec<f32>, scales: Vec<f32>) -> Self {
        let axes = Matrix { shape: [mean.len(), scales.len() - 1], cells: axes };
        let (product, back) = (Panels::new(&axes, None), Panels::new(&transposed(&axes), None));
        Self { mean, axes: Axes::Rows { axes, scales, product, back } }
    }

    /// The number of columns of the rows.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// The number of columns of the whitened rows.
    pub fn width(&self) -> usize {
        match &self.axes {
            Axes::Whole { axes, .. } => axes.shape[1],
            Axes::Rows { scales, .. } => scales.len(),
        }
    }

    /// The whitened rows, `[rows, width]`. A row's values do not depend on the other rows.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let columns = self.columns();
        let mut white = Vec::with_capacity(rows.len() / columns * self.width());
        let mut centred = Vec::with_capacity(BLOCK.min(rows.len() / columns) * columns);
        for block in rows.chunks(BLOCK * columns) {
            self.centre(block, &mut centred);
            match &self.axes {
                Axes::Whole { product, .. } => product.append(&centred, &mut white),
                Axes::Rows { scales, product, back, .. } => {
                    let (along, residuals) = split(&centred, product, back);
                    for (along, residual) in along.chunks_exact(scales.len() - 1).zip(residuals.chunks_exact(columns)) {
                        white.push(squares(residual).sqrt() * scales[0]);
                        white.extend(along.iter().zip(&scales[1..]).map(|(cell, scale)| cell * scale));
                    }
                }
            }
        }
        white
    }

    /// Replaces `centred` by the rows minus their mean.
    fn centre(&self, rows: &[f32], centred: &mut Vec<f32>) {
        centred.clear();
        for row in rows.chunks_exact(self.columns()) {
            centred.extend(row.iter().zip(&self.mean).map(|(cell, mean)| cell - mean));
        }
    }

    /// The squared length of each whitened row.
    pub(crate) fn squared_lengths(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut lengths = Vec::with_capacity(rows.count());
        for block in rows.blocks(BLOCK) {
            lengths.extend(self.apply(block.cells()).chunks_exact(self.width()).map(squares));
        }
        lengths
    }

    /// The gradient of the squared length of each whitened row by the cells of the row, `[rows, columns]`: `2 · w · axesᵀ` for a
    /// whitened row `w`.
    pub(crate) fn gradient_of_squared_lengths(&self, rows: &[f32]) -> Vec<f32> {
        match &self.axes {
            Axes::Whole { axes, .. } => {
                let mut white = self.apply(rows);
                white.iter_mut().for_each(|cell| *cell *= 2.0);
                let mut gradient = vec![0.0; rows.len()];
                let width = axes.shape[1];
                dots(StridedRows::all(&white, width), StridedRows::all(&axes.cells, width), &mut gradient);
                gradient
            }
            Axes::Rows { scales, product, back, .. } => {
                let (mut centred, mut gradient) = (Vec::new(), Vec::with_capacity(rows.len()));
                for block in rows.chunks(BLOCK * self.columns()) {
                    self.centre(block, &mut centred);
                    let (mut along, residuals) = split(&centred, product, back);
                    for along in along.chunks_exact_mut(scales.len() - 1) {
                        along.iter_mut().zip(&scales[1..]).for_each(|(cell, scale)| *cell *= 2.0 * scale * scale);
                    }
                    let from = gradient.len();
                    back.append(&along, &mut gradient);
                    let rest = 2.0 * scales[0] * scales[0];
                    gradient[from..].iter_mut().zip(residuals).for_each(|(cell, residual)| *cell += rest * residual);
                }
                gradient
            }
        }
    }

    /// Adds its steps to a graph.
    pub fn describe(&self, graph: &mut Graph) -> Value {
        let centred = graph.add(Graph::ROWS, self.mean.iter().map(|cell| -cell).collect());
        match &self.axes {
            Axes::Whole { axes, .. } => graph.linear(centred, axes.clone(), None),
            Axes::Rows { axes, scales, .. } => {
                let along = graph.linear(centred, axes.clone(), None);
                let back = graph.linear(along, transposed(axes), None);
                let residual = graph.then(Step::Subtract { left: centred, right: back });
                let distance = graph.length(residual, 0.0);
                let joined = graph.then(Step::Concat { of: vec![distance, along] });
                graph.multiply(joined, scales.clone())
            }
        }
    }

    /// `mean`, `[columns]`, and `axes`, `[columns, columns]`. If the axes span the training rows only: `mean`, `basis`,
    /// `[columns, axes]`, and `scales`, `[1 + axes]`.
    pub(crate) fn save(&self) -> SavedTensors {
        let saved = SavedTensors::default().with("mean", &[self.mean.len()], self.mean.clone());
        match &self.axes {
            Axes::Whole { axes, .. } => saved.with("axes", &axes.shape, axes.cells.clone()),
            Axes::Rows { axes, scales, .. } => {
                saved.with("basis", &axes.shape, axes.cells.clone()).with("scales", &[scales.len()], scales.clone())
            }
        }
    }

    /// The whitening that [`save`](Self::save) saved.
    pub(crate) fn restore(columns: usize, saved: &mut SavedTensors) -> Result<Self, String> {
        let mean = saved.take("mean", &[columns])?;
        let whitening = match saved.entries("scales") {
            0 => Self::whole(mean, saved.take("axes", &[columns, columns])?),
            count if (2..=columns).contains(&count) => {
                let (basis, scales) = (saved.take("basis", &[columns, count - 1])?, saved.take_list("scales")?);
                if scales.iter().any(|scale| *scale <= 0.0) {
                    return Err("a whitening has a scale that is not positive".into());
                }
                Self::of_rows(mean, basis, scales)
            }
            count => return Err(format!("tensor `scales` has {count} values, needs 2 to {columns}")),
        };
        match saved.left() {
            None => Ok(whitening),
            Some(path) => Err(format!("a whitening has no tensor `{path}`")),
        }
    }
}

/// The coordinates of centred rows along the axes, and what is left of the rows without their parts along the axes.
fn split(centred: &[f32], product: &Panels, back: &Panels) -> (Vec<f32>, Vec<f32>) {
    let (mut along, mut residuals) = (Vec::new(), Vec::with_capacity(centred.len()));
    product.append(centred, &mut along);
    back.append(&along, &mut residuals);
    residuals.iter_mut().zip(centred).for_each(|(cell, whole)| *cell = whole - *cell);
    (along, residuals)
}

/// The transposed matrix.
fn transposed(matrix: &Matrix) -> Matrix {
    let [rows, columns] = matrix.shape;
    let column = |column: usize| matrix.cells[column..].iter().step_by(columns).copied();
    Matrix { shape: [columns, rows], cells: (0..columns).flat_map(column).collect() }
}

#[cfg(test)]
#[cfg(feature = "fit")]
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

    /// In the space of the rows: the same lengths and products of whitened rows as by the covariance of all columns, computed directly
    /// with a solver. The row that is scored is not in the space.
    #[test]
    fn whitened_rows_of_a_wide_table_have_the_lengths_and_products_of_the_whole_covariance() {
        const COLUMNS: usize = 1100;
        let rows = rows(14, COLUMNS);
        let (known, others) = rows.split_at(12 * COLUMNS);
        let (target, new) = others.split_at(COLUMNS);
        let covariance = Covariance::ledoit_wolf(known, COLUMNS).spanning(target);
        assert_eq!((covariance.variances.len(), covariance.rest().is_some()), (12, true));
        let median = covariance.median_variance();
        let centred = |row: &[f32]| -> Vec<f64> {
            row.iter().zip(&covariance.mean).map(|(&cell, mean)| f64::from(cell) - mean).collect()
        };
        // (1 − ρ)·XᵀX/n + (ρ·μ + ridge)·I, with the ridge of 3 median variances.
        let (n, rho, ridge) = (12.0, covariance.shrinkage, 3.0 * median);
        let cells: Vec<Vec<f64>> = known.chunks_exact(COLUMNS).map(centred).collect();
        let level = cells.iter().flatten().map(|cell| cell * cell).sum::<f64>() / n / COLUMNS as f64;
        let matrix = faer::Mat::from_fn(COLUMNS, COLUMNS, |a, b| {
            let sum: f64 = cells.iter().map(|row| row[a] * row[b]).sum();
            (1.0 - rho) * sum / n + if a == b { rho * level + ridge } else { 0.0 }
        });
        let solver = faer::linalg::solvers::Llt::new(matrix.as_ref(), faer::Side::Lower).unwrap();
        let product = |a: &[f64], b: &[f64]| {
            let right = faer::Mat::from_fn(COLUMNS, 1, |row, _| b[row]);
            let solved = faer::linalg::solvers::Solve::solve(&solver, &right);
            (0..COLUMNS).map(|row| a[row] * solved[(row, 0)]).sum::<f64>()
        };
        let whitening = Whitening::new(&covariance, ridge);
        assert_eq!((whitening.columns(), whitening.width()), (COLUMNS, 13));
        let white = |row: &[f32]| whitening.apply(row);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        for (a, b) in
            [(&known[..COLUMNS], target), (target, target), (new, target), (new, new), (new, &known[..COLUMNS])]
        {
            let (ours, expected) = (dot(&white(a), &white(b)), product(&centred(a), &centred(b)));
            // Whitened rows are in single precision.
            let lengths = (product(&centred(a), &centred(a)) * product(&centred(b), &centred(b))).sqrt();
            assert!((ours - expected).abs() <= 5e-5 * lengths, "{ours}, not {expected}; lengths {lengths}");
        }
        let restored = Whitening::restore(COLUMNS, &mut whitening.save()).unwrap();
        assert_eq!(restored.apply(&rows), whitening.apply(&rows));
        for count in [1, COLUMNS + 1] {
            let (basis, scales) = (vec![0.0; (count - 1) * COLUMNS], vec![1.0; count]);
            let saved = SavedTensors::default().with("mean", &[COLUMNS], vec![0.0; COLUMNS]);
            let saved = saved.with("basis", &[COLUMNS, count - 1], basis).with("scales", &[count], scales);
            assert!(Whitening::restore(COLUMNS, &mut saved.clone()).unwrap_err().contains("`scales`"));
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
