//! Methods for anomaly detection with few labels or none.
//!
//! A method is one file or one folder.
//!
//! - [`networks`] are trained by gradient descent. They are burn modules, generic over the backend. The loss of each example is split
//!   into [`LossTerms`], and a [`Recipe`](recipe::Recipe) describes their training as plain data.
//! - [`rules`] are fitted in plain memory.
//!
//! One line in [`registry`] adds a method to the command, the benchmark and the tests. This crate does not know files, optimisers,
//! training loops, or the strategy that decides which part of a loss trains.

mod error;
#[cfg(test)]
mod golden_tests;
pub mod graph;
pub mod kernels;
pub mod layers;
mod method;
mod network;
pub mod networks;
pub mod nng_mix;
pub mod overrides;
pub mod recipe;
pub mod registry;
mod rule;
pub mod rules;
mod saved;
mod shapes;
pub mod tools;

pub use error::ConfigError;
pub use layers::norm::Norm;
pub use method::{Method, MethodInfo, MethodKind};
pub use network::{Batch, LossTerms, Network, NetworkMethod, StepRows, Trainable, TrainingData};
pub use registry::{AnyMethod, AnyNetwork, AnyNetworkMethod, AnyRuleMethod, MethodForm};
pub use rule::{FittedRule, RefittedRule, RowBlock, RuleData, RuleGradient, RuleMethod, RuleRefits};
pub use saved::{SavedTensor, SavedTensors};
pub use shapes::Shapes;

/// Runs the examples of the README as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
