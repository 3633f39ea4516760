//! `anoonly bench`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anoonly::core::Seed;
use anoonly::core::budget::LabelBudget;
use anoonly::core::noise::Noise;
use anoonly::core::protocol::Protocol;
use anoonly::core::synthetic::Synthetic;
use anoonly::data::catalogue::Source;
use anoonly::data::fetch::cache_folder;
use anoonly::models::overrides::overridden;
use anoonly::models::{AnyMethod, ConfigError};
use anoonly_bench::report::{self, About};
use anoonly_bench::{
    Ablation, BenchError, Grid, Merged, Plan, Reference, Results, Shard, Store, Strategy, summary, usage,
};
use anoonly_page::check_page_path;
use clap::{Args, FromArgMatches, Subcommand};
use toml::{Table, Value};

use crate::compute::Compute;
use crate::progress::{Bars, stopped_by_user};
use crate::{failed, one_line, print};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Options {
    /// TOML file with any of these options, as `seeds = [1, 2, 3]` or `label-ratio = 0.1`, and with settings of methods, as
    /// `[settings.devnet]` with `depth = 4`; options of the command line go before its
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// A folder with .npz, .csv or .parquet files (ADBench's `datasets`, for one), one such file, `embedded`, or `fetched` for
    /// what `anoonly data fetch` brought
    #[arg(long, default_value = "embedded", value_name = "DIR|embedded|fetched")]
    data: PathBuf,
    /// Data sets by name; * and ? stand for any letters [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PATTERN,…")]
    datasets: Vec<String>,
    /// Methods, as `anoonly models` lists them
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "devnet,prenet,deepsad,mean-difference,logistic,knn",
        value_name = "NAME,…"
    )]
    models: Vec<String>,
    /// `host` trains with the whole loss, `anoonly` with the loss of labelled anomalies alone
    #[arg(long, value_delimiter = ',', default_value = "host,anoonly", value_name = "NAME,…")]
    strategies: Vec<Strategy>,
    /// Instead of strategies: what AnoOnly owes to one of its parts, for the methods that have one
    #[arg(long, conflicts_with = "strategies", value_name = "norm|lambda|normal-share|bn-stats")]
    ablation: Option<Ablation>,
    /// Share of the training anomalies that stay labelled, rounded up; several make a sweep
    #[arg(long, value_delimiter = ',', default_value = "0.1", value_name = "RATIO,…")]
    label_ratio: Vec<f64>,
    /// Number of training anomalies that stay labelled, instead of a share
    #[arg(long, value_delimiter = ',', conflicts_with = "label_ratio", value_name = "N,…")]
    label_count: Vec<usize>,
    /// What is done to the rows: label-contamination, anomaly-contamination, duplicated-anomalies or irrelevant-features;
    /// normal-clean is anomaly-contamination of level 0
    #[arg(long, default_value = "none", value_name = "NAME")]
    noise: String,
    /// How much of it: a share, or for duplicated-anomalies how many times; several make a sweep
    #[arg(long, value_delimiter = ',', value_name = "LEVEL,…")]
    noise_level: Vec<f64>,
    /// Synthetic anomalies in place of a data set's own, and normal rows to go with them: local, global, cluster, dependency, or
    /// `none` for the rows as they are; one after the other
    #[arg(long, value_delimiter = ',', default_value = "none", value_name = "KIND,…")]
    synthetic: Vec<String>,
    /// Seeds; each draws its own split, labels, weights and batches
    #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5", value_name = "N,…")]
    seeds: Vec<u64>,
    /// `clean` keeps every row on one side of the split; `adbench` resamples small sets before it, as the paper does
    #[arg(long, default_value = "clean", value_name = "clean|adbench")]
    protocol: Protocol,
    #[command(flatten)]
    compute: Compute,
    /// Runs at a time, one thread each [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// TOML file that changes methods: a table for each, as `[devnet]` with `depth = 4`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Results of another implementation, a CSV file like results.csv, to set beside ours
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Only a part of the grid, as 2/5 for the second of five: for several machines, each with its own --out
    #[arg(long, value_name = "PART/PARTS")]
    shard: Option<Shard>,
    /// Folder for results: every run as soon as it is measured, and results.csv at the end. A bench that was stopped goes
    /// on from there
    #[arg(long, default_value = "bench-results", value_name = "DIR", global = true)]
    out: PathBuf,
    /// Also write a report, one HTML file with figures; on a folder where all is measured, nothing else is done
    #[arg(long, value_name = "FILE", global = true)]
    report: Option<PathBuf>,
    /// Tables with a line for each method and strategy instead, the best first: AUROC on each family, ranks, and seconds a fit
    #[arg(long, global = true, conflicts_with = "json")]
    standings: bool,
    /// Print the means of the tables as JSON instead
    #[arg(long, global = true, conflicts_with = "reference")]
    json: bool,
    #[command(subcommand)]
    task: Option<Task>,
    /// The settings of a plan's file.
    #[arg(skip)]
    settings: Option<String>,
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

    /// The options together with those of the plan's file: the file's words are put before those of the command line, of
    /// which the last ones count.
    fn with_plan(self) -> Result<Self, BenchError> {
        let Some(path) = &self.plan else { return Ok(self) };
        let failed = |reason: String| BenchError::File { path: path.clone(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let mut plan: Table = text.parse().map_err(|error: toml::de::Error| failed(error.to_string()))?;
        let settings = match plan.remove("settings") {
            None => None,
            Some(Value::Table(settings)) => Some(settings.to_string()),
            Some(_) => return Err(failed("`settings` holds a table for each method".into())),
        };
        // After the program's name and `bench`.
        let given: Vec<OsString> = std::env::args_os().skip(2).collect();
        let says = |name: &str| {
            given.iter().any(|word| word.to_string_lossy().split('=').next() == Some(&format!("--{name}")))
        };
        let command = Options::augment_args(clap::Command::new("bench"));
        let known: Vec<&str> = command.get_arguments().filter_map(|argument| argument.get_long()).collect();
        let mut words = Vec::new();
        for (name, value) in plan {
            if !known.contains(&name.as_str()) || name == "plan" {
                let known: Vec<&str> = known.into_iter().filter(|known| *known != "plan").collect();
                return Err(failed(format!("unknown option `{name}`: use {} or settings", known.join(", "))));
            }
            let overruled = match name.as_str() {
                "label-ratio" | "label-count" => says("label-ratio") || says("label-count"),
                "strategies" | "ablation" => says("strategies") || says("ablation"),
                "noise-level" => says("noise") || says("noise-level"),
                "device" => says("backend") || says("device"),
                name => says(name),
            };
            match value {
                _ if overruled => {}
                Value::Boolean(said) => words.extend(said.then(|| OsString::from(format!("--{name}")))),
                value => {
                    let value = match value {
                        Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join(","),
                        value => word(&value),
                    };
                    words.push(OsString::from(format!("--{name}={value}")));
                }
            }
        }
        let words = [OsString::from("bench")].into_iter().chain(words).chain(given);
        let told = |error: &clap::Error| failed(one_line(error).trim_start_matches("error: ").to_owned());
        let matches = command.try_get_matches_from(words).map_err(|error| told(&error))?;
        let options = Options::from_arg_matches(&matches).map_err(|error| told(&error))?;
        Ok(Self { settings, ..options })
    }

    fn start(self) -> ExitCode {
        let out = self.out.clone();
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
        let threads = match self.threads {
            Some(0) => return Err(BenchError::Option { option: "--threads", reason: "at least 1 is needed".into() }),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let out = self.out.clone();
        let (layout, json) = (Layout::new(self.standings, self.ablation.is_some()), self.json);
        let (budgets, noises) = (self.budgets(), self.noises()?);
        let synthetic = self.synthetic()?;
        let reference = match (self.reference.as_deref(), budgets.as_slice(), noises.as_slice(), synthetic.as_slice()) {
            (None, _, _, _) => None,
            (Some(path), &[budget], &[Noise::None], &[None]) => Some(Reference::read(path, budget)?),
            _ => {
                let reason =
                    "a reference stands beside one label ratio or count without noise or synthetic rows".into();
                return Err(BenchError::Option { option: "--reference", reason });
            }
        };
        let shard = self.shard;
        let report_to = self.report.clone();
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
        let report_to = self.report.as_deref();
        report_to.map_or(Ok(()), check_page_path)?;
        let Merged { results, missing } = Store::open(&self.out)?.merge(folders)?;
        if missing > 0 {
            eprintln!("{missing} of the grid's {} runs are in none of these folders", results.rows.len() + missing);
        }
        let ablation = results.rows.iter().any(|row| !["host", "anoonly", "none"].contains(&row.strategy.name()));
        match self.json {
            true => print(&as_json(&results)),
            false => tell_results(&results, Layout::new(self.standings, ablation)),
        }
        write_report(report_to, &results, Vec::new())?;
        Ok(results)
    }

    fn plan(self) -> Result<Plan, BenchError> {
        let (budgets, noises, synthetic) = (self.budgets(), self.noises()?, self.synthetic()?);
        let source = match self.data.to_str() {
            Some("embedded") => Source::Embedded,
            Some("fetched") => Source::Folder(fetched()?),
            _ => Source::Folder(self.data),
        };
        let mut models: Vec<AnyMethod> =
            self.models.iter().map(|name| AnyMethod::by_name(name.trim())).collect::<Result<_, _>>()?;
        if let (Some(settings), Some(path)) = (&self.settings, &self.plan) {
            let failed = |error: ConfigError| BenchError::File { path: path.clone(), reason: error.to_string() };
            models = overridden(models, settings).map_err(failed)?;
        }
        if let Some(path) = &self.config {
            let failed = |reason: String| BenchError::File { path: path.clone(), reason };
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            models = overridden(models, &text).map_err(|error| failed(error.to_string()))?;
        }
        Ok(Plan {
            source,
            datasets: self.datasets.iter().map(|pattern| pattern.trim().to_owned()).collect(),
            models,
            strategies: self.ablation.map_or(self.strategies, Ablation::strategies),
            budgets,
            noises,
            synthetic,
            seeds: self.seeds.into_iter().map(Seed).collect(),
            protocol: self.protocol,
            compute: self.compute.device()?,
        })
    }

    fn budgets(&self) -> Vec<LabelBudget> {
        match self.label_count.is_empty() {
            true => self.label_ratio.iter().copied().map(LabelBudget::Ratio).collect(),
            false => self.label_count.iter().copied().map(LabelBudget::Count).collect(),
        }
    }

    fn noises(&self) -> Result<Vec<Noise>, BenchError> {
        let wrong = |option, reason: String| Err(BenchError::Option { option, reason });
        let levels: &[f64] = match (self.noise.as_str(), self.noise_level.as_slice()) {
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
        Ok(levels.iter().map(|&level| Noise::named(&self.noise, level)).collect::<Result<_, _>>()?)
    }

    fn synthetic(&self) -> Result<Vec<Option<Synthetic>>, BenchError> {
        let kind = |name: &String| match name.trim() {
            "none" => Ok(None),
            name => name.parse::<Synthetic>().map(Some),
        };
        Ok(self.synthetic.iter().map(kind).collect::<Result<_, _>>()?)
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

/// A value of a plan's file as a word of the command line.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn write_report(path: Option<&Path>, results: &Results, methods: Vec<AnyMethod>) -> Result<(), BenchError> {
    let Some(path) = path else { return Ok(()) };
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let command = std::iter::once("anoonly".to_owned()).chain(words).collect::<Vec<_>>().join(" ");
    report::write(path, results, &About { command, methods })?;
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
