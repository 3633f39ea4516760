//! Development tasks: `cargo xtask bench …`, `cargo xtask check`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tasks talk to the developer")]

mod bench;
mod bench_speed;
mod cargo;
mod check;
mod check_fresh;
mod label;
mod python;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask TASK

  bench [OPTIONS]        Build the release program and run `anoonly bench` with the options; --help lists them
  bench-speed [OPTIONS]  Measure speed and memory; with --python PROGRAM also those of other packages, for docs/performance.md
  bench-label [SIZE…]    Measure in Chromium how long a person who labels rows waits, on tables such as 5000x10
  check                  Check format, lints, documentation and the layers of crates: the fast part of CI
  check-fresh [OPTIONS]  Check that the builds of the main job, the tests and the workspace leave one another fresh;
                         OPTIONS for cargo replace --release --workspace
  wheel                  Build the wheel of the Python package, with maturin in a virtual environment
  test-python [OPTIONS]  Build the wheel and test it in a new virtual environment; OPTIONS for pytest
  picture                Draw the picture of the labelling page for the docs, in Chromium";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let options: Vec<String> = arguments.collect();
    let result = match task.as_deref() {
        Some("bench") => bench::bench(&options),
        Some("bench-speed") => bench_speed::bench_speed(&options).map(|()| ExitCode::SUCCESS),
        Some("bench-label") => label::bench_label(&options).map(|()| ExitCode::SUCCESS),
        Some("check") => check::check().map(|()| ExitCode::SUCCESS),
        Some("check-fresh") => check_fresh::check_fresh(&options).map(|()| ExitCode::SUCCESS),
        Some("wheel") => python::wheel().map(|wheel| {
            println!("{}", wheel.display());
            ExitCode::SUCCESS
        }),
        Some("test-python") => python::test_python(&options).map(|()| ExitCode::SUCCESS),
        Some("picture") => label::picture().map(|()| ExitCode::SUCCESS),
        None | Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => {
            eprintln!("error: unknown task `{other}`\n\n{HELP}");
            Ok(ExitCode::from(2))
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
