//! How a table is read.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::csv::Delimiter;
use super::refuse_duplicates;
use crate::DataError;

/// How a table is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The columns that are read. The others are not looked at: their types and values are no reason for an error.
    pub columns: WantedColumns,
    /// The delimiter of CSV text; `None` when it is to be recognised.
    pub delimiter: Option<Delimiter>,
    /// The most bytes that the cells of a table, or of one block of it, may take in memory.
    pub memory_limit: u64,
}

impl ReadOptions {
    /// The default of [`memory_limit`](Self::memory_limit): 8 GiB.
    pub const MEMORY_LIMIT: u64 = 8 << 30;
}

impl Default for ReadOptions {
    /// All columns, any delimiter and [`MEMORY_LIMIT`](Self::MEMORY_LIMIT).
    fn default() -> Self {
        Self { columns: WantedColumns::All, delimiter: None, memory_limit: Self::MEMORY_LIMIT }
    }
}

/// The columns of a file that are read. Columns that the file does not have are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedColumns {
    /// All of them.
    All,
    /// All except these.
    Except(Vec<String>),
    /// Only these.
    Only(Vec<String>),
}

/// The columns of a file, and which of them are read.
#[derive(Clone, Debug)]
pub(super) struct FileColumns {
    names: Arc<[String]>,
    places: Vec<usize>,
}

impl FileColumns {
    /// Chooses columns by their names.
    ///
    /// # Errors
    /// When a wanted column has no name, or two have the same name.
    pub(super) fn choose(path: &Path, names: Vec<String>, wanted: &WantedColumns) -> Result<Self, DataError> {
        let listed: HashSet<&str> = match wanted {
            WantedColumns::All => HashSet::new(),
            WantedColumns::Except(names) | WantedColumns::Only(names) => names.iter().map(String::as_str).collect(),
        };
        let is_wanted = |name: &str| match wanted {
            WantedColumns::All => true,
            WantedColumns::Except(_) => !listed.contains(name),
            WantedColumns::Only(_) => listed.contains(name),
        };
        let places: Vec<usize> = (0..names.len()).filter(|&place| is_wanted(&names[place])).collect();
        if let Some(place) = places.iter().find(|&&place| names[place].trim().is_empty()) {
            return Err(DataError::NamelessColumn { path: path.into(), number: place + 1 });
        }
        refuse_duplicates(path, places.iter().map(|&place| names[place].as_str()))?;
        Ok(Self { names: names.into(), places })
    }

    /// The names of all columns of the file.
    pub(super) fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// The places of the columns that are read, in increasing order.
    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    /// The names of the columns that are read.
    pub(super) fn wanted(&self) -> impl ExactSizeIterator<Item = &str> {
        self.places.iter().map(|&place| self.names[place].as_str())
    }
}
