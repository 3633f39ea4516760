//! Methods of other programs in a bench: the rows of its splits go out, and scores come back.

use std::fs;
use std::path::Path;

use anoonly::data::table::Table;
use anoonly_system_tests::{anoonly, stderr};
use serde_json::{Value, json};

const PLAN: [&str; 7] = ["bench", "--datasets", "wine,penguins", "--seeds", "1,2", "--label-count", "0,2"];

/// Exports the splits and returns their list.
fn export(folder: &Path) -> Vec<Value> {
    let output = anoonly(PLAN.into_iter().chain(["--export-splits", folder.to_str().unwrap()]));
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
    let said = format!("8 splits of 2 data sets, listed in {}", folder.join("splits.jsonl").display());
    assert!(stderr(&output).contains(&said), "{}", stderr(&output));
    let list = fs::read_to_string(folder.join("splits.jsonl")).unwrap();
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The other program: its scores are the first column.
fn line(folder: &Path, split: &Value) -> Value {
    let test = Table::read(&folder.join(split["test"].as_str().unwrap())).unwrap();
    let column = test.exact_texts("x0").unwrap().into_iter();
    let scores: Vec<f64> = column.map(|value| value.unwrap().parse().unwrap()).collect();
    let key = &split["split"];
    json!({"split": key, "model": "first-column", "settings": "none", "scores": scores, "fit_seconds": 0.0, "score_seconds": 0.1})
}

fn import(folder: &Path, lines: &[String], more: &[&str]) -> std::process::Output {
    let scores = folder.join("scores.jsonl");
    fs::write(&scores, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let out = folder.join("out");
    let words = ["--import", scores.to_str().unwrap(), "--out", out.to_str().unwrap(), "--models", "logistic,knn"];
    anoonly(PLAN.iter().chain(&words).chain(more))
}

/// The mean AUROC in percent of a method at 2 labels in results.csv.
fn auroc(out: &Path, model: &str) -> f64 {
    let mut reader = csv::Reader::from_path(out.join("results.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let of: Vec<f64> = rows
        .iter()
        .filter(|row| &row[2] == model && &row[6] == "2")
        .map(|row| row[13].parse::<f64>().unwrap())
        .collect();
    assert_eq!(of.len(), 4, "{model}");
    100.0 * of.iter().sum::<f64>() / 4.0
}

#[test]
fn a_method_of_another_program_stands_beside_ours() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let splits = export(place);
    let lines: Vec<String> = splits.iter().map(|split| line(place, split).to_string()).collect();
    let labelled: Vec<String> = lines.iter().skip(1).step_by(2).cloned().collect();
    let elsewhere = lines[0].replace(splits[0]["split"].as_str().unwrap(), "0123");
    let output = import(place, &[&labelled[..], &[elsewhere]].concat(), &["--standings"]);
    assert!(output.status.success(), "{}", stderr(&output));
    for said in [
        "left out at 0 labels, because they need at least one: logistic",
        "4 runs of other programs: first-column",
        "1 line is left out, for splits that are not in this bench",
        "left out at 0 labels, because they have no line there: first-column",
        "16 runs on",
    ] {
        assert!(stderr(&output).contains(said), "{said}: {}", stderr(&output));
    }
    let out = place.join("out");
    let table = String::from_utf8(output.stdout).unwrap();
    let of_two = table.split("2 labelled anomalies").nth(1).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let shown = of_two.lines().find(|line| line.starts_with("| first-column")).map(cells).unwrap();
    assert_eq!(shown[2], "none");
    let mean = format!("{:.1} ±", auroc(&out, "first-column"));
    assert!(shown.iter().any(|cell| cell.starts_with(&mean)), "{shown:?} has no {mean}");

    // With scores for the splits without labels, the method has runs there too. Merged folders have the same tables and a report.
    let output = import(place, &lines, &[]);
    assert!(output.status.success() && stderr(&output).contains("20 runs on"), "{}", stderr(&output));
    let (merged, report) = (place.join("merged"), place.join("report.html"));
    let words = ["bench", "merge", out.to_str().unwrap(), "--out", merged.to_str().unwrap(), "--report"];
    let again = anoonly(words.into_iter().chain([report.to_str().unwrap()]));
    assert!(again.status.success() && !stderr(&again).contains("in none of these folders"), "{}", stderr(&again));
    assert_eq!(again.stdout, output.stdout);
    assert_eq!(fs::read(merged.join("results.csv")).unwrap(), fs::read(out.join("results.csv")).unwrap());
    assert!(fs::read_to_string(report).unwrap().contains("first-column"));
}

/// One plan serves the export and the bench, whatever it says about tables.
#[test]
fn a_plan_for_tables_also_exports() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (plan, splits) = (place("plan.toml"), place("splits"));
    let text = format!(
        "standings = true\nreport = \"{}\"\ndatasets = \"wine\"\nseeds = 1\nlabel-count = [0, 2]\n",
        place("r.html")
    );
    fs::write(&plan, text).unwrap();
    let export = ["bench", "--plan", &plan, "--export-splits", &splits];
    let output = anoonly(export);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("2 splits of 1 data set"), "{}", stderr(&output));
    assert!(!folder.path().join("r.html").exists());
    // An option of the command line without effect is a mistake.
    let output = anoonly(export.into_iter().chain(["--standings"]));
    assert_eq!(output.status.code(), Some(2));
    let refused = "--standings: does not apply with --export-splits";
    assert!(stderr(&output).contains(refused), "{}", stderr(&output));
}

#[test]
fn scores_that_cannot_be_used_are_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let good: Vec<Value> = export(place).iter().map(|split| line(place, split)).collect();
    let text: Vec<String> = good.iter().map(Value::to_string).collect();
    let with = |line: String| [&text[..2], &[line], &text[3..]].concat();
    let changed = |key: &str, value: Value| {
        let mut line = good[2].clone();
        line[key] = value;
        with(line.to_string())
    };
    let first = |values: &str| with(text[2].replacen('[', &format!("[{values},"), 1));
    let cut_off = [&text[..], &[text[2][..20].into()]].concat();
    for (lines, parts) in [
        (
            changed("scores", json!([0.5])),
            &["scores.jsonl: line 3: 1 scores of first-column for the", "their order"][..],
        ),
        (first("NaN"), &["line 3: NaN is not a finite number", "has `error` instead of scores"]),
        (changed("model", "knn".into()), &["line 3: `knn` is the name of a method", "another name"]),
        (cut_off, &["line 9: not a run on a split"]),
        (with(text[1].clone()), &["line 3: scores of first-column for data set penguins", "already in", "line 2"]),
        (
            [&text[..3], &text[4..]].concat(),
            &["no line for 1 of 8 splits; the first is data set penguins, seed 2", "--label-count"],
        ),
        (changed("settings", "other".into()), &["line 3: the settings of first-column are `other`", "another name"]),
    ] {
        let output = import(place, &lines, &[]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
        assert!(!place.join("out").exists(), "something was measured");
    }
    // A run that failed is a row with the reason, and the bench ends like one with a failed run of a method.
    let (mut failed, key) = (text.clone(), &good[2]["split"]);
    failed[2] =
        json!({"split": key, "model": "first-column", "settings": "none", "error": "out of memory"}).to_string();
    let output = import(place, &failed, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 of 20 runs failed"), "{}", stderr(&output));
    assert!(fs::read_to_string(place.join("out/results.csv")).unwrap().contains("failed,out of memory,none"));

    let wrong = |more: &[&str], part: &str| {
        let output = anoonly(PLAN.iter().chain(more));
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    };
    wrong(&["--export-splits", "a", "--shard", "1/2"], "--shard: does not apply with --export-splits");
    wrong(&["--import", "/no/such.jsonl"], "/no/such.jsonl");
    let labelling = anoonly(["bench", "--labelling", "--import", "a.jsonl"]);
    assert!(stderr(&labelling).contains("--import: does not apply with --labelling"), "{}", stderr(&labelling));
}
