//! Benchmarks: a grid of runs over data sets, seeds, label budgets, methods and strategies.
//!
//! [`Grid::prepare`] loads every data set and draws every split, so errors in the input show before the first run. [`Grid::run`] fits
//! and scores. A [`Store`] keeps every run as soon as it is measured. [`summary::table`] renders the results as a table, and
//! [`report`] as an HTML page. This crate does not know how a method works inside.

mod details;
mod error;
mod grid;
pub mod labelling;
mod outsiders;
mod reference;
pub mod report;
mod results;
pub mod speed;
mod store;
mod strategy;
pub mod summary;
pub mod usage;
mod workers;

pub use strategy::{Ablation, Strategy};

pub use details::{Details, RowKind};
pub use error::{BenchError, PlanList};
pub use grid::{Grid, Key, Plan, Progress, Shard};
pub use outsiders::{ExportedSplits, ImportedScores, OutsiderFault, OutsiderMethod, OutsiderSplit};
pub use reference::Reference;
pub use results::{Results, Row, Scores, Status, synthetic_name};
pub use store::{Merged, Place, RunRecord, Store};

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
