//! Tests of the library through its public interface.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod explanations;
mod fits;
mod labelling;
mod model_format;
mod promises;
