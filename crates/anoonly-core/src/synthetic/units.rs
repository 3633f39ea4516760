//! The mean and standard deviation of each column.

use nalgebra::{DMatrix, DVector};

/// The mean and standard deviation of each column, used to standardise columns with different units.
///
/// Points are the columns of a matrix of shape `[features, points]`, here as in all of [`synthetic`](super).
#[derive(Clone, Debug)]
pub struct Units {
    pub centre: DVector<f64>,
    /// 0 for a constant column, or a rounding error that disappears in `f32`.
    pub spread: DVector<f64>,
}

impl Units {
    /// Computes them from at least one point.
    pub fn of(points: &DMatrix<f64>) -> Self {
        let centre = points.column_mean();
        let mut squares = DVector::zeros(points.nrows());
        for point in points.column_iter() {
            squares.zip_zip_apply(&point, &centre, |sum, value, centre| *sum += (value - centre).powi(2));
        }
        let spread = (squares / points.ncols() as f64).map(f64::sqrt);
        Self { centre, spread }
    }

    /// The points with mean 0 and standard deviation 1 in each column; a column without spread becomes 0.
    pub fn standardised(&self, points: &DMatrix<f64>) -> DMatrix<f64> {
        let rate = self.spread.map(|spread| if spread > 0.0 { spread.recip() } else { 0.0 });
        let mut points = points.clone();
        for mut point in points.column_iter_mut() {
            point.zip_zip_apply(&self.centre, &rate, |value, centre, rate| *value = (*value - centre) * rate);
        }
        points
    }
}
