//! `anoonly train`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anoonly::core::{Label, Seed, excerpt};
use anoonly::data::table::{LabelColumn, LabelValue, Labels, WantedColumns};
use anoonly::models::AnyMethod;
use anoonly::models::overrides::overridden;
use anoonly::pipeline::{Model, TableDetector};
use anoonly_bench::Strategy;
use clap::Args;

use crate::columns::{ColumnUse, shell_word};
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
    /// mark normal rows, and rows without a value are unlabelled. Without this option, all rows are unlabelled
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    label: Option<String>,
    /// The value of the label column that marks anomalies; all other values are normal
    #[arg(long, value_name = "VALUE", requires = "label", allow_hyphen_values = true)]
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
    #[command(flatten)]
    columns: ColumnUse,
    /// Number of members, which differ in their seeds and whose scores are averaged [default: 5, or 1 for an untrained method]
    #[arg(long, value_name = "N")]
    ensemble: Option<usize>,
    /// Choose the number of epochs by cross-validation over the labelled anomalies. Takes up to six times as long, and with few
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
        let (ids, columns) = (self.columns.ids()?, self.columns.encoding()?);
        let mut method = AnyMethod::by_name(&self.model)?;
        if let Some(path) = &self.config {
            let failed = |reason: String| CommandError::File { path: path.clone(), reason };
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            let methods = overridden(vec![method], &text).map_err(|error| failed(error.to_string()))?;
            method = methods.into_iter().next().ok_or_else(|| failed("no method".into()))?;
        }
        let is_needed = |name: &String| self.label.as_ref() == Some(name) || ids.contains(name);
        let dropped = columns.drop.iter().filter(|name| !is_needed(name)).cloned().collect();
        let table = self.reading.table(&self.table, WantedColumns::Except(dropped))?;
        let label =
            self.label.as_ref().map(|name| LabelColumn { names: vec![name.clone()], anomaly: self.anomaly.clone() });
        let labels = label.as_ref().map(|label| table.labels(label)).transpose()?;
        let warnings: Vec<String> = labels.iter().filter_map(|labels| doubt(labels, &method)).collect();
        warnings.iter().for_each(|warning| warn(warning));
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
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
        // First, because too few labels make it impossible.
        let validation = self.validate.then(|| detector.validate(&table, label.clone(), &device)).transpose()?;
        let start = Instant::now();
        let mut model = detector.fit_consuming(table, label, &device)?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(validation) = validation {
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
            false => print(&summary(&model, self.label_lines(labels.as_ref(), &model), &self.out, seconds)),
        }
        Ok(())
    }
}

impl Options {
    /// The values of the label column, and what the method makes of them.
    fn label_lines(&self, labels: Option<&Labels>, model: &Model) -> Vec<String> {
        let method = model.members().next().map(|(member, _)| member.detector().method());
        match labels {
            Some(labels) => label_lines(labels, method),
            None => vec!["  no label column: all rows are unlabelled; --label COLUMN names one".into()],
        }
    }
}

/// A warning of labels that are probably not what the user means: none of an anomaly, or more of anomalies than of other rows, which
/// are probably the other way round.
fn doubt(labels: &Labels, method: &AnyMethod) -> Option<String> {
    let (rows, anomalies) = (labels.labels.len(), labels.labels.iter().filter(|label| label.is_anomaly()).count());
    if anomalies == 0 && !method.needs_labels() {
        return Some(format!(
            "no row is labelled an anomaly in column `{}`: {} is trained without labelled anomalies",
            excerpt(&labels.column),
            method.info().name
        ));
    }
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

/// The largest number of columns that the summary lists.
pub const LISTED_COLUMNS: usize = 40;

/// What a model was trained on and what it became. `labels` are the lines about the labels.
pub fn summary(model: &Model, labels: Vec<String>, file: &Path, seconds: f64) -> String {
    let provenance = model.provenance();
    let detector = model.members().next().map(|(member, _)| member.detector());
    let mut text = String::new();
    let mut line = |content: String| {
        let _ = writeln!(text, "{}", one_line(&content));
    };
    line(format!("{}: {} rows", provenance.table, provenance.counts.rows));
    labels.into_iter().for_each(&mut line);
    column_table(model.encoder(), &provenance.left_out, LISTED_COLUMNS)
        .lines()
        .for_each(|row| line(format!("  {row}")));
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
    let rows = match provenance.counts.anomalies {
        0 => format!("{}, without labelled anomalies,", counted(others, "row", "rows")),
        anomalies => format!(
            "{} and {}",
            counted(anomalies, "labelled anomaly", "labelled anomalies"),
            counted(others, "other row", "other rows")
        ),
    };
    line(format!(
        "{}, {}, trained on {rows} in {seconds:.1} s",
        detector.map_or_else(String::new, method_and_strategy),
        counted(model.members().len(), "member", "members"),
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

/// The most frequent values of the label column, and what the method makes of them.
pub fn label_lines(labels: &Labels, method: Option<&AnyMethod>) -> Vec<String> {
    let name = method.map_or("the method", |method| method.info().name);
    // If no row is unlabelled, no normal row stands out.
    let certain = labels.labels.contains(&Label::Unlabelled);
    let normal = match certain && method.is_some_and(AnyMethod::learns_from_normals) {
        true => format!("normal: {name} learns from them"),
        false => format!("normal: {name} treats them as unlabelled rows"),
    };
    let line = |value: &LabelValue| {
        let meaning = match value.label {
            Label::Anomaly => "anomalies",
            Label::Normal => normal.as_str(),
            Label::Unlabelled => "unlabelled",
        };
        let shown = value.value.as_ref().map_or_else(|| "(empty)".into(), |value| format!("`{}`", excerpt(value)));
        format!("  label {shown}: {}, {meaning}", counted(value.rows, "row", "rows"))
    };
    let mut lines: Vec<String> = labels.values.iter().take(10).map(line).collect();
    if labels.values.len() > 10 {
        lines.push(format!("  and {} more values of `{}`", labels.values.len() - 10, labels.column));
    }
    lines
}
