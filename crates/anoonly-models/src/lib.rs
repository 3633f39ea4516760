//! The zoo: networks and loss terms of anomaly detectors, generic over burn's backend.
//!
//! A method is one file: its configuration (a [`Method`]), its burn module (a [`Network`]) with the loss of each example
//! parted in [`LossTerms`], and its score. It states how it wants to be trained as plain data, a [`Recipe`](recipe::Recipe).
//! One line in [`registry`] makes it known to everything above.
//!
//! This crate knows nothing of files, optimisers, training loops, or of the strategy that decides which part of a loss
//! trains.

mod error;
#[cfg(test)]
mod golden_tests;
pub mod graph;
pub mod kernels;
pub mod layers;
mod method;
pub mod networks;
pub mod nng_mix;
pub mod overrides;
pub mod recipe;
pub mod registry;
pub mod rules;
mod shapes;
pub mod tools;

pub use error::ConfigError;
pub use layers::norm::Norm;
pub use method::{Batch, Kind, LossTerms, Method, MethodInfo, Network, Trainable, TrainingData};
pub use registry::{AnyMethod, AnyNetwork};
pub use shapes::Shapes;

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
