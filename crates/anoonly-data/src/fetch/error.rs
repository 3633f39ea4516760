//! Errors of downloads.

use std::path::{Path, PathBuf};

use anoonly_core::{CoreError, Digest};

/// Why a data set was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No data set in the list matches a name or pattern.
    #[error("no data set in the list matches `{pattern}`{hint}")]
    UnknownSet {
        /// The name or pattern.
        pattern: String,
        /// Similar names, as the end of the sentence.
        hint: String,
    },
    /// A data set outside of the list was requested without a digest.
    #[error("{name} is not in the list of data sets with a known digest{hint}")]
    UnknownDigest {
        /// The data set, such as `Classical/33_skin`.
        name: String,
        /// Similar names in the list, as the end of the sentence.
        hint: String,
    },
    /// One digest was given for several data sets.
    #[error("one digest was given for {sets} data sets; it can belong to only one")]
    DigestOfSeveral {
        /// The number of data sets.
        sets: usize,
    },
    /// The digest that was given differs from that in the list.
    #[error("{name} has the digest {known}, not {given}")]
    OtherDigest {
        /// The data set.
        name: String,
        /// The digest that was given.
        given: Digest,
        /// The digest in the list.
        known: Digest,
    },
    /// A folder or name that no data set of ADBench can have.
    #[error("`{name}`: ADBench's data sets are named by folder and name, as Classical/33_skin; its folders are {}", super::FOLDERS.join(", "))]
    BadName {
        /// The folder and name that were given.
        name: String,
    },
    /// An address from which nothing can be fetched.
    #[error("`{url}`: {reason}; an address such as https://example.org/adbench/datasets is needed")]
    BadAddress {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The platform has no cache folder.
    #[error("this platform has no cache folder; set the variable ANOONLY_CACHE to a folder")]
    NoCacheFolder,
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file with the name of the data set exists, but it is not the data set.
    #[error("{}: another file has this name already (SHA-256 {found}, not {expected}); move it away or delete it", path.display())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// The digest of the data set.
        expected: Digest,
        /// The digest of the file.
        found: Digest,
    },
    /// The server refuses the request.
    #[error("{url}: the server answered {status}: {advice}")]
    Http {
        /// The address.
        url: String,
        /// The status, such as `404 Not Found`.
        status: String,
        /// What may help.
        advice: &'static str,
    },
    /// The file on the server has another length than the data set.
    #[error("{url}: the file on the server has {found} bytes, but the data set has {expected}: it is another file")]
    WrongLength {
        /// The address.
        url: String,
        /// Bytes of the data set.
        expected: u64,
        /// Bytes on the server.
        found: u64,
    },
    /// The server sends more bytes than the data set can have.
    #[error("{url}: more than {most} bytes: it is another file")]
    TooLong {
        /// The address.
        url: String,
        /// Bytes of the data set or, where its length is unknown, the largest number that is accepted.
        most: u64,
    },
    /// The transfer was interrupted several times in a row.
    #[error("{url}: {reason}; {}", kept(*have, part))]
    Broken {
        /// The address.
        url: String,
        /// The reason of the last interruption.
        reason: String,
        /// Bytes received.
        have: u64,
        /// The file that holds them.
        part: PathBuf,
    },
    /// The file that was received is not the data set.
    #[error(
        "{url}: received a file with SHA-256 {found}, expected {expected}; the file was deleted, so fetching again starts anew"
    )]
    WrongDigest {
        /// The address.
        url: String,
        /// The digest of the data set.
        expected: Digest,
        /// The digest of the received file.
        found: Digest,
    },
    /// A text that is not a digest.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// What is left of an interrupted transfer.
fn kept(have: u64, part: &Path) -> String {
    match have {
        0 => "nothing was received; check that this machine can reach the server, and try again later".into(),
        have => format!("{have} bytes are kept in {}; fetching again continues from there", part.display()),
    }
}

impl FetchError {
    /// Whether the cause is the input, the options or local files, rather than the server or the connection to it.
    pub fn is_input(&self) -> bool {
        !matches!(
            self,
            FetchError::Http { .. }
                | FetchError::WrongLength { .. }
                | FetchError::TooLong { .. }
                | FetchError::Broken { .. }
                | FetchError::WrongDigest { .. }
        )
    }
}
