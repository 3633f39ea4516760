//! Fits.

use std::ops::ControlFlow;
use std::sync::Arc;

use anoonly::data::encode::EncoderOptions;
use anoonly::data::table::LabelColumn;
use anoonly::models::overrides::overridden;
use anoonly::models::{AnyMethod, ConfigError};
use anoonly::pipeline::{LabelSource, Model as TableModel};
use anoonly::train::BackendName;
use anoonly::{ComputeDevice, PipelineError, Seed, Supervision, TableDetector};
use pyo3::prelude::*;
use serde_json::Value;

use crate::errors::raise;
use crate::model::NativeModel;
use crate::table::NativeTable;
use crate::work::run;

/// The settings of a fit, as Python names them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct FitSettings {
    method: String,
    /// The settings of the method as JSON.
    settings: String,
    strategy: String,
    members: Option<usize>,
    early_stopping: bool,
    held_out: f64,
    seed: u64,
    backend: String,
    device: Option<String>,
    label: Option<String>,
    anomaly: Option<String>,
    id: Vec<String>,
    drop: Vec<String>,
    category: Vec<String>,
    keep: Vec<String>,
    validate: bool,
}

impl FitSettings {
    fn detector(&self) -> Result<TableDetector, PipelineError> {
        let ids: Vec<&str> = self.id.iter().map(String::as_str).collect();
        let detector = TableDetector::new(method_with(&self.method, &self.settings)?)
            .supervision(match self.strategy.as_str() {
                "host" => Supervision::Full,
                _ => Supervision::AnomalyOnly,
            })
            .early_stopping(self.early_stopping)
            .held_out(self.held_out)
            .seed(Seed(self.seed))
            .ids(&ids)
            .columns(EncoderOptions {
                drop: self.drop.clone(),
                categories: self.category.clone(),
                keep: self.keep.clone(),
                ..EncoderOptions::default()
            });
        Ok(match self.members {
            Some(members) => detector.members(members),
            None => detector,
        })
    }

    fn device(&self) -> Result<ComputeDevice, PipelineError> {
        let backend: BackendName = self.backend.parse()?;
        Ok(ComputeDevice::new(backend, self.device.as_deref())?)
    }

    /// A warning of labels that are probably not what the user means: none of an anomaly, or more of anomalies than of other rows.
    fn doubt(&self, table: &anoonly::Table, method: &AnyMethod) -> Result<Option<String>, PipelineError> {
        let LabelSource::Column(column) = self.labels() else { return Ok(None) };
        let labels = table.labels(&column)?;
        let (rows, anomalies) = (labels.labels.len(), labels.labels.iter().filter(|label| label.is_anomaly()).count());
        Ok(match () {
            () if anomalies == 0 && !method.needs_labels() => Some(format!(
                "no row is labelled an anomaly in column `{}`: {} is fitted without labelled anomalies",
                labels.column,
                method.info().name
            )),
            () if self.anomaly.is_none() && 2 * anomalies > rows && anomalies < rows => Some(format!(
                "{anomalies} of {rows} rows are labelled anomalies; if they are the normal rows, name the value that marks anomalies \
                 with anomaly="
            )),
            () => None,
        })
    }

    fn labels(&self) -> LabelSource {
        let column = self.label.clone().map(|name| LabelColumn { names: vec![name], anomaly: self.anomaly.clone() });
        column.into()
    }
}

/// A method of the zoo with settings in JSON.
pub fn method_with(name: &str, settings: &str) -> Result<AnyMethod, PipelineError> {
    let method = AnyMethod::by_name(name)?;
    let bad = |error: &dyn std::fmt::Display| ConfigError::BadFile { reason: error.to_string() };
    let settings: Value = serde_json::from_str(settings).map_err(|error| bad(&error))?;
    let file = serde_json::json!({ method.info().name: settings });
    let text = toml::to_string(&file).map_err(|error| bad(&error))?;
    let methods = overridden(vec![method], &text)?;
    Ok(methods.into_iter().next().ok_or_else(|| bad(&"no method"))?)
}

/// Checks the name of a method and its settings.
#[pyfunction]
pub fn check_method(py: Python<'_>, method: &str, settings: &str) -> PyResult<()> {
    method_with(method, settings).map(drop).map_err(|error| raise(py, &error))
}

/// Fits a detector on a table, and returns warnings with it. `progress` is called with the member, the number of members, the epoch and the number of epochs.
#[pyfunction]
pub fn fit(
    py: Python<'_>,
    table: &NativeTable,
    settings: FitSettings,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<(NativeModel, Vec<String>)> {
    let table = table.table.clone();
    let each = |(member, members, epoch, epochs): (usize, usize, usize, usize)| match &progress {
        Some(progress) => progress.call1((member, members, epoch, epochs)).map(drop),
        None => Ok(()),
    };
    let fitted = run(py, each, move |progress| -> Result<_, PipelineError> {
        let (detector, device) = (settings.detector()?, settings.device()?);
        let warning = settings.doubt(&table, detector.method())?;
        // First, because too few labels make it impossible.
        let validation =
            settings.validate.then(|| detector.validate(&table, settings.labels(), &device)).transpose()?;
        let watch = |step: anoonly::pipeline::FitStep| {
            progress.step((step.member, step.members, step.epoch, step.epochs));
            match progress.is_stopped() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let mut model = detector.fit_watched(&table, settings.labels(), &device, &watch)?;
        if let Some(validation) = validation {
            model.set_validation(validation);
        }
        Ok((model, warning.into_iter().collect()))
    })?;
    let (model, warnings): (TableModel, _) = fitted.map_err(|error| raise(py, &error))?;
    Ok((NativeModel { model: Arc::new(model) }, warnings))
}

/// The methods with their settings, as JSON.
#[pyfunction]
pub fn methods() -> String {
    let entry = |method: &AnyMethod| {
        let info = method.info();
        let mut settings = serde_json::json!(method);
        // The name of the method, which is no setting.
        settings.as_object_mut().map(|settings| settings.remove("model"));
        serde_json::json!({
            "name": info.name,
            "title": info.title,
            "kind": info.kind.name(),
            "source": info.source,
            "needs_labels": method.needs_labels(),
            "settings": settings,
        })
    };
    Value::Array(AnyMethod::all().iter().map(entry).collect()).to_string()
}
