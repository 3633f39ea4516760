//! `anoonly data`.

mod fetch;
mod info;
mod list;

use std::path::PathBuf;

use anoonly::data::fetch::{KnownSet, cache_folder};
use clap::{Args, Subcommand};

use crate::error::CommandError;

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// List the data sets that ship with the program, and those of ADBench whose size and digest it knows
    List(list::Options),
    /// Describe a data set by its name, or a file with a table
    Info(info::Options),
    /// Fetch data sets of ADBench from its public repository and check each against its digest
    Fetch(fetch::Options),
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        match self.task {
            Task::List(options) => options.run(),
            Task::Info(options) => options.run(),
            Task::Fetch(options) => options.run(),
        }
    }
}

/// The file of a data set in the cache folder, if it exists and has the right length.
fn cached(set: &KnownSet) -> Option<PathBuf> {
    let file = cache_folder().ok()?.join(set.folder).join(format!("{}.npz", set.name));
    std::fs::metadata(&file).is_ok_and(|metadata| metadata.is_file() && metadata.len() == set.bytes).then_some(file)
}

/// A number of rows and its share of all rows.
fn with_share(part: usize, rows: usize) -> String {
    format!("{part} ({:.1} %)", 100.0 * part as f64 / rows.max(1) as f64)
}
