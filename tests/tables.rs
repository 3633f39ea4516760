//! From a table to a ranked list, a threshold and a model file, with the command and the library.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anoonly::data::table::Table;
use anoonly_system_tests::{anoonly, command, done, stderr, tables, trained};

#[test]
fn a_table_becomes_a_model_a_ranked_list_and_flags() {
    let (_folder, file) = tables();
    let printed = trained(&file, &[]);
    for words in [
        "label `yes`: 20 rows, anomalies",
        "label (empty): 980 rows, unlabelled",
        "left out",
        "its value is the same",
        "held out",
    ] {
        assert!(printed.contains(words), "`{words}` is not in: {printed}");
    }
    let (model, new) = (file("model.anoonly"), file("new.csv"));
    let figures = || -> serde_json::Value {
        serde_json::from_str(&done(anoonly(["evaluate", &model, &new, "--label", "fraud", "--json"]))).unwrap()
    };
    let figure = |path: &str| figures().pointer(path).unwrap().as_f64().unwrap();
    assert!(figure("/auroc/estimate") > 0.9, "{}", figures());
    assert!(figures()["at_threshold"].is_null());

    // Scores keep the order of the rows and their identifiers; ranks and flags agree with them.
    done(anoonly(["threshold", &model, "--fpr", "0.05"]));
    assert!(figures()["at_threshold"]["flagged"].as_u64().unwrap() > 0);
    let out = file("scores.csv");
    done(anoonly(["score", &model, &new, "--out", &out]));
    let mut rows = csv::Reader::from_path(&out).unwrap();
    assert_eq!(rows.headers().unwrap(), vec!["id", "score", "rank", "p_value", "flagged"]);
    let rows: Vec<(String, f32, u64, f64, bool)> = rows.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 400);
    assert!(rows.iter().enumerate().all(|(place, row)| row.0 == format!("T{}", 1000 + place)));
    for row in &rows {
        assert_eq!(row.2, 1 + rows.iter().filter(|other| other.1 > row.1).count() as u64);
        assert_eq!(row.4, row.3 <= 0.05, "{row:?}");
    }

    // Through a pipe, into Parquet, as JSON: the same.
    let mut piped =
        command(["score", &model, "-", "--out", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(&fs::read(&new).unwrap()).unwrap();
    assert_eq!(done(piped.wait_with_output().unwrap()), fs::read_to_string(&out).unwrap());
    let parquet = file("scores.parquet");
    done(anoonly(["score", &model, &new, "--out", &parquet]));
    let table = Table::read(Path::new(&parquet)).unwrap();
    assert_eq!((table.rows(), table.columns()), (400, vec!["id", "score", "rank", "p_value", "flagged"]));
    let top: serde_json::Value =
        serde_json::from_str(&done(anoonly(["score", &model, &new, "--top", "3", "--json"]))).unwrap();
    assert_eq!((top.as_array().unwrap().len(), &top[0]["rank"]), (3, &serde_json::json!(1)));

    // The library scores as the command does.
    let model = anoonly::Model::load(Path::new(&model)).unwrap();
    let scores = model.score(&Table::read(Path::new(&new)).unwrap()).unwrap();
    assert!(scores.iter().zip(&rows).all(|(score, row)| (score - row.1).abs() <= 1e-5 * row.1.abs().max(1.0)));
}

#[test]
fn thresholds_change_without_another_fit() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let (model, new) = (file("model.anoonly"), file("new.csv"));
    let scores = |name: &str| {
        done(anoonly(["score", &model, &new, "--out", &file(name)]));
        let mut rows = csv::Reader::from_path(file(name)).unwrap();
        rows.records().map(|row| row.unwrap()).collect::<Vec<_>>()
    };
    let before = scores("before.csv");
    let flagged = |rule: &[&str]| {
        done(anoonly([&["threshold", model.as_str()], rule].concat()));
        let after = scores("after.csv");
        assert!(before.iter().zip(&after).all(|(a, b)| a.iter().zip(b.iter()).take(4).all(|(a, b)| a == b)));
        after.iter().filter(|row| &row[4] == "true").count()
    };
    let strict = flagged(&["--fpr", "0.02"]);
    let loose = flagged(&["--share", "0.3"]);
    assert!(strict < loose && loose < 400, "{strict}, {loose}");
    assert_eq!(flagged(&["--score", "-1e30"]), 400);
    // Benjamini and Hochberg's rule flags no row whose p-value is above the rate.
    assert!(flagged(&["--fdr", "0.9"]) <= flagged(&["--fpr", "0.9"]));
    assert!(flagged(&["--max-f1", &new, "--label", "fraud"]) >= 10);
    for (rule, expected) in [
        (&["--fpr", "0.000001"][..], "needs at least"),
        (&["--share", "2"], "share"),
        (&["--fdr", "0"], "0"),
        (&["--score", "nan"], "finite"),
        (&[], "--fpr"),
        (&["--fpr", "0.1", "--share", "0.1"], "cannot be used with"),
    ] {
        let output = anoonly([&["threshold", model.as_str()], rule].concat());
        assert_eq!(output.status.code(), Some(2), "{rule:?}");
        assert!(stderr(&output).contains(expected), "{rule:?}: {}", stderr(&output));
    }
    trained(&file, &["--held-out", "0"]);
    let output = anoonly(["threshold", &model, "--fpr", "0.1"]);
    assert!(stderr(&output).contains("--held-out"), "{}", stderr(&output));
}

#[test]
fn values_unseen_in_training_are_refused_unless_lenient() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let model = file("model.anoonly");
    for (name, content, expected) in [
        (
            "category.csv",
            "id,amount,city,time,age\nA,1,Rome,2026-01-01,3\nB,1,Bonn,2026-01-01,3\n",
            "`city`, row 2: the category `Bonn` did not occur in training",
        ),
        ("column.csv", "id,amount,city,age\nA,1,Rome,3\n", "no column `time`"),
        ("kind.csv", "id,amount,city,time,age\nA,much,Rome,2026-01-01,3\n", "`amount`, row 1: `much` is not a number"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
        let output = anoonly(["score", &model, &file(name)]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        done(anoonly(["score", &model, &file(name), "--lenient"]));
    }
}

#[test]
fn options_are_checked_before_the_fit() {
    let (_folder, file) = tables();
    for (options, expected) in [
        (&["--drop", "amuont"][..], "no column `amuont`; did you mean amount"),
        (&["--ensemble", "0"], "--ensemble: at least one member"),
        (&["--held-out", "1"], "--held-out"),
        (&["--model", "devnt"], "did you mean devnet"),
        (&["--anomaly", "fraudulent"], "column `fraud`: no row holds `fraudulent`"),
        (&["--config", "/no/such.toml"], "/no/such.toml"),
        (&["--drop", "amount,city,time,age,currency"], "no column to learn from"),
    ] {
        let (train, model) = (file("train.csv"), file("model.anoonly"));
        let output = anoonly([&["train", &train, "--label", "fraud", "--id", "id", "--out", &model], options].concat());
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {error}");
        assert!(error.contains(expected), "{options:?}: {error}");
        assert!(!Path::new(&model).exists());
    }
}

#[test]
fn inspect_describes_a_model() {
    let (_folder, file) = tables();
    trained(&file, &["--validate", "--model", "deepsad", "--strategy", "host"]);
    let printed = done(anoonly(["inspect", &file("model.anoonly")]));
    for words in [
        "trained on train.csv",
        "20 labelled anomalies",
        "| city     | category | one of Cairo, Lima, Oslo, Rome ",
        "| currency |          | left out ",
        "deepsad",
        "validated on 5 folds",
    ] {
        assert!(printed.contains(words), "`{words}` is not in: {printed}");
    }
    let threshold = done(anoonly(["threshold", &file("model.anoonly"), "--fpr", "0.1", "--json"]));
    let inspected = done(anoonly(["inspect", &file("model.anoonly"), "--json"]));
    // With the same digits.
    assert!(inspected.contains(&format!("\"threshold\":{}", threshold.trim())), "{threshold} is not in {inspected}");
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["members"].as_array().unwrap().len(), 2);
    let output = anoonly(["inspect", &file("train.csv")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("train.csv"), "{}", stderr(&output));
}

/// A file of format 1 has no digest: this is said once on standard error, and by `inspect`. Setting a threshold adds a digest.
#[test]
fn a_model_without_a_digest_is_read_with_a_warning() {
    let (_folder, file) = tables();
    let model = file("model.anoonly");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/anoonly/fixtures/format-1.anoonly");
    std::fs::copy(old, &model).unwrap();
    let output = anoonly(["inspect", &model]);
    let (said, warning) = (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output));
    assert!(said.starts_with("model format 1: no digest"), "{said}");
    assert!(warning.lines().count() == 1 && warning.contains("has no digest"), "{warning}");
    done(anoonly(["threshold", &model, "--fpr", "0.1"]));
    let output = anoonly(["inspect", &model, "--json"]);
    assert_eq!(stderr(&output), "");
    let inspected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&inspected["file"]["format"], &inspected["file"]["verified"]), (&2.into(), &true.into()));
}

#[test]
fn the_highest_scores_are_explained_by_the_columns_of_the_table() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let (model, new, page) = (file("model.anoonly"), file("new.csv"), file("page.html"));
    let explained: serde_json::Value =
        serde_json::from_str(&done(anoonly(["explain", &model, &new, "--top", "5", "--json"]))).unwrap();
    let rows = explained.as_array().unwrap();
    assert_eq!(rows.len(), 5);
    let scored: serde_json::Value =
        serde_json::from_str(&done(anoonly(["score", &model, &new, "--top", "5", "--json"]))).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    for (row, scored) in rows.iter().zip(scored.as_array().unwrap()) {
        assert_eq!(row["rank"], scored["rank"]);
        assert!((number(&row["score"]) - number(&scored["score"])).abs() <= 1e-5, "{row} and {scored}");
        assert_eq!(row["row"][0][1], scored["id"]);
        let parts = row["contributions"].as_array().unwrap();
        let mut columns: Vec<&str> = parts.iter().map(|part| part["column"].as_str().unwrap()).collect();
        columns.sort_unstable();
        assert_eq!(columns, ["age", "amount", "city", "time"]);
        let sum: f64 = parts.iter().map(|part| number(&part["contribution"])).sum();
        let difference = number(&row["score"]) - number(&row["baseline"]);
        assert!((sum + number(&row["remainder"]) - difference).abs() <= 1e-4 * difference.abs(), "{row}");
        assert!(number(&row["remainder"]).abs() <= 2e-3 * difference.abs(), "{row}");
        // Anomalies differ by amount, city and hour, but not by age.
        let of = |name: &str| parts.iter().find(|part| part["column"] == name).unwrap();
        assert_eq!(of("city")["value"], "Cairo");
        let context = |name: &str| of(name)["context"].clone();
        assert_eq!((&context("city")["kind"], &context("amount")["kind"]), (&"category".into(), &"number".into()));
        assert_eq!(
            context("city")["text"],
            format!("{} % of rows", (1000.0 * number(&context("city")["share"])).round() / 10.0)
        );
        assert!(number(&context("amount")["lower"]) > 0.9, "{row}");
        assert!(number(&of("amount")["contribution"]) > 0.0 && number(&of("city")["contribution"]) > 0.0, "{row}");
    }

    let table = done(anoonly(["explain", &model, &new, "--top", "5", "--columns", "2", "--html", &page]));
    assert!(
        table.contains("| rank ") && table.contains("city = Cairo, ") && table.contains(" % of rows (+"),
        "{table}"
    );
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("Cairo") && !html.contains("http:") && !html.contains("https:"));
    assert_eq!(html.matches("<section>").count(), 5);

    for (words, expected) in [(["--top", "0"], "--top"), (["--html", "/no/such/folder/page.html"], "/no/such/folder")] {
        let output = anoonly(["explain", &model, &new, words[0], words[1]]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    trained(&file, &["--model", "mean-difference"]);
    done(anoonly(["explain", &model, &new, "--top", "1"]));
}
