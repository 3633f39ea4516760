//! Tests of scores of other programs.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anoonly_core::Seed;
use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::protocol::Protocol;
use anoonly_data::catalogue::Source;
use anoonly_data::table::Table;
use anoonly_models::AnyMethod;
use anoonly_train::{BackendName, ComputeDevice};
use serde_json::{Value, json};

use super::*;
use crate::{Merged, Plan, Results, Shard, Status, Strategy};

fn plan(budgets: &[usize], models: &[&str]) -> Plan {
    Plan {
        source: Source::Embedded,
        datasets: vec!["wine".into(), "penguins".into()],
        models: models.iter().map(|name| AnyMethod::by_name(name).unwrap()).collect(),
        strategies: vec![Strategy::host()],
        budgets: budgets.iter().copied().map(LabelBudget::Count).collect(),
        noises: vec![Noise::None],
        synthetic: vec![None],
        seeds: vec![Seed(1), Seed(2)],
        protocol: Protocol::Clean,
        compute: ComputeDevice::new(BackendName::default(), None).unwrap(),
    }
}

fn grid() -> Grid {
    Grid::prepare(plan(&[0, 2], &["mean-difference", "knn"])).unwrap()
}

/// The line of a perfect method for each split.
fn lines(grid: &Grid, model: &str) -> Vec<Value> {
    let line = |drawn: &DrawnSplit<'_>| {
        let scores: Vec<f64> = drawn.trial.test.anomalous().into_iter().map(f64::from).collect();
        let split = drawn.key().to_string();
        Ok(
            json!({"split": split, "model": model, "settings": "exact", "scores": scores, "fit_seconds": 0.5, "score_seconds": 0}),
        )
    };
    grid.each_split(line).unwrap()
}

/// A line of a run that failed.
fn failed(line: &Value) -> Value {
    json!({"split": line["split"], "model": line["model"], "settings": line["settings"], "error": "no\nluck"})
}

fn write(folder: &Path, name: &str, lines: &[Value]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    path
}

fn run(grid: &Grid, folder: &Path) -> Results {
    grid.run(1, &Store::open(folder).unwrap(), &false.into(), |_| {}).unwrap()
}

fn models(results: &Results) -> Vec<&str> {
    results.rows.iter().map(|row| row.model.as_str()).collect()
}

#[test]
fn scores_become_rows_after_those_of_the_same_split_and_are_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut grid = grid();
    let (own, perfect, other) = (grid.runs(), lines(&grid, "perfect"), lines(&grid, "another"));
    assert_eq!((own, perfect.len()), (12, 8), "mean-difference has no run without labels");
    // A method without any line at 0 labels is left out there.
    let labelled: Vec<Value> = perfect.iter().skip(1).step_by(2).cloned().collect();
    let mut elsewhere = perfect[0].clone();
    elsewhere["split"] = "0123".into();
    let files = [
        write(folder.path(), "a.jsonl", &[&labelled[..], &[elsewhere]].concat()),
        write(folder.path(), "b.jsonl", &other),
    ];
    let imported = grid.import(&files).unwrap();
    assert_eq!((imported.runs, imported.elsewhere, grid.runs()), (12, 1, 24));
    let found: Vec<(&str, &str, bool)> =
        imported.methods.iter().map(|m| (m.name.as_str(), m.settings.as_str(), m.needs_labels)).collect();
    assert_eq!(found, [("another", "exact", false), ("perfect", "exact", true)]);

    let out = folder.path().join("out");
    let results = run(&grid, &out);
    let of_seed = ["knn", "another", "mean-difference", "knn", "another", "perfect"];
    assert_eq!(models(&results), of_seed.repeat(4));
    let row = &results.rows[5];
    let Status::Ok(scores) = row.status else { panic!("{row:?}") };
    assert_eq!((scores.auroc, scores.ap, scores.ap_normal, scores.fit_seconds), (1.0, 1.0, 1.0, 0.5));
    assert_eq!((row.strategy.name(), row.n_labeled, row.seed), ("none", 2, 1));
    let own = &results.rows[3];
    assert_eq!((row.n_train, row.n_test, row.n_features), (own.n_train, own.n_test, own.n_features));
    // The curves of the first setting are kept as for every method.
    assert_eq!(results.rows.iter().filter(|row| row.details.is_some() && row.model == "another").count(), 2);

    let stored = || fs::read_to_string(out.join("runs.jsonl")).unwrap().lines().count();
    assert_eq!(stored(), 24);
    assert_eq!(grid.measured(&Store::open(&out).unwrap()), 24);
    assert_eq!(run(&grid, &out).rows, results.rows);
    assert_eq!(stored(), 24);
    // The folder alone has the same rows in the same order.
    let Merged { results: merged, missing } = Store::open(&out).unwrap().merge(&[]).unwrap();
    assert_eq!((merged.rows, missing), (results.rows, 0));
}

#[test]
fn a_failed_run_is_a_row_until_scores_replace_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut grid = grid();
    let perfect = lines(&grid, "perfect");
    let mut some = perfect.clone();
    some[1] = failed(&perfect[1]);
    let some = write(folder.path(), "some.jsonl", &some);
    grid.import(std::slice::from_ref(&some)).unwrap();
    let out = folder.path().join("out");
    let results = run(&grid, &out);
    assert_eq!(results.failed(), 1);
    let bad = results.rows.iter().find(|row| row.failure().is_some()).unwrap();
    assert_eq!((bad.model.as_str(), bad.failure(), bad.n_labeled), ("perfect", Some("no\nluck"), 2));
    let stored = || fs::read_to_string(out.join("runs.jsonl")).unwrap().lines().count();
    let before = stored();
    assert_eq!(run(&grid, &out).failed(), 1);
    assert_eq!(stored(), before, "a failed run is not stored again");
    // The order of the two lines does not matter.
    let later = write(folder.path(), "later.jsonl", &perfect[1..2]);
    for files in [[some.clone(), later.clone()], [later, some]] {
        grid.import(&files).unwrap();
        assert_eq!(run(&grid, &out).failed(), 0);
    }
}

/// The message about a file that has one line replaced.
fn refused(lines: &[Value], place: usize, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines[place] = text.into();
    let path = folder.path().join("scores.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    let message = grid().import(std::slice::from_ref(&path)).unwrap_err().to_string();
    message.replace(path.to_str().unwrap(), "FILE")
}

#[test]
fn a_wrong_line_is_refused_with_its_number() {
    let good = lines(&grid(), "perfect");
    let with = |key: &str, value: Value| {
        let mut line = good[1].clone();
        line[key] = value;
        line.to_string()
    };
    let scores = good[1]["scores"].as_array().unwrap();
    let (rows, text) = (scores.len(), good[1].to_string());
    let key = good[1]["split"].as_str().unwrap();
    let split = format!("data set penguins, seed 1, 2 labelled anomalies (split {key})");
    for (line, expected) in [
        (
            with("scores", json!(scores[1..])),
            format!("{} scores of perfect for the {rows} test rows of {split}", rows - 1),
        ),
        (text.replacen('[', "[NaN,", 1), "NaN is not a finite number".into()),
        (text.replacen('[', "[-Infinity,", 1), "-Infinity is not a finite number".into()),
        (text.replacen('[', "[1e999,", 1), "not a run on a split (number out of range".into()),
        (text.replacen('[', "[null,", 1), "not a run on a split (invalid type: null".into()),
        (text[..text.len() / 2].into(), "not a run on a split (".into()),
        (with("model", " ".into()), "the method has no name".into()),
        (with("model", "a|b".into()), "the name \"a|b\" has spaces".into()),
        (with("model", " out".into()), "the name \" out\" has spaces".into()),
        (with("model", "a\nb".into()), "the name \"a\\nb\" has spaces".into()),
        (with("model", "DevNet".into()), "`DevNet` is the name of a method of this program".into()),
        (with("fit_seconds", json!(-1.0)), "-1 seconds: must not be below 0".into()),
        (with("fit_seconds", Value::Null), "a run has either `scores`".into()),
        (with("error", "why".into()), "a run has either `scores`".into()),
        (with("settings", "others".into()), "the settings of perfect are `others`, but `exact` in FILE, line 1".into()),
        (good[0].to_string(), "scores of perfect for data set penguins, seed 1, 0 labelled anomalies (split ".into()),
    ] {
        let message = refused(&good, 1, &line);
        assert!(message.starts_with(&format!("FILE: line 2: {expected}")), "{message}\n{expected}");
    }
    let cut_off = refused(&good, good.len() - 1, &text[..text.len() - 1]);
    assert!(cut_off.starts_with(&format!("FILE: line {}: not a run on a split (EOF", good.len())), "{cut_off}");
}

#[test]
fn a_missing_split_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut grid = grid();
    let perfect = lines(&grid, "perfect");
    let mut message =
        |lines: &[Value]| grid.import(&[write(folder.path(), "scores.jsonl", lines)]).unwrap_err().to_string();
    let first = format!(
        "the first is data set penguins, seed 2, 2 labelled anomalies (split {})",
        perfect[3]["split"].as_str().unwrap()
    );
    let some: Vec<Value> = [0, 1, 2, 4, 5, 6].map(|place| perfect[place].clone()).into();
    assert_eq!(message(&some), format!("perfect has no line for 2 of 8 splits; {first}"));
    // The splits without labels are not missing where the method has none of them.
    assert_eq!(message(&some[1..2]), format!("perfect has no line for 3 of 4 splits; {first}"));
    assert!(message(&[]).ends_with("it has no lines"));
}

#[test]
fn shards_divide_the_runs_of_other_programs_and_missing_ones_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let scores = write(folder.path(), "scores.jsonl", &lines(&grid(), "perfect"));
    let mut whole = grid();
    whole.import(std::slice::from_ref(&scores)).unwrap();
    let all = run(&whole, &place("all"));
    for part in 1..=2 {
        let mut grid = grid();
        grid.import(std::slice::from_ref(&scores)).unwrap();
        grid.shard(Shard { part, of: 2 });
        assert_eq!(grid.runs(), 10);
        run(&grid, &place(&part.to_string()));
    }
    let merged = |out: &str, parts: &[&str]| {
        let parts: Vec<PathBuf> = parts.iter().map(|part| place(part)).collect();
        let merged = Store::<Row>::open(&place(out)).unwrap().merge(&parts).unwrap();
        (merged.results.rows.len(), merged.missing)
    };
    assert_eq!((merged("both", &["2", "1"]), merged("half", &["2"])), ((all.rows.len(), 0), (10, 10)));
    let both = Store::<Row>::open(&place("both")).unwrap().merge(&[]).unwrap().results;
    assert_eq!(models(&both), models(&all));
    // Own runs that were measured before any import still belong to their grid.
    run(&grid(), &place("own"));
    assert_eq!(merged("own and half", &["own", "2"]), (12 + 4, 4));
}

fn exported(folder: &Path) -> Vec<Value> {
    let list = fs::read_to_string(folder.join("splits.jsonl")).unwrap();
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn column(path: &Path, name: &str) -> Vec<f32> {
    let values = Table::read(path).unwrap().exact_texts(name).unwrap();
    values.into_iter().map(|value| value.unwrap().parse().unwrap()).collect()
}

#[test]
fn an_export_has_the_rows_as_a_method_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let grid = grid();
    assert_eq!(grid.export_splits(folder.path()).unwrap(), ExportedSplits { splits: 8, sets: 2 });
    let lines = exported(folder.path());
    let place = |name: &Value| folder.path().join(name.as_str().unwrap());
    let check = |drawn: &DrawnSplit<'_>| {
        let key = drawn.key().to_string();
        let line = lines.iter().find(|line| line["split"] == key.as_str()).unwrap();
        for (side, samples) in [("train", &drawn.trial.train), ("test", &drawn.trial.test)] {
            let path = place(&line[side]);
            let table = Table::read(&path).unwrap();
            assert_eq!((table.rows(), table.columns().len()), samples.features().dim());
            assert_eq!(line[format!("n_{side}")], samples.rows());
            let last = samples.columns() - 1;
            assert_eq!(column(&path, &format!("x{last}")), samples.features().column(last).to_vec());
        }
        let labels: Vec<f32> =
            drawn.trial.train.anomalous().into_iter().map(|label| f32::from(u8::from(label))).collect();
        assert_eq!(column(&place(&line["labels"]), "label"), labels);
        Ok(())
    };
    grid.each_split(check).unwrap();
    assert_eq!((&lines[1]["label_count"], &lines[1]["n_labeled"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&lines[1]["label_ratio"], &lines[1]["synthetic"], &lines[1]["noise"]),
        (&Value::Null, &json!("none"), &json!("none"))
    );
    // Two sets, two seeds, two sides; both label counts share them.
    assert_eq!(fs::read_dir(folder.path().join("rows")).unwrap().count(), 8);
    assert_eq!(fs::read_dir(folder.path().join("labels")).unwrap().count(), 8);

    // Another bench on the same splits has the same keys and leaves the files as they are.
    let written = |line: &Value| -> SystemTime { fs::metadata(place(&line["train"])).unwrap().modified().unwrap() };
    let before: Vec<SystemTime> = lines.iter().map(written).collect();
    Grid::prepare(plan(&[2], &["knn"])).unwrap().export_splits(folder.path()).unwrap();
    let fewer = exported(folder.path());
    assert_eq!(fewer, lines.iter().filter(|line| line["label_count"] == 2).cloned().collect::<Vec<Value>>());
    assert_eq!(lines.iter().map(written).collect::<Vec<_>>(), before);
}

/// Scores that took hours stay valid for later versions of the program.
#[test]
fn keys_of_splits_never_change() {
    let grid = Grid::prepare(plan(&[2], &["knn"])).unwrap();
    let keys = grid.each_split(|drawn| Ok(drawn.key().to_string())).unwrap();
    assert_eq!(keys[0], "499fdd93dce1ab780da58b2151bb10f5cec7019605b1b6fc3e994fad03b78c55");
}

#[test]
fn a_set_is_left_out_at_label_counts_that_it_does_not_have() {
    let grid = Grid::prepare(plan(&[1000, 12, 2], &["mean-difference", "knn"])).unwrap();
    let of: Vec<(LabelBudget, usize)> = grid.sets_of_budgets();
    assert_eq!(of, [(LabelBudget::Count(1000), 0), (LabelBudget::Count(12), 1), (LabelBudget::Count(2), 2)]);
    assert_eq!((grid.sets(), grid.runs()), (2, 2 * 2 * (1 + 2)));
    let message = Grid::prepare(plan(&[1000, 900], &["knn"])).unwrap_err().to_string();
    assert!(message.contains("900 labelled anomalies were requested, but the training rows hold only"), "{message}");
}

#[test]
fn methods_that_need_a_label_are_left_out_without_labels() {
    let grid = grid();
    assert_eq!(grid.left_out_without_labels(), ["mean-difference"]);
    let message = Grid::prepare(plan(&[0], &["mean-difference", "logistic"])).unwrap_err().to_string();
    assert!(message.ends_with("can be fitted: mean-difference, logistic"), "{message}");
}
