//! A grid of runs, from data sets and methods to results and a table.
//!
//! [`Grid::prepare`] loads every data set and draws every split, so that whatever is wrong with the input shows before the
//! first run; [`Grid::run`] fits and scores; a [`Store`] keeps every run as soon as it is measured; [`summary::table`] tells what came out, and
//! [`report`] shows it. How a method works inside is of no concern here.

mod details;
mod error;
mod grid;
mod reference;
pub mod report;
mod results;
pub mod speed;
mod store;
mod strategy;
pub mod summary;
pub mod usage;

pub use strategy::{Ablation, Strategy};

pub use details::{Details, RowKind};
pub use error::BenchError;
pub use grid::{Grid, Key, Plan, Progress, Shard};
pub use reference::Reference;
pub use results::{Results, Row, Scores, Status, synthetic_name};
pub use store::{Merged, Place, Store};

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
