//! The store: a folder of results that keeps every run.
//!
//! There are two kinds of runs, [`Row`] and [`LabellingRow`](crate::labelling::LabellingRow), each with files of its own
//! ([`RunRecord`]). Of the first, every run is one line of `runs.jsonl`, written as soon as the run is measured, so a bench that was stopped in any way continues
//! from there. The key of a line is the digest of everything that determines its run: the program, the rows of the data set or the
//! kind of synthetic rows, the split, the labels, the whole configuration of the method, the strategy, the seed and the backend. If
//! any of these changes, it is another run, and earlier measurements are not used for it. The data that a report draws of a run is a
//! line of `details.jsonl` under the same key, written before the run.

mod lines;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::results::{Results, Row};
use crate::{BenchError, Details, Key};
use lines::Lines;

pub use record::RunRecord;

/// The names of lines in messages.
const RUN: &str = "a run";
const DETAIL: &str = "the details of a run";

/// The runs of a folder. One program writes to it at a time.
#[derive(Debug)]
pub struct Store<R = Row> {
    folder: PathBuf,
    runs: Lines,
    /// `None` for a kind of run that has no details.
    details: Option<Lines>,
    /// The runs that were in the folder when it was opened, in the order of the file, with their details.
    entries: Vec<Entry<R>>,
    /// The index of the last entry of each key.
    known: HashMap<Key, usize>,
}

/// A line of the file of runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<R> {
    key: Key,
    #[serde(flatten)]
    place: Place,
    row: R,
}

/// The position of a run in its grid, and the digest of what measured it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The position among the runs of the whole grid, from 0.
    pub place: usize,
    /// The number of runs of the whole grid; 0 if unknown.
    #[serde(default)]
    pub of: usize,
    /// The digest of the program, the configuration of the method and the strategy; empty if unknown.
    #[serde(default)]
    pub made_by: String,
    /// Whether another program measured the run. `place` then counts the runs of methods before it, and `of` the runs of its program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outsider: bool,
}

/// The order of runs in results. The runs of other programs follow those of methods on the same split, by name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlaceOrder {
    place: usize,
    of_method: bool,
    method: String,
    key: Key,
}

impl PlaceOrder {
    /// The order of a run of a method.
    pub fn of_method(place: usize) -> Self {
        Self { place, of_method: true, method: String::new(), key: Key(String::new()) }
    }

    /// The order of a run at a place. `method` describes its method.
    pub fn new(place: &Place, method: String, key: &Key) -> Self {
        let of_method = !place.outsider;
        let method = if of_method { String::new() } else { method };
        Self { place: place.place, of_method, method, key: key.clone() }
    }
}

/// The results of several folders.
#[derive(Clone, Debug)]
pub struct Merged<R = Row> {
    /// The runs in the order of their grid.
    pub results: Results<R>,
    /// The number of runs of the grid that no folder holds; 0 if the folders are not parts of one grid.
    pub missing: usize,
}

/// A line of `details.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
struct Detail<D> {
    key: Key,
    details: D,
}

impl<R: RunRecord> Store<R> {
    /// Opens the store of a folder, creates what is missing and reads what is there. An incomplete last line, as left by a killed
    /// program, is cut off.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be created or written to, another program writes to it, or a line cannot be read.
    pub fn open(folder: &Path) -> Result<Self, BenchError> {
        let failed = |path: &Path, reason: String| BenchError::Output { path: path.into(), reason };
        if folder.exists() && !folder.is_dir() {
            return Err(failed(folder, "it is a file, not a folder".into()));
        }
        let table = folder.join(R::TABLE);
        if table.is_dir() {
            return Err(failed(&table, "it is a folder".into()));
        }
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error.to_string()))?;
        let (runs, mut entries) = Lines::open(folder.join(R::RUNS), RUN)?;
        let mut details = None;
        if let Some(name) = R::DETAILS {
            let (lines, known) = Lines::open(folder.join(name), DETAIL)?;
            join(&mut entries, known);
            details = Some(lines);
        }
        let known = entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        Ok(Self { folder: folder.into(), runs, details, entries, known })
    }

    /// The files of a folder of results.
    pub fn files(folder: &Path) -> Vec<PathBuf> {
        [Some(R::RUNS), R::DETAILS, Some(R::TABLE)].into_iter().flatten().map(|name| folder.join(name)).collect()
    }

    /// The run of a key with its details, if these were kept. `None` for a run that is not in the store or has failed.
    pub fn measured(&self, key: &Key) -> Option<&R> {
        self.kept(key).filter(|row| row.failure().is_none())
    }

    /// The run of a key, whether it was measured or has failed.
    pub(crate) fn kept(&self, key: &Key) -> Option<&R> {
        Some(&self.entries[*self.known.get(key)?].row)
    }

    /// Writes a run and its details, if it has any.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn add(&self, key: Key, place: Place, row: &R) -> Result<(), BenchError> {
        // The details come first: if the program is killed in between, the run is measured again.
        if let Some(details) = row.details() {
            self.add_details(key.clone(), details)?;
        }
        self.runs.add(&Entry { key, place, row: row.clone() })
    }

    /// Writes the details of a run that is already in the store.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_details(&self, key: Key, details: &Details) -> Result<(), BenchError> {
        self.details.iter().try_for_each(|lines| lines.add(&Detail { key: key.clone(), details }))
    }

    /// Adds the runs of other folders to this one, writes its table, and returns all runs in the order of the grid.
    ///
    /// If a folder holds a run several times, measured by several builds of the program or with several settings, the last one
    /// counts. Nothing is written unless all folders can be merged.
    ///
    /// # Errors
    /// When one of them is not a folder of results, two folders hold different measurements of one run, two runs do not belong in
    /// one table (one method by two builds or with two configurations), or a file cannot be written.
    pub fn merge(self, others: &[PathBuf]) -> Result<Merged<R>, BenchError> {
        let mut all = last_of_each_cell(self.entries.clone());
        let (mut new, mut new_details) = (Vec::new(), Vec::new());
        for folder in others {
            let path = folder.join(R::RUNS);
            let failed = |reason: String| BenchError::File { path: folder.clone(), reason };
            if !path.is_file() {
                return Err(failed(format!("not a folder of results: it has no {}", R::RUNS)));
            }
            if path.canonicalize().ok() == self.folder.join(R::RUNS).canonicalize().ok() {
                continue;
            }
            let mut entries: Vec<Entry<R>> = lines::read(&path, RUN)?;
            if let Some(details) = R::DETAILS.map(|name| folder.join(name)).filter(|path| path.is_file()) {
                join(&mut entries, lines::read(&details, DETAIL)?);
            }
            for (cell, entry) in last_of_each_cell(entries) {
                match all.get_mut(&cell) {
                    Some(known) if known.key != entry.key => {
                        return Err(failed(format!(
                            "its run of {} on {} differs from the one in another folder: another build of the program, other settings or other data",
                            entry.row.method(),
                            entry.row.data()
                        )));
                    }
                    Some(Entry { row, .. }) if row.failure().is_none() => {
                        if let (None, Some(more)) = (row.details(), entry.row.details()) {
                            new_details.push((entry.key, more.clone()));
                            row.set_details(Some(more.clone()));
                        }
                    }
                    _ => {
                        new.push(entry.clone());
                        all.insert(cell, entry);
                    }
                }
            }
        }
        let mut entries: Vec<Entry<R>> = all.into_values().collect();
        entries.sort_by_cached_key(|entry| PlaceOrder::new(&entry.place, entry.row.method(), &entry.key));
        one_maker_each(&entries, &self.folder)?;
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].row.setting() != pair[1].row.setting()) {
            let sides = [0, 1].map(|side| pair[side].row.setting());
            let reason = format!("results of {} do not belong in one table", sides.join(" and "));
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

    /// Writes the table of results. The file appears under its name only when it is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_csv(&self, results: &Results<R>) -> Result<(), BenchError> {
        results.write_csv(&self.folder)
    }
}

/// Refuses runs of one method and strategy that come from different programs or configurations: their mean would describe
/// neither.
fn one_maker_each<R: RunRecord>(entries: &[Entry<R>], folder: &Path) -> Result<(), BenchError> {
    let mut makers: HashMap<String, &Entry<R>> = HashMap::new();
    for entry in entries.iter().filter(|entry| !entry.place.made_by.is_empty()) {
        let method = entry.row.method();
        let first = *makers.entry(method.clone()).or_insert(entry);
        if first.place.made_by != entry.place.made_by {
            let reason = format!(
                "the runs of {method} on {} and on {} come from two builds of the program, or from two \
                 configurations, and do not belong in one table: measure them again with one",
                first.row.data(),
                entry.row.data()
            );
            return Err(BenchError::File { path: folder.into(), reason });
        }
    }
    Ok(())
}

/// The number of runs of the grid that are not among the entries. The runs of methods are counted together, and those of each other
/// program by themselves; runs that do not come from one grid have none that are missing.
fn missing<R: RunRecord>(entries: &[Entry<R>]) -> usize {
    let mut grids: BTreeMap<Option<String>, (BTreeSet<usize>, usize)> = BTreeMap::new();
    for entry in entries {
        let (sizes, runs) = grids.entry(entry.place.outsider.then(|| entry.row.method())).or_default();
        sizes.insert(entry.place.of);
        *runs += 1;
    }
    let missing = |(sizes, runs): (BTreeSet<usize>, usize)| match (sizes.len(), sizes.first()) {
        (1, Some(size)) => size.saturating_sub(runs),
        _ => 0,
    };
    grids.into_values().map(missing).sum()
}

/// Attaches details to the rows of the same key; if a key has several, the last ones.
fn join<R: RunRecord>(entries: &mut [Entry<R>], details: Vec<Detail<Details>>) {
    let details: HashMap<Key, Arc<Details>> =
        details.into_iter().map(|line| (line.key, Arc::new(line.details))).collect();
    entries.iter_mut().for_each(|entry| entry.row.set_details(details.get(&entry.key).cloned()));
}

/// The last entry of each cell. A failed run is repeated, and several builds of the program may have written to a folder.
fn last_of_each_cell<R: RunRecord>(entries: Vec<Entry<R>>) -> BTreeMap<Vec<String>, Entry<R>> {
    entries.into_iter().map(|entry| (entry.row.cell(), entry)).collect()
}

#[cfg(test)]
mod tests;
