//! What every method of the zoo has in common.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ConfigError;

/// A method's configuration: plain data, from which a fit starts.
///
/// A method is either a [`NetworkMethod`](crate::NetworkMethod), trained by gradients, or a [`RuleMethod`](crate::RuleMethod), fitted
/// in plain memory.
pub trait Method: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name, kind and source.
    const INFO: MethodInfo;

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first option with a value that no fit could start from.
    fn check(&self) -> Result<(), ConfigError>;
}

/// The description of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// The name on the command line, in configuration files and in results.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// What it learns from, and how.
    pub kind: MethodKind,
    /// Where it comes from.
    pub source: &'static str,
}

/// What a method learns from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodKind {
    /// Learns from labelled anomalies and unlabelled rows.
    FewLabels,
    /// A simple rule without training by gradients and with next to nothing to set. A trained method must beat it to be worth its cost.
    Baseline,
    /// Learns from unlabelled rows alone.
    Unsupervised,
}
