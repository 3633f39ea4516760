//! Errors of a bench.

use std::fmt;
use std::path::PathBuf;

use anoonly_core::{CoreError, Label};
use anoonly_data::DataError;
use anoonly_models::ConfigError;
use anoonly_page::PageError;
use anoonly_train::BackendError;

use crate::outsiders::{OutsiderFault, OutsiderSplit};

/// Why a bench cannot run or its results cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A data set cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Samples, a split or a label budget cannot be used.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A method is unknown or its configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The backend or the device is not available.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The report cannot be written.
    #[error(transparent)]
    Page(#[from] PageError),
    /// A list of the plan has no values.
    #[error("{list}: at least one value is needed")]
    EmptyList {
        /// The list.
        list: PlanList,
    },
    /// A list of the plan has a value twice.
    #[error("{list}: {value} is listed twice")]
    ListedTwice {
        /// The list.
        list: PlanList,
        /// The value.
        value: String,
    },
    /// The results cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Another bench writes to the folder of results.
    #[error("cannot write {}: another bench is writing to it", path.display())]
    InUse {
        /// The file that is locked.
        path: PathBuf,
    },
    /// A line in a folder of results has an unexpected form.
    #[error("{}: line {line}: not {expected} ({reason})", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the line should hold.
        expected: &'static str,
        /// Why the line cannot be read.
        reason: String,
    },
    /// No method of a bench without labels can be fitted.
    #[error("without a labelled anomaly, none of these methods can be fitted: {}", models.join(", "))]
    NeedLabels {
        /// The methods.
        models: Vec<String>,
    },
    /// The rows of a split cannot be drawn.
    #[error("data set {dataset}, seed {seed}: its rows cannot be drawn: {reason}")]
    Split {
        /// The data set.
        dataset: String,
        /// The seed.
        seed: u64,
        /// The reason.
        reason: String,
    },
    /// A line with scores of another program cannot be used.
    #[error("{}: line {line}: {fault}", path.display())]
    Outsider {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: Box<OutsiderFault>,
    },
    /// Another program has no scores for some splits of a bench.
    #[error("{model} has no line for {missing} of {splits} splits; the first is {first}")]
    MissingScores {
        /// The name of its method.
        model: String,
        /// The number of splits without a line.
        missing: usize,
        /// The number of splits.
        splits: usize,
        /// The first split without a line.
        first: Box<OutsiderSplit>,
    },
    /// An input file or folder cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A data set has rows of one class only.
    #[error("data set {dataset}: it has no {} rows", if *missing == Label::Anomaly { "anomalous" } else { "normal" })]
    OneClass {
        /// The data set.
        dataset: String,
        /// The label that no row has.
        missing: Label,
    },
    /// The number of rows labelled between two fits is 0 or above the number of rows labelled in all.
    #[error("batches of {batch} rows with {budget} labels in all: a batch has at least one row and at most all")]
    Batch {
        /// The number of rows labelled between two fits.
        batch: usize,
        /// The number of rows labelled in all.
        budget: usize,
    },
    /// Discovery curves of other programs cannot be compared with those of a bench.
    #[error("the curves of other programs cannot be compared with this bench: {reason}")]
    Peers {
        /// The reason.
        reason: String,
    },
    /// A picture of a sweep needs results for several label budgets or several levels of noise.
    #[error("there is no sweep to draw: the results have one label budget and one level of noise")]
    NoSweep,
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// The number of threads.
        threads: usize,
        /// The reason.
        reason: String,
    },
    /// The bench was stopped before its end.
    #[error("stopped: {measured} of {total} runs are measured and kept; the same bench continues from there")]
    Stopped {
        /// Runs that are measured.
        measured: usize,
        /// All runs.
        total: usize,
    },
    /// A measurement failed for a reason outside the plan.
    #[error("cannot measure: {reason}")]
    Measure {
        /// The reason.
        reason: String,
    },
}

/// A list of values in a [`Plan`](crate::Plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanList {
    /// [`seeds`](crate::Plan::seeds).
    Seeds,
    /// [`models`](crate::Plan::models).
    Models,
    /// [`strategies`](crate::Plan::strategies).
    Strategies,
    /// [`budgets`](crate::Plan::budgets).
    Budgets,
    /// [`noises`](crate::Plan::noises).
    Noises,
    /// [`synthetic`](crate::Plan::synthetic).
    Synthetic,
    /// [`queries`](crate::labelling::LabellingPlan::queries).
    Queries,
}

impl fmt::Display for PlanList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PlanList::Seeds => "seeds",
            PlanList::Models => "models",
            PlanList::Strategies => "strategies",
            PlanList::Budgets => "label budgets",
            PlanList::Noises => "noises",
            PlanList::Synthetic => "synthetic anomalies",
            PlanList::Queries => "query strategies",
        })
    }
}
