//! PCA: rows far out along the axes on which the unlabelled ones hardly differ.
//!
//! Shyu, Chen, Sarinnapakorn and Chang, "A Novel Anomaly Detection Scheme Based on Principal Component Classifier", ICDM
//! Foundations Workshop 2003.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::layers::host::{parameter, unlabelled};
use crate::tools::covariance::Covariance;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// The score of a row is `Σⱼ ‖z − vⱼ‖/rⱼ`, where `z` is the row in standard deviations of each column from its mean, `vⱼ` the principal
/// axes of the unlabelled rows, each with its largest entry positive, and `rⱼ` the share of the variance along them. This is PyOD's
/// default; there is nothing to set.
///
/// Departs from the paper, whose distance is `Σ (z·vⱼ)²/λⱼ`, as PyOD does. Axes along which the unlabelled rows do not differ, to a
/// billionth of the variance, are left out: PyOD divides by what rounding makes of a share of 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaConfig {}

/// The share of the variance below which an axis is left out.
const NONE: f64 = 1e-9;
/// The least squared distance that is told from 0: a gradient needs one above it.
const NEAREST: f32 = 1e-12;

impl Method for PcaConfig {
    type Network<B: Backend> = Pca<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "pca",
        title: "PCA",
        kind: Kind::Unsupervised,
        source: "Shyu, Chen, Sarinnapakorn, Chang, ICDM workshop 2003",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        columns.saturating_mul(columns).saturating_add(columns.saturating_mul(3))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Pca<B> {
        let (rows, columns, device) = (unlabelled(data), data.columns(), data.rows.device());
        let count = data.unlabelled.len() as f64;
        let of_column = |column: usize| rows.iter().skip(column).step_by(columns).map(|&cell| f64::from(cell));
        let means: Vec<f64> = (0..columns).map(|column| of_column(column).sum::<f64>() / count).collect();
        let scale = |(column, mean): (usize, &f64)| {
            let variance = of_column(column).map(|cell| (cell - mean).powi(2)).sum::<f64>() / count;
            // What rounding makes of a column that is constant.
            if variance > 1e-20 { variance.sqrt().recip() } else { 1.0 }
        };
        let scales: Vec<f64> = means.iter().enumerate().map(scale).collect();
        let standard = |(place, &cell): (usize, &f32)| {
            ((f64::from(cell) - means[place % columns]) * scales[place % columns]) as f32
        };
        let standard: Vec<f32> = rows.iter().enumerate().map(standard).collect();
        let covariance = Covariance::of(&standard, columns);
        let whole: f64 = covariance.variances.iter().sum();
        let (mut axes, mut weights) = (vec![0.0; columns * columns], vec![0.0; columns]);
        for (place, &variance) in covariance.variances.iter().enumerate() {
            if variance <= NONE * whole {
                continue;
            }
            let axis: Vec<f64> = covariance.axis(place).collect();
            let largest = axis.iter().fold(0.0f64, |max, &cell| if cell.abs() > max.abs() { cell } else { max });
            axis.iter().enumerate().for_each(|(row, cell)| {
                axes[row * columns + place] = (cell * largest.signum()) as f32;
            });
            weights[place] = (whole / variance) as f32;
        }
        let row = |cells: &[f64]| parameter(cells.iter().map(|&cell| cell as f32).collect(), [columns], &device);
        Pca {
            mean: row(&means),
            scale: row(&scales),
            axes: parameter(axes, [columns, columns], &device),
            weights: parameter(weights, [columns, 1], &device),
        }
    }
}

/// Mean and inverse deviation of each column, `[columns]`, the axes, one a column, `[columns, columns]`, and one over the share of
/// the variance along each, 0 for one that is left out, `[columns, 1]`.
#[derive(Module, Debug)]
pub struct Pca<B: Backend> {
    mean: Param<Tensor<B, 1>>,
    scale: Param<Tensor<B, 1>>,
    axes: Param<Tensor<B, 2>>,
    weights: Param<Tensor<B, 2>>,
}

impl<B: Backend> Network<B> for Pca<B> {
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let standard = (rows - self.mean.val().unsqueeze_dim(0)) * self.scale.val().unsqueeze_dim(0);
        // ‖z − v‖² = ‖z‖² + 1 − 2zv.
        let squares = standard.clone().square().sum_dim(1).add_scalar(1.0);
        let distances = (squares - standard.matmul(self.axes.val()).mul_scalar(2.0)).clamp_min(NEAREST).sqrt();
        distances.matmul(self.weights.val()).squeeze_dim(1)
    }
}
