//! Inputs, outputs and options of the model commands: every method, compressed tables, standard input, JSON, early stopping, and
//! the report of an evaluation.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use anoonly::models::AnyMethod;
use anoonly_system_tests::{anoonly, command, done, stderr, tables, trained};
use flate2::write::GzEncoder;
use roxmltree::Document;
use serde_json::Value;

/// Runs a command with a file as its standard input.
fn with_input(words: &[&str], file: &str) -> Output {
    let mut child = command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(file).unwrap()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn json(words: &[&str]) -> Value {
    let printed = done(anoonly(words));
    assert_eq!(printed.lines().count(), 1, "{printed}");
    serde_json::from_str(&printed).unwrap()
}

/// Every method of the registry trains on a table with the default options, and its model ranks and flags rows.
#[test]
fn every_method_trains_on_a_table() {
    let (_folder, file) = tables();
    let (train, new, model) = (file("train.csv"), file("new.csv"), file("model.anoonly"));
    let short: String = fs::read_to_string(&train).unwrap().lines().take(301).map(|line| format!("{line}\n")).collect();
    fs::write(&train, short).unwrap();
    for method in AnyMethod::all() {
        let name = method.info().name;
        let printed = done(anoonly([
            "train",
            &train,
            "--label",
            "fraud",
            "--id",
            "id",
            "--ensemble",
            "1",
            "--model",
            name,
            "--out",
            &model,
        ]));
        assert!(printed.contains(&format!("\n{name}")), "{printed}");
        done(anoonly(["threshold", &model, "--share", "0.1"]));
        let rows = json(&["score", &model, &new, "--json", "--top", "400"]);
        assert_eq!(rows.as_array().unwrap().len(), 400, "{name}");
        assert!(done(anoonly(["inspect", &model])).contains(name));
    }
}

#[test]
fn a_table_can_be_compressed_or_come_from_standard_input() {
    let (_folder, file) = tables();
    let (train, new, model) = (file("train.csv"), file("new.csv"), file("model.anoonly"));
    let zipped = file("train.csv.gz");
    let mut encoder = GzEncoder::new(File::create(&zipped).unwrap(), flate2::Compression::default());
    encoder.write_all(&fs::read(&train).unwrap()).unwrap();
    encoder.finish().unwrap();
    let words = |table: &str| -> Vec<String> {
        ["train", table, "--label", "fraud", "--id", "id", "--ensemble", "1", "--out", &model].map(str::to_owned).into()
    };
    let scores = || json(&["score", &model, &new, "--json"]);
    done(anoonly(words(&train)));
    let expected = scores();
    done(anoonly(words(&zipped)));
    assert_eq!(scores(), expected);
    let words = words("-");
    let printed = done(with_input(&words.iter().map(String::as_str).collect::<Vec<_>>(), &train));
    assert!(printed.starts_with("standard input: 1000 rows"), "{printed}");
    assert_eq!(scores(), expected);

    let judged = json(&["evaluate", &model, &new, "--label", "fraud", "--json"]);
    let piped = done(with_input(&["evaluate", &model, "-", "--label", "fraud", "--json"], &new));
    assert_eq!(serde_json::from_str::<Value>(&piped).unwrap(), judged);
    done(with_input(&["threshold", &model, "--max-f1", "-", "--label", "fraud"], &new));
    done(with_input(&["explain", &model, "-", "--top", "1"], &new));
    let refused = with_input(&["evaluate", &model, "-", "--label", "fraud"], "/dev/null");
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(stderr(&refused), "error: standard input: the table has no rows\n");
}

#[test]
fn early_stopping_is_reported_and_saved_in_the_model() {
    let (_folder, file) = tables();
    let (train, model) = (file("train.csv"), file("model.anoonly"));
    let printed = trained(&file, &["--model", "devnet", "--early-stopping", "--config", &config(&file)]);
    assert!(printed.contains("6 epochs"), "{printed}");
    let inspected = json(&["inspect", &model, "--json"]);
    let stopping = &inspected["about"]["stopping"];
    assert_eq!((&stopping["of"], &stopping["folds"]), (&6.into(), &5.into()));
    for member in inspected["members"].as_array().unwrap() {
        assert_eq!(member["history"]["losses"].as_array().unwrap().len() as u64, stopping["epochs"].as_u64().unwrap());
    }
    assert!(done(anoonly(["inspect", &model])).contains("early stopping on 5 folds"));
    // Only two rows are labelled `few`; the other values then mark normal rows.
    fs::write(file("few.csv"), fs::read_to_string(&train).unwrap().replacen(",yes\n", ",few\n", 2)).unwrap();
    for (table, words, reason) in [
        (&train, &["--model", "knn"][..], "option --early-stopping: knn is not trained in epochs"),
        (
            &file("few.csv"),
            &["--model", "devnet", "--anomaly", "few"],
            "option --early-stopping: at least 3 labelled anomalies",
        ),
    ] {
        let output =
            anoonly([&["train", table, "--label", "fraud", "--early-stopping", "--out", &model], words].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
    }
}

/// A configuration with few epochs.
fn config(file: &impl Fn(&str) -> String) -> String {
    let path = file("few.toml");
    fs::write(&path, "[devnet.recipe]\nepochs = 6\n").unwrap();
    path
}

#[test]
fn an_evaluation_report_is_self_contained() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let (model, new, page) = (file("model.anoonly"), file("new.csv"), file("page.html"));
    let html = |more: &[&str]| {
        let printed =
            done(anoonly([&["evaluate", &model, &new, "--label", "fraud", "--report", &page][..], more].concat()));
        (printed, fs::read_to_string(&page).unwrap())
    };
    let (printed, without) = html(&[]);
    assert!(printed.ends_with(&format!("{page} written\n")), "{printed}");
    assert!(without.contains("The model has no threshold"));
    done(anoonly(["threshold", &model, "--fpr", "0.1"]));
    let (printed, with) = html(&["--json"]);
    let figures: Value = serde_json::from_str(&printed).unwrap();
    let at = &figures["at_threshold"];
    // The page shows the confusion counts of the JSON output and their sums.
    let cell = |count: u64| format!("<td class=\"number\">{count}</td>");
    let (flagged, found) = (at["flagged"].as_u64().unwrap(), at["flagged_anomalies"].as_u64().unwrap());
    for count in [found, 16 - found, flagged - found, 384 - (flagged - found), flagged, 400 - flagged] {
        assert!(with.contains(&cell(count)), "{count}");
    }
    let recall = &at["recall"];
    assert!(recall["low"].as_f64().unwrap() <= recall["estimate"].as_f64().unwrap());
    for (page, id) in [(&without, "curves"), (&without, "scores"), (&with, "curves"), (&with, "scores")] {
        assert!(page.contains(&format!("<figure id=\"{id}\"")), "{id}");
        for outside in ["http:", "https:", "src=", "<script", "@import", "url("] {
            assert!(!page.contains(outside), "the page holds {outside}");
        }
        for svg in page.split("<svg").skip(1).map(|rest| rest.split_once("</svg>").unwrap().0) {
            let text = format!("<svg{svg}</svg>");
            Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
    assert!(with.contains("at most 0.1") && with.contains("<title>the threshold</title>"));
    // The path of the page is checked first.
    for (place, reason) in
        [(folder.path().to_str().unwrap(), "it is a folder"), ("/no/such/page.html", "no folder `/no/such`")]
    {
        let output = anoonly(["evaluate", &model, &new, "--label", "fraud", "--report", place]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
    }
    // Rows of one class cannot be evaluated.
    let normal: String = fs::read_to_string(&new)
        .unwrap()
        .lines()
        .filter(|line| !line.ends_with(",1"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(file("normal.csv"), normal).unwrap();
    fs::remove_file(&page).unwrap();
    let output = anoonly(["evaluate", &model, &file("normal.csv"), "--label", "fraud", "--report", &page]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!Path::new(&page).exists());
}

#[test]
fn every_command_that_prints_results_prints_json() {
    let (_folder, file) = tables();
    let (train, model, new) = (file("train.csv"), file("model.anoonly"), file("new.csv"));
    let printed = json(&["train", &train, "--label", "fraud", "--ensemble", "1", "--out", &model, "--json"]);
    assert_eq!(printed["about"]["counts"]["anomalies"], 20);
    assert!(json(&["threshold", &model, "--fpr", "0.05", "--json"])["score"].is_number());
    assert_eq!(json(&["score", &model, &new, "--json", "--top", "2"]).as_array().unwrap().len(), 2);
    let written = json(&["score", &model, &new, "--json", "--out", &file("scores.csv")]);
    let flagged = fs::read_to_string(file("scores.csv")).unwrap().lines().filter(|line| line.ends_with("true")).count();
    assert_eq!((&written["rows"], &written["flagged"]), (&400.into(), &flagged.into()));
    let output = anoonly(["score", &model, &new, "--json", "--out", "-"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(json(&["evaluate", &model, &new, "--label", "fraud", "--json"])["auroc"]["low"].is_number());
    assert!(json(&["explain", &model, &new, "--json", "--top", "1"])[0]["contributions"].is_array());
    assert!(json(&["inspect", &model, "--json"])["columns"].is_array());
    assert!(json(&["models", "--json"]).as_array().unwrap().len() >= 7);
    assert!(json(&["data", "list", "--json"]).as_array().unwrap().len() > 5);
    assert_eq!(json(&["data", "info", &new, "--json"])["rows"], 400);
    let bench = [
        "bench",
        "--datasets",
        "wine",
        "--models",
        "mean-difference",
        "--label-count",
        "2,3",
        "--seeds",
        "1,2",
        "--json",
        "--out",
    ];
    let out = file("bench");
    let means = json(&[&bench[..], &[&out]].concat());
    assert_eq!(means.as_array().unwrap().len(), 2);
    assert_eq!((&means[0]["model"], &means[0]["strategy"]), (&"mean-difference".into(), &"none".into()));
    assert!(means[0]["auroc"]["low"].is_number());
    assert_eq!(json(&["bench", "merge", &out, "--out", &file("merged"), "--json"]), means);
}

/// The kinds of all methods are aligned, however long names and titles are.
#[test]
fn methods_are_listed_in_columns() {
    let printed = done(anoonly(["models"]));
    let kinds = ["few labels  ", "unsupervised  ", "baseline  "];
    let place = |line: &str| kinds.iter().find_map(|kind| line.rfind(kind)).unwrap();
    let places: Vec<usize> = printed.lines().map(place).collect();
    assert_eq!(places.len(), AnyMethod::all().len());
    assert!(places.iter().all(|place| *place == places[0]), "{printed}");
}
