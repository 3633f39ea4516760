//! The lines of all files of scores, each beside its split.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use anoonly_core::budget::LabelBudget;

use super::lines::ScoreLines;
use super::measured::MeasuredLine;
use super::{OutsiderMethod, Target};
use crate::BenchError;

/// The lines that count.
#[derive(Debug, Default)]
pub(super) struct FoundLines {
    /// One line for each split and name of a method.
    pub lines: BTreeMap<(usize, String), MeasuredLine>,
    /// The number of lines for splits that are not in the bench.
    pub elsewhere: usize,
    /// The names of all methods, including those without a split of the bench.
    names: BTreeSet<String>,
}

impl FoundLines {
    /// Reads and measures the lines of files.
    pub fn read(files: &[PathBuf], targets: &[Target]) -> Result<Self, BenchError> {
        let keys = targets.iter().enumerate().map(|(split, target)| (target.name.key.as_str(), split));
        let of_key: HashMap<&str, usize> = keys.collect();
        let mut found = Self::default();
        for path in files {
            let mut file = ScoreLines::open(path)?;
            let mut some = file.next(targets, &of_key)?;
            if some.is_empty() {
                return Err(BenchError::File { path: path.clone(), reason: "it has no lines".into() });
            }
            while !some.is_empty() {
                some.into_iter().try_for_each(|line| found.add(line, targets))?;
                some = file.next(targets, &of_key)?;
            }
        }
        Ok(found)
    }

    fn add(&mut self, line: MeasuredLine, targets: &[Target]) -> Result<(), BenchError> {
        self.names.insert(line.model.clone());
        let Some(split) = line.split else {
            self.elsewhere += 1;
            return Ok(());
        };
        let place = (split, line.model.clone());
        let counts = match self.lines.remove(&place) {
            None => line,
            Some(before) => before.or(line, &targets[split].name)?,
        };
        self.lines.insert(place, counts);
        Ok(())
    }

    /// The number of runs of a method.
    pub fn runs_of(&self, name: &str) -> usize {
        self.lines.keys().filter(|(_, model)| model == name).count()
    }

    /// The methods, by name.
    ///
    /// # Errors
    /// When a method lacks a line for a split, or has two settings.
    pub fn methods(&self, targets: &[Target]) -> Result<Vec<OutsiderMethod>, BenchError> {
        self.names.iter().map(|name| self.method(name, targets)).collect()
    }

    fn method(&self, name: &str, targets: &[Target]) -> Result<OutsiderMethod, BenchError> {
        let line = |split: usize| self.lines.get(&(split, name.to_owned()));
        let (unlabelled, labelled): (Vec<usize>, Vec<usize>) =
            (0..targets.len()).partition(|&split| targets[split].source.budget == LabelBudget::Count(0));
        let needs_labels = !unlabelled.is_empty() && unlabelled.iter().all(|&split| line(split).is_none());
        let wanted = if needs_labels { labelled } else { (0..targets.len()).collect() };
        let missing: Vec<usize> = wanted.iter().copied().filter(|&split| line(split).is_none()).collect();
        if let Some(&first) = missing.first() {
            let (model, first) = (name.to_owned(), Box::new(targets[first].name.clone()));
            return Err(BenchError::MissingScores { model, missing: missing.len(), splits: wanted.len(), first });
        }
        let lines: Vec<&MeasuredLine> = wanted.into_iter().filter_map(line).collect();
        // Without labelled splits in the bench, a method may have no run at all.
        let settings = lines.first().map(|first| first.settings.clone()).unwrap_or_default();
        lines.iter().try_for_each(|line| line.check_settings(lines[0]))?;
        Ok(OutsiderMethod { name: name.to_owned(), settings, needs_labels })
    }
}
