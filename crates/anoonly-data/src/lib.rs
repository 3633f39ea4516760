//! Table files, feature encoding and data sets for anomaly detection with few labels.
//!
//! A file becomes a [`Table`](table::Table). An [`Encoder`](encode::Encoder) turns the table into features, and
//! [`Table::samples`](table::Table::samples) reads a table whose columns are all numbers as
//! [`Samples`](anoonly_core::Samples): finite `f32` features and one [`Label`](anoonly_core::Label) a row.
//!
//! This crate does not know networks or backends. The feature `tables` (on by default) has the file readers, fits of encoders and the
//! catalogue of data sets; they bring the Arrow crates. Without it, a fitted encoder encodes rows of
//! [plain values](encode::RowValue). The feature `fetch` has downloads of ADBench's data sets.

#![cfg_attr(
    not(feature = "tables"),
    expect(dead_code, reason = "fits of encoders share files with what encodes a row")
)]

#[cfg(feature = "tables")]
pub mod catalogue;
pub mod encode;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
mod names;
#[cfg(feature = "tables")]
pub mod table;

pub use error::{DataError, QuoteFault, ValueCount};

/// The examples of the README are run with the documentation's.
#[cfg(all(doctest, feature = "tables"))]
#[doc = include_str!("../README.md")]
struct Readme;
