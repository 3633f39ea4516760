//! What is left when the program ends, and how the next start goes on.

use anoonly::Table;
use anoonly_system_tests::label_server::LabelServer;
use anoonly_system_tests::survey::{self, truth};
use anoonly_system_tests::{done, stderr};
use serde_json::json;

use super::{Place, asked};

#[test]
fn an_interrupt_loses_nothing_and_writes_what_was_asked_for() {
    let place = Place::survey();
    let server = place.start(&["--out", "labelled.csv", "--notes", "why", "--label-name", "rare"]);
    let rows = asked(&server.settled());
    for row in &rows {
        server.answer(&[(*row, truth(*row))]);
    }
    // Not waited for: a refit may be running.
    let last = json!({"answers": [{"row": rows[0], "answer": "unsure", "note": "torn, \"half\"", "expected": truth(rows[0])}]});
    server.accepted("api/answers", &last);
    let ended = server.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stdout.contains("9 answers in ") && ended.stdout.contains("labelled.csv written"),
        "{}",
        ended.stdout
    );
    let labelled = Table::read(&place.file("labelled.csv")).unwrap();
    let text = |row: u64| -> Vec<String> {
        labelled.row_values(row as usize - 1).iter().rev().take(2).map(ToString::to_string).collect()
    };
    assert_eq!((labelled.rows(), text(rows[0])), (202, vec!["torn, \"half\"".into(), String::new()]));
    for row in &rows[1..] {
        assert_eq!(text(*row), [String::new(), truth(*row).to_owned()]);
    }
    let ranked = done(place.run(&["score", "labelled.anoonly", "survey.csv", "--top", "3"]));
    assert!(ranked.contains("202 rows"), "{ranked}");

    // The next start goes on. Options that are left out are those of the journal.
    let again = LabelServer::start(place.folder.path(), &["survey.csv"]);
    let session = again.fetch("api/session");
    assert_eq!((&session["resumed"], &session["ids"], &session["label"]), (&json!(9), &json!(["id"]), &json!("rare")));
    let state = again.settled();
    let anomalies = rows[1..].iter().filter(|row| truth(**row) == "anomaly").count();
    let progress = &state["progress"];
    assert_eq!(
        (&progress["answered"], &progress["unsure"], &progress["anomalies"]),
        (&json!(8), &json!(1), &json!(anomalies))
    );
    assert!(asked(&state).iter().all(|row| !rows.contains(row)));
    assert_ne!(state["fit"]["answers"], 0);
    // The token is another one.
    let ended = again.kill();
    assert_eq!(ended.code, None);
}

#[test]
fn labels_in_the_table_count_as_answers() {
    let place = Place::new("survey.csv", &survey::labelled());
    let server = place.start(&["--label", "chinstrap", "--out", "labelled.csv"]);
    let state = server.settled();
    assert_eq!((&state["progress"]["table_anomalies"], &state["answers"]), (&json!(8), &json!(0)));
    // P017 is one of the eight. It is not asked, and its label can be corrected.
    let details = server.fetch("api/rows/17");
    assert_eq!(
        (&details["label"], &details["answer"], &details["held_out"]),
        (&json!("anomaly"), &json!(null), &json!(false))
    );
    assert!(!asked(&state).contains(&17));
    server.answer(&[(17, "normal"), (asked(&state)[0], "anomaly")]);
    assert_eq!(server.interrupt().code, Some(0));
    let labelled = Table::read(&place.file("labelled.csv")).unwrap();
    let label = |row: u64| labelled.row_values(row as usize - 1)[8].to_string();
    assert_eq!((label(17), label(asked(&state)[0])), ("normal".into(), "anomaly".into()));
    let yes = (1..=202).filter(|row| ["yes", "anomaly"].contains(&label(*row).as_str())).count();
    assert_eq!(yes, 8);
}

#[test]
fn a_journal_of_another_table_or_in_use_is_refused() {
    let place = Place::small();
    let server = place.start(&[]);
    server.answer(&[(asked(&server.settled())[0], "anomaly")]);
    let ended = LabelServer::try_start(place.folder.path(), &["small.csv"]).err().expect("the journal is in use");
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("journal") && ended.stderr.contains("process"), "{}", ended.stderr);
    server.kill();
    let before = std::fs::read(place.journal()).unwrap();
    let text = std::fs::read_to_string(place.file("small.csv")).unwrap();
    std::fs::write(place.file("other.csv"), text.replace("T5,", "U5,")).unwrap();
    std::fs::write(
        place.file("shorter.csv"),
        text.lines().take(60).map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    for (table, difference) in [("other.csv", "identifiers"), ("shorter.csv", "59")] {
        let output = place.run(&["label", table, "--journal", "small.csv.answers.jsonl", "--no-open"]);
        assert_eq!(output.status.code(), Some(2));
        let message = stderr(&output);
        assert!(message.contains(difference) && message.contains("--journal"), "{message}");
    }
    assert_eq!(std::fs::read(place.journal()).unwrap(), before);
}

#[test]
fn a_port_in_use_is_refused_with_what_to_do() {
    let place = Place::small();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = place.run(&place.words(&["--no-open", "--port", &port]));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--port") && stderr(&output).contains(&port), "{}", stderr(&output));
}
