//! The `anoonly` command.

use std::process::ExitCode;

use anoonly_cli::Program;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let started_as = words.next().into_iter().collect();
    let executable = std::env::current_exe().map_or(started_as, |path| vec![path.into()]);
    ExitCode::from(anoonly_cli::run(Program { executable, arguments: words.collect() }))
}
