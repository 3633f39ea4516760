//! The simulated analyst: how many anomalies are found while rows are labelled batch by batch.
//!
//! A run begins with a table without labels. Again and again a method is fitted and ranks all rows, a query strategy chooses rows, and
//! their true labels answer. [`LabellingGrid`] measures runs over data sets, seeds, methods, strategies and queries, and keeps them in
//! a [`Store`](crate::Store) as [`Grid`](crate::Grid) does.

mod analyst;
mod draw;
mod grid;
mod plan;
mod row;
mod workers;

pub use draw::{DrawnRows, MOST_ROWS};
pub use grid::LabellingGrid;
pub use plan::LabellingPlan;
pub use row::{Discovery, LabellingRow, SecondsKind};
