//! Formats that other programs read: ONNX files and model files. Other runtimes check the scores of ONNX files, in `tests/tract`
//! and `xtask/peers/check_onnx.py`.

use std::fs;
use std::path::{Path, PathBuf};

use anoonly::data::table::Table;
use anoonly::models::AnyMethod;
use anoonly::pipeline::{Model, OnnxForm, OnnxModel, PipelineError, Threshold, ThresholdRule};
use anoonly::train::model_file;
use anoonly_system_tests::{anoonly, done, stderr, tables, trained};

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

/// The names of the outputs.
fn outputs(exported: &OnnxModel) -> Vec<&str> {
    exported.outputs.iter().map(|output| output.name).collect()
}

#[test]
fn an_exported_file_names_its_columns_and_its_origin() {
    let (_folder, path) = table();
    let model = fitted("devnet", &path);
    let exported = model.to_onnx().unwrap();
    assert_eq!(exported.columns, ["amount", "age", "known"]);
    let fingerprint = &model.provenance().fingerprint;
    for text in [r#"["amount","age","known"]"#, "0 for false, 1 for true", fingerprint, "devnet"] {
        assert!(holds(exported.bytes(), text), "{text}");
    }
    assert_eq!(exported.size, exported.bytes().len());
    assert_eq!(model.to_onnx().unwrap(), exported);
    let matrix = model.to_onnx_as(OnnxForm::Matrix).unwrap();
    assert_eq!(matrix.columns, exported.columns);
    assert!(matrix.inputs.iter().all(|input| input.name == "input"));
    assert!(holds(matrix.bytes(), "Truth values, as 0 and 1: known."));
}

#[test]
fn a_threshold_is_exported_if_it_looks_at_one_row_at_a_time() {
    let (_folder, path) = table();
    let mut model = fitted("devnet", &path);
    let exported = model.to_onnx().unwrap();
    assert_eq!((outputs(&exported), exported.threshold), (vec!["score", "p_value"], None));
    model.set_threshold(Threshold::at(0.75).unwrap());
    let exported = model.to_onnx().unwrap();
    assert_eq!((outputs(&exported), exported.threshold), (vec!["score", "p_value", "flagged"], Some(0.75)));
    assert!(holds(exported.bytes(), "a score chosen by hand"));
    let rule = ThresholdRule::FalseDiscoveryRate(0.1);
    model.set_threshold(model.threshold_by(rule).unwrap());
    assert_eq!(outputs(&model.to_onnx().unwrap()), ["score", "p_value"]);
    let without = anoonly::TableDetector::new(AnyMethod::by_name("logistic").unwrap()).held_out(0.0);
    let without = without.fit(&Table::read(&path).unwrap(), "bad").unwrap();
    assert_eq!(outputs(&without.to_onnx().unwrap()), ["score"]);
}

/// `docs/onnx.md` lists every method of the registry, with the operators that its graph needs or the reason why it has none.
///
/// `ANOONLY_BLESS=1 cargo test --release --workspace --test system export` writes the list.
#[test]
fn the_onnx_page_lists_every_method() {
    const START: &str = "<!-- written by the test the_onnx_page_lists_every_method -->\n";
    const END: &str = "<!-- end -->";
    let (_folder, path) = table();
    let mut list = String::from("\n| method | operators |\n|---|---|\n");
    for method in AnyMethod::all() {
        let name = method.info().name;
        let operators = match fitted(name, &path).to_onnx() {
            Ok(exported) => {
                assert!(holds(exported.bytes(), name));
                let domains: Vec<String> = exported.operators.iter().map(|set| format!("`{}`", set.domain)).collect();
                domains.join(", ")
            }
            Err(PipelineError::NotExportable { method, reason }) => {
                assert_eq!(method, name);
                format!("none: {reason}")
            }
            Err(error) => panic!("{name}: {error}"),
        };
        list.push_str(&format!("| [`{name}`](models/{name}.md) | {operators} |\n"));
    }
    list.push('\n');
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/onnx.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    if std::env::var_os("ANOONLY_BLESS").is_some() {
        fs::write(&page, format!("{before}{START}{list}{END}{after}")).unwrap();
    } else {
        assert_eq!(listed, list, "docs/onnx.md and the methods differ");
    }
}

#[test]
fn a_table_with_columns_of_every_kind_has_an_input_for_each() {
    let (_folder, file) = tables();
    trained(&file, &["--model", "logistic"]);
    let exported = done(anoonly(["export", &file("model.anoonly"), "--out", &file("m.onnx"), "--json"]));
    let exported: serde_json::Value = serde_json::from_str(&exported).unwrap();
    let of = |column: &str| {
        let inputs = exported["inputs"].as_array().unwrap();
        inputs.iter().find(|input| input["column"] == column).cloned().unwrap_or_default()
    };
    let amount = serde_json::json!(
        {"name": "amount", "column": "amount", "kind": "number", "type": "float64", "missing": "NaN"}
    );
    assert_eq!(of("amount"), amount);
    assert_eq!((&of("city")["type"], &of("city")["missing"]), (&"string".into(), &"".into()));
    assert_eq!((&of("time")["type"], &of("time")["missing"]), (&"int64".into(), &i64::MIN.into()));
    assert_eq!(of("time")["unit"], "seconds since 1970-01-01 00:00");
    let operators = serde_json::json!([{"domain": "ai.onnx", "version": 13}, {"domain": "ai.onnx.ml", "version": 1}]);
    assert_eq!(exported["operators"], operators);
    let bytes = fs::read(file("m.onnx")).unwrap();
    assert!(holds(&bytes, &exported["inputs"].to_string()), "the metadata of the file has the inputs");

    let matrix = anoonly(["export", &file("model.anoonly"), "--out", &file("matrix.onnx"), "--matrix"]);
    assert_eq!(matrix.status.code(), Some(2));
    let error = stderr(&matrix);
    assert!(error.contains("column `city` is a category: ") && error.contains("without --matrix"), "{error}");
}

#[test]
fn columns_that_are_named_like_outputs_have_inputs_of_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let line =
        |row: usize| format!("{},{},{},{}\n", row % 31, row * 7 % 13, row * 5 % 23, if row < 9 { "1" } else { "" });
    fs::write(&path, format!("score,score_in,columns/Cast_3,bad\n{}", (0..ROWS).map(line).collect::<String>()))
        .unwrap();
    let exported = fitted("logistic", &path).to_onnx().unwrap();
    let names: Vec<&str> = exported.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["score_in", "score_in_in", "columns/Cast_3_in"]);
    assert_eq!(exported.columns, ["score", "score_in", "columns/Cast_3"]);
}

#[test]
fn the_command_writes_a_whole_file_or_nothing() {
    let (folder, path) = table();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (table, model, out) = (path.to_str().unwrap(), file("model.anoonly"), file("model.onnx"));
    let done = |words: &[&str]| done(anoonly(words));
    done(&["train", table, "--label", "bad", "--model", "devnet", "--ensemble", "2", "--out", &model]);
    let printed = done(&["export", &model, "--out", &out]);
    for words in [
        "2 inputs of float64, [rows], numbers; NaN where one is missing: amount, age\n",
        "1 input of float64, [rows], 0 for false, 1 for true; NaN where one is missing: known\n",
        "output `p_value`: float64, [rows]: ",
        "no threshold is set",
        "kB, operators ai.onnx 13\n",
    ] {
        assert!(printed.contains(words), "`{words}` is not in: {printed}");
    }
    done(&["threshold", &model, "--fpr", "0.1"]);
    let exported: serde_json::Value =
        serde_json::from_str(&done(&["export", &model, "--out", &out, "--json"])).unwrap();
    assert_eq!(exported["columns"], serde_json::json!(["amount", "age", "known"]));
    let names: Vec<&serde_json::Value> =
        exported["outputs"].as_array().unwrap().iter().map(|output| &output["name"]).collect();
    assert_eq!(names, ["score", "p_value", "flagged"]);
    assert!(done(&["export", &model, "--out", &out, "--matrix"]).starts_with("input `input`: float64, [rows, 3], "));
    done(&["export", &model, "--out", &out]);
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
