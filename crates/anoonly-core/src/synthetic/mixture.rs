//! Gaussian mixtures with full covariances, by expectation maximisation.
//!
//! The algorithm is that of scikit-learn's `GaussianMixture`. The tests compare the two: the same start gives the same mixture.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rand::Rng;

use super::kmeans;

/// The numbers of components that are tried.
const COUNTS: std::ops::RangeInclusive<usize> = 1..=9;
/// The search ends after this many numbers in a row that are not better than the best one.
const PATIENCE: usize = 3;
/// Added to the diagonal of every covariance, so that it is invertible.
const REGULARISATION: f64 = 1e-6;
/// The fit ends when a round changes the mean log-likelihood by less than this.
const TOLERANCE: f64 = 1e-3;
/// The largest number of rounds.
const ROUNDS: usize = 100;
/// Keeps the weight of a component without points above 0.
const NO_POINTS: f64 = 10.0 * f64::EPSILON;

/// A Gaussian mixture.
#[derive(Clone, Debug)]
pub struct Mixture {
    pub components: Vec<Component>,
}

/// A Gaussian and its weight.
#[derive(Clone, Debug)]
pub struct Component {
    pub weight: f64,
    pub mean: DVector<f64>,
    pub covariance: DMatrix<f64>,
}

impl Component {
    /// The factor `L` of the covariance `L Lᵀ`; `None` when it is singular.
    pub fn factor(&self) -> Option<Cholesky<f64, Dyn>> {
        Cholesky::new(self.covariance.clone())
    }

    /// The logarithm of the weighted density at each point.
    fn log_densities(&self, points: &DMatrix<f64>) -> Option<Vec<f64>> {
        let size = points.nrows();
        let factor = self.factor()?;
        let whitening = factor.l_dirty().solve_lower_triangular(&DMatrix::identity(size, size))?;
        let log_determinant: f64 = factor.l_dirty().diagonal().iter().map(|value| value.ln()).sum();
        let constant = self.weight.ln() - log_determinant - 0.5 * size as f64 * std::f64::consts::TAU.ln();
        let white = whitening * centred(points, &self.mean);
        Some(white.column_iter().map(|point| constant - 0.5 * point.norm_squared()).collect())
    }
}

impl Mixture {
    /// The fit of 1 to 9 components with the lowest Bayesian information criterion. The search ends after [`PATIENCE`] numbers of
    /// components in a row that are not better.
    ///
    /// A number of components is skipped when there are not more points than features for each component, because a covariance
    /// would be singular, and when a covariance becomes singular during the fit. `None` when every number is skipped.
    pub fn chosen(points: &DMatrix<f64>, rng: &mut impl Rng) -> Option<Self> {
        let mut best: Option<(f64, Self)> = None;
        for count in COUNTS.filter(|count| *count == 1 || points.ncols() > count * points.nrows()) {
            if best.as_ref().is_some_and(|(_, best)| count > best.components.len() + PATIENCE) {
                break;
            }
            let Some(mixture) = Self::fitted(points, count, rng) else { continue };
            let Some(criterion) = mixture.information_criterion(points) else { continue };
            if best.as_ref().is_none_or(|(lowest, _)| criterion < *lowest) {
                best = Some((criterion, mixture));
            }
        }
        best.map(|(_, mixture)| mixture)
    }

    /// The fit of `count` components, starting from k-means clusters.
    pub fn fitted(points: &DMatrix<f64>, count: usize, rng: &mut impl Rng) -> Option<Self> {
        let mut shares = DMatrix::zeros(points.ncols(), count);
        for (point, cluster) in kmeans::clusters(points, count, rng).into_iter().enumerate() {
            shares[(point, cluster)] = 1.0;
        }
        Self::of_shares(points, &shares).improved(points)
    }

    /// The fit by expectation maximisation that starts from this mixture.
    pub fn improved(mut self, points: &DMatrix<f64>) -> Option<Self> {
        let mut before = f64::NEG_INFINITY;
        for _ in 0..ROUNDS {
            let (shares, now) = self.shares(points)?;
            self = Self::of_shares(points, &shares);
            if (now - before).abs() < TOLERANCE {
                break;
            }
            before = now;
        }
        Some(self)
    }

    /// The expectation step: the share of each component in each point, of shape `[points, components]`, and the mean
    /// log-likelihood.
    pub fn shares(&self, points: &DMatrix<f64>) -> Option<(DMatrix<f64>, f64)> {
        let mut shares = DMatrix::zeros(points.ncols(), self.components.len());
        for (index, component) in self.components.iter().enumerate() {
            shares.set_column(index, &DVector::from_vec(component.log_densities(points)?));
        }
        let mut sum = 0.0;
        for mut point in shares.row_iter_mut() {
            let highest = point.max();
            let total = highest + point.iter().map(|value| (value - highest).exp()).sum::<f64>().ln();
            point.apply(|value| *value = (*value - total).exp());
            sum += total;
        }
        Some((shares, sum / points.ncols() as f64))
    }

    /// The maximisation step: the mixture in which each component is the Gaussian of its shares.
    fn of_shares(points: &DMatrix<f64>, shares: &DMatrix<f64>) -> Self {
        let total: f64 = shares.column_iter().map(|shares| shares.sum() + NO_POINTS).sum();
        let component = |shares: DVector<f64>| {
            let size = shares.sum() + NO_POINTS;
            let mean = points * &shares / size;
            let centred = centred(points, &mean);
            let mut weighted = centred.clone();
            for (mut point, share) in weighted.column_iter_mut().zip(&shares) {
                point *= *share;
            }
            let mut covariance = weighted * centred.transpose() / size;
            for feature in 0..points.nrows() {
                covariance[(feature, feature)] += REGULARISATION;
            }
            Component { weight: size / total, mean, covariance }
        };
        Self { components: shares.column_iter().map(|shares| component(shares.into_owned())).collect() }
    }

    /// Schwarz's Bayesian information criterion; lower is better.
    pub fn information_criterion(&self, points: &DMatrix<f64>) -> Option<f64> {
        let (features, count) = (points.nrows() as f64, self.components.len() as f64);
        let parameters = count * features * (features + 1.0) / 2.0 + count * features + count - 1.0;
        let (_, log_likelihood) = self.shares(points)?;
        let points = points.ncols() as f64;
        Some(parameters * points.ln() - 2.0 * points * log_likelihood)
    }
}

fn centred(points: &DMatrix<f64>, mean: &DVector<f64>) -> DMatrix<f64> {
    let mut points = points.clone();
    points.column_iter_mut().for_each(|mut point| point -= mean);
    points
}

#[cfg(test)]
mod tests;
