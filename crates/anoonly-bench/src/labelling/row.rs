//! The runs of a labelling bench and `labelling.csv`.

use anoonly_train::BackendName;
use anoonly_train::labelling::Query;
use serde::{Deserialize, Serialize};

use crate::{RunRecord, Status, Strategy};

/// One run of the simulated analyst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the columns of labelling.csv, described in docs/results-format.md")]
pub struct LabellingRow {
    pub dataset: String,
    pub family: String,
    pub model: String,
    pub strategy: Strategy,
    pub query: Query,
    pub batch: usize,
    pub budget: usize,
    pub seed: u64,
    pub n_rows: usize,
    pub n_features: usize,
    pub n_anomalies: usize,
    pub backend: BackendName,
    pub status: Status<Discovery>,
}

/// What an analyst found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discovery {
    /// The number of anomalies found after each answer.
    pub found: Vec<usize>,
    /// The mean seconds of a fit that had a labelled anomaly, including the scores of all rows; `None` without such a fit.
    pub refit_seconds: Option<f64>,
    /// What the seconds are.
    pub seconds: SecondsKind,
}

/// A kind of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondsKind {
    /// Seconds of the processor. They do not depend on other programs that run at the same time, apart from their use of its caches.
    Processor,
    /// Seconds of the clock.
    Wall,
}

impl SecondsKind {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            SecondsKind::Processor => "processor",
            SecondsKind::Wall => "wall",
        }
    }
}

/// A discovery curve as it is written to a table: the numbers of anomalies, separated by spaces.
fn curve(found: &[usize]) -> String {
    found.iter().map(usize::to_string).collect::<Vec<String>>().join(" ")
}

impl RunRecord for LabellingRow {
    const RUNS: &'static str = "labelling.jsonl";
    const DETAILS: Option<&'static str> = None;
    const TABLE: &'static str = "labelling.csv";
    const COLUMNS: &'static [&'static str] = &[
        "dataset",
        "family",
        "model",
        "strategy",
        "query",
        "batch",
        "budget",
        "seed",
        "n_rows",
        "n_features",
        "n_anomalies",
        "refit_seconds",
        "seconds",
        "backend",
        "status",
        "message",
        "found",
    ];

    fn cells(&self) -> Vec<String> {
        let (discovery, status, message) = match &self.status {
            Status::Ok(discovery) => (Some(discovery), "ok", ""),
            Status::Failed(message) => (None, "failed", message.as_str()),
        };
        let text = |value: fn(&Discovery) -> String| discovery.map(value).unwrap_or_default();
        vec![
            self.dataset.clone(),
            self.family.clone(),
            self.model.clone(),
            self.strategy.to_string(),
            self.query.to_string(),
            self.batch.to_string(),
            self.budget.to_string(),
            self.seed.to_string(),
            self.n_rows.to_string(),
            self.n_features.to_string(),
            self.n_anomalies.to_string(),
            text(|discovery| discovery.refit_seconds.map(|seconds| format!("{seconds:.6}")).unwrap_or_default()),
            text(|discovery| discovery.seconds.name().into()),
            self.backend.to_string(),
            status.into(),
            message.into(),
            text(|discovery| curve(&discovery.found)),
        ]
    }

    fn failure(&self) -> Option<&str> {
        match &self.status {
            Status::Ok(_) => None,
            Status::Failed(message) => Some(message),
        }
    }

    fn cell(&self) -> Vec<String> {
        vec![
            self.dataset.clone(),
            self.model.clone(),
            self.strategy.to_string(),
            self.query.to_string(),
            self.batch.to_string(),
            self.budget.to_string(),
            self.seed.to_string(),
            self.backend.to_string(),
        ]
    }

    fn method(&self) -> String {
        format!("{} ({})", self.model, self.strategy)
    }

    fn data(&self) -> String {
        format!("{} with seed {}", self.dataset, self.seed)
    }

    fn setting(&self) -> String {
        format!("{} labels in batches of {} on {}", self.budget, self.batch, self.backend)
    }
}
