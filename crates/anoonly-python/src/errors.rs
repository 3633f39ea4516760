//! Errors of the library as exceptions of the package: what happened as the library says it, what may help in the words of Python, and
//! the facts as attributes.

use std::path::Path;

use anoonly::PipelineError;
use anoonly::data::DataError;
use anoonly::eval::ThresholdError;
use anoonly::labelling::{LabellingError, LabellingSetting};
use anoonly::models::{AnyMethod, ConfigError};
use anoonly::pipeline::TableSetting;
use anoonly::train::{BackendError, FitError, ModelFileError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::table::IN_MEMORY;

/// What an exception says.
#[derive(Default)]
struct Facts<'a> {
    /// The class in `anoonly.errors`.
    class: &'static str,
    file: Option<&'a Path>,
    column: Option<&'a str>,
    row: Option<usize>,
    value: Option<&'a str>,
    setting: Option<String>,
    /// What may help.
    hint: Option<String>,
}

impl<'a> Facts<'a> {
    fn new(class: &'static str) -> Self {
        Self { class, ..Self::default() }
    }

    fn at(class: &'static str, file: &'a Path) -> Self {
        Self { class, file: Some(file), ..Self::default() }
    }

    fn cell(self, column: &'a str, row: usize, value: &'a str) -> Self {
        Self { column: Some(column), row: Some(row), value: Some(value), ..self }
    }

    fn column(self, column: &'a str) -> Self {
        Self { column: Some(column), ..self }
    }

    fn setting(self, setting: impl Into<String>) -> Self {
        Self { setting: Some(setting.into()), ..self }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// An error of the library as an exception.
pub fn raise(py: Python<'_>, error: &PipelineError) -> PyErr {
    exception(py, &error.to_string(), pipeline(error)).unwrap_or_else(|error| error)
}

/// An exception of a misused session.
pub fn refuse(py: Python<'_>, message: &str) -> PyErr {
    exception(py, message, Facts::new("SettingError")).unwrap_or_else(|error| error)
}

/// An error of a labelling session as an exception.
pub fn raise_labelling(py: Python<'_>, error: &LabellingError) -> PyErr {
    // Rows are counted from 0 in the arguments of a session.
    let message = match error {
        LabellingError::NoRow { row, rows } => format!("no row {}: the table has {rows} rows, counted from 0", row - 1),
        LabellingError::HeldOutRow { row } => {
            format!("row {}, counted from 0, is held out: its score calibrates p-values, so it has no answer", row - 1)
        }
        other => other.to_string(),
    };
    exception(py, &message, labelling(error)).unwrap_or_else(|error| error)
}

fn exception(py: Python<'_>, message: &str, facts: Facts<'_>) -> PyResult<PyErr> {
    let class = py.import("anoonly.errors")?.getattr(facts.class)?;
    let message = match &facts.hint {
        Some(hint) if message.ends_with('?') => format!("{message} {}", capitalised(hint)),
        Some(hint) => format!("{message}; {hint}"),
        None => message.to_owned(),
    };
    let attributes = PyDict::new(py);
    let file = facts.file.filter(|file| *file != Path::new(IN_MEMORY));
    attributes.set_item("file", file.map(|file| file.to_string_lossy().into_owned()))?;
    attributes.set_item("column", facts.column)?;
    attributes.set_item("row", facts.row.filter(|&row| row > 0))?;
    attributes.set_item("value", facts.value)?;
    attributes.set_item("setting", facts.setting)?;
    Ok(PyErr::from_value(class.call((message,), Some(&attributes))?))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn pipeline(error: &PipelineError) -> Facts<'_> {
    match error {
        PipelineError::Data(error) => data(error),
        PipelineError::Config(error) | PipelineError::Fit(FitError::Config(error)) => config(error),
        PipelineError::Backend(error) => backend(error),
        PipelineError::Setting { setting, .. } => Facts::new("SettingError").setting(argument(*setting)),
        PipelineError::NeedsLabels { path, column, .. } => {
            let others = format!("choose a method that needs none: {}", methods_without_labels());
            let facts = Facts::at("LabelError", path);
            match column {
                Some(column) => facts.column(column).hint(others),
                None => facts.hint(format!("name the label column with label=, or {others}")),
            }
        }
        PipelineError::LabelIsFeature { path, column } => Facts::at("LabelError", path)
            .column(column)
            .hint("fit again with label= or drop= and the name of this column"),
        PipelineError::Labels { path, column, .. } => Facts::at("LabelError", path).column(column),
        PipelineError::Fit(FitError::Diverged { .. }) => {
            Facts::new("FitError").hint("set it with recipe={\"optimiser\": {\"learning_rate\": …}}")
        }
        PipelineError::Fit(_) | PipelineError::Stopped => Facts::new("FitError"),
        PipelineError::Threshold(ThresholdError::TooFewRows { .. }) => Facts::new("SettingError")
            .setting("fpr")
            .hint("choose a higher rate, or hold out more rows with held_out= at the fit"),
        PipelineError::Threshold(_) | PipelineError::Statistics(_) => Facts::new("SettingError"),
        PipelineError::NoCalibration => Facts::new("NotCalibratedError")
            .hint("fit again with held_out= above 0, and with more rows if they are few"),
        PipelineError::NotNumeric { column, .. } => Facts::new("NotExportableError")
            .column(column)
            .hint("without matrix=True, the graph has an input for each column"),
        PipelineError::NotExportable { .. } => Facts::new("NotExportableError"),
        PipelineError::ModelFile(error) => model_file(error),
        PipelineError::Input { path, .. } | PipelineError::Output { path, .. } => Facts::at("TableError", path),
        _ => Facts::new("AnoonlyError"),
    }
}

fn model_file(error: &ModelFileError) -> Facts<'_> {
    match error {
        ModelFileError::Write { path, .. }
        | ModelFileError::Read { path, .. }
        | ModelFileError::Malformed { path, .. }
        | ModelFileError::Damaged { path }
        | ModelFileError::Version { path, .. } => Facts::at("ModelFileError", path),
        _ => Facts::new("ModelFileError"),
    }
}

fn data(error: &DataError) -> Facts<'_> {
    use DataError as E;
    let table = |path| Facts::at("TableError", path);
    let label = |path| Facts::at("LabelError", path);
    match error {
        E::NoLabelColumn { path, .. } => label(path).hint("name the label column with label="),
        E::BadLabel { path, column, row, value, .. } => {
            label(path).cell(column, *row, value).hint("or name the value that marks anomalies with anomaly=")
        }
        E::NoSuchAnomaly { path, column, anomaly, .. } => Facts { value: Some(anomaly), ..label(path).column(column) }
            .setting("anomaly")
            .hint("name the value that marks anomalies with anomaly="),
        E::AmbiguousLabelColumn { path, first, .. } => label(path).column(first),
        E::NamelessColumn { path, .. } => table(path).hint("or leave it out with drop=\"\""),
        E::UnsupportedType { path, column, .. } | E::UnknownZone { path, column, .. } => {
            table(path).column(column).hint("or leave it out with drop=")
        }
        E::DuplicateColumn { path, column } => table(path).column(column).hint("or leave both out with drop="),
        E::NoColumn { path, column, .. } => table(path).column(column),
        E::Mixed { path, column, row, value, .. } | E::UnknownDate { path, column, row, value } => table(path)
            .cell(column, *row, value)
            .hint("or treat the column as categories with category=, or leave it out with drop="),
        E::OtherKind { path, column, row, value, .. } => {
            table(path).cell(column, *row, value).hint("or treat such values as missing with lenient=True")
        }
        E::MissingColumns { path, missing } => {
            // Names in back quotes.
            let first = missing.split('`').nth(1).unwrap_or(missing);
            table(path).column(first).hint("or treat such values as missing with lenient=True")
        }
        E::NewCategory { path, column, row, value } => {
            table(path).cell(column, *row, value).hint("or accept unknown categories with lenient=True")
        }
        E::UnlikeTraining { path, column, .. } => {
            table(path).column(column).hint("or score it all the same with lenient=True")
        }
        E::OtherDecimals { path, column, row, value } | E::AmbiguousDate { path, column, row, value } => {
            table(path).cell(column, *row, value).hint("or leave the column out with drop=")
        }
        E::TooManyCategories { path, column, .. } => {
            table(path).column(column).hint("or leave the column out with drop=")
        }
        E::NothingToLearnFrom { path } => table(path).hint("an identifier, time or counter is used with keep="),
        E::NotNumeric { path, column, row, value } | E::NotFiniteCell { path, column, row, value } => {
            table(path).cell(column, *row, value)
        }
        E::ValueNotUtf8 { path, column, row } => Facts { row: Some(*row), ..table(path).column(column) },
        E::MisplacedQuote { path, column, row, .. } => Facts { row: Some(*row), ..table(path).column(column) },
        E::UnequalRow { path, row, .. } | E::LongRow { path, row, .. } => Facts { row: Some(*row), ..table(path) },
        E::TooCoarse { path, column, .. } => table(path).column(column),
        E::Io { path, .. }
        | E::Malformed { path, .. }
        | E::Output { path, .. }
        | E::UnknownFormat { path }
        | E::NoRows { path }
        | E::UnsupportedCompression { path, .. }
        | E::NameNotUtf8 { path, .. }
        | E::TooLarge { path, .. } => table(path),
        _ => Facts::new("TableError"),
    }
}

fn config(error: &ConfigError) -> Facts<'_> {
    match error {
        ConfigError::UnknownMethod { .. } => {
            Facts::new("SettingError").setting("method").hint("all methods are listed by anoonly.methods()")
        }
        ConfigError::UnknownKey { key, .. } => {
            Facts::new("SettingError").setting(within_method(key)).hint("all settings are listed by anoonly.methods()")
        }
        ConfigError::BadValue { option, .. } => Facts::new("SettingError")
            .setting(*option)
            .hint("all settings and their defaults are listed by anoonly.methods()"),
        _ => Facts::new("SettingError"),
    }
}

/// The path of a setting without the name of the method that it begins with.
fn within_method(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, setting)| setting)
}

fn backend(error: &BackendError) -> Facts<'_> {
    let facts = Facts::new("SettingError").setting("backend");
    match error {
        BackendError::NotBuilt { .. } => {
            facts.hint("this package computes on the processor, with backend=\"flex\" or \"ndarray\"")
        }
        BackendError::OneDevice { .. } => Facts::new("SettingError").setting("device").hint("leave out device="),
        _ => facts,
    }
}

fn labelling(error: &LabellingError) -> Facts<'_> {
    match error {
        LabellingError::Pipeline(error) => pipeline(error),
        LabellingError::Setting { setting: LabellingSetting::Label, .. } => Facts::new("SettingError")
            .setting("label")
            .hint("to use its labels, name it with label=; or choose another name for the new column with label_name="),
        LabellingError::Setting { setting: LabellingSetting::Notes, .. } => Facts::new("SettingError").setting("notes"),
        LabellingError::Setting { .. } => Facts::new("SettingError"),
        LabellingError::JournalInUse { path } => Facts::at("JournalError", path)
            .setting("journal")
            .hint("end the other session first, or name another file with journal="),
        LabellingError::EmptyJournal { path }
        | LabellingError::NotAJournal { path, .. }
        | LabellingError::JournalVersion { path, .. }
        | LabellingError::DamagedLine { path, .. } => {
            Facts::at("JournalError", path).setting("journal").hint("name another file with journal=")
        }
        LabellingError::OtherTable { path, .. } => Facts::at("JournalError", path)
            .setting("journal")
            .hint("to begin a session with this table, name another file with journal="),
        LabellingError::OtherSetting { path, .. } => Facts::at("JournalError", path).setting("journal").hint(
            "a session goes on with the settings of its journal; to begin another session, name another file with journal=",
        ),
        LabellingError::JournalIo { path, .. } => Facts::at("JournalError", path).setting("journal"),
        _ => Facts::new("SettingError"),
    }
}

/// The argument that sets a setting of the library.
fn argument(setting: TableSetting) -> &'static str {
    match setting {
        TableSetting::Members => "members",
        TableSetting::HeldOut => "held_out",
        TableSetting::Ids => "id",
        TableSetting::EarlyStopping => "early_stopping",
        TableSetting::Validation => "validate",
        TableSetting::ThresholdScore => "score",
        _ => "setting",
    }
}

/// The names of the methods that can be fitted without a labelled anomaly.
fn methods_without_labels() -> String {
    let all = AnyMethod::all();
    let names = all.iter().filter(|method| !method.needs_labels()).map(|method| method.info().name);
    names.collect::<Vec<_>>().join(", ")
}
