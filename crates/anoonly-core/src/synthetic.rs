//! Rows made to order, so that it is known in what way the anomalies differ (ADBench, Han et al. 2022, section 3.3 on types of
//! anomalies).
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

/// How many times wider local anomalies scatter, and how many times farther from 0 the clusters of anomalies lie.
pub const ALPHA: f64 = 5.0;
/// The share by which the bounds of global anomalies are larger than those of the normal rows.
pub const MARGIN: f64 = 0.1;

/// A kind of synthetic anomalies, and of normal rows to go with them: both take the place of a data set's own.
///
/// The normal rows of [`Local`](Self::Local), [`Global`](Self::Global) and [`Cluster`](Self::Cluster) are drawn from a Gaussian
/// mixture that is fitted to the data set's normal rows: expectation maximisation with full covariances, from k-means, with 1 to 9
/// components, as many as have the lowest Bayesian information criterion. The three share their normal rows for one seed, so
/// that their difference is that of the anomalies alone.
///
/// Where this departs from ADBench's implementation:
///
/// - The mixture is fitted to standardised columns, so that the `1e-6` on the diagonals of the covariances means the same in
///   any unit. A column that is constant among the normal rows stays constant.
/// - A number of components is tried only if there are more normal rows than features for each component (with fewer, a
///   covariance is singular and its likelihood says nothing), and the search ends after three numbers in a row that are no
///   better than the best so far.
/// - [`Dependency`](Self::Dependency) has a Gaussian copula for its normal rows where ADBench has a vine. A vine is a tree of
///   pair-copulas, of which each is chosen and fitted by itself: it can bend a dependence in ways a Gaussian cannot, but takes so
///   long that ADBench cuts a data set to 50 random columns for it, and fails on some. The Gaussian one keeps all columns
///   and the rank correlation of every pair, whose loss is what makes the anomalies.
///
/// Each of at most 100 rounds of expectation maximisation takes about `4 × rows × components × features²` operations: seconds at
/// most on ADBench's classical sets, a minute on 5000 rows of 512 features. The copula takes seconds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synthetic {
    /// Anomalies from the mixture of the normal rows with its covariances times [`ALPHA`]: in the same places, but scattered
    /// wider.
    Local,
    /// Anomalies uniform in each column, from the lowest value of the normal rows times 1.1 to the highest times 1.1
    /// (1 + [`MARGIN`]).
    ///
    /// These are ADBench's bounds to the letter. They widen the range of a column that has values on both sides of 0. Where all
    /// values are positive the lower bound moves up too, where all are negative the upper one moves down, so that a column far
    /// from 0 for its spread, as 100 to 105, becomes a range outside of that of the normal rows, 110 to 115.5.
    Global,
    /// Anomalies from the mixture of the normal rows with its means times [`ALPHA`]: clusters as tight as those of normal rows,
    /// elsewhere. A mean that is 0 stays where it is.
    Cluster,
    /// Normal rows from a Gaussian copula, the distribution of each column being a Gaussian kernel density with Scott's bandwidth;
    /// anomalies with each column drawn from the same density without regard to the others. No column by itself tells the
    /// two apart.
    Dependency,
}

impl Synthetic {
    /// All kinds.
    pub const ALL: [Synthetic; 4] = [Synthetic::Local, Synthetic::Global, Synthetic::Cluster, Synthetic::Dependency];

    /// The name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Synthetic::Local => "local",
            Synthetic::Global => "global",
            Synthetic::Cluster => "cluster",
            Synthetic::Dependency => "dependency",
        }
    }

    /// The data set with other features: its normal rows as drawn from a model of them, its anomalies as this kind has them. The
    /// rows keep their labels, so the number of each class stays; only anomalies known as such count as anomalies.
    ///
    /// A value that `f32` cannot hold becomes the nearest one it can.
    ///
    /// # Errors
    /// When the data set has fewer than two normal rows, or columns that hang together too closely for the model.
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
            (copula.draw(normals, &mut stream("copula")), copula.draw_apart(anomalies, &mut chance))
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

/// So many points, uniform in each feature between its bounds among others.
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
