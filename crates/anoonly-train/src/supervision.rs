//! AnoOnly: which part of a loss trains.
//!
//! Zhou et al., "AnoOnly: Semi-Supervised Anomaly Detection with the Only Loss on Anomalies", arXiv 2305.18798.

use std::fmt;
use std::str::FromStr;

use anoonly_models::{LossTerms, Method, Norm};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// The strategy by which a method learns from labelled anomalies and unlabelled rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supervision {
    /// The method as its authors train it: unlabelled rows are taken for normal, and both parts of the loss train.
    Full,
    /// AnoOnly: only the loss of the labelled anomalies trains. The unlabelled rows still stand in every batch, and act
    /// through batch normalisation alone.
    AnomalyOnly,
    /// Between the two: AnoOnly's form of the method with another normalisation, and part of the loss on normal rows.
    Blend {
        /// The weight λ of the loss on normal rows, from 0 as in AnoOnly to 1 as in full supervision.
        normal_weight: f64,
        /// The normalisation; AnoOnly's is [`Norm::Batch`].
        norm: Norm,
    },
}

impl Supervision {
    /// The form of the method that this strategy trains.
    pub fn prepare<M: Method>(self, method: M) -> M {
        match self {
            Supervision::Full => method,
            Supervision::AnomalyOnly => method.anomaly_only(),
            Supervision::Blend { norm, .. } => method.anomaly_only().with_norm(norm),
        }
    }

    /// The weight λ of the loss on normal rows.
    pub fn normal_weight(self) -> f64 {
        match self {
            Supervision::Full => 1.0,
            Supervision::AnomalyOnly => 0.0,
            Supervision::Blend { normal_weight, .. } => normal_weight,
        }
    }

    /// The loss of a batch, of shape `[1]`: `(λ·Σ normal + Σ anomalous) / examples`. With λ = 0 the normal part is not even
    /// looked at, and what it would compute gets no gradient.
    pub fn loss<B: Backend>(self, terms: LossTerms<B>) -> Tensor<B, 1> {
        let LossTerms { normal, anomalous } = terms;
        let examples = (normal.dims()[0] + anomalous.dims()[0]).max(1);
        let sum = match self.normal_weight() {
            0.0 => anomalous.sum(),
            weight => anomalous.sum() + normal.sum().mul_scalar(weight),
        };
        sum.div_scalar(examples as f64)
    }
}

impl fmt::Display for Supervision {
    /// `host` and `anoonly`, as on the command line; a blend tells its values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Supervision::Full => f.pad("host"),
            Supervision::AnomalyOnly => f.pad("anoonly"),
            Supervision::Blend { normal_weight, norm } => f.pad(&format!("blend({normal_weight}, {norm:?})")),
        }
    }
}

impl FromStr for Supervision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "host" => Ok(Supervision::Full),
            "anoonly" => Ok(Supervision::AnomalyOnly),
            _ => Err(format!("unknown strategy `{name}`: use host or anoonly")),
        }
    }
}
