//! Development tasks: `cargo xtask bench …`, `cargo xtask check`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tasks talk to the developer")]

mod bench;
mod bench_speed;
mod check;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask TASK

  bench [OPTIONS]  Build the release program, then run `anoonly bench` with the options; --help lists them
  bench-speed      Measure speed and memory; with --python PROGRAM beside PyTorch, and into docs/performance.md
  check            Format, lints, documentation and the layering of crates: the fast part of what CI runs";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("bench") => bench::run(&arguments.collect::<Vec<_>>()),
        Some("bench-speed") => bench_speed::run(&arguments.collect::<Vec<_>>()),
        Some("check") => check::run(),
        None | Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("error: unknown task `{other}`\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}
