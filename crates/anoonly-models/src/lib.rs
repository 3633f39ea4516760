//! The zoo: networks and loss terms of anomaly detectors, generic over burn's backend.
//!
//! A method is one file: its configuration (a [`Method`]), its burn module (a [`Network`]) with the loss of each example
//! parted in [`LossTerms`], and its score. It states how it wants to be trained as plain data, a [`Recipe`](recipe::Recipe).
//! One line in [`registry`] makes it known to everything above.
//!
//! This crate knows nothing of files, optimisers, training loops, or of the strategy that decides which part of a loss
//! trains.

mod activation;
pub mod autoencoder;
pub mod cblof;
pub mod copod;
pub mod covariance;
mod cross_entropy;
pub mod dagmm;
pub mod deepsad;
pub mod deepsvdd;
pub mod devnet;
mod draws;
pub mod ecod;
mod error;
pub mod feawad;
pub mod fisher;
pub mod ft_transformer;
pub mod fused;
pub mod ganomaly;
pub mod gbdt;
#[cfg(test)]
mod golden_tests;
pub mod graph;
pub mod hbos;
mod histogram;
mod host;
pub mod init;
pub mod isolation_forest;
mod kmeans;
pub mod knn;
mod layers;
pub mod loda;
pub mod lof;
pub mod logistic;
pub mod mahalanobis;
pub mod mean_difference;
mod method;
pub mod mlp;
pub mod neighbours;
pub mod nng_mix;
pub mod norm;
mod normal_scores;
pub mod ocsvm;
pub mod overrides;
pub mod pca;
pub mod prenet;
pub mod quorum;
pub mod random_forest;
pub mod recipe;
pub mod registry;
pub mod repen;
pub mod resnet;
pub mod rosas;
mod shapes;
mod standard;
pub mod tails;
pub mod trees;
pub mod whitened_cosine;
pub mod whitened_cosine_mahalanobis;
pub mod whitening;
pub mod xgbod;

pub use error::ConfigError;
pub use method::{Batch, Kind, LossTerms, Method, MethodInfo, Network, Trainable, TrainingData};
pub use norm::Norm;
pub use registry::{AnyMethod, AnyNetwork};
pub use shapes::Shapes;

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
