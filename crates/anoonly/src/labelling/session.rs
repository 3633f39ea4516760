//! The session.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use anoonly_core::Label;
use anoonly_core::scale::MinMaxScaler;
use anoonly_data::encode::{Encoder, LeftOut};
use anoonly_data::table::{CellValue, LabelColumn, Table};
use anoonly_train::ComputeDevice;
use anoonly_train::labelling::Refitter;
use chrono::{DateTime, SecondsFormat, Utc};
use ndarray::Array2;

use super::explainer::ExplainedColumns;
use super::journal::{Event, Journal};
use super::ranked::{KnownAnswers, Ranked};
use super::state::State;
use super::{
    Answer, AskedBecause, Explainer, GivenAnswer, LabellingError, ModelJob, Query, RefitJob, RefitResult, TableView,
};
use crate::pipeline::ExplainedRow;
use crate::{Model, TableDetector};

/// A table whose rows are labelled step by step; see the [module](super). Rows are named by their index, counted from 0.
#[derive(Debug)]
pub struct Session {
    pub(super) table: Table,
    pub(super) detector: TableDetector,
    /// How the label column is read that the table has.
    pub(super) label: Option<LabelColumn>,
    /// The name of the label column, of the table or of its labelled copy.
    pub(super) label_name: String,
    pub(super) encoder: Arc<Encoder>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) filled: usize,
    pub(super) features: Arc<Array2<f32>>,
    /// How features are scaled for distances.
    pub(super) scaler: MinMaxScaler,
    /// The scaled features, made for the first query that needs them.
    pub(super) scaled: OnceLock<Array2<f32>>,
    pub(super) columns: Arc<ExplainedColumns>,
    pub(super) view: TableView,
    /// The values of each identifier column.
    pub(super) ids: Vec<Vec<Option<String>>>,
    /// The rows of each identifier, made when the first is asked for.
    pub(super) rows_of_ids: OnceLock<HashMap<Vec<String>, Vec<usize>>>,
    pub(super) state: State,
    pub(super) ranked: Arc<Ranked>,
    pub(super) refitter: Arc<Mutex<Refitter>>,
    /// Why rows were asked that have no answer yet.
    pub(super) asked: HashMap<usize, AskedBecause>,
    pub(super) journal: Option<Journal>,
    /// The number of bytes of an incomplete last line of the journal.
    pub(super) removed: usize,
    pub(super) who: String,
    pub(super) device: ComputeDevice,
}

impl Session {
    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The encoder, which knows the columns that are features.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The columns that are no features, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The number of missing values that were filled in.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// The detector.
    pub fn detector(&self) -> &TableDetector {
        &self.detector
    }

    /// The name of the label column, of the table or of its labelled copy.
    pub fn label_name(&self) -> &str {
        &self.label_name
    }

    /// How the label column is read, if the table has one.
    pub fn label_column(&self) -> Option<&LabelColumn> {
        self.label.as_ref()
    }

    /// The features of all rows, `[rows, features]`.
    pub fn features(&self) -> &Arc<Array2<f32>> {
        &self.features
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Path> {
        self.journal.as_ref().map(Journal::path)
    }

    /// Lets go of the journal, so that another session can open it. Nothing that happens in this session from now on is kept.
    pub fn release_journal(&mut self) {
        self.journal = None;
    }

    /// The number of bytes of an incomplete last line that was removed from the journal. Its answer was never confirmed.
    pub fn removed_bytes(&self) -> usize {
        self.removed
    }

    /// The number of events so far: answers, draws, refits and the like. It grows whenever something changes.
    pub fn events(&self) -> u64 {
        self.state.events()
    }

    /// How rows are chosen.
    pub fn query(&self) -> Query {
        self.state.query()
    }

    /// The label of a row: its answer, or else the label in the table.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn label(&self, row: usize) -> Label {
        self.state.label(row)
    }

    /// The labels of all rows.
    pub fn labels(&self) -> Vec<Label> {
        self.state.labels()
    }

    /// The label that stands in the table for a row.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn table_label(&self, row: usize) -> Label {
        self.state.table_label(row)
    }

    /// Whether a row may be asked: it has no answer, no label in the table, and is not held out.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn is_open(&self, row: usize) -> bool {
        self.state.is_open(row)
    }

    /// Whether a row is held out and never asked.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn is_held_out(&self, row: usize) -> bool {
        self.state.is_held_out(row)
    }

    /// The answer that counts for a row.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn answer_on(&self, row: usize) -> Option<&GivenAnswer> {
        self.state.answer_on(row)
    }

    /// All answers in their order, without those that were taken back. Of several on one row, the last counts.
    pub fn answers(&self) -> &[GivenAnswer] {
        self.state.answers()
    }

    /// The score of a row by the last fit: 0 is typical, and a row that scores 3 lies three standard deviations above.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn score(&self, row: usize) -> f32 {
        self.ranked.score(row)
    }

    /// The rank of a row among all rows by the last fit: 1 for the highest score. Equal scores share the better rank.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn rank(&self, row: usize) -> usize {
        self.ranked.ranks[row] as usize
    }

    /// All rows, the highest score first.
    pub fn ranking(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.ranked.order.iter().map(|&row| row as usize)
    }

    /// The number of a row in its file, counted from 1.
    pub fn number(&self, row: usize) -> u64 {
        row as u64 + 1
    }

    /// The identifiers of a row, each with the name of the column.
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn identifiers(&self, row: usize) -> Vec<(String, CellValue)> {
        self.columns.identifiers(row)
    }

    /// The row with an identifier, given as one text for each identifier column, as a CSV file has it. A missing value is an empty
    /// text. Identifiers may repeat, but then such rows have to be named by their index.
    ///
    /// # Errors
    /// When no row has it, or several have.
    pub fn row_of(&self, identifier: &[&str]) -> Result<usize, LabellingError> {
        let identifier: Vec<String> = identifier.iter().map(|&text| text.to_owned()).collect();
        let rows_of_ids = self.rows_of_ids.get_or_init(|| {
            let mut rows: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
            // Without identifier columns, no row has an identifier.
            let count = self.ids.first().map_or(0, Vec::len);
            for row in 0..count {
                let key = self.ids.iter().map(|values| values[row].clone().unwrap_or_default()).collect();
                rows.entry(key).or_default().push(row);
            }
            rows
        });
        match rows_of_ids.get(&identifier).map(Vec::as_slice) {
            Some(&[row]) => Ok(row),
            Some(rows) => {
                let rows = rows.iter().map(|&row| self.number(row)).collect();
                Err(LabellingError::AmbiguousIdentifier { identifier, rows })
            }
            None => Err(LabellingError::UnknownIdentifier { identifier }),
        }
    }

    /// Answers what a row is. An earlier answer on the row is replaced, and so is a label that stands in the table. When this returns, the
    /// answer is on the disk.
    ///
    /// # Errors
    /// When the row does not exist or is held out, or the journal cannot be written. The session is unchanged then.
    pub fn answer(&mut self, row: usize, answer: Answer, note: Option<&str>) -> Result<(), LabellingError> {
        self.answer_all(&[(row, answer, note)])
    }

    /// Answers what the row with an identifier is ([`row_of`](Self::row_of)).
    ///
    /// # Errors
    /// As `answer` and `row_of`.
    pub fn answer_by_id(
        &mut self,
        identifier: &[&str],
        answer: Answer,
        note: Option<&str>,
    ) -> Result<(), LabellingError> {
        self.answer(self.row_of(identifier)?, answer, note)
    }

    /// Answers what several rows are, each as [`answer`](Self::answer) does. They are written together.
    ///
    /// # Errors
    /// As `answer`. No answer counts then.
    pub fn answer_all(&mut self, answers: &[(usize, Answer, Option<&str>)]) -> Result<(), LabellingError> {
        let time = now();
        let mut given = Vec::with_capacity(answers.len());
        for &(row, answer, note) in answers {
            self.check_row(row)?;
            given.push(GivenAnswer {
                row,
                ids: self.ids.iter().map(|values| values[row].clone()).collect(),
                answer,
                note: note.map(str::trim).filter(|note| !note.is_empty()).map(str::to_owned),
                score: self.score(row),
                rank: self.rank(row),
                because: self.because(row),
                time: time.clone(),
                who: self.who.clone(),
            });
        }
        let events: Vec<Event> = given.into_iter().map(Event::Answer).collect();
        self.write(&events)?;
        for event in events {
            if let Event::Answer(given) = event {
                self.asked.remove(&given.row);
                self.state.answer(given);
            }
        }
        Ok(())
    }

    fn check_row(&self, row: usize) -> Result<(), LabellingError> {
        let rows = self.state.rows();
        match row < rows {
            false => Err(LabellingError::NoRow { row: self.number(row), rows }),
            true if self.state.is_held_out(row) => Err(LabellingError::HeldOutRow { row: self.number(row) }),
            true => Ok(()),
        }
    }

    /// Why a row was asked. A new answer on a row keeps the reason of the first.
    fn because(&self, row: usize) -> Option<AskedBecause> {
        match self.state.answer_on(row) {
            Some(given) => given.because,
            None if self.state.is_drawn(row) => Some(AskedBecause::DrawnAtRandom),
            None => self.asked.get(&row).copied(),
        }
    }

    /// Takes back the last answer that was not taken back yet, and returns it. Its row has the answer again that it had before, if any.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn undo(&mut self) -> Result<Option<GivenAnswer>, LabellingError> {
        let Some(row) = self.state.last_answer().map(|given| given.row) else { return Ok(None) };
        self.write(&[Event::Undo { row, time: now(), who: self.who.clone() }])?;
        let undone = self.state.undo();
        if let Some(given) = &undone
            && let Some(because) = given.because
        {
            self.asked.insert(given.row, because);
        }
        Ok(undone)
    }

    /// Chooses rows in another way from here on.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn set_query(&mut self, query: Query) -> Result<(), LabellingError> {
        self.write(&[Event::Query(query)])?;
        self.state.set_query(query);
        Ok(())
    }

    /// Fits with all answers, and ranks all rows again. Does nothing if the last fit knew all answers.
    ///
    /// # Errors
    /// When the fit fails or the journal cannot be written.
    pub fn refit(&mut self) -> Result<(), LabellingError> {
        match self.answers_since_refit() {
            0 => Ok(()),
            _ => self.refit_job().run().and_then(|result| self.install(result)).map(drop),
        }
    }

    /// A fit with all answers so far, which another thread may run.
    pub fn refit_job(&self) -> RefitJob {
        let known = KnownAnswers { after: self.state.events(), answers: self.state.answers().len() };
        RefitJob { refitter: Arc::clone(&self.refitter), labels: self.state.labels(), known }
    }

    /// Takes the scores of a fit. Returns whether it knew more answers than the fit at hand; otherwise its scores are dropped.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn install(&mut self, RefitResult(ranked): RefitResult) -> Result<bool, LabellingError> {
        if self.state.changes_since(ranked.known.after) >= self.answers_since_refit() {
            return Ok(false);
        }
        self.write(&[Event::Refit { after: ranked.known.after }])?;
        self.state.refit();
        self.ranked = Arc::new(ranked);
        Ok(true)
    }

    /// The number of answers, taken back ones included, that the last fit did not know.
    pub fn answers_since_refit(&self) -> usize {
        self.state.changes_since(self.ranked.known.after)
    }

    /// Explains the scores of rows by the last fit.
    pub fn explainer(&self) -> Explainer {
        Explainer {
            features: Arc::clone(&self.features),
            ranked: Arc::clone(&self.ranked),
            columns: Arc::clone(&self.columns),
        }
    }

    /// The contributions of the columns to the score of a row ([`Explainer::explain`]).
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn explain(&self, row: usize) -> Result<ExplainedRow, LabellingError> {
        self.explainer().explain(row)
    }

    /// Fits a model with all answers, on all rows but those that are held out. Their scores calibrate its p-values and thresholds.
    ///
    /// # Errors
    /// When no row is an anomaly and the method needs one, or the training diverges.
    pub fn model(&self) -> Result<Model, LabellingError> {
        self.model_job().run()
    }

    /// The fit of [`model`](Self::model), which another thread may run.
    pub fn model_job(&self) -> ModelJob {
        ModelJob {
            detector: self.detector.clone(),
            table: self.table.clone(),
            encoder: Arc::clone(&self.encoder),
            left_out: self.left_out.clone(),
            label: self.label.is_some().then(|| self.label_name.clone()),
            filled: self.filled,
            features: Arc::clone(&self.features),
            labels: self.state.labels(),
            held_out: self.state.held_out().collect(),
            device: self.device.clone(),
        }
    }

    /// Writes events to the journal.
    pub(super) fn write(&mut self, events: &[Event]) -> Result<(), LabellingError> {
        self.journal.as_mut().map_or(Ok(()), |journal| journal.append(events))
    }
}

/// The time in UTC.
pub(super) fn now() -> String {
    DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Millis, true)
}
