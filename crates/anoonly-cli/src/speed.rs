//! `anoonly bench-speed`.

mod tables;

use std::path::{Path, PathBuf};
use std::process::Command;

use anoonly::models::AnyMethod;
use anoonly::train::{BackendName, Supervision};
use anoonly_bench::speed::{Machine, Measured, Memory, Task, memory_of_a_fit, methods, steps};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compute::Compute;
use crate::error::CommandError;
use crate::{note, print, print_json};

/// Measures speed and memory, each case in its own process, and prints tables. Run it on an otherwise idle machine.
#[derive(Debug, Args)]
pub struct Options {
    /// A Python with PyTorch, whose eager mode does the same work for comparison
    #[arg(long, value_name = "PROGRAM", requires = "peer")]
    python: Option<PathBuf>,
    /// The script with the PyTorch implementation, xtask/peers/pytorch.py
    #[arg(long, value_name = "FILE", requires = "python")]
    peer: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    /// Numbers of threads [default: 1 and the number of cores]
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    threads: Vec<usize>,
    /// Print the measurements as JSON instead
    #[arg(long)]
    json: bool,
    /// Measure one case, model:strategy:task, and print JSON: how the command starts its own processes
    #[arg(long, hide = true, value_delimiter = ':')]
    case: Vec<String>,
}

const STRATEGIES: [(&str, Supervision); 2] = [("host", Supervision::Full), ("anoonly", Supervision::AnomalyOnly)];

/// The task of a case that measures memory.
const MEMORY: &str = "memory";

/// The tasks whose rates are reported.
const RATES: [Task; 3] = [Task::Train, Task::ScoreNarrow, Task::ScoreWide];

/// All measurements.
#[derive(Debug, Serialize)]
struct Report {
    backend: String,
    /// The GPU's name.
    device: Option<String>,
    cores: usize,
    /// The peak rates of the processor; only of a CPU backend.
    machine: Option<Machine>,
    /// Training and scoring, grouped by the number of threads.
    rates: Vec<Case>,
    /// Whole fits and scoring.
    whole: Vec<Case>,
    memory: Vec<MemoryCase>,
}

/// The measurements of one case.
#[derive(Debug, Serialize)]
struct Case {
    task: Task,
    model: &'static str,
    strategy: &'static str,
    threads: usize,
    /// The number of steps of a whole fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    ours: Measured,
    pytorch: Option<Measured>,
    /// PyTorch with denormal numbers flushed to 0; only of training on one thread.
    pytorch_flushing: Option<Measured>,
    /// The highest rate that the machine allows, in steps or rows a second.
    limit: Option<f64>,
}

/// The memory of a fit.
#[derive(Debug, Serialize)]
struct MemoryCase {
    model: &'static str,
    strategy: &'static str,
    #[serde(flatten)]
    held: Memory,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        match () {
            () if !self.case.is_empty() => self.measure(),
            () if self.json => print_json(&self.report()?),
            () => {
                print(&self.report()?.tables());
                Ok(())
            }
        }
    }

    /// Measures one case and prints it.
    fn measure(&self) -> Result<(), CommandError> {
        let bad = || CommandError::option("--case", "must be MODEL:STRATEGY:TASK");
        let [model, strategy, task] = self.case.as_slice() else { return Err(bad()) };
        let method = AnyMethod::by_name(model)?;
        let (_, supervision) = STRATEGIES.into_iter().find(|(name, _)| name == strategy).ok_or_else(bad)?;
        let compute = self.compute.device()?;
        if task == MEMORY {
            return print_json(&memory_of_a_fit(&method, supervision, &compute)?);
        }
        let task = Task::by_name(task).ok_or_else(bad)?;
        let threads = self.threads.first().copied().unwrap_or(1);
        print_json(&task.measure(&method, supervision, &compute, threads)?)
    }

    /// Measures all cases.
    fn report(&self) -> Result<Report, CommandError> {
        let compute = self.compute.device()?;
        if self.threads.contains(&0) {
            return Err(CommandError::option("--threads", "must be at least 1"));
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
        let memory = memory.collect::<Result<_, CommandError>>()?;
        let (backend, device) = (compute.backend().to_string(), compute.name().map(str::to_owned));
        Ok(Report { backend, device, cores, machine, rates, whole, memory })
    }

    /// Measures a case and, if a peer is given, the same case with the peer.
    fn both(
        &self,
        task: Task,
        method: &AnyMethod,
        strategy: &'static str,
        threads: usize,
    ) -> Result<Case, CommandError> {
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

    /// Measures a case in a process of its own.
    fn ours<T: DeserializeOwned>(&self, case: &str, threads: usize) -> Result<T, CommandError> {
        note(&format!("{case} on {threads} threads"));
        let [this, first @ ..] = &crate::program().executable[..] else {
            return Err(CommandError::Internal { reason: "the file of this program is not known".into() });
        };
        let first = first.iter().filter_map(|word| word.to_str());
        let (backend, threads) = (self.compute.backend.to_string(), threads.to_string());
        let own = ["bench-speed", "--case", case, "--threads", &threads, "--backend", &backend];
        let mut arguments: Vec<&str> = first.chain(own).collect();
        arguments.extend(self.compute.device.iter().flat_map(|device| ["--device", device]));
        start(Path::new(this), &arguments)
    }
}

/// Every trained method with every strategy.
fn cases() -> impl Iterator<Item = (AnyMethod, &'static str)> {
    methods().into_iter().flat_map(|method| STRATEGIES.map(|(strategy, _)| (method.clone(), strategy)))
}

fn case(method: &AnyMethod, strategy: &str, task: &str) -> String {
    format!("{}:{strategy}:{task}", method.info().name)
}

/// Runs a process that prints a measurement.
fn start<T: DeserializeOwned>(program: &Path, arguments: &[&str]) -> Result<T, CommandError> {
    let failed =
        |reason: String| CommandError::Internal { reason: format!("cannot measure: {}: {reason}", program.display()) };
    let output = Command::new(program).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        return Err(failed(messages.lines().last().unwrap_or("no message").to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}
