//! Downloads from a server on this machine, complete and interrupted.

mod broken;
mod refused;
mod resumed;
mod server;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anoonly_core::Digest;
use anoonly_data::fetch::{Event, FetchError, Fetched, Fetcher, Wanted};

use server::Server;

/// The bytes of a file of several blocks, with content that shows when blocks change places.
fn file() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The same file as a data set whose length is known.
fn known() -> Wanted {
    let file = file();
    Wanted::new("Classical", "a", Some(file.len() as u64), Digest::of(&file)).unwrap()
}

fn of_unknown_length() -> Wanted {
    Wanted::new("Classical", "a", None, Digest::of(&file())).unwrap()
}

/// A finished fetch: its result, the events it reported, and its folder.
struct Done {
    folder: tempfile::TempDir,
    result: Result<Fetched, FetchError>,
    retries: Vec<String>,
    progress: Vec<(u64, Option<u64>)>,
}

impl Done {
    #[track_caller]
    fn downloaded(&self) {
        let goal = goal(self.folder.path());
        assert_eq!(self.result.as_ref().unwrap(), &Fetched::Downloaded(goal.clone()));
        assert!(fs::read(goal).unwrap() == file());
        assert_eq!(self.names(), ["a.npz"]);
    }

    /// The names in the data set's folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("Classical")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn failed(&self, parts: &[&str]) -> &FetchError {
        let error = self.result.as_ref().unwrap_err();
        for part in parts {
            assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
        }
        error
    }

    fn part(&self) -> Vec<u8> {
        fs::read(part(self.folder.path())).unwrap()
    }
}

fn goal(folder: &Path) -> PathBuf {
    folder.join("Classical").join("a.npz")
}

fn part(folder: &Path) -> PathBuf {
    folder.join("Classical").join("a.npz.part")
}

/// A folder that holds some bytes of the data set, as an interrupted run leaves them.
fn folder_with_part(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("Classical")).unwrap();
    fs::write(part(folder.path()), bytes).unwrap();
    folder
}

fn fetcher(folder: &Path, url: &str) -> Fetcher {
    Fetcher::new(folder, url).unwrap().with_pause(Duration::ZERO)
}

fn fetch_into(folder: tempfile::TempDir, server: &Server, set: &Wanted) -> Done {
    let (mut retries, mut progress) = (Vec::new(), Vec::new());
    let result = fetcher(folder.path(), &server.url()).fetch(set, &mut |event| match event {
        Event::Waiting => panic!("no other process fetches"),
        Event::Progress { have, of } => progress.push((have, of)),
        Event::Retrying { reason, pause } => {
            assert_eq!(pause, Duration::ZERO);
            retries.push(reason.to_owned());
        }
    });
    Done { folder, result, retries, progress }
}

fn fetch(server: &Server, set: &Wanted) -> Done {
    fetch_into(tempfile::tempdir().unwrap(), server, set)
}
