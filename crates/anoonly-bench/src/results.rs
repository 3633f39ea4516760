//! Results and `results.csv`.

use std::path::Path;
use std::sync::Arc;

use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::protocol::Protocol;
use anoonly_core::synthetic::Synthetic;
use anoonly_train::BackendName;
use serde::{Deserialize, Serialize};

use crate::{BenchError, Details, RunRecord, Strategy};

/// The rows of a bench, in the order of data sets, seeds, models and strategies.
#[derive(Clone, Debug)]
pub struct Results<R = Row> {
    /// One row for each run.
    pub rows: Vec<R>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the columns of results.csv, described in docs/results-format.md")]
pub struct Row {
    pub dataset: String,
    pub family: String,
    pub model: String,
    pub strategy: Strategy,
    pub protocol: Protocol,
    pub budget: LabelBudget,
    pub noise: Noise,
    pub n_labeled: usize,
    pub seed: u64,
    pub n_train: usize,
    pub n_test: usize,
    pub n_features: usize,
    pub backend: BackendName,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
    /// The data that a report draws. It is kept for one seed only, in a file of its own.
    #[serde(skip)]
    pub details: Option<Arc<Details>>,
}

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status<S = Scores> {
    /// The run was measured.
    Ok(S),
    /// The run failed, with the reason.
    Failed(String),
}

/// The measurements of a run on the test rows. Metrics are between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are columns of results.csv, described in docs/results-format.md")]
pub struct Scores {
    pub auroc: f64,
    pub ap: f64,
    pub ap_normal: f64,
    pub fit_seconds: f64,
    pub score_seconds: f64,
}

/// The name of a kind of synthetic rows; `none` for the rows of a data set.
pub fn synthetic_name(synthetic: Option<Synthetic>) -> &'static str {
    synthetic.map_or("none", Synthetic::name)
}

impl<R: RunRecord> Results<R> {
    /// The number of runs that failed.
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.failure().is_some()).count()
    }

    /// Writes the table into a folder. The file appears under its name only when it is complete.
    pub(crate) fn write_csv(&self, folder: &Path) -> Result<(), BenchError> {
        let path = folder.join(R::TABLE);
        let failed = |reason: String| BenchError::Output { path: path.clone(), reason };
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(R::COLUMNS).map_err(|error| failed(error.to_string()))?;
        for row in &self.rows {
            csv.write_record(row.cells()).map_err(|error| failed(error.to_string()))?;
        }
        write(&path, &csv.into_inner().map_err(|error| failed(error.to_string()))?)
    }
}

/// Writes a file that appears under its name only when it is complete.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), BenchError> {
    let failed = |error: std::io::Error| BenchError::Output { path: path.into(), reason: error.to_string() };
    anoonly_core::write_whole(path, content).map_err(failed)
}

impl Row {
    /// A row for tests, which change the fields they check.
    #[cfg(test)]
    pub(crate) fn made() -> Self {
        Self {
            dataset: "made".into(),
            family: "made".into(),
            model: "devnet".into(),
            strategy: Strategy::anoonly(),
            protocol: Protocol::Clean,
            budget: LabelBudget::Ratio(0.1),
            noise: Noise::None,
            n_labeled: 1,
            seed: 1,
            n_train: 7,
            n_test: 3,
            n_features: 2,
            backend: BackendName::Flex,
            status: Status::Failed("not run".into()),
            synthetic: None,
            details: None,
        }
    }
}

impl RunRecord for Row {
    const RUNS: &'static str = "runs.jsonl";
    const DETAILS: Option<&'static str> = Some("details.jsonl");
    const TABLE: &'static str = "results.csv";
    const COLUMNS: &'static [&'static str] = &[
        "dataset",
        "family",
        "model",
        "strategy",
        "protocol",
        "label_ratio",
        "n_labeled",
        "noise",
        "noise_level",
        "seed",
        "n_train",
        "n_test",
        "n_features",
        "auroc",
        "ap",
        "ap_normal",
        "fit_seconds",
        "score_seconds",
        "backend",
        "status",
        "message",
        "synthetic",
    ];

    fn cells(&self) -> Vec<String> {
        let label_ratio = match self.budget {
            LabelBudget::Ratio(ratio) => ratio.to_string(),
            LabelBudget::Count(_) => String::new(),
        };
        let (scores, status, message) = match &self.status {
            Status::Ok(scores) => (Some(scores), "ok", ""),
            Status::Failed(message) => (None, "failed", message.as_str()),
        };
        let metric = |value: fn(&Scores) -> f64| scores.map(|s| format!("{:.6}", value(s))).unwrap_or_default();
        [
            self.dataset.clone(),
            self.family.clone(),
            self.model.clone(),
            self.strategy.to_string(),
            self.protocol.to_string(),
            label_ratio,
            self.n_labeled.to_string(),
            self.noise.name().into(),
            self.noise.level().to_string(),
            self.seed.to_string(),
            self.n_train.to_string(),
            self.n_test.to_string(),
            self.n_features.to_string(),
            metric(|s| s.auroc),
            metric(|s| s.ap),
            metric(|s| s.ap_normal),
            metric(|s| s.fit_seconds),
            metric(|s| s.score_seconds),
            self.backend.to_string(),
            status.into(),
            message.into(),
            synthetic_name(self.synthetic).into(),
        ]
        .into()
    }

    fn failure(&self) -> Option<&str> {
        match &self.status {
            Status::Ok(_) => None,
            Status::Failed(message) => Some(message),
        }
    }

    fn cell(&self) -> Vec<String> {
        let Row { dataset, model, strategy, protocol, budget, noise, synthetic, seed, backend, .. } = self;
        let setting = format!("{budget:?} {noise} {}", synthetic_name(*synthetic));
        vec![
            dataset.clone(),
            model.clone(),
            strategy.to_string(),
            protocol.to_string(),
            setting,
            seed.to_string(),
            backend.to_string(),
        ]
    }

    fn method(&self) -> String {
        format!("{} ({})", self.model, self.strategy)
    }

    fn data(&self) -> String {
        format!("{} with seed {}", self.dataset, self.seed)
    }

    fn setting(&self) -> String {
        format!("{} on {}", self.protocol, self.backend)
    }

    fn details(&self) -> Option<&Arc<Details>> {
        self.details.as_ref()
    }

    fn set_details(&mut self, details: Option<Arc<Details>>) {
        self.details = details;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_the_synthetic_field_is_read() {
        let plain = serde_json::to_string(&Row::made()).unwrap();
        assert!(!plain.contains("synthetic"), "{plain}");
        assert_eq!(serde_json::from_str::<Row>(&plain).unwrap(), Row::made());
        let local = Row { synthetic: Some(Synthetic::Local), ..Row::made() };
        let line = serde_json::to_string(&local).unwrap();
        assert_eq!(serde_json::from_str::<Row>(&line).unwrap(), local);
    }
}
