//! Model files of tables: files of released versions are still read and score the same, and damaged files are errors.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anoonly::core::Seed;
use anoonly::data::encode::{EncoderOptions, Unknown};
use anoonly::data::table::Table;
use anoonly::models::AnyMethod;
use anoonly::models::networks::devnet::DevNetConfig;
use anoonly::pipeline::{PipelineError, ThresholdRule};
use anoonly::train::ModelFileError;
use anoonly::train::model_file::{self, FORMAT};
use anoonly::{Model, TableDetector};
use rand::{Rng, RngExt};
use serde_json::{Value, json};

/// The fixture of a version of the format: the model, its table, and the scores of the rows of the table.
fn fixture(format: u32) -> [PathBuf; 3] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    ["anoonly", "csv", "json"].map(|ending| folder.join(format!("format-{format}.{ending}")))
}

/// A table with a column of every kind: numbers, numbers with missing values, truth values, dates, few and many categories, and
/// identifiers.
fn table() -> String {
    let row = |row: usize| {
        let bad = row.is_multiple_of(12);
        let amount = (row * 37 % 100) as f64 / 8.0 + if bad { 20.0 } else { 0.0 };
        let age = if row % 9 == 4 { String::new() } else { (18 + row * 13 % 60).to_string() };
        let (shop, city) = (row * row % 23, if bad { "Cairo" } else { ["Rome", "Oslo"][row % 2] });
        let label = if bad { "yes" } else { "" };
        format!(
            "T{row},{amount},{age},{city},s{shop},{},2026-03-{:02} {:02}:15,{label}\n",
            row.is_multiple_of(3),
            1 + row % 28,
            row % 24
        )
    };
    format!("id,amount,age,city,shop,known,time,fraud\n{}", (0..120).map(row).collect::<String>())
}

/// Writes the fixture of this version of the format. After the version is released, its fixture stays as it is, because it stands
/// for the files that users have.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fixture() {
    let [file, csv, scores] = fixture(FORMAT);
    fs::write(&csv, table()).unwrap();
    let table = Table::read(&csv).unwrap();
    let mut method = DevNetConfig::default();
    method.recipe.epochs = 5;
    let columns = EncoderOptions { one_hot: 8, ..EncoderOptions::default() };
    let detector =
        TableDetector::new(AnyMethod::DevNet(method)).members(2).early_stopping(true).ids(&["id"]).columns(columns);
    let mut model = detector.fit(&table, "fraud").unwrap();
    model.set_threshold(model.threshold_by(ThresholdRule::FalsePositiveRate(0.1)).unwrap());
    model.save(&file).unwrap();
    fs::write(scores, serde_json::to_string_pretty(&model.score(&table).unwrap()).unwrap() + "\n").unwrap();
}

/// Scores may differ by rounding, because another processor may add in another order.
#[test]
fn every_released_format_is_read_and_scores_the_same() {
    for format in 1..=FORMAT {
        let [file, csv, expected] = fixture(format);
        let model = Model::load(&file).unwrap();
        let table = Table::read(&csv).unwrap();
        let scores = model.score(&table).unwrap();
        let expected: Vec<f32> = serde_json::from_str(&fs::read_to_string(expected).unwrap()).unwrap();
        assert_eq!(scores.len(), expected.len());
        for (row, (ours, theirs)) in scores.iter().zip(&expected).enumerate() {
            assert!((ours - theirs).abs() <= 1e-4 * theirs.abs().max(1.0), "row {row}: {ours} instead of {theirs}");
        }
        let flagged = model.flags(&scores).unwrap().unwrap().iter().filter(|&&flag| flag).count();
        assert!((1..60).contains(&flagged), "{flagged}");
        assert_eq!((model.ids(), model.members().len()), (&["id".to_owned()][..], 2));
    }
}

/// Models of every rule in files of format 1, each trained on `rules/table.csv` by version 0.1.0.
/// `scores.json` has the scores that it gave every sixth row.
#[test]
fn rules_of_the_first_version_are_read_and_score_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules");
    let expected: BTreeMap<String, Vec<f32>> =
        serde_json::from_str(&fs::read_to_string(folder.join("scores.json")).unwrap()).unwrap();
    assert_eq!(expected.len(), 20);
    let table = Table::read(&folder.join("table.csv")).unwrap();
    for name in expected.keys() {
        let scores = Model::load(&folder.join(format!("{name}.anoonly"))).unwrap().score(&table).unwrap();
        let ours: Vec<f32> = scores.into_iter().step_by(6).collect();
        assert_eq!(ours.len(), expected[name].len(), "{name}");
        for (ours, theirs) in ours.iter().zip(&expected[name]) {
            assert!((ours - theirs).abs() <= 1e-4 * theirs.abs().max(1.0), "{name}: {ours} instead of {theirs}");
        }
    }
}

/// A model file whose pipeline can be changed. Its digest is then that of the changed file.
struct Damaged {
    folder: tempfile::TempDir,
    file: PathBuf,
    pipeline: Value,
    table: Table,
}

impl Damaged {
    fn new() -> Self {
        let [file, csv, _] = fixture(FORMAT);
        let pipeline = model_file::inspect(&file).unwrap().manifest.pipeline;
        let table = Table::read(&csv).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), file, pipeline, table }
    }

    /// Reads the file with another pipeline.
    fn with(&self, pipeline: Value) -> Result<Model, PipelineError> {
        let path = self.folder.path().join("model");
        fs::copy(&self.file, &path).unwrap();
        model_file::rewrite_pipeline(&path, &pipeline).unwrap();
        Model::load(&path)
    }

    fn pipeline(&self) -> &Value {
        &self.pipeline
    }

    #[track_caller]
    fn refuses(&self, pointer: &str, value: Value) {
        let mut pipeline = self.pipeline().clone();
        *pipeline.pointer_mut(pointer).unwrap() = value;
        let read = self.with(pipeline);
        let malformed = matches!(read, Err(PipelineError::ModelFile(ModelFileError::Malformed { .. })));
        assert!(malformed, "{pointer}: {:?}", read.map(|model| model.provenance().clone()));
    }
}

#[test]
fn an_invalid_pipeline_is_refused() {
    let damaged = Damaged::new();
    assert!(damaged.with(damaged.pipeline().clone()).is_ok());
    damaged.refuses("/encoder/columns", json!([]));
    damaged.refuses("/encoder/columns/0/encoding", json!({"number": {"median": null}}));
    damaged.refuses("/encoder/columns/0/name", json!("age"));
    damaged.refuses("/encoder/columns/0/indicator", json!(true));
    damaged.refuses("/encoder/columns/2/encoding/one-hot/categories", json!(["b", "a", "c"]));
    damaged.refuses("/encoder/columns/2/encoding/one-hot/categories", json!(["a", "a", "b"]));
    damaged.refuses("/encoder/columns/3/encoding/frequency/shares", json!({"s1": 2.0}));
    damaged.refuses("/encoder/columns/5/encoding/date/parts", json!([]));
    damaged.refuses("/encoder/columns/0/training/numbers/equal/0", json!(u64::MAX));
    damaged.refuses("/encoder/columns/0/training/numbers/values/0", json!(1e300));
    damaged.refuses("/encoder/columns/2/training/categories", json!([u64::MAX, 1, 120]));
    damaged.refuses("/encoder/columns/5/training/dates", json!([]));
    damaged.refuses("/standards/0/deviation", json!(0.0));
    damaged.refuses("/standards", json!([]));
    damaged.refuses("/baseline", json!([0.0]));
    damaged.refuses("/calibration/sorted", json!([2.0, 1.0]));
    damaged.refuses("/calibration/sorted", json!([]));
    damaged.refuses("/threshold/rule", json!({"false-positive-rate": 0.1, "share": 0.1}));
    damaged.refuses("/threshold/rule", json!("lowest"));
    damaged.refuses("/threshold/score", json!(1e39));
    damaged.refuses("/about", json!({}));
    damaged.refuses("/about/label", json!(1));
    damaged.refuses("/ids", json!("id"));
}

/// The environment variable that sets the number of changed files, and its default.
const ROUNDS: (&str, usize) = ("ANOONLY_FUZZ_ROUNDS", 1500);

/// Parts of the pipeline are replaced, removed or duplicated. Reading the file then fails, or gives a model that scores or returns
/// an error.
#[test]
fn a_changed_pipeline_is_an_error_or_still_a_model() {
    let damaged = Damaged::new();
    let mut rng = Seed(1).stream(&["changed pipelines"]);
    let rounds = std::env::var(ROUNDS.0).map_or(ROUNDS.1, |rounds| rounds.parse().expect("a number of rounds"));
    let mut models = 0;
    for _ in 0..rounds {
        let mut pipeline = damaged.pipeline().clone();
        (0..rng.random_range(1..3)).for_each(|_| change(&mut pipeline, &mut rng));
        let Ok(model) = damaged.with(pipeline) else { continue };
        models += 1;
        let Ok(scored) = model.scored(&damaged.table, Unknown::Accept) else { continue };
        assert!(scored.scores.iter().all(|score| score.is_finite()));
        // The contexts of explanations.
        (0..3).for_each(|row| drop(model.encoder().contexts(&damaged.table, row)));
        let flags = model.flags(&scored.scores);
        assert!(
            flags.is_err() || flags.is_ok_and(|flags| flags.is_none_or(|flags| flags.len() == damaged.table.rows()))
        );
    }
    assert!(models > rounds / 50 && models < rounds, "{models}");
}

/// Changes a random part of a JSON value.
fn change(value: &mut Value, rng: &mut impl Rng) {
    let deeper = rng.random_bool(0.9);
    match value {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let key = fields.keys().nth(rng.random_range(0..fields.len())).unwrap().clone();
            match rng.random_range(0..12) {
                0 => drop(fields.remove(&key)),
                1 => drop(fields.insert(format!("{key}s"), fields[&key].clone())),
                _ => change(&mut fields[&key], rng),
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = rng.random_range(0..items.len());
            match rng.random_range(0..4) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[at].clone()),
                _ => change(&mut items[at], rng),
            }
        }
        value => {
            let odd = json!([
                null, true, -1, 0, 1, 1_000_000_000, u64::MAX, -0.0, 0.5, 1e-300, 1e38, -1e300, 1e300, "", "number", "date",
                "category", "amount", "year", [], {}, [1], ["a"], {"number": {"median": 3.0}}, {"share": 0.5},
                {"false-discovery-rate": 2.0}, {"false-discovery-rate": 0.2}, {"one-hot": {"categories": ["a"]}}
            ]);
            *value = odd[rng.random_range(0..odd.as_array().unwrap().len())].clone();
        }
    }
}

#[test]
fn a_table_from_memory_scores_like_its_file() {
    let [file, csv, _] = fixture(FORMAT);
    let model = Model::load(&file).unwrap();
    let text = fs::read(&csv).unwrap();
    let table = Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
    assert_eq!(model.score(&table).unwrap(), model.score(&Table::read(&csv).unwrap()).unwrap());
}
