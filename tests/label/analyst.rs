//! An analyst who answers through the page's requests is asked the same rows as one who uses the library.

use anoonly::TableDetector;
use anoonly::labelling::{Answer, LabellingSetup};
use anoonly_system_tests::survey::truth;
use serde_json::json;

use super::{Place, asked};

const BATCH: usize = 5;
const BATCHES: usize = 12;

/// The rows that the library asks, in batches, counted from 1.
fn by_library(place: &Place) -> Vec<u64> {
    let mut session = LabellingSetup::new(TableDetector::pu_forest().ids(&["id"])).open(&place.table()).unwrap();
    let mut rows = Vec::new();
    for _ in 0..BATCHES {
        for question in session.next(BATCH).unwrap() {
            let answer = if truth(question.number) == "anomaly" { Answer::Anomaly } else { Answer::Normal };
            session.answer(question.row, answer, None).unwrap();
            rows.push(question.number);
        }
        session.refit().unwrap();
    }
    assert_eq!(session.progress().answered, BATCH * BATCHES);
    rows
}

/// The rows that the server asks. An analyst answers five, one request each, and waits for the ranking that knows them.
fn by_requests(place: &Place) -> Vec<u64> {
    let server = place.start(&[]);
    let mut rows = Vec::new();
    for _ in 0..BATCHES {
        let state = server.settled();
        assert_eq!((&state["fit"]["answers"], &state["answers"]), (&json!(rows.len()), &json!(rows.len())));
        for row in asked(&state).into_iter().take(BATCH) {
            server.answer(&[(row, truth(row))]);
            rows.push(row);
        }
    }
    let state = server.settled();
    let found: Vec<usize> = (1..=rows.len()).filter(|at| truth(rows[at - 1]) == "anomaly").collect();
    assert_eq!(state["finds"], json!(found));
    assert_eq!(state["progress"]["anomalies"], found.len());
    rows
}

#[test]
fn an_analyst_finds_through_the_page_what_the_library_finds() {
    let place = Place::survey();
    let rows = by_library(&place);
    assert_eq!(by_requests(&place), rows);
    // An analyst without a ranking would find 4 or 5 in 60 of 162 rows, and some of the 18 are held out.
    let found = rows.iter().filter(|row| truth(**row) == "anomaly").count();
    assert!(found > 8, "{found} found");
}
