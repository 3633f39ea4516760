//! `anoonly evaluate`.

mod page;

use std::path::PathBuf;

use anoonly::data::encode::Unknown;
use anoonly::data::table::LabelColumn;
use anoonly::eval::Interval;
use anoonly::pipeline::{Evaluation, LabelledScores, Model};
use clap::Args;

use crate::error::CommandError;
use crate::findings::warn_of_unseen;
use crate::reading::{Reading, columns_of};
use crate::{outputs, print, print_json, warn};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// A table with labels that the model was not trained on; unlabelled rows are ignored; `-` reads CSV from standard input
    table: PathBuf,
    /// The label column
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    label: String,
    /// The value of the label column that marks anomalies; all other values are normal
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    anomaly: Option<String>,
    /// Treat missing columns and values of the wrong kind as missing, accept unknown categories, and score the table even if half of
    /// its rows lie outside of what training held
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    reading: Reading,
    /// Also write an HTML page with curves, a histogram of the scores and the confusion matrix at the threshold
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the metrics as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        if let Some(path) = &self.report {
            outputs::check("--report", path, &[("the model", &self.model), ("the table", &self.table)])?;
        }
        let model = Model::load(&self.model)?;
        let table = self.reading.table(&self.table, columns_of(&model, Some(&self.label)))?;
        let label = LabelColumn { names: vec![self.label.clone()], anomaly: self.anomaly.clone() };
        let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
        let scored = model.score_labelled(&table, &label, unknown)?;
        warn_of_unseen(&scored.unseen);
        let evaluation = scored.evaluation()?;
        warn_if_trained_on(&scored);
        if let Some(path) = &self.report {
            let subject = page::Subject { model_file: &self.model, model: &model, table: &table, scored: &scored };
            page::write(path, &subject, &evaluation)?;
        }
        if self.json {
            return print_json(&evaluation);
        }
        print(&render(&evaluation));
        if let Some(path) = &self.report {
            print(&format!("{} written\n", path.display()));
        }
        Ok(())
    }
}

/// What is wrong with results on the training table.
const TRAINED_ON: &str = "the model was trained on these rows: expect worse results on rows that it has not seen";

/// Warns of results on the training table.
pub fn warn_if_trained_on(scored: &LabelledScores) {
    if scored.trained_on {
        warn(TRAINED_ON);
    }
}

fn render(evaluation: &Evaluation) -> String {
    let mut text = format!(
        "{} labelled rows, {} of them anomalies; 95 % bootstrap intervals\nAUROC              {}\naverage precision  {}\n\
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
            "at the threshold   {} rows flagged, among them {} of the {} anomalies; {:.1} % of the normal rows flagged\n",
            at.flagged,
            at.flagged_anomalies,
            evaluation.anomalies,
            100.0 * at.false_positive_rate.estimate
        ));
    }
    text
}

/// A share in percent with the bounds of its interval.
fn percent(Interval { estimate, low, high }: Interval) -> String {
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * estimate, 100.0 * low, 100.0 * high)
}
