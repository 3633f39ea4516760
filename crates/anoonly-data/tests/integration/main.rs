//! Tests of the crate through its public functions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "tables")]
mod damaged_tables;
#[cfg(feature = "fetch")]
mod fetch;
