//! `cargo xtask bench-speed`.

use std::path::Path;
use std::process::Stdio;

use crate::bench::build;

/// The page that shows the printed figures.
const PAGE: &str = "docs/performance.md";
const START: &str = "<!-- printed by: cargo xtask bench-speed --python python -->\n";
const END: &str = "<!-- end -->";

/// Builds the release program, runs its measurement and prints the figures. With `--python python` and no other option, the peer is
/// measured too and the figures are put into [`PAGE`].
pub fn bench_speed(options: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("cannot find the workspace")?;
    let mut command = build(options)?;
    command.arg("bench-speed").args(options);
    let peer = options.iter().any(|option| option.starts_with("--python"));
    if peer {
        command.arg("--peer").arg(root.join("xtask/peers/pytorch.py"));
    }
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let figures = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err("the measurement failed".into());
    }
    println!("{figures}");
    // The page shows the whole measurement, never a part.
    if matches!(options, [option, _] if option == "--python") {
        let page = root.join(PAGE);
        let text = std::fs::read_to_string(&page).map_err(|error| format!("{PAGE}: {error}"))?;
        let places = text.split_once(START).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) =
            places.ok_or(format!("{PAGE} has no place for the figures: it needs the line {START}"))?;
        let new = format!("{before}{START}\n{}\n\n{END}{after}", figures.trim());
        std::fs::write(&page, new).map_err(|error| format!("{PAGE}: {error}"))?;
    }
    Ok(())
}
