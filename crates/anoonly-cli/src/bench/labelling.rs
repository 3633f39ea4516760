//! `anoonly bench --labelling`.

use std::path::Path;

use anoonly_bench::labelling::{
    ComparedCurves, LabellingGrid, LabellingPlan, LabellingRow, MOST_ROWS, PeerCurves, write_report,
};
use anoonly_bench::report::ReportOrigin;
use anoonly_bench::{Results, Store, summary};

use super::settings::AnalystSettings;
use super::watch::Watch;
use super::{Options, STOPPING, Task, check_failures, command};
use crate::error::CommandError;
use crate::progress::Bars;
use crate::{note, outputs, print, print_json, signals};

impl Options {
    /// Plays the analyst, or merges the runs of folders.
    pub(super) fn label(self, analyst: AnalystSettings) -> Result<(), CommandError> {
        let out = self.settings.out().to_owned();
        // The file is read before anything is measured, so that an error in it shows at once.
        let peers = self.settings.reference.as_deref().map(PeerCurves::read).transpose()?;
        let results: Results<LabellingRow> = match &self.task {
            Some(Task::Merge { folders }) => self.merged(folders)?,
            None => {
                let plan = LabellingPlan {
                    source: self.source()?,
                    datasets: self.settings.datasets(),
                    models: self.methods()?,
                    strategies: self.settings.strategies(),
                    queries: analyst.queries,
                    budget: analyst.budget,
                    batch: analyst.batch,
                    most_rows: MOST_ROWS,
                    seeds: self.settings.seeds(),
                    compute: self.settings.compute().device()?,
                };
                if let Some(path) = &self.settings.write_rows {
                    return self.write_rows(path, plan);
                }
                self.play(plan)?
            }
        };
        let compared = ComparedCurves::new(&results, peers.as_ref())?;
        match self.settings.json {
            true => print_json(&serde_json::json!(compared.means()))?,
            false => print_curves(&compared),
        }
        if let Some(path) = &self.settings.report {
            let methods = if self.task.is_some() { Vec::new() } else { self.methods()? };
            write_report(
                path,
                &results,
                &compared,
                &ReportOrigin { command: command(), methods, ..ReportOrigin::default() },
            )?;
            note(&format!("report: {}", path.display()));
        }
        check_failures(&results, &out)
    }

    /// Writes the rows that are labelled, one line of JSON for each data set and seed.
    fn write_rows(&self, path: &Path, plan: LabellingPlan) -> Result<(), CommandError> {
        outputs::check("--write-rows", path, &self.inputs().collect::<Vec<_>>())?;
        let grid = LabellingGrid::prepare(plan)?;
        let lines = grid.drawn().iter().map(|drawn| format!("{}\n", serde_json::json!(drawn)));
        let failed = |error: std::io::Error| CommandError::Output { path: path.into(), reason: error.to_string() };
        anoonly::core::write_whole(path, lines.collect::<String>().as_bytes()).map_err(failed)?;
        note(&format!("the rows to label: {}", path.display()));
        Ok(())
    }

    fn play(&self, plan: LabellingPlan) -> Result<Results<LabellingRow>, CommandError> {
        let (settings, threads) = (&self.settings, self.threads()?);
        self.check_outputs::<LabellingRow>()?;
        let mut grid = LabellingGrid::prepare(plan)?;
        if let Some(shard) = settings.shard {
            grid.shard(shard);
        }
        let store = Store::open(settings.out())?;
        let threads = threads.min(grid.runs()).max(1);
        let watch = Watch::start(grid.runs(), grid.measured(&store), threads, settings.out());
        let bars = Bars::new(grid.runs(), grid.measured(&store));
        let results = grid.run(threads, &store, signals::stop_gently(STOPPING), |progress| bars.show(progress));
        bars.clear();
        let results = results?;
        watch.stop::<LabellingRow>();
        store.write_csv(&results)?;
        Ok(results)
    }
}

/// Prints the tables of discovery curves.
fn print_curves(compared: &ComparedCurves) {
    let ComparedCurves { sets, seeds, all_sets, budget, batch, .. } = compared;
    let of = match sets.len() {
        complete if complete < *all_sets => format!(" of {all_sets}, those on which all were measured"),
        _ => String::new(),
    };
    let numbers = match seeds.len() {
        1 => "one seed".into(),
        seeds => format!("{seeds} seeds ± half of the interval of {:.0} % over seeds", 100.0 * summary::LEVEL),
    };
    print(&format!(
        "Anomalies found, in percent of what could be found after as many labels. Mean over data sets ({}{of}) and {numbers}. No label at \
         the start, batches of {batch}, {budget} labels.\n",
        sets.len()
    ));
    if compared.diagram().is_some() {
        print("Ranks are averages over data sets. p compares with the best rank (Wilcoxon test, Holm correction).\n");
    }
    print(&format!("\n{}\n", compared.table()));
    if let Some(diagram) = compared.diagram() {
        print(&format!("\n{diagram}\n"));
    }
    if let Some(by_set) = compared.by_set() {
        let figure = compared.main_figure().title();
        print(&format!(
            "\nThe best against the best of the others on each data set, share {figure} labels:\n\n{by_set}\n"
        ));
    }
}
