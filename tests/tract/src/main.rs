//! Compares the scores of exported ONNX files in tract with those of `anoonly score`.
//!
//! ```sh
//! cargo build --release --workspace
//! cargo run --manifest-path tests/tract/Cargo.toml -- target/release/anoonly
//! ```
//!
//! Names of methods behind the program restrict the check to them.

mod mixed;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use tract_onnx::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The largest share of a score, or of 1 where that is larger, that a difference may be.
const TOLERANCE: f32 = 1e-5;
const ROWS: usize = 600;
const COLUMNS: [&str; 4] = ["amount", "time", "known", "share"];

/// Methods whose scores amplify the rounding of single precision, with the tolerance for them.
const ROUGH: [(&str, f32); 2] = [("dagmm", 1e-4), ("whitened-cosine-mahalanobis", 1e-3)];

/// Settings and strategies other than the defaults, which all methods are checked with.
const VARIANTS: [(&str, &str, &str); 11] = [
    ("devnet", "anoonly", ""),
    ("devnet", "host", "norm = \"layer\"\n"),
    ("devnet", "host", "depth = 1\n"),
    ("devnet", "anoonly", "depth = 1\n"),
    ("devnet", "anoonly", "depth = 4\n"),
    ("prenet", "anoonly", ""),
    ("prenet", "host", "norm = \"layer\"\n"),
    ("feawad", "anoonly", ""),
    ("feawad", "host", "norm = \"layer\"\n"),
    ("deepsad", "host", "norm = \"layer\"\n"),
    ("ft-transformer", "anoonly", ""),
];

fn main() -> ExitCode {
    match check() {
        Ok(worst) => {
            println!("largest difference {worst:.1e}, tolerance {TOLERANCE:.0e}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A line of the list of methods.
#[derive(serde::Deserialize)]
struct MethodLine {
    name: String,
    settings: serde_json::Map<String, serde_json::Value>,
}

impl MethodLine {
    /// The settings of a short training. In tract, the time of a tree grows with the number of all leaves before its own.
    fn short_training(&self) -> String {
        let trees = if self.settings.contains_key("trees") { "trees = 10\n" } else { "" };
        let parts = ["recipe", "pretraining"].into_iter().filter(|part| self.settings.contains_key(*part));
        let parts: String = parts.map(|part| format!("[{}.{part}]\nepochs = 3\n", self.name)).collect();
        format!("{trees}{parts}")
    }
}

/// Checks all cases; returns the largest difference.
fn check() -> Result<f32> {
    let program = std::env::args_os().nth(1).ok_or("name the program, as target/release/anoonly")?;
    let program = fs::canonicalize(program)?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let rows: Vec<[f64; 4]> = (0..ROWS).map(cells).collect();
    fs::write(folder.join("table.csv"), table(&rows))?;
    let (mut worst, mut wrong) = (0.0f32, Vec::new());
    let methods: Vec<MethodLine> = serde_json::from_slice(&run(&program, &["models".as_ref(), "--json".as_ref()])?)?;
    let defaults = methods.iter().map(|method| (method.name.as_str(), "host", ""));
    let only: Vec<String> = std::env::args().skip(2).collect();
    for (method, strategy, settings) in defaults.chain(VARIANTS) {
        if !only.is_empty() && !only.iter().any(|name| name == method) {
            continue;
        }
        let recipe = methods.iter().find(|line| line.name == method).map(MethodLine::short_training);
        let settings = &format!("{settings}{}", recipe.unwrap_or_default());
        let case = format!("{method} {strategy} {}", settings.replace('\n', " ")).trim().to_owned();
        let difference = largest_difference(&program, folder, &rows, method, strategy, settings);
        match difference {
            Ok(difference) => {
                println!("{case}: {difference:.1e}");
                worst = worst.max(difference);
            }
            Err(error) => wrong.push(format!("{case}: {error}")),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    let difference = mixed::check(&program, folder)?;
    println!("columns of every kind: {difference:.1e}");
    Ok(worst.max(difference))
}

/// An amount that is missing in some rows, a time in seconds that 32 bits cannot tell from those around it, a truth value,
/// and a share that is very small. Every 20th row is an anomaly.
fn cells(row: usize) -> [f64; 4] {
    let bad = row.is_multiple_of(20);
    let amount = if row % 9 == 4 { f64::NAN } else { (row * 37 % 101) as f64 + if bad { 90.0 } else { 0.25 } };
    let time = 1.75e9 + (row * 7919 % 997) as f64;
    let known = f64::from(u8::from(row.is_multiple_of(3) || bad));
    [amount, time, known, (row * 13 % 17) as f64 * 1e-7]
}

/// The rows as CSV, half of the anomalies labelled.
fn table(rows: &[[f64; 4]]) -> String {
    let line = |(row, [amount, time, known, share]): (usize, &[f64; 4])| {
        let amount = if amount.is_nan() { String::new() } else { amount.to_string() };
        let label = if row.is_multiple_of(40) { "1" } else { "" };
        format!("{amount},{time},{},{share},{label}\n", *known == 1.0)
    };
    format!("{},bad\n{}", COLUMNS.join(","), rows.iter().enumerate().map(line).collect::<String>())
}

/// Trains, scores and exports one model; returns the largest difference between the scores.
fn largest_difference(
    program: &Path,
    folder: &Path,
    rows: &[[f64; 4]],
    method: &str,
    strategy: &str,
    settings: &str,
) -> Result<f32> {
    let path = |name: &str| folder.join(name);
    fs::write(path("config.toml"), format!("[{method}]\n{settings}"))?;
    let (model, onnx, scores, config) =
        (path("model.anoonly"), path("model.onnx"), path("scores.csv"), path("config.toml"));
    let run = |words: &[&Path]| run(program, words);
    let word = Path::new;
    run(&[
        word("train"),
        &path("table.csv"),
        word("--label"),
        word("bad"),
        word("--model"),
        word(method),
        word("--strategy"),
        word(strategy),
        word("--config"),
        &config,
        word("--ensemble"),
        word("2"),
        // As a number: its digits are what the test is about.
        word("--keep"),
        word("time"),
        word("--out"),
        &model,
    ])?;
    run(&[word("threshold"), &model, word("--fpr"), word("0.1")])?;
    run(&[word("score"), &model, &path("table.csv"), word("--out"), &scores])?;
    let exported: serde_json::Value = serde_json::from_slice(&run(&[
        word("export"),
        &model,
        word("--matrix"),
        word("--out"),
        &onnx,
        word("--json"),
    ])?)?;
    let tolerance = ROUGH.iter().find(|(name, _)| *name == method).map_or(TOLERANCE, |(_, tolerance)| *tolerance);
    if exported["columns"] != serde_json::json!(COLUMNS) {
        return Err(format!("other columns: {exported}").into());
    }
    let threshold: f32 = exported["threshold"].to_string().parse()?;

    let plan = tract_onnx::onnx().model_for_path(onnx)?.into_optimized()?.into_runnable()?;
    let input = Tensor::from_shape(&[rows.len(), COLUMNS.len()], rows.as_flattened())?;
    let outputs = plan.run(tvec!(input.into()))?;
    let theirs = outputs[0].to_plain_array_view::<f32>()?;
    let flags = outputs[2].to_plain_array_view::<bool>()?;

    let ours = scored(&scores)?;
    if theirs.shape() != [ours.len()] || flags.shape() != [ours.len()] {
        return Err(format!("scores of shape {:?}, flags of {:?}", theirs.shape(), flags.shape()).into());
    }
    let mut worst = 0.0f32;
    for (row, ((&(score, flagged), &by_tract), &flagged_by_tract)) in ours.iter().zip(&theirs).zip(&flags).enumerate() {
        let scale = score.abs().max(1.0);
        let difference = (score - by_tract).abs() / scale;
        if difference.is_nan() || difference > tolerance {
            return Err(format!("row {}: {score}, but by tract {by_tract}", row + 1).into());
        }
        let at_threshold = (score - threshold).abs() <= tolerance * scale;
        if flagged != flagged_by_tract && !at_threshold {
            return Err(format!("row {}: flagged: {flagged}, but by tract {flagged_by_tract}", row + 1).into());
        }
        worst = worst.max(difference / tolerance * TOLERANCE);
    }
    let differ = |a: usize, b: usize| ours[a].0 != ours[b].0;
    match (1..ours.len()).any(|row| differ(0, row)) {
        true => Ok(worst),
        false => Err("all scores are alike".into()),
    }
}

/// The score of each row, and whether it is flagged.
fn scored(path: &PathBuf) -> Result<Vec<(f32, bool)>> {
    let mut rows = csv::Reader::from_path(path)?;
    let headers = rows.headers()?.clone();
    let place = |name: &str| headers.iter().position(|header| header == name).ok_or(format!("no column {name}"));
    let (score, flagged) = (place("score")?, place("flagged")?);
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row?;
        Ok((row[score].parse()?, row[flagged].parse()?))
    };
    rows.records().map(row).collect()
}

fn run(program: &Path, words: &[&Path]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(words).output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
    }
}
