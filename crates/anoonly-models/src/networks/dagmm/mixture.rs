//! A differentiable Gaussian mixture of a few features.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::graph::{Combination, Function, GeneralStep, Graph, Step, Value};
use crate::layers::host::cells;

/// A Gaussian mixture. Each column of each tensor is a component.
#[derive(Clone, Debug)]
pub(super) struct Mixture<B: Backend> {
    /// The logarithm of the weight of each component, `[1, components]`.
    log_weights: Tensor<B, 2>,
    /// The mean of each feature, `[1, components]` each.
    means: Vec<Tensor<B, 2>>,
    /// The rows of the lower Cholesky factor of the covariance, `[1, components]` each.
    factor: Vec<Vec<Tensor<B, 2>>>,
    /// The variance of each feature, `[1, components]` each; empty for a mixture that was read from a saved one.
    variances: Vec<Tensor<B, 2>>,
}

/// Added to the variances.
const EPSILON: f64 = 1e-6;
/// A lower bound for the pivots of the factor, which rounding could make negative.
const LEAST_PIVOT: f64 = 1e-7;
/// A lower bound for the total responsibility of a component. It keeps the mean of an empty component finite.
const LEAST_SHARE: f64 = 1e-9;

/// The number of rows of a saved mixture.
pub(super) fn rows(features: usize) -> usize {
    // The weight, the means and the factor.
    1 + features + features * (features + 1) / 2
}

impl<B: Backend> Mixture<B> {
    /// Fits the mixture to rows, `[rows, features]`, that belong to components with the given probabilities, `[rows, components]`
    /// (equation 5 of the paper).
    pub fn of(features: &Tensor<B, 2>, components: &Tensor<B, 2>) -> Self {
        let [rows, count] = features.dims();
        let sums = components.clone().sum_dim(0).clamp_min(LEAST_SHARE);
        let mean = |values: Tensor<B, 2>| (components.clone() * values).sum_dim(0) / sums.clone();
        let column = |feature| features.clone().narrow(1, feature, 1);
        let means: Vec<Tensor<B, 2>> = (0..count).map(|feature| mean(column(feature))).collect();
        let centred: Vec<Tensor<B, 2>> =
            means.iter().enumerate().map(|(feature, mean)| column(feature) - mean.clone()).collect();
        let covariance = |a: usize, b: usize| {
            let product = mean(centred[a].clone() * centred[b].clone());
            if a == b { product.add_scalar(EPSILON) } else { product }
        };
        let mut factor: Vec<Vec<Tensor<B, 2>>> = Vec::new();
        let mut variances = Vec::new();
        for row in 0..count {
            let mut cells: Vec<Tensor<B, 2>> = Vec::new();
            for column in 0..=row {
                let whole = covariance(row, column);
                if row == column {
                    variances.push(whole.clone());
                }
                let other = factor.get(column).unwrap_or(&cells);
                let known = cells.iter().zip(other).take(column).map(|(a, b)| a.clone() * b.clone());
                let left = known.fold(whole, |left, known| left - known);
                cells.push(match factor.get(column) {
                    Some(other) => left / other[column].clone(),
                    None => left.clamp_min(LEAST_PIVOT).sqrt(),
                });
            }
            factor.push(cells);
        }
        Self { log_weights: sums.div_scalar(rows as f64).log(), means, factor, variances }
    }

    /// `−ln Σ φₖ N(z; μₖ, Σₖ)` of each row, `[rows, features]` to `[rows]`.
    pub fn energy(&self, features: &Tensor<B, 2>) -> Tensor<B, 1> {
        let mut exponent = self.log_weights.clone();
        let mut solved: Vec<Tensor<B, 2>> = Vec::new();
        let mut squares: Option<Tensor<B, 2>> = None;
        for (feature, (mean, factor)) in self.means.iter().zip(&self.factor).enumerate() {
            let centred = features.clone().narrow(1, feature, 1) - mean.clone();
            let known = solved.iter().zip(factor).map(|(solved, factor)| solved.clone() * factor.clone());
            let left = known.fold(centred, |left, known| left - known) / factor[feature].clone();
            let square = left.clone().square();
            squares = Some(squares.map_or(square.clone(), |squares| squares + square));
            solved.push(left);
            exponent = exponent - factor[feature].clone().log();
        }
        let half_of_log = (2.0 * std::f64::consts::PI).ln() / 2.0;
        let exponent = exponent.sub_scalar(half_of_log * self.means.len() as f64);
        let exponents = squares.map_or(exponent.clone(), |squares| exponent - squares.mul_scalar(0.5));
        let most = exponents.clone().max_dim(1);
        let sum = (exponents - most.clone()).exp().sum_dim(1).log();
        (sum + most).neg().squeeze_dim(1)
    }

    /// Adds [`energy`](Self::energy) of features with 64-bit elements to a graph.
    pub fn describe(&self, graph: &mut Graph, features: Value) -> Value {
        let values = |tensor: &Tensor<B, 2>| cells(tensor.clone());
        let mut exponent: Vec<f64> = values(&self.log_weights).into_iter().map(f64::from).collect();
        let (count, mut solved) = (exponent.len(), Vec::<Value>::new());
        for (feature, (mean, factor)) in self.means.iter().zip(&self.factor).enumerate() {
            // The feature beside each component.
            let cell = graph.select(features, vec![feature; count]);
            let mut left = graph.add(cell, values(mean).into_iter().map(|cell| -cell).collect());
            for (&solved, factor) in solved.iter().zip(factor) {
                let known = graph.multiply(solved, values(factor));
                left = graph.then(Step::Subtract { left, right: known });
            }
            let pivots = values(&factor[feature]);
            exponent.iter_mut().zip(&pivots).for_each(|(cell, &pivot)| *cell -= f64::from(pivot).ln());
            solved.push(graph.multiply(left, pivots.into_iter().map(f32::recip).collect()));
        }
        let half_of_log = (2.0 * std::f64::consts::PI).ln() / 2.0;
        let constants = exponent.iter().map(|cell| (cell - half_of_log * self.means.len() as f64) as f32).collect();
        let mut exponents = graph.affine(solved[0], 0.0, 0.0);
        for &solved in &solved {
            let square = graph.combine(solved, Combination::Product, solved);
            let half = graph.affine(square, -0.5, 0.0);
            exponents = graph.combine(exponents, Combination::Sum, half);
        }
        let exponents = graph.add(exponents, constants);
        let most = graph.general(GeneralStep::Largest { of: exponents });
        let below = graph.then(Step::Subtract { left: exponents, right: most });
        let powers = graph.map(below, Function::Exp);
        let sum = graph.sum(powers);
        let log = graph.map(sum, Function::Log);
        let density = graph.combine(log, Combination::Sum, most);
        let energy = graph.affine(density, -1.0, 0.0);
        graph.narrow(energy)
    }

    /// The sum of the inverse variances, `[1]`.
    pub fn inverse_variances(&self) -> Tensor<B, 1> {
        Tensor::cat(self.variances.clone(), 0).recip().sum()
    }

    /// The mixture as one tensor of log weights, means and factors, `[rows, components]`.
    pub fn saved(&self) -> Tensor<B, 2> {
        let factor = self.factor.iter().flatten();
        Tensor::cat(std::iter::once(&self.log_weights).chain(&self.means).chain(factor).cloned().collect(), 0)
    }

    /// Reads a mixture from the tensor that [`saved`](Self::saved) returns.
    pub fn read(saved: Tensor<B, 2>, features: usize) -> Self {
        let mut rows = (0..rows(features)).map(|row| saved.clone().narrow(0, row, 1));
        let mut next = |count: usize| rows.by_ref().take(count).collect::<Vec<_>>();
        let log_weights = Tensor::cat(next(1), 0);
        let means = next(features);
        Self { log_weights, means, factor: (1..=features).map(next).collect(), variances: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use burn::tensor::TensorData;
    use burn_ndarray::NdArray;

    const ROWS: usize = 7;

    fn feature(row: usize, column: usize) -> f64 {
        ((row * 5 + column * 7) % 11) as f64 / 3.0 - 1.0 + (row * column) as f64 * 0.4
    }

    fn share(row: usize, component: usize) -> f64 {
        let first = (row + 1) as f64 / 9.0;
        if component == 0 { first } else { 1.0 - first }
    }

    fn table(columns: usize, cell: impl Fn(usize, usize) -> f64) -> Tensor<NdArray, 2> {
        let cells: Vec<f64> = (0..ROWS * columns).map(|place| cell(place / columns, place % columns)).collect();
        Tensor::from_data(TensorData::new(cells, [ROWS, columns]), &Default::default())
    }

    /// Two features and two components, with the reference in double precision from the inverse and the determinant of each
    /// covariance.
    #[test]
    fn energies_match_the_formula() {
        let (features, components) = (table(2, feature), table(2, share));
        let mixture = Mixture::of(&features, &components);
        let read = Mixture::read(mixture.saved(), 2);
        let (ours, saved) = (cells(mixture.energy(&features)), cells(read.energy(&features)));
        assert_eq!(ours, saved);
        let mut inverse_variances = 0.0;
        let mut densities = [0.0; ROWS];
        for component in 0..2 {
            let sum: f64 = (0..ROWS).map(|row| share(row, component)).sum();
            let mean =
                |of: &dyn Fn(usize) -> f64| (0..ROWS).map(|row| share(row, component) * of(row)).sum::<f64>() / sum;
            let centre = [0, 1].map(|column| mean(&|row| feature(row, column)));
            let covariance = |a: usize, b: usize| {
                mean(&|row| (feature(row, a) - centre[a]) * (feature(row, b) - centre[b]))
                    + if a == b { EPSILON } else { 0.0 }
            };
            let (p, q, r) = (covariance(0, 0), covariance(0, 1), covariance(1, 1));
            inverse_variances += 1.0 / p + 1.0 / r;
            let determinant = p * r - q * q;
            for (row, density) in densities.iter_mut().enumerate() {
                let [x, y] = [0, 1].map(|column| feature(row, column) - centre[column]);
                let distance = (r * x * x - 2.0 * q * x * y + p * y * y) / determinant;
                *density +=
                    sum / ROWS as f64 * (-distance / 2.0).exp() / (2.0 * std::f64::consts::PI * determinant.sqrt());
            }
        }
        for (ours, density) in ours.iter().zip(densities) {
            assert!((f64::from(*ours) + density.ln()).abs() < 1e-4, "{ours}, expected {}", -density.ln());
        }
        let ours = f64::from(cells(mixture.inverse_variances())[0]);
        assert!((ours - inverse_variances).abs() < 1e-4 * inverse_variances, "{ours}, expected {inverse_variances}");
    }

    #[test]
    fn an_empty_component_and_identical_rows_have_finite_energies() {
        let (features, components) = (table(3, |_, column| column as f64), table(2, |_, column| column as f64));
        let mixture = Mixture::of(&features, &components);
        assert!(cells(mixture.energy(&features)).iter().all(|energy| energy.is_finite()));
        assert!(cells(mixture.saved()).iter().all(|cell| cell.is_finite()));
    }
}
