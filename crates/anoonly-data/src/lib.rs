//! Tables, labels, splits, scaling and label budgets for anomaly detection with few labels.
//!
//! The way of a row: a file becomes a [`Table`](table::Table), a table becomes [`Samples`] (finite `f32` features and one
//! [`Label`] a row), and a [`Protocol`](protocol::Protocol) splits them into a training part, of whose anomalies only a
//! [`LabelBudget`](budget::LabelBudget) stays labelled, and a test part with the truth.
//!
//! This crate knows nothing of networks or backends. The feature `tables` (on by default) brings the file readers and the
//! catalogue of data sets, and with them polars; everything else builds without it. The feature `fetch` brings downloads of
//! ADBench's data sets.

#[cfg(feature = "tables")]
pub mod catalogue;
#[cfg(feature = "tables")]
pub mod encode;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
#[cfg(any(feature = "tables", feature = "fetch"))]
mod names;
#[cfg(feature = "tables")]
pub mod table;

pub use error::DataError;
#[cfg(any(feature = "tables", feature = "fetch"))]
pub use names::nearest;

/// The examples of the README are run with the documentation's.
#[cfg(all(doctest, feature = "tables"))]
#[doc = include_str!("../README.md")]
struct Readme;
