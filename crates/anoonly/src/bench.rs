//! `anoonly bench`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anoonly::bench::{Ablation, BenchError, Grid, Plan, Reference, Results, Row, Shard, Store, Strategy, summary};
use anoonly::data::Seed;
use anoonly::data::budget::LabelBudget;
use anoonly::data::catalogue::Source;
use anoonly::data::protocol::Protocol;
use anoonly::models::AnyMethod;
use anoonly::models::overrides::overridden;
use anoonly::train::BackendName;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{USER, print, tell};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, args_conflicts_with_subcommands = false, subcommand_negates_reqs = true)]
pub struct Options {
    /// A folder with .npz, .csv or .parquet files (ADBench's `datasets`, for one), one such file, or `embedded`
    #[arg(long, default_value = "embedded", value_name = "DIR|embedded")]
    data: PathBuf,
    /// Data sets by name; * and ? stand for any letters [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PATTERN,…")]
    datasets: Vec<String>,
    /// Methods, as `anoonly models` lists them
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "devnet,prenet,deepsad,mean-difference,knn",
        value_name = "NAME,…"
    )]
    models: Vec<String>,
    /// `host` trains with the whole loss, `anoonly` with the loss of labelled anomalies alone
    #[arg(long, value_delimiter = ',', default_value = "host,anoonly", value_name = "NAME,…")]
    strategies: Vec<Strategy>,
    /// Instead of strategies: what AnoOnly owes to one of its parts, for the methods that have one
    #[arg(long, conflicts_with = "strategies", value_name = "norm|lambda|normal-share|bn-stats")]
    ablation: Option<Ablation>,
    /// Share of the training anomalies that stay labelled, rounded up
    #[arg(long, default_value_t = 0.1, value_name = "RATIO")]
    label_ratio: f64,
    /// Number of training anomalies that stay labelled, instead of a share
    #[arg(long, conflicts_with = "label_ratio", value_name = "N")]
    label_count: Option<usize>,
    /// Seeds; each draws its own split, labels, weights and batches
    #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5", value_name = "N,…")]
    seeds: Vec<u64>,
    /// `clean` keeps every row on one side of the split; `adbench` resamples small sets before it, as the paper does
    #[arg(long, default_value = "clean", value_name = "clean|adbench")]
    protocol: Protocol,
    /// What computes
    #[arg(long, default_value_t, value_name = "ndarray|flex|wgpu")]
    backend: BackendName,
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
        let out = self.out.clone();
        let done = match self.task {
            Some(Task::Merge { folders }) => merge(&folders, &out),
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
            Err(error) => {
                tell(&error);
                let internal = matches!(error, BenchError::Threads { .. });
                if internal { ExitCode::FAILURE } else { ExitCode::from(USER) }
            }
        }
    }

    fn measure(self) -> Result<Results, BenchError> {
        let threads = match self.threads {
            Some(0) => return Err(BenchError::Option { option: "--threads", reason: "at least 1 is needed".into() }),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let out = self.out.clone();
        let ablation = self.ablation;
        let reference = self.reference.as_deref().map(|path| Reference::read(path, self.budget())).transpose()?;
        let shard = self.shard;
        let mut grid = Grid::prepare(self.plan()?)?;
        if let Some(shard) = shard {
            grid.shard(shard);
        }
        let store = Store::open(&out)?;
        let threads = threads.min(grid.runs()).max(1);

        let start = Instant::now();
        let bar = ProgressBar::new(grid.runs() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left  {msg}") {
            bar.set_style(style);
        }
        match grid.measured(&store) {
            0 => eprintln!("{} runs on {threads} threads", grid.runs()),
            measured => eprintln!(
                "{} runs on {threads} threads; {measured} of them stand in {} already",
                grid.runs(),
                out.display()
            ),
        }
        let results = grid.run(threads, &store, |progress| {
            bar.set_position(progress.done as u64);
            bar.set_message(progress.run);
        })?;
        bar.finish_and_clear();
        eprintln!(
            "done in {:.0} s; every run is a row of {}\n",
            start.elapsed().as_secs_f64(),
            out.join("results.csv").display()
        );

        tell_results(&results, ablation.is_some());
        if let Some(reference) = reference {
            let told = "Beside the reference, on the sets that both have, means over seeds and sets:";
            print(&format!("\n{told}\n\n{}\n", reference.table(&results)));
        }
        store.write_csv(&results)?;
        Ok(results)
    }

    fn plan(self) -> Result<Plan, BenchError> {
        let budget = self.budget();
        let source = if self.data.as_os_str() == "embedded" { Source::Embedded } else { Source::Folder(self.data) };
        let mut models: Vec<AnyMethod> =
            self.models.iter().map(|name| AnyMethod::by_name(name.trim())).collect::<Result<_, _>>()?;
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
            budget,
            seeds: self.seeds.into_iter().map(Seed).collect(),
            protocol: self.protocol,
            backend: self.backend,
        })
    }

    fn budget(&self) -> LabelBudget {
        self.label_count.map_or(LabelBudget::Ratio(self.label_ratio), LabelBudget::Count)
    }
}

/// Joins results of the same protocol, labels and backend.
fn merge(folders: &[PathBuf], out: &Path) -> Result<Results, BenchError> {
    let mut store = Store::open(out)?;
    store.merge(folders)?;
    let results = store.rows();
    let kind = |row: &Row| (row.protocol, row.budget, row.backend);
    if let Some(pair) = results.rows.windows(2).find(|pair| kind(&pair[0]) != kind(&pair[1])) {
        let told = pair.iter().map(|row| format!("{}, {}, {}", row.protocol, labels(row.budget), row.backend));
        let reason = format!("these cannot stand in one table: {}", told.collect::<Vec<_>>().join(" and "));
        return Err(BenchError::File { path: out.into(), reason });
    }
    let ablation = results.rows.iter().any(|row| !["host", "anoonly", "none"].contains(&row.strategy.name()));
    tell_results(&results, ablation);
    store.write_csv(&results)?;
    Ok(results)
}

/// Prints the table of results, under what its numbers are.
fn tell_results(results: &Results, ablation: bool) {
    let Some(first) = results.rows.first() else { return };
    let seeds: BTreeSet<u64> = results.rows.iter().map(|row| row.seed).collect();
    let seeds = match seeds.len() {
        1 => "one seed".into(),
        seeds => format!("{seeds} seeds ± half of the interval"),
    };
    let table = match ablation {
        true => summary::ablation_table(results),
        false => format!("{}\n\n{}", summary::table(results), summary::verdicts(results).join("\n")),
    };
    print(&format!(
        "Percent, mean over data sets and {seeds}. Intervals: {:.0} %, over seeds.\nProtocol {}, {}, backend {}. A floor has no strategy and stands in the host's column.\n\n{table}\n",
        100.0 * summary::LEVEL,
        first.protocol,
        labels(first.budget),
        first.backend
    ));
}

fn labels(budget: LabelBudget) -> String {
    match budget {
        LabelBudget::Count(count) => format!("{count} labelled anomalies"),
        // Rounded, so that 0.07 is 7 % and not 7.000000000000001 %.
        LabelBudget::Ratio(ratio) => {
            format!("{} % of the training anomalies labelled", (1e6 * ratio).round() / 1e4)
        }
    }
}
