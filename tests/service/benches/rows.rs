//! The time to score rows with 50 columns, one at a time and a thousand together.
//!
//! ```sh
//! cargo build --release --workspace
//! ANOONLY_PROGRAM=target/release/anoonly cargo bench --manifest-path tests/service/Cargo.toml
//! ```

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anoonly::{Model, RowValue, Unknown};
use divan::{Bencher, black_box};

const COLUMNS: usize = 50;
const TRAINING_ROWS: usize = 6000;
const METHODS: [&str; 2] = ["devnet", "quorum"];

fn main() {
    divan::main();
}

/// Numbers that look random, with anomalies that lie apart.
fn value(row: usize, column: usize) -> f64 {
    let mixed = (row * COLUMNS + column).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    mixed as f64 / f64::from(1 << 24) + if row.is_multiple_of(50) { 0.5 } else { 0.0 }
}

fn names() -> Vec<String> {
    (0..COLUMNS).map(|column| format!("x{column}")).collect()
}

fn row(row: usize) -> Vec<RowValue<'static>> {
    (0..COLUMNS).map(|column| value(row, column).into()).collect()
}

/// A model with the default settings, trained by the command.
fn model(method: &str) -> Model {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (table, model) = (folder.path().join("table.csv"), folder.path().join("model.anoonly"));
    let mut text = format!("{},bad\n", names().join(","));
    for row in 0..TRAINING_ROWS {
        (0..COLUMNS).for_each(|column| write!(text, "{},", value(row, column)).expect("writing to memory"));
        writeln!(text, "{}", if row.is_multiple_of(100) { "1" } else { "" }).expect("writing to memory");
    }
    fs::write(&table, text).expect("a written table");
    let program = std::env::var_os("ANOONLY_PROGRAM").expect("ANOONLY_PROGRAM names the program");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(program);
    let words = ["--label", "bad", "--model", method, "--out"];
    let output = Command::new(program).arg("train").arg(&table).args(words).arg(&model).output().expect("a program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Model::load(&model).expect("a model")
}

/// One row, given by the names of its columns.
#[divan::bench(args = METHODS)]
fn one_row_by_name(bencher: Bencher<'_, '_>, method: &str) {
    let (model, names) = (model(method), names());
    let row: Vec<(&str, RowValue<'static>)> = names.iter().map(String::as_str).zip(row(7)).collect();
    bencher.bench(|| model.score_row(black_box(&row).iter().cloned(), Unknown::Refuse));
}

/// One row, whose columns were matched before.
#[divan::bench(args = METHODS)]
fn one_row(bencher: Bencher<'_, '_>, method: &str) {
    let model = model(method);
    let columns = model.row_columns(&names(), Unknown::Refuse).expect("the columns of the model");
    let row = row(7);
    bencher.bench(|| model.score_values(&columns, black_box(&row)));
}

/// A thousand rows, on all cores.
#[divan::bench(args = METHODS)]
fn thousand_rows(bencher: Bencher<'_, '_>, method: &str) {
    let model = model(method);
    let columns = model.row_columns(&names(), Unknown::Refuse).expect("the columns of the model");
    let rows: Vec<Vec<RowValue<'static>>> = (0..1000).map(row).collect();
    bencher.bench(|| model.score_all_values(&columns, black_box(&rows)));
}
