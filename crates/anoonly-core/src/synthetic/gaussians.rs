//! Draws from a Gaussian mixture.

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::mixture::Mixture;
use super::units::Units;

/// A Gaussian mixture to draw from, in the units of the data.
#[derive(Clone, Debug)]
pub struct Gaussians {
    weights: Vec<f64>,
    pub means: Vec<DVector<f64>>,
    /// `L` of each covariance `L Lᵀ`.
    factors: Vec<DMatrix<f64>>,
}

impl Gaussians {
    /// Fits a mixture to points; `None` when every covariance is singular. The points are standardised first, so that the
    /// regularisation of the covariances has the same effect in any unit.
    pub fn fitted(points: &DMatrix<f64>, rng: &mut impl Rng) -> Option<Self> {
        let units = Units::of(points);
        Self::new(&Mixture::chosen(&units.standardised(points), rng)?, &units)
    }

    /// A mixture of standardised points, converted back to their units. A constant column stays constant.
    pub fn new(mixture: &Mixture, units: &Units) -> Option<Self> {
        let components = &mixture.components;
        let factor = |mut factor: DMatrix<f64>| {
            factor.column_iter_mut().for_each(|mut column| column.component_mul_assign(&units.spread));
            factor
        };
        let factors: Option<Vec<_>> = components.iter().map(|of| Some(factor(of.factor()?.l()))).collect();
        Some(Self {
            weights: components.iter().map(|of| of.weight).collect(),
            means: components.iter().map(|of| &units.centre + of.mean.component_mul(&units.spread)).collect(),
            factors: factors?,
        })
    }

    /// Multiplies all covariances.
    pub fn wider(mut self, times: f64) -> Self {
        self.factors.iter_mut().for_each(|factor| *factor *= times.sqrt());
        self
    }

    /// Multiplies all means.
    pub fn moved(mut self, times: f64) -> Self {
        self.means.iter_mut().for_each(|mean| *mean *= times);
        self
    }

    /// Draws `count` points, of shape `[features, points]`.
    pub fn draw(&self, count: usize, rng: &mut impl Rng) -> DMatrix<f64> {
        let mut points = DMatrix::zeros(self.means[0].len(), count);
        for mut point in points.column_iter_mut() {
            let component = self.component(rng);
            let standard = DVector::from_fn(point.len(), |_, _| rng.sample::<f64, _>(StandardNormal));
            point.copy_from(&(&self.factors[component] * standard + &self.means[component]));
        }
        points
    }

    fn component(&self, rng: &mut impl Rng) -> usize {
        let mut left = rng.random::<f64>();
        let passed = |weight: &f64| {
            left -= weight;
            left < 0.0
        };
        self.weights.iter().position(passed).unwrap_or(self.weights.len() - 1)
    }
}
