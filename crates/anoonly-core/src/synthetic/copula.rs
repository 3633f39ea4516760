//! Points with the dependences and the marginal distributions of the data.

use nalgebra::{Cholesky, DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::marginal::Marginal;
use super::units::Units;

/// Keeps the correlation matrix regular when a column repeats others.
const REGULARISATION: f64 = 1e-6;

/// A Gaussian copula over kernel densities: the normal scores of the features are jointly normal.
#[derive(Clone, Debug)]
pub struct GaussianCopula {
    marginals: Vec<Marginal>,
    /// `L` of the correlations `L Lᵀ` of the normal scores.
    factor: DMatrix<f64>,
}

impl GaussianCopula {
    /// Fits two points or more, of shape `[features, points]`: first the marginals, then the correlations of the normal scores
    /// under these marginals. `None` when the correlations are singular.
    pub fn fitted(points: &DMatrix<f64>) -> Option<Self> {
        let marginals: Vec<Marginal> =
            points.row_iter().map(|feature| Marginal::of(feature.iter().copied().collect())).collect();
        let scores = DMatrix::from_fn(points.nrows(), points.ncols(), |feature, point| {
            marginals[feature].score(points[(feature, point)])
        });
        let scores = Units::of(&scores).standardised(&scores);
        let mut correlations = &scores * scores.transpose() / points.ncols() as f64;
        correlations.fill_diagonal(1.0 + REGULARISATION);
        Some(Self { marginals, factor: Cholesky::new(correlations)?.l() })
    }

    /// Draws `count` points, of shape `[features, points]`.
    pub fn draw(&self, count: usize, rng: &mut impl Rng) -> DMatrix<f64> {
        let mut points = DMatrix::zeros(self.marginals.len(), count);
        for mut point in points.column_iter_mut() {
            let standard = DVector::from_fn(point.len(), |_, _| rng.sample::<f64, _>(StandardNormal));
            let scores = &self.factor * standard;
            point
                .iter_mut()
                .zip(&self.marginals)
                .zip(&scores)
                .for_each(|((value, of), score)| *value = of.value(*score));
        }
        points
    }

    /// Draws `count` points whose features have the same distributions, but are independent of each other.
    pub fn draw_independent(&self, count: usize, rng: &mut impl Rng) -> DMatrix<f64> {
        DMatrix::from_fn(self.marginals.len(), count, |feature, _| self.marginals[feature].draw(rng))
    }
}
