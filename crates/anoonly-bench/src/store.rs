//! The results of a folder, kept run by run.
//!
//! Every run is written the moment it is measured, as one line of `runs.jsonl`; a bench that is stopped, however, goes on from
//! there. A line is known by a key, the digest of everything that determines its run: the program itself, the rows of the data
//! set, the split, the labels, the method's whole configuration, the strategy, the seed and the backend. So a change of
//! any of these is another run, and what was measured before is never taken for it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
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
    /// The runs that were there when it was opened, in the order of the file.
    entries: Vec<Entry>,
    /// The last of each key.
    known: HashMap<Key, usize>,
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
        let (entries, whole) = parse(&text, &path)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(|error| failed(&path, error.to_string()))?;
        }
        let known = entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        Ok(Self { folder: folder.into(), file: Mutex::new(file), entries, known })
    }

    /// A run that was measured before; one that failed is not.
    pub fn measured(&self, key: &Key) -> Option<&Row> {
        let row = &self.entries[*self.known.get(key)?].row;
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
        let before = file.metadata().map_err(|error| failed(error.to_string()))?.len();
        file.write_all(&line).map_err(|error| {
            // A line that stands there in part would spoil the next one. If not even that can be done, it is cut off when
            // the store is opened, unless another line follows.
            let _ = file.set_len(before);
            failed(error.to_string())
        })
    }

    /// Takes over the runs of other folders that are not in this one yet, writes `results.csv`, and returns all of them in the
    /// order of the grid.
    /// Where one folder holds a run several times, as measured by several builds of the program or with several settings, the
    /// last one counts. Nothing is written unless all can be joined.
    ///
    /// # Errors
    /// When one of them is no folder of results, when two folders hold different measurements of one run or runs that cannot
    /// stand in one table, or when a run cannot be written.
    pub fn merge(self, others: &[PathBuf]) -> Result<Results, BenchError> {
        let mut all = last_of_each_cell(self.entries.clone());
        let mut new = Vec::new();
        for folder in others {
            let path = folder.join(RUNS);
            let failed = |reason: String| BenchError::File { path: folder.clone(), reason };
            if !path.is_file() {
                return Err(failed(format!("no folder of results: it has no {RUNS}")));
            }
            if path.canonicalize().ok() == self.folder.join(RUNS).canonicalize().ok() {
                continue;
            }
            let text = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
            for (cell, entry) in last_of_each_cell(parse(&text, &path)?.0) {
                match all.get(&cell) {
                    Some(known) if known.key != entry.key => {
                        let Row { dataset, model, strategy, seed, .. } = &entry.row;
                        return Err(failed(format!(
                            "its run of {model} ({strategy}) on {dataset} with seed {seed} is not the one of another folder: another build of the program, other settings or other data"
                        )));
                    }
                    Some(Entry { row: Row { status: Status::Ok(_), .. }, .. }) => {}
                    _ => {
                        new.push(entry.clone());
                        all.insert(cell, entry);
                    }
                }
            }
        }
        let kind = |row: &Row| (row.protocol, row.backend);
        let mut entries: Vec<Entry> = all.into_values().collect();
        entries.sort_by(|a, b| (a.place, &a.key).cmp(&(b.place, &b.key)));
        if let Some(pair) = entries.windows(2).find(|pair| kind(&pair[0].row) != kind(&pair[1].row)) {
            let told = [0, 1].map(|side| format!("{} on {}", pair[side].row.protocol, pair[side].row.backend));
            let reason = format!("these cannot stand in one table: {}", told.join(" and "));
            return Err(BenchError::File { path: self.folder.clone(), reason });
        }
        for entry in new {
            self.add(entry.key, entry.place, &entry.row)?;
        }
        let results = Results { rows: entries.into_iter().map(|entry| entry.row).collect() };
        self.write_csv(&results)?;
        Ok(results)
    }

    /// Writes `results.csv`, which is complete or not there at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_csv(&self, results: &Results) -> Result<(), BenchError> {
        results.write_csv(&self.folder)
    }
}

/// Every run of a file in its order, and the length of its whole lines.
fn parse(text: &[u8], path: &Path) -> Result<(Vec<Entry>, usize), BenchError> {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let lines = text[..whole].split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let entry = |(index, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|error| BenchError::File {
            path: path.into(),
            reason: format!("line {}: not a run ({error}); move the file away or give another --out", index + 1),
        })
    };
    Ok((lines.map(entry).collect::<Result<_, _>>()?, whole))
}

/// What tells a run from the others of a table.
type Cell = [String; 7];

/// A run that failed is tried again, and a folder may serve several builds of the program: what was written last counts.
fn last_of_each_cell(entries: Vec<Entry>) -> BTreeMap<Cell, Entry> {
    entries.into_iter().map(|entry| (cell(&entry.row), entry)).collect()
}

fn cell(row: &Row) -> Cell {
    let Row { dataset, model, strategy, protocol, budget, noise, seed, backend, .. } = row;
    let setting = format!("{budget:?} {noise}");
    [
        dataset.clone(),
        model.clone(),
        strategy.to_string(),
        protocol.to_string(),
        setting,
        seed.to_string(),
        backend.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Scores;

    fn row(seed: u64, status: Status) -> Row {
        Row { seed, status, ..Row::made() }
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

    /// Folders with runs of the given keys and seeds, a seed's place being itself.
    fn folders(runs: &[&[(&str, u64)]]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let all = tempfile::tempdir().unwrap();
        let folder = |(index, runs): (usize, &&[(&str, u64)])| {
            let folder = all.path().join(index.to_string());
            let store = Store::open(&folder).unwrap();
            runs.iter().for_each(|&(name, seed)| store.add(key(name), seed as usize, &row(seed, ok(0.5))).unwrap());
            folder
        };
        let folders = runs.iter().enumerate().map(folder).collect();
        (all, folders)
    }

    fn seeds(results: &Results) -> Vec<u64> {
        results.rows.iter().map(|row| row.seed).collect()
    }

    #[test]
    fn merged_stores_hold_every_run_once_in_the_order_of_the_grid() {
        let (all, sources) = folders(&[&[("a", 0), ("c", 2)], &[("b", 1), ("c", 2)]]);
        let out = all.path().join("out");
        assert_eq!(seeds(&Store::open(&out).unwrap().merge(&sources).unwrap()), [0, 1, 2]);
        assert_eq!(std::fs::read_to_string(out.join(RUNS)).unwrap().lines().count(), 3);
        // Into one of themselves, and once more.
        assert_eq!(seeds(&Store::open(&sources[0]).unwrap().merge(&sources).unwrap()), [0, 1, 2]);
        assert_eq!(seeds(&Store::open(&out).unwrap().merge(&sources).unwrap()), [0, 1, 2]);
    }

    #[test]
    fn the_last_measurement_of_a_folder_counts_and_two_folders_may_not_disagree() {
        let (all, sources) = folders(&[&[("old", 0), ("new", 0), ("b", 1)], &[("new", 0)], &[("old", 0)]]);
        let merged = |out: &str, sources: &[PathBuf]| Store::open(&all.path().join(out)).unwrap().merge(sources);
        assert_eq!(seeds(&merged("fine", &sources[..2]).unwrap()), [0, 1]);
        // The same where the folder that is merged into is the one with two measurements.
        assert_eq!(seeds(&merged("0", &sources[1..2]).unwrap()), [0, 1]);
        assert!(merged("0", &sources[2..]).is_err());
        let message = merged("bad", &sources).unwrap_err().to_string();
        assert!(message.contains("run of devnet (anoonly) on made with seed 0 is not the one of another"), "{message}");
        let nowhere = [sources[0].clone(), all.path().join("nowhere")];
        assert!(merged("bad", &nowhere).unwrap_err().to_string().contains("no folder of results"));
        assert_eq!(seeds(&merged("bad", &sources[..2]).unwrap()), [0, 1], "a refused merge leaves nothing behind");
    }
}
