//! `anoonly evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anoonly::data::encode::Unknown;
use anoonly::data::table::{LabelColumn, Table};
use anoonly::eval::{Interval, auroc, average_precision, best_f1, bootstrap, precision_at_k};
use anoonly::pipeline::{Model, PipelineError};
use clap::Args;
use serde::Serialize;

use crate::{print, refuse};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// A table with labels that the model was not trained on; rows without a label are left aside
    table: PathBuf,
    /// The label column
    #[arg(long, value_name = "COLUMN")]
    label: String,
    /// The value of that column which marks anomalies
    #[arg(long, value_name = "VALUE")]
    anomaly: Option<String>,
    /// Take missing columns and values of another kind for missing, and new categories for none of the known ones
    #[arg(long)]
    lenient: bool,
    /// Tell the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What a model is worth on labelled rows.
#[derive(Serialize)]
struct Figures {
    rows: usize,
    anomalies: usize,
    auroc: Interval,
    average_precision: Interval,
    /// Among so many rows of the highest scores as there are anomalies.
    precision_at_anomalies: f64,
    best_f1: f64,
    at_threshold: Option<AtThreshold>,
}

/// What the threshold of the model makes of the rows.
#[derive(Serialize)]
struct AtThreshold {
    flagged: usize,
    flagged_anomalies: usize,
    false_positive_rate: f64,
}

const DRAWS: usize = 1000;
const LEVEL: f64 = 0.95;
/// Of the bootstrap: the same rows give the same intervals.
const SEED: u64 = 1;

impl Options {
    pub fn run(self) -> ExitCode {
        match self.figures() {
            Ok(figures) => {
                print(&if self.json { format!("{}\n", serde_json::json!(figures)) } else { figures.told() });
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        }
    }

    fn figures(&self) -> Result<Figures, PipelineError> {
        let model = Model::load(&self.model)?;
        let table = Table::read(&self.table)?;
        let label = LabelColumn { names: vec![self.label.clone()], anomaly: self.anomaly.clone() };
        let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
        let (scores, anomalous) = model.scored_with_truth(&table, &label, unknown)?;
        let anomalies = anomalous.iter().filter(|&&anomaly| anomaly).count();
        let interval = |metric: fn(&[f32], &[bool]) -> _| bootstrap(metric, &scores, &anomalous, DRAWS, LEVEL, SEED);
        let at_threshold = model.flags(&scores)?.map(|flags| {
            let flagged = flags.iter().filter(|&&flag| flag).count();
            let flagged_anomalies = flags.iter().zip(&anomalous).filter(|(flag, anomaly)| **flag && **anomaly).count();
            let normal = (scores.len() - anomalies).max(1) as f64;
            AtThreshold {
                flagged,
                flagged_anomalies,
                false_positive_rate: (flagged - flagged_anomalies) as f64 / normal,
            }
        });
        Ok(Figures {
            rows: scores.len(),
            anomalies,
            auroc: interval(auroc)?,
            average_precision: interval(average_precision)?,
            precision_at_anomalies: precision_at_k(&scores, &anomalous, anomalies)?,
            best_f1: best_f1(&scores, &anomalous)?.f1,
            at_threshold,
        })
    }
}

impl Figures {
    fn told(&self) -> String {
        let percent = |interval: Interval| {
            format!("{:.1} % ({:.1} to {:.1})", 100.0 * interval.estimate, 100.0 * interval.low, 100.0 * interval.high)
        };
        let mut text = format!(
            "{} labelled rows, {} of them anomalies; intervals: 95 %, bootstrap\nAUROC              {}\naverage precision  {}\n\
             precision at {:<5} {:.1} %\nbest F1            {:.1} %\n",
            self.rows,
            self.anomalies,
            percent(self.auroc),
            percent(self.average_precision),
            self.anomalies,
            100.0 * self.precision_at_anomalies,
            100.0 * self.best_f1
        );
        if let Some(at) = &self.at_threshold {
            text.push_str(&format!(
                "at the threshold   {} rows flagged, {} of the {} anomalies among them; {:.1} % of the normal rows flagged\n",
                at.flagged,
                at.flagged_anomalies,
                self.anomalies,
                100.0 * at.false_positive_rate
            ));
        }
        text
    }
}
