//! ADBench's data sets from their public repository, each with its size and digest checked.
//!
//! A download goes to `NAME.npz.part` beside its goal and has its name only once it is whole and its digest is right. What
//! broke off goes on where it stopped, in the same run or in a later one. One process at a time fetches into a folder, kept
//! so by a lock on the file `.lock` in it; others wait.

mod digest;
mod error;
mod list;
mod transfer;

pub use digest::Digest;
pub use error::FetchError;
pub use list::{FOLDERS, KnownSet, LICENCE, SOURCE, Wanted, known, select};

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use self::transfer::{Outcome, Transfer};

/// The `datasets` folder of ADBench's repository, at a commit, so that the files stay the same.
pub const ADDRESS: &str =
    "https://raw.githubusercontent.com/Minqi824/ADBench/f7fed68dea6901fe9a81ed51b251b1d2456790cd/adbench/datasets";

/// How often in a row a transfer may break off without anything new.
const TRIES: u32 = 5;

/// The folder of fetched data sets: that of the variable `ANOONLY_CACHE`, or `anoonly/adbench` in the platform's cache folder.
///
/// # Errors
/// When there is neither.
pub fn cache_folder() -> Result<PathBuf, FetchError> {
    match std::env::var_os("ANOONLY_CACHE").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(folder.into()),
        None => Ok(dirs::cache_dir().ok_or(FetchError::NoCacheFolder)?.join("anoonly").join("adbench")),
    }
}

/// What happens during a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Another process fetches into the same folder; it is waited for.
    Waiting,
    /// So many bytes are there now.
    Progress {
        /// Bytes received, those of earlier runs among them.
        have: u64,
        /// Bytes of the data set, where they are known.
        of: Option<u64>,
    },
    /// The transfer broke off and goes on after a pause.
    Retrying {
        /// What happened.
        reason: &'a str,
        /// How long nothing is done.
        pause: Duration,
    },
}

/// A data set that is at hand now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It was there already, with the right digest.
    AlreadyThere(PathBuf),
    /// It came from the server.
    Downloaded(PathBuf),
}

/// Fetches data sets into a folder laid out as ADBench's `datasets`.
#[derive(Debug)]
pub struct Fetcher {
    folder: PathBuf,
    address: String,
    agent: ureq::Agent,
    pause: Duration,
}

impl Fetcher {
    /// Fetches from [`ADDRESS`] or from a mirror of it, an address below which the files are named as `Classical/6_cardio.npz`.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), but for addresses of
    /// this machine.
    ///
    /// # Errors
    /// When the address is none of `http://` or `https://`.
    pub fn new(folder: impl Into<PathBuf>, address: &str) -> Result<Self, FetchError> {
        let address = address.trim_end_matches('/').to_owned();
        let agent = transfer::agent(&address)?;
        Ok(Self { folder: folder.into(), address, agent, pause: Duration::from_secs(1) })
    }

    /// Pauses so long before the first new try, one second unless told; before each further one twice as long.
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

    /// Fetches a data set, unless it is there already.
    ///
    /// # Errors
    /// When another file stands in its place, the folder cannot be written to, the server refuses or has another file, or
    /// the transfer broke off several times without anything new; what was received is kept then, for the next fetch.
    pub fn fetch(&self, set: &Wanted, tell: &mut dyn FnMut(Event<'_>)) -> Result<Fetched, FetchError> {
        let file = self.file(set);
        if self.is_there(set, &file)? {
            return Ok(Fetched::AlreadyThere(file));
        }
        let parent = self.folder.join(&set.folder);
        fs::create_dir_all(&parent).map_err(failed(&parent))?;
        let _lock = self.lock(tell)?;
        // Another process may have brought it meanwhile.
        if self.is_there(set, &file)? {
            return Ok(Fetched::AlreadyThere(file));
        }
        let url = self.url(set);
        let part = file.with_file_name(format!("{}.npz.part", set.name));
        let transfer = Transfer { agent: &self.agent, url: &url, part: &part, bytes: set.bytes };
        self.persist(&transfer, tell)?;
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

    /// Whether the file is there.
    fn is_there(&self, set: &Wanted, file: &Path) -> Result<bool, FetchError> {
        match Digest::of_file(file) {
            Ok(found) if found == set.sha256 => Ok(true),
            Ok(found) => Err(FetchError::OtherFile { path: file.into(), expected: set.sha256, found }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(file)(error)),
        }
    }

    /// Keeps all other processes from fetching into the folder, for as long as the file is held.
    fn lock(&self, tell: &mut dyn FnMut(Event<'_>)) -> Result<File, FetchError> {
        let path = self.folder.join(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tell(Event::Waiting);
                file.lock().map_err(failed(&path))?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
        }
        Ok(file)
    }

    /// Tries until all bytes are there.
    fn persist(&self, transfer: &Transfer<'_>, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), FetchError> {
        let mut most = transfer.have()?;
        let mut failures = 0;
        loop {
            let reason = match transfer.attempt(tell)? {
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
            tell(Event::Retrying { reason: &reason, pause });
            thread::sleep(pause);
        }
    }
}

/// An error of a file.
fn failed(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    |source| FetchError::Io { path, source }
}
