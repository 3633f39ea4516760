//! `cargo xtask bench-speed`.

use std::path::Path;
use std::process::Stdio;

use crate::bench::build;

/// The page that shows the printed figures.
const PAGE: &str = "docs/performance.md";
/// The parts of the measurement. The page has a place for each.
const PARTS: [&str; 2] = ["networks", "zoo"];
const END: &str = "<!-- end -->";

/// Builds the release program, runs its measurement and prints the figures. With `--python python`, the peers are measured too. Without
/// options that measure less or otherwise, the figures are put into [`PAGE`].
pub fn bench_speed(options: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("cannot find the workspace")?;
    let selected = options.windows(2).find(|pair| pair[0] == "--part").map(|pair| pair[1].as_str());
    // The program says what is wrong with another part, and which part other options select.
    let whole = options.chunks(2).all(|pair| pair.len() == 2 && ["--python", "--part"].contains(&pair[0].as_str()));
    let parts: Vec<Option<&str>> = match selected {
        None if whole => PARTS.map(Some).to_vec(),
        selected => vec![selected],
    };
    for part in parts {
        let mut command = build(options)?;
        command.arg("bench-speed").args(options);
        if selected.is_none() {
            command.args(part.iter().flat_map(|part| ["--part", part]));
        }
        let peers = options.iter().any(|option| option.starts_with("--python"));
        if peers {
            command.arg("--peers").arg(root.join("xtask/peers"));
        }
        let output =
            command.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let figures = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err("the measurement failed".into());
        }
        println!("{figures}");
        // The page shows the whole measurement of a part, never less.
        if let (true, true, Some(part)) = (whole, peers, part) {
            embed(&root.join(PAGE), part, figures.trim())?;
        }
    }
    Ok(())
}

/// Puts the figures of a part into the page.
fn embed(page: &Path, part: &str, figures: &str) -> Result<(), String> {
    let start = format!("<!-- printed by: cargo xtask bench-speed --part {part} --python python -->\n");
    let text = std::fs::read_to_string(page).map_err(|error| format!("{PAGE}: {error}"))?;
    let places = text.split_once(&start).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = places.ok_or(format!("{PAGE} has no place for the figures: it needs the line {start}"))?;
    let new = format!("{before}{start}\n{figures}\n\n{END}{after}");
    std::fs::write(page, new).map_err(|error| format!("{PAGE}: {error}"))
}
