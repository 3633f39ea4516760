//! The zoo: methods of anomaly detection with few labels, and without any.
//!
//! A method is one file or one folder. [`networks`] are trained by gradients: burn modules generic over the backend, with the loss of
//! each example split in [`LossTerms`], and a [`Recipe`](recipe::Recipe) that states as plain data how they are trained.
//! [`rules`] are fitted in plain memory. One line in [`registry`] makes a method known to everything above.
//!
//! This crate knows nothing of files, optimisers, training loops, or of the strategy that decides which part of a loss trains.

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
pub use network::{Batch, LossTerms, Network, NetworkMethod, Trainable, TrainingData};
pub use registry::{AnyMethod, AnyNetwork, AnyNetworkMethod, AnyRuleMethod, MethodForm};
pub use rule::{FittedRule, RowBlock, RuleData, RuleGradient, RuleMethod};
pub use saved::{SavedTensor, SavedTensors};
pub use shapes::Shapes;

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
