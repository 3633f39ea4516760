//! The guide's survey of penguins, and the truth about it.

use std::fs;
use std::path::Path;

/// The Chinstraps of the survey, the rare species, as `xtask/data/export_guide.py` draws them.
const CHINSTRAPS: [&str; 18] = [
    "P005", "P016", "P017", "P021", "P022", "P051", "P078", "P088", "P089", "P118", "P134", "P152", "P176", "P181",
    "P189", "P190", "P197", "P199",
];

/// The table, in which eight Chinstraps are labelled in the last column.
///
/// # Panics
/// When the file is gone.
pub fn labelled() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/survey.csv");
    fs::read_to_string(path).expect("the guide's survey")
}

/// The table without its label column.
///
/// # Panics
/// As [`labelled`].
pub fn unlabelled() -> String {
    let without = |line: &str| format!("{}\n", line.rsplit_once(',').expect("several columns").0);
    labelled().lines().map(without).collect()
}

/// The true answer on a row, counted from 1: `anomaly` or `normal`. The identifiers are `P001`, `P002` and so on.
pub fn truth(row: u64) -> &'static str {
    if CHINSTRAPS.contains(&format!("P{row:03}").as_str()) { "anomaly" } else { "normal" }
}
