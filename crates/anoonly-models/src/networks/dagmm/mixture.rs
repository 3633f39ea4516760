//! A Gaussian mixture of few features, in steps that have gradients.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Components, each a column of every tensor.
#[derive(Clone, Debug)]
pub(super) struct Mixture<B: Backend> {
    /// The logarithm of each component's share, `[1, components]`.
    log_shares: Tensor<B, 2>,
    /// The mean of each feature, `[1, components]` each.
    means: Vec<Tensor<B, 2>>,
    /// The lower Cholesky factor of the covariance, row by row, `[1, components]` each.
    factor: Vec<Vec<Tensor<B, 2>>>,
    /// The variance of each feature, `[1, components]` each; none of a mixture that was saved.
    variances: Vec<Tensor<B, 2>>,
}

/// Added to the variances,
const EPSILON: f64 = 1e-6;
/// below which no pivot of the factor falls by rounding.
const LEAST_PIVOT: f64 = 1e-7;
/// A component that no row belongs to has this share, and a mean that is not 0/0.
const LEAST_SHARE: f64 = 1e-9;

/// The rows of a saved mixture of so many features.
pub(super) fn rows(features: usize) -> usize {
    // The share, the means, and the factor.
    1 + features + features * (features + 1) / 2
}

impl<B: Backend> Mixture<B> {
    /// Of rows `[rows, features]` that belong to components with the given probabilities, `[rows, components]` (equation 5 of
    /// the paper).
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
        Self { log_shares: sums.div_scalar(rows as f64).log(), means, factor, variances }
    }

    /// `−ln Σ φₖ N(z; μₖ, Σₖ)` of each row, `[rows, features]` to `[rows]`.
    pub fn energy(&self, features: &Tensor<B, 2>) -> Tensor<B, 1> {
        let mut exponent = self.log_shares.clone();
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

    /// The sum of one over each variance, `[1]`.
    pub fn inverse_variances(&self) -> Tensor<B, 1> {
        Tensor::cat(self.variances.clone(), 0).recip().sum()
    }

    /// The log shares, the means and the factors, `[rows, components]`.
    pub fn saved(&self) -> Tensor<B, 2> {
        let factor = self.factor.iter().flatten();
        Tensor::cat(std::iter::once(&self.log_shares).chain(&self.means).chain(factor).cloned().collect(), 0)
    }

    /// The mixture of so many features that was [`saved`](Self::saved).
    pub fn read(saved: Tensor<B, 2>, features: usize) -> Self {
        let mut rows = (0..rows(features)).map(|row| saved.clone().narrow(0, row, 1));
        let mut next = |count: usize| rows.by_ref().take(count).collect::<Vec<_>>();
        let log_shares = Tensor::cat(next(1), 0);
        let means = next(features);
        Self { log_shares, means, factor: (1..=features).map(next).collect(), variances: Vec::new() }
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

    /// Of two features and two components, in double precision, by the inverse and the determinant of each covariance.
    #[test]
    fn energies_are_those_of_the_formula() {
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
            assert!((f64::from(*ours) + density.ln()).abs() < 1e-4, "{ours}, not {}", -density.ln());
        }
        let ours = f64::from(cells(mixture.inverse_variances())[0]);
        assert!((ours - inverse_variances).abs() < 1e-4 * inverse_variances, "{ours}, not {inverse_variances}");
    }

    #[test]
    fn a_component_without_rows_and_rows_that_are_all_the_same_have_finite_energies() {
        let (features, components) = (table(3, |_, column| column as f64), table(2, |_, column| column as f64));
        let mixture = Mixture::of(&features, &components);
        assert!(cells(mixture.energy(&features)).iter().all(|energy| energy.is_finite()));
        assert!(cells(mixture.saved()).iter().all(|cell| cell.is_finite()));
    }
}
