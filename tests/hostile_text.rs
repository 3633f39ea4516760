//! Text from files in terminals, spreadsheets and JSON.

use std::fs;

use anoonly_system_tests::{anoonly, done, stderr};

const CLEAR: &str = "\u{1b}[2J";
const REVERSED: &str = "\u{202e}";

/// A folder with a table whose column names, categories and identifiers control a terminal, and a model of it.
fn hostile() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let row = |row: usize| {
        let kind = [format!("a{CLEAR}"), format!("b{REVERSED}"), "\"c\nforged\"".into()][row % 3].clone();
        let amount = row * 37 % 100 + if row.is_multiple_of(50) { 300 } else { 0 };
        format!("I{row}{CLEAR}{REVERSED},{amount},{kind},{}\n", u8::from(row.is_multiple_of(50)))
    };
    let rows: String = (0..200).map(row).collect();
    let header = format!("id{CLEAR},amount{REVERSED},kind{CLEAR},bad{CLEAR}\n");
    fs::write(folder.path().join(format!("t{REVERSED}.csv")), format!("{header}{rows}")).unwrap();
    let root = folder.path().to_owned();
    (folder, move |name: &str| root.join(name).to_str().unwrap().to_owned())
}

#[test]
fn no_text_from_a_file_controls_the_terminal() {
    let (_folder, file) = hostile();
    let (table, model, label) =
        (file(&format!("t{REVERSED}.csv")), file(&format!("m{CLEAR}.anoonly")), format!("bad{CLEAR}"));
    let out = file(&format!("o{REVERSED}.csv"));
    let page = file(&format!("p{CLEAR}.html"));
    let graph = file(&format!("g{CLEAR}.onnx"));
    let id = format!("id{CLEAR}");
    let commands = [
        vec!["train", &table, "--label", &label, "--id", &id, "--out", &model],
        vec!["train", &table, "--label", &label, "--id", &id, "--out", &model, "--json"],
        vec!["inspect", &model],
        vec!["inspect", &model, "--json"],
        vec!["score", &model, &table],
        vec!["score", &model, &table, "--json"],
        vec!["score", &model, &table, "--out", &out],
        vec!["explain", &model, &table, "--html", &page],
        vec!["explain", &model, &table, "--json"],
        vec!["evaluate", &model, &table, "--label", &label],
        vec!["export", &model, "--out", &graph],
        vec!["export", &model, "--out", &graph, "--json"],
        vec!["data", "info", &table],
        vec!["train", &table, "--label", &table],
        vec!["train", &table, "--label", &label, &out, &model],
        vec!["score", &page, &table],
    ];
    for command in commands {
        let output = anoonly(&command);
        for (name, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = std::str::from_utf8(text).unwrap();
            let hostile = text.contains(['\u{1b}', '\u{202e}']) || text.lines().any(|line| line.starts_with("forged"));
            assert!(!hostile, "{command:?}: {name}: {text:?}");
        }
    }
    // The same characters in files and, escaped, in JSON.
    let scores = fs::read_to_string(&out).unwrap();
    assert!(scores.starts_with(&id) && scores.contains(&format!("\nI0{CLEAR}{REVERSED},")), "{scores}");
    let printed = done(anoonly(["score", &model, &table, "--top", "1", "--json"]));
    let rows: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(rows[0][&id].as_str().unwrap().ends_with(&format!("{CLEAR}{REVERSED}")), "{printed}");
}

/// A table with these identifiers, one a row, and a model of it.
fn with_ids(ids: &[&str]) -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let row = |row: usize| {
        let bad = row.is_multiple_of(20);
        let id = ids.get(row).map_or_else(|| format!("I{row}"), |id| (*id).to_owned());
        format!("{id},{},{},{}\n", row * 37 % 100 + if bad { 300 } else { 0 }, row * 13 % 60, u8::from(bad))
    };
    let rows: String = (0..100).map(row).collect();
    fs::write(folder.path().join("t.csv"), format!("id,a,b,y\n{rows}")).unwrap();
    let root = folder.path().to_owned();
    let file = move |name: &str| root.join(name).to_str().unwrap().to_owned();
    done(anoonly(["train", &file("t.csv"), "--label", "y", "--id", "id", "--out", &file("m.anoonly")]));
    (folder, file)
}

#[test]
fn identifiers_that_a_spreadsheet_would_run_are_guarded_in_csv() {
    let ids = ["=1+2", "+a", "-b", "@c", "-5", "plain"];
    let (_folder, file) = with_ids(&ids);
    let (table, model, out) = (file("t.csv"), file("m.anoonly"), file("s.csv"));
    let written = |more: &[&str]| -> Vec<String> {
        done(anoonly([&["score", &model, &table, "--out", &out], more].concat()));
        let mut rows = csv::Reader::from_path(&out).unwrap();
        rows.records().take(ids.len()).map(|row| row.unwrap()[0].to_owned()).collect()
    };
    assert_eq!(written(&[]), ["'=1+2", "'+a", "'-b", "'@c", "-5", "plain"]);
    assert_eq!(written(&["--verbatim-ids"]), ids);
    let piped = done(anoonly(["score", &model, &table, "--out", "-"]));
    assert!(piped.contains("\n'+a,"), "{piped}");
    let parquet = file("s.parquet");
    done(anoonly(["score", &model, &table, "--out", &parquet]));
    let rows = anoonly::data::table::Table::read(parquet.as_ref()).unwrap();
    assert_eq!(rows.row_text(0)[0], "=1+2");
    let output = anoonly(["score", &model, &table, "--verbatim-ids"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn json_keeps_identifiers_and_digits() {
    let ids = ["1E5", "1.10", "12345678901234567890123", "null", "007", "true", "-0"];
    let (_folder, file) = with_ids(&ids);
    let (table, model, out) = (file("t.csv"), file("m.anoonly"), file("s.csv"));
    done(anoonly(["score", &model, &table, "--out", &out]));
    let printed = done(anoonly(["score", &model, &table, "--top", "100", "--json"]));
    let rows: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
    let mut scores = csv::Reader::from_path(&out).unwrap();
    let header = scores.headers().unwrap().clone();
    assert_eq!(header, vec!["id", "score", "rank", "p_value"]);
    let mut seen = 0;
    for row in scores.records() {
        let row = row.unwrap();
        seen += usize::from(ids.contains(&&row[0]));
        // The digits of the numbers are those of the CSV file.
        let object =
            format!("{{\"id\":\"{}\",\"score\":{},\"rank\":{},\"p_value\":{}}}", &row[0], &row[1], &row[2], &row[3]);
        assert!(printed.contains(&object), "{object} is not in {printed}");
        assert!(rows.iter().any(|object| object["id"].as_str() == Some(&row[0])), "{row:?}");
    }
    assert_eq!((seen, rows.len()), (ids.len(), 100));
    let explained = done(anoonly(["explain", &model, &table, "--top", "100", "--json"]));
    assert!(ids.iter().all(|id| explained.contains(&format!("[[\"id\",\"{id}\"]]"))), "{explained}");
}

#[test]
fn the_page_of_explanations_names_the_method_that_was_used() {
    let (_folder, file) = with_ids(&[]);
    let (table, page) = (file("t.csv"), file("e.html"));
    for (method, used, other) in
        [("quorum", "Shapley values", "integrated gradients"), ("devnet", "integrated gradients", "Shapley values")]
    {
        let model = file("n.anoonly");
        let members = ["--model", method, "--ensemble", "1", "--out", &model];
        done(anoonly([&["train", &table, "--label", "y"], &members[..]].concat()));
        done(anoonly(["explain", &model, &table, "--top", "1", "--html", &page]));
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.contains(&format!("They are {used} (")) && !text.contains(other), "{method}: {text}");
    }
}
