//! `anoonly bench`.

mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anoonly::core::noise::Noise;
use anoonly::core::synthetic::Synthetic;
use anoonly::data::catalogue::Source;
use anoonly::data::fetch::cache_folder;
use anoonly::models::overrides::overridden;
use anoonly::models::{AnyMethod, ConfigError};
use anoonly_bench::report::{self, ReportOrigin};
use anoonly_bench::{BenchError, Grid, Merged, Plan, Reference, Results, Store, summary, usage};
use anoonly_page::check_page_path;
use clap::{Args, Subcommand};

use crate::progress::{Bars, stopped_by_user};
use crate::{failed, print};
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
    /// Join the results of several folders, as of the parts of a grid, in that of --out
    Merge {
        /// Folders of results
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
}

impl Options {
    pub fn run(self) -> ExitCode {
        match self.with_plan() {
            Ok(options) => options.start(),
            Err(error) => failed(&error),
        }
    }

    /// The options together with those of the plan file.
    fn with_plan(self) -> Result<Self, BenchError> {
        let file = self.plan.as_deref().map(BenchSettings::read).transpose()?.unwrap_or_default();
        Ok(Self { settings: self.settings.or(file), ..self })
    }

    fn start(self) -> ExitCode {
        let out = self.settings.out().to_owned();
        let done = match self.task {
            Some(Task::Merge { ref folders }) => self.merge(folders),
            None => self.measure(),
        };
        match done {
            Ok(results) if results.failed() == 0 => ExitCode::SUCCESS,
            Ok(results) => {
                eprintln!(
                    "{} of {} runs failed: see {}",
                    results.failed(),
                    results.rows.len(),
                    out.join("results.csv").display()
                );
                ExitCode::FAILURE
            }
            Err(error) => failed(&error),
        }
    }

    fn measure(self) -> Result<Results, BenchError> {
        let settings = &self.settings;
        let threads = match settings.threads {
            Some(0) => return Err(BenchError::Option { option: "--threads", reason: "at least 1 is needed".into() }),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let out = settings.out().to_owned();
        let (layout, json) = (Layout::new(settings.standings, settings.ablation.is_some()), settings.json);
        let (budgets, noises) = (settings.budgets(), self.noises()?);
        let synthetic = self.synthetic()?;
        let reference =
            match (settings.reference.as_deref(), budgets.as_slice(), noises.as_slice(), synthetic.as_slice()) {
                (None, _, _, _) => None,
                (Some(path), &[budget], &[Noise::None], &[None]) => Some(Reference::read(path, budget)?),
                _ => {
                    let reason =
                        "a reference stands beside one label ratio or count without noise or synthetic rows".into();
                    return Err(BenchError::Option { option: "--reference", reason });
                }
            };
        let shard = settings.shard;
        let report_to = settings.report.clone();
        report_to.as_deref().map_or(Ok(()), check_page_path)?;
        let plan = self.plan()?;
        let methods = plan.models.clone();
        let mut grid = Grid::prepare(plan)?;
        if let Some(shard) = shard {
            grid.shard(shard);
        }
        let store = Store::open(&out)?;
        let threads = threads.min(grid.jobs()).max(1);

        let (start, before) = (Instant::now(), usage::cpu_seconds());
        match grid.measured(&store) {
            0 => eprintln!("{} runs on {threads} threads", grid.runs()),
            measured => eprintln!(
                "{} runs on {threads} threads; {measured} of them stand in {} already",
                grid.runs(),
                out.display()
            ),
        }
        let bars = Bars::new(grid.runs(), grid.measured(&store));
        let results = grid.run(threads, &store, &*stopped_by_user()?, |progress| bars.show(progress));
        bars.clear();
        let results = results?;
        let seconds = start.elapsed().as_secs_f64();
        // Of runs that stood there already there is nothing to tell.
        let busy = usage::cpu_seconds().zip(before).map(|(after, before)| 100.0 * (after - before) / seconds);
        let busy = busy.filter(|_| seconds >= 1.0).map_or_else(String::new, |busy| {
            format!(
                ", {:.0} % of {threads} {} at work",
                busy / threads as f64,
                if threads == 1 { "core" } else { "cores" }
            )
        });
        eprintln!("done in {seconds:.0} s{busy}; every run is a row of {}\n", out.join("results.csv").display());

        match json {
            true => print(&as_json(&results)),
            false => tell_results(&results, layout),
        }
        if let Some(reference) = reference {
            let told = "Beside the reference, on the sets that both have, means over seeds and sets:";
            print(&format!("\n{told}\n\n{}\n", reference.table(&results)));
        }
        store.write_csv(&results)?;
        write_report(report_to.as_deref(), &results, methods)?;
        Ok(results)
    }

    /// Joins results of the same protocol and backend.
    fn merge(&self, folders: &[PathBuf]) -> Result<Results, BenchError> {
        let report_to = self.settings.report.as_deref();
        report_to.map_or(Ok(()), check_page_path)?;
        let Merged { results, missing } = Store::open(self.settings.out())?.merge(folders)?;
        if missing > 0 {
            eprintln!("{missing} of the grid's {} runs are in none of these folders", results.rows.len() + missing);
        }
        let ablation = results.rows.iter().any(|row| !["host", "anoonly", "none"].contains(&row.strategy.name()));
        match self.settings.json {
            true => print(&as_json(&results)),
            false => tell_results(&results, Layout::new(self.settings.standings, ablation)),
        }
        write_report(report_to, &results, Vec::new())?;
        Ok(results)
    }

    fn plan(self) -> Result<Plan, BenchError> {
        let (noises, synthetic) = (self.noises()?, self.synthetic()?);
        let settings = self.settings;
        let source = match settings.data().to_str() {
            Some("embedded") => Source::Embedded,
            Some("fetched") => Source::Folder(fetched()?),
            _ => Source::Folder(settings.data().to_owned()),
        };
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
        Ok(Plan {
            source,
            datasets: settings.datasets.iter().map(|pattern| pattern.trim().to_owned()).collect(),
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

    fn noises(&self) -> Result<Vec<Noise>, BenchError> {
        let wrong = |option, reason: String| Err(BenchError::Option { option, reason });
        let levels: &[f64] = match (self.settings.noise(), self.settings.noise_level.as_slice()) {
            ("none", []) => &[0.0],
            (Noise::NORMAL_CLEAN, []) => &[0.0],
            ("none", _) => return wrong("--noise", format!("say of what; one of {}", Noise::NAMES[1..].join(", "))),
            (name, []) if Noise::NAMES.contains(&name) => {
                return wrong("--noise-level", format!("say how much {name} there is to be"));
            }
            // An unknown name is told below.
            (_, []) => &[0.0],
            (_, levels) => levels,
        };
        Ok(levels.iter().map(|&level| Noise::named(self.settings.noise(), level)).collect::<Result<_, _>>()?)
    }

    fn synthetic(&self) -> Result<Vec<Option<Synthetic>>, BenchError> {
        let kind = |name: &String| match name.as_str() {
            "none" => Ok(None),
            name => name.parse::<Synthetic>().map(Some),
        };
        Ok(self.settings.synthetic().iter().map(kind).collect::<Result<_, _>>()?)
    }
}

/// The folder of fetched data sets.
fn fetched() -> Result<PathBuf, BenchError> {
    let wrong = |reason: String| BenchError::Option { option: "--data fetched", reason };
    let folder = cache_folder().map_err(|error| wrong(error.to_string()))?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(wrong(
            "nothing is there yet: `anoonly data fetch NAME` fetches, `anoonly data list` tells names".into(),
        )),
    }
}

fn write_report(path: Option<&Path>, results: &Results, methods: Vec<AnyMethod>) -> Result<(), BenchError> {
    let Some(path) = path else { return Ok(()) };
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let command = std::iter::once("anoonly".to_owned()).chain(words).collect::<Vec<_>>().join(" ");
    report::write(path, results, &ReportOrigin { command, methods })?;
    eprintln!("report: {}", path.display());
    Ok(())
}

fn as_json(results: &Results) -> String {
    format!("{}\n", serde_json::json!(summary::means(results)))
}

/// What a table of results sets side by side.
#[derive(Clone, Copy)]
enum Layout {
    /// Host and AnoOnly, for each family.
    Strategies,
    /// AnoOnly and its parts.
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

/// Prints the tables of results, under what their numbers are: one for each setting, and, where these are several, one of them
/// all.
fn tell_results(results: &Results, layout: Layout) {
    let Some(first) = results.rows.first() else { return };
    let seeds: BTreeSet<u64> = results.rows.iter().map(|row| row.seed).collect();
    let seeds = match seeds.len() {
        1 => "one seed".into(),
        seeds => format!("{seeds} seeds ± half of the interval"),
    };
    let heading =
        format!("Percent, mean over data sets and {seeds}. Intervals: {:.0} %, over seeds.\n", 100.0 * summary::LEVEL);
    let rest = format!("backend {}. A method that no strategy trains stands in the host's column.", first.backend);
    print(&heading);
    let settings = summary::by_setting(results);
    for (setting, results) in &settings {
        let table = match layout {
            Layout::Ablation => summary::ablation_table(results).to_string(),
            Layout::Standings => {
                let summary::Standings { table, ranks } = summary::standings(results);
                match ranks {
                    None => table.to_string(),
                    Some(summary::Ranked { sets, diagram }) => format!(
                        "Ranks are averages over {sets} data sets; p is that of the best rank against this one (Wilcoxon, Holm).\n\n\
                         {table}\n\n{diagram}"
                    ),
                }
            }
            Layout::Strategies => {
                let verdicts = summary::verdicts(results).into_iter().map(|(model, told)| format!("{model}: {told}"));
                format!("{}\n\n{}", summary::table(results), verdicts.collect::<Vec<_>>().join("\n"))
            }
        };
        let told = format!("{}{}", summary::labels(setting.budget), setting.besides_labels());
        print(&format!("Protocol {}, {told}, {rest}\n\n{table}\n", first.protocol));
        if settings.len() > 1 {
            print("\n");
        }
    }
    if settings.len() > 1 {
        let names: Vec<String> =
            settings.iter().map(|(setting, _)| summary::setting_name(*setting, &settings)).collect();
        let results: Vec<&Results> = settings.iter().map(|(_, results)| results).collect();
        for (title, metric) in summary::METRICS {
            let table = summary::sweep_table(&names, &results, metric);
            print(&format!("{title} by {}, mean over families:\n\n{table}\n\n", summary::swept(&settings)));
        }
    }
}
