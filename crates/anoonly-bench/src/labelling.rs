//! The simulated analyst: how many anomalies are found while rows are labelled batch by batch.
//!
//! A run begins with a table without labels. Again and again a method is fitted and ranks all rows, a query strategy chooses rows, and
//! their true labels answer. [`LabellingGrid`] measures runs over data sets, seeds, methods, strategies and queries, and keeps them in
//! a [`Store`](crate::Store) as [`Grid`](crate::Grid) does. [`ComparedCurves`] compares the discovery curves, together with those that
//! other programs measured on the same rows ([`PeerCurves`]).

mod analyst;
mod compared;
mod draw;
mod grid;
mod peers;
mod plan;
mod report;
mod row;
mod tables;

pub use compared::{ComparedCurves, CurveFigure, Labeller};
pub use draw::{DrawnRows, MOST_ROWS};
pub use grid::LabellingGrid;
pub use peers::PeerCurves;
pub use plan::LabellingPlan;
pub use report::write_report;
pub use row::{Discovery, LabellingRow, SecondsKind};
pub use tables::{FigureMean, LabellerMeans};

#[cfg(test)]
mod tests;
