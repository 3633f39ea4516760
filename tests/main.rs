//! Whole-system tests through the public API and the command, one module for each subject.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod bench;
mod columns;
mod conformance;
mod data_command;
mod detectors;
mod examples;
mod export;
#[cfg(unix)]
mod guide;
mod hostile_text;
mod label;
mod labelling_bench;
mod labels;
mod large_tables;
mod options;
mod outputs;
mod outsiders;
mod pages;
mod reading;
mod real_data;
mod report;
mod tables;
mod zoo;
