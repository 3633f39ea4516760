//! The types that all crates of anoonly share: labels, samples, seeds, scaling, splits, label budgets, noise and synthetic anomalies.
//!
//! [`Samples`] are finite `f32` features with one [`Label`] a row. A [`Protocol`](protocol::Protocol) splits a [`Dataset`] into a
//! training part, of whose anomalies only a [`LabelBudget`](budget::LabelBudget) stays labelled, and a test part with the truth.
//! Every random decision draws from a stream of its own ([`Seed::stream`]).
//!
//! This crate reads no file and knows nothing of tables, networks or backends.

pub mod budget;
mod digest;
mod error;
mod names;
pub mod noise;
pub mod protocol;
mod samples;
pub mod scale;
pub mod seed;
pub mod split;
pub mod synthetic;
mod whole_file;

pub use digest::Digest;
pub use error::CoreError;
pub use names::{closest_names, did_you_mean};
pub use samples::{ByClass, Dataset, Label, Samples};
pub use seed::Seed;
pub use whole_file::{temporary_beside, write_whole};

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
