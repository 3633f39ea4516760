//! Synthetic rows in which the kind of anomaly is known (ADBench, Han et al. 2022, section 3.3 on types of anomalies).
//!
//! Points are the columns of matrices of shape `[features, points]`, in `f64`.

mod copula;
mod gaussians;
mod kmeans;
mod marginal;
mod mixture;
mod units;

use std::fmt;
use std::str::FromStr;

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::{CoreError, Dataset, Samples, Seed};
use copula::GaussianCopula;
use gaussians::Gaussians;

/// The factor by which the covariances of local anomalies and the means of clustered anomalies are multiplied.
pub const ALPHA: f64 = 5.0;
/// The bounds of global anomalies are those of the normal rows times 1 plus this.
pub const MARGIN: f64 = 0.1;

/// A kind of synthetic anomalies, with synthetic normal rows. Both replace the rows of a data set.
///
/// The normal rows of [`Local`](Self::Local), [`Global`](Self::Global) and [`Cluster`](Self::Cluster) are drawn from a Gaussian
/// mixture that is fitted to the data set's normal rows by expectation maximisation, with full covariances and a start from
/// k-means. The number of components, from 1 to 9, is the one with the lowest Bayesian information criterion. With one seed the
/// three kinds have the same normal rows, so they differ only in the anomalies.
///
/// Differences from ADBench's implementation:
///
/// - The mixture is fitted to standardised columns, so that the `1e-6` on the diagonals of the covariances has the same effect
///   in any unit. A column that is constant among the normal rows stays constant.
/// - A number of components is tried only when there are more normal rows than features for each component. With fewer rows a
///   covariance is singular and its likelihood is meaningless. The search ends after three numbers in a row that are not better
///   than the best one.
/// - [`Dependency`](Self::Dependency) models the normal rows with a Gaussian copula where ADBench uses a vine. A vine is a tree of
///   pair-copulas that are chosen and fitted one by one. It can model dependences that a Gaussian cannot, but it is so slow that
///   ADBench reduces a data set to 50 random columns for it, and it fails on some sets. The Gaussian copula keeps all columns and
///   the rank correlation of every pair, which the anomalies lose.
///
/// Each of at most 100 rounds of expectation maximisation takes about `4 × rows × components × features²` operations: at most
/// seconds on ADBench's classical sets, and a minute on 5000 rows of 512 features. The copula takes seconds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synthetic {
    /// Anomalies from the mixture of the normal rows with covariances times [`ALPHA`]: around the same means, but more spread out.
    Local,
    /// Anomalies uniform in each column, from the lowest value of the normal rows times 1.1 to the highest times 1.1
    /// (1 + [`MARGIN`]).
    ///
    /// These are exactly ADBench's bounds. They widen the range of a column with values on both sides of 0. When all values are
    /// positive the lower bound moves up too, and when all are negative the upper bound moves down. A column that is far from 0
    /// relative to its spread, such as 100 to 105, gets a range outside of that of the normal rows: 110 to 115.5.
    Global,
    /// Anomalies from the mixture of the normal rows with means times [`ALPHA`]: clusters of the same shape in other places. A mean
    /// of 0 stays the same.
    Cluster,
    /// Normal rows from a Gaussian copula, in which the distribution of each column is a Gaussian kernel density with Scott's
    /// bandwidth. Anomalies draw each column from the same density, independently of the others. No single column separates the
    /// two classes.
    Dependency,
}

impl Synthetic {
    /// All kinds.
    pub const ALL: [Synthetic; 4] = [Synthetic::Local, Synthetic::Global, Synthetic::Cluster, Synthetic::Dependency];

    /// The name in settings and results.
    pub fn name(self) -> &'static str {
        match self {
            Synthetic::Local => "local",
            Synthetic::Global => "global",
            Synthetic::Cluster => "cluster",
            Synthetic::Dependency => "dependency",
        }
    }

    /// The data set with synthetic features: normal rows are drawn from a model of the normal rows, and anomalies are drawn as this
    /// kind describes. Each row keeps its label. Rows that are not labelled anomalies count as normal.
    ///
    /// A value outside of the range of `f32` becomes the nearest one in it.
    ///
    /// # Errors
    /// When the data set has fewer than two normal rows, or its columns depend on each other too closely for the model.
    pub fn apply(self, dataset: &Dataset, seed: Seed) -> Result<Dataset, CoreError> {
        let classes = dataset.samples.by_class();
        let (normals, anomalies) = (classes.others.len(), classes.anomalies.len());
        if normals < 2 {
            return Err(CoreError::TooFewToImitate { normals }.in_dataset(&dataset.name));
        }
        let points = points(&dataset.samples, &classes.others);
        let stream = |purpose: &str| seed.stream(&[&dataset.name, "synthetic", purpose]);
        let too_close = || CoreError::TooCloseToImitate.in_dataset(&dataset.name);
        let mut chance = stream(self.name());
        let (normal, anomalous) = if self == Synthetic::Dependency {
            let copula = GaussianCopula::fitted(&points).ok_or_else(too_close)?;
            (copula.draw(normals, &mut stream("copula")), copula.draw_independent(anomalies, &mut chance))
        } else {
            let gaussians = Gaussians::fitted(&points, &mut stream("mixture")).ok_or_else(too_close)?;
            let normal = gaussians.draw(normals, &mut stream("normal"));
            let anomalous = match self {
                Synthetic::Local => gaussians.wider(ALPHA).draw(anomalies, &mut chance),
                Synthetic::Cluster => gaussians.moved(ALPHA).draw(anomalies, &mut chance),
                Synthetic::Global | Synthetic::Dependency => around(&normal, anomalies, &mut chance),
            };
            (normal, anomalous)
        };
        let mut features = dataset.samples.features().clone();
        for (rows, points) in [(&classes.others, normal), (&classes.anomalies, anomalous)] {
            for (&row, point) in rows.iter().zip(points.column_iter()) {
                features.row_mut(row).iter_mut().zip(&point).for_each(|(cell, &value)| *cell = nearest(value));
            }
        }
        Ok(Dataset { samples: dataset.samples.clone().with_features(features), ..dataset.clone() })
    }
}

impl fmt::Display for Synthetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Synthetic {
    type Err = CoreError;

    fn from_str(name: &str) -> Result<Self, CoreError> {
        let found = Synthetic::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| CoreError::UnknownSynthetic { name: name.into() })
    }
}

/// Rows as points.
fn points(samples: &Samples, rows: &[usize]) -> DMatrix<f64> {
    DMatrix::from_fn(samples.columns(), rows.len(), |column, row| f64::from(samples.features()[(rows[row], column)]))
}

/// Draws `count` points, uniform in each feature between the widened bounds of `points`.
fn around(points: &DMatrix<f64>, count: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    let bounds = |value: f64| f64::from(nearest(f64::from(nearest(value)) * (1.0 + MARGIN)));
    let ranges: Vec<(f64, f64)> =
        points.row_iter().map(|feature| (bounds(feature.min()), bounds(feature.max()))).collect();
    DMatrix::from_fn(points.nrows(), count, |feature, _| {
        let (low, high) = ranges[feature];
        low + rng.random::<f64>() * (high - low)
    })
}

fn nearest(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

#[cfg(test)]
mod tests;
