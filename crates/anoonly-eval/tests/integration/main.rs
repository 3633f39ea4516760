//! Tests of the public API: against SciPy and scikit-learn, and of the stated guarantees.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guarantees;
mod scikit_learn;
mod scipy;
