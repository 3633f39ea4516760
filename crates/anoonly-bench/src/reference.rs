//! Comparison with the results of another implementation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anoonly_core::budget::LabelBudget;
use anoonly_page::markdown_table;

use crate::{BenchError, Results, Row, Status};

/// The runs of another implementation: AUROC and average precision by data set, model and strategy.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    runs: BTreeMap<(String, String, String), Vec<[f64; 2]>>,
}

impl Reference {
    /// Reads a CSV file with the columns `dataset`, `model`, `strategy`, `label_ratio`, `noise`, `auroc` and `ap`. Only its rows
    /// without noise at the label ratio of the budget are used.
    ///
    /// # Errors
    /// When the file cannot be read, lacks a column, has a value that is not a number, or has no row to use.
    pub fn read(path: &Path, budget: LabelBudget) -> Result<Self, BenchError> {
        let failed = |reason: String| BenchError::File { path: path.into(), reason };
        let mut reader = csv::Reader::from_path(path).map_err(|error| failed(error.to_string()))?;
        let header = reader.headers().map_err(|error| failed(error.to_string()))?.clone();
        let place = |name: &str| {
            let place = header.iter().position(|column| column == name);
            place.ok_or_else(|| failed(format!("no column `{name}`")))
        };
        let [dataset, model, strategy] = [place("dataset")?, place("model")?, place("strategy")?];
        let [ratio, noise, auroc, ap] = [place("label_ratio")?, place("noise")?, place("auroc")?, place("ap")?];
        let mut reference = Reference::default();
        for (index, record) in reader.records().enumerate() {
            let record = record.map_err(|error| failed(error.to_string()))?;
            let cell = |column: usize| record.get(column).unwrap_or_default();
            let number = |column: usize| {
                let value = cell(column).parse::<f64>();
                value.map_err(|_| failed(format!("row {}: `{}` is not a number", index + 1, cell(column))))
            };
            if cell(noise) == "none" && budget == LabelBudget::Ratio(number(ratio)?) {
                let key = (cell(dataset).to_owned(), cell(model).to_owned(), cell(strategy).to_owned());
                reference.runs.entry(key).or_default().push([number(auroc)?, number(ap)?]);
            }
        }
        if reference.runs.is_empty() {
            return Err(failed("no row without noise at the label ratio of this bench".into()));
        }
        Ok(reference)
    }

    /// Renders a Markdown table with a line for each family, model and strategy that both implementations measured. Values are means
    /// over seeds and then over the data sets that both measured, in percent.
    pub fn table(&self, results: &Results) -> String {
        type Key = (String, String, String);
        let mut ours: BTreeMap<Key, Vec<[f64; 2]>> = BTreeMap::new();
        let mut lines: Vec<(Key, BTreeSet<String>)> = Vec::new();
        for row in &results.rows {
            let Row { dataset, family, model, strategy, .. } = row;
            let key = (dataset.clone(), model.clone(), strategy.to_string());
            let Status::Ok(scores) = &row.status else { continue };
            if !self.runs.contains_key(&key) {
                continue;
            }
            ours.entry(key).or_default().push([scores.auroc, scores.ap]);
            let line = (family.clone(), model.clone(), strategy.to_string());
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, sets)) => _ = sets.insert(dataset.clone()),
                None => lines.push((line, BTreeSet::from([dataset.clone()]))),
            }
        }
        lines.sort_by(|a, b| a.0.1.cmp(&b.0.1).then(a.0.0.cmp(&b.0.0)).then(b.0.2.cmp(&a.0.2)));
        let mut header = vec!["model", "family", "sets", "strategy"];
        header.extend(["AUROC", "reference", "difference", "AP", "reference", "difference"]);
        let mut table = markdown_table(&header, 4);
        for ((family, model, strategy), sets) in lines {
            let mean = |runs: &BTreeMap<Key, Vec<[f64; 2]>>, metric: usize| {
                let of_set = |set: &String| {
                    let values = &runs[&(set.clone(), model.clone(), strategy.clone())];
                    values.iter().map(|value| value[metric]).sum::<f64>() / values.len() as f64
                };
                100.0 * sets.iter().map(of_set).sum::<f64>() / sets.len() as f64
            };
            let cells = [0, 1].into_iter().flat_map(|metric| {
                let (own, other) = (mean(&ours, metric), mean(&self.runs, metric));
                [format!("{own:.1}"), format!("{other:.1}"), format!("{:+.1}", own - other)]
            });
            let head = [model.clone(), family, sets.len().to_string(), strategy.clone()];
            table.add_row(head.into_iter().chain(cells));
        }
        table.to_string()
    }
}
