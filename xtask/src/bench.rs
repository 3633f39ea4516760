//! `cargo xtask bench`.

use std::process::{Command, ExitCode};

/// Starts the release program, built with the feature that the chosen backend needs.
pub fn run(options: Vec<String>) -> ExitCode {
    // The whole workspace, as in the tests, so that both share one build of every dependency.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--release", "--workspace", "--exclude", "xtask", "--bin", "anoonly"]);
    if wants_wgpu(&options) {
        cargo.args(["--features", "anoonly/wgpu"]);
    }
    let status = cargo.args(["--quiet", "--", "bench"]).args(options).status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => ExitCode::SUCCESS,
        Ok(code) => ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wants_wgpu(options: &[String]) -> bool {
    options.iter().any(|option| option == "--backend=wgpu")
        || options.windows(2).any(|pair| pair[0] == "--backend" && pair[1] == "wgpu")
}
