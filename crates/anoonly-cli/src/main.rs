//! The `anoonly` command.

#![expect(clippy::print_stderr, reason = "a command talks to its user")]

mod bench;
mod compute;
mod data;
mod error;
mod evaluate;
mod explain;
mod export;
mod inspect;
mod manual;
mod models;
mod progress;
mod score;
mod speed;
mod threshold;
mod train;

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anoonly::data::DataError;
use anoonly::data::table::{Blocks, Table, is_reading};
use anoonly::train::Detector;
use anoonly_bench::BenchError;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Ranks the rows of a table by how anomalous they are, learning from a few rows that are marked as anomalies
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = START)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What a newcomer types first.
const START: &str = "To begin with:
  anoonly train table.csv --label fraud       learns, and writes model.anoonly
  anoonly score model.anoonly new.csv         shows the rows with the highest scores
  anoonly threshold model.anoonly --fpr 0.01  chooses which rows are flagged
`anoonly COMMAND --help` tells the options of a command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model on a table
    Train(Box<train::Options>),
    /// Score the rows of a table with a model
    Score(score::Options),
    /// Choose which rows a model flags, without training it again
    Threshold(threshold::Options),
    /// Tell what makes the highest scores of a table
    Explain(explain::Options),
    /// Judge a model by a table with labels
    Evaluate(evaluate::Options),
    /// Write a model as an ONNX graph, which runs in other programs
    Export(export::Options),
    /// Tell what a model file holds
    Inspect(inspect::Options),
    /// Train and compare methods, with and without AnoOnly, over data sets and seeds
    Bench(Box<bench::Options>),
    /// Measure how fast methods train and score, and the memory they take
    BenchSpeed(speed::Options),
    /// List and fetch data sets, and tell of them
    Data(data::Options),
    /// List the methods
    Models(models::Options),
    /// Print the words of the command for a shell to complete
    Completions(manual::Completions),
    /// Write the manual pages
    Man(manual::Manual),
}

/// What the user has to mend; the exit code is 2.
const USER: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            print(&error.to_string());
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(&error),
    };
    let filter = match std::env::var("ANOONLY_LOG").map(EnvFilter::try_new) {
        Err(_) => EnvFilter::new("warn"),
        Ok(Ok(filter)) => filter,
        Ok(Err(error)) => {
            tell(&format!("variable ANOONLY_LOG: {error}"));
            return ExitCode::from(USER);
        }
    };
    // A damaged file at which its reader panics is told as an error.
    let by_default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_reading() {
            by_default(panic);
        }
    }));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let code = match cli.command {
        Command::Train(options) => options.run(),
        Command::Score(options) => options.run(),
        Command::Threshold(options) => options.run(),
        Command::Explain(options) => options.run(),
        Command::Evaluate(options) => options.run(),
        Command::Export(options) => options.run(),
        Command::Inspect(options) => options.run(),
        Command::Bench(options) => options.run(),
        Command::BenchSpeed(options) => options.run(),
        Command::Data(options) => options.run(),
        Command::Models(options) => options.run(),
        Command::Completions(options) => options.run(),
        Command::Man(options) => options.run(),
    };
    match LOST.load(Ordering::Relaxed) {
        true => ExitCode::FAILURE,
        false => code,
    }
}

/// Whether something could not be written to standard output.
static LOST: AtomicBool = AtomicBool::new(false);

/// Tells in one line what is wrong with the command's words; without any words, shows the help.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{text}");
        return ExitCode::from(USER);
    }
    eprintln!("{} (see --help)", one_line(error));
    ExitCode::from(USER)
}

/// What is wrong with the command's words, in one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let told =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    told.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ").replace(":; ", ": ")
}

/// A whole table; `-` is CSV from standard input.
fn read_table(path: &Path) -> Result<Table, DataError> {
    match path.as_os_str() == "-" {
        true => Table::read_csv(Path::new(STDIN), std::io::stdin()),
        false => Table::read(path),
    }
}

/// The rows of a table in blocks; `-` is CSV from standard input.
fn table_blocks(path: &Path) -> Result<Blocks, DataError> {
    match path.as_os_str() == "-" {
        true => Table::csv_blocks(Path::new(STDIN), std::io::stdin()),
        false => Table::blocks(path),
    }
}

/// What stands for the name of a file that is read from standard input.
const STDIN: &str = "standard input";

/// The name of a detector's method, with the strategy where that has a say.
fn method_told(detector: &Detector) -> String {
    let name = detector.method().info().name;
    match detector.method().takes_strategy() {
        true => format!("{name} ({})", detector.supervision()),
        false => name.into(),
    }
}

/// A number of things.
fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Writes to standard output. A reader that has gone away, as `head` does, is no error.
fn print(text: &str) {
    if let Err(error) = std::io::stdout().write_all(text.as_bytes())
        && error.kind() != std::io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        tell(&format!("cannot write to standard output: {error}"));
    }
}

/// Tells what the user has to mend.
fn refuse<E: Display>(error: &E) -> ExitCode {
    tell(error);
    ExitCode::from(USER)
}

/// Tells what ended a command, and whose it is to mend.
fn failed(error: &BenchError) -> ExitCode {
    tell(error);
    match error {
        BenchError::Stopped { .. } => ExitCode::from(progress::STOPPED),
        BenchError::Threads { .. } | BenchError::Measure { .. } => ExitCode::FAILURE,
        _ => ExitCode::from(USER),
    }
}

/// Tells an error in one line: what it quotes from a file may hold line ends and other control characters.
fn tell(error: &impl Display) {
    let line: String = error
        .to_string()
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect();
    eprintln!("error: {line}");
}
