//! What the commands around a model take and give besides the main way: every method, every format, standard input, JSON,
//! early stopping, the report of an evaluation.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
    let told = done(anoonly(words));
    assert_eq!(told.lines().count(), 1, "{told}");
    serde_json::from_str(&told).unwrap()
}

/// Whatever is in the registry trains on a table by its name, with the options' defaults, and its model ranks and flags.
#[test]
fn every_method_trains_on_a_table() {
    let (_folder, file) = tables();
    let (train, new, model) = (file("train.csv"), file("new.csv"), file("model.anoonly"));
    let short: String = fs::read_to_string(&train).unwrap().lines().take(301).map(|line| format!("{line}\n")).collect();
    fs::write(&train, short).unwrap();
    for method in AnyMethod::all() {
        let name = method.info().name;
        let told = done(anoonly([
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
        assert!(told.contains(&format!("\n{name}")), "{told}");
        done(anoonly(["threshold", &model, "--share", "0.1"]));
        let rows = json(&["score", &model, &new, "--json", "--top", "400"]);
        assert_eq!(rows.as_array().unwrap().len(), 400, "{name}");
        assert!(done(anoonly(["inspect", &model])).contains(name));
    }
}

#[test]
fn a_table_may_be_compressed_or_come_from_standard_input() {
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
    let told = done(with_input(&words.iter().map(String::as_str).collect::<Vec<_>>(), &train));
    assert!(told.starts_with("standard input: 1000 rows"), "{told}");
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
fn early_stopping_is_told_and_kept_in_the_model() {
    let (_folder, file) = tables();
    let (train, model) = (file("train.csv"), file("model.anoonly"));
    let told = trained(&file, &["--model", "devnet", "--early-stopping", "--config", &config(&file)]);
    assert!(told.contains("6 epochs"), "{told}");
    let inspected = json(&["inspect", &model, "--json"]);
    let stopping = &inspected["about"]["stopping"];
    assert_eq!((&stopping["of"], &stopping["folds"]), (&6.into(), &5.into()));
    for member in inspected["members"].as_array().unwrap() {
        assert_eq!(member["history"]["losses"].as_array().unwrap().len() as u64, stopping["epochs"].as_u64().unwrap());
    }
    assert!(done(anoonly(["inspect", &model])).contains("early stopping on 5 folds"));
    // Two rows are few, and all others of the column normal then.
    fs::write(file("few.csv"), fs::read_to_string(&train).unwrap().replacen(",yes\n", ",few\n", 2)).unwrap();
    for (table, words, reason) in [
        (&train, &["--model", "knn"][..], "option --early-stopping: knn is not trained in epochs"),
        (
            &file("few.csv"),
            &["--model", "devnet", "--anomaly", "few"],
            "option --early-stopping: needs at least 3 labelled anomalies",
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
fn an_evaluation_has_a_report_that_needs_nothing_else() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let (model, new, page) = (file("model.anoonly"), file("new.csv"), file("page.html"));
    let html = |more: &[&str]| {
        let told =
            done(anoonly([&["evaluate", &model, &new, "--label", "fraud", "--report", &page][..], more].concat()));
        (told, fs::read_to_string(&page).unwrap())
    };
    let (told, without) = html(&[]);
    assert!(told.ends_with(&format!("{page} written\n")), "{told}");
    assert!(without.contains("The model has no threshold"));
    done(anoonly(["threshold", &model, "--fpr", "0.1"]));
    let (told, with) = html(&["--json"]);
    let figures: Value = serde_json::from_str(&told).unwrap();
    let at = &figures["at_threshold"];
    // The confusion counts are those of the JSON, and sum to all.
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
    // A page has its place before anything is worked out.
    for (place, reason) in
        [(folder.path().to_str().unwrap(), "it is a folder"), ("/no/such/page.html", "no such folder")]
    {
        let output = anoonly(["evaluate", &model, &new, "--label", "fraud", "--report", place]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
    }
    // One kind of rows alone cannot be judged.
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
    let told = json(&["train", &train, "--label", "fraud", "--ensemble", "1", "--out", &model, "--json"]);
    assert_eq!(told["about"]["counts"]["anomalies"], 20);
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

/// However long its name and title, a method's kind stands where those of the others do.
#[test]
fn methods_are_listed_in_columns() {
    let told = done(anoonly(["models"]));
    let kinds = ["few labels  ", "unsupervised  ", "floor  "];
    let place = |line: &str| kinds.iter().find_map(|kind| line.rfind(kind)).unwrap();
    let places: Vec<usize> = told.lines().map(place).collect();
    assert_eq!(places.len(), AnyMethod::all().len());
    assert!(places.iter().all(|place| *place == places[0]), "{told}");
}
