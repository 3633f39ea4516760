//! `anoonly train`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anoonly::core::{Label, Seed, excerpt};
use anoonly::data::encode::EncoderOptions;
use anoonly::data::table::{LabelColumn, Labels, WantedColumns};
use anoonly::models::AnyMethod;
use anoonly::models::overrides::overridden;
use anoonly::pipeline::{Model, TableDetector};
use anoonly_bench::Strategy;
use clap::Args;

use crate::columns::{ColumnNames, shell_word};
use crate::compute::Compute;
use crate::error::CommandError;
use crate::findings::column_table;
use crate::reading::Reading;
use crate::terminal::one_line;
use crate::{counted, method_and_strategy, outputs, print, print_json, warn};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Options {
    /// The table: .csv, .tsv, .csv.gz, .parquet, .arrow, .feather, .ipc or .npz; `-` reads CSV from standard input
    table: PathBuf,
    /// The label column. The values 1, true, yes, anomaly and outlier mark anomalies, the values 0, false, no, normal and inlier
    /// mark normal rows, and rows without a value are unlabelled
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    label: String,
    /// The value of the label column that marks anomalies; all other values are normal
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    anomaly: Option<String>,
    /// The method, one of those that `anoonly models` lists
    #[arg(long, default_value = "quorum", value_name = "NAME")]
    model: String,
    /// How to train a method that has a loss: `anoonly` uses only the loss of labelled anomalies, `host` the whole loss
    #[arg(long, default_value = "anoonly", value_name = "host|anoonly")]
    strategy: Strategy,
    /// TOML file with settings of the method, such as `[devnet]` with `depth = 4`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Columns to ignore, whatever they hold. The option may be repeated, and a name with a comma is put in double quotes:
    /// --drop '"a, b",c'
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    drop: Vec<ColumnNames>,
    /// Identifier columns: not used as features, and written next to the scores
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    id: Vec<ColumnNames>,
    /// Columns whose values are categories even if they look like numbers, such as postal codes
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    category: Vec<ColumnNames>,
    /// Columns to use although they look like row numbers, identifiers or time that goes on, which are left out otherwise
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    keep: Vec<ColumnNames>,
    /// Number of members, which differ in their seeds and whose scores are averaged [default: 5, or 1 for an untrained method]
    #[arg(long, value_name = "N")]
    ensemble: Option<usize>,
    /// Choose the number of epochs by cross-validation over the labelled anomalies. Takes about five times as long, and with few
    /// labels changes little
    #[arg(long)]
    early_stopping: bool,
    /// Share of the rows without an anomaly label to hold out from training, at most 2000 rows. Their scores calibrate p-values and
    /// thresholds; with 0 there are none
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    held_out: f64,
    /// Also estimate by cross-validation how well such a model ranks rows that it was not trained on
    #[arg(long)]
    validate: bool,
    /// Seed of weights, batches and held-out rows
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    compute: Compute,
    /// Where to write the model
    #[arg(long, default_value = "model.anoonly", value_name = "FILE")]
    out: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        let config = self.config.iter().map(|path| ("the settings", path.as_path()));
        let inputs: Vec<outputs::Input<'_>> = config.chain([("the table", self.table.as_path())]).collect();
        outputs::check("--out", &self.out, &inputs)?;
        let drop = ColumnNames::all("--drop", &self.drop)?;
        let ids = ColumnNames::all("--id", &self.id)?;
        let categories = ColumnNames::all("--category", &self.category)?;
        let keep = ColumnNames::all("--keep", &self.keep)?;
        let mut method = AnyMethod::by_name(&self.model)?;
        if let Some(path) = &self.config {
            let failed = |reason: String| CommandError::File { path: path.clone(), reason };
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            let methods = overridden(vec![method], &text).map_err(|error| failed(error.to_string()))?;
            method = methods.into_iter().next().ok_or_else(|| failed("no method".into()))?;
        }
        let is_needed = |name: &String| *name == self.label || ids.contains(name);
        let dropped = drop.iter().filter(|name| !is_needed(name)).cloned().collect();
        let table = self.reading.table(&self.table, WantedColumns::Except(dropped))?;
        let label = LabelColumn { names: vec![self.label.clone()], anomaly: self.anomaly.clone() };
        let labels = table.labels(&label)?;
        let warnings: Vec<String> = self.too_many_anomalies(&labels).into_iter().collect();
        warnings.iter().for_each(|warning| warn(warning));
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let columns = EncoderOptions { drop, categories, keep, ..EncoderOptions::default() };
        let mut detector = TableDetector::new(method)
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
        match self.json {
            true => print_json(&serde_json::json!({
                "model": self.out.to_string_lossy(),
                "seconds": seconds,
                "warnings": warnings,
                "about": model.provenance(),
            }))?,
            false => print(&summary(&model, &labels, &self.out, seconds)),
        }
        Ok(())
    }

    /// A warning of more labelled anomalies than other rows: then the labels are probably the other way round.
    fn too_many_anomalies(&self, labels: &Labels) -> Option<String> {
        let (rows, anomalies) = (labels.labels.len(), labels.labels.iter().filter(|label| label.is_anomaly()).count());
        if 2 * anomalies <= rows || anomalies == rows {
            return None;
        }
        let frequent = labels.values.iter().find(|value| value.label.is_anomaly())?.value.as_deref()?;
        Some(format!(
            "{anomalies} of {rows} rows are labelled anomalies; if `{}` marks normal rows, name the value that marks anomalies with \
             --anomaly{}",
            excerpt(frequent),
            labels
                .rarest()
                .filter(|&rarest| rarest != frequent)
                .map(|value| format!(" {}", shell_word(value)))
                .unwrap_or_default()
        ))
    }
}

/// The largest number of columns that the summary lists.
const LISTED_COLUMNS: usize = 40;

fn summary(model: &Model, labels: &Labels, file: &Path, seconds: f64) -> String {
    let provenance = model.provenance();
    let mut text = String::new();
    let mut line = |content: String| {
        let _ = writeln!(text, "{}", one_line(&content));
    };
    line(format!("{}: {} rows", provenance.table, provenance.counts.rows));
    for value in labels.values.iter().take(10) {
        let meaning = match value.label {
            Label::Anomaly => "anomalies",
            Label::Normal => "normal, trained on like unlabelled rows",
            Label::Unlabelled => "unlabelled",
        };
        let shown = value.value.as_ref().map_or_else(|| "(empty)".into(), |value| format!("`{}`", excerpt(value)));
        line(format!("  label {shown}: {}, {meaning}", counted(value.rows, "row", "rows")));
    }
    if labels.values.len() > 10 {
        line(format!("  and {} more values of `{}`", labels.values.len() - 10, labels.column));
    }
    column_table(model, LISTED_COLUMNS).lines().for_each(|row| line(format!("  {row}")));
    if provenance.left_out.iter().any(|left| left.usable) {
        line("  --keep COLUMN uses a column that was left out although it holds information".into());
    }
    let columns = model.encoder().columns();
    line(format!(
        "  {} encoded as {}; {} filled in",
        counted(columns.len(), "column", "columns"),
        counted(model.encoder().width(), "feature", "features"),
        counted(provenance.counts.filled, "missing value", "missing values")
    ));
    let others = provenance.counts.rows - provenance.counts.anomalies - provenance.counts.held_out;
    line(format!(
        "{}, {}, trained on {} and {} in {seconds:.1} s",
        model.members().next().map_or_else(String::new, |(member, _)| method_and_strategy(member.detector())),
        counted(model.members().len(), "member", "members"),
        counted(provenance.counts.anomalies, "labelled anomaly", "labelled anomalies"),
        counted(others, "other row", "other rows")
    ));
    if let Some(stopping) = provenance.stopping {
        line(match stopping.epochs < stopping.of {
            true => format!(
                "stopped after {} of {} epochs: average precision {:.1} % there and {:.1} % after the last epoch, on {} folds",
                stopping.epochs,
                stopping.of,
                100.0 * stopping.ap,
                100.0 * stopping.ap_at_end,
                stopping.folds
            ),
            false => format!(
                "all {} epochs: no earlier epoch is significantly better on {} folds",
                stopping.of, stopping.folds
            ),
        });
    }
    if provenance.counts.held_out > 0 {
        line(format!("{} rows held out: their scores calibrate p-values and thresholds", provenance.counts.held_out));
    }
    if let Some(validation) = provenance.validation {
        let percent = |interval: anoonly::eval::Interval| {
            format!("{:.1} % ({:.1} to {:.1})", 100.0 * interval.estimate, 100.0 * interval.low, 100.0 * interval.high)
        };
        line(format!(
            "validated on {} folds, with unlabelled rows counted as normal: AUROC {}, average precision {}",
            validation.folds,
            percent(validation.auroc),
            percent(validation.ap)
        ));
    }
    line(format!("{} written", file.display()));
    text
}
