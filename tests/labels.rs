//! Labels: how their values are named, and what is noticed about them before and after the work.

use std::fs;

use anoonly_system_tests::{anoonly, done, stderr, tables, trained};

/// A file with 400 rows, 8 of them with the label `rare`, all others with `common`.
fn labelled(common: &str, rare: &str) -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let row = |row: usize| {
        let bad = row.is_multiple_of(50);
        format!(
            "{},{},{}\n",
            row * 37 % 100 + if bad { 300 } else { 0 },
            row * 13 % 60,
            if bad { rare } else { common }
        )
    };
    fs::write(folder.path().join("t.csv"), format!("a,b,y\n{}", (0..400).map(row).collect::<String>())).unwrap();
    let root = folder.path().to_owned();
    (folder, move |name: &str| root.join(name).to_str().unwrap().to_owned())
}

#[test]
fn a_value_with_a_hyphen_works_as_it_is_typed() {
    let (_folder, file) = labelled("1", "-1");
    let (table, model) = (file("t.csv"), file("m.anoonly"));
    let printed = done(anoonly(["train", &table, "--label", "y", "--anomaly", "-1", "--out", &model]));
    assert!(printed.contains("label `-1`: 8 rows, anomalies"), "{printed}");
    done(anoonly(["evaluate", &model, &table, "--label", "y", "--anomaly", "-1"]));
    done(anoonly(["threshold", &model, "--max-f1", &table, "--label", "y", "--anomaly", "-1"]));
    done(anoonly(["threshold", &model, "--score", "-1.5"]));
    let output = anoonly(["threshold", &model, "--fpr", "-0.1"]);
    assert!(
        stderr(&output).contains("-0.1") && !stderr(&output).contains("unexpected argument"),
        "{}",
        stderr(&output)
    );
    let output = anoonly(["train", &table, "--label", "-y", "--out", &model]);
    assert!(stderr(&output).contains("no label column `-y`"), "{}", stderr(&output));
}

#[test]
fn values_are_listed_with_their_counts_and_the_rarest_is_suggested() {
    for (common, rare, suggested) in [("N", "Y", "Y"), ("1", "-1", "-1"), ("all fine", "not fine", "'not fine'")] {
        let (_folder, file) = labelled(common, rare);
        let fit = ["train", &file("t.csv"), "--label", "y", "--out", &file("m.anoonly")];
        let counts = format!("the column holds `{common}` (392 rows), `{rare}` (8 rows)");
        for more in [&[][..], &["--anomaly", "other"]] {
            let output = anoonly([&fit[..], more].concat());
            let error = stderr(&output);
            assert_eq!((output.status.code(), error.trim_end().lines().count()), (Some(2), 1), "{error}");
            assert!(
                error.contains(&counts) && error.trim_end().ends_with(&format!("--anomaly {suggested}")),
                "{error}"
            );
        }
    }
}

#[test]
fn more_labelled_anomalies_than_other_rows_are_warned_of() {
    let (_folder, file) = labelled("1", "0");
    let fit = ["train", &file("t.csv"), "--label", "y", "--out", &file("m.anoonly")];
    let output = anoonly([&fit[..], &["--json"]].concat());
    let warning = "392 of 400 rows are labelled anomalies; if `1` marks normal rows, name the value that marks anomalies with --anomaly 0";
    assert_eq!(stderr(&output), format!("warning: {warning}\n"));
    let printed: serde_json::Value = serde_json::from_str(&done(output)).unwrap();
    assert_eq!(printed["warnings"], serde_json::json!([warning]));
    let output = anoonly([&fit[..], &["--anomaly", "0"]].concat());
    assert_eq!(stderr(&output), "");
    done(output);
}

#[test]
fn results_on_the_training_table_are_warned_of() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let (train, new, model) = (file("train.csv"), file("new.csv"), file("model.anoonly"));
    // The truth of the training rows, in a column of their own table: other labels, the same rows.
    let truth = fs::read_to_string(&train).unwrap();
    let truth: String = truth
        .lines()
        .enumerate()
        .map(|(row, line)| {
            format!("{line},{}\n", if row == 0 { "truth".into() } else { u8::from((row - 1) % 25 == 0).to_string() })
        })
        .collect();
    fs::write(folder.path().join("truth.csv"), truth).unwrap();
    let page = file("page.html");
    let judged = |table: &str, label: &str| {
        let output = anoonly(["evaluate", &model, table, "--label", label, "--json", "--report", &page]);
        let warned = stderr(&output)
            == "warning: the model was trained on these rows: expect worse results on rows that it has not seen\n";
        assert!(warned || output.stderr.is_empty(), "{}", stderr(&output));
        let printed: serde_json::Value = serde_json::from_str(&done(output)).unwrap();
        let on_page = fs::read_to_string(&page).unwrap().contains("Warning: the model was trained on these rows");
        assert_eq!((printed["trained_on"].as_bool(), on_page), (Some(warned), warned));
        warned
    };
    assert!(judged(&file("truth.csv"), "truth"));
    assert!(!judged(&new, "fraud"));
    let output = anoonly(["threshold", &model, "--max-f1", &file("truth.csv"), "--label", "truth"]);
    assert!(stderr(&output).starts_with("warning: the model was trained on these rows"), "{}", stderr(&output));
    let output = anoonly(["threshold", &model, "--max-f1", &new, "--label", "fraud"]);
    assert_eq!(stderr(&output), "");
}

/// The rows could not be scored, so labels that are missing were noticed before.
#[test]
fn missing_labels_are_reported_before_rows_are_scored() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let model = file("model.anoonly");
    for (labels, expected) in [
        (["", ""], "no row is labelled"),
        (["0", ""], "no row is labelled an anomaly"),
        (["1", ""], "no row is labelled normal"),
    ] {
        let rows = labels.map(|label| format!("{label},inf\n")).concat();
        fs::write(folder.path().join("u.csv"), format!("fraud,amount\n{rows}")).unwrap();
        let table = file("u.csv");
        for command in [
            &["evaluate", &model, &table, "--label", "fraud"][..],
            &["threshold", &model, "--max-f1", &table, "--label", "fraud"],
        ] {
            let output = anoonly(command);
            assert_eq!(output.status.code(), Some(2));
            assert!(stderr(&output).contains(&format!("column fraud: {expected}")), "{}", stderr(&output));
        }
    }
}

#[test]
fn errors_quote_at_most_100_characters_of_a_value() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let model = file("model.anoonly");
    let long = "x".repeat(20_000);
    let files = [
        ("kind.csv", format!("id,amount,city,time,age\nA,{long},Rome,2026-01-01,3\n")),
        ("category.csv", format!("id,amount,city,time,age\nA,1,{long},2026-01-01,3\n")),
        ("label.csv", format!("a,y\n1,{long}\n2,0\n")),
        ("column.csv", format!("{long},{long}\n1,0\n")),
    ];
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
        let table = file(name);
        for command in [
            &["score", &model, &table][..],
            &["train", &table, "--label", "y", "--out", &file("m.anoonly")],
            &["train", &table, "--label", &long, "--out", &file("m.anoonly")],
        ] {
            let output = anoonly(command);
            assert_eq!(output.status.code(), Some(2), "{name}");
            assert!(!stderr(&output).contains(&"x".repeat(101)), "{name}: {}", stderr(&output));
        }
    }
}

/// A table without labels is fitted by a method that needs none. The model does all that other models do.
#[test]
fn a_table_without_labels_makes_a_model() {
    let (_folder, file) = tables();
    let (table, new, model) = (file("train.csv"), file("new.csv"), file("m.anoonly"));
    let train = ["train", &table, "--drop", "fraud", "--id", "id", "--model", "mahalanobis", "--out", &model];
    let printed = done(anoonly(train));
    assert!(printed.contains("no label column: all rows are unlabelled; --label COLUMN names one"), "{printed}");
    assert!(printed.contains("rows, without labelled anomalies, in "), "{printed}");
    let inspected = done(anoonly(["inspect", &model]));
    assert!(inspected.contains("rows: 0 labelled anomalies, 0 labelled normal,"), "{inspected}");
    assert!(inspected.contains("label column: none"), "{inspected}");
    let json: serde_json::Value = serde_json::from_str(&done(anoonly(["inspect", &model, "--json"]))).unwrap();
    assert_eq!(json["about"].get("label"), None);
    done(anoonly(["threshold", &model, "--fpr", "0.1"]));
    assert!(done(anoonly(["score", &model, &new])).contains("p_value"));
    done(anoonly(["explain", &model, &new, "--top", "2"]));
    done(anoonly(["evaluate", &model, &new, "--label", "fraud"]));

    // The label column was not named: the model must not be judged by it.
    done(anoonly(["train", &table, "--id", "id", "--model", "mahalanobis", "--out", &model]));
    let output = anoonly(["evaluate", &model, &new, "--label", "fraud"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("column fraud: the model uses this column as a feature"), "{}", stderr(&output));
    assert!(stderr(&output).contains("`anoonly train --label fraud`"), "{}", stderr(&output));
}

/// Labels without an anomaly are used if the method can do without, and the user is warned.
#[test]
fn labels_without_an_anomaly_suit_methods_that_need_none() {
    let (folder, file) = tables();
    let rows: String = (0..60)
        .map(|row| format!("{},{},{}\n", row % 7, row * row % 23, if row % 3 == 0 { "0" } else { "" }))
        .collect();
    fs::write(folder.path().join("u.csv"), format!("a,b,fraud\n{rows}")).unwrap();
    let (table, model) = (file("u.csv"), file("m.anoonly"));
    let with = |method: &str, label: &[&str]| {
        anoonly([&["train", &table, "--model", method, "--out", &model][..], label].concat())
    };
    let output = with("knn", &["--label", "fraud"]);
    let warning =
        "warning: no row is labelled an anomaly in column `fraud`: knn is trained without labelled anomalies\n";
    assert_eq!(stderr(&output), warning);
    assert!(done(output).contains("label `0`: 20 rows, normal: knn treats them as unlabelled rows"));

    // A value that marks anomalies can only be missed where rows are labelled.
    assert!(stderr(&with("knn", &["--label", "fraud", "--anomaly", "fraud"])).contains("no row holds `fraud`"));
    let labelled = fs::read(&table).unwrap();
    fs::write(&table, String::from_utf8_lossy(&labelled).replace(",0\n", ",\n")).unwrap();
    assert!(done(with("knn", &["--label", "fraud", "--anomaly", "fraud"])).contains("(empty): 60 rows, unlabelled"));
    fs::write(&table, labelled).unwrap();

    let others = "choose a method that needs no labels with --model: ";
    for (label, expected) in [
        (
            &["--label", "fraud"][..],
            format!("column fraud: no row is labelled an anomaly, and devnet needs at least one; {others}"),
        ),
        (
            &[],
            format!(
                "u.csv: no row is labelled an anomaly, and devnet needs at least one; name the label column with --label, or {others}"
            ),
        ),
    ] {
        let output = with("devnet", label);
        assert_eq!(output.status.code(), Some(2));
        let error = stderr(&output);
        assert!(error.contains(&expected), "{error}");
        assert!(
            ["mahalanobis", "knn", "isolation-forest", "autoencoder"].iter().all(|name| error.contains(name)),
            "{error}"
        );
    }
    for (option, reason) in [
        ("--validate", "option --validate: at least two labelled anomalies and two other rows are needed"),
        ("--anomaly=1", "--label"),
    ] {
        let output = with("knn", &[option]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
    }
    let output = with("autoencoder", &["--early-stopping"]);
    assert!(stderr(&output).contains("option --early-stopping: at least 3 labelled anomalies"), "{}", stderr(&output));

    let labelled = format!("a,b,fraud\n{}", rows.replacen(",0\n", ",1\n", 4));
    fs::write(folder.path().join("u.csv"), labelled).unwrap();
    assert!(
        done(with("logistic", &["--label", "fraud"])).contains("label `0`: 16 rows, normal: logistic learns from them")
    );
}
