//! How a network is trained, as plain data.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::error::Checks;
use crate::nng_mix::NngMix;

/// The settings of one training run: batches, epochs and optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How the rows of a step are drawn, and the number of steps in an epoch.
    pub batches: Batches,
    /// The number of epochs.
    pub epochs: usize,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: Schedule,
    /// Which epoch's weights become the fitted weights.
    pub keep: Keep,
    /// Which statistics batch normalisation uses for scoring.
    pub statistics: Statistics,
    /// Rows that are added to the training rows before training.
    #[serde(default)]
    pub augmentation: Augmentation,
}

/// How rows are added to the training rows. The method treats them like any other training row. Pretraining does not use them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Augmentation {
    /// No rows are added.
    #[default]
    None,
    /// Pseudo-anomalies, mixed from labelled anomalies and their neighbours.
    NngMix(NngMix),
}

/// How the rows of a step are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Batches {
    /// A fixed number of unlabelled rows and of labelled anomalies, each drawn with replacement.
    Balanced {
        /// The number of unlabelled rows in a batch.
        unlabelled: usize,
        /// The number of labelled anomalies in a batch.
        anomalies: usize,
        /// The number of steps in an epoch.
        steps: usize,
    },
    /// All training rows in random order, cut into batches. An epoch is one pass, without the last batch if it is not full. A
    /// training set smaller than a batch is one batch. With few labels, many batches contain no labelled anomaly.
    Shuffled {
        /// The number of rows in a batch.
        rows: usize,
    },
    /// Like [`Shuffled`](Self::Shuffled), but with the unlabelled rows only, for a method that uses no labels.
    Unlabelled {
        /// The number of rows in a batch.
        rows: usize,
    },
}

impl Batches {
    /// The largest number of rows in a batch.
    pub fn most_rows(&self) -> usize {
        match *self {
            Batches::Balanced { unlabelled, anomalies, .. } => unlabelled + anomalies,
            Batches::Shuffled { rows } | Batches::Unlabelled { rows } => rows,
        }
    }
}

/// How the learning rate changes from epoch to epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The rate stays the same.
    Constant,
    /// Half a cosine from the optimiser's rate down to `to`, which the epoch after the last one would use (Loshchilov and
    /// Hutter 2017, without restarts).
    Cosine {
        /// The final rate.
        to: f64,
    },
}

/// Which statistics batch normalisation uses for scoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistics {
    /// The running averages over the training batches, as usual.
    Running,
    /// The statistics of all training rows, computed in one pass of the fitted network.
    Recomputed,
}

/// Which epoch's weights become the fitted weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The weights after the epoch with the lowest mean training loss; the first such epoch if several tie.
    LowestLoss,
    /// The weights after the last epoch.
    Last,
}

/// An optimiser and its settings. `g` is the gradient. The moving averages start at 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimiser {
    /// RMSprop without momentum (Tieleman and Hinton 2012): `v ← decay·v + (1 − decay)·g²`, then a step of `learning_rate·g`
    /// divided by the square root of `v`.
    RmsProp {
        /// The step size.
        learning_rate: f64,
        /// The share of the old mean square that is kept: 0.9 in Keras, 0.99 in PyTorch.
        decay: f64,
        /// Keeps the divisor above 0.
        epsilon: f64,
        /// Whether epsilon is added inside or outside of the root.
        epsilon_at: EpsilonAt,
        /// The L2 penalty, added to the gradient as `weight_decay·w`.
        weight_decay: f64,
    },
    /// Adam (Kingma and Ba 2015), with bias correction of both averages and epsilon outside of the root.
    Adam {
        /// The step size.
        learning_rate: f64,
        /// The share of the old mean gradient that is kept.
        beta_1: f64,
        /// The share of the old mean square that is kept.
        beta_2: f64,
        /// Keeps the divisor above 0.
        epsilon: f64,
        /// The L2 penalty, added to the gradient as `weight_decay·w`.
        weight_decay: f64,
    },
    /// Gradient descent with momentum (Polyak 1964) in PyTorch's form: `v ← momentum·v + g`, then a step of
    /// `learning_rate·v`.
    Sgd {
        /// The step size.
        learning_rate: f64,
        /// The share of the old velocity `v` that is kept; 0 for plain gradient descent.
        momentum: f64,
    },
}

/// Where RMSprop adds epsilon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpsilonAt {
    /// `√(v + ε)`, as in Keras 2.11 and later.
    InsideRoot,
    /// `√v + ε`, as in PyTorch and in Keras before 2.11.
    OutsideRoot,
}

impl Optimiser {
    /// Adam with the usual averages and epsilon: β₁ 0.9, β₂ 0.999, ε 1e-8.
    pub fn adam(learning_rate: f64, weight_decay: f64) -> Self {
        Optimiser::Adam { learning_rate, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay }
    }

    /// The step size in the first epoch.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Optimiser::RmsProp { learning_rate, .. }
            | Optimiser::Adam { learning_rate, .. }
            | Optimiser::Sgd { learning_rate, .. } => learning_rate,
        }
    }
}

impl Batches {
    /// Batches of the same size with another share of unlabelled rows and at least one labelled anomaly.
    ///
    /// Shuffled batches cannot choose their share. They are replaced by drawn batches of the same size, with [`STEPS`] steps in an
    /// epoch.
    pub fn with_unlabelled_share(self, share: f64) -> Self {
        let (rows, steps) = match self {
            Batches::Balanced { unlabelled, anomalies, steps } => (unlabelled.saturating_add(anomalies), steps),
            Batches::Shuffled { rows } | Batches::Unlabelled { rows } => (rows, STEPS),
        };
        let unlabelled = ((share * rows as f64).round() as usize).min(rows.saturating_sub(1));
        Batches::Balanced { unlabelled, anomalies: rows - unlabelled, steps }
    }
}

/// The steps in an epoch of drawn batches, as in all methods of the AnoOnly paper that draw batches.
pub const STEPS: usize = 20;

impl Recipe {
    /// A recipe with a constant learning rate that keeps the last epoch's weights, scores with running statistics and adds no
    /// rows.
    pub fn new(batches: Batches, epochs: usize, optimiser: Optimiser) -> Self {
        Self {
            batches,
            epochs,
            optimiser,
            schedule: Schedule::Constant,
            keep: Keep::Last,
            statistics: Statistics::Running,
            augmentation: Augmentation::None,
        }
    }

    /// The learning rate of an epoch; epochs are numbered from 0.
    pub fn learning_rate(&self, epoch: usize) -> f64 {
        let from = self.optimiser.learning_rate();
        match self.schedule {
            Schedule::Constant => from,
            Schedule::Cosine { to } => {
                let angle = std::f64::consts::PI * epoch as f64 / self.epochs as f64;
                to + (from - to) * (1.0 + angle.cos()) / 2.0
            }
        }
    }

    /// Checks every value like [`check`](Self::check), for a method that uses no labels.
    ///
    /// # Errors
    /// Names the first invalid option. Batches with labelled anomalies are invalid, too.
    pub fn check_unlabelled(&self, method: &'static str) -> Result<(), ConfigError> {
        let unlabelled = matches!(self.batches, Batches::Unlabelled { .. } | Batches::Balanced { anomalies: 0, .. });
        Checks::of(method).that(unlabelled, "recipe.batches", BOTH_KINDS, "unlabelled rows only").done()?;
        self.check(method)
    }

    /// Checks every value. `method` is the method's name for the error.
    ///
    /// # Errors
    /// Names the first invalid option.
    pub fn check(&self, method: &'static str) -> Result<(), ConfigError> {
        let checks = Checks::of(method).rounds("recipe.epochs", self.epochs);
        let checks = match self.batches {
            Batches::Balanced { unlabelled, anomalies, steps } => {
                let rows = unlabelled.saturating_add(anomalies);
                checks
                    .that(rows >= 2, "recipe.batches", rows, "at least 2 rows")
                    .that(rows <= MOST_BATCH_ROWS, "recipe.batches", rows, "at most 65536 rows")
                    .rounds("recipe.batches.steps", steps)
            }
            Batches::Shuffled { rows } | Batches::Unlabelled { rows } => checks
                .that(rows >= 2, "recipe.batches.rows", rows, "at least 2")
                .that(rows <= MOST_BATCH_ROWS, "recipe.batches.rows", rows, "at most 65536"),
        };
        let checks = match &self.augmentation {
            Augmentation::None => checks,
            Augmentation::NngMix(mix) => checks
                .that((1..=1000).contains(&mix.times), "recipe.augmentation.times", mix.times, "from 1 to 1000")
                .at_least_one("recipe.augmentation.neighbours", mix.neighbours)
                .that((0.01..=100.0).contains(&mix.alpha), "recipe.augmentation.alpha", mix.alpha, "from 0.01 to 100")
                .not_negative("recipe.augmentation.noise", mix.noise),
        };
        let checks = match self.schedule {
            Schedule::Constant => checks,
            Schedule::Cosine { to } => checks.not_negative("recipe.schedule.to", to),
        };
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
            Optimiser::Sgd { learning_rate, momentum } => checks
                .positive("recipe.optimiser.learning_rate", learning_rate)
                .share("recipe.optimiser.momentum", momentum),
        };
        checks.done()
    }
}

/// The largest number of rows in a batch.
const MOST_BATCH_ROWS: usize = 1 << 16;

/// How an error describes batches that are not of unlabelled rows only.
const BOTH_KINDS: &str = "unlabelled rows and labelled anomalies";

#[cfg(test)]
mod tests {
    use crate::networks::autoencoder::AutoencoderConfig;
    use crate::{AnyMethod, Method, MethodKind};

    use super::*;

    #[test]
    fn a_method_without_labels_rejects_batches_with_labelled_anomalies() {
        let mut method = AutoencoderConfig::default();
        method.recipe.batches = Batches::Shuffled { rows: 32 };
        let message = method.check().unwrap_err().to_string();
        assert_eq!(
            message,
            "autoencoder: option `recipe.batches` is unlabelled rows and labelled anomalies, must be unlabelled rows only"
        );
        for method in AnyMethod::all().into_iter().filter(|method| method.info().kind == MethodKind::Unsupervised) {
            assert!(!method.takes_strategy(), "{method:?}");
        }
    }
}
