//! Formats that other programs read: ONNX files and model files. Other runtimes check the scores of ONNX files, in `tests/tract`
//! and `xtask/peers/check_onnx.py`.

use std::fs;
use std::path::{Path, PathBuf};

use anoonly::data::table::Table;
use anoonly::models::AnyMethod;
use anoonly::pipeline::{Model, PipelineError, Threshold, ThresholdRule};
use anoonly::train::model_file;
use anoonly_system_tests::{anoonly, stderr};

const ROWS: usize = 400;

/// A folder with `table.csv`: numbers, some of them missing, and truth values.
fn table() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let line = |row: usize| {
        let bad = row.is_multiple_of(20);
        let amount = if row % 9 == 4 { String::new() } else { (row * 37 % 101 + if bad { 90 } else { 0 }).to_string() };
        format!("{amount},{},{},{}\n", row % 31, row.is_multiple_of(3) || bad, if bad { "1" } else { "" })
    };
    fs::write(&path, format!("amount,age,known,bad\n{}", (0..ROWS).map(line).collect::<String>())).unwrap();
    (folder, path)
}

/// A model of two members, trained for two epochs.
fn fitted(name: &str, table: &Path) -> Model {
    let mut method = AnyMethod::by_name(name).unwrap();
    method.recipe_mut().into_iter().for_each(|recipe| recipe.epochs = 2);
    anoonly::TableDetector::new(method).members(2).fit(&Table::read(table).unwrap(), "bad").unwrap()
}

/// Whether a file contains a text.
fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn an_exported_file_names_its_columns_and_its_origin() {
    let (_folder, path) = table();
    let model = fitted("devnet", &path);
    let exported = model.to_onnx().unwrap();
    assert_eq!(exported.columns, ["amount", "age", "known"]);
    for text in
        [r#"["amount","age","known"]"#, "Truth values, as 0 and 1: known.", &model.provenance().fingerprint, "devnet"]
    {
        assert!(holds(exported.bytes(), text), "{text}");
    }
    assert_eq!(model.to_onnx().unwrap(), exported);
}

#[test]
fn a_threshold_is_exported_if_it_looks_at_one_row_at_a_time() {
    let (_folder, path) = table();
    let mut model = fitted("devnet", &path);
    let exported = model.to_onnx().unwrap();
    assert_eq!((exported.outputs, exported.threshold), (vec!["score"], None));
    model.set_threshold(Threshold::at(0.75).unwrap());
    let exported = model.to_onnx().unwrap();
    assert_eq!((exported.outputs.clone(), exported.threshold), (vec!["score", "flagged"], Some(0.75)));
    assert!(holds(exported.bytes(), "a score chosen by hand"));
    let rule = ThresholdRule::FalseDiscoveryRate(0.1);
    model.set_threshold(model.threshold_by(rule).unwrap());
    assert_eq!(model.to_onnx().unwrap().outputs, ["score"]);
}

/// The methods that `docs/onnx.md` lists: the names in the first sentence of the list item that begins with them.
fn listed_in_the_page() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/onnx.md")).unwrap();
    let section = page.split("\n## What can be exported").nth(1).unwrap();
    let item = section.split("\n- ").find(|item| item.contains("`devnet`")).unwrap();
    let sentence = item.split('.').next().unwrap();
    sentence.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_methods_in_the_onnx_page_are_exported_and_others_are_refused_by_name() {
    let (_folder, path) = table();
    let mut exportable = Vec::new();
    for method in AnyMethod::all() {
        let name = method.info().name;
        match fitted(name, &path).to_onnx() {
            Ok(exported) => {
                assert!(holds(exported.bytes(), name));
                exportable.push(name);
            }
            Err(PipelineError::NotExportable { method, .. }) => assert_eq!(method, name),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    let mut listed = listed_in_the_page();
    listed.sort();
    exportable.sort_unstable();
    assert_eq!(listed, exportable, "docs/onnx.md and the methods differ");
}

#[test]
fn the_first_column_that_is_not_numeric_is_named() {
    let (folder, _) = table();
    let mixed = folder.path().join("mixed.csv");
    let line = |row: usize| {
        let label = if row.is_multiple_of(20) { "1" } else { "" };
        format!("{},{},2026-03-{:02},{label}\n", row % 31, ["Rome", "Oslo"][row % 2], 1 + row % 28)
    };
    fs::write(&mixed, format!("amount,city,day,bad\n{}", (0..200).map(line).collect::<String>())).unwrap();
    let error = fitted("devnet", &mixed).to_onnx().unwrap_err();
    assert!(error.to_string().starts_with("column `city` is a category: "), "{error}");
}

#[test]
fn the_command_writes_a_whole_file_or_nothing() {
    let (folder, path) = table();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (table, model, out) = (path.to_str().unwrap(), file("model.anoonly"), file("model.onnx"));
    let done = |words: &[&str]| {
        let output = anoonly(words);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    done(&["train", table, "--label", "bad", "--model", "devnet", "--ensemble", "2", "--out", &model]);
    let printed = done(&["export", &model, "--out", &out]);
    for words in ["[rows, 3]", "amount, age, known", "no threshold is set", "model.onnx written"] {
        assert!(printed.contains(words), "`{words}` is not in: {printed}");
    }
    done(&["threshold", &model, "--fpr", "0.1"]);
    let exported: serde_json::Value =
        serde_json::from_str(&done(&["export", &model, "--out", &out, "--json"])).unwrap();
    assert_eq!(exported["columns"], serde_json::json!(["amount", "age", "known"]));
    assert_eq!(exported["outputs"], serde_json::json!(["score", "flagged"]));
    assert!(exported["threshold"].as_f64().is_some());
    let onnx = fs::read(&out).unwrap();
    assert!(onnx == Model::load(Path::new(&model)).unwrap().to_onnx().unwrap().bytes());

    fs::create_dir(folder.path().join("folder.onnx")).unwrap();
    for (words, expected) in [
        (["export", &model, "--out", "/no/such/folder/model.onnx"], "cannot write /no/such/folder/model.onnx"),
        (["export", &model, "--out", &file("folder.onnx")], "folder.onnx"),
        (["export", table, "--out", &out], "not a model file"),
        (["export", "/no/such/model.anoonly", "--out", &out], "/no/such/model.anoonly"),
    ] {
        let output = anoonly(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(stderr(&output).contains(expected), "{words:?}: {}", stderr(&output));
    }
    // The table, the model, its graph and the folder: files are unchanged, and there is nothing else.
    assert_eq!(fs::read(&out).unwrap(), onnx);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

/// `docs/model-format.md` names every key of a model file, except for the settings of its method.
#[test]
fn the_format_page_names_every_key() {
    fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    found.push(key.clone());
                    if key != "method" {
                        keys(value, found);
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }
    let (folder, path) = table();
    let mut model = fitted("devnet", &path);
    let rule = ThresholdRule::FalsePositiveRate(0.1);
    model.set_threshold(model.threshold_by(rule).unwrap());
    let out = folder.path().join("model.anoonly");
    model.save(&out).unwrap();
    let manifest = serde_json::to_value(model_file::inspect(&out).unwrap().manifest).unwrap();
    let mut found = Vec::new();
    keys(&manifest, &mut found);
    assert!(found.len() > 30, "{found:?}");
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/model-format.md")).unwrap();
    for key in found {
        assert!(
            page.contains(&format!("`{key}`")) || page.contains(&format!("\"{key}\"")),
            "docs/model-format.md does not name `{key}`"
        );
    }
}
