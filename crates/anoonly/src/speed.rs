//! `anoonly bench-speed`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anoonly_bench::BenchError;
use anoonly_bench::speed::{Machine, Measured, Memory, Task, memory_of_a_fit, methods, steps};
use anoonly_bench::summary::markdown;
use anoonly_models::AnyMethod;
use anoonly_train::{BackendName, Supervision};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

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

/// CPU seconds of a fit and of scoring 3684 × 512 by the published implementation, one core of another machine.
const PUBLISHED: [(&str, f64); 4] = [("devnet", 5.8), ("prenet", 11.4), ("deepsad", 7.9), ("feawad", 113.0)];

impl Options {
    pub fn run(self) -> ExitCode {
        let told = if self.case.is_empty() { self.tables() } else { self.measure() };
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
    fn tables(&self) -> Result<String, BenchError> {
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
        let device = compute.name().map_or_else(String::new, |name| format!(" on {name}"));
        let mut measured = Vec::new();
        let mut told =
            format!("Backend {}{device}, {cores} {}.\n", compute.backend(), if cores == 1 { "core" } else { "cores" });
        if let Some(machine) = machine {
            let Machine { gflops, bandwidth } = machine;
            told += &format!(
                "One thread multiplies 512 × 512 matrices at {gflops:.0} GFLOP/s and reads memory at {bandwidth:.1} GB/s.\n"
            );
        }
        for threads in threads {
            let title = if threads == 1 { "One thread".into() } else { format!("{threads} threads") };
            let machine = machine.filter(|_| threads == 1);
            told += &format!("\n### {title}\n\n{}", self.rates(threads, machine.as_ref(), &mut measured)?);
        }
        told += &format!("\n### Whole fits and scoring, 3684 × 512, one thread\n\n{}", self.whole(&mut measured)?);
        told += &format!("\n### Memory of a fit, 50 000 × 512, one thread\n\n{}", self.memory(&mut measured)?);
        if self.json {
            let (backend, device) = (compute.backend().to_string(), compute.name());
            let all = serde_json::json!({
                "backend": backend, "device": device, "cores": cores, "machine": machine, "measured": measured,
            });
            return Ok(format!("{all}\n"));
        }
        Ok(told)
    }

    fn rates(
        &self,
        threads: usize,
        machine: Option<&Machine>,
        measured: &mut Vec<Value>,
    ) -> Result<String, BenchError> {
        let mut head = vec!["work", "model", "strategy", "rate"];
        head.extend(machine.map(|_| "share of the limit"));
        head.push("peak memory");
        if self.python.is_some() {
            head.extend(["PyTorch's rate", "its peak memory", "ratio"]);
        }
        let mut table = markdown(&head, 3);
        for (task, work, unit) in [
            (Task::Train, "training, 5000 × 512", "steps/s"),
            (Task::ScoreNarrow, "scoring, 1 000 000 × 64", "rows/s"),
            (Task::ScoreWide, "scoring, 100 000 × 512", "rows/s"),
        ] {
            for (method, strategy) in cases() {
                let rate = |measured: Measured| format!("{} {unit}", thousands(measured.rate()));
                let memory = |measured: Measured| format!("{:.0} MiB", measured.peak_mib);
                let (ours, theirs) = self.both(task, &method, strategy, threads)?;
                let limit = machine.and_then(|machine| machine.limit(task, &method));
                measured.push(told_of(task.name(), &method, strategy, threads, &ours, theirs.as_ref(), limit));
                let mut row = vec![work.to_owned(), method.info().name.to_owned(), strategy.to_owned(), rate(ours)];
                row.extend(machine.map(|_| limit.map_or(dash(), |limit| format!("{:.2}", ours.rate() / limit))));
                row.push(memory(ours));
                if let Some(theirs) = theirs {
                    row.extend([rate(theirs), memory(theirs), format!("{:.1}", ours.rate() / theirs.rate())]);
                }
                table.add_row(row);
            }
        }
        Ok(format!("{table}\n"))
    }

    fn whole(&self, measured: &mut Vec<Value>) -> Result<String, BenchError> {
        let mut head = vec!["model", "strategy", "steps", "seconds"];
        if self.python.is_some() {
            head.extend(["PyTorch's", "ratio"]);
        }
        head.extend(["published, elsewhere", "ratio"]);
        let mut table = markdown(&head, 2);
        for (method, strategy) in cases() {
            let name = method.info().name;
            let (ours, theirs) = self.both(Task::Whole, &method, strategy, 1)?;
            measured.push(told_of(Task::Whole.name(), &method, strategy, 1, &ours, theirs.as_ref(), None));
            let seconds = |seconds: f64| format!("{seconds:.2}");
            let ratio = |theirs: f64| format!("{:.1}", theirs / ours.seconds);
            let mut row = vec![name.to_owned(), strategy.to_owned(), steps(Task::Whole, &method).to_string()];
            row.push(seconds(ours.seconds));
            row.extend(theirs.into_iter().flat_map(|theirs| [seconds(theirs.seconds), ratio(theirs.seconds)]));
            let published = PUBLISHED.iter().find(|(published, _)| *published == name).map(|(_, seconds)| *seconds);
            row.extend(published.map_or([dash(), dash()], |published| [format!("{published:.1}"), ratio(published)]));
            table.add_row(row);
        }
        Ok(format!("{table}\n"))
    }

    fn memory(&self, measured: &mut Vec<Value>) -> Result<String, BenchError> {
        let mut table = markdown(&["model", "strategy", "training matrix", "held in all", "ratio"], 2);
        for (method, strategy) in cases() {
            let Memory { matrix_mib, held_mib } = self.ours(&case(&method, strategy, MEMORY), 1)?;
            let model = method.info().name;
            measured.push(serde_json::json!({
                "task": MEMORY, "model": model, "strategy": strategy, "threads": 1,
                "ours": { "matrix_mib": matrix_mib, "held_mib": held_mib },
            }));
            let mib = |mib: f64| format!("{mib:.0} MiB");
            let told = [mib(matrix_mib), mib(held_mib), format!("{:.2}", held_mib / matrix_mib)];
            table.add_row([method.info().name.to_owned(), strategy.to_owned()].into_iter().chain(told));
        }
        Ok(format!("{table}\n"))
    }

    /// A measurement of ours and, where there is a peer, of the peer's.
    fn both(
        &self,
        task: Task,
        method: &AnyMethod,
        strategy: &str,
        threads: usize,
    ) -> Result<(Measured, Option<Measured>), BenchError> {
        let case = case(method, strategy, task.name());
        let ours = self.ours(&case, threads)?;
        let theirs = match (&self.python, &self.peer) {
            (Some(python), Some(peer)) => {
                Some(start(python, &[&peer.display().to_string(), &case, &threads.to_string()])?)
            }
            _ => None,
        };
        Ok((ours, theirs))
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

/// A measurement as JSON; `limit` is the rate of the machine at best, in steps or rows a second.
fn told_of(
    task: &str,
    method: &AnyMethod,
    strategy: &str,
    threads: usize,
    ours: &Measured,
    theirs: Option<&Measured>,
    limit: Option<f64>,
) -> Value {
    let model = method.info().name;
    serde_json::json!({
        "task": task, "model": model, "strategy": strategy, "threads": threads, "ours": ours, "pytorch": theirs, "limit": limit,
    })
}

/// Every method that trains, with every strategy.
fn cases() -> impl Iterator<Item = (AnyMethod, &'static str)> {
    methods().into_iter().flat_map(|method| STRATEGIES.map(|(strategy, _)| (method.clone(), strategy)))
}

fn case(method: &AnyMethod, strategy: &str, task: &str) -> String {
    format!("{}:{strategy}:{task}", method.info().name)
}

fn json(measured: &impl Serialize) -> Result<String, BenchError> {
    serde_json::to_string(measured).map_err(|error| BenchError::Measure { reason: error.to_string() })
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

fn dash() -> String {
    "–".to_owned()
}

/// Three digits that count.
fn thousands(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate if rate >= 1e4 => format!("{:.1} k", rate / 1e3),
        rate if rate >= 100.0 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}
