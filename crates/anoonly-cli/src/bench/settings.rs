//! The settings of a bench, given as options or in a plan file.
//!
//! One struct defines both: clap reads it from the command line, serde from a TOML file with the same names. Every field may be
//! absent, so the two can be combined before the defaults are filled in.

mod plan_file;
mod tasks;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anoonly::core::Seed;
use anoonly::core::budget::LabelBudget;
use anoonly::core::protocol::Protocol;
use anoonly::train::BackendName;
use anoonly::train::labelling::Query;
use anoonly_bench::{Ablation, Shard, Strategy};
use clap::Args;
use serde::Deserialize;
use toml::Table;

use crate::compute::Compute;
use plan_file::{list, parsed, parsed_list, paths, text};

pub use tasks::AnalystSettings;

/// What to run, where to find the data and where to put the results.
#[derive(Clone, Debug, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BenchSettings {
    /// A folder with .npz, .csv or .parquet files (such as ADBench's `datasets`), one such file, `embedded`, or `fetched` for
    /// the files of `anoonly data fetch` [default: embedded]
    #[arg(long, value_name = "DIR|embedded|fetched")]
    pub data: Option<PathBuf>,
    /// Data sets by name; * and ? match any characters [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PATTERN,…")]
    #[serde(deserialize_with = "list")]
    pub datasets: Vec<String>,
    /// Methods, as `anoonly models` lists them; with --labelling those of pu-forest,extra-trees,logistic,isolation-forest unless given [default:
    /// devnet,prenet,deepsad,mean-difference,logistic,knn]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    #[serde(deserialize_with = "list")]
    pub models: Vec<String>,
    /// `host` trains with the whole loss, `anoonly` with the loss of labelled anomalies alone [default: host,anoonly]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    #[serde(deserialize_with = "parsed_list")]
    pub strategies: Vec<Strategy>,
    /// Instead of strategies: compare AnoOnly with variants that differ in one of its parts
    #[arg(long, conflicts_with = "strategies", value_name = "norm|lambda|normal-share|bn-stats")]
    #[serde(deserialize_with = "parsed")]
    pub ablation: Option<Ablation>,
    /// Share of the training anomalies that stay labelled, rounded up; several values make a sweep [default: 0.1]
    #[arg(long, value_delimiter = ',', value_name = "RATIO,…")]
    #[serde(deserialize_with = "list")]
    pub label_ratio: Vec<f64>,
    /// Number of training anomalies that stay labelled, instead of a share; a data set is left out at counts that it does not have, and
    /// methods that need a label are left out at 0
    #[arg(long, value_delimiter = ',', conflicts_with = "label_ratio", value_name = "N,…")]
    #[serde(deserialize_with = "list")]
    pub label_count: Vec<usize>,
    /// Change the training data: label-contamination, wrong-labels, anomaly-contamination, duplicated-anomalies or
    /// irrelevant-features; normal-clean is anomaly-contamination of level 0 [default: none]
    #[arg(long, value_name = "NAME")]
    pub noise: Option<String>,
    /// Level of the noise: a share, or the number of copies for duplicated-anomalies; several values make a sweep
    #[arg(long, value_delimiter = ',', value_name = "LEVEL,…")]
    #[serde(deserialize_with = "list")]
    pub noise_level: Vec<f64>,
    /// Replace the rows of each data set by synthetic anomalies and normal rows: local, global, cluster, dependency, or `none`
    /// to keep its own rows; several values run one after the other [default: none]
    #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
    #[serde(deserialize_with = "list")]
    pub synthetic: Vec<String>,
    /// Play an analyst who has a table without labels: fit, ask about the rows that --query chooses, answer with the true labels, fit
    /// again, and count the anomalies found. At most 5000 rows of each data set
    #[arg(long, global = true)]
    pub labelling: bool,
    /// Number of rows that are labelled, with --labelling [default: 100]
    #[arg(long, value_name = "N")]
    pub budget: Option<usize>,
    /// Number of rows that are labelled between two fits, with --labelling [default: 5]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// How rows are chosen, with --labelling: top, diverse, margin or random; `top+0.1` draws a tenth of the rows at random
    /// [default: top]
    #[arg(long, value_delimiter = ',', value_name = "STRATEGY,…")]
    #[serde(deserialize_with = "parsed_list")]
    pub query: Vec<Query>,
    /// With --labelling: write the indices of the rows that are labelled, for another program to label the same ones, and measure
    /// nothing; a line of JSON for each data set and seed
    #[arg(long, value_name = "FILE")]
    pub write_rows: Option<PathBuf>,
    /// Seeds; each draws its own split, labels, weights and batches [default: 1,2,3,4,5]
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    #[serde(deserialize_with = "list")]
    pub seeds: Vec<u64>,
    /// `clean` keeps every row on one side of the split; `adbench` resamples small sets before it, as the paper does [default:
    /// clean]
    #[arg(long, value_name = "clean|adbench")]
    pub protocol: Option<Protocol>,
    /// Backend to run on [default: flex]
    #[arg(long, value_name = "ndarray|flex|wgpu|cuda")]
    #[serde(deserialize_with = "parsed")]
    pub backend: Option<BackendName>,
    /// GPU to run on: its number, counted from 0, or a part of its name [default: the first]
    #[arg(long, value_name = "NUMBER|NAME")]
    #[serde(deserialize_with = "text")]
    pub device: Option<String>,
    /// Runs at a time, one thread each [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// TOML file with settings of methods: a table for each, such as `[devnet]` with `depth = 4`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Results of another implementation to compare with: a CSV file like results.csv
    #[arg(long, conflicts_with = "json", value_name = "FILE")]
    pub reference: Option<PathBuf>,
    /// Write the rows of every split into a folder, for another program to fit its methods on the same rows, and measure nothing; see
    /// docs/results-format.md
    #[arg(long, value_name = "DIR")]
    pub export_splits: Option<PathBuf>,
    /// Scores of another program on the splits of --export-splits, as lines of JSON: its methods stand in every table beside the others;
    /// may be repeated
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "paths")]
    pub import: Vec<PathBuf>,
    /// Run only a part of the grid, such as 2/5 for the second of five: for several machines, each with its own --out
    #[arg(long, value_name = "PART/PARTS")]
    #[serde(deserialize_with = "parsed")]
    pub shard: Option<Shard>,
    /// Folder for results: every run as soon as it is measured, and results.csv at the end. The same command continues a bench
    /// that was stopped [default: bench-results]
    #[arg(long, value_name = "DIR", global = true)]
    pub out: Option<PathBuf>,
    /// Also write a report, one HTML file with figures; if all runs are measured already, only the report is made
    #[arg(long, value_name = "FILE", global = true)]
    pub report: Option<PathBuf>,
    /// Also draw a sweep of label budgets or noise levels as an SVG file: AUROC and average precision of all methods in two panels
    #[arg(long, value_name = "FILE.svg", global = true)]
    pub figure: Option<PathBuf>,
    /// Print tables with a line for each method and strategy, the best first: AUROC on each family, ranks, and seconds a fit
    #[arg(long, global = true, conflicts_with = "json")]
    pub standings: bool,
    /// Print the means of the tables as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Settings of methods, a table for each; in plan files only.
    #[arg(skip)]
    pub settings: Table,
}

impl BenchSettings {
    /// These settings, and those of `file` where these are silent. A setting here also replaces the settings of the file that
    /// contradict it or belong to it: a label count replaces a label ratio, a noise replaces its levels, and an export of splits
    /// replaces what only concerns tables and figures, so that one plan serves both the export and the bench.
    pub fn or(self, mut file: Self) -> Self {
        if !self.label_ratio.is_empty() || !self.label_count.is_empty() {
            (file.label_ratio, file.label_count) = (Vec::new(), Vec::new());
        }
        if !self.strategies.is_empty() || self.ablation.is_some() {
            (file.strategies, file.ablation) = (Vec::new(), None);
        }
        if self.noise.is_some() {
            file.noise_level = Vec::new();
        }
        if self.backend.is_some() {
            file.device = None;
        }
        if self.json {
            (file.standings, file.reference) = (false, None);
        }
        if self.standings || self.reference.is_some() {
            file.json = false;
        }
        if self.export_splits.is_some() {
            (file.standings, file.json, file.reference) = (false, false, None);
            (file.report, file.figure) = (None, None);
        }
        Self {
            data: self.data.or(file.data),
            datasets: first(self.datasets, file.datasets),
            models: first(self.models, file.models),
            strategies: first(self.strategies, file.strategies),
            ablation: self.ablation.or(file.ablation),
            label_ratio: first(self.label_ratio, file.label_ratio),
            label_count: first(self.label_count, file.label_count),
            noise: self.noise.or(file.noise),
            noise_level: first(self.noise_level, file.noise_level),
            synthetic: first(self.synthetic, file.synthetic),
            labelling: self.labelling || file.labelling,
            budget: self.budget.or(file.budget),
            batch: self.batch.or(file.batch),
            query: first(self.query, file.query),
            write_rows: self.write_rows.or(file.write_rows),
            seeds: first(self.seeds, file.seeds),
            protocol: self.protocol.or(file.protocol),
            backend: self.backend.or(file.backend),
            device: self.device.or(file.device),
            threads: self.threads.or(file.threads),
            config: self.config.or(file.config),
            reference: self.reference.or(file.reference),
            export_splits: self.export_splits.or(file.export_splits),
            import: first(self.import, file.import),
            shard: self.shard.or(file.shard),
            out: self.out.or(file.out),
            report: self.report.or(file.report),
            figure: self.figure.or(file.figure),
            standings: self.standings || file.standings,
            json: self.json || file.json,
            settings: if self.settings.is_empty() { file.settings } else { self.settings },
        }
    }

    /// Where the data sets are.
    pub fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new("embedded"))
    }

    /// The patterns of data sets.
    pub fn datasets(&self) -> Vec<String> {
        or_names(&self.datasets, &[])
    }

    /// The names of the methods.
    pub fn models(&self) -> Vec<String> {
        match self.labelling {
            true => or_names(&self.models, &["pu-forest", "extra-trees", "logistic", "isolation-forest"]),
            false => or_names(&self.models, &["devnet", "prenet", "deepsad", "mean-difference", "logistic", "knn"]),
        }
    }

    /// The strategies, those of the ablation if there is one.
    pub fn strategies(&self) -> Vec<Strategy> {
        match (self.ablation, self.strategies.as_slice()) {
            (Some(ablation), _) => ablation.strategies(),
            (None, []) => vec![Strategy::host(), Strategy::anoonly()],
            (None, strategies) => strategies.to_vec(),
        }
    }

    /// The label budgets.
    pub fn budgets(&self) -> Vec<LabelBudget> {
        match (self.label_count.as_slice(), self.label_ratio.as_slice()) {
            ([], []) => vec![LabelBudget::Ratio(0.1)],
            ([], ratios) => ratios.iter().copied().map(LabelBudget::Ratio).collect(),
            (counts, _) => counts.iter().copied().map(LabelBudget::Count).collect(),
        }
    }

    /// The name of the noise.
    pub fn noise(&self) -> &str {
        self.noise.as_deref().unwrap_or("none")
    }

    /// The kinds of synthetic rows by name, `none` for the rows of the data sets.
    pub fn synthetic(&self) -> Vec<String> {
        or_names(&self.synthetic, &["none"])
    }

    /// The seeds.
    pub fn seeds(&self) -> Vec<Seed> {
        let seeds = if self.seeds.is_empty() { &[1, 2, 3, 4, 5] } else { self.seeds.as_slice() };
        seeds.iter().copied().map(Seed).collect()
    }

    /// The protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or(Protocol::Clean)
    }

    /// The backend and the device.
    pub fn compute(&self) -> Compute {
        Compute { backend: self.backend.unwrap_or_default(), device: self.device.clone() }
    }

    /// The folder for results.
    pub fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new("bench-results"))
    }
}

/// The names without spaces around them, or the default ones if there are none.
fn or_names(names: &[String], default: &[&str]) -> Vec<String> {
    match names {
        [] => default.iter().map(|name| (*name).to_owned()).collect(),
        names => names.iter().map(|name| name.trim().to_owned()).collect(),
    }
}

/// The values, or `others` if there are none.
fn first<T>(values: Vec<T>, others: Vec<T>) -> Vec<T> {
    if values.is_empty() { others } else { values }
}
