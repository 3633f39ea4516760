//! `cargo xtask bench`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::cargo::{cargo, run};

/// Cargo's arguments for the main job's build. It selects the whole workspace, as the tests do, so that both share one build of every
/// dependency.
pub const MAIN_JOB: [&str; 5] = ["build", "--release", "--workspace", "--bin", "anoonly"];

/// Builds the release program, with the feature that the chosen backend needs, and runs `anoonly bench`; returns its exit code.
pub fn bench(options: &[String]) -> Result<ExitCode, String> {
    let mut command = build(options)?;
    command.arg("bench").args(options);
    let status = command.status().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Builds the release program with the feature that the options need; returns a command that starts it.
pub fn build(options: &[String]) -> Result<Command, String> {
    let mut build = cargo();
    build.args(MAIN_JOB);
    if let Some(backend @ ("wgpu" | "cuda")) = backend(options) {
        build.args(["--features", &format!("anoonly-cli/{backend}")]);
    }
    run(&mut build)?;
    Ok(Command::new(program("anoonly")?))
}

/// `TARGET/release/NAME`, where this program is `TARGET/debug/xtask`.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find the build folder: {error}"))?;
    let target = this.ancestors().nth(2).ok_or("cannot find the build folder")?;
    Ok(target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// The backend that the options choose.
fn backend(options: &[String]) -> Option<&str> {
    let joined = options.iter().find_map(|option| option.strip_prefix("--backend="));
    joined.or_else(|| options.windows(2).find(|pair| pair[0] == "--backend").map(|pair| pair[1].as_str()))
}
