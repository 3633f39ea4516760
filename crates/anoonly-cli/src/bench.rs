//! `anoonly bench`.

mod labelling;
mod outsiders;
mod plan;
mod settings;
mod tables;
mod watch;

use std::path::{Path, PathBuf};

use anoonly::core::noise::Noise;
use anoonly_bench::report::{self, ReportOrigin};
use anoonly_bench::{Grid, Merged, Reference, Results, Row, RunRecord, Store, summary};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::progress::Bars;
use crate::{note, outputs, print, print_json, signals};
use settings::BenchSettings;
use tables::{Layout, print_results};
use watch::Watch;

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Options {
    /// TOML file with any of these options, such as `seeds = [1, 2, 3]` or `label-ratio = 0.1`, and with settings of methods,
    /// such as `[settings.devnet]` with `depth = 4`; options of the command line replace those of the file
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    settings: BenchSettings,
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Merge the results of several folders, such as the parts of a grid, into the folder --out
    Merge {
        /// Folders with results
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
}

/// What is said when the first signal stops a bench.
const STOPPING: &str = "\nstopping when the current runs have finished; press Ctrl-C again to stop immediately";

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        let file = self.plan.as_deref().map(BenchSettings::read).transpose()?.unwrap_or_default();
        let options = Self { settings: self.settings.or(file), ..self };
        if let Some(analyst) = options.settings.labelling()? {
            return options.label(analyst);
        }
        let out = options.settings.out().to_owned();
        let results = match options.task {
            Some(Task::Merge { ref folders }) => options.merge(folders)?,
            None => match options.settings.export_splits()?.map(Path::to_owned) {
                Some(folder) => return options.export_splits(&folder),
                None => options.measure()?,
            },
        };
        check_failures(&results, &out)
    }

    /// The number of runs at a time.
    fn threads(&self) -> Result<usize, CommandError> {
        match self.settings.threads {
            Some(0) => Err(CommandError::option("--threads", "must be at least 1")),
            Some(threads) => Ok(threads),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    fn measure(self) -> Result<Results, CommandError> {
        let settings = &self.settings;
        let threads = self.threads()?;
        let out = settings.out().to_owned();
        let (layout, json) = (Layout::new(settings.standings, settings.ablation.is_some()), settings.json);
        let (budgets, noises) = (settings.budgets(), self.noises()?);
        let synthetic = self.synthetic()?;
        let reference =
            match (settings.reference.as_deref(), budgets.as_slice(), noises.as_slice(), synthetic.as_slice()) {
                (None, _, _, _) => None,
                (Some(path), &[budget], &[Noise::None], &[None]) => Some(Reference::read(path, budget)?),
                _ => {
                    let reason = "needs exactly one label ratio or count, and neither noise nor synthetic anomalies";
                    return Err(CommandError::option("--reference", reason));
                }
            };
        let shard = settings.shard;
        if settings.figure.is_some() && budgets.len() == 1 && noises.len() == 1 {
            return Err(CommandError::option(
                "--figure",
                "needs a sweep: several label ratios, label counts or noise levels",
            ));
        }
        let (report_to, figure_to) = (settings.report.clone(), settings.figure.clone());
        let imports = settings.import.clone();
        self.check_outputs::<Row>()?;
        let plan = self.plan()?;
        let methods = plan.models.clone();
        let mut grid = Grid::prepare(plan)?;
        outsiders::note_what_is_left_out(&grid);
        let imported = match imports.as_slice() {
            [] => Vec::new(),
            files => outsiders::import(&mut grid, files)?,
        };
        if let Some(shard) = shard {
            grid.shard(shard);
        }
        let store = Store::open(&out)?;
        let threads = threads.min(grid.jobs()).max(1);

        let watch = Watch::start(grid.runs(), grid.measured(&store), threads, &out);
        let bars = Bars::new(grid.runs(), grid.measured(&store));
        let results = grid.run(threads, &store, signals::stop_gently(STOPPING), |progress| bars.show(progress));
        bars.clear();
        let results = results?;
        watch.stop::<Row>();

        match json {
            true => print_json(&serde_json::json!(summary::means(&results)))?,
            false => print_results(&results, layout),
        }
        if let Some(reference) = reference {
            let heading = "Compared with the reference on the common data sets, means over seeds and sets:";
            print(&format!("\n{heading}\n\n{}\n", reference.table(&results)));
        }
        store.write_csv(&results)?;
        write_report(
            report_to.as_deref(),
            &results,
            ReportOrigin { command: command(), methods, outsiders: imported },
        )?;
        write_figure(figure_to.as_deref(), &results)?;
        Ok(results)
    }

    /// Checks before any work that the results, the report and the figure can be written, and that they replace no input.
    fn check_outputs<R: RunRecord>(&self) -> Result<(), CommandError> {
        let settings = &self.settings;
        outputs::check_folder(settings.out())?;
        let written = [("--report", &settings.report), ("--figure", &settings.figure)];
        let written: Vec<(&'static str, &PathBuf)> =
            written.into_iter().filter_map(|(option, path)| Some((option, path.as_ref()?))).collect();
        if let [(_, report), (option, figure)] = written[..]
            && report == figure
        {
            return Err(CommandError::option(option, "must be another file than --report"));
        }
        let folders: &[PathBuf] = match &self.task {
            Some(Task::Merge { folders }) => folders,
            None => &[],
        };
        let results: Vec<PathBuf> =
            folders.iter().map(PathBuf::as_path).chain([settings.out()]).flat_map(Store::<R>::files).collect();
        let mut inputs: Vec<outputs::Input<'_>> = results.iter().map(|path| ("the results", path.as_path())).collect();
        inputs.extend(self.inputs());
        written.into_iter().try_for_each(|(option, path)| outputs::check(option, path, &inputs))
    }

    /// The files that a bench reads, apart from results.
    fn inputs(&self) -> impl Iterator<Item = outputs::Input<'_>> {
        let options = [
            ("the plan", &self.plan),
            ("the settings", &self.settings.config),
            ("the reference", &self.settings.reference),
            ("the data", &self.settings.data),
        ];
        let imports = self.settings.import.iter().map(|path| ("the scores", path.as_path()));
        options.into_iter().filter_map(|(role, path)| Some((role, path.as_deref()?))).chain(imports)
    }

    /// Merges the runs of folders and reports how many are missing.
    fn merged<R: RunRecord>(&self, folders: &[PathBuf]) -> Result<Results<R>, CommandError> {
        self.check_outputs::<R>()?;
        let Merged { results, missing } = Store::open(self.settings.out())?.merge(folders)?;
        if missing > 0 {
            note(&format!(
                "{missing} of the grid's {} runs are in none of these folders",
                results.rows.len() + missing
            ));
        }
        Ok(results)
    }

    /// Merges results of the same protocol and backend.
    fn merge(&self, folders: &[PathBuf]) -> Result<Results, CommandError> {
        let report_to = self.settings.report.as_deref();
        let results: Results = self.merged(folders)?;
        let ablation = results.rows.iter().any(|row| !["host", "anoonly", "none"].contains(&row.strategy.name()));
        match self.settings.json {
            true => print_json(&serde_json::json!(summary::means(&results)))?,
            false => print_results(&results, Layout::new(self.settings.standings, ablation)),
        }
        write_report(report_to, &results, ReportOrigin { command: command(), ..ReportOrigin::default() })?;
        write_figure(self.settings.figure.as_deref(), &results)?;
        Ok(results)
    }
}

/// An error if a run failed.
fn check_failures<R: RunRecord>(results: &Results<R>, out: &Path) -> Result<(), CommandError> {
    match results.failed() {
        0 => Ok(()),
        failed => Err(CommandError::RunsFailed { failed, runs: results.rows.len(), results: out.join(R::TABLE) }),
    }
}

/// The command line of this program.
fn command() -> String {
    let arguments = crate::program().arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once("anoonly".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn write_report(path: Option<&Path>, results: &Results, origin: ReportOrigin) -> Result<(), CommandError> {
    let Some(path) = path else { return Ok(()) };
    report::write(path, results, &origin)?;
    note(&format!("report: {}", path.display()));
    Ok(())
}

fn write_figure(path: Option<&Path>, results: &Results) -> Result<(), CommandError> {
    let Some(path) = path else { return Ok(()) };
    report::write_picture(path, results)?;
    note(&format!("figure: {}", path.display()));
    Ok(())
}
