//! The types that all crates of anoonly share: labels, samples, seeds, scaling, splits, label budgets, noise and synthetic anomalies.
//!
//! [`Samples`] are finite `f32` features with one [`Label`] a row. A [`Protocol`](protocol::Protocol) splits a [`Dataset`] into a
//! training part and a test part. In the training part a [`LabelBudget`](budget::LabelBudget) keeps the labels of only some
//! anomalies; the test part has the true labels. Every random decision draws from its own stream ([`Seed::stream`]).
//!
//! This crate does not know tables, networks or backends.

#[cfg(feature = "trials")]
pub mod budget;
mod digest;
mod error;
mod names;
#[cfg(feature = "trials")]
pub mod noise;
#[cfg(feature = "trials")]
pub mod protocol;
mod samples;
pub mod scale;
pub mod seed;
pub mod split;
#[cfg(feature = "trials")]
pub mod synthetic;
#[cfg(feature = "files")]
mod whole_file;

pub use digest::{Digest, FeatureDigest};
pub use error::CoreError;
pub use names::{closest_names, did_you_mean, excerpt};
pub use samples::{ByClass, Dataset, Label, Samples};
pub use seed::Seed;
#[cfg(feature = "files")]
pub use whole_file::{WholeFile, check_writable, remove_unfinished_files, write_whole};

/// The examples of the README are run with the documentation's.
#[cfg(all(doctest, feature = "trials"))]
#[doc = include_str!("../README.md")]
struct Readme;
