//! What rules share. Nothing here knows a method.

pub(crate) mod balance;
pub(crate) mod columns;
#[cfg(feature = "fit")]
pub mod covariance;
pub(crate) mod histogram;
pub(crate) mod kmeans;
pub mod neighbours;
pub(crate) mod normal_scores;
pub mod parallel;
pub mod tails;
pub mod trees;
pub mod whitening;
