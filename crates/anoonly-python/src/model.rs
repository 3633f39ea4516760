//! Fitted models.

use std::path::PathBuf;
use std::sync::Arc;

use anoonly::data::encode::{Unknown, UnseenValues};
use anoonly::data::table::{LabelColumn, Values};
use anoonly::eval::ranks;
use anoonly::pipeline::{LabelledScores, Model as TableModel, OnnxForm, Scored, Threshold, ThresholdRule};
use anoonly::{ComputeDevice, PipelineError};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;
use serde_json::json;

use crate::errors::raise;
use crate::table::NativeTable;
use crate::work::{run, run_quietly};

/// A fitted model.
#[pyclass(frozen, name = "Model", module = "anoonly._native")]
pub struct NativeModel {
    pub model: Arc<TableModel>,
}

/// How a table is scored.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    /// As a whole: half of its rows must be like the training rows.
    Whole,
    /// As a part of a table, which may differ from the whole.
    Part,
}

fn unknown(lenient: bool) -> Unknown {
    if lenient { Unknown::Accept } else { Unknown::Refuse }
}

/// The text of a value as JSON.
pub fn as_json(py: Python<'_>, value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| {
        let reason = error.to_string();
        raise(py, &PipelineError::Output { path: "JSON".into(), reason })
    })
}

/// The scores of the rows of a table. `None` when the work was stopped.
fn scored(
    model: &TableModel,
    table: &anoonly::Table,
    lenient: bool,
    extent: Extent,
    stopped: &dyn Fn() -> bool,
    mut done: impl FnMut(usize),
) -> Result<(Scored, Vec<String>), PipelineError> {
    let unknown = unknown(lenient);
    let mut all = Scored { scores: Vec::with_capacity(table.rows()), filled: 0, unseen: UnseenValues::default() };
    for block in table.in_blocks() {
        if stopped() {
            return Err(PipelineError::Stopped);
        }
        let scored = model.scored(&block?, unknown)?;
        all.scores.extend(scored.scores);
        all.filled += scored.filled;
        all.unseen.add(scored.unseen);
        done(all.scores.len());
    }
    let mut warnings = Vec::new();
    if extent == Extent::Whole {
        if !lenient {
            all.unseen.refuse_many(table.path())?;
        }
        warnings.extend(unseen_warnings(&all.unseen));
        warnings.extend(shift_warning(model, table, &all.scores)?);
    }
    Ok((all, warnings))
}

/// What a table holds outside of what the training rows held, as sentences.
fn unseen_warnings(unseen: &UnseenValues) -> Vec<String> {
    let columns = unseen.by_count().into_iter().filter(|column| !unseen.is_chance(column));
    columns.map(|column| format!("column `{}`: {}", column.column, column.summary())).collect()
}

/// Says if the scores do not look like those of the held-out rows.
fn shift_warning(model: &TableModel, table: &anoonly::Table, scores: &[f32]) -> Result<Option<String>, PipelineError> {
    let Some(shift) = model.score_shift(scores)?.filter(|shift| shift.is_clear()) else { return Ok(None) };
    let seen = scores.len() == model.provenance().counts.rows && model.is_training_table(table.in_blocks())?;
    Ok(Some(match seen {
        true => {
            "the model was fitted on this table: the scores and p-values of its rows are not those of new rows".into()
        }
        false => shift.to_string(),
    }))
}

#[pymethods]
impl NativeModel {
    /// Reads a model file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let read = run_quietly(py, move || TableModel::load_on(&path, &ComputeDevice::default()))?;
        Ok(Self { model: Arc::new(read.map_err(|error| raise(py, &error))?) })
    }

    /// Reads the bytes of a model file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: Vec<u8>) -> PyResult<Self> {
        let read = run_quietly(py, move || TableModel::from_bytes(&bytes))?;
        Ok(Self { model: Arc::new(read.map_err(|error| raise(py, &error))?) })
    }

    /// Writes a model file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let model = Arc::clone(&self.model);
        run_quietly(py, move || model.save(&path))?.map_err(|error| raise(py, &error))
    }

    /// The bytes of a model file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let model = Arc::clone(&self.model);
        let bytes = run_quietly(py, move || model.to_bytes())?.map_err(|error| raise(py, &error))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The scores of the rows, the number of missing values, and warnings. `progress` is called with the number of rows done.
    fn score<'py>(
        &self,
        py: Python<'py>,
        table: &NativeTable,
        lenient: bool,
        part: bool,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyArray1<f32>>, usize, Vec<String>)> {
        let (model, table) = (Arc::clone(&self.model), table.table.clone());
        let extent = if part { Extent::Part } else { Extent::Whole };
        let each = |rows: usize| progress.as_ref().map_or(Ok(()), |progress| progress.call1((rows,)).map(drop));
        let result = run(py, each, move |progress| {
            let done = |rows| progress.step(rows);
            scored(&model, &table, lenient, extent, &|| progress.is_stopped(), done)
        })?;
        let (scored, warnings) = result.map_err(|error| raise(py, &error))?;
        Ok((scored.scores.into_pyarray(py), scored.filled, warnings))
    }

    /// The p-values of scores.
    fn p_values<'py>(
        &self,
        py: Python<'py>,
        scores: PyReadonlyArray1<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let calibration = self.model.calibration().map_err(|error| raise(py, &error))?;
        let p_values: Vec<f64> = scores.as_array().iter().map(|&score| calibration.p_value(score)).collect();
        Ok(p_values.into_pyarray(py))
    }

    /// The flags of scores of a whole table. `None` without a threshold.
    fn flags<'py>(
        &self,
        py: Python<'py>,
        scores: PyReadonlyArray1<'py, f32>,
    ) -> PyResult<Option<Bound<'py, PyArray1<bool>>>> {
        let flags = self.model.flags(&scores.as_array().to_vec()).map_err(|error| raise(py, &error))?;
        Ok(flags.map(|flags| flags.into_pyarray(py)))
    }

    /// The rows of a table with their identifiers and what their scores say, the highest `top` or all.
    fn ranked(
        &self,
        py: Python<'_>,
        table: &NativeTable,
        scores: PyReadonlyArray1<'_, f32>,
        top: Option<usize>,
    ) -> PyResult<NativeTable> {
        let (model, table, scores) = (Arc::clone(&self.model), table.table.clone(), scores.as_array().to_vec());
        let ranked = run_quietly(py, move || ranked(&model, &table, &scores, top))?;
        Ok(NativeTable { table: ranked.map_err(|error| raise(py, &error))? })
    }

    /// A model with a threshold by a rule and its value.
    fn with_threshold(&self, py: Python<'_>, rule: &str, value: f64) -> PyResult<Self> {
        let rule = match rule {
            "fpr" => ThresholdRule::FalsePositiveRate(value),
            "share" => ThresholdRule::Share(value),
            "fdr" => ThresholdRule::FalseDiscoveryRate(value),
            _ => ThresholdRule::Score,
        };
        let threshold = match rule {
            ThresholdRule::Score => Threshold::at(value as f32),
            rule => self.model.threshold_by(rule),
        };
        Ok(self.with(threshold.map_err(|error| raise(py, &error))?))
    }

    /// A model with the threshold of the best F1 on a table, and warnings.
    fn with_max_f1(
        &self,
        py: Python<'_>,
        table: &NativeTable,
        label: String,
        anomaly: Option<String>,
        lenient: bool,
    ) -> PyResult<(Self, Vec<String>)> {
        let label = LabelColumn { names: vec![label], anomaly };
        let best = |labelled: &LabelledScores| Threshold::max_f1(&labelled.scores, &labelled.anomalous);
        let (threshold, warnings) = self.on_labelled(py, table, label, lenient, best)?;
        Ok((self.with(threshold), warnings))
    }

    /// Metrics on a table with labels, as JSON, and warnings.
    fn evaluate(
        &self,
        py: Python<'_>,
        table: &NativeTable,
        label: String,
        anomaly: Option<String>,
        lenient: bool,
    ) -> PyResult<(String, Vec<String>)> {
        let label = LabelColumn { names: vec![label], anomaly };
        let (evaluation, warnings) = self.on_labelled(py, table, label, lenient, LabelledScores::evaluation)?;
        Ok((as_json(py, &evaluation)?, warnings))
    }

    /// The contributions of columns to the highest scores, as JSON, and warnings.
    fn explain(
        &self,
        py: Python<'_>,
        table: &NativeTable,
        top: usize,
        lenient: bool,
    ) -> PyResult<(String, Vec<String>)> {
        let (model, table) = (Arc::clone(&self.model), table.table.clone());
        let result = run_quietly(py, move || model.explain_top(table.in_blocks(), top, unknown(lenient)))?;
        let (rows, unseen) = result.map_err(|error| raise(py, &error))?;
        Ok((as_json(py, &rows)?, unseen_warnings(&unseen)))
    }

    /// How explanations of this model are computed: the name of the method with its source, and what the contributions are.
    fn explained_by(&self) -> (&'static str, &'static str) {
        let method = self.model.attribution_method();
        (method.name(), method.description())
    }

    /// Writes an ONNX graph.
    fn to_onnx<'py>(&self, py: Python<'py>, path: Option<PathBuf>, matrix: bool) -> PyResult<Bound<'py, PyBytes>> {
        let model = Arc::clone(&self.model);
        let form = if matrix { OnnxForm::Matrix } else { OnnxForm::Columns };
        let graph = run_quietly(py, move || {
            let graph = model.to_onnx_as(form)?;
            path.as_deref().map_or(Ok(()), |path| graph.save(path))?;
            Ok(graph.bytes().to_vec())
        })?;
        Ok(PyBytes::new(py, &graph.map_err(|error: PipelineError| raise(py, &error))?))
    }

    /// What the model is and where it comes from, as JSON.
    fn facts(&self, py: Python<'_>) -> PyResult<String> {
        let model = &self.model;
        let detector = model.members().next().map(|(member, _)| member.detector());
        let columns: Vec<_> = model
            .encoder()
            .columns()
            .iter()
            .map(|column| {
                json!({
                    "name": column.name,
                    "kind": column.kind.name(),
                    "notation": column.notation.name(),
                    "becomes": column.summary(),
                    "notes": column.notes,
                })
            })
            .collect();
        let threshold = model.threshold().map(
            |threshold| json!({ "rule": threshold.rule, "score": threshold.score, "promise": threshold.promise() }),
        );
        as_json(
            py,
            &json!({
                "method": detector.map(|detector| detector.method().info().name),
                "title": detector.map(|detector| detector.method().info().title),
                "takes_strategy": detector.is_some_and(|detector| detector.method().takes_strategy()),
                "strategy": detector.map(|detector| detector.supervision().to_string()),
                "settings": detector.map(|detector| detector.method()),
                "members": model.members().len(),
                "features": model.encoder().width(),
                "ids": model.ids(),
                "columns": columns,
                "threshold": threshold,
                "has_p_values": model.calibration().is_ok(),
                "provenance": model.provenance(),
            }),
        )
    }
}

impl NativeModel {
    /// What follows from the scores of the labelled rows of a table, and warnings.
    fn on_labelled<T: Send + 'static>(
        &self,
        py: Python<'_>,
        table: &NativeTable,
        label: LabelColumn,
        lenient: bool,
        follows: impl FnOnce(&LabelledScores) -> Result<T, PipelineError> + Send + 'static,
    ) -> PyResult<(T, Vec<String>)> {
        let (model, table) = (Arc::clone(&self.model), table.table.clone());
        let result = run_quietly(py, move || {
            let labelled = model.score_labelled(&table, &label, unknown(lenient))?;
            Ok((follows(&labelled)?, labelled))
        })?;
        let (result, labelled) = result.map_err(|error: PipelineError| raise(py, &error))?;
        Ok((result, labelled_warnings(&labelled.unseen, labelled.trained_on)))
    }

    fn with(&self, threshold: Threshold) -> Self {
        let mut model = TableModel::clone(&self.model);
        model.set_threshold(threshold);
        Self { model: Arc::new(model) }
    }
}

fn labelled_warnings(unseen: &UnseenValues, trained_on: bool) -> Vec<String> {
    let mut warnings = unseen_warnings(unseen);
    if trained_on {
        warnings.push("the model was fitted on these rows: metrics are better than on new rows".into());
    }
    warnings
}

/// Identifiers, or row numbers, with score, rank, p-value and flag, the highest scores first.
fn ranked(
    model: &TableModel,
    table: &anoonly::Table,
    scores: &[f32],
    top: Option<usize>,
) -> Result<anoonly::Table, PipelineError> {
    let all_ranks = ranks(scores);
    let flags = model.flags(scores)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by_key(|&row| all_ranks[row]);
    order.truncate(top.unwrap_or(scores.len()));
    let rows = match model.ids() {
        [] => {
            let numbers: Vec<u64> = order.iter().map(|&row| row as u64 + 1).collect();
            table.select(&[])?.with_columns(&[("row", Values::Counts(&numbers))])?
        }
        ids => table.select(ids)?.rows_at(&order)?,
    };
    let scores: Vec<f32> = order.iter().map(|&row| scores[row]).collect();
    let ranks: Vec<u64> = order.iter().map(|&row| all_ranks[row]).collect();
    let p_values: Option<Vec<f64>> =
        model.calibration().ok().map(|known| scores.iter().map(|&score| known.p_value(score)).collect());
    let flags: Option<Vec<bool>> = flags.map(|flags| order.iter().map(|&row| flags[row]).collect());
    let mut columns = vec![("score", Values::Scores(&scores)), ("rank", Values::Counts(&ranks))];
    columns.extend(p_values.as_ref().map(|p_values| ("p_value", Values::Shares(p_values))));
    columns.extend(flags.as_ref().map(|flags| ("flagged", Values::Truths(flags))));
    Ok(rows.with_columns(&columns)?)
}
