//! Checks of the whole repository that need no build: the layers of crates and modules, names, and words.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod layering;
mod licences;
mod sources;
mod tidy;
