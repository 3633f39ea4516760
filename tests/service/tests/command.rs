//! Compares the scores, p-values, flags and reasons of this service with those of the command, bit by bit, for every method.
//!
//! ```sh
//! cargo build --release --workspace
//! ANOONLY_PROGRAM=target/release/anoonly cargo test --release --manifest-path tests/service/Cargo.toml
//! ```

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anoonly::{Model, PipelineError, RowColumns, RowError, RowValue, Unknown};
use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;

/// The environment variable with the program.
const PROGRAM: &str = "ANOONLY_PROGRAM";
const ROWS: usize = 400;
const NAMES: [&str; 6] = ["amount", "known", "city", "code", "time", "share"];
/// Methods whose scores are no plain steps.
const NEED_A_BACKEND: [&str; 4] = ["dagmm", "ft-transformer", "ganomaly", "repen"];
/// The number of rows to explain.
const EXPLAINED: usize = 3;

fn program() -> PathBuf {
    let program = std::env::var_os(PROGRAM).unwrap_or_else(|| panic!("set {PROGRAM} to the program `anoonly`"));
    // Tests run in the folder of their package.
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&program);
    fs::canonicalize(&here).unwrap_or_else(|error| panic!("{}: {error}", here.display()))
}

fn run(words: &[&dyn AsRef<OsStr>]) -> Result<Vec<u8>, String> {
    let output = Command::new(program()).args(words.iter().map(|word| word.as_ref())).output().unwrap();
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn time(row: usize) -> NaiveDateTime {
    DateTime::from_timestamp(1_735_700_400 + (row as i64 * 7919 % 7000) * 3600, 0).unwrap().naive_utc()
}

/// A number that may be missing, a truth value, a category, a number that is a category, a time and a very small number.
fn values(row: usize) -> [RowValue<'static>; 6] {
    let bad = row.is_multiple_of(16);
    let amount = (row % 9 != 4).then(|| (row * 37 % 101) as f64 / 8.0 + if bad { 25.0 } else { 0.25 });
    let city = (row % 11 != 7).then(|| if bad { "Cairo" } else { ["Rome", "Oslo"][row % 2] });
    [
        amount.into(),
        (row.is_multiple_of(3) || bad).into(),
        city.into(),
        ((10_115 + row * row % 23) as i64).into(),
        time(row).into(),
        ((row * 13 % 17) as f64 * 1e-7).into(),
    ]
}

fn text(value: &RowValue<'_>) -> String {
    match value {
        RowValue::Missing => String::new(),
        RowValue::Truth(value) => value.to_string(),
        RowValue::Integer(value) => value.to_string(),
        RowValue::Number(value) => value.to_string(),
        RowValue::Text(text) => text.to_string(),
        RowValue::Time(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
    }
}

/// The rows as CSV, a fifth of the anomalies labelled.
fn table() -> String {
    let line = |row: usize| {
        let texts: Vec<String> = values(row).iter().map(text).collect();
        let label = if row.is_multiple_of(80) { "1" } else { "" };
        format!("{row},{},{label}\n", texts.join(","))
    };
    format!("id,{},bad\n{}", NAMES.join(","), (0..ROWS).map(line).collect::<String>())
}

/// A folder with the table and with settings for short trainings.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.csv"), table()).unwrap();
    folder
}

/// Trains a model with a threshold.
fn train(folder: &Path, method: &Value, strategy: &str) -> PathBuf {
    let name = method["name"].as_str().unwrap();
    let epochs = if method["settings"]["recipe"].is_null() { "" } else { "recipe.epochs = 3\n" };
    let pretraining = if name == "feawad" { "pretraining.epochs = 3\n" } else { "" };
    fs::write(folder.join("config.toml"), format!("[{name}]\n{epochs}{pretraining}")).unwrap();
    let (table, model, config) = (folder.join("table.csv"), folder.join("model.anoonly"), folder.join("config.toml"));
    let mut words: Vec<&dyn AsRef<OsStr>> =
        vec![&"train", &table, &"--label", &"bad", &"--id", &"id", &"--model", &name];
    words.extend::<[&dyn AsRef<OsStr>; 4]>([&"--config", &config, &"--out", &model]);
    words.extend::<[&dyn AsRef<OsStr>; 4]>([&"--category", &"code", &"--keep", &"time"]);
    if !epochs.is_empty() {
        words.extend::<[&dyn AsRef<OsStr>; 4]>([&"--ensemble", &"2", &"--strategy", &strategy]);
    }
    run(&words).unwrap();
    run(&[&"threshold", &model, &"--fpr", &"0.1"]).unwrap();
    model
}

fn columns(model: &Model) -> RowColumns {
    model.row_columns(&NAMES, Unknown::Refuse).unwrap()
}

/// Compares the scores of a model.
fn compare(folder: &Path, file: &Path, name: &str) {
    let (table, scores) = (folder.join("table.csv"), folder.join("scores.csv"));
    run(&[&"score", &file, &table, &"--out", &scores]).unwrap();
    let explained = run(&[&"explain", &file, &table, &"--top", &EXPLAINED.to_string(), &"--json"]).unwrap();
    let explained: Vec<Value> = serde_json::from_slice(&explained).unwrap();

    let model = Model::load(file).unwrap();
    let columns = columns(&model);
    let rows: Vec<_> = (0..ROWS).map(values).collect();
    let together = model.score_all_values(&columns, &rows).unwrap();
    let mut reader = csv::Reader::from_path(scores).unwrap();
    let headers = reader.headers().unwrap().clone();
    let place = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (score, p_value, flagged, id) = (place("score"), place("p_value"), place("flagged"), place("id"));
    let mut read = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let row: usize = record[id].parse().unwrap();
        let ours = together[row];
        let expected: f32 = record[score].parse().unwrap();
        assert_eq!(ours.score.to_bits(), expected.to_bits(), "{name}, row {row}: {} and {expected}", ours.score);
        assert_eq!(ours.p_value, record[p_value].parse().ok(), "{name}, row {row}");
        assert_eq!(ours.flagged, record[flagged].parse().ok(), "{name}, row {row}");
        assert!(ours.p_value.is_some() && ours.flagged.is_some());
        let alone = model.score_row(NAMES.into_iter().zip(values(row)), Unknown::Refuse).unwrap();
        assert_eq!(alone, ours, "{name}, row {row}");
        read += 1;
    }
    assert_eq!(read, ROWS);
    assert!(together.iter().any(|row| row.score != together[0].score), "{name}: all scores are alike");

    assert_eq!(explained.len(), EXPLAINED);
    let number = |value: &Value| -> f32 { value.to_string().parse().unwrap() };
    for expected in explained {
        let row: usize = expected["row"][0][1].as_str().unwrap().parse().unwrap();
        let ours = model.explain_row(NAMES.into_iter().zip(values(row)), Unknown::Refuse).unwrap();
        assert_eq!(ours.score, number(&expected["score"]), "{name}, row {row}");
        assert_eq!(ours.baseline, number(&expected["baseline"]), "{name}, row {row}");
        assert_eq!(ours.remainder, number(&expected["remainder"]), "{name}, row {row}");
        let parts = expected["contributions"].as_array().unwrap().iter();
        let theirs: HashMap<&str, &Value> = parts.map(|part| (part["column"].as_str().unwrap(), part)).collect();
        assert_eq!(ours.reasons.len(), theirs.len(), "{name}, row {row}");
        for reason in ours.reasons {
            let theirs = theirs[&reason.column[..]];
            assert_eq!(reason.contribution, number(&theirs["contribution"]), "{name}, row {row}, {}", reason.column);
            let context = reason.context.map(|context| context.to_string());
            assert_eq!(context.as_deref(), theirs["context"]["text"].as_str(), "{name}, row {row}, {}", reason.column);
        }
    }
}

#[test]
fn every_method_scores_and_explains_as_in_the_command() {
    let folder = folder();
    let methods: Vec<Value> = serde_json::from_slice(&run(&[&"models", &"--json"]).unwrap()).unwrap();
    let mut compared = 0;
    for method in &methods {
        let name = method["name"].as_str().unwrap();
        let file = train(folder.path(), method, "anoonly");
        if NEED_A_BACKEND.contains(&name) {
            let error = Model::load(&file).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("needs the whole library"), "{error}");
            continue;
        }
        compare(folder.path(), &file, name);
        compared += 1;
        if name == "devnet" {
            compare(folder.path(), &train(folder.path(), method, "host"), "devnet host");
        }
    }
    assert_eq!(compared + NEED_A_BACKEND.len(), methods.len());
    assert!(compared > 25, "{compared}");
}

#[test]
fn errors_name_the_column() {
    let folder = folder();
    let methods: Vec<Value> = serde_json::from_slice(&run(&[&"models", &"--json"]).unwrap()).unwrap();
    let logistic = methods.iter().find(|method| method["name"] == "logistic").unwrap();
    let model = Model::load(&train(folder.path(), logistic, "host")).unwrap();
    let row = |changes: &[(&'static str, RowValue<'static>)]| {
        let mut row: Vec<_> = NAMES.into_iter().zip(values(1)).collect();
        for (name, value) in changes {
            row.retain(|(known, _)| known != name);
            row.push((name, value.clone()));
        }
        row
    };
    let refused = |row: Vec<(&'static str, RowValue<'static>)>| match model.score_row(row, Unknown::Refuse) {
        Err(PipelineError::Row(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(refused(row(&[("city", "Paris".into())])), RowError::NewCategory { column, .. } if column == "city")
    );
    assert!(
        matches!(refused(row(&[("amount", "many".into())])), RowError::OtherKind { column, .. } if column == "amount")
    );
    assert!(
        matches!(refused(row(&[("citty", "Rome".into())])), RowError::UnknownColumn { column, .. } if column == "citty")
    );
    assert!(matches!(refused(row(&[])[1..].to_vec()), RowError::MissingColumns { missing } if missing == ["amount"]));
    let lenient = [("city", "Paris".into()), ("amount", "many".into()), ("citty", "x".into())];
    assert!(model.score_row(row(&lenient), Unknown::Accept).is_ok());
    // Identifiers and labels are no features, but may be given.
    assert!(model.score_row(row(&[("id", 7i64.into()), ("bad", RowValue::Missing)]), Unknown::Refuse).is_ok());
    let far = model.score_row(row(&[("amount", f64::INFINITY.into())]), Unknown::Refuse).unwrap();
    assert_eq!(far.score, f32::MAX);
}

/// A model of an earlier version is refused with the way out.
#[test]
fn a_network_of_an_earlier_format_is_refused() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/anoonly/fixtures/format-2.anoonly");
    let error = Model::load(&fixture).unwrap_err().to_string();
    assert!(error.contains("devnet") && error.contains("loading and saving it"), "{error}");
    // Rules of every format have all that they need.
    let rules = fixture.with_file_name("rules");
    assert!(Model::load(&rules.join("knn.anoonly")).is_ok());
}

#[test]
fn the_page_has_the_example_as_it_is() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("../../docs/service.md")).unwrap();
    let example = fs::read_to_string(here.join("src/main.rs")).unwrap();
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(page.contains(code), "docs/service.md has another example than src/main.rs");
}
