//! `cargo xtask bench-speed`.

use std::path::Path;
use std::process::{ExitCode, Stdio};

use crate::bench::build;

/// The page whose figures are what the measurement printed.
const PAGE: &str = "docs/performance.md";
const START: &str = "<!-- printed by: cargo xtask bench-speed --python python -->\n";
const END: &str = "<!-- end -->";

/// Builds the release program, starts its measurement, and puts what it prints into the page where a peer was measured too.
pub fn run(options: &[String]) -> ExitCode {
    match measure(options) {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &[String]) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("cannot find the workspace")?;
    let mut command = build(options)?;
    command.arg("bench-speed").args(options);
    let peer = options.iter().any(|option| option.starts_with("--python"));
    if peer {
        command.arg("--peer").arg(root.join("xtask/peers/pytorch.py"));
    }
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err("the measurement has failed".into());
    }
    // The page tells of the whole measurement, and of no other.
    if matches!(options, [option, _] if option == "--python") {
        let page = root.join(PAGE);
        let text = std::fs::read_to_string(&page).map_err(|error| format!("{PAGE}: {error}"))?;
        let places = text.split_once(START).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) = places.ok_or(format!("{PAGE} has no place for the figures"))?;
        let new = format!("{before}{START}\n{}\n\n{END}{after}", told.trim());
        std::fs::write(&page, new).map_err(|error| format!("{PAGE}: {error}"))?;
    }
    Ok(told)
}
