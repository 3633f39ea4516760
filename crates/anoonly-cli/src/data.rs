//! `anoonly data`.

mod fetch;
mod info;
mod list;

use std::path::PathBuf;
use std::process::ExitCode;

use anoonly::data::DataError;
use anoonly::data::fetch::{FetchError, KnownSet, cache_folder};
use clap::{Args, Subcommand};

use crate::{print, refuse, tell};

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// List the data sets: those that ship with the program, and those of ADBench that it knows by size and digest
    List(list::Options),
    /// Tell of a data set by its name, or of a file with a table
    Info(info::Options),
    /// Fetch data sets of ADBench from its public repository, each checked against its digest
    Fetch(fetch::Options),
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("`{name}` is neither a file nor a data set of the list{hint} (`anoonly data list` shows it)")]
    Unknown { name: String, hint: String },
    #[error("{}: it is a folder; name one of its files", path.display())]
    Folder { path: PathBuf },
    #[error("`{name}` ships with the program: anoonly bench --datasets {name} uses it as it is")]
    Embedded { name: String },
}

impl Options {
    pub fn run(self) -> ExitCode {
        let done = match self.task {
            Task::List(options) => options.run(),
            Task::Info(options) => options.run(),
            Task::Fetch(options) => options.run(),
        };
        match done {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(Failure::Fetch(error)) if !error.is_input() => {
                tell(&error);
                ExitCode::FAILURE
            }
            Err(error) => refuse(&error),
        }
    }
}

/// The file of a data set in the cache folder, where it is there with the right length.
fn cached(set: &KnownSet) -> Option<PathBuf> {
    let file = cache_folder().ok()?.join(set.folder).join(format!("{}.npz", set.name));
    std::fs::metadata(&file).is_ok_and(|about| about.is_file() && about.len() == set.bytes).then_some(file)
}

/// A number of rows and its share of all.
fn with_share(part: usize, rows: usize) -> String {
    format!("{part} ({:.1} %)", 100.0 * part as f64 / rows.max(1) as f64)
}
