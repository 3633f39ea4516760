//! `cargo xtask bench-label` and `cargo xtask picture`.

use std::path::Path;
use std::process::Command;

use crate::bench::{MAIN_JOB, program};
use crate::cargo::{cargo, run};

/// Measures how long a person who labels rows waits; `sizes` are tables such as `5000x10`.
pub fn bench_label(sizes: &[String]) -> Result<(), String> {
    run(built("label-bench")?.args(sizes))
}

/// Draws the picture of the labelling page for the docs.
pub fn picture() -> Result<(), String> {
    run(built("label-picture")?.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images/label.png")))
}

/// Builds the release program and one of the programs of `tests/` that drive it in a browser; returns a command that starts the latter.
fn built(name: &str) -> Result<Command, String> {
    run(cargo().args(MAIN_JOB).args(["--bin", name]))?;
    Ok(Command::new(program(name)?))
}
