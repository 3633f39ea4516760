//! The `anoonly` command as a library, for the program of that name and for the Python package, which has the same command.

mod bench;
mod columns;
mod compute;
mod data;
mod error;
mod evaluate;
mod explain;
mod export;
mod findings;
mod hints;
mod inspect;
mod label;
mod logs;
mod manual;
mod models;
mod outputs;
mod progress;
mod reading;
mod score;
mod signals;
mod speed;
mod terminal;
mod threshold;
mod train;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

use anoonly::data::table::is_reading;
use anoonly::train::Detector;
use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use crate::error::CommandError;
pub use crate::label::{LabellingPage, PageFiles};
use crate::logs::EventLines;
use crate::terminal::{note, print, print_error, print_json, warn};

/// Ranks the rows of a table by how anomalous they are, learning from a few rows labelled as anomalies
#[derive(Debug, Parser)]
#[command(name = "anoonly", version, max_term_width = 100, after_help = START)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The first commands of a new user.
const START: &str = "To begin with:
  anoonly label table.csv                     asks about rows, for a table without labels
  anoonly train table.csv --label fraud       trains a model and writes model.anoonly
  anoonly score model.anoonly new.csv         shows the rows with the highest scores
  anoonly threshold model.anoonly --fpr 0.01  chooses which rows are flagged
`anoonly COMMAND --help` lists the options of a command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model on a table
    Train(Box<train::Options>),
    /// Label rows on a page in the browser: it asks, you answer, and the ranking follows
    Label(Box<label::Options>),
    /// Score the rows of a table with a model
    Score(score::Options),
    /// Choose which rows a model flags, without training it again
    Threshold(threshold::Options),
    /// Explain the highest scores of a table by its columns
    Explain(explain::Options),
    /// Evaluate a model on a table with labels
    Evaluate(evaluate::Options),
    /// Write a model as an ONNX graph, which other programs run
    Export(export::Options),
    /// Show what a model file contains
    Inspect(inspect::Options),
    /// Train and compare methods, with and without AnoOnly, over data sets and seeds
    Bench(Box<bench::Options>),
    /// Measure the speed and the memory of training and scoring
    BenchSpeed(speed::Options),
    /// List, describe and fetch data sets
    Data(data::Options),
    /// List the methods
    Models(models::Options),
    /// Print the completions of the command for a shell
    Completions(manual::Completions),
    /// Write the manual pages
    Man(manual::Manual),
}

/// How the command was started.
#[derive(Debug, Default)]
pub struct Program {
    /// The words that start the program again: its file and, for a script, the arguments before its own.
    pub executable: Vec<OsString>,
    /// The arguments.
    pub arguments: Vec<OsString>,
}

/// How the command that runs was started.
static PROGRAM: OnceLock<Program> = OnceLock::new();

/// How the command that runs was started.
fn program() -> &'static Program {
    PROGRAM.get_or_init(Program::default)
}

/// Runs the command in this process, once, and returns its exit code. It listens for signals, reads standard input, and writes to
/// standard output and standard error; Ctrl-C may end the process.
pub fn run(program: Program) -> u8 {
    let words = std::iter::once(OsString::from("anoonly")).chain(program.arguments.iter().cloned());
    let matches = Cli::command().try_get_matches_from(words);
    let _ = PROGRAM.set(program);
    let matches = match matches {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            print(&error.to_string());
            return 0;
        }
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let _ = RUNNING.set(innermost(&matches));
    let filter = match std::env::var("ANOONLY_LOG").map(EnvFilter::try_new) {
        Err(_) => EnvFilter::new("warn"),
        Ok(Ok(filter)) => filter,
        Ok(Err(error)) => {
            print_error(&format!("variable ANOONLY_LOG: {error}"));
            return error::USER;
        }
    };
    // A reader that panics on a damaged file is caught and reported as an error.
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_reading() {
            default_hook(panic);
        }
    }));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .event_format(EventLines)
        .with_writer(std::io::stderr)
        .init();
    let done = signals::listen().and_then(|()| match cli.command {
        Command::Train(options) => options.run(),
        Command::Label(options) => options.run(),
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
    });
    match done {
        Err(error) => {
            report_error(&error);
            error.exit_code()
        }
        Ok(()) if terminal::output_lost() => error::INTERNAL,
        Ok(()) => 0,
    }
}

/// Reports wrong arguments in one line. Without any arguments, shows the help.
fn usage(error: &clap::Error) -> u8 {
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        note(text.trim_end());
    } else {
        note(&terminal::one_line(&format!("{} (see --help)", one_line(error))));
    }
    error::USER
}

/// The message for wrong arguments, in one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let message =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    message.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ").replace(":; ", ": ")
}

/// The name of a detector's method, with the strategy if the method takes one.
fn method_and_strategy(detector: &Detector) -> String {
    let name = detector.method().info().name;
    match detector.method().takes_strategy() {
        true => format!("{name} ({})", detector.supervision()),
        false => name.into(),
    }
}

/// A number with its noun, as in `1 row` and `2 rows`.
fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// The command that runs, whose options hints may name.
static RUNNING: OnceLock<clap::Command> = OnceLock::new();

/// The definition of the innermost command that the arguments name.
fn innermost(matches: &ArgMatches) -> clap::Command {
    let mut command = Cli::command();
    command.build();
    let mut matches = matches;
    while let Some((name, inner)) = matches.subcommand() {
        command = command.find_subcommand(name).cloned().unwrap_or(command);
        matches = inner;
    }
    command
}

/// Prints an error with its hint.
fn report_error(error: &CommandError) {
    print_error(&hints::message(error, RUNNING.get_or_init(Cli::command)));
}
