//! The labelled table and the model.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::Instant;

use anoonly::data::table::TableWriter;
use anoonly::labelling::{LabellingProgress, Session};
use anoonly::pipeline::{Model, ThresholdRule};

use super::desk::{Desk, DeskError};
use super::messages::{SaveReport, Saved, ThresholdName, ThresholdRequest};
use crate::columns::{as_argument, shell_word};
use crate::error::CommandError;
use crate::terminal::one_line;
use crate::{counted, train};

/// Where the results of a session are written.
pub struct Saving {
    pub table: PathBuf,
    pub model: PathBuf,
    /// The name of the column of notes, if there is to be one.
    pub notes: Option<String>,
    /// Held while files are written: two pages may ask for it.
    pub writing: Mutex<()>,
}

/// The threshold of a model for which nobody has chosen one: at most one in twenty rows like the held-out rows is flagged.
pub const DEFAULT_THRESHOLD: ThresholdRequest = ThresholdRequest { rule: ThresholdName::Fpr, value: 0.05 };

impl Saving {
    /// Whether files are being written.
    pub fn is_writing(&self) -> bool {
        matches!(self.writing.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Waits until no files are being written.
    pub fn wait(&self) {
        drop(self.writing.lock());
    }

    /// Writes the labelled table and the model, each completely or not at all.
    ///
    /// # Errors
    /// When a file cannot be written. A model that cannot be fitted is no error: the report says why.
    pub fn save(&self, desk: &Desk, threshold: Option<ThresholdRequest>) -> Result<SaveReport, CommandError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (table, job, progress, train) = desk.with(|session| {
            let table = session.labelled_table(self.notes.as_deref());
            (table, session.model_job(), session.progress(), self.train_command(session))
        });
        let table = table?;
        let mut writer = TableWriter::create(&self.table)?.delimited_as(&table);
        writer.write(&table)?;
        writer.finish()?;
        let start = Instant::now();
        let mut report = SaveReport {
            table: self.table.display().to_string(),
            model: None,
            summary: None,
            threshold: None,
            commands: Vec::new(),
            model_error: None,
        };
        let fitted = job.run().map_err(CommandError::from).and_then(|mut model| {
            let seconds = start.elapsed().as_secs_f64();
            let threshold = threshold.map(|request| set_threshold(&mut model, request));
            model.save(&self.model)?;
            Ok((model, threshold, seconds))
        });
        match fitted {
            Err(error) => {
                let earlier = match self.model.exists() {
                    true => format!("; {} is of an earlier time", self.model.display()),
                    false => String::new(),
                };
                report.model_error = Some(format!("{error}{earlier}"));
            }
            Ok((model, threshold, seconds)) => {
                report.threshold = threshold;
                report.summary = Some(train::summary(&model, answer_lines(&progress), &self.model, seconds));
                report.model = Some(self.model.display().to_string());
                let file = shell_word(&self.model.to_string_lossy());
                report.commands.push(format!("anoonly score {file} new.csv"));
                report.commands.push(format!("anoonly threshold {file} --fpr 0.01"));
            }
        }
        report.commands.push(train);
        let (table, model) = (report.table.clone(), report.model.clone());
        desk.set_saved(Saved { table, model, answers: progress.answered }).map_err(command_error)?;
        Ok(report)
    }
}

impl Saving {
    /// The command that trains another model on the labelled table.
    fn train_command(&self, session: &Session) -> String {
        let mut command = format!(
            "anoonly train {} --label {}",
            shell_word(&self.table.to_string_lossy()),
            shell_word(session.label_name())
        );
        if let Some(anomaly) = session.label_column().and_then(|label| label.anomaly.as_deref()) {
            command.push_str(&format!(" --anomaly {}", shell_word(anomaly)));
        }
        let columns = session.detector().column_options();
        let drop: Vec<String> = columns.drop.iter().chain(&self.notes).cloned().collect();
        let lists = [
            ("--id", session.detector().id_columns()),
            ("--drop", &drop),
            ("--category", &columns.categories),
            ("--keep", &columns.keep),
        ];
        for (option, names) in lists {
            names.iter().for_each(|name| command.push_str(&format!(" {option} {}", as_argument(name))));
        }
        command
    }
}

/// An error of the desk as that of the command.
pub fn command_error(error: DeskError) -> CommandError {
    match error {
        DeskError::Labelling(error) => error.into(),
        DeskError::Conflict { reason, .. } => CommandError::Internal { reason },
    }
}

/// Sets a threshold and says what it promises, or why there is none.
fn set_threshold(model: &mut Model, request: ThresholdRequest) -> String {
    let rule = match request.rule {
        ThresholdName::Fpr => ThresholdRule::FalsePositiveRate(request.value),
        ThresholdName::Share => ThresholdRule::Share(request.value),
        ThresholdName::Fdr => ThresholdRule::FalseDiscoveryRate(request.value),
    };
    match model.threshold_by(rule) {
        Err(error) => format!("no threshold is set: {error}"),
        Ok(threshold) => {
            let promise = threshold.promise();
            let text = match threshold.score {
                Some(score) => format!("rows that score at least {score} are flagged: {promise}"),
                None => format!("rows are flagged table by table: {promise}"),
            };
            model.set_threshold(threshold);
            text
        }
    }
}

/// What was answered, for the summary of the model.
fn answer_lines(progress: &LabellingProgress) -> Vec<String> {
    let mut lines = Vec::new();
    if progress.table_anomalies + progress.table_normals > 0 {
        lines.push(format!(
            "  labelled in the table: {}, {} normal",
            counted(progress.table_anomalies, "anomaly", "anomalies"),
            progress.table_normals
        ));
    }
    lines.push(format!(
        "  {}: {}, {} normal, {} unsure",
        counted(progress.answered, "answer", "answers"),
        counted(progress.anomalies, "anomaly", "anomalies"),
        progress.normals,
        progress.unsure
    ));
    lines
}

impl SaveReport {
    /// The report for a terminal.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("{} written", self.table)];
        lines.extend(self.summary.iter().flat_map(|summary| summary.lines()).map(str::to_owned));
        lines.extend(self.model_error.iter().map(|reason| format!("no model: {reason}")));
        lines.extend(self.threshold.clone());
        lines.extend(self.commands.iter().map(|command| format!("  {command}")));
        lines.iter().map(|line| format!("{}\n", one_line(line))).collect()
    }
}
