//! `anoonly train`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anoonly::core::{Label, Seed};
use anoonly::data::encode::{ColumnKind, EncoderOptions};
use anoonly::data::table::{LabelColumn, Labels, shortened};
use anoonly::models::AnyMethod;
use anoonly::models::overrides::overridden;
use anoonly::pipeline::{Detector, Model, PipelineError};
use anoonly_bench::Strategy;
use clap::Args;

use crate::compute::Compute;
use crate::{counted, method_told, print, read_table, refuse};

#[derive(Debug, Args)]
pub struct Options {
    /// The table: .csv, .tsv, .csv.gz, .parquet, .arrow, .feather, .ipc or .npz; `-` reads CSV from standard input
    table: PathBuf,
    /// The column with the labels: 1, true, yes, anomaly or outlier marks an anomaly, 0, false, no, normal or inlier a normal
    /// row, and a row without a value is unlabelled
    #[arg(long, value_name = "COLUMN")]
    label: String,
    /// The value of that column which marks anomalies; all others are normal then
    #[arg(long, value_name = "VALUE")]
    anomaly: Option<String>,
    /// The method, as `anoonly models` lists them
    #[arg(long, default_value = "quorum", value_name = "NAME")]
    model: String,
    /// How a method with a loss is trained: `anoonly` by the loss of labelled anomalies alone, `host` by the whole loss
    #[arg(long, default_value = "anoonly", value_name = "host|anoonly")]
    strategy: Strategy,
    /// TOML file that changes the method, as `[devnet]` with `depth = 4`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Columns to leave out
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    drop: Vec<String>,
    /// Columns that tell which row it is: no features, but written beside the scores
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    id: Vec<String>,
    /// Columns whose values are categories even where they look like numbers, as postal codes
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    category: Vec<String>,
    /// Members, trained with different seeds, whose scores are averaged [default: 5, or 1 for a method that is not trained]
    #[arg(long, value_name = "N")]
    ensemble: Option<usize>,
    /// Let cross-validation over the labelled anomalies choose the number of epochs. Takes about five times as long, and with
    /// few labels changes little
    #[arg(long)]
    early_stopping: bool,
    /// Share of the rows that are no labelled anomalies, at most 2000 rows, kept from training so that their scores show what
    /// is usual; 0 for none, and then no p-values
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    held_out: f64,
    /// Also tell how well such a model ranks rows it was not trained on, by cross-validation
    #[arg(long)]
    validate: bool,
    /// Seed of weights, batches and held-out rows
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    compute: Compute,
    /// Where the model goes
    #[arg(long, default_value = "model.anoonly", value_name = "FILE")]
    out: PathBuf,
    /// Tell what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> ExitCode {
        match self.train() {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        }
    }

    fn train(self) -> Result<String, PipelineError> {
        let mut method = AnyMethod::by_name(&self.model)?;
        if let Some(path) = &self.config {
            let failed = |reason: String| PipelineError::Input { path: path.clone(), reason };
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            let methods = overridden(vec![method], &text).map_err(|error| failed(error.to_string()))?;
            method = methods.into_iter().next().ok_or_else(|| failed("no method in it".into()))?;
        }
        let table = read_table(&self.table)?;
        let label = LabelColumn { names: vec![self.label.clone()], anomaly: self.anomaly.clone() };
        let ids: Vec<&str> = self.id.iter().map(String::as_str).collect();
        let columns =
            EncoderOptions { drop: self.drop.clone(), categories: self.category.clone(), ..EncoderOptions::default() };
        let mut detector = Detector::new(method)
            .supervision(self.strategy.supervision())
            .early_stopping(self.early_stopping)
            .held_out(self.held_out)
            .seed(Seed(self.seed))
            .ids(&ids)
            .columns(columns);
        if let Some(members) = self.ensemble {
            detector = detector.members(members);
        }
        let device = self.compute.device()?;
        let start = Instant::now();
        let mut model = detector.fit_on(&table, label.clone(), &device)?;
        let seconds = start.elapsed().as_secs_f64();
        if self.validate {
            let validation = detector.validate(&table, label.clone(), &device)?;
            model.set_validation(validation);
        }
        model.save(&self.out)?;
        Ok(match self.json {
            true => {
                format!("{}\n", serde_json::json!({ "model": self.out, "seconds": seconds, "about": model.about() }))
            }
            false => told(&model, &table.labels(&label)?, &self, seconds),
        })
    }
}

fn told(model: &Model, labels: &Labels, options: &Options, seconds: f64) -> String {
    let about = model.about();
    let mut text = String::new();
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    line(format!("{}: {} rows", about.table, about.counts.rows));
    for value in labels.values.iter().take(10) {
        let read = match value.label {
            Label::Anomaly => "an anomaly",
            Label::Normal => "normal, and trained on as unlabelled",
            Label::Unlabelled => "unlabelled",
        };
        let shown = value.value.as_ref().map_or_else(|| "nothing".into(), |value| format!("`{value}`"));
        line(format!("  label {shown} in {}: {read}", counted(value.rows, "row", "rows")));
    }
    if labels.values.len() > 10 {
        line(format!("  and {} more values of `{}`", labels.values.len() - 10, labels.column));
    }
    for left in &about.left_out {
        line(format!("  column `{}` left out: {}", left.column, left.reason));
    }
    let columns = model.encoder().columns();
    for (kind, name) in [
        (ColumnKind::Number, "numbers"),
        (ColumnKind::Truth, "truth values"),
        (ColumnKind::Date, "dates"),
        (ColumnKind::Category, "categories"),
    ] {
        let names: Vec<&str> =
            columns.iter().filter(|column| column.kind == kind).map(|column| &column.name[..]).collect();
        if !names.is_empty() {
            line(format!("  {name}: {}", shortened(&names)));
        }
    }
    line(format!(
        "  {} give {}; {} filled in",
        counted(columns.len(), "column", "columns"),
        counted(model.encoder().width(), "feature", "features"),
        counted(about.counts.filled, "missing value", "missing values")
    ));
    let usual = about.counts.rows - about.counts.anomalies - about.counts.held_out;
    line(format!(
        "{}, {}, trained on {} and {} in {seconds:.1} s",
        model.members().next().map_or_else(String::new, |(member, _)| method_told(member.detector())),
        counted(model.members().len(), "member", "members"),
        counted(about.counts.anomalies, "labelled anomaly", "labelled anomalies"),
        counted(usual, "other row", "other rows")
    ));
    if let Some(stopping) = about.stopping {
        line(match stopping.epochs < stopping.of {
            true => format!(
                "stopped after {} of {} epochs: average precision {:.1} % there and {:.1} % at the end, on {} folds",
                stopping.epochs,
                stopping.of,
                100.0 * stopping.ap,
                100.0 * stopping.ap_at_end,
                stopping.folds
            ),
            false => format!(
                "all {} epochs: no earlier one is better beyond doubt, on {} folds",
                stopping.of, stopping.folds
            ),
        });
    }
    if about.counts.held_out > 0 {
        line(format!("{} rows held out: their scores give p-values and thresholds", about.counts.held_out));
    }
    if let Some(validation) = about.validation {
        let percent = |interval: anoonly::eval::Interval| {
            format!("{:.1} % ({:.1} to {:.1})", 100.0 * interval.estimate, 100.0 * interval.low, 100.0 * interval.high)
        };
        line(format!(
            "validated on {} folds, unlabelled rows counting as normal: AUROC {}, average precision {}",
            validation.folds,
            percent(validation.auroc),
            percent(validation.ap)
        ));
    }
    line(format!("{} written", options.out.display()));
    text
}
