//! The messages between the server and its pages. Rows are named by their number in the file, counted from 1.

use std::sync::Arc;

use anoonly::data::table::CellValue;
use anoonly::labelling::{
    Answer, AskedBecause, Condition, GivenAnswer, LabellingProgress, LearntSummary, Query, Session, ValuePlace,
    ViewedColumn,
};
use serde::{Deserialize, Serialize, Serializer};

/// What does not change while the program runs.
#[derive(Debug, Serialize)]
pub struct SessionFacts {
    pub table: String,
    pub rows: usize,
    pub method: &'static str,
    /// The name of the label column.
    pub label: String,
    pub ids: Vec<String>,
    pub held_out: usize,
    /// The number of answers that the journal held.
    pub resumed: usize,
    pub journal: String,
    /// Where the labelled table is written.
    pub out: String,
    /// Whether this file exists already, and would be replaced.
    pub out_exists: bool,
    /// Where the model is written.
    pub model: String,
    /// Whether this file exists already, and would be replaced.
    pub model_exists: bool,
    pub version: &'static str,
    pub columns: Vec<ViewedColumn>,
    /// How many of the columns, from the first on, the list of rows has.
    pub listed: usize,
}

/// What changes.
#[derive(Debug, Serialize)]
pub struct State {
    pub version: u64,
    pub progress: LabellingProgress,
    /// When stopping is sensible, in words.
    pub stop_message: Option<String>,
    /// Which of the answers, in order and counted from 1, were anomalies.
    pub finds: Vec<usize>,
    /// The next rows to ask.
    pub questions: Vec<QuestionRow>,
    pub fit: FitStatus,
    /// What undo takes back.
    pub last: Option<LastAnswer>,
    /// The number of answers that were not taken back.
    pub answers: usize,
    pub skipped: Vec<u64>,
    pub query: Query,
    /// The fit whose anomalies were described last.
    pub learnt: Option<u64>,
    pub saved: Option<Saved>,
}

/// A state that several requests share.
#[derive(Clone, Debug)]
pub struct SharedState(pub Arc<State>);

impl Serialize for SharedState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl std::ops::Deref for SharedState {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

#[derive(Debug, Serialize)]
pub struct QuestionRow {
    pub row: u64,
    pub because: AskedBecause,
}

#[derive(Debug, Serialize)]
pub struct FitStatus {
    /// The number of the ranking at hand.
    pub number: u64,
    /// Whether the next one is being made.
    pub running: bool,
    /// The number of answers that the ranking at hand knows.
    pub answers: usize,
    /// How long the last fit took.
    pub seconds: Option<f64>,
    /// Why the last fit failed.
    pub error: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct LastAnswer {
    pub row: u64,
    pub answer: Answer,
    pub note: Option<String>,
    pub because: Option<AskedBecause>,
}

/// The files that were written last.
#[derive(Clone, Debug, Serialize)]
pub struct Saved {
    pub table: String,
    pub model: Option<String>,
    /// The number of answers that they know.
    pub answers: usize,
}

#[derive(Debug, Serialize)]
pub struct Undone {
    #[serde(flatten)]
    pub state: SharedState,
    /// The answer that was taken back, the first of several.
    pub undone: Option<LastAnswer>,
    /// How many answers were taken back.
    pub together: usize,
}

/// What the session knows of a row.
#[derive(Debug, Serialize)]
pub struct GivenRow {
    pub row: u64,
    pub ids: Vec<(String, CellValue)>,
    pub score: f32,
    pub rank: usize,
    pub held_out: bool,
    /// `anomaly`, `normal` or nothing.
    pub label: Option<&'static str>,
    pub skipped: bool,
    pub answer: Option<RowAnswer>,
    pub nearest: Vec<NearestAnswer>,
}

/// A row with its cells.
#[derive(Debug, Serialize)]
pub struct RowDetails {
    #[serde(flatten)]
    pub given: GivenRow,
    pub cells: Vec<PlacedCell>,
}

#[derive(Debug, Serialize)]
pub struct PlacedCell {
    pub column: String,
    /// The value for people; nothing if it is missing.
    pub value: Option<String>,
    pub place: Option<ValuePlace>,
    /// Where the value lies among all rows, in words; for a missing one, how many are missing. Nothing for a column that is no feature.
    pub words: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct RowAnswer {
    pub answer: Answer,
    pub note: Option<String>,
    pub time: String,
    pub who: String,
    pub because: Option<AskedBecause>,
    pub score: f32,
    pub rank: usize,
}

#[derive(Debug, Serialize)]
pub struct NearestAnswer {
    pub row: u64,
    pub ids: Vec<(String, CellValue)>,
    pub answer: Answer,
    pub note: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Reasons {
    pub fit: u64,
    pub score: f32,
    pub baseline: f32,
    pub contributions: Vec<ColumnReason>,
    pub remainder: f32,
}

#[derive(Debug, Serialize)]
pub struct ColumnReason {
    pub column: String,
    pub contribution: f32,
}

#[derive(Debug, Serialize)]
pub struct Learnt {
    pub fit: u64,
    #[serde(flatten)]
    pub summary: LearntSummary,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswersRequest {
    pub answers: Vec<AnswerRequest>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    pub row: u64,
    pub answer: Answer,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub expected: Option<Answer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoRequest {
    pub answers: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkipRequest {
    pub row: u64,
    pub skipped: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsRequest {
    pub filter: ListFilter,
    pub sort: ListSort,
    pub from: usize,
    pub count: usize,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFilter {
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub conditions: Vec<Condition>,
    #[serde(default)]
    pub answer: AnswerFilter,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerFilter {
    #[default]
    Any,
    Open,
    Answered,
    Anomaly,
    Normal,
    Unsure,
    HeldOut,
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSort {
    pub by: SortBy,
    #[serde(default)]
    pub column: Option<String>,
    #[serde(default)]
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SortBy {
    Rank,
    Row,
    Change,
    Column,
}

#[derive(Debug, Serialize)]
pub struct RowList {
    pub version: u64,
    pub total: usize,
    pub matching: usize,
    pub rows: Vec<ListedRow>,
}

#[derive(Debug, Serialize)]
pub struct ListedRow {
    pub row: u64,
    pub rank: usize,
    pub score: f32,
    /// How many places the row moved up by the last fit; nothing before the second fit.
    pub change: Option<i64>,
    pub answer: Option<Answer>,
    pub label: Option<&'static str>,
    pub held_out: bool,
    pub skipped: bool,
    pub cells: Vec<Option<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaveRequest {
    #[serde(default)]
    pub threshold: Option<ThresholdRequest>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdRequest {
    pub rule: ThresholdName,
    pub value: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdName {
    Fpr,
    Share,
    Fdr,
}

/// What was written at the end, and what can be done with it.
#[derive(Debug, Serialize)]
pub struct SaveReport {
    pub table: String,
    pub model: Option<String>,
    /// As `anoonly train` prints it.
    pub summary: Option<String>,
    /// What the threshold promises.
    pub threshold: Option<String>,
    pub commands: Vec<String>,
    /// Why there is no model.
    pub model_error: Option<String>,
}

impl GivenRow {
    pub fn of(session: &Session, row: usize, skipped: bool) -> Self {
        let nearest = session.nearest_answers(row, NEAREST).into_iter().map(|given| NearestAnswer {
            row: session.number(given.row),
            ids: session.identifiers(given.row),
            answer: given.answer,
            note: given.note.clone(),
        });
        Self {
            row: session.number(row),
            ids: session.identifiers(row),
            score: session.score(row),
            rank: session.rank(row),
            held_out: session.is_held_out(row),
            label: label_name(session, row),
            skipped,
            answer: session.answer_on(row).map(RowAnswer::of),
            nearest: nearest.collect(),
        }
    }
}

/// The number of answered rows that are shown beside a row.
const NEAREST: usize = 5;

/// The label of a row in words.
pub fn label_name(session: &Session, row: usize) -> Option<&'static str> {
    use anoonly::core::Label;
    match session.label(row) {
        Label::Anomaly => Some("anomaly"),
        Label::Normal => Some("normal"),
        Label::Unlabelled => None,
    }
}

impl RowAnswer {
    fn of(given: &GivenAnswer) -> Self {
        Self {
            answer: given.answer,
            note: given.note.clone(),
            time: given.time.clone(),
            who: given.who.clone(),
            because: given.because,
            score: given.score,
            rank: given.rank,
        }
    }
}

/// A value for people, cut after a number of characters; nothing if it is missing.
pub fn shown(value: &CellValue, longest: usize) -> Option<String> {
    if *value == CellValue::Missing {
        return None;
    }
    let text = value.to_string();
    match text.char_indices().nth(longest) {
        None => Some(text),
        Some((end, _)) => Some(format!("{}…", &text[..end])),
    }
}
