//! Labelling step by step: a detector that is fitted again after each batch of answers, and the choice of the rows to ask about next.
//!
//! This module works on matrices of features. A session on a table, with its journal, is built from it in the crate `anoonly`; the
//! benchmark lets it answer from true labels.

mod query;
mod refitter;

pub use query::{ChosenRow, Query, QueryError, QueryStrategy, Ranking, separating_threshold};
pub use refitter::Refitter;
