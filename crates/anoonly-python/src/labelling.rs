//! Labelling sessions, with questions asked by the caller or on the page.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anoonly::data::encode::EncoderOptions;
use anoonly::data::table::LabelColumn;
use anoonly::labelling::{Answer, LabellingError, LabellingSetup, Query, Session};
use anoonly::{PipelineError, Seed, TableDetector};
use anoonly_cli::{CommandError, LabellingPage, PageFiles};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{raise, raise_labelling, refuse};
use crate::fitting::method_with;
use crate::model::{NativeModel, as_json};
use crate::table::{NativeTable, python_value};
use crate::work::run_quietly;

/// The settings of a session, as Python names them. Those of the detector are `None` where the journal decides.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct SessionSettings {
    method: String,
    /// The settings of the method as JSON.
    settings: String,
    label: Option<String>,
    anomaly: Option<String>,
    label_name: Option<String>,
    id: Vec<String>,
    drop: Vec<String>,
    category: Vec<String>,
    keep: Vec<String>,
    held_out: Option<f64>,
    seed: Option<u64>,
    query: Option<String>,
    journal: Option<PathBuf>,
    /// Whether the journal, if it exists, decides instead of these settings.
    resume: bool,
}

impl SessionSettings {
    fn setup(&self) -> Result<LabellingSetup, LabellingError> {
        let known = self.journal.as_deref().filter(|path| path.metadata().is_ok_and(|file| file.len() > 0));
        if let (true, Some(journal)) = (self.resume, known) {
            return LabellingSetup::of_journal(journal);
        }
        let ids: Vec<&str> = self.id.iter().map(String::as_str).collect();
        let mut detector = TableDetector::new(method_with(&self.method, &self.settings)?).ids(&ids);
        detector = detector.columns(EncoderOptions {
            drop: self.drop.clone(),
            categories: self.category.clone(),
            keep: self.keep.clone(),
            ..EncoderOptions::default()
        });
        if let Some(share) = self.held_out {
            detector = detector.held_out(share);
        }
        if let Some(seed) = self.seed {
            detector = detector.seed(Seed(seed));
        }
        let mut setup = LabellingSetup::new(detector);
        if let Some(name) = &self.label {
            setup = setup.label(LabelColumn { names: vec![name.clone()], anomaly: self.anomaly.clone() });
        }
        if let Some(name) = &self.label_name {
            setup = setup.label_name(name);
        }
        if let Some(journal) = &self.journal {
            setup = setup.journal(journal);
        }
        Ok(setup)
    }
}

/// Who holds the session: the caller, who asks and answers, or the page.
enum Holder {
    Caller(Box<Session>),
    Page(Box<LabellingPage>),
    Closed,
}

const CLOSED: &str = "the session is closed";

/// A labelling session.
#[pyclass(frozen, module = "anoonly._native")]
pub struct LabellingSession {
    holder: Arc<Mutex<Holder>>,
}

impl LabellingSession {
    /// Reads from the session.
    fn read<T: Send>(&self, py: Python<'_>, read: impl FnOnce(&Session) -> T + Send) -> PyResult<T> {
        // Without the interpreter: who holds the session may wait for it.
        let read = py.detach(|| match &*self.lock() {
            Holder::Caller(session) => Some(read(session)),
            Holder::Page(page) => Some(page.with(read)),
            Holder::Closed => None,
        });
        read.ok_or_else(|| refuse(py, CLOSED))
    }

    fn lock(&self) -> MutexGuard<'_, Holder> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the session, which the page must not hold.
    fn change<T: Send + 'static>(
        &self,
        py: Python<'_>,
        change: impl FnOnce(&mut Session) -> Result<T, LabellingError> + Send + 'static,
    ) -> PyResult<T> {
        let holder = Arc::clone(&self.holder);
        let done = run_quietly(py, move || match &mut *holder.lock().unwrap_or_else(PoisonError::into_inner) {
            Holder::Caller(session) => Ok(change(session)),
            Holder::Page(_) => Err("the page asks and answers in this session"),
            Holder::Closed => Err(CLOSED),
        })?;
        done.map_err(|reason| refuse(py, reason))?.map_err(|error| raise_labelling(py, &error))
    }
}

/// An answer by its name.
fn answer_of(name: &str) -> PyResult<Answer> {
    match name {
        "anomaly" => Ok(Answer::Anomaly),
        "normal" => Ok(Answer::Normal),
        "unsure" => Ok(Answer::Unsure),
        other => Err(PyValueError::new_err(format!("unknown answer {other:?}: use anomaly, normal or unsure"))),
    }
}

/// Why there is no page.
enum PageError {
    NoSession,
    Command(CommandError),
}

impl<E: Into<CommandError>> From<E> for PageError {
    fn from(error: E) -> Self {
        PageError::Command(error.into())
    }
}

/// An error of the page as an exception.
fn raise_command(py: Python<'_>, error: CommandError) -> PyErr {
    match error {
        CommandError::Labelling(error) => raise_labelling(py, &error),
        CommandError::Pipeline(error) => raise(py, &error),
        CommandError::Data(error) => raise(py, &PipelineError::Data(error)),
        other => PyRuntimeError::new_err(other.to_string()),
    }
}

#[pymethods]
impl LabellingSession {
    /// Opens a session on a table.
    #[staticmethod]
    fn open(py: Python<'_>, table: &NativeTable, settings: SessionSettings) -> PyResult<Self> {
        let table = table.table.clone();
        let query = settings.query.as_deref().map(str::parse::<Query>).transpose();
        let query = query.map_err(|error| refuse(py, &error.to_string()))?;
        let opened = run_quietly(py, move || {
            let mut setup = settings.setup()?;
            if let Some(query) = query {
                setup = setup.query(query);
            }
            setup.open(&table)
        })?;
        let session = opened.map_err(|error: LabellingError| raise_labelling(py, &error))?;
        Ok(Self { holder: Arc::new(Mutex::new(Holder::Caller(Box::new(session)))) })
    }

    /// Gives the session to a page, and returns the page's address.
    fn serve(
        &self,
        py: Python<'_>,
        name: String,
        table: PathBuf,
        model: PathBuf,
        notes: Option<String>,
        port: u16,
    ) -> PyResult<String> {
        let page = py.detach(|| -> Result<String, PageError> {
            let mut holder = self.lock();
            let session = match std::mem::replace(&mut *holder, Holder::Closed) {
                Holder::Caller(session) => session,
                other => {
                    *holder = other;
                    return Err(PageError::NoSession);
                }
            };
            notes.iter().try_for_each(|name| session.check_notes(name))?;
            let journal = session.journal().map_or_else(PathBuf::new, Path::to_path_buf);
            let page = LabellingPage::start(*session, PageFiles { name, journal, table, model, notes }, port)?;
            let address = page.address().to_owned();
            *holder = Holder::Page(Box::new(page));
            Ok(address)
        });
        page.map_err(|error| match error {
            PageError::NoSession => refuse(py, "the session has a page, or is closed"),
            PageError::Command(error) => raise_command(py, error),
        })
    }

    /// Opens the page in a browser of this computer. Returns whether that was possible.
    fn open_browser(&self, py: Python<'_>) -> bool {
        py.detach(|| match &*self.lock() {
            Holder::Page(page) => page.open(),
            Holder::Caller(_) | Holder::Closed => false,
        })
    }

    /// Ends the session. Its answers stay in the journal.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let held = std::mem::replace(&mut *self.lock(), Holder::Closed);
            // Without the lock: what the session holds of the table may need the interpreter to be freed.
            drop(held);
        });
    }

    /// At most `count` rows to look at: the row, counted from 0, its identifiers, score and rank, and why it is asked.
    fn next<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let questions = self.change(py, move |session| session.next(count))?;
        let asked = questions.into_iter().map(|question| {
            let (ids, facts) = (PyDict::new(py), PyDict::new(py));
            for (name, value) in question.ids {
                ids.set_item(name, python_value(py, value)?)?;
            }
            facts.set_item("row", question.row)?;
            facts.set_item("ids", ids)?;
            facts.set_item("score", question.score)?;
            facts.set_item("rank", question.rank)?;
            let because = serde_json::to_value(question.because).unwrap_or_default();
            facts.set_item("because", because.as_str())?;
            Ok(facts)
        });
        asked.collect()
    }

    /// Takes answers, all of them or none. They are on the disk when this returns, if the session has a journal.
    fn answer(&self, py: Python<'_>, answers: Vec<(usize, String, Option<String>)>) -> PyResult<()> {
        let known = answers.iter().map(|(_, answer, _)| answer_of(answer)).collect::<PyResult<Vec<_>>>()?;
        self.change(py, move |session| {
            let given: Vec<_> =
                answers.iter().zip(known).map(|((row, _, note), answer)| (*row, answer, note.as_deref())).collect();
            session.answer_all(&given)
        })
    }

    /// Takes the last answer back. Returns the row that has none any more.
    fn undo(&self, py: Python<'_>) -> PyResult<Option<usize>> {
        self.change(py, |session| Ok(session.undo()?.map(|given| given.row)))
    }

    /// Fits again with the answers.
    fn refit(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, Session::refit)
    }

    /// The scores of all rows.
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let scores =
            self.read(py, |session| (0..session.table().rows()).map(|row| session.score(row)).collect::<Vec<_>>())?;
        Ok(scores.into_pyarray(py))
    }

    /// The label of each row: 1 for an anomaly, 0 for a normal row, -1 for an unlabelled one.
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i8>>> {
        use anoonly::Label;
        let code = |label: &Label| match label {
            Label::Anomaly => 1,
            Label::Normal => 0,
            Label::Unlabelled => -1,
        };
        let labels: Vec<i8> = self.read(py, |session| session.labels().iter().map(code).collect())?;
        Ok(labels.into_pyarray(py))
    }

    /// The answers in the order in which they were given, as JSON.
    fn answers(&self, py: Python<'_>) -> PyResult<String> {
        let answers = self.read(py, |session| session.answers().to_vec())?;
        as_json(py, &answers)
    }

    /// How far the session is, as JSON.
    fn progress(&self, py: Python<'_>) -> PyResult<String> {
        let progress = self.read(py, |session| {
            let progress = session.progress();
            let stop = progress.stop.map(|reason| reason.to_string());
            (progress, stop)
        })?;
        as_json(py, &progress)
    }

    /// The contributions of columns to the score of a row, as JSON.
    fn explain(&self, py: Python<'_>, row: usize) -> PyResult<String> {
        let explainer = self.read(py, |session| (session.explainer(), session.table().rows()))?;
        let (explainer, rows) = explainer;
        if row >= rows {
            return Err(raise_labelling(py, &LabellingError::NoRow { row: row as u64 + 1, rows }));
        }
        let explained = run_quietly(py, move || explainer.explain(row))?;
        as_json(py, &explained.map_err(|error| raise_labelling(py, &error))?)
    }

    /// Fits a model with the answers.
    fn model(&self, py: Python<'_>) -> PyResult<NativeModel> {
        let job = self.read(py, Session::model_job)?;
        let fitted = run_quietly(py, move || job.run())?;
        Ok(NativeModel { model: Arc::new(fitted.map_err(|error| raise_labelling(py, &error))?) })
    }

    /// The table with its labels, and with notes in a column of this name.
    fn labelled_table(&self, py: Python<'_>, notes: Option<String>) -> PyResult<NativeTable> {
        let table = self.read(py, |session| session.labelled_table(notes.as_deref()))?;
        Ok(NativeTable { table: table.map_err(|error| raise_labelling(py, &error))? })
    }
}
