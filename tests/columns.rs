//! What the command makes of columns as people have them, and what it says about new tables that are not like the training table.

use std::fs;
use std::path::PathBuf;

use anoonly_system_tests::{anoonly, command, done, stderr, tables, trained};

/// Draws from 0 to 1, the same in every run.
fn draws(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Writes a table of `rows` rows, every fiftieth of them an anomaly. `first` are the first columns of a row and their header.
fn written(folder: &tempfile::TempDir, name: &str, rows: usize, first: (&str, &dyn Fn(usize) -> String)) -> String {
    let mut draw = draws(name.len() as u64);
    let mut row = |row: usize| {
        let bad = row % 50 == 49;
        let amount = 20.0 + 60.0 * (draw() + draw() + draw()) + if bad { 300.0 } else { 0.0 };
        let age = 18 + (60.0 * draw()) as u32;
        let label = if name.starts_with("train") && !bad {
            ""
        } else if bad {
            "1"
        } else {
            "0"
        };
        format!("{},{amount:.2},{age},{label}\n", (first.1)(row))
    };
    let text: String = (0..rows).map(&mut row).collect();
    let path: PathBuf = folder.path().join(name);
    fs::write(&path, format!("{},amount,age,fraud\n{text}", first.0)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The scores, ranks and p-values of a CSV file of scores without identifiers.
fn scores(path: &str) -> Vec<(u64, f32, u64, f64)> {
    let mut rows = csv::Reader::from_path(path).unwrap();
    rows.deserialize().map(Result::unwrap).collect()
}

/// A day of the first half of 2026, `start` and `row` days after its first.
fn day(row: usize, start: usize) -> String {
    let mut day = start + row;
    let mut month = 1;
    for length in [31, 28, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("2026-{month:02}-{:02}", day + 1)
}

#[test]
fn later_days_are_not_anomalies() {
    let folder = tempfile::tempdir().unwrap();
    let train = written(&folder, "train.csv", 1200, ("day", &|row| day(row / 20, 0)));
    let new = written(&folder, "new.csv", 600, ("day", &|row| day(row / 20, 90)));
    let model = folder.path().join("m.anoonly").to_str().unwrap().to_owned();
    let printed = done(anoonly(["train", &train, "--label", "fraud", "--out", &model]));
    let why = "training saw too little of the day of the year: 60 days, 2026-01-01 to 2026-03-01";
    assert!(printed.contains("day of the week, as positions on a circle") && printed.contains(why), "{printed}");
    assert!(done(anoonly(["inspect", &model])).contains(why));
    let out = folder.path().join("s.csv").to_str().unwrap().to_owned();
    done(anoonly(["score", &model, &new, "--out", &out]));
    let high = scores(&out).iter().filter(|(_, _, _, p_value)| *p_value <= 0.05).count();
    // 12 of the 600 rows are anomalies.
    assert!((12..=60).contains(&high), "{high} of 600 rows have a p-value of at most 0.05");
}

#[test]
fn a_key_that_counts_on_is_no_feature() {
    let folder = tempfile::tempdir().unwrap();
    let train =
        written(&folder, "train.csv", 400, ("transaction,Unnamed: 0", &|row| format!("{},{row}", 1_000_001 + row)));
    let new = written(&folder, "new.csv", 400, ("transaction", &|row| (1_000_401 + row).to_string()));
    let model = folder.path().join("m.anoonly").to_str().unwrap().to_owned();
    let printed = done(anoonly(["train", &train, "--label", "fraud", "--out", &model]));
    for why in ["whole numbers count on", "pandas wrote it", "2 columns encoded as 2 features"] {
        assert!(printed.contains(why), "`{why}` is not in: {printed}");
    }
    // The new table needs neither of them.
    done(anoonly(["score", &model, &new]));
    let kept = done(anoonly(["train", &train, "--label", "fraud", "--out", &model, "--keep", "transaction"]));
    assert!(kept.contains("3 columns encoded as 3 features"), "{kept}");
    // Kept on request: all new rows lie beyond the training rows, which is an error with a way around.
    let refused = anoonly(["score", &model, &new]);
    assert_eq!(refused.status.code(), Some(2));
    let error = stderr(&refused);
    for part in [
        "column `transaction`: of 400 rows, 400 outside of 1000001 to 1000400",
        "(first in row 1: `1000401`)",
        "with --lenient",
    ] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    let piped = command(["score", &model, "-"]).stdin(fs::File::open(&new).unwrap()).output().unwrap();
    assert!(stderr(&piped).starts_with("error: standard input: column `transaction`"), "{}", stderr(&piped));
    let lenient = anoonly(["score", &model, &new, "--lenient"]);
    let warnings = stderr(&lenient).to_owned();
    done(lenient);
    assert!(warnings.contains("warning: column `transaction`: 400 outside of"), "{warnings}");
    let both = anoonly(["train", &train, "--label", "fraud", "--id", "fraud", "--out", &model]);
    assert!(stderr(&both).contains("option --id: the label column `fraud` is no identifier"), "{}", stderr(&both));
    let absent = anoonly(["train", &train, "--label", "fraud", "--out", &model, "--keep", "nothing"]);
    assert!(stderr(&absent).contains("no column `nothing`"));
}

#[test]
fn new_values_are_counted_by_column() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let (model, new) = (file("model.anoonly"), file("new.csv"));
    let text = fs::read_to_string(&new).unwrap();
    let changed = text.replacen("Oslo", "Berne", 3);
    fs::write(file("changed.csv"), changed).unwrap();
    let refused = anoonly(["score", &model, &file("changed.csv")]);
    assert!(stderr(&refused).contains("the category `Berne` did not occur in training"), "{}", stderr(&refused));
    let out = file("s.csv");
    let lenient = anoonly(["score", &model, &file("changed.csv"), "--lenient", "--out", &out, "--json"]);
    assert!(stderr(&lenient).contains("column `city`: 3 in a category that no training row has (first in row"));
    let summary: serde_json::Value = serde_json::from_str(&done(lenient)).unwrap();
    let city = &summary["unseen"][0];
    assert_eq!((city["column"].as_str(), city["new_categories"].as_u64()), (Some("city"), Some(3)));
    assert!(summary["shift"]["distance"].is_number() && summary["shift"]["p_value"].is_number());
}

#[test]
fn scores_that_do_not_look_like_the_held_out_ones_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let code = |row: usize| ["a", "b", "c"][row % 3].to_owned();
    let train = written(&folder, "train.csv", 1000, ("code", &code));
    let model = folder.path().join("m.anoonly").to_str().unwrap().to_owned();
    done(anoonly(["train", &train, "--label", "fraud", "--out", &model]));
    let like = written(&folder, "new.csv", 400, ("code", &code));
    let output = anoonly(["score", &model, &like]);
    assert!(!stderr(&output).contains("held-out"), "{}", stderr(&output));
    // The same rows, all twice as dear, which stay within the range of the anomalies.
    let text = fs::read_to_string(&like).unwrap();
    let dearer = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let amount =
            cells[1].parse::<f64>().map_or(cells[1].to_owned(), |amount| (2.0 * amount.min(190.0)).to_string());
        format!("{},{amount},{},{}\n", cells[0], cells[2], cells[3])
    };
    let shifted = folder.path().join("shifted.csv");
    fs::write(&shifted, text.lines().map(dearer).collect::<String>()).unwrap();
    let output = anoonly(["score", &model, shifted.to_str().unwrap(), "--lenient"]);
    let warning = stderr(&output);
    assert!(
        warning.contains("the scores differ from those of the held-out rows (Kolmogorov-Smirnov distance 0."),
        "{warning}"
    );
    assert!(warning.contains("p < 0.001") && warning.contains("where 5 % are expected"), "{warning}");
}

#[test]
fn one_extreme_row_gets_the_highest_score_and_stops_nothing() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let text = fs::read_to_string(file("new.csv")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (line, amount) in [(200, "1e30"), (300, "-inf")] {
        let cells: Vec<&str> = lines[line].split(',').collect();
        lines[line] = [&cells[..1], &[amount], &cells[2..]].concat().join(",");
    }
    fs::write(file("extreme.csv"), lines.join("\n")).unwrap();
    let out = file("s.csv");
    let output = anoonly(["score", &file("model.anoonly"), &file("extreme.csv"), "--out", &out]);
    let warning = stderr(&output).to_owned();
    done(output);
    assert!(
        warning.contains("2 of them so far away that the row gets the highest score (first in row 200: `1e30`)"),
        "{warning}"
    );
    let mut rows = csv::Reader::from_path(&out).unwrap();
    let rows: Vec<(String, f32, u64, f64)> = rows.deserialize().map(Result::unwrap).collect();
    for row in [199, 299] {
        assert_eq!((rows[row].1, rows[row].2), (f32::MAX, 1));
    }
    assert!(rows.iter().enumerate().all(|(row, scored)| [199, 299].contains(&row) || scored.1 < 1e6));
    // The same rows come first when they are explained.
    let explained = done(anoonly(["explain", &file("model.anoonly"), &file("extreme.csv"), "--top", "2", "--json"]));
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(explained[0]["rank"], 1);
    assert_eq!(explained[1]["rank"], 1);
}
