//! How a network wants to be trained, as plain data.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::error::Checks;

/// Batches, epochs and optimiser of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How the rows of a step are drawn.
    pub batches: Batches,
    /// Steps in an epoch.
    pub steps: usize,
    /// Epochs.
    pub epochs: usize,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// Which epoch's weights are the fitted ones.
    pub keep: Keep,
}

/// How the rows of a step are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Batches {
    /// So many unlabelled rows and labelled anomalies, each drawn with replacement.
    Balanced {
        /// Unlabelled rows in a batch.
        unlabelled: usize,
        /// Labelled anomalies in a batch.
        anomalies: usize,
    },
}

/// Which epoch's weights are the fitted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Those after the epoch with the lowest mean training loss, the first of them under ties.
    LowestLoss,
    /// Those after the last epoch.
    Last,
}

/// An optimiser and its settings. The gradient is `g`, the moving averages start at 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimiser {
    /// RMSprop (Tieleman and Hinton 2012): `v ← decay·v + (1 − decay)·g²`, then a step of `learning_rate·g` over the root of
    /// `v`, without momentum.
    RmsProp {
        /// Step size.
        learning_rate: f64,
        /// Share of the old mean square that is kept; 0.9 in Keras, 0.99 in PyTorch.
        decay: f64,
        /// Keeps the division from blowing up.
        epsilon: f64,
        /// Where epsilon is added.
        epsilon_at: EpsilonAt,
        /// L2 penalty, added to the gradient as `weight_decay·w`.
        weight_decay: f64,
    },
    /// Adam (Kingma and Ba 2015), both means corrected for their start, epsilon outside of the root.
    Adam {
        /// Step size.
        learning_rate: f64,
        /// Share of the old mean gradient that is kept.
        beta_1: f64,
        /// Share of the old mean square that is kept.
        beta_2: f64,
        /// Keeps the division from blowing up.
        epsilon: f64,
        /// L2 penalty, added to the gradient as `weight_decay·w`.
        weight_decay: f64,
    },
}

/// Where RMSprop adds its epsilon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpsilonAt {
    /// `√(v + ε)`, as in Keras 3.
    InsideRoot,
    /// `√v + ε`, as in PyTorch and TensorFlow 2's Keras.
    OutsideRoot,
}

impl Recipe {
    /// Checks every value; `method` is named in the error.
    ///
    /// # Errors
    /// Names the first bad option.
    pub fn check(&self, method: &'static str) -> Result<(), ConfigError> {
        let Batches::Balanced { unlabelled, anomalies } = self.batches;
        let checks = Checks::of(method)
            .that(unlabelled + anomalies >= 2, "recipe.batches", unlabelled + anomalies, "at least 2 rows")
            .at_least_one("recipe.batches.anomalies", anomalies)
            .at_least_one("recipe.steps", self.steps)
            .at_least_one("recipe.epochs", self.epochs);
        let checks = match self.optimiser {
            Optimiser::RmsProp { learning_rate, decay, epsilon, weight_decay, .. } => checks
                .positive("recipe.optimiser.learning_rate", learning_rate)
                .share("recipe.optimiser.decay", decay)
                .positive("recipe.optimiser.epsilon", epsilon)
                .not_negative("recipe.optimiser.weight_decay", weight_decay),
            Optimiser::Adam { learning_rate, beta_1, beta_2, epsilon, weight_decay } => checks
                .positive("recipe.optimiser.learning_rate", learning_rate)
                .share("recipe.optimiser.beta_1", beta_1)
                .share("recipe.optimiser.beta_2", beta_2)
                .positive("recipe.optimiser.epsilon", epsilon)
                .not_negative("recipe.optimiser.weight_decay", weight_decay),
        };
        checks.done()
    }
}
