//! `anoonly data info`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anoonly::core::{Digest, Label};
use anoonly::data::DataError;
use anoonly::data::catalogue::{CatalogueEntry, Source};
use anoonly::data::fetch::{ADDRESS, FetchError, Fetcher, KnownSet, LICENCE, SOURCE, known};
use anoonly::data::table::{LabelColumn, Table, WantedColumns};
use clap::Args;
use serde::Serialize;

use super::{cached, with_share};
use crate::error::CommandError;
use crate::reading::Reading;
use crate::terminal::one_line;
use crate::{print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// A name that `anoonly data list` shows, or a file with a table
    #[arg(value_name = "NAME|FILE")]
    target: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Print the description as JSON
    #[arg(long)]
    json: bool,
}

/// What is known about a data set. Unknown fields are left out.
#[derive(Default, Serialize)]
struct Description {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    rows: usize,
    features: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    anomalies: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unlabelled: Option<usize>,
    /// Rows whose features equal those of an earlier row.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated_rows: Option<usize>,
    /// Element types of the features, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The path of the file; none for an embedded set and for a set that has not been fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl Options {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let description = self.description()?;
        match self.json {
            true => print_json(&serde_json::json!(description))?,
            false => print(&description.render()),
        }
        Ok(())
    }

    fn description(&self) -> Result<Description, CommandError> {
        let target = &self.target;
        if target.is_dir() {
            return Err(CommandError::Folder { path: target.clone() });
        }
        // A missing file with the extension of a table is reported as a missing file, not as an unknown data set.
        if target.is_file() || Table::can_read(target) {
            return of_file(target, &self.reading);
        }
        let name = target.to_string_lossy();
        let embedded = Source::Embedded.entries()?;
        if let Some(entry) = embedded.iter().find(|entry| entry.name == name) {
            return of_embedded(entry);
        }
        if let Some(set) = known().iter().find(|set| set.name == name || set.path() == name) {
            return of_known(set, &self.reading);
        }
        let names = embedded.iter().map(|entry| entry.name.as_str()).chain(known().iter().map(|set| set.name));
        let short = name.rsplit('/').next().unwrap_or(&name);
        Err(CommandError::UnknownDataSet {
            suggestion: anoonly::core::did_you_mean(short, names),
            name: name.into_owned(),
        })
    }
}

fn of_file(path: &Path, reading: &Reading) -> Result<Description, CommandError> {
    let table = reading.table(path, WantedColumns::All)?;
    let failed = |source| DataError::Io { path: path.into(), source };
    let sha256 = Digest::of_file(path).map_err(failed)?.to_string();
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    let rule = LabelColumn::benchmark();
    let labels = match table.labels(&rule) {
        Ok(labels) => Some(labels),
        Err(DataError::NoLabelColumn { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let count =
        |wanted: Label| labels.as_ref().map(|labels| labels.labels.iter().filter(|&&label| label == wanted).count());
    let features: Vec<(&str, String)> = table
        .columns()
        .into_iter()
        .zip(table.types())
        .filter(|(column, _)| labels.as_ref().is_none_or(|labels| labels.column != *column))
        .collect();
    let mut types: Vec<String> = Vec::new();
    for (_, element) in &features {
        if !types.contains(element) {
            types.push(element.clone());
        }
    }
    Ok(Description {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        rows: table.rows(),
        features: features.len(),
        anomalies: count(Label::Anomaly),
        unlabelled: count(Label::Unlabelled).filter(|&rows| rows > 0),
        // Only rows of finite numbers can be compared.
        repeated_rows: table.samples(&rule).ok().map(|samples| samples.repeated_rows()),
        types,
        bytes: Some(bytes),
        sha256: Some(sha256),
        file: Some(path.display().to_string()),
        ..Description::default()
    })
}

fn of_embedded(entry: &CatalogueEntry) -> Result<Description, CommandError> {
    let samples = entry.load()?.samples;
    Ok(Description {
        name: entry.name.clone(),
        family: Some(entry.family.clone()),
        rows: samples.rows(),
        features: samples.columns(),
        anomalies: Some(samples.by_class().anomalies.len()),
        repeated_rows: Some(samples.repeated_rows()),
        source: entry.source(),
        licence: entry.licence(),
        ..Description::default()
    })
}

fn of_known(set: &KnownSet, reading: &Reading) -> Result<Description, CommandError> {
    let description = Description {
        name: set.path(),
        family: Some(set.family().to_owned()),
        rows: set.rows,
        features: set.features,
        anomalies: Some(set.anomalies),
        bytes: Some(set.bytes),
        sha256: Some(set.sha256.to_string()),
        source: Some(SOURCE),
        licence: Some(LICENCE),
        url: Some(Fetcher::new("", ADDRESS)?.url(&set.into())),
        ..Description::default()
    };
    let Some(file) = cached(set) else { return Ok(description) };
    let found = Digest::of_file(&file).map_err(|source| DataError::Io { path: file.clone(), source })?;
    if found != set.sha256 {
        return Err(FetchError::OtherFile { path: file, expected: set.sha256, found }.into());
    }
    let fetched = of_file(&file, reading)?;
    Ok(Description { repeated_rows: fetched.repeated_rows, types: fetched.types, file: fetched.file, ..description })
}

impl Description {
    fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{name:14} {}", one_line(&value));
            }
        };
        line("data set", Some(self.name.clone()));
        line("family", self.family.clone());
        line("rows", Some(self.rows.to_string()));
        line("features", Some(self.features.to_string()));
        line("anomalies", self.anomalies.map(|anomalies| with_share(anomalies, self.rows)));
        line("unlabelled", self.unlabelled.map(|unlabelled| with_share(unlabelled, self.rows)));
        line("repeated rows", self.repeated_rows.map(|repeated| with_share(repeated, self.rows)));
        line("element types", (!self.types.is_empty()).then(|| self.types.join(", ")));
        line("bytes", self.bytes.map(|bytes| bytes.to_string()));
        line("SHA-256", self.sha256.clone());
        line("source", self.source.map(str::to_owned));
        line("licence", self.licence.map(str::to_owned));
        line("address", self.url.clone());
        line("file", self.file.clone());
        text
    }
}
