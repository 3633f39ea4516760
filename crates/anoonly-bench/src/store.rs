//! The results of a folder, kept run by run.
//!
//! Every run is written the moment it is measured, as one line of `runs.jsonl`; a bench that is stopped, however, goes on from
//! there. A line is known by a key, the digest of everything that determines its run: the program itself, the rows of the data
//! set, the split, the labels, the method's whole configuration, the strategy, the seed and the backend. So a change of
//! any of these is another run, and what was measured before is never taken for it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::results::{self, Results, Row, Status};
use crate::{BenchError, Key};

/// The file of the runs in a folder of results.
const RUNS: &str = "runs.jsonl";

/// A folder's runs. One program writes to it at a time.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    file: Mutex<File>,
    known: HashMap<Key, Entry>,
}

/// A line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    key: Key,
    /// Its place in the grid it was measured in.
    place: usize,
    row: Row,
}

impl Store {
    /// Opens the store of a folder, or makes both, and reads what is there. A last line that was not written to its end, as
    /// by a program that was killed, is cut off.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be made or written to, when another program writes to it, or when a line is
    /// not a run.
    pub fn open(folder: &Path) -> Result<Self, BenchError> {
        let path = folder.join(RUNS);
        let failed = |path: &Path, reason: String| BenchError::Output { path: path.into(), reason };
        if folder.exists() && !folder.is_dir() {
            return Err(failed(folder, "it is a file, not a folder".into()));
        }
        for path in [&path, &folder.join(results::FILE)] {
            if path.is_dir() {
                return Err(failed(path, "it is a folder".into()));
            }
        }
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error.to_string()))?;
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut file = opened.map_err(|error| failed(&path, error.kind().to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed(&path, "another bench is writing to it; give this one another --out".into()));
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(&path, error.to_string())),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|error| failed(&path, error.to_string()))?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(|error| failed(&path, error.to_string()))?;
            file.seek(SeekFrom::End(0)).map_err(|error| failed(&path, error.to_string()))?;
        }
        let mut known = HashMap::new();
        for (index, line) in text[..whole].split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
        {
            let entry: Entry = serde_json::from_slice(line).map_err(|error| BenchError::File {
                path: path.clone(),
                reason: format!("line {}: not a run ({error}); move the file away or give another --out", index + 1),
            })?;
            // A run that failed is tried again; what came of it last counts.
            known.insert(entry.key.clone(), entry);
        }
        Ok(Self { folder: folder.into(), file: Mutex::new(file), known })
    }

    /// A run that was measured before; one that failed is not.
    pub fn measured(&self, key: &Key) -> Option<&Row> {
        let row = &self.known.get(key)?.row;
        matches!(row.status, Status::Ok(_)).then_some(row)
    }

    /// Writes a run, at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, key: Key, place: usize, row: &Row) -> Result<(), BenchError> {
        let entry = Entry { key, place, row: row.clone() };
        let failed = |reason: String| BenchError::Output { path: self.folder.join(RUNS), reason };
        let mut line = serde_json::to_vec(&entry).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        let mut file = self.file.lock().map_err(|error| failed(error.to_string()))?;
        file.write_all(&line).map_err(|error| failed(error.to_string()))
    }

    /// Takes over the runs of other folders that are not in this one yet.
    ///
    /// # Errors
    /// When one of them is no folder of results, or a run cannot be written.
    pub fn merge(&mut self, others: &[PathBuf]) -> Result<(), BenchError> {
        for folder in others {
            if !folder.join(RUNS).is_file() {
                let reason = format!("no folder of results: it has no {RUNS}");
                return Err(BenchError::File { path: folder.clone(), reason });
            }
            for (key, entry) in Store::open(folder)?.known {
                if self.measured(&key).is_none() {
                    self.add(key.clone(), entry.place, &entry.row)?;
                    self.known.insert(key, entry);
                }
            }
        }
        Ok(())
    }

    /// Every run that was there when the store was opened or came by a merge, in the order of the grid.
    pub fn rows(&self) -> Results {
        let mut entries: Vec<&Entry> = self.known.values().collect();
        entries.sort_by(|a, b| (a.place, &a.key).cmp(&(b.place, &b.key)));
        Results { rows: entries.into_iter().map(|entry| entry.row.clone()).collect() }
    }

    /// Writes `results.csv`, which is complete or not there at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_csv(&self, results: &Results) -> Result<(), BenchError> {
        results.write_csv(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Strategy;
    use crate::results::Scores;
    use anoonly_data::budget::LabelBudget;
    use anoonly_data::noise::Noise;
    use anoonly_data::protocol::Protocol;
    use anoonly_train::BackendName;

    fn row(seed: u64, status: Status) -> Row {
        Row {
            dataset: "made".into(),
            family: "made".into(),
            model: "devnet".into(),
            strategy: Strategy::anoonly(),
            protocol: Protocol::Clean,
            budget: LabelBudget::Ratio(0.1),
            noise: Noise::None,
            n_labeled: 1,
            seed,
            n_train: 7,
            n_test: 3,
            n_features: 2,
            backend: BackendName::Flex,
            status,
        }
    }

    fn ok(auroc: f64) -> Status {
        Status::Ok(Scores { auroc, ap: 0.1 + 0.2, ap_normal: 1.0 / 3.0, fit_seconds: 1e-9, score_seconds: 0.0 })
    }

    fn key(name: &str) -> Key {
        Key(name.into())
    }

    #[test]
    fn what_was_added_is_there_when_opened_again_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.add(key("b"), 1, &row(2, ok(0.7))).unwrap();
        store.add(key("a"), 0, &row(1, Status::Failed("no\nluck".into()))).unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.measured(&key("b")).unwrap(), &row(2, ok(0.7)));
        assert!(store.measured(&key("a")).is_none(), "a run that failed is tried again");
        assert!(store.measured(&key("c")).is_none());
        assert_eq!(store.rows().rows.iter().map(|row| row.seed).collect::<Vec<_>>(), [1, 2]);
        store.add(key("a"), 0, &row(1, ok(0.5))).unwrap();
        drop(store);
        assert!(Store::open(folder.path()).unwrap().measured(&key("a")).is_some());
    }

    #[test]
    fn a_line_that_was_cut_off_is_forgotten_and_a_foreign_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.add(key("a"), 0, &row(1, ok(0.5))).unwrap();
        store.add(key("b"), 1, &row(2, ok(0.6))).unwrap();
        drop(store);
        let path = folder.path().join(RUNS);
        let text = std::fs::read(&path).unwrap();
        let first = text.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for end in [first + 1, text.len() - 1] {
            std::fs::write(&path, &text[..end]).unwrap();
            let store = Store::open(folder.path()).unwrap();
            assert!(store.measured(&key("a")).is_some() && store.measured(&key("b")).is_none());
            store.add(key("b"), 1, &row(2, ok(0.6))).unwrap();
            drop(store);
            assert_eq!(std::fs::read(&path).unwrap(), text);
        }
        std::fs::write(&path, [&text[..], b"{}\n"].concat()).unwrap();
        let message = Store::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("runs.jsonl: line 3: not a run"), "{message}");
    }

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Store::open(folder.path()).unwrap();
        let message = Store::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("another bench is writing to it"), "{message}");
    }

    #[test]
    fn merged_stores_hold_every_run_once_in_the_order_of_the_grid() {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        for (folder, runs) in folders.iter().zip([&[0, 2][..], &[1, 2]]) {
            let store = Store::open(folder.path()).unwrap();
            for &place in runs {
                store.add(key(&place.to_string()), place, &row(place as u64, ok(0.5))).unwrap();
            }
        }
        let sources: Vec<PathBuf> = folders[..2].iter().map(|folder| folder.path().into()).collect();
        let mut store = Store::open(folders[2].path()).unwrap();
        store.merge(&sources).unwrap();
        assert_eq!(store.rows().rows.iter().map(|row| row.seed).collect::<Vec<_>>(), [0, 1, 2]);
        drop(store);
        assert_eq!(Store::open(folders[2].path()).unwrap().rows().rows.len(), 3);
        assert!(Store::open(folders[2].path()).unwrap().merge(&[folders[2].path().join("none")]).is_err());
    }
}
