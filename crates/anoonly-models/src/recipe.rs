//! How a network wants to be trained, as plain data.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::error::Checks;
use crate::nng_mix::NngMix;

/// Batches, epochs and optimiser of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How the rows of a step are drawn, and how many steps make an epoch.
    pub batches: Batches,
    /// Epochs.
    pub epochs: usize,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// How its learning rate changes.
    pub schedule: Schedule,
    /// Which epoch's weights are the fitted ones.
    pub keep: Keep,
    /// Which statistics batch normalisation scores by.
    pub statistics: Statistics,
    /// What is made of the training rows before.
    #[serde(default)]
    pub augmentation: Augmentation,
}

/// Rows that are added to the training rows, and known to everything the method does with these. Pretraining goes without.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Augmentation {
    /// None.
    #[default]
    None,
    /// Anomalies mixed from labelled ones and their neighbours.
    NngMix(NngMix),
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
        /// Steps in an epoch.
        steps: usize,
    },
    /// All training rows in random order, cut into batches; a last batch that is not full is left out. An epoch is one pass. A
    /// training set smaller than a batch is one batch. With few labels, many batches hold no anomaly.
    Shuffled {
        /// Rows in a batch.
        rows: usize,
    },
    /// The same of the unlabelled rows alone, for a method that knows no labels.
    Unlabelled {
        /// Rows in a batch.
        rows: usize,
    },
}

/// How the learning rate changes from epoch to epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Half a cosine from the optimiser's rate down to this one, which the epoch after the last would have (Loshchilov and
    /// Hutter 2017, without restarts).
    Cosine {
        /// The rate it falls to.
        to: f64,
    },
}

/// Which statistics batch normalisation uses when scoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistics {
    /// The running averages over the batches of the training, as usual.
    Running,
    /// Those of all training rows in one pass of the fitted network.
    Recomputed,
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
    /// Gradient descent with momentum (Polyak 1964) as PyTorch writes it: `v ← momentum·v + g`, then a step of
    /// `learning_rate·v`.
    Sgd {
        /// Step size.
        learning_rate: f64,
        /// Share of the old velocity `v` that is kept; 0 for plain descent.
        momentum: f64,
    },
}

/// Where RMSprop adds its epsilon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpsilonAt {
    /// `√(v + ε)`, as in Keras since 2.11.
    InsideRoot,
    /// `√v + ε`, as in PyTorch, and in Keras before 2.11.
    OutsideRoot,
}

impl Optimiser {
    /// The step size at the start.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Optimiser::RmsProp { learning_rate, .. }
            | Optimiser::Adam { learning_rate, .. }
            | Optimiser::Sgd { learning_rate, .. } => learning_rate,
        }
    }
}

impl Batches {
    /// Batches of the same size with another share of unlabelled rows, at least one row being an anomaly. Shuffled batches
    /// hold the rows of the training set as they come; drawn ones of their size, [`STEPS`] an epoch, take their place.
    pub fn with_unlabelled_share(self, share: f64) -> Self {
        let (rows, steps) = match self {
            Batches::Balanced { unlabelled, anomalies, steps } => (unlabelled + anomalies, steps),
            Batches::Shuffled { rows } | Batches::Unlabelled { rows } => (rows, STEPS),
        };
        let unlabelled = ((share * rows as f64).round() as usize).min(rows - 1);
        Batches::Balanced { unlabelled, anomalies: rows - unlabelled, steps }
    }
}

/// Steps of an epoch of drawn batches, as in all methods of the AnoOnly paper that draw theirs.
pub const STEPS: usize = 20;

impl Recipe {
    /// The learning rate of an epoch, counted from 0.
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

    /// The same as [`check`](Self::check), for a method that knows no labels.
    ///
    /// # Errors
    /// Names the first bad option; batches that hold labelled anomalies are one.
    pub fn check_unlabelled(&self, method: &'static str) -> Result<(), ConfigError> {
        let alone = matches!(self.batches, Batches::Unlabelled { .. } | Batches::Balanced { anomalies: 0, .. });
        let told = "of both kinds of rows";
        Checks::of(method).that(alone, "recipe.batches", told, "of unlabelled rows alone").done()?;
        self.check(method)
    }

    /// Checks every value; `method` is named in the error.
    ///
    /// # Errors
    /// Names the first bad option.
    pub fn check(&self, method: &'static str) -> Result<(), ConfigError> {
        let checks = Checks::of(method).at_least_one("recipe.epochs", self.epochs);
        let checks = match self.batches {
            Batches::Balanced { unlabelled, anomalies, steps } => checks
                .that(unlabelled + anomalies >= 2, "recipe.batches", unlabelled + anomalies, "at least 2 rows")
                .at_least_one("recipe.batches.steps", steps),
            Batches::Shuffled { rows } | Batches::Unlabelled { rows } => {
                checks.that(rows >= 2, "recipe.batches.rows", rows, "at least 2")
            }
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

#[cfg(test)]
mod tests {
    use crate::networks::autoencoder::AutoencoderConfig;
    use crate::{AnyMethod, Method, MethodKind};

    use super::*;

    #[test]
    fn a_method_that_knows_no_labels_refuses_batches_that_hold_some() {
        let mut method = AutoencoderConfig::default();
        method.recipe.batches = Batches::Shuffled { rows: 32 };
        let told = method.check().unwrap_err().to_string();
        assert_eq!(
            told,
            "autoencoder: option `recipe.batches` is of both kinds of rows, must be of unlabelled rows alone"
        );
        for method in AnyMethod::all().into_iter().filter(|method| method.info().kind == MethodKind::Unsupervised) {
            assert!(!method.takes_strategy(), "{method:?}");
        }
    }
}
