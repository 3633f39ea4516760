//! `anoonly threshold`.

use std::path::PathBuf;
use std::process::ExitCode;

use anoonly::data::encode::Unknown;
use anoonly::data::table::LabelColumn;
use anoonly::pipeline::{Model, PipelineError, Threshold, ThresholdRule};
use clap::{ArgGroup, Args};

use crate::{print, read_table, refuse};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rule").required(true).args(["fpr", "share", "fdr", "max_f1", "score"]))]
pub struct Options {
    /// The model, which is written anew with the threshold; its training is not repeated
    model: PathBuf,
    /// Flag a row that is like the held-out ones with at most this probability
    #[arg(long, value_name = "RATE")]
    fpr: Option<f64>,
    /// Flag at most this share of rows like the held-out ones
    #[arg(long, value_name = "SHARE")]
    share: Option<f64>,
    /// Of the rows that are flagged in a table, at most this share is expected to be like the held-out ones
    #[arg(long, value_name = "RATE")]
    fdr: Option<f64>,
    /// Take the threshold with the best F1 on a table with labels, which --label names
    #[arg(long, value_name = "TABLE", requires = "label")]
    max_f1: Option<PathBuf>,
    /// Flag rows that score at least this
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    score: Option<f32>,
    /// The label column of that table; rows without a label are left aside
    #[arg(long, value_name = "COLUMN", requires = "max_f1")]
    label: Option<String>,
    /// The value of that column which marks anomalies
    #[arg(long, value_name = "VALUE", requires = "label")]
    anomaly: Option<String>,
    /// Tell the threshold as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> ExitCode {
        match self.set() {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        }
    }

    fn set(self) -> Result<String, PipelineError> {
        let mut model = Model::load(&self.model)?;
        let threshold = match &self {
            Options { fpr: Some(rate), .. } => model.threshold_by(ThresholdRule::FalsePositiveRate(*rate))?,
            Options { share: Some(share), .. } => model.threshold_by(ThresholdRule::Share(*share))?,
            Options { fdr: Some(rate), .. } => model.threshold_by(ThresholdRule::FalseDiscoveryRate(*rate))?,
            Options { max_f1: Some(path), label: Some(label), anomaly, .. } => {
                let table = read_table(path)?;
                let label = LabelColumn { names: vec![label.clone()], anomaly: anomaly.clone() };
                let judged = model.judge(&table, &label, Unknown::Refuse)?;
                Threshold::max_f1(&judged.scores, &judged.anomalous)?
            }
            _ => Threshold::at(self.score.unwrap_or_default())?,
        };
        let told = match (self.json, threshold.score) {
            (true, _) => format!("{}\n", serde_json::json!(threshold)),
            (false, Some(score)) => format!("rows that score at least {score} are flagged: {}\n", threshold.promise()),
            (false, None) => format!("rows are flagged table by table: {}\n", threshold.promise()),
        };
        model.set_threshold(threshold);
        model.save_threshold(&self.model)?;
        Ok(told)
    }
}
