//! Points whose features hang together as those of the data do, each feature by itself distributed as there.

use nalgebra::{Cholesky, DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::marginal::Marginal;
use super::units::Units;

/// Keeps a matrix of correlations from being singular where a column repeats others.
const REGULARISATION: f64 = 1e-6;

/// A Gaussian copula over kernel densities: the normal scores of the features are jointly normal.
#[derive(Clone, Debug)]
pub struct GaussianCopula {
    marginals: Vec<Marginal>,
    /// `L` of the correlations `L Lᵀ` of the normal scores.
    factor: DMatrix<f64>,
}

impl GaussianCopula {
    /// The fit to two points or more, of shape `[features, points]`: the marginals first, then the correlations of the normal
    /// scores that they give. `None` when these are singular.
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

    /// So many points, of shape `[features, points]`.
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

    /// So many points of the same features, each drawn without regard to the others.
    pub fn draw_apart(&self, count: usize, rng: &mut impl Rng) -> DMatrix<f64> {
        DMatrix::from_fn(self.marginals.len(), count, |feature, _| self.marginals[feature].draw(rng))
    }
}
