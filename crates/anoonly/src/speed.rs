//! `anoonly bench-speed`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anoonly_bench::BenchError;
use anoonly_bench::speed::{Measured, Task, limit, methods, steps};
use anoonly_bench::summary::markdown;
use anoonly_models::AnyMethod;
use anoonly_train::{BackendName, Supervision};
use clap::Args;

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
    /// What computes
    #[arg(long, default_value_t, value_name = "ndarray|flex|wgpu")]
    backend: BackendName,
    /// Numbers of threads [default: 1 and all cores]
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    threads: Vec<usize>,
    /// One case alone, as the processes of the measurement are called: model, strategy and task; prints JSON
    #[arg(long, hide = true, value_delimiter = ':')]
    case: Vec<String>,
}

const STRATEGIES: [(&str, Supervision); 2] = [("host", Supervision::Full), ("anoonly", Supervision::AnomalyOnly)];

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

    fn measure(&self) -> Result<String, BenchError> {
        let bad = || BenchError::Option { option: "--case", reason: "give MODEL:STRATEGY:TASK".into() };
        let [model, strategy, task] = self.case.as_slice() else { return Err(bad()) };
        let method = AnyMethod::by_name(model)?;
        let (_, supervision) = STRATEGIES.into_iter().find(|(name, _)| name == strategy).ok_or_else(bad)?;
        let task = Task::by_name(task).ok_or_else(bad)?;
        let threads = self.threads.first().copied().unwrap_or(1);
        let measured = task.measure(&method, supervision, self.backend, threads)?;
        serde_json::to_string(&measured).map_err(|error| BenchError::Measure { reason: error.to_string() })
    }

    fn tables(&self) -> Result<String, BenchError> {
        self.backend.built()?;
        if self.threads.contains(&0) {
            return Err(BenchError::Option { option: "--threads", reason: "at least 1 is needed".into() });
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match self.threads.as_slice() {
            [] if cores == 1 => vec![1],
            [] => vec![1, cores],
            given => given.to_vec(),
        };
        let mut told = format!("Backend {}, {} {}.\n", self.backend, cores, if cores == 1 { "core" } else { "cores" });
        for threads in threads {
            let title = if threads == 1 { "One thread".into() } else { format!("{threads} threads") };
            told += &format!("\n### {title}\n\n{}", self.table(threads)?);
        }
        Ok(told)
    }

    fn table(&self, threads: usize) -> Result<String, BenchError> {
        let peer = self.python.is_some();
        let mut rows = Vec::new();
        for task in Task::ALL {
            for method in methods() {
                for (strategy, _) in STRATEGIES {
                    eprintln!("{} {strategy} {} on {threads} threads", method.info().name, task.name());
                    rows.push(self.row(task, &method, strategy, threads)?);
                }
            }
        }
        let mut head = vec!["work", "model", "strategy", "rate", "a full fit takes", "share of the products' limit"];
        head.push("peak memory");
        if peer {
            head.extend(["PyTorch's rate", "its peak memory", "ratio"]);
        }
        let mut table = markdown(&head, 3);
        rows.into_iter().for_each(|row| {
            table.add_row(row);
        });
        Ok(format!("{table}\n"))
    }

    fn row(&self, task: Task, method: &AnyMethod, strategy: &str, threads: usize) -> Result<Vec<String>, BenchError> {
        let name = method.info().name;
        let case = format!("{name}:{strategy}:{}", task.name());
        let this = std::env::current_exe().map_err(|error| BenchError::Measure { reason: error.to_string() })?;
        let backend = self.backend.to_string();
        let count = threads.to_string();
        let ours = start(&this, &["bench-speed", "--case", &case, "--threads", &count, "--backend", &backend])?;
        let training = task == Task::Train;
        let (work, unit) = match task {
            Task::Train => ("training, 5000 × 512", "steps/s"),
            Task::ScoreNarrow => ("scoring, 1 000 000 × 64", "rows/s"),
            Task::ScoreWide => ("scoring, 100 000 × 512", "rows/s"),
        };
        let told = |measured: Measured| format!("{} {unit}", thousands(measured.rate()));
        let memory = |measured: Measured| format!("{:.0} MiB", measured.peak_mib);
        let fit = training.then(|| format!("{:.2} s", (steps(method) * threads) as f64 / ours.rate()));
        let share = (training && threads == 1 && self.backend == BackendName::Flex)
            .then(|| format!("{:.2}", ours.rate() / limit(method)));
        let dash = || "–".to_owned();
        let mut row = vec![
            work.to_owned(),
            name.to_owned(),
            strategy.to_owned(),
            told(ours),
            fit.unwrap_or_else(dash),
            share.unwrap_or_else(dash),
            memory(ours),
        ];
        if let (Some(python), Some(peer)) = (&self.python, &self.peer) {
            let theirs = start(python, &[&peer.display().to_string(), &case, &count])?;
            row.extend([told(theirs), memory(theirs), format!("{:.1}", ours.rate() / theirs.rate())]);
        }
        Ok(row)
    }
}

/// Runs a process that prints a measurement.
fn start(program: &Path, arguments: &[&str]) -> Result<Measured, BenchError> {
    let failed = |reason: String| BenchError::Measure { reason: format!("{}: {reason}", program.display()) };
    let output = Command::new(program).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(failed(told.lines().last().unwrap_or("no message").to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
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
