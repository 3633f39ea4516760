//! Which normalisation a network has, as plain data.

use serde::{Deserialize, Serialize};

/// The kind of normalisation in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// No normalisation.
    None,
    /// Batch normalisation (Ioffe and Szegedy 2015): over the rows of a batch in training, with running statistics in scoring.
    /// Through these statistics, unlabelled rows influence a network that has no loss on them.
    Batch,
    /// Layer normalisation (Ba, Kiros and Hinton 2016): over the features of a row.
    Layer,
}

impl Norm {
    /// The number of values in a layer of this width: scale, shift and running statistics.
    pub(crate) fn weights(self, width: usize) -> usize {
        match self {
            Norm::None => 0,
            Norm::Batch => width.saturating_mul(4),
            Norm::Layer => width.saturating_mul(2),
        }
    }
}

/// Settings of a batch or layer normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormSettings {
    /// Added to the variance before the square root.
    pub epsilon: f64,
    /// Batch normalisation only: the share of the old running statistics that a step keeps. Keras calls it momentum; PyTorch's
    /// momentum is one minus this value. The running variance averages the biased variances of the batches.
    pub keep: f64,
}

impl NormSettings {
    /// PyTorch's defaults.
    pub const PYTORCH: Self = Self { epsilon: 1e-5, keep: 0.9 };
    /// Keras's defaults.
    pub const KERAS: Self = Self { epsilon: 1e-3, keep: 0.99 };
}
