//! The simulated analyst through the command.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use anoonly_system_tests::{anoonly, command, done, stderr};
use serde_json::Value;

const OPTIONS: [&str; 10] = [
    "bench",
    "--labelling",
    "--budget=20",
    "--batch=10",
    "--datasets=wine,penguins",
    "--models=mean-difference,isolation-forest",
    "--query",
    "top,margin+0.2",
    "--seeds",
    "1,2",
];

/// The rows of `labelling.csv` by column, without seconds.
fn rows(folder: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.join("labelling.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        let cells = header.iter().zip(&record).filter(|(name, _)| *name != "refit_seconds");
        cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn found(row: &HashMap<String, String>) -> Vec<usize> {
    row["found"].split(' ').map(|count| count.parse().unwrap()).collect()
}

/// Runs a bench with more options and returns what it prints and its rows.
fn bench(more: &[&str]) -> (String, Vec<HashMap<String, String>>) {
    let folder = tempfile::tempdir().unwrap();
    let output = anoonly([&OPTIONS[..], more, &["--out", folder.path().to_str().unwrap()]].concat());
    (done(output), rows(folder.path()))
}

#[test]
fn an_analyst_finds_anomalies_and_the_table_is_that_of_the_file() {
    let (table, rows) = bench(&[]);
    assert_eq!(rows.len(), 16);
    for row in &rows {
        let found = found(row);
        assert!(row["status"] == "ok" && found.len() == 20, "{row:?}");
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] <= 1));
        assert!(*found.last().unwrap() <= row["n_anomalies"].parse().unwrap());
    }
    // All methods start with the same isolation forest.
    let first_batch = |model: &str| -> Vec<Vec<usize>> {
        let of = rows.iter().filter(|row| row["model"] == model && row["query"] == "top");
        of.map(|row| found(row)[..10].to_vec()).collect()
    };
    assert_eq!(first_batch("mean-difference"), first_batch("isolation-forest"));
    // The table's share at 20 labels is the mean over data sets and seeds.
    let of = |row: &&HashMap<String, String>| row["model"] == "mean-difference" && row["query"] == "top";
    let share = |row: &HashMap<String, String>| {
        found(row)[19] as f64 / f64::from(row["n_anomalies"].parse::<u32>().unwrap().min(20))
    };
    let shares: Vec<f64> = rows.iter().filter(of).map(share).collect();
    assert_eq!(shares.len(), 4);
    let mean = 100.0 * shares.iter().sum::<f64>() / 4.0;
    let line = table.lines().find(|line| line.starts_with("| mean-difference") && line.contains("| top")).unwrap();
    let shown = line.split('|').nth(3).unwrap().trim();
    assert!(shown.starts_with(&format!("{mean:.1} ±")), "{shown} is not the mean {mean}");
    assert!(table.contains("Mean over data sets (2) and 2 seeds"), "{table}");
}

#[test]
fn a_killed_bench_continues_and_ends_with_the_same_rows() {
    let (_, whole) = bench(&["--threads", "1"]);
    let folder = tempfile::tempdir().unwrap();
    let words = [&OPTIONS[..], &["--out", folder.path().to_str().unwrap()]].concat();
    let lines = || fs::read_to_string(folder.path().join("labelling.jsonl")).unwrap_or_default().lines().count();
    let mut child = command(words.iter()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while lines() < 5 {
        assert!(child.try_wait().unwrap().is_none(), "ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = lines();
    let output = anoonly([&words[..], &["--threads", "1"]].concat());
    assert!(
        stderr(&output).contains(&format!("16 runs on 1 threads; {kept} of them are already in")),
        "{}",
        stderr(&output)
    );
    assert_eq!(rows(folder.path()), whole);
    assert_eq!(lines(), 16, "a run was measured twice");
    // With another share of random rows, half are other runs.
    let words: Vec<&str> =
        words.iter().map(|word| if *word == "top,margin+0.2" { "top,margin+0.3" } else { word }).collect();
    let output = anoonly([&words[..], &["--threads", "1"]].concat());
    assert!(stderr(&output).starts_with("16 runs on 1 threads; 8 of them are already in"), "{}", stderr(&output));
}

#[test]
fn shards_merge_into_the_whole_grid() {
    let (table, whole) = bench(&[]);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for part in ["1/2", "2/2"] {
        done(anoonly([&OPTIONS[..], &["--shard", part, "--out", &place(&part[..1])]].concat()));
    }
    let words = ["bench", "merge", "--labelling", "--out", &place("all"), &place("1"), &place("2")];
    let merged = done(anoonly(words));
    assert_eq!(rows(&folder.path().join("all")), whole);
    let shares = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with('|'));
        lines.map(|line| line.rsplitn(3, '|').last().unwrap().trim_end().to_owned()).collect()
    };
    assert_eq!(shares(&merged)[..6], shares(&table)[..6]);
}

#[test]
fn curves_of_another_program_are_compared_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let plan = place("plan.toml");
    fs::write(
        &plan,
        "labelling = true\nbudget = 20\nbatch = 10\ndatasets = \"wine\"\nseeds = 3\nmodels = \"mean-difference\"\n",
    )
    .unwrap();
    let words = ["bench", "--plan", &plan, "--out", &place("out")];
    done(anoonly([&words[..], &["--write-rows", &place("rows.jsonl")]].concat()));
    let drawn: Value = serde_json::from_str(&fs::read_to_string(place("rows.jsonl")).unwrap()).unwrap();
    let rows_drawn = drawn["rows"].as_array().unwrap().len();
    assert_eq!((&drawn["dataset"], &drawn["seed"]), (&Value::from("wine"), &Value::from(3)));
    assert!(!folder.path().join("out").exists(), "something was measured");

    let anomalies = 13;
    let peer = format!(
        "dataset,model,query,batch,seed,n_rows,n_anomalies,refit_seconds,found\nwine,other,top,10,3,{rows_drawn},{anomalies},1.5,{}\n",
        vec!["1"; 20].join(" ")
    );
    fs::write(place("peer.csv"), &peer).unwrap();
    let more = ["--reference", &place("peer.csv"), "--report", &place("report.html")];
    let table = done(anoonly([&words[..], &more].concat()));
    let line = table.lines().find(|line| line.starts_with("| other (peer)")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    // One of 13 anomalies at once: 7.7 % at 20 labels.
    assert_eq!((cells[2], cells[3], cells[5]), ("top", "7.7", "1.50"), "{table}");
    assert_eq!(rows(&folder.path().join("out")).len(), 1, "the runs of the other program are in its file only");
    let page = fs::read_to_string(place("report.html")).unwrap();
    assert!(page.contains("other (peer), top") && page.contains("How fast are anomalies found?"));

    fs::write(place("peer.csv"), peer.replace(",10,3,", ",5,3,")).unwrap();
    let output = anoonly([&words[..], &more].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the run of other on wine with seed 3 has batches of 5 rows, not of 10"));
}

#[test]
fn means_are_printed_as_json() {
    let options = ["--json", "--datasets", "wine", "--models", "mean-difference", "--query", "top", "--batch", "30"];
    let (printed, rows) = bench_of(&options);
    let lines: Value = serde_json::from_str(&printed).unwrap();
    let line = &lines[0];
    assert_eq!((&line["model"], &line["query"], &line["sets"]), (&"mean-difference".into(), &"top".into(), &1.into()));
    assert_eq!(line["figures"][0]["figure"], "at 20");
    let share = found(&rows[0])[19] as f64 / 13.0;
    assert!((line["figures"][0]["mean"].as_f64().unwrap() - share).abs() < 1e-12);
}

/// A bench of one seed.
fn bench_of(options: &[&str]) -> (String, Vec<HashMap<String, String>>) {
    let folder = tempfile::tempdir().unwrap();
    let words = ["bench", "--labelling", "--budget", "30", "--seeds", "1", "--out", folder.path().to_str().unwrap()];
    (done(anoonly([&words[..], options].concat())), rows(folder.path()))
}

#[test]
fn options_that_do_not_apply_are_refused() {
    let refused = |options: &[&str], message: &str| {
        let output = anoonly([&["bench"], options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    };
    for (option, value) in [
        ("--label-ratio", "0.1"),
        ("--label-count", "3"),
        ("--noise", "label-contamination"),
        ("--synthetic", "local"),
        ("--protocol", "clean"),
        ("--ablation", "norm"),
    ] {
        refused(&["--labelling", option, value], &format!("option {option}: does not apply with --labelling"));
    }
    for (option, value) in [("--budget", "3"), ("--batch", "3"), ("--query", "top"), ("--write-rows", "rows.jsonl")] {
        refused(&[option, value], &format!("option {option}: needs --labelling"));
    }
    refused(&["--labelling", "--batch", "6", "--budget", "5"], "at most all; --batch and --budget set them");
    refused(&["--labelling", "--query", "top,top"], "option --query: top is listed twice");
    refused(&["--labelling", "--query", "best"], "unknown query strategy `best`: use top, diverse, margin, random");
    refused(&["--labelling", "--query", "top+2"], "the share of random rows is 2");
}
