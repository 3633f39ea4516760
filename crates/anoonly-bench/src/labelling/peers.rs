//! Discovery curves that other programs measured.

use std::path::Path;

use anoonly_train::labelling::Query;
use csv::StringRecord;

use super::row::LabellingRow;
use crate::{BenchError, Results, Strategy};

/// Discovery curves of other programs, or of another build of this one, from a file like `labelling.csv`.
#[derive(Clone, Debug, Default)]
pub struct PeerCurves {
    pub(super) curves: Vec<PeerCurve>,
}

/// The curve of one run.
#[derive(Clone, Debug)]
pub(super) struct PeerCurve {
    pub dataset: String,
    pub model: String,
    pub strategy: String,
    pub query: Query,
    pub batch: usize,
    pub seed: u64,
    pub rows: usize,
    pub anomalies: usize,
    pub refit_seconds: Option<f64>,
    pub found: Vec<usize>,
}

impl PeerCurves {
    /// Reads the columns `dataset`, `model`, `query`, `batch`, `seed`, `n_rows`, `n_anomalies`, `refit_seconds` and `found` and, if there
    /// are, `strategy` and `status`. Rows whose status is not `ok` are left out.
    ///
    /// # Errors
    /// When the file cannot be read, lacks a column, or has a value that is not of its column.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let failed = |reason: String| BenchError::File { path: path.into(), reason };
        let mut reader = csv::Reader::from_path(path).map_err(|error| failed(error.to_string()))?;
        let header = reader.headers().map_err(|error| failed(error.to_string()))?.clone();
        let mut curves = Vec::new();
        for (index, record) in reader.records().enumerate() {
            let record = record.map_err(|error| failed(error.to_string()))?;
            let columns = Columns { header: &header, record: &record };
            if columns.optional("status").is_none_or(|status| status == "ok") {
                curves.push(columns.curve().map_err(|reason| failed(format!("row {}: {reason}", index + 1)))?);
            }
        }
        match curves.is_empty() {
            true => Err(failed("it has no run".into())),
            false => Ok(Self { curves }),
        }
    }

    /// The curves of the data sets and seeds of the results, as long as the curves there.
    ///
    /// # Errors
    /// A sentence about a curve that cannot be compared: it has another batch or other rows, or is too short. Also when there is no
    /// curve for any data set and seed of the results.
    pub(super) fn on(&self, results: &Results<LabellingRow>) -> Result<Vec<PeerCurve>, String> {
        let mut used = Vec::new();
        for curve in &self.curves {
            let same = |row: &&LabellingRow| row.dataset == curve.dataset && row.seed == curve.seed;
            let Some(row) = results.rows.iter().find(same) else { continue };
            let PeerCurve { dataset, model, seed, batch, rows, anomalies, found, .. } = curve;
            let what = format!("the run of {model} on {dataset} with seed {seed}");
            if *batch != row.batch {
                return Err(format!("{what} has batches of {batch} rows, not of {}", row.batch));
            }
            if (*rows, *anomalies) != (row.n_rows, row.n_anomalies) {
                return Err(format!(
                    "{what} is on other rows: {rows} with {anomalies} anomalies, not {} with {}",
                    row.n_rows, row.n_anomalies
                ));
            }
            if found.len() < row.budget {
                return Err(format!("{what} has {} labels, not {}", found.len(), row.budget));
            }
            used.push(PeerCurve { found: found[..row.budget].to_vec(), ..curve.clone() });
        }
        match used.is_empty() {
            true => Err("there is no run on the data sets and seeds of this bench".into()),
            false => Ok(used),
        }
    }
}

/// A row of the file.
struct Columns<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl<'a> Columns<'a> {
    fn optional(&self, name: &str) -> Option<&'a str> {
        self.record.get(self.header.iter().position(|column| column == name)?)
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        self.optional(name).ok_or_else(|| format!("no column `{name}`"))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("column {name}: `{text}` is not a number of that column"))
    }

    fn curve(&self) -> Result<PeerCurve, String> {
        let found: Result<Vec<usize>, _> = self.text("found")?.split_whitespace().map(str::parse).collect();
        let found = found.map_err(|_| "column found: not numbers separated by spaces".to_owned())?;
        let anomalies = self.number("n_anomalies")?;
        let steps = found.iter().scan(0, |before, &count| Some(count.wrapping_sub(std::mem::replace(before, count))));
        if anomalies == 0 || steps.into_iter().any(|step| step > 1) || found.last().is_some_and(|&all| all > anomalies)
        {
            return Err(format!("column found: not a curve with {anomalies} anomalies in all"));
        }
        let seconds = self.text("refit_seconds")?;
        Ok(PeerCurve {
            dataset: self.text("dataset")?.into(),
            model: self.text("model")?.into(),
            strategy: self.optional("strategy").unwrap_or(Strategy::none().name()).into(),
            query: self.text("query")?.parse().map_err(|error| format!("column query: {error}"))?,
            batch: self.number("batch")?,
            seed: self.number("seed")?,
            rows: self.number("n_rows")?,
            anomalies,
            refit_seconds: if seconds.is_empty() { None } else { Some(self.number("refit_seconds")?) },
            found,
        })
    }
}
