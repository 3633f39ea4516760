//! How a session is opened.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{Label, excerpt};
use anoonly_data::table::{LabelColumn, Labels, Table};
use anoonly_train::labelling::Refitter;
use anoonly_train::{ComputeDevice, FitError};

use super::explainer::ExplainedColumns;
use super::fingerprint::TableFingerprint;
use super::journal::{FORMAT, Header, Journal, LabelRole, Recorded};
use super::replay::replay;
use super::session::now;
use super::state::State;
use super::{LabellingError, LabellingSetting, Query, RefitJob, RefitResult, Session, TableView};
use crate::TableDetector;
use crate::pipeline::{Prepared, typical_row};

/// What a [`Session`] starts from, besides its table.
#[derive(Clone, Debug)]
pub struct LabellingSetup {
    detector: TableDetector,
    label: Option<LabelColumn>,
    label_name: String,
    journal: Option<PathBuf>,
    query: Option<Query>,
    who: Option<String>,
    device: ComputeDevice,
}

/// The name of the label column of a labelled table that had none.
const LABEL: &str = "label";
/// The most bytes of the header of a journal.
const LONGEST_HEADER: u64 = 1 << 28;

impl LabellingSetup {
    /// A session with a detector, without labels in the table, without a journal, and with the default query.
    ///
    /// Of a detector with several members, the session fits the first to choose its questions, and [`Session::model`] fits all.
    pub fn new(detector: TableDetector) -> Self {
        Self {
            detector,
            label: None,
            label_name: LABEL.into(),
            journal: None,
            query: None,
            who: None,
            device: ComputeDevice::default(),
        }
    }

    /// The setup of a journal: its detector and label column. The session goes on with its query.
    ///
    /// # Errors
    /// When the file cannot be read or is no journal.
    pub fn of_journal(path: &Path) -> Result<Self, LabellingError> {
        let failed = |source| LabellingError::JournalIo { path: path.into(), source };
        let mut line = Vec::new();
        let file = File::open(path).map_err(failed)?.take(LONGEST_HEADER);
        BufReader::new(file).read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            return Err(LabellingError::EmptyJournal { path: path.into() });
        }
        let Header { detector, label, label_name, .. } = Header::read(&line, path)?;
        let label = label.map(LabelColumn::from);
        Ok(Self { label, label_name, ..Self::new(detector).journal(path) })
    }

    /// Sets the label column of the table. Its labels count as answers that were given before.
    pub fn label(self, label: impl Into<LabelColumn>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Sets the name of the label column of the labelled table, for a table without one. The default is `label`.
    pub fn label_name(self, name: impl Into<String>) -> Self {
        Self { label_name: name.into(), ..self }
    }

    /// Sets the journal. If the file exists, the session goes on where it ended. Without a journal, answers are kept in memory only.
    pub fn journal(self, path: &Path) -> Self {
        Self { journal: Some(path.into()), ..self }
    }

    /// Sets how rows are chosen. Without it, a session goes on with the query of its journal; a new session asks for the rows with the
    /// highest scores, and none at random.
    pub fn query(self, query: impl Into<Query>) -> Self {
        Self { query: Some(query.into()), ..self }
    }

    /// Sets who answers. Without it, it is the user of the operating system.
    pub fn who(self, who: impl Into<String>) -> Self {
        Self { who: Some(who.into()), ..self }
    }

    /// Sets the backend and device of fits. A journal gives the same scores to the last bit on the same backend only.
    pub fn device(self, device: &ComputeDevice) -> Self {
        Self { device: device.clone(), ..self }
    }

    /// The detector.
    pub fn detector(&self) -> &TableDetector {
        &self.detector
    }

    /// Opens a session: reads the journal if there is one, and fits for the first time.
    ///
    /// # Errors
    /// When the table or a setting is invalid, when the journal is damaged, used by another process, of another table or begun with
    /// another detector or label column, or when the fit fails.
    pub fn open(&self, table: &Table) -> Result<Session, LabellingError> {
        self.detector.check()?;
        let (label_name, labels) = self.labels(table)?;
        let in_table = self.label.is_some();
        let Prepared { encoder, samples, left_out, filled, .. } =
            self.detector.encode(table, in_table.then(|| label_name.clone()), labels)?;
        let ids: Vec<Vec<Option<String>>> =
            self.detector.id_columns().iter().map(|column| table.exact_texts(column)).collect::<Result<_, _>>()?;
        let opened = self.journal.as_deref().map(Journal::open).transpose()?;
        let (mut journal, recorded) = match opened {
            Some((journal, recorded)) => (Some(journal), recorded),
            None => (None, Recorded { header: None, events: Vec::new(), removed: 0 }),
        };
        let header = Header {
            labelling_journal: FORMAT,
            table: TableFingerprint::of(
                table,
                &encoder,
                samples.features(),
                &ids,
                in_table.then_some(samples.labels()),
            ),
            label: self
                .label
                .as_ref()
                .map(|label| LabelRole { column: label_name.clone(), anomaly: label.anomaly.clone() }),
            label_name: label_name.clone(),
            detector: self.detector.clone(),
            query: self.query.unwrap_or_default(),
            time: now(),
            who: self.person(),
        };
        if let (Some(known), Some(path)) = (&recorded.header, &self.journal) {
            check_header(known, &header, path, table)?;
        }
        let unlabelled = (0..samples.rows()).filter(|&row| samples.labels()[row] == Label::Unlabelled).collect();
        let mut held_out = vec![false; samples.rows()];
        self.detector.hold_out(unlabelled).into_iter().for_each(|row| held_out[row] = true);
        let began_with = recorded.header.as_ref().map_or(header.query, |known| known.query);
        let mut state = State::new(samples.labels().to_vec(), held_out, began_with, self.detector.first_seed());
        let path = self.journal.as_deref().unwrap_or(Path::new(""));
        let (labels, known) = replay(&mut state, recorded.events, &ids, path)?;

        let others = samples.by_class().others;
        if others.is_empty() {
            return Err(FitError::OnlyAnomalies.into());
        }
        let (encoder, baseline) = (Arc::new(encoder), typical_row(samples.features(), &others));
        let columns = ExplainedColumns::new(table, Arc::clone(&encoder), self.detector.id_columns(), baseline)?;
        let label = in_table.then_some(label_name.as_str());
        let view = TableView::new(table.clone(), Arc::clone(&encoder), &left_out, self.detector.id_columns(), label);
        let features = Arc::new(samples.features().clone());
        let refitter = Refitter::new(samples, self.detector.member(0)?, &self.device)?;
        let refitter = Arc::new(Mutex::new(refitter));
        let RefitResult(ranked) = RefitJob { refitter: Arc::clone(&refitter), labels, known }.run()?;
        if let (Some(journal), None) = (&mut journal, &recorded.header) {
            journal.append(&[&header])?;
        }
        let mut session = Session {
            table: table.clone(),
            detector: self.detector.clone(),
            label: self.label.clone(),
            label_name,
            encoder,
            left_out,
            filled,
            scaler: MinMaxScaler::fit(&features),
            features,
            scaled: OnceLock::new(),
            columns: Arc::new(columns),
            view,
            ids,
            rows_of_ids: OnceLock::new(),
            state,
            ranked: Arc::new(ranked),
            refitter,
            asked: HashMap::new(),
            journal,
            removed: recorded.removed,
            who: header.who,
            device: self.device.clone(),
        };
        match self.query {
            Some(query) if query != session.query() => session.set_query(query)?,
            _ => {}
        }
        Ok(session)
    }

    /// The name of the label column, and the labels in the table.
    fn labels(&self, table: &Table) -> Result<(String, Vec<Label>), LabellingError> {
        let invalid = |reason: String| Err(LabellingError::Setting { setting: LabellingSetting::Label, reason });
        let Some(label) = &self.label else {
            let name = self.label_name.clone();
            if table.file_columns().contains(&name) {
                return invalid(format!("the table has a column `{}` already", excerpt(&name)));
            }
            return Ok((name, vec![Label::Unlabelled; table.rows()]));
        };
        let Labels { column, labels, .. } = table.labels(label)?;
        if self.detector.id_columns().contains(&column) {
            return invalid(format!("`{}` is an identifier column", excerpt(&column)));
        }
        Ok((column, labels))
    }

    fn person(&self) -> String {
        let user = || std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
        self.who.clone().unwrap_or_else(user)
    }
}

/// Checks that a journal belongs to the table and the settings at hand.
fn check_header(known: &Header, header: &Header, path: &Path, table: &Table) -> Result<(), LabellingError> {
    let other =
        |setting, recorded, given| Err(LabellingError::OtherSetting { path: path.into(), setting, recorded, given });
    if (&known.label, &known.label_name) != (&header.label, &header.label_name) {
        let text = |header: &Header| match &header.label {
            Some(LabelRole { column, anomaly: Some(anomaly) }) => format!("`{column}` with anomalies `{anomaly}`"),
            Some(LabelRole { column, anomaly: None }) => format!("`{column}`"),
            None => format!("a new one, `{}`", header.label_name),
        };
        return other(LabellingSetting::Label, text(known), text(header));
    }
    if known.detector != header.detector {
        let (recorded, given) = first_difference(&known.detector, &header.detector);
        return other(LabellingSetting::Detector, recorded, given);
    }
    match known.table.difference(&header.table) {
        None => Ok(()),
        Some(difference) => Err(LabellingError::OtherTable {
            path: path.into(),
            table: table.path().into(),
            recorded: known.table.name.clone(),
            difference,
        }),
    }
}

/// The first setting in which two detectors differ, with its two values.
fn first_difference(recorded: &TableDetector, given: &TableDetector) -> (String, String) {
    let names = [recorded, given].map(|detector| detector.method().info().name);
    if names[0] != names[1] {
        let [recorded, given] = names.map(|name| format!("method {name}"));
        return (recorded, given);
    }
    let fields = |detector: &TableDetector| serde_json::to_value(detector).unwrap_or_default();
    differing_field("", &fields(recorded), &fields(given))
}

/// The first field in which two values differ, within the fields that have fields themselves.
fn differing_field(name: &str, recorded: &serde_json::Value, given: &serde_json::Value) -> (String, String) {
    if let (serde_json::Value::Object(known), serde_json::Value::Object(now)) = (recorded, given)
        && let Some((inner, value)) = known.iter().find(|(inner, value)| now.get(*inner) != Some(value))
    {
        let inner_name = format!("{name}{}{}", if name.is_empty() { "" } else { " " }, inner.replace('_', " "));
        return differing_field(&inner_name, value, now.get(inner).unwrap_or(&serde_json::Value::Null));
    }
    (format!("{name} {recorded}"), format!("{name} {given}"))
}
