//! The trait of all methods.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ConfigError;

/// The configuration of a method, as plain data.
///
/// A method is either a [`NetworkMethod`](crate::NetworkMethod), trained by gradient descent, or a [`RuleMethod`](crate::RuleMethod),
/// fitted in plain memory.
pub trait Method: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name, kind and source.
    const INFO: MethodInfo;

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first invalid option.
    fn check(&self) -> Result<(), ConfigError>;

    /// Whether a fit needs a labelled anomaly.
    fn needs_labels(&self) -> bool {
        Self::INFO.kind != MethodKind::Unsupervised
    }

    /// Whether a fit distinguishes rows that are confirmed as normal from unlabelled rows. A method that does not treats both alike.
    fn learns_from_normals(&self) -> bool {
        Self::INFO.kind != MethodKind::Unsupervised
    }
}

/// The description of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// The name in commands, configuration files and results.
    pub name: &'static str,
    /// The name in text.
    pub title: &'static str,
    /// What the method learns from.
    pub kind: MethodKind,
    /// The publication that introduced the method.
    pub source: &'static str,
}

/// What a method learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodKind {
    /// Learns from labelled anomalies and unlabelled rows.
    FewLabels,
    /// A simple rule without gradient descent and with few settings. A trained method must beat it to be worth its cost.
    Baseline,
    /// Learns from unlabelled rows only.
    Unsupervised,
}

impl MethodKind {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            MethodKind::FewLabels => "few labels",
            MethodKind::Unsupervised => "unsupervised",
            MethodKind::Baseline => "baseline",
        }
    }
}
