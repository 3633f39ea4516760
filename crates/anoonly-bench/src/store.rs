//! The results of a folder, kept run by run.
//!
//! Every run is written the moment it is measured, as one line of `runs.jsonl`; a bench that is stopped, however, goes on from
//! there. A line is known by a key, the digest of everything that determines its run: the program itself, the rows of the data
//! set or the kind of synthetic ones in their place, the split, the labels, the method's whole configuration, the strategy, the
//! seed and the backend. So a change of any of these is another run, and what was measured before is never taken for it. What a
//! report draws of a run besides its row is a line of `details.jsonl` under the same key, written before the row.

mod lines;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::results::{self, Results, Row, Status};
use crate::{BenchError, Details, Key};
use lines::Lines;

/// The files in a folder of results.
const RUNS: &str = "runs.jsonl";
const DETAILS: &str = "details.jsonl";
/// What their lines are.
const RUN: &str = "a run";
const DETAIL: &str = "the details of a run";

/// A folder's runs. One program writes to it at a time.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    runs: Lines,
    details: Lines,
    /// The runs that were there when it was opened, in the order of the file, with their details.
    entries: Vec<Entry>,
    /// The last of each key.
    known: HashMap<Key, usize>,
}

/// A line of the runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    key: Key,
    #[serde(flatten)]
    place: Place,
    row: Row,
}

/// Where a run stands in the grid it was measured in, and what measured it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its place among the runs of the whole grid, from 0.
    pub place: usize,
    /// The runs of the whole grid; 0 where that is not known.
    #[serde(default)]
    pub of: usize,
    /// The digest of the program, the method's configuration and the strategy; empty where it is not known.
    #[serde(default)]
    pub made_by: String,
}

/// Results of several folders in one.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The runs, in the order of their grid.
    pub results: Results,
    /// Runs of the grid that no folder holds; 0 where the folders are not parts of one grid.
    pub missing: usize,
}

/// A line of the details.
#[derive(Debug, Serialize, Deserialize)]
struct Detail<D> {
    key: Key,
    details: D,
}

impl Store {
    /// Opens the store of a folder, or makes both, and reads what is there. A last line that was not written to its end, as
    /// by a program that was killed, is cut off.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be made or written to, when another program writes to it, or when a line is
    /// not what it should be.
    pub fn open(folder: &Path) -> Result<Self, BenchError> {
        let failed = |path: &Path, reason: String| BenchError::Output { path: path.into(), reason };
        if folder.exists() && !folder.is_dir() {
            return Err(failed(folder, "it is a file, not a folder".into()));
        }
        let table = folder.join(results::FILE);
        if table.is_dir() {
            return Err(failed(&table, "it is a folder".into()));
        }
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error.to_string()))?;
        let (runs, mut entries) = Lines::open(folder.join(RUNS), RUN)?;
        let (details, known_details) = Lines::open(folder.join(DETAILS), DETAIL)?;
        join(&mut entries, known_details);
        let known = entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        Ok(Self { folder: folder.into(), runs, details, entries, known })
    }

    /// A run that was measured before, with its details where they were kept; one that failed is not.
    pub fn measured(&self, key: &Key) -> Option<&Row> {
        let row = &self.entries[*self.known.get(key)?].row;
        matches!(row.status, Status::Ok(_)).then_some(row)
    }

    /// Writes a run and its details, if it has them, at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, key: Key, place: Place, row: &Row) -> Result<(), BenchError> {
        // The details first: where the program is killed between the two, the run is measured again.
        if let Some(details) = &row.details {
            self.add_details(key.clone(), details)?;
        }
        self.runs.add(&Entry { key, place, row: row.clone() })
    }

    /// Writes the details of a run that stands there already.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add_details(&self, key: Key, details: &Details) -> Result<(), BenchError> {
        self.details.add(&Detail { key, details })
    }

    /// Takes over the runs of other folders that are not in this one yet, writes `results.csv`, and returns all of them in the
    /// order of the grid.
    /// Where one folder holds a run several times, as measured by several builds of the program or with several settings, the
    /// last one counts. Nothing is written unless all can be joined.
    ///
    /// # Errors
    /// When one of them is no folder of results, when two folders hold different measurements of one run or runs that cannot
    /// stand in one table, as those of one method by two builds or with two configurations, or when a run cannot be written.
    pub fn merge(self, others: &[PathBuf]) -> Result<Merged, BenchError> {
        let mut all = last_of_each_cell(self.entries.clone());
        let (mut new, mut new_details) = (Vec::new(), Vec::new());
        for folder in others {
            let path = folder.join(RUNS);
            let failed = |reason: String| BenchError::File { path: folder.clone(), reason };
            if !path.is_file() {
                return Err(failed(format!("no folder of results: it has no {RUNS}")));
            }
            if path.canonicalize().ok() == self.folder.join(RUNS).canonicalize().ok() {
                continue;
            }
            let mut entries = lines::read(&path, RUN)?;
            let details = folder.join(DETAILS);
            if details.is_file() {
                join(&mut entries, lines::read(&details, DETAIL)?);
            }
            for (cell, entry) in last_of_each_cell(entries) {
                match all.get_mut(&cell) {
                    Some(known) if known.key != entry.key => {
                        let Row { dataset, model, strategy, seed, .. } = &entry.row;
                        return Err(failed(format!(
                            "its run of {model} ({strategy}) on {dataset} with seed {seed} is not the one of another folder: another build of the program, other settings or other data"
                        )));
                    }
                    Some(Entry { row: Row { status: Status::Ok(_), details, .. }, .. }) => {
                        if let (None, Some(more)) = (&details, entry.row.details) {
                            new_details.push((entry.key, more.clone()));
                            *details = Some(more);
                        }
                    }
                    _ => {
                        new.push(entry.clone());
                        all.insert(cell, entry);
                    }
                }
            }
        }
        let kind = |row: &Row| (row.protocol, row.backend);
        let mut entries: Vec<Entry> = all.into_values().collect();
        entries.sort_by(|a, b| (a.place.place, &a.key).cmp(&(b.place.place, &b.key)));
        one_maker_each(&entries, &self.folder)?;
        if let Some(pair) = entries.windows(2).find(|pair| kind(&pair[0].row) != kind(&pair[1].row)) {
            let told = [0, 1].map(|side| format!("{} on {}", pair[side].row.protocol, pair[side].row.backend));
            let reason = format!("these cannot stand in one table: {}", told.join(" and "));
            return Err(BenchError::File { path: self.folder.clone(), reason });
        }
        for entry in new {
            self.add(entry.key, entry.place, &entry.row)?;
        }
        for (key, details) in new_details {
            self.add_details(key, &details)?;
        }
        let missing = missing(&entries);
        let results = Results { rows: entries.into_iter().map(|entry| entry.row).collect() };
        self.write_csv(&results)?;
        Ok(Merged { results, missing })
    }

    /// Writes `results.csv`, which is complete or not there at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_csv(&self, results: &Results) -> Result<(), BenchError> {
        results.write_csv(&self.folder)
    }
}

/// Refuses runs of one method and strategy that were not made by the same program with the same configuration: their mean
/// would be that of no method.
fn one_maker_each(entries: &[Entry], folder: &Path) -> Result<(), BenchError> {
    let mut makers: HashMap<(&str, &str), &Entry> = HashMap::new();
    for entry in entries.iter().filter(|entry| !entry.place.made_by.is_empty()) {
        let Row { model, strategy, .. } = &entry.row;
        let first = makers.entry((model, strategy.name())).or_insert(entry);
        if first.place.made_by != entry.place.made_by {
            let told = |entry: &Entry| format!("{} with seed {}", entry.row.dataset, entry.row.seed);
            let reason = format!(
                "the runs of {model} ({strategy}) on {} and on {} come from two builds of the program, or from two \
                 configurations, and cannot stand in one table: measure them again with one",
                told(first),
                told(entry)
            );
            return Err(BenchError::File { path: folder.into(), reason });
        }
    }
    Ok(())
}

/// How many runs of their grid are not among these; 0 where they are not of one grid.
fn missing(entries: &[Entry]) -> usize {
    let sizes: BTreeSet<usize> = entries.iter().map(|entry| entry.place.of).collect();
    match (sizes.len(), sizes.first()) {
        (1, Some(size)) => size.saturating_sub(entries.len()),
        _ => 0,
    }
}

/// Puts details beside the rows of their keys; where a key has several, the last ones.
fn join(entries: &mut [Entry], details: Vec<Detail<Details>>) {
    let details: HashMap<Key, Arc<Details>> =
        details.into_iter().map(|line| (line.key, Arc::new(line.details))).collect();
    entries.iter_mut().for_each(|entry| entry.row.details = details.get(&entry.key).cloned());
}

/// What tells a run from the others of a table.
type Cell = [String; 7];

/// A run that failed is tried again, and a folder may serve several builds of the program: what was written last counts.
fn last_of_each_cell(entries: Vec<Entry>) -> BTreeMap<Cell, Entry> {
    entries.into_iter().map(|entry| (cell(&entry.row), entry)).collect()
}

fn cell(row: &Row) -> Cell {
    let Row { dataset, model, strategy, protocol, budget, noise, synthetic, seed, backend, .. } = row;
    let setting = format!("{budget:?} {noise} {}", results::synthetic_name(*synthetic));
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
mod tests;
