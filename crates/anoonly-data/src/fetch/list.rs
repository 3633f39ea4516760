//! ADBench's data sets by name.

use std::sync::LazyLock;

use wildmatch::WildMatch;

use super::FetchError;
use crate::names::family;
use anoonly_core::{Digest, did_you_mean};

/// The origin of ADBench's data sets: S. Han, X. Hu, H. Huang, M. Jiang, Y. Zhao, "ADBench: Anomaly Detection Benchmark",
/// NeurIPS 2022.
pub const SOURCE: &str = "ADBench (Han et al. 2022)";

/// Their licence. ADBench collected the sets from many places, each with its own terms.
pub const LICENCE: &str = "see source";

/// The folders of ADBench's `datasets`.
pub const FOLDERS: [&str; 5] = ["Classical", "CV_by_ResNet18", "CV_by_ViT", "NLP_by_BERT", "NLP_by_RoBERTa"];

/// A data set of ADBench whose file the project has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSet {
    /// Its folder in ADBench, such as `Classical`.
    pub folder: &'static str,
    /// The name of its file without the ending, such as `6_cardio`.
    pub name: &'static str,
    /// The number of rows.
    pub rows: usize,
    /// The number of feature columns.
    pub features: usize,
    /// The number of anomalies.
    pub anomalies: usize,
    /// The number of bytes in the file.
    pub bytes: u64,
    /// The digest of the file.
    pub sha256: Digest,
}

impl KnownSet {
    /// The family; results are averaged over its members.
    pub fn family(&self) -> &'static str {
        family(self.folder, self.name)
    }

    /// Folder and name, such as `Classical/6_cardio`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }

    fn matches(&self, pattern: &str) -> bool {
        let pattern = WildMatch::new(pattern);
        pattern.matches(self.name) || pattern.matches(&self.path())
    }
}

/// The data sets of ADBench whose size and digest are known. ADBench has more of them. `xtask/data/adbench_catalogue.py` writes the
/// list from local files.
pub fn known() -> &'static [KnownSet] {
    static KNOWN: LazyLock<Vec<KnownSet>> = LazyLock::new(|| {
        include_str!("adbench.csv").lines().skip(1).map(|line| read(line).expect("a line of adbench.csv")).collect()
    });
    &KNOWN
}

fn read(line: &'static str) -> Option<KnownSet> {
    let mut cells = line.split(',');
    Some(KnownSet {
        folder: cells.next()?,
        name: cells.next()?,
        rows: cells.next()?.parse().ok()?,
        features: cells.next()?.parse().ok()?,
        anomalies: cells.next()?.parse().ok()?,
        bytes: cells.next()?.parse().ok()?,
        sha256: cells.next()?.parse().ok()?,
    })
}

/// A data set to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Digest,
}

impl Wanted {
    /// A data set by its folder in ADBench and its name, with the number of bytes in its file, where it is known, and its digest.
    ///
    /// # Errors
    /// When ADBench has no such folder, or the name contains anything but letters, digits, `_`, `-`, `+` and inner dots.
    pub fn new(folder: &str, name: &str, bytes: Option<u64>, sha256: Digest) -> Result<Self, FetchError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-+.".contains(c);
        if !FOLDERS.contains(&folder) || name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(FetchError::BadName { name: format!("{folder}/{name}") });
        }
        Ok(Self { folder: folder.into(), name: name.into(), bytes, sha256 })
    }

    /// Folder and name, such as `Classical/6_cardio`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }
}

impl From<&KnownSet> for Wanted {
    fn from(set: &KnownSet) -> Self {
        let (folder, name) = (set.folder.into(), set.name.into());
        Self { folder, name, bytes: Some(set.bytes), sha256: set.sha256 }
    }
}

/// The data sets that match any of the patterns, each once, in the order of the list. `*` stands for any characters and `?` for
/// one. With a digest only one set may match, and it need not be in the list: `Classical/33_skin` is accepted too.
///
/// # Errors
/// When a pattern matches nothing (the error suggests similar names), when a data set outside of the list comes without a digest,
/// and when the digest is malformed, is given for several data sets, or differs from that in the list.
pub fn select(patterns: &[String], sha256: Option<&str>) -> Result<Vec<Wanted>, FetchError> {
    let given: Option<Digest> = sha256.map(str::parse).transpose()?;
    for pattern in patterns {
        if known().iter().any(|set| set.matches(pattern)) {
            continue;
        }
        return match (pattern.split_once('/'), given) {
            (Some(_), Some(_)) if patterns.len() > 1 => Err(FetchError::DigestOfSeveral { sets: patterns.len() }),
            (Some((folder, name)), Some(given)) => Ok(vec![Wanted::new(folder, name, None, given)?]),
            (Some((folder, name)), None) if Wanted::new(folder, name, None, Digest::of(b"")).is_ok() => {
                let hint = did_you_mean(name, known().iter().map(|set| set.name));
                Err(FetchError::UnknownDigest { name: pattern.clone(), hint })
            }
            _ => {
                let name = pattern.rsplit('/').next().unwrap_or(pattern);
                let hint = did_you_mean(name, known().iter().map(|set| set.name));
                Err(FetchError::UnknownSet { pattern: pattern.clone(), hint })
            }
        };
    }
    let matching: Vec<&KnownSet> =
        known().iter().filter(|set| patterns.iter().any(|pattern| set.matches(pattern))).collect();
    match (given, matching.as_slice()) {
        (None, _) => {}
        (Some(given), [set]) if set.sha256 == given => {}
        (Some(given), [set]) => {
            return Err(FetchError::OtherDigest { name: set.path(), given, known: set.sha256 });
        }
        (Some(_), sets) => return Err(FetchError::DigestOfSeveral { sets: sets.len() }),
    }
    Ok(matching.into_iter().map(Wanted::from).collect())
}

#[cfg(test)]
mod tests;
