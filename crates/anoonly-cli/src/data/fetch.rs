//! `anoonly data fetch`.

use std::path::{Path, PathBuf};

use anoonly::data::catalogue::Source;
use anoonly::data::fetch::{ADDRESS, Event, Fetched, Fetcher, Wanted, cache_folder, select};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::CommandError;
use crate::{note, outputs, print, print_json, report_error};

#[derive(Debug, Args)]
pub struct Options {
    /// Names of data sets, as `anoonly data list` shows them; * and ? match any characters
    #[arg(required = true, value_name = "NAME|PATTERN")]
    names: Vec<String>,
    /// The folder to fetch to, laid out like ADBench's `datasets` [default: the folder in the variable ANOONLY_CACHE, or
    /// anoonly/adbench in the platform's cache folder]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// A mirror: the address under which the files have names like Classical/6_cardio.npz
    #[arg(long, value_name = "BASE", default_value = ADDRESS)]
    url: String,
    /// The SHA-256 digest of a data set of ADBench that is not in the list, such as Classical/33_skin
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Print the files as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) fn run(self) -> Result<(), CommandError> {
        if let Some(entry) = Source::Embedded.entries()?.into_iter().find(|entry| self.names.contains(&entry.name)) {
            return Err(CommandError::Embedded { name: entry.name });
        }
        let sets = select(&self.names, self.sha256.as_deref())?;
        let folder = match &self.to {
            Some(folder) => folder.clone(),
            None => cache_folder()?,
        };
        outputs::check_folder(&folder)?;
        let fetcher = Fetcher::new(&folder, &self.url)?;
        // Each set is reported as soon as it is there, and one that fails does not stop the others.
        let (mut first_error, mut files) = (None, Vec::new());
        for set in &sets {
            match fetch(&fetcher, set) {
                Ok(fetched) => {
                    let (downloaded, file) = match fetched {
                        Fetched::Downloaded(file) => (true, file),
                        Fetched::AlreadyThere(file) => (false, file),
                    };
                    if !self.json {
                        let done = if downloaded { "fetched to" } else { "already there," };
                        print(&format!("{}: {done} {}\n", set.path(), file.display()));
                    }
                    files.push(serde_json::json!({ "data_set": set.path(), "file": file.to_string_lossy(), "downloaded": downloaded }));
                }
                Err(error) if first_error.is_none() => first_error = Some(error),
                Err(error) => report_error(&error),
            }
        }
        match first_error {
            Some(error) => return Err(error),
            None if self.json => print_json(&files)?,
            None => print(&format!(
                "To run the benchmark on all data sets in this folder: anoonly bench --data {}\n",
                self.data_option(&folder)
            )),
        }
        Ok(())
    }

    /// The folder as `anoonly bench --data` takes it.
    fn data_option(&self, folder: &Path) -> String {
        match self.to {
            None => "fetched".into(),
            Some(_) => format!("{folder:?}"),
        }
    }
}

/// Fetches one data set and shows a progress bar, which is silent unless standard error is a terminal.
fn fetch(fetcher: &Fetcher, set: &Wanted) -> Result<Fetched, CommandError> {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes} of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(set.path());
    let fetched = fetcher.fetch(set, &mut |event| match event {
        Event::Waiting => bar.suspend(|| note("waiting for another process that is fetching to the same folder")),
        Event::Progress { have, of } => {
            if let Some(of) = of {
                bar.set_length(of);
            }
            bar.set_position(have);
        }
        Event::Retrying { reason, pause } => {
            bar.suspend(|| note(&format!("{}: {reason}; trying again in {} s", set.path(), pause.as_secs())));
        }
    });
    bar.finish_and_clear();
    Ok(fetched?)
}
