//! The `anoonly` command.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

mod bench;
mod models;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Anomaly detection with few labels.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train and compare methods, with and without AnoOnly, over data sets and seeds
    Bench(bench::Options),
    /// List the methods
    Models,
}

/// What the user has to mend; the exit code is 2.
const USER: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(&error),
    };
    let filter = EnvFilter::try_from_env("ANOONLY_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match cli.command {
        Command::Bench(options) => options.run(),
        Command::Models => models::list(),
    }
}

/// Tells in one line what is wrong with the command's words; without any words, shows the help.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{text}");
        return ExitCode::from(USER);
    }
    let told =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let told: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    eprintln!("{} (see --help)", told.join("; "));
    ExitCode::from(USER)
}
