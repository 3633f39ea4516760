//! Tests of the command line, and of what the libraries leave to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command_line;
mod library_messages;
