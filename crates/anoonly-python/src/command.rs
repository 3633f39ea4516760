//! The command, which the package installs as a program.

use std::ffi::OsString;

use anoonly_cli::Program;
use pyo3::prelude::*;

/// Runs the command `anoonly` with arguments, once in this process, and returns its exit code. `executable` are the words that start
/// it again.
#[pyfunction]
pub fn run_command(py: Python<'_>, executable: Vec<OsString>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| anoonly_cli::run(Program { executable, arguments }))
}
