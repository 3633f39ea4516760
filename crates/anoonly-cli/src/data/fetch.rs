//! `anoonly data fetch`.

use std::path::{Path, PathBuf};

use anoonly::data::catalogue::Source;
use anoonly::data::fetch::{ADDRESS, Event, Fetched, Fetcher, Wanted, cache_folder, select};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::{print, tell};

#[derive(Debug, Args)]
pub struct Options {
    /// Data sets by name, as `anoonly data list` tells them; * and ? stand for any letters
    #[arg(required = true, value_name = "NAME|PATTERN")]
    names: Vec<String>,
    /// The folder they go to, laid out as ADBench's `datasets` [default: the folder of the variable ANOONLY_CACHE, or
    /// anoonly/adbench in the platform's cache folder]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// A mirror: an address below which the files are named as Classical/6_cardio.npz
    #[arg(long, value_name = "BASE", default_value = ADDRESS)]
    url: String,
    /// The SHA-256 digest of a data set of ADBench that is not in the list, as Classical/33_skin
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Tell the files as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) fn run(self) -> Result<String, Failure> {
        if let Some(entry) = Source::Embedded.entries()?.into_iter().find(|entry| self.names.contains(&entry.name)) {
            return Err(Failure::Embedded { name: entry.name });
        }
        let sets = select(&self.names, self.sha256.as_deref())?;
        let folder = match &self.to {
            Some(folder) => folder.clone(),
            None => cache_folder()?,
        };
        let fetcher = Fetcher::new(&folder, &self.url)?;
        // What is there is told at once, and a set that cannot be had does not keep the others.
        let (mut first_failure, mut there) = (None, Vec::new());
        for set in &sets {
            match fetch(&fetcher, set) {
                Ok(fetched) => {
                    let (new, file) = match fetched {
                        Fetched::Downloaded(file) => (true, file),
                        Fetched::AlreadyThere(file) => (false, file),
                    };
                    if !self.json {
                        let told = if new { "fetched to" } else { "already there," };
                        print(&format!("{}: {told} {}\n", set.path(), file.display()));
                    }
                    there.push(serde_json::json!({ "data_set": set.path(), "file": file, "downloaded": new }));
                }
                Err(failure) if first_failure.is_none() => first_failure = Some(failure),
                Err(failure) => tell(&failure),
            }
        }
        match first_failure {
            Some(failure) => Err(failure),
            None if self.json => Ok(format!("{}\n", serde_json::Value::from(there))),
            None => Ok(format!("To bench on all that is there: anoonly bench --data {}\n", self.data(&folder))),
        }
    }

    /// The folder as a word for `--data`.
    fn data(&self, folder: &Path) -> String {
        match self.to {
            None => "fetched".into(),
            Some(_) => format!("{folder:?}"),
        }
    }
}

/// Fetches one data set under a bar, which shows on a terminal alone.
fn fetch(fetcher: &Fetcher, set: &Wanted) -> Result<Fetched, Failure> {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes} of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(set.path());
    let fetched = fetcher.fetch(set, &mut |event| match event {
        Event::Waiting => bar.suspend(|| eprintln!("waiting for another process that fetches to the same folder")),
        Event::Progress { have, of } => {
            if let Some(of) = of {
                bar.set_length(of);
            }
            bar.set_position(have);
        }
        Event::Retrying { reason, pause } => {
            bar.suspend(|| eprintln!("{}: {reason}; trying again in {} s", set.path(), pause.as_secs()));
        }
    });
    bar.finish_and_clear();
    Ok(fetched?)
}
