//! What can go wrong with a download.

use std::path::{Path, PathBuf};

use super::Digest;

/// Why a data set was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No data set of the list fits a name or pattern.
    #[error(
        "no data set of the list fits `{pattern}`{hint} (`anoonly data list` shows it; ADBench's other data sets go by folder, as Classical/33_skin, with --sha256)"
    )]
    UnknownSet {
        /// The name or pattern.
        pattern: String,
        /// The nearest names, as the end of a sentence.
        hint: String,
    },
    /// A data set that is not in the list was asked for without a digest.
    #[error(
        "{name}: not in the list of data sets whose digest is known here{hint} To fetch it all the same, give the digest it must have, as sha256sum tells of a copy that you trust: --sha256 HEX"
    )]
    UnknownDigest {
        /// The data set, as `Classical/33_skin`.
        name: String,
        /// The nearest names of the list, as the end of a sentence.
        hint: String,
    },
    /// A word that is no digest.
    #[error("`{given}` is no SHA-256 digest: 64 hexadecimal digits are needed")]
    BadDigest {
        /// The word.
        given: String,
    },
    /// One digest was given for several data sets.
    #[error("--sha256 goes with one data set by name, but {sets} fit")]
    DigestOfSeveral {
        /// How many.
        sets: usize,
    },
    /// The digest given is not that of the list.
    #[error("--sha256: {name} has the digest {known}, not {given}; leave the option out")]
    OtherDigest {
        /// The data set.
        name: String,
        /// The digest given.
        given: Digest,
        /// The digest in the list.
        known: Digest,
    },
    /// A folder or name that none of ADBench's data sets can have.
    #[error("`{name}`: ADBench's data sets go by folder and name, as Classical/33_skin; its folders are {}", super::FOLDERS.join(", "))]
    BadName {
        /// Folder and name as given.
        name: String,
    },
    /// An address that nothing can be fetched from.
    #[error("`{url}`: {reason}; an address as https://example.org/adbench/datasets is needed")]
    BadAddress {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The platform tells no cache folder.
    #[error("no cache folder is known here: set ANOONLY_CACHE to a folder, or name one with --to")]
    NoCacheFolder,
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of that name is there, but it is not the data set.
    #[error("{}: there is another file of this name already (SHA-256 {found}, not {expected}): move it away or delete it", path.display())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// The digest of the data set.
        expected: Digest,
        /// The digest of the file.
        found: Digest,
    },
    /// The server refuses.
    #[error("{url}: the server answered {status}: {advice}")]
    Http {
        /// The address.
        url: String,
        /// The status, as `404 Not Found`.
        status: String,
        /// What may help.
        advice: &'static str,
    },
    /// The server tells another length than the data set has.
    #[error("{url}: the server has {found} bytes there, but the data set has {expected}: it is another file")]
    WrongLength {
        /// The address.
        url: String,
        /// Bytes of the data set.
        expected: u64,
        /// Bytes on the server.
        found: u64,
    },
    /// The server sends more than the data set can have.
    #[error("{url}: more than {most} bytes: it is another file")]
    TooLong {
        /// The address.
        url: String,
        /// Bytes of the data set, or of the largest that is taken where that is not known.
        most: u64,
    },
    /// The transfer broke off, again and again.
    #[error("{url}: {reason}; {}", kept(*have, part))]
    Broken {
        /// The address.
        url: String,
        /// What happened the last time.
        reason: String,
        /// Bytes received.
        have: u64,
        /// Where they are.
        part: PathBuf,
    },
    /// What was received is not the data set.
    #[error("{url}: received SHA-256 {found}, expected {expected}; it was deleted. The same command fetches it anew")]
    WrongDigest {
        /// The address.
        url: String,
        /// The digest of the data set.
        expected: Digest,
        /// The digest of what was received.
        found: Digest,
    },
}

/// What is left of a transfer that broke off.
fn kept(have: u64, part: &Path) -> String {
    match have {
        0 => "nothing was received: see whether this machine reaches the server, and try again later".into(),
        have => format!("{have} bytes are kept in {}: the same command goes on from there", part.display()),
    }
}

impl FetchError {
    /// Whether the options, the input or the files at hand are to blame, and not the server or the way to it.
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
