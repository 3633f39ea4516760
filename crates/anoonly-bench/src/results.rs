//! Results and their file.

use std::path::{Path, PathBuf};

use anoonly_data::budget::LabelBudget;
use anoonly_data::protocol::Protocol;
use anoonly_train::BackendName;
use tempfile::NamedTempFile;

use crate::{BenchError, Strategy};

/// All rows of a bench, in the order of data sets, seeds, models and strategies.
#[derive(Clone, Debug)]
pub struct Results {
    /// One row a run.
    pub rows: Vec<Row>,
}

/// One run.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the columns of results.csv, told in docs/results-format.md")]
pub struct Row {
    pub dataset: String,
    pub family: String,
    pub model: String,
    pub strategy: Strategy,
    pub protocol: Protocol,
    pub budget: LabelBudget,
    pub n_labeled: usize,
    pub seed: u64,
    pub n_train: usize,
    pub n_test: usize,
    pub n_features: usize,
    pub backend: BackendName,
    pub status: Status,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub enum Status {
    /// It was measured.
    Ok(Scores),
    /// It failed, and why.
    Failed(String),
}

/// What was measured on the test rows. Metrics are shares, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are columns of results.csv, told in docs/results-format.md")]
pub struct Scores {
    pub auroc: f64,
    pub ap: f64,
    pub ap_normal: f64,
    pub fit_seconds: f64,
    pub score_seconds: f64,
}

/// The header of `results.csv`.
const COLUMNS: [&str; 21] = [
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
];

impl Results {
    /// The number of runs that failed.
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.status, Status::Failed(_))).count()
    }
}

/// The place of `results.csv`, tried before the runs so that none is lost to a folder that cannot be written.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: NamedTempFile,
}

impl Output {
    /// Makes the folder where there is none, and a temporary file in it.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(folder: &Path) -> Result<Self, BenchError> {
        let path = folder.join("results.csv");
        let failed = |path: &Path, reason: &str| BenchError::Output { path: path.into(), reason: reason.into() };
        if folder.exists() && !folder.is_dir() {
            return Err(failed(folder, "it is a file, not a folder"));
        }
        if path.is_dir() {
            return Err(failed(&path, "it is a folder"));
        }
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error.to_string()))?;
        let mut builder = tempfile::Builder::new();
        // Readable as any new file is; a temporary file would be its owner's alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder);
        let file = file.map_err(|error| failed(&path, &error.kind().to_string()))?;
        Ok(Self { path, file })
    }

    /// Writes `results.csv`, which is complete or not there at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(self, results: &Results) -> Result<(), BenchError> {
        let Self { path, file } = self;
        let failed = |reason: String| BenchError::Output { path: path.clone(), reason };
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(COLUMNS).map_err(|error| failed(error.to_string()))?;
        for row in &results.rows {
            csv.write_record(row.cells()).map_err(|error| failed(error.to_string()))?;
        }
        let file = csv.into_inner().map_err(|error| failed(error.to_string()))?;
        file.persist(&path).map_err(|error| failed(error.error.to_string()))?;
        Ok(())
    }
}

impl Row {
    fn cells(&self) -> [String; COLUMNS.len()] {
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
            "none".into(),
            "0".into(),
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
        ]
    }
}
