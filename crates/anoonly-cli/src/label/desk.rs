//! The session that pages and the terminal share, and the threads that fit and describe behind it.
//!
//! The session is locked while an answer goes to the disk, and for looks that take some milliseconds. Fits, explanations, searches and
//! files are made from values that the session hands out.

mod threads;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anoonly::labelling::{
    Answer, Explainer, GivenAnswer, LabellingError, LearntSummary, Query, RankedRows, Session, TableView,
};
use tokio::sync::watch;

use super::messages::{FitStatus, GivenRow, LastAnswer, QuestionRow, Saved, SharedState, State, Undone};

/// How many of the next rows a state names, so that a page can fetch them ahead.
const AHEAD: usize = 8;

/// A labelling session with everyone who answers in it.
pub struct Desk {
    shared: Mutex<Shared>,
    /// Wakes the threads that fit and describe.
    changed: Condvar,
    /// The version of the state, for those who wait for the next one.
    version: watch::Sender<u64>,
    view: TableView,
}

struct Shared {
    session: Session,
    /// Rows that were put aside until no others are left to ask.
    skipped: Vec<usize>,
    /// How many answers each request has given, the last one last. Undo takes back what was given together.
    together: Vec<usize>,
    fits: Fits,
    /// The ranking before the last fit.
    previous: Option<RankedRows>,
    /// What was learnt by which fit.
    learnt: Option<(u64, Option<Arc<LearntSummary>>)>,
    saved: Option<Saved>,
    version: u64,
    /// The state at the version, once somebody has asked for it.
    state: Option<SharedState>,
    /// Whether nobody answers any more, so that the threads end.
    closed: bool,
}

struct Fits {
    /// The number of the ranking at hand.
    number: u64,
    running: bool,
    seconds: Option<f64>,
    /// Why the last fit failed, and the number of events that it knew.
    failed: Option<(u64, String)>,
}

/// Why a request cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Labelling(#[from] LabellingError),
    /// Somebody else has changed what the request was about.
    #[error("{reason}")]
    Conflict { reason: String, state: SharedState },
}

/// What the list of rows depends on, at one moment.
pub struct Rankings {
    pub version: u64,
    pub fit: u64,
    pub ranking: RankedRows,
    /// The ranking before the last fit.
    pub previous: Option<RankedRows>,
    pub skipped: Vec<usize>,
}

/// An answer as a page sends it.
pub struct NewAnswer {
    pub row: usize,
    pub answer: Answer,
    pub note: Option<String>,
    /// The answer that its sender believes the row has.
    pub expected: Option<Answer>,
}

impl Desk {
    /// Opens the desk and starts its threads, which end with the process or when the desk is closed.
    pub fn open(session: Session) -> Arc<Self> {
        let view = session.view();
        let fits = Fits { number: 1, running: false, seconds: None, failed: None };
        let shared = Shared {
            session,
            skipped: Vec::new(),
            together: Vec::new(),
            fits,
            previous: None,
            learnt: None,
            saved: None,
            version: 1,
            state: None,
            closed: false,
        };
        let desk = Arc::new(Self {
            shared: Mutex::new(shared),
            changed: Condvar::new(),
            version: watch::Sender::new(1),
            view,
        });
        for work in [Self::fit_forever, Self::describe_forever] {
            let desk = Arc::clone(&desk);
            thread::spawn(move || work(&desk));
        }
        desk
    }

    /// Lets go of the journal, and ends the threads, after a fit that is running.
    pub fn close(&self) {
        let mut shared = self.lock();
        shared.closed = true;
        shared.session.release_journal();
        drop(shared);
        self.changed.notify_all();
    }

    /// The table behind the session.
    pub fn view(&self) -> &TableView {
        &self.view
    }

    /// Reads from the session.
    pub fn with<T>(&self, read: impl FnOnce(&Session) -> T) -> T {
        read(&self.lock().session)
    }

    /// Tells of each new version of the state.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The state as it is now.
    pub fn state(&self) -> Result<SharedState, DeskError> {
        self.lock().state()
    }

    /// Takes answers, all of them or none. They are on the disk when this returns.
    ///
    /// # Errors
    /// When a row has another answer than its sender believes, cannot be answered, or the journal cannot be written.
    pub fn answer(&self, answers: &[NewAnswer]) -> Result<SharedState, DeskError> {
        let mut shared = self.lock();
        for new in answers {
            shared.check_row(new.row)?;
            let known = shared.session.answer_on(new.row).map(|given| given.answer);
            if known != new.expected {
                let now = known.map_or("has no answer any more", said);
                return Err(shared.conflict(format!("meanwhile, row {} {now}", new.row + 1)));
            }
        }
        let given: Vec<_> = answers.iter().map(|new| (new.row, new.answer, new.note.as_deref())).collect();
        shared.session.answer_all(&given)?;
        shared.together.extend((!given.is_empty()).then_some(given.len()));
        shared.skipped.retain(|row| answers.iter().all(|new| new.row != *row));
        self.change(shared)
    }

    /// Takes back the last answer, and those that were given together with it since the program was started.
    ///
    /// # Errors
    /// When the number of answers is not the one that is given: somebody else has answered or taken back. Or when the journal cannot
    /// be written.
    pub fn undo(&self, answers: usize) -> Result<Undone, DeskError> {
        let mut shared = self.lock();
        let now = shared.session.answers().len();
        if now != answers {
            return Err(shared.conflict(format!("meanwhile, there are {now} answers, not {answers}")));
        }
        let together = shared.together.pop().unwrap_or(1);
        let mut undone = None;
        for left in (1..=together).rev() {
            match shared.session.undo() {
                Ok(given) => undone = given.map(|given| LastAnswer::of(&given)),
                Err(error) => {
                    shared.together.push(left);
                    let _ = self.change(shared);
                    return Err(error.into());
                }
            }
        }
        let state = self.change(shared)?;
        Ok(Undone { state, undone, together })
    }

    /// Puts a row aside, or takes it back among the rows that are asked.
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn skip(&self, row: usize, skipped: bool) -> Result<SharedState, DeskError> {
        let mut shared = self.lock();
        shared.check_row(row)?;
        shared.skipped.retain(|&other| other != row);
        if skipped {
            shared.skipped.push(row);
        }
        self.change(shared)
    }

    /// Chooses rows in another way.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn set_query(&self, query: Query) -> Result<SharedState, DeskError> {
        let mut shared = self.lock();
        if shared.session.query() != query {
            shared.session.set_query(query)?;
        }
        self.change(shared)
    }

    /// Notes what was written at the end.
    pub fn set_saved(&self, saved: Saved) -> Result<SharedState, DeskError> {
        let mut shared = self.lock();
        shared.saved = Some(saved);
        self.change(shared)
    }

    /// What is known of a row, apart from the table.
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn row(&self, row: usize) -> Result<GivenRow, DeskError> {
        let shared = self.lock();
        shared.check_row(row)?;
        Ok(GivenRow::of(&shared.session, row, shared.skipped.contains(&row)))
    }

    /// The explainer of the ranking at hand, and the number of its fit.
    pub fn explainer(&self) -> (u64, Explainer) {
        let shared = self.lock();
        (shared.fits.number, shared.session.explainer())
    }

    /// What the list of rows depends on.
    pub fn rankings(&self) -> Rankings {
        let shared = self.lock();
        Rankings {
            version: shared.version,
            fit: shared.fits.number,
            ranking: shared.session.ranked_rows(),
            previous: shared.previous.clone(),
            skipped: shared.skipped.clone(),
        }
    }

    /// What was learnt last, and by which fit; nothing before the first anomaly.
    pub fn learnt(&self) -> Option<(u64, Arc<LearntSummary>)> {
        let (fit, learnt) = self.lock().learnt.clone()?;
        Some((fit, learnt?))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A session changes only once its journal was written, so that no panic leaves it half changed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a change: everyone who waits for one is woken. Returns the state after it.
    fn change(&self, mut shared: MutexGuard<'_, Shared>) -> Result<SharedState, DeskError> {
        shared.version += 1;
        shared.state = None;
        let state = shared.state();
        let version = shared.version;
        drop(shared);
        self.version.send_replace(version);
        self.changed.notify_all();
        state
    }
}

impl Shared {
    fn check_row(&self, row: usize) -> Result<(), LabellingError> {
        let rows = self.session.table().rows();
        if row < rows { Ok(()) } else { Err(LabellingError::NoRow { row: row as u64 + 1, rows }) }
    }

    /// Whether a fit would know more than the last one. A fit that failed is not repeated before something has changed.
    fn has_new_answers(&self) -> bool {
        let failed = self.fits.failed.as_ref().map(|(events, _)| *events);
        self.session.answers_since_refit() > 0 && failed != Some(self.session.events())
    }

    fn state(&mut self) -> Result<SharedState, DeskError> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        let questions = self.questions()?;
        let session = &self.session;
        let progress = session.progress();
        let state = SharedState(Arc::new(State {
            version: self.version,
            stop_message: progress.stop.map(|reason| reason.to_string()),
            fit: FitStatus {
                number: self.fits.number,
                running: self.fits.running,
                answers: session.ranked_rows().answers(),
                seconds: self.fits.seconds,
                error: self.fits.failed.as_ref().map(|(_, reason)| reason.clone()),
            },
            progress,
            finds: session.finds(),
            questions,
            last: session.answers().last().map(LastAnswer::of),
            answers: session.answers().len(),
            skipped: self.skipped.iter().map(|&row| session.number(row)).collect(),
            query: session.query(),
            learnt: self.learnt.as_ref().map(|(fit, _)| *fit),
            saved: self.saved.clone(),
        }));
        self.state = Some(state.clone());
        Ok(state)
    }

    fn conflict(&mut self, reason: String) -> DeskError {
        match self.state() {
            Ok(state) => DeskError::Conflict { reason, state },
            Err(error) => error,
        }
    }

    /// The next rows. Those that were put aside are asked when no others are left.
    fn questions(&mut self) -> Result<Vec<QuestionRow>, DeskError> {
        let questions = self.session.next(AHEAD + self.skipped.len())?;
        let (aside, mut next): (Vec<_>, Vec<_>) =
            questions.iter().partition(|question| self.skipped.contains(&question.row));
        if next.is_empty() {
            next = aside;
        }
        next.truncate(AHEAD);
        Ok(next.into_iter().map(|question| QuestionRow { row: question.number, because: question.because }).collect())
    }
}

/// What was said of a row, as the end of a sentence.
fn said(answer: Answer) -> &'static str {
    match answer {
        Answer::Anomaly => "was labelled an anomaly",
        Answer::Normal => "was labelled normal",
        Answer::Unsure => "was marked unsure",
    }
}

impl LastAnswer {
    fn of(given: &GivenAnswer) -> Self {
        Self { row: given.row as u64 + 1, answer: given.answer, note: given.note.clone(), because: given.because }
    }
}

#[cfg(test)]
mod tests;
