//! `anoonly bench-speed`.

mod tables;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anoonly::models::AnyMethod;
use anoonly::train::{BackendName, Supervision};
use anoonly_bench::BenchError;
use anoonly_bench::speed::{Machine, Measured, Memory, Task, memory_of_a_fit, methods, steps};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compute::Compute;
use crate::{failed, print};

/// Measures speed and memory, each case in a process of its own, and prints tables. Run it on a machine that does nothing
/// else.
#[derive(Debug, Args)]
pub struct Options {
    /// A Python with PyTorch, whose eager mode does the same work beside ours
    #[arg(long, value_name = "PROGRAM", requires = "peer")]
    python: Option<PathBuf>,
    /// The script that does it, xtask/peers/pytorch.py
    #[arg(long, value_name = "FILE", requires = "python")]
    peer: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    /// Numbers of threads [default: 1 and all cores]
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    threads: Vec<usize>,
    /// Print the measurements as JSON instead
    #[arg(long)]
    json: bool,
    /// One case alone, as the processes of the measurement are called: model, strategy and task; prints JSON
    #[arg(long, hide = true, value_delimiter = ':')]
    case: Vec<String>,
}

const STRATEGIES: [(&str, Supervision); 2] = [("host", Supervision::Full), ("anoonly", Supervision::AnomalyOnly)];

/// The task of a case that measures memory.
const MEMORY: &str = "memory";

/// The tasks whose rates are told.
const RATES: [Task; 3] = [Task::Train, Task::ScoreNarrow, Task::ScoreWide];

/// All that was measured.
#[derive(Debug, Serialize)]
struct Report {
    backend: String,
    /// The GPU's name.
    device: Option<String>,
    cores: usize,
    /// What the processor can do, where it computes.
    machine: Option<Machine>,
    /// Training and scoring, on one number of threads after the other.
    rates: Vec<Case>,
    /// Whole fits and scoring.
    whole: Vec<Case>,
    memory: Vec<MemoryCase>,
}

/// What a case took.
#[derive(Debug, Serialize)]
struct Case {
    task: Task,
    model: &'static str,
    strategy: &'static str,
    threads: usize,
    /// Of a whole fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    ours: Measured,
    pytorch: Option<Measured>,
    /// Of training on one thread: PyTorch where it is told to take denormal numbers for 0.
    pytorch_flushing: Option<Measured>,
    /// The machine's rate at best, in steps or rows a second.
    limit: Option<f64>,
}

/// What a fit held.
#[derive(Debug, Serialize)]
struct MemoryCase {
    model: &'static str,
    strategy: &'static str,
    #[serde(flatten)]
    held: Memory,
}

impl Options {
    pub fn run(self) -> ExitCode {
        let told = match () {
            () if !self.case.is_empty() => self.measure(),
            () if self.json => self.report().and_then(|report| json(&report)),
            () => self.report().map(|report| report.tables()),
        };
        match told {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(error) => failed(&error),
        }
    }

    /// Measures one case.
    fn measure(&self) -> Result<String, BenchError> {
        let bad = || BenchError::Option { option: "--case", reason: "give MODEL:STRATEGY:TASK".into() };
        let [model, strategy, task] = self.case.as_slice() else { return Err(bad()) };
        let method = AnyMethod::by_name(model)?;
        let (_, supervision) = STRATEGIES.into_iter().find(|(name, _)| name == strategy).ok_or_else(bad)?;
        let compute = self.compute.device()?;
        if task == MEMORY {
            return json(&memory_of_a_fit(&method, supervision, &compute)?);
        }
        let task = Task::by_name(task).ok_or_else(bad)?;
        let threads = self.threads.first().copied().unwrap_or(1);
        json(&task.measure(&method, supervision, &compute, threads)?)
    }

    /// Measures all cases.
    fn report(&self) -> Result<Report, BenchError> {
        let compute = self.compute.device()?;
        if self.threads.contains(&0) {
            return Err(BenchError::Option { option: "--threads", reason: "at least 1 is needed".into() });
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match self.threads.as_slice() {
            [] if cores == 1 => vec![1],
            [] => vec![1, cores],
            given => given.to_vec(),
        };
        let machine = (compute.backend() == BackendName::Flex).then(Machine::measure);
        let mut rates = Vec::new();
        for &threads in &threads {
            for task in RATES {
                for (method, strategy) in cases() {
                    let machine = machine.filter(|_| threads == 1);
                    let limit = machine.and_then(|machine| machine.limit(task, &method));
                    rates.push(Case { limit, ..self.both(task, &method, strategy, threads)? });
                }
            }
        }
        let whole = cases().map(|(method, strategy)| self.both(Task::Whole, &method, strategy, 1));
        let whole = whole.collect::<Result<_, _>>()?;
        let memory = cases().map(|(method, strategy)| {
            let held = self.ours(&case(&method, strategy, MEMORY), 1)?;
            Ok(MemoryCase { model: method.info().name, strategy, held })
        });
        let memory = memory.collect::<Result<_, BenchError>>()?;
        let (backend, device) = (compute.backend().to_string(), compute.name().map(str::to_owned));
        Ok(Report { backend, device, cores, machine, rates, whole, memory })
    }

    /// A measurement of ours and, where there is a peer, of the peer's.
    fn both(&self, task: Task, method: &AnyMethod, strategy: &'static str, threads: usize) -> Result<Case, BenchError> {
        let case = case(method, strategy, task.name());
        let ours = self.ours(&case, threads)?;
        let pytorch = |denormals: &str| match (&self.python, &self.peer) {
            (Some(python), Some(peer)) => {
                start(python, &[&peer.display().to_string(), &case, &threads.to_string(), denormals]).map(Some)
            }
            _ => Ok(None),
        };
        let pytorch_flushing = if task == Task::Train && threads == 1 { pytorch("flush")? } else { None };
        let pytorch = pytorch("keep")?;
        let steps = (task == Task::Whole).then(|| steps(task, method));
        let model = method.info().name;
        Ok(Case { task, model, strategy, threads, steps, ours, pytorch, pytorch_flushing, limit: None })
    }

    fn ours<T: DeserializeOwned>(&self, case: &str, threads: usize) -> Result<T, BenchError> {
        eprintln!("{case} on {threads} threads");
        let this = std::env::current_exe().map_err(|error| BenchError::Measure { reason: error.to_string() })?;
        let (backend, threads) = (self.compute.backend.to_string(), threads.to_string());
        let mut words = vec!["bench-speed", "--case", case, "--threads", &threads, "--backend", &backend];
        words.extend(self.compute.device.iter().flat_map(|device| ["--device", device]));
        start(&this, &words)
    }
}

/// Every method that trains, with every strategy.
fn cases() -> impl Iterator<Item = (AnyMethod, &'static str)> {
    methods().into_iter().flat_map(|method| STRATEGIES.map(|(strategy, _)| (method.clone(), strategy)))
}

fn case(method: &AnyMethod, strategy: &str, task: &str) -> String {
    format!("{}:{strategy}:{task}", method.info().name)
}

fn json(measured: &impl Serialize) -> Result<String, BenchError> {
    let told = serde_json::to_string(measured).map_err(|error| BenchError::Measure { reason: error.to_string() })?;
    Ok(told + "\n")
}

/// Runs a process that prints a measurement.
fn start<T: DeserializeOwned>(program: &Path, arguments: &[&str]) -> Result<T, BenchError> {
    let failed = |reason: String| BenchError::Measure { reason: format!("{}: {reason}", program.display()) };
    let output = Command::new(program).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(failed(told.lines().last().unwrap_or("no message").to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}
