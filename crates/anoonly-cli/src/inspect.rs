//! `anoonly inspect`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anoonly::data::encode::{EncodedColumn, Encoding};
use anoonly::pipeline::{Model, PipelineError};
use clap::Args;

use crate::{method_told, print, refuse};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// Tell it as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> ExitCode {
        match Model::load(&self.model) {
            Ok(model) => {
                print(&if self.json { json(&model) } else { told(&model) });
                ExitCode::SUCCESS
            }
            Err(error) => refuse::<PipelineError>(&error),
        }
    }
}

fn json(model: &Model) -> String {
    let members: Vec<serde_json::Value> = model
        .members()
        .map(|(member, standard)| {
            let detector = member.detector();
            serde_json::json!({
                "method": detector.method(),
                "supervision": detector.supervision(),
                "seed": detector.seed(),
                "history": member.history(),
                "standard": standard,
            })
        })
        .collect();
    let value = serde_json::json!({
        "about": model.about(),
        "ids": model.ids(),
        "columns": model.encoder().columns(),
        "threshold": model.threshold(),
        "held_out": model.calibration().map(|calibration| calibration.rows()).unwrap_or(0),
        "members": members,
    });
    format!("{value}\n")
}

fn told(model: &Model) -> String {
    let about = model.about();
    let counts = about.counts;
    let mut text = String::new();
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    line(format!("trained on {}, data fingerprint {}", about.table, about.fingerprint));
    line(format!(
        "rows: {} labelled anomalies, {} labelled normal, {} unlabelled; {} held out",
        counts.anomalies, counts.normal, counts.unlabelled, counts.held_out
    ));
    line(format!("label column: {}", about.label));
    if !model.ids().is_empty() {
        line(format!("identifiers: {}", model.ids().join(", ")));
    }
    line("columns:".into());
    for column in model.encoder().columns() {
        line(format!("  {}: {}", column.name, described(column)));
    }
    for left in &about.left_out {
        line(format!("  {}: left out, {}", left.column, left.reason));
    }
    for (member, _) in model.members() {
        let detector = member.detector();
        let history = member.history();
        let epochs = match history.losses.len() {
            0 => String::new(),
            epochs => format!(", epoch {} of {epochs} kept", history.kept_epoch),
        };
        line(format!("member: {}, seed {}{epochs}", method_told(detector), detector.seed().0));
    }
    if let Some(stopping) = about.stopping {
        line(format!(
            "early stopping on {} folds: {} of {} epochs, average precision {:.3} there and {:.3} at the end",
            stopping.folds, stopping.epochs, stopping.of, stopping.ap, stopping.ap_at_end
        ));
    }
    match model.threshold() {
        Some(threshold) => line(match threshold.score {
            Some(score) => format!("threshold {score}: {}", threshold.promise()),
            None => format!("threshold table by table: {}", threshold.promise()),
        }),
        None => line("no threshold: `anoonly threshold` sets one".into()),
    }
    if let Some(validation) = about.validation {
        line(format!(
            "validated on {} folds: AUROC {:.3} ({:.3} to {:.3}), average precision {:.3} ({:.3} to {:.3})",
            validation.folds,
            validation.auroc.estimate,
            validation.auroc.low,
            validation.auroc.high,
            validation.ap.estimate,
            validation.ap.low,
            validation.ap.high
        ));
    }
    text
}

fn described(column: &EncodedColumn) -> String {
    let encoding = match &column.encoding {
        Encoding::Number { median } => format!("median {median}"),
        Encoding::OneHot { categories } => format!("one of {}", categories.join(", ")),
        Encoding::Frequency { shares } => format!("frequency among {} categories", shares.len()),
        Encoding::Date { parts } => format!("places on {} circles", parts.len()),
    };
    let missing = if column.indicator { "; a feature says where it is missing" } else { "" };
    format!("{}, {encoding}{missing}", column.kind.name())
}
