//! `cargo xtask bench`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Builds the release program, with the feature that the chosen backend needs, and starts it.
pub fn run(options: &[String]) -> ExitCode {
    let done = build(options).and_then(|mut command| {
        command.arg("bench").args(options).status().map_err(|error| format!("cannot start {command:?}: {error}"))
    });
    match done {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The release program, just built, with the feature that the options need.
pub fn build(options: &[String]) -> Result<Command, String> {
    // The whole workspace is selected, as in the tests, so that both share one build of every dependency.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--workspace", "--bin", "anoonly"]);
    if let Some(backend @ ("wgpu" | "cuda")) = backend(options) {
        cargo.args(["--features", &format!("anoonly-cli/{backend}")]);
    }
    let built = cargo.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    match built.success() {
        true => Ok(Command::new(program()?)),
        false => Err("the build has failed".into()),
    }
}

/// `TARGET/release/anoonly`, where this program is `TARGET/debug/xtask`.
fn program() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find the build folder: {error}"))?;
    let target = this.ancestors().nth(2).ok_or("cannot find the build folder")?;
    Ok(target.join("release").join(format!("anoonly{}", std::env::consts::EXE_SUFFIX)))
}

/// The backend that the options choose.
fn backend(options: &[String]) -> Option<&str> {
    let joined = options.iter().find_map(|option| option.strip_prefix("--backend="));
    joined.or_else(|| options.windows(2).find(|pair| pair[0] == "--backend").map(|pair| pair[1].as_str()))
}
