//! Methods for anomaly detection with few labels or none.
//!
//! A method is one file or one folder.
//!
//! - [`networks`] are trained by gradient descent. They are burn modules, generic over the backend. The loss of each example is split
//!   into [`LossTerms`], and a [`Recipe`](recipe::Recipe) describes their training as plain data.
//! - [`rules`] are fitted in plain memory.
//!
//! Without the feature `fit`, the crate has no networks and no burn: it restores fitted rules and scores with them, and with the
//! [steps](graph) of fitted networks.
//!
//! One line in [`registry`] adds a method to the command, the benchmark and the tests. This crate does not know files, optimisers,
//! training loops, or the strategy that decides which part of a loss trains.

#![cfg_attr(
    not(feature = "fit"),
    expect(dead_code, unused_imports, reason = "fits share their files with what restores their result")
)]

mod error;
#[cfg(test)]
#[cfg(feature = "fit")]
mod golden_tests;
pub mod graph;
pub mod kernels;
#[cfg(feature = "fit")]
pub mod layers;
#[cfg(feature = "fit")]
pub mod members;
mod method;
#[cfg(feature = "fit")]
mod network;
#[cfg(feature = "fit")]
pub mod networks;
#[cfg(feature = "fit")]
pub mod nng_mix;
mod norm;
#[cfg(feature = "fit")]
pub mod overrides;
#[cfg(feature = "fit")]
pub mod recipe;
pub mod registry;
mod rule;
pub mod rules;
mod saved;
mod shapes;
pub mod tools;

pub use error::ConfigError;
pub use method::{Method, MethodInfo, MethodKind};
#[cfg(feature = "fit")]
pub use network::{Batch, LossTerms, Network, NetworkMethod, StepRows, Trainable, TrainingData};
pub use norm::Norm;
#[cfg(feature = "fit")]
pub use registry::{AnyMethod, AnyNetwork, AnyNetworkMethod, AnyRuleMethod, MethodForm};
pub use registry::{AnyRule, NETWORK_NAMES};
pub use rule::{FittedRule, RefittedRule, RowBlock, RuleData, RuleGradient, RuleMethod, RuleRefits};
pub use saved::{SavedTensor, SavedTensors};
pub use shapes::Shapes;

/// Runs the examples of the README as documentation tests.
#[cfg(all(doctest, feature = "fit"))]
#[doc = include_str!("../README.md")]
struct Readme;
