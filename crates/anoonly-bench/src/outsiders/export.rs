//! The rows of every split as files for other programs.

use std::path::Path;

use anoonly_core::Digest;
use anoonly_core::budget::LabelBudget;
use anoonly_core::protocol::Protocol;
use anoonly_data::table::{MemoryColumn, TableBuilder, TableWriter};
use ndarray::Array2;
use serde::Serialize;

use crate::grid::DrawnSplit;
use crate::{BenchError, Grid, Row, results, synthetic_name};

/// The list of splits in a folder of splits.
const SPLITS: &str = "splits.jsonl";

/// The splits that were exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedSplits {
    /// The number of splits.
    pub splits: usize,
    /// The number of data sets.
    pub sets: usize,
}

/// A line of the list of splits.
#[derive(Serialize)]
struct SplitLine {
    split: String,
    dataset: String,
    family: String,
    protocol: Protocol,
    label_ratio: Option<f64>,
    label_count: Option<usize>,
    n_labeled: usize,
    noise: &'static str,
    noise_level: f64,
    synthetic: &'static str,
    seed: u64,
    train: String,
    labels: String,
    test: String,
    n_train: usize,
    n_test: usize,
    n_features: usize,
}

impl Grid {
    /// Writes the rows of every split of the whole grid into a folder, which is created if it does not exist: the features of both sides
    /// and the labels of the training rows, but not the truth of the test rows. Splits that share rows share a file. Files that an
    /// earlier export has written stay, because they are named after their content. The list of splits is written at the end.
    ///
    /// # Errors
    /// When a split cannot be drawn, or a file cannot be written.
    pub fn export_splits(&self, folder: &Path) -> Result<ExportedSplits, BenchError> {
        for folder in [folder.join("rows"), folder.join("labels")] {
            let failed = |error: std::io::Error| BenchError::Output { path: folder.clone(), reason: error.to_string() };
            std::fs::create_dir_all(&folder).map_err(failed)?;
        }
        let lines = self.each_split(|drawn| exported(drawn, folder))?;
        let mut text = Vec::new();
        for line in &lines {
            text.extend(crate::grid::json(line));
            text.push(b'\n');
        }
        results::write(&folder.join(SPLITS), &text)?;
        Ok(ExportedSplits { splits: lines.len(), sets: self.sets() })
    }
}

/// Writes the files of a split that do not exist yet.
fn exported(drawn: &DrawnSplit<'_>, folder: &Path) -> Result<SplitLine, BenchError> {
    let (trial, split) = (drawn.trial, drawn.key().to_string());
    let rows = |digest: Digest, features: &Array2<f32>| {
        let name = format!("rows/{digest}.parquet");
        let columns = features.columns().into_iter().enumerate();
        let columns = columns.map(|(place, column)| (format!("x{place}"), MemoryColumn::F32(column.to_vec())));
        write(&folder.join(&name), features.nrows(), columns).map(|()| name)
    };
    let (train, test) = (rows(drawn.train, trial.train.features())?, rows(drawn.test, trial.test.features())?);
    let labels = format!("labels/{split}.parquet");
    let column = MemoryColumn::I8(trial.train.anomalous().into_iter().map(i8::from).collect());
    write(&folder.join(&labels), trial.train.rows(), std::iter::once(("label".to_owned(), column)))?;
    let Row {
        dataset, family, protocol, budget, n_labeled, noise, seed, n_train, n_test, n_features, synthetic, ..
    } = drawn.row.clone();
    let (label_ratio, label_count) = match budget {
        LabelBudget::Ratio(ratio) => (Some(ratio), None),
        LabelBudget::Count(count) => (None, Some(count)),
    };
    Ok(SplitLine {
        split,
        dataset,
        family,
        protocol,
        label_ratio,
        label_count,
        n_labeled,
        noise: noise.name(),
        noise_level: noise.level(),
        synthetic: synthetic_name(synthetic),
        seed,
        train,
        labels,
        test,
        n_train,
        n_test,
        n_features,
    })
}

/// Writes a Parquet file, unless it exists.
fn write(path: &Path, rows: usize, columns: impl Iterator<Item = (String, MemoryColumn)>) -> Result<(), BenchError> {
    if path.is_file() {
        return Ok(());
    }
    let mut table = TableBuilder::new(path, rows);
    for (name, values) in columns {
        table.add(&name, values, None)?;
    }
    let mut file = TableWriter::create(path)?;
    file.write(&table.finish()?)?;
    Ok(file.finish()?)
}
