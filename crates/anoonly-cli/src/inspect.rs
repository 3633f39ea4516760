//! `anoonly inspect`.

use std::fmt::Write;
use std::path::PathBuf;

use anoonly::core::Seed;
use anoonly::data::encode::EncodedColumn;
use anoonly::models::AnyMethod;
use anoonly::pipeline::{Model, PipelineError, Provenance, ScoreScale, Threshold};
use anoonly::train::model_file::{self, Inspection};
use anoonly::train::{FittedDetector, History, Supervision};
use clap::Args;
use serde::Serialize;

use crate::error::CommandError;
use crate::findings::column_table;
use crate::terminal::one_line;
use crate::{method_and_strategy, print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// Print the description as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        let model = Model::load(&self.model)?;
        let file = model_file::inspect(&self.model).map_err(PipelineError::from)?;
        match self.json {
            true => print_json(&json(&model, &file))?,
            false => print(&describe(&model, &file)),
        }
        Ok(())
    }
}

/// A model as JSON. Not a `serde_json::Value`, which would widen 32-bit scores.
#[derive(Serialize)]
struct InspectedModel<'a> {
    file: InspectedFile<'a>,
    about: &'a Provenance,
    ids: &'a [String],
    columns: &'a [EncodedColumn],
    threshold: Option<&'a Threshold>,
    held_out: usize,
    members: Vec<InspectedMember<'a>>,
}

#[derive(Serialize)]
struct InspectedFile<'a> {
    format: u32,
    library: &'a str,
    verified: bool,
}

#[derive(Serialize)]
struct InspectedMember<'a> {
    method: &'a AnyMethod,
    supervision: Supervision,
    seed: Seed,
    history: &'a History,
    standard: ScoreScale,
}

fn json<'a>(model: &'a Model, file: &'a Inspection) -> InspectedModel<'a> {
    let member = |(member, standard): (&'a FittedDetector, ScoreScale)| {
        let detector = member.detector();
        InspectedMember {
            method: detector.method(),
            supervision: detector.supervision(),
            seed: detector.seed(),
            history: member.history(),
            standard,
        }
    };
    let manifest = &file.manifest;
    InspectedModel {
        file: InspectedFile { format: manifest.format, library: &manifest.library, verified: file.verified },
        about: model.provenance(),
        ids: model.ids(),
        columns: model.encoder().columns(),
        threshold: model.threshold(),
        held_out: model.calibration().map_or(0, |calibration| calibration.rows()),
        members: model.members().map(member).collect(),
    }
}

fn describe(model: &Model, file: &Inspection) -> String {
    let provenance = model.provenance();
    let counts = provenance.counts;
    let mut text = String::new();
    let mut line = |content: String| {
        let _ = writeln!(text, "{}", one_line(&content));
    };
    if !file.verified {
        line(format!("model format {}: no digest, so damage to the file may go unnoticed", file.manifest.format));
    }
    line(format!("trained on {}, data fingerprint {}", provenance.table, provenance.fingerprint));
    line(format!(
        "rows: {} labelled anomalies, {} labelled normal, {} unlabelled; {} held out",
        counts.anomalies, counts.normal, counts.unlabelled, counts.held_out
    ));
    line(format!("label column: {}", provenance.label.as_deref().unwrap_or("none")));
    if !model.ids().is_empty() {
        line(format!("identifiers: {}", model.ids().join(", ")));
    }
    line("columns:".into());
    column_table(model.encoder(), &model.provenance().left_out, usize::MAX)
        .lines()
        .for_each(|row| line(format!("  {row}")));
    for (member, _) in model.members() {
        let detector = member.detector();
        let history = member.history();
        let epochs = match history.losses.len() {
            0 => String::new(),
            epochs => format!(", epoch {} of {epochs} kept", history.kept_epoch),
        };
        line(format!("member: {}, seed {}{epochs}", method_and_strategy(detector), detector.seed().0));
    }
    if let Some(stopping) = provenance.stopping {
        line(format!(
            "early stopping on {} folds: {} of {} epochs, average precision {:.3} there and {:.3} after the last epoch",
            stopping.folds, stopping.epochs, stopping.of, stopping.ap, stopping.ap_at_end
        ));
    }
    match model.threshold() {
        Some(threshold) => line(match threshold.score {
            Some(score) => format!("threshold {score}: {}", threshold.promise()),
            None => format!("threshold table by table: {}", threshold.promise()),
        }),
        None => line("no threshold: set one with `anoonly threshold`".into()),
    }
    if let Some(validation) = provenance.validation {
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
