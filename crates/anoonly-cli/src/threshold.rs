//! `anoonly threshold`.

use std::path::PathBuf;

use anoonly::data::encode::Unknown;
use anoonly::data::table::LabelColumn;
use anoonly::pipeline::{Model, Threshold, ThresholdRule};
use clap::{ArgGroup, Args};

use crate::error::CommandError;
use crate::findings::warn_of_unseen;
use crate::reading::{Reading, columns_of};
use crate::{evaluate, outputs, print, print_json};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, group = ArgGroup::new("rule").required(true).args(["fpr", "share", "fdr", "max_f1", "score"]))]
pub struct Options {
    /// The model; the threshold is stored in its file, and the training is not repeated
    model: PathBuf,
    /// False-positive rate: flag a row that is like the held-out rows with at most this probability
    #[arg(long, value_name = "RATE")]
    fpr: Option<f64>,
    /// Flag at most this share of the rows that are like the held-out rows
    #[arg(long, value_name = "SHARE")]
    share: Option<f64>,
    /// False-discovery rate: at most this share of the flagged rows of a table is expected to be like the held-out rows
    #[arg(long, value_name = "RATE")]
    fdr: Option<f64>,
    /// Use the threshold with the best F1 on this table, whose labels are in the column --label
    #[arg(long, value_name = "TABLE", requires = "label")]
    max_f1: Option<PathBuf>,
    /// Flag rows that score at least this
    #[arg(long, value_name = "SCORE")]
    score: Option<f32>,
    /// The label column of the table of --max-f1; unlabelled rows are ignored
    #[arg(long, value_name = "COLUMN", requires = "max_f1", allow_hyphen_values = true)]
    label: Option<String>,
    /// The value of the label column that marks anomalies
    #[arg(long, value_name = "VALUE", requires = "label", allow_hyphen_values = true)]
    anomaly: Option<String>,
    /// Treat missing columns and values of the wrong kind in the table of --max-f1 as missing, accept unknown categories, and use the
    /// table even if half of its rows lie outside of what training held
    #[arg(long, requires = "max_f1")]
    lenient: bool,
    #[command(flatten)]
    reading: Reading,
    /// Print the threshold as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        let table = self.max_f1.iter().map(|table| ("the table of --max-f1", table.as_path()));
        outputs::check("--max-f1", &self.model, &table.collect::<Vec<_>>())?;
        let mut model = Model::load(&self.model)?;
        let threshold = self.threshold(&model)?;
        model.set_threshold(threshold.clone());
        model.save_threshold(&self.model)?;
        match (self.json, threshold.score) {
            (true, _) => print_json(&threshold)?,
            (false, Some(score)) => {
                print(&format!("rows that score at least {score} are flagged: {}\n", threshold.promise()));
            }
            (false, None) => print(&format!("rows are flagged table by table: {}\n", threshold.promise())),
        }
        Ok(())
    }

    fn threshold(&self, model: &Model) -> Result<Threshold, CommandError> {
        Ok(match self {
            Options { fpr: Some(rate), .. } => model.threshold_by(ThresholdRule::FalsePositiveRate(*rate))?,
            Options { share: Some(share), .. } => model.threshold_by(ThresholdRule::Share(*share))?,
            Options { fdr: Some(rate), .. } => model.threshold_by(ThresholdRule::FalseDiscoveryRate(*rate))?,
            Options { max_f1: Some(path), label: Some(label), anomaly, .. } => {
                let table = self.reading.table(path, columns_of(model, Some(label)))?;
                let label = LabelColumn { names: vec![label.clone()], anomaly: anomaly.clone() };
                let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
                let labelled = model.score_labelled(&table, &label, unknown)?;
                warn_of_unseen(&labelled.unseen);
                evaluate::warn_if_trained_on(&labelled);
                Threshold::max_f1(&labelled.scores, &labelled.anomalous)?
            }
            _ => Threshold::at(self.score.unwrap_or_default())?,
        })
    }
}
