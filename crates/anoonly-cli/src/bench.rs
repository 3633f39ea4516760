//! `anoonly bench`.

mod labelling;
mod outsiders;
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anoonly::core::noise::Noise;
use anoonly::core::synthetic::Synthetic;
use anoonly::data::catalogue::Source;
use anoonly::data::fetch::cache_folder;
use anoonly::models::overrides::overridden;
use anoonly::models::{AnyMethod, ConfigError};
use anoonly_bench::report::{self, ReportOrigin};
use anoonly_bench::{BenchError, Grid, Merged, Plan, Reference, Results, Row, RunRecord, Store, summary, usage};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::progress::Bars;
use crate::{note, outputs, print, print_json, signals};
use settings::BenchSettings;

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

    fn plan(self) -> Result<Plan, CommandError> {
        let (noises, synthetic) = (self.noises()?, self.synthetic()?);
        let (source, models) = (self.source()?, self.methods()?);
        let settings = self.settings;
        Ok(Plan {
            source,
            datasets: settings.datasets(),
            models,
            strategies: settings.strategies(),
            budgets: settings.budgets(),
            noises,
            synthetic,
            seeds: settings.seeds(),
            protocol: settings.protocol(),
            compute: settings.compute().device()?,
        })
    }

    /// Where the data sets are.
    fn source(&self) -> Result<Source, CommandError> {
        Ok(match self.settings.data().to_str() {
            Some("embedded") => Source::Embedded,
            Some("fetched") => Source::Folder(fetched()?),
            _ => Source::Folder(self.settings.data().to_owned()),
        })
    }

    /// The methods with their settings.
    fn methods(&self) -> Result<Vec<AnyMethod>, CommandError> {
        let settings = &self.settings;
        let mut models: Vec<AnyMethod> =
            settings.models().iter().map(|name| AnyMethod::by_name(name)).collect::<Result<_, _>>()?;
        if let Some(path) = &self.plan {
            let failed = |error: ConfigError| BenchError::File { path: path.clone(), reason: error.to_string() };
            models = overridden(models, &settings.settings.to_string()).map_err(failed)?;
        }
        if let Some(path) = &settings.config {
            let failed = |reason: String| BenchError::File { path: path.clone(), reason };
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            models = overridden(models, &text).map_err(|error| failed(error.to_string()))?;
        }
        Ok(models)
    }

    fn noises(&self) -> Result<Vec<Noise>, CommandError> {
        let invalid = |option, reason: String| Err(CommandError::option(option, reason));
        let levels: &[f64] = match (self.settings.noise(), self.settings.noise_level.as_slice()) {
            ("none", []) => &[0.0],
            (Noise::NORMAL_CLEAN, []) => &[0.0],
            ("none", _) => {
                return invalid(
                    "--noise",
                    format!("must be one of {} with --noise-level", Noise::NAMES[1..].join(", ")),
                );
            }
            (name, []) if Noise::NAMES.contains(&name) => {
                return invalid("--noise-level", format!("is needed with {name}"));
            }
            // `Noise::named` refuses an unknown name.
            (_, []) => &[0.0],
            (_, levels) => levels,
        };
        let noises: Result<_, _> = levels.iter().map(|&level| Noise::named(self.settings.noise(), level)).collect();
        Ok(noises.map_err(BenchError::from)?)
    }

    fn synthetic(&self) -> Result<Vec<Option<Synthetic>>, CommandError> {
        let kind = |name: &String| match name.as_str() {
            "none" => Ok(None),
            name => name.parse::<Synthetic>().map(Some),
        };
        let kinds: Result<_, _> = self.settings.synthetic().iter().map(kind).collect();
        Ok(kinds.map_err(BenchError::from)?)
    }
}

/// An error if a run failed.
fn check_failures<R: RunRecord>(results: &Results<R>, out: &Path) -> Result<(), CommandError> {
    match results.failed() {
        0 => Ok(()),
        failed => Err(CommandError::RunsFailed { failed, runs: results.rows.len(), results: out.join(R::TABLE) }),
    }
}

/// The time that a bench takes.
struct Watch<'a> {
    start: Instant,
    processor: Option<f64>,
    threads: usize,
    out: &'a Path,
}

impl<'a> Watch<'a> {
    /// Starts, and says what is to be done.
    fn start(runs: usize, measured: usize, threads: usize, out: &'a Path) -> Self {
        match measured {
            0 => note(&format!("{runs} runs on {threads} threads")),
            measured => {
                note(&format!("{runs} runs on {threads} threads; {measured} of them are already in {}", out.display()));
            }
        }
        Self { start: Instant::now(), processor: usage::cpu_seconds(), threads, out }
    }

    /// Says how long it took, and where the results are.
    fn stop<R: RunRecord>(self) {
        let seconds = self.start.elapsed().as_secs_f64();
        let threads = self.threads;
        // The share is meaningless if hardly anything was measured.
        let busy = usage::cpu_seconds().zip(self.processor).map(|(after, before)| 100.0 * (after - before) / seconds);
        let busy = busy.filter(|_| seconds >= 1.0).map_or_else(String::new, |busy| {
            format!(
                ", using {:.0} % of {threads} {}",
                busy / threads as f64,
                if threads == 1 { "core" } else { "cores" }
            )
        });
        let table = self.out.join(R::TABLE);
        note(&format!("done in {seconds:.0} s{busy}; every run is a row of {}\n", table.display()));
    }
}

/// The folder of fetched data sets.
fn fetched() -> Result<PathBuf, CommandError> {
    let folder = cache_folder()?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(CommandError::option(
            "--data fetched",
            "nothing has been fetched yet: `anoonly data list` shows names, `anoonly data fetch NAME` fetches",
        )),
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

/// What the columns of the result tables compare.
#[derive(Clone, Copy)]
enum Layout {
    /// Host and AnoOnly on each family.
    Strategies,
    /// AnoOnly and variants of it.
    Ablation,
    /// All methods.
    Standings,
}

impl Layout {
    fn new(standings: bool, ablation: bool) -> Self {
        match (standings, ablation) {
            (true, _) => Layout::Standings,
            (false, true) => Layout::Ablation,
            (false, false) => Layout::Strategies,
        }
    }
}

/// Prints a heading and one table of results for each setting. If there are several settings, also prints tables that compare them.
fn print_results(results: &Results, layout: Layout) {
    let Some(first) = results.rows.first() else { return };
    let seeds: BTreeSet<u64> = results.rows.iter().map(|row| row.seed).collect();
    let seeds = match seeds.len() {
        1 => "one seed".into(),
        seeds => format!("{seeds} seeds ± half of the interval"),
    };
    let heading =
        format!("Percent, mean over data sets and {seeds}. Intervals: {:.0} %, over seeds.\n", 100.0 * summary::LEVEL);
    let rest = format!("backend {}. A method without strategies is in the host column.", first.backend);
    print(&heading);
    let (settings, all_sets) = (summary::by_setting(results), summary::sets(results));
    for (setting, results) in &settings {
        let table = match layout {
            Layout::Ablation => summary::ablation_table(results).to_string(),
            Layout::Standings => {
                let summary::Standings { table, ranks } = summary::standings(results);
                match ranks {
                    None => table.to_string(),
                    Some(summary::Ranked { sets, diagram }) => format!(
                        "Ranks are averages over {sets} data sets. p compares each method with the best rank (Wilcoxon test, Holm correction).\n\n\
                         {table}\n\n{diagram}"
                    ),
                }
            }
            Layout::Strategies => {
                let verdicts =
                    summary::verdicts(results).into_iter().map(|(model, verdict)| format!("{model}: {verdict}"));
                format!("{}\n\n{}", summary::table(results), verdicts.collect::<Vec<_>>().join("\n"))
            }
        };
        let sets = match summary::sets(results) {
            sets if sets < all_sets => format!(", {sets} of {all_sets} data sets"),
            _ => String::new(),
        };
        let setting_text = format!("{}{}{sets}", summary::labels(setting.budget), setting.besides_labels());
        print(&format!("Protocol {}, {setting_text}, {rest}\n\n{table}\n", first.protocol));
        if settings.len() > 1 {
            print("\n");
        }
    }
    if settings.len() > 1 {
        for (title, metric) in summary::METRICS {
            let table = summary::sweep_table(&settings, metric);
            let over = if summary::sets_differ(&settings) {
                "families of the data sets that have a setting"
            } else {
                "families"
            };
            print(&format!("{title} by {}, mean over {over}:\n\n{table}\n\n", summary::swept(&settings)));
        }
    }
}
