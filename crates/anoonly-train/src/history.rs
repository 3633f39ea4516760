//! The record of a training loop.

use serde::{Deserialize, Serialize};

/// The record of a training loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The mean training loss of each epoch, including the penalty. Empty for a rule.
    pub losses: Vec<f64>,
    /// The epoch whose weights were kept, counted from 1. It is 0 for a rule.
    pub kept_epoch: usize,
}
