//! `anoonly evaluate`.

mod page;

use std::path::PathBuf;
use std::process::ExitCode;

use anoonly::data::encode::Unknown;
use anoonly::data::table::LabelColumn;
use anoonly::eval::Interval;
use anoonly::pipeline::{Evaluation, Model};
use anoonly_page::check_page_path;
use clap::Args;

use crate::error::CommandError;
use crate::{print, read_table, refuse};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// A table with labels that the model was not trained on; rows without a label are left aside; `-` reads CSV from
    /// standard input
    table: PathBuf,
    /// The label column
    #[arg(long, value_name = "COLUMN")]
    label: String,
    /// The value of that column which marks anomalies; all others are normal then
    #[arg(long, value_name = "VALUE")]
    anomaly: Option<String>,
    /// Take missing columns and values of another kind for missing, and new categories for none of the known ones
    #[arg(long)]
    lenient: bool,
    /// Also write a page with curves, a histogram of the scores and what the threshold makes of the rows
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Tell the figures as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> ExitCode {
        match self.evaluate() {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        }
    }

    fn evaluate(&self) -> Result<String, CommandError> {
        if let Some(path) = &self.report {
            check_page_path(path).map_err(CommandError::Page)?;
        }
        let model = Model::load(&self.model)?;
        let table = read_table(&self.table)?;
        let label = LabelColumn { names: vec![self.label.clone()], anomaly: self.anomaly.clone() };
        let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
        let judged = model.judge(&table, &label, unknown)?;
        let evaluation = judged.evaluation()?;
        let mut told = match self.json {
            true => format!("{}\n", serde_json::json!(evaluation)),
            false => text(&evaluation),
        };
        if let Some(path) = &self.report {
            let about = page::Told { model_file: &self.model, model: &model, table: &table, judged: &judged };
            page::write(path, &about, &evaluation)?;
            if !self.json {
                told.push_str(&format!("{} written\n", path.display()));
            }
        }
        Ok(told)
    }
}

fn text(evaluation: &Evaluation) -> String {
    let mut text = format!(
        "{} labelled rows, {} of them anomalies; intervals: 95 %, bootstrap\nAUROC              {}\naverage precision  {}\n\
         precision at {:<5} {:.1} %\nbest F1            {:.1} %\n",
        evaluation.rows,
        evaluation.anomalies,
        percent(evaluation.auroc),
        percent(evaluation.average_precision),
        evaluation.anomalies,
        100.0 * evaluation.precision_at_anomalies,
        100.0 * evaluation.best_f1
    );
    if let Some(at) = &evaluation.at_threshold {
        text.push_str(&format!(
            "at the threshold   {} rows flagged, {} of the {} anomalies among them; {:.1} % of the normal rows flagged\n",
            at.flagged,
            at.flagged_anomalies,
            evaluation.anomalies,
            100.0 * at.false_positive_rate.estimate
        ));
    }
    text
}

/// A share in percent, with the bounds of its interval.
fn percent(Interval { estimate, low, high }: Interval) -> String {
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * estimate, 100.0 * low, 100.0 * high)
}
