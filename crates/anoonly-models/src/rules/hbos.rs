//! HBOS: rows whose values are rare in the histograms of their columns.
//!
//! Goldstein and Dengel, "Histogram-based Outlier Score (HBOS): A fast Unsupervised Anomaly Detection Algorithm", KI 2012.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host::{cells, parameter, tensor, unlabelled};
use crate::tools::histogram::Bins;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of HBOS. The score of a row is `−Σ log₂(density + alpha)` over its columns.
///
/// Departs from PyOD where a value lies on the edge between two bins: here it has the density of the bin that it was counted in,
/// there that of the one below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HbosConfig {
    /// Bins of each column, of equal width.
    pub bins: usize,
    /// Added to a density, so that an empty bin has a logarithm.
    pub alpha: f64,
    /// How far beyond the range a value may be to count as within, in widths of a bin. Beyond that it has the least density of the
    /// column.
    pub tolerance: f64,
}

impl Default for HbosConfig {
    fn default() -> Self {
        Self { bins: 10, alpha: 0.1, tolerance: 0.5 }
    }
}

impl Method for HbosConfig {
    type Network<B: Backend> = Hbos<B>;

    const INFO: MethodInfo =
        MethodInfo { name: "hbos", title: "HBOS", kind: Kind::Unsupervised, source: "Goldstein, Dengel, KI 2012" };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .at_least_one("bins", self.bins)
            .positive("alpha", self.alpha)
            .not_negative("tolerance", self.tolerance)
            .done()
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        columns.saturating_mul(self.bins.saturating_add(2))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Hbos<B> {
        let (rows, columns, device) = (unlabelled(data), data.columns(), data.rows.device());
        let (mut ends, mut rarities) = (Vec::new(), Vec::new());
        for column in 0..columns {
            let values = || rows.iter().skip(column).step_by(columns).copied();
            let range = Bins::ends(values());
            let bins = Bins::new(range, self.bins);
            let whole = data.unlabelled.len() as f64 * bins.width();
            let rarity = |count: usize| -(count as f64 / whole + self.alpha).log2() as f32;
            ends.extend(range);
            rarities.extend(bins.counts(values()).into_iter().map(rarity));
        }
        Hbos {
            ends: parameter(ends, [columns, 2], &device),
            rarities: parameter(rarities, [columns, self.bins], &device),
            tolerance: self.tolerance,
        }
    }
}

/// The range of each column, `[columns, 2]`, and `−log₂(density + alpha)` of each of its bins, `[columns, bins]`.
#[derive(Module, Debug)]
pub struct Hbos<B: Backend> {
    ends: Param<Tensor<B, 2>>,
    rarities: Param<Tensor<B, 2>>,
    tolerance: f64,
}

impl<B: Backend> Network<B> for Hbos<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let width = self.rarities.val().dims()[1];
        let (ends, rarities, rows) = (cells(self.ends.val()), cells(self.rarities.val()), cells(rows));
        let mut scores = vec![0.0f64; count];
        for (column, (ends, rarities)) in ends.chunks_exact(2).zip(rarities.chunks_exact(width)).enumerate() {
            let bins = Bins::new([ends[0], ends[1]], width);
            let (within, rarest) = (bins.reach(self.tolerance), rarities.iter().copied().fold(f32::MIN, f32::max));
            for (score, &value) in scores.iter_mut().zip(rows.iter().skip(column).step_by(columns)) {
                let value_within = f64::from(value) >= within.start && f64::from(value) <= within.end;
                *score += f64::from(if value_within { rarities[bins.of(value)] } else { rarest });
            }
        }
        tensor(scores.into_iter().map(|score| score as f32).collect(), [count], &device)
    }
}
