//! `anoonly bench --export-splits` and `--import`.

use std::path::{Path, PathBuf};

use anoonly_bench::summary::labels;
use anoonly_bench::{ExportedSplits, Grid, ImportedScores, OutsiderMethod};

use super::Options;
use crate::error::CommandError;
use crate::{counted, note, outputs};

impl Options {
    /// Writes the rows of every split.
    pub(super) fn export_splits(self, folder: &Path) -> Result<(), CommandError> {
        outputs::check_folder(folder)?;
        let grid = Grid::prepare(self.plan()?)?;
        note_sets_of_budgets(&grid);
        let ExportedSplits { splits, sets } = grid.export_splits(folder)?;
        let (splits, sets) = (counted(splits, "split", "splits"), counted(sets, "data set", "data sets"));
        note(&format!("{splits} of {sets}, listed in {}", folder.join("splits.jsonl").display()));
        Ok(())
    }
}

/// Says at which label counts data sets and methods are left out.
pub(super) fn note_what_is_left_out(grid: &Grid) {
    note_sets_of_budgets(grid);
    let methods = grid.left_out_without_labels();
    if !methods.is_empty() {
        note(&format!("without labels, {} left out, which need at least one", listed(&methods, ["is", "are"])));
    }
}

/// Says on how many data sets each label count is measured, unless each is measured on all.
fn note_sets_of_budgets(grid: &Grid) {
    let all = grid.sets();
    let fewer = grid.sets_of_budgets().into_iter().filter(|(_, sets)| *sets < all);
    let fewer: Vec<String> = fewer.map(|(budget, sets)| format!("{} on {sets} of {all}", labels(budget))).collect();
    if !fewer.is_empty() {
        note(&format!("data sets without enough training anomalies are left out: {}", fewer.join(", ")));
    }
}

/// Reads the scores of other programs.
pub(super) fn import(grid: &mut Grid, files: &[PathBuf]) -> Result<Vec<OutsiderMethod>, CommandError> {
    let ImportedScores { methods, runs, elsewhere } = grid.import(files)?;
    let names: Vec<&str> = methods.iter().map(|method| method.name.as_str()).collect();
    note(&format!("{} of other programs: {}", counted(runs, "run", "runs"), names.join(", ")));
    if elsewhere > 0 {
        let lines = counted(elsewhere, "line is", "lines are");
        note(&format!("{lines} left out, for splits that are not in this bench"));
    }
    let unlabelled: Vec<&str> =
        methods.iter().filter(|method| method.needs_labels).map(|method| method.name.as_str()).collect();
    if !unlabelled.is_empty() {
        note(&format!("without labels, {} left out, which have no lines there", listed(&unlabelled, ["is", "are"])));
    }
    Ok(methods)
}

/// Names with the form of a verb for one or several.
fn listed(names: &[&str], verb: [&str; 2]) -> String {
    format!("{} {}", names.join(", "), verb[usize::from(names.len() > 1)])
}
