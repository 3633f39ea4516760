//! `anoonly bench-speed`.

mod tables;
mod zoo;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::{Command, Output};

use anoonly::models::AnyMethod;
use anoonly::train::{BackendName, Supervision};
use anoonly_bench::speed::{
    Clock, Machine, Measured, Memory, Task, ZooTable, fit_and_score, gflop_of_a_step, memory_of_a_fit, methods, steps,
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compute::Compute;
use crate::error::CommandError;
use crate::{note, print, print_json};

/// Measures speed and memory, each case in its own process, and prints tables. Run it on an otherwise idle machine.
#[derive(Debug, Args)]
pub struct Options {
    /// What is measured [default: both, or the zoo if methods or tables are given]
    #[arg(long)]
    part: Option<Part>,
    /// A Python with PyTorch, PyOD, scikit-learn and others, which do the same work for comparison
    #[arg(long, value_name = "PROGRAM", requires = "peers")]
    python: Option<PathBuf>,
    /// The folder with the scripts for it, xtask/peers
    #[arg(long, value_name = "FOLDER", requires = "python")]
    peers: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    /// Numbers of threads [default: 1 and the number of cores]
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    threads: Vec<usize>,
    /// Methods of the zoo [default: all]
    #[arg(long, value_delimiter = ',', value_name = "METHOD,…")]
    methods: Vec<String>,
    /// Sizes of the zoo's tables [default: 10000x50,100000x20]
    #[arg(long, value_delimiter = ',', value_name = "ROWSxCOLUMNS,…")]
    tables: Vec<ZooTable>,
    /// What the zoo's seconds are counted by: `process` counts those of the processor, for one thread of a busy machine
    #[arg(long, default_value_t, value_name = "wall|process")]
    clock: Clock,
    /// Seconds after which a fit of the zoo with its scores is given up
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Print the measurements as JSON instead
    #[arg(long)]
    json: bool,
    /// Measure one case, model:strategy:task, and print JSON: how the command starts its own processes
    #[arg(long, hide = true, value_delimiter = ':')]
    case: Vec<String>,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Part {
    /// Training and scoring of the paper's hosts, beside PyTorch and the limit of the machine
    Networks,
    /// Fits and scores of every method, beside PyOD, scikit-learn and others
    Zoo,
}

const STRATEGIES: [(&str, Supervision); 2] = [("host", Supervision::Full), ("anoonly", Supervision::AnomalyOnly)];

/// The task of a case that measures memory.
const MEMORY: &str = "memory";

/// The tasks whose rates are reported.
const RATES: [Task; 3] = [Task::Train, Task::ScoreNarrow, Task::ScoreWide];

/// All measurements.
#[derive(Debug, Serialize)]
struct Measurements {
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zoo: Option<zoo::ZooReport>,
}

/// The measurements of the paper's hosts.
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
    /// The floating-point operations of a step's products, in 10⁹; only of training.
    gflop: Option<f64>,
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
        if !self.case.is_empty() {
            return self.measure();
        }
        if self.threads.contains(&0) {
            return Err(CommandError::option("--threads", "must be at least 1"));
        }
        let selected = !self.methods.is_empty() || !self.tables.is_empty();
        let part = self.part.or(selected.then_some(Part::Zoo));
        let networks = if part == Some(Part::Zoo) { None } else { Some(self.report()?) };
        let zoo = if part == Some(Part::Networks) { None } else { Some(self.zoo()?) };
        if self.json {
            return print_json(&Measurements { networks, zoo });
        }
        let networks = networks.map(|report| report.tables());
        let parts: Vec<String> = networks.into_iter().chain(zoo.map(|report| report.tables())).collect();
        print(&parts.join("\n"));
        Ok(())
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
        let threads = self.threads.first().copied().unwrap_or(1);
        if let Ok(table) = task.parse::<ZooTable>() {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
            pool.map_err(|error| CommandError::Internal { reason: error.to_string() })?;
            return print_json(&fit_and_score(&method, table, self.clock, &compute)?);
        }
        let task = Task::by_name(task).ok_or_else(bad)?;
        print_json(&task.measure(&method, supervision, &compute, threads)?)
    }

    /// The numbers of threads that are measured.
    fn numbers_of_threads(&self) -> Vec<usize> {
        match (self.threads.as_slice(), cores()) {
            ([], 1) => vec![1],
            ([], cores) => vec![1, cores],
            (given, _) => given.to_vec(),
        }
    }

    /// Measures all cases of the paper's hosts.
    fn report(&self) -> Result<Report, CommandError> {
        let compute = self.compute.device()?;
        let (cores, threads) = (cores(), self.numbers_of_threads());
        let machine = (compute.backend() == BackendName::Flex).then(Machine::measure);
        let mut rates = Vec::new();
        for &threads in &threads {
            for task in RATES {
                for (method, strategy) in cases() {
                    let machine = machine.filter(|_| threads == 1);
                    let limit = machine.and_then(|machine| machine.limit(task, &method));
                    let gflop = (task == Task::Train).then(|| gflop_of_a_step(&method));
                    rates.push(Case { limit, gflop, ..self.both(task, &method, strategy, threads)? });
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
        let ours: Measured = self.ours(&case, threads)?;
        let pytorch = |denormals: &str| match (&self.python, &self.peers) {
            (Some(python), Some(peers)) => {
                let script = peers.join("pytorch.py").display().to_string();
                start(Command::new(python).args([&script, &case, &threads.to_string(), denormals])).map(Some)
            }
            _ => Ok(None),
        };
        let pytorch_flushing = if task == Task::Train && threads == 1 { pytorch("flush")? } else { None };
        let pytorch: Option<Measured> = pytorch("keep")?;
        // An interrupted run has shown what it has measured.
        let summary = |measured: Measured| format!("{:.4} s, {:.0} a second", measured.seconds, measured.rate());
        let theirs = pytorch.map(|theirs| format!("; PyTorch: {}", summary(theirs))).unwrap_or_default();
        note(&format!("{case} on {threads} threads: {}{theirs}", summary(ours)));
        let steps = (task == Task::Whole).then(|| steps(task, method));
        let model = method.info().name;
        Ok(Case { task, model, strategy, threads, steps, ours, pytorch, pytorch_flushing, limit: None, gflop: None })
    }

    /// Measures a case in a process of its own.
    fn ours<T: DeserializeOwned>(&self, case: &str, threads: usize) -> Result<T, CommandError> {
        note(&format!("{case} on {threads} threads"));
        start(&mut self.own(case, threads)?)
    }

    /// The command that measures a case.
    fn own(&self, case: &str, threads: usize) -> Result<Command, CommandError> {
        let [this, first @ ..] = &crate::program().executable[..] else {
            return Err(CommandError::Internal { reason: "the file of this program is not known".into() });
        };
        let mut command = Command::new(this);
        command.args(first).args(["bench-speed", "--case", case, "--threads", &threads.to_string()]);
        command.args(["--backend", &self.compute.backend.to_string(), "--clock", &self.clock.to_string()]);
        command.args(self.compute.device.iter().flat_map(|device| ["--device", device]));
        Ok(command)
    }
}

/// The number of cores.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Every trained method with every strategy.
fn cases() -> impl Iterator<Item = (AnyMethod, &'static str)> {
    methods().into_iter().flat_map(|method| STRATEGIES.map(|(strategy, _)| (method.clone(), strategy)))
}

fn case(method: &AnyMethod, strategy: &str, task: &str) -> String {
    format!("{}:{strategy}:{task}", method.info().name)
}

/// Runs a process that prints a measurement.
fn start<T: DeserializeOwned>(command: &mut Command) -> Result<T, CommandError> {
    let output = command.output().map_err(|error| failed(command, error))?;
    measurement(command, &output)
}

/// The measurement that a process has printed.
fn measurement<T: DeserializeOwned>(command: &Command, output: &Output) -> Result<T, CommandError> {
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        return Err(failed(command, messages.lines().last().unwrap_or("no message")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(command, error))
}

fn failed(command: &Command, reason: impl Display) -> CommandError {
    CommandError::Internal { reason: format!("cannot measure: {}: {reason}", command.get_program().display()) }
}
