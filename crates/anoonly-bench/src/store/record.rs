//! What a store must know of a run.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Details;

/// A kind of run that a [`Store`](crate::Store) keeps.
pub trait RunRecord: Clone + Debug + Serialize + DeserializeOwned {
    /// The file of runs in a folder of results.
    const RUNS: &'static str;
    /// The file of their details, if they have any.
    const DETAILS: Option<&'static str>;
    /// The table that is written at the end of a bench.
    const TABLE: &'static str;
    /// The columns of the table.
    const COLUMNS: &'static [&'static str];

    /// The cells of the run in the table, one for each column.
    fn cells(&self) -> Vec<String>;

    /// Why the run failed; `None` if it did not.
    fn failure(&self) -> Option<&str>;

    /// The values that identify the run in a table of results.
    fn cell(&self) -> Vec<String>;

    /// Describes the method. The runs of one method in a table come from one program and one configuration.
    fn method(&self) -> String;

    /// Describes the data set and the seed.
    fn data(&self) -> String;

    /// Describes what all runs of one table must have in common.
    fn setting(&self) -> String;

    /// The data that a report draws of the run.
    fn details(&self) -> Option<&Arc<Details>> {
        None
    }

    /// Replaces the data that a report draws of the run.
    fn set_details(&mut self, _: Option<Arc<Details>>) {}
}
