//! Downloads of ADBench's data sets from their public repository, with checks of size and digest.
//!
//! A download is written to `NAME.npz.part` and gets its final name only once it is complete and its digest is right. An
//! interrupted transfer continues where it stopped, in the same run or in a later one. Only one process at a time fetches into a
//! folder; a lock on the file `.lock` in it makes others wait.

mod error;
mod list;
mod transfer;

pub use error::FetchError;
pub use list::{FOLDERS, KnownSet, LICENCE, SOURCE, Wanted, known, select};

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use self::transfer::{Outcome, Transfer};
use anoonly_core::Digest;

/// The `datasets` folder of ADBench's repository at a fixed commit, so that the files never change.
pub const ADDRESS: &str =
    "https://raw.githubusercontent.com/Minqi824/ADBench/f7fed68dea6901fe9a81ed51b251b1d2456790cd/adbench/datasets";

/// The number of tries in a row that may fail without receiving anything new.
const TRIES: u32 = 5;

/// The folder for fetched data sets: the value of the variable `ANOONLY_CACHE`, or else `anoonly/adbench` in the platform's cache
/// folder.
///
/// # Errors
/// When neither exists.
pub fn cache_folder() -> Result<PathBuf, FetchError> {
    match std::env::var_os("ANOONLY_CACHE").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(folder.into()),
        None => Ok(dirs::cache_dir().ok_or(FetchError::NoCacheFolder)?.join("anoonly").join("adbench")),
    }
}

/// Something that happens during a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The fetch waits for another process that fetches into the same folder.
    Waiting,
    /// More bytes have arrived.
    Progress {
        /// Bytes received, including those of earlier runs.
        have: u64,
        /// Bytes of the data set, where the number is known.
        of: Option<u64>,
    },
    /// The transfer was interrupted and continues after a pause.
    Retrying {
        /// Why it was interrupted.
        reason: &'a str,
        /// The length of the pause.
        pause: Duration,
    },
}

/// The file of a data set after a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It existed already, with the right digest.
    AlreadyThere(PathBuf),
    /// It was downloaded.
    Downloaded(PathBuf),
}

/// Fetches data sets into a folder with the layout of ADBench's `datasets`.
#[derive(Debug)]
pub struct Fetcher {
    folder: PathBuf,
    address: String,
    agent: ureq::Agent,
    pause: Duration,
}

impl Fetcher {
    /// A fetcher from [`ADDRESS`] or from a mirror of it: an address below which the files are named as in
    /// `Classical/6_cardio.npz`.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), except for addresses of this
    /// machine.
    ///
    /// # Errors
    /// When the address does not begin with `http://` or `https://`.
    pub fn new(folder: impl Into<PathBuf>, address: &str) -> Result<Self, FetchError> {
        let address = address.trim_end_matches('/').to_owned();
        let agent = transfer::agent(&address)?;
        Ok(Self { folder: folder.into(), address, agent, pause: Duration::from_secs(1) })
    }

    /// Sets the pause before the first retry, which is one second by default. Each further pause is twice as long.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// The file of a data set.
    pub fn file(&self, set: &Wanted) -> PathBuf {
        self.folder.join(&set.folder).join(format!("{}.npz", set.name))
    }

    /// The address of a data set.
    pub fn url(&self, set: &Wanted) -> String {
        format!("{}/{}/{}.npz", self.address, set.folder, set.name)
    }

    /// Fetches a data set, unless it exists already.
    ///
    /// # Errors
    /// When another file has its name, the folder cannot be written to, the server refuses or has another file, or the transfer is
    /// interrupted several times without receiving anything new. In the last case the bytes received are kept for the next fetch.
    pub fn fetch(&self, set: &Wanted, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Fetched, FetchError> {
        let file = self.file(set);
        if self.exists(set, &file)? {
            return Ok(Fetched::AlreadyThere(file));
        }
        let parent = self.folder.join(&set.folder);
        fs::create_dir_all(&parent).map_err(failed(&parent))?;
        let _lock = self.lock(on_event)?;
        // Another process may have fetched it meanwhile.
        if self.exists(set, &file)? {
            return Ok(Fetched::AlreadyThere(file));
        }
        let url = self.url(set);
        let part = file.with_file_name(format!("{}.npz.part", set.name));
        let transfer = Transfer { agent: &self.agent, url: &url, part: &part, bytes: set.bytes };
        self.persist(&transfer, on_event)?;
        let found = Digest::of_file(&part).map_err(failed(&part))?;
        if found != set.sha256 {
            fs::remove_file(&part).map_err(failed(&part))?;
            return Err(FetchError::WrongDigest { url, expected: set.sha256, found });
        }
        let whole = OpenOptions::new().append(true).open(&part).and_then(|part| part.sync_all());
        whole.map_err(failed(&part))?;
        fs::rename(&part, &file).map_err(failed(&file))?;
        Ok(Fetched::Downloaded(file))
    }

    /// Whether the file of the data set exists.
    fn exists(&self, set: &Wanted, file: &Path) -> Result<bool, FetchError> {
        match Digest::of_file(file) {
            Ok(found) if found == set.sha256 => Ok(true),
            Ok(found) => Err(FetchError::OtherFile { path: file.into(), expected: set.sha256, found }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(file)(error)),
        }
    }

    /// Keeps all other processes from fetching into the folder while the returned file is open.
    fn lock(&self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<File, FetchError> {
        let path = self.folder.join(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                on_event(Event::Waiting);
                file.lock().map_err(failed(&path))?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
        }
        Ok(file)
    }

    /// Tries until all bytes have arrived.
    fn persist(&self, transfer: &Transfer<'_>, on_event: &mut dyn FnMut(Event<'_>)) -> Result<(), FetchError> {
        let mut most = transfer.have()?;
        let mut failures = 0;
        loop {
            let reason = match transfer.attempt(on_event)? {
                Outcome::Whole => return Ok(()),
                Outcome::Broken(reason) => reason,
            };
            let have = transfer.have()?;
            failures = if have > most { 1 } else { failures + 1 };
            most = most.max(have);
            if failures == TRIES {
                let (url, part) = (transfer.url.into(), transfer.part.into());
                return Err(FetchError::Broken { url, reason, have, part });
            }
            let pause = self.pause * 2u32.pow(failures - 1);
            on_event(Event::Retrying { reason: &reason, pause });
            thread::sleep(pause);
        }
    }
}

/// An error of a file.
fn failed(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    |source| FetchError::Io { path, source }
}
