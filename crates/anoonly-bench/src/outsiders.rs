//! Methods of other programs, fitted on the same rows and measured like our own.
//!
//! [`Grid::export_splits`] writes the rows of every split. Another program fits its methods on them and writes the scores of the test
//! rows, one line of JSON for each split and method. [`Grid::import`] checks these lines and measures the scores, and [`Grid::run`] adds
//! the measured runs to the store and to the results, under the name of the method and without a strategy. `docs/results-format.md`
//! describes the files.

mod export;
mod fault;
mod lines;
mod measured;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use anoonly_core::budget::LabelBudget;

use crate::grid::{DrawnSplit, SplitSource};
use crate::store::PlaceOrder;
use crate::{BenchError, Grid, Key, Place, Row, RunRecord, Store};
use lines::ScoreLines;
use measured::MeasuredLine;

pub use export::ExportedSplits;
pub use fault::{OutsiderFault, OutsiderSplit};

/// A run that another program measured.
#[derive(Clone, Debug)]
pub(crate) struct OutsiderRun {
    /// The index of its method.
    pub model: usize,
    /// The position among the runs of other programs.
    pub index: usize,
    key: Key,
    place: Place,
    row: Row,
}

/// What was read from the scores of other programs.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedScores {
    /// The methods, by name.
    pub methods: Vec<OutsiderMethod>,
    /// The number of runs.
    pub runs: usize,
    /// The number of lines for splits that are not in the bench.
    pub elsewhere: usize,
}

/// A method of another program.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsiderMethod {
    /// The name.
    pub name: String,
    /// Its settings, as its program describes them; empty if it has no runs in the bench.
    pub settings: String,
    /// Whether it is left out where no row is labelled, because it has no line there.
    pub needs_labels: bool,
}

/// What a line of scores is checked against.
struct Target {
    source: SplitSource,
    name: OutsiderSplit,
    row: Row,
    truth: Vec<bool>,
    detailed: bool,
}

impl Target {
    fn of(drawn: &DrawnSplit<'_>) -> Self {
        let (source, row) = (*drawn.source, drawn.row.clone());
        let name = OutsiderSplit::new(drawn.key(), &row, source.setting());
        Self { source, name, row, truth: drawn.trial.test.anomalous(), detailed: drawn.detailed }
    }
}

impl Grid {
    /// Reads the scores of other programs on the splits of the whole grid, measures them, and adds them to the runs. Parts of the grid
    /// are chosen afterwards ([`shard`](Self::shard)).
    ///
    /// Every method must have a line for every split, with one exception: a method without any line for the splits without labels is
    /// left out there. A line with scores takes the place of lines with an error for the same split and method.
    ///
    /// # Errors
    /// When a file cannot be read or has no line, a line cannot be used ([`OutsiderFault`]), a method lacks a line, or a split cannot be
    /// drawn.
    pub fn import(&mut self, files: &[PathBuf]) -> Result<ImportedScores, BenchError> {
        let targets = self.each_split(|drawn| Ok(Target::of(drawn)))?;
        let of_key: HashMap<&str, usize> =
            targets.iter().enumerate().map(|(index, target)| (target.name.key.as_str(), index)).collect();
        let mut models: BTreeSet<String> = BTreeSet::new();
        let mut found: BTreeMap<(usize, String), MeasuredLine> = BTreeMap::new();
        let mut elsewhere = 0;
        for path in files {
            let mut lines = ScoreLines::open(path)?;
            let mut none = true;
            loop {
                let some = lines.next(&targets, &of_key)?;
                if some.is_empty() {
                    break;
                }
                none = false;
                for line in some {
                    models.insert(line.model.clone());
                    match line.split {
                        None => elsewhere += 1,
                        Some(split) => {
                            let place = (split, line.model.clone());
                            let kept = match found.remove(&place) {
                                None => line,
                                Some(before) => before.or(line, &targets[split].name)?,
                            };
                            found.insert(place, kept);
                        }
                    }
                }
            }
            if none {
                return Err(BenchError::File { path: path.clone(), reason: "it has no lines".into() });
            }
        }
        let methods: Vec<OutsiderMethod> =
            models.into_iter().map(|name| method(name, &targets, &found)).collect::<Result<_, _>>()?;
        let runs_of = |model: &OutsiderMethod| found.keys().filter(|(_, name)| *name == model.name).count();
        let sizes: Vec<usize> = methods.iter().map(runs_of).collect();
        let runs = found.into_iter().enumerate().map(|(index, ((split, name), line))| {
            let model = methods.iter().position(|method| method.name == name).unwrap_or_default();
            let target = &targets[split];
            let (key, made_by) = (line.key(&target.name.key), line.maker());
            let place = Place { place: target.source.end, of: sizes[model], made_by, outsider: true };
            OutsiderRun { model, index, key, place, row: line.row(&target.row) }
        });
        self.outsiders = runs.collect();
        Ok(ImportedScores { methods, runs: self.outsiders.len(), elsewhere })
    }
}

/// Checks that a method has one line for each split, all with the same settings.
fn method(
    name: String,
    targets: &[Target],
    found: &BTreeMap<(usize, String), MeasuredLine>,
) -> Result<OutsiderMethod, BenchError> {
    let line = |split: usize| found.get(&(split, name.clone()));
    let unlabelled = |split: &usize| targets[*split].source.budget == LabelBudget::Count(0);
    let all = || 0..targets.len();
    let needs_labels =
        all().any(|split| unlabelled(&split)) && all().filter(unlabelled).all(|split| line(split).is_none());
    let wanted: Vec<usize> = all().filter(|split| !(needs_labels && unlabelled(split))).collect();
    let missing: Vec<usize> = wanted.iter().copied().filter(|&split| line(split).is_none()).collect();
    if let Some(&first) = missing.first() {
        let first = Box::new(targets[first].name.clone());
        return Err(BenchError::MissingScores { model: name, missing: missing.len(), splits: wanted.len(), first });
    }
    let lines: Vec<&MeasuredLine> = wanted.iter().filter_map(|&split| line(split)).collect();
    let Some(first) = lines.first() else {
        return Ok(OutsiderMethod { name, settings: String::new(), needs_labels });
    };
    lines.iter().try_for_each(|line| line.check_settings(first))?;
    Ok(OutsiderMethod { settings: first.settings.clone(), name, needs_labels })
}

impl OutsiderRun {
    /// The order in results.
    pub fn order(&self) -> PlaceOrder {
        PlaceOrder::new(&self.place, self.row.method(), &self.key)
    }

    /// The run, if it is complete in the store.
    pub fn known<'a>(&self, store: &'a Store) -> Option<&'a Row> {
        store.kept(&self.key).filter(|row| row.details.is_some() || self.row.details.is_none())
    }

    /// The row of the run, which is added to the store unless it is there. Calls `on_row` if it was added.
    pub fn stored(&self, store: &Store, on_row: impl Fn()) -> Result<Row, BenchError> {
        if let Some(known) = self.known(store) {
            return Ok(Row { family: self.row.family.clone(), ..known.clone() });
        }
        match (store.kept(&self.key), &self.row.details) {
            (Some(_), Some(details)) => store.add_details(self.key.clone(), details)?,
            _ => store.add(self.key.clone(), self.place.clone(), &self.row)?,
        }
        on_row();
        Ok(self.row.clone())
    }
}
