//! Two pages on one session.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anoonly_system_tests::label_server::Site;
use serde_json::{Value, json};

use super::{Place, asked};

#[test]
fn an_answer_that_another_page_has_replaced_is_refused_until_it_was_seen() {
    let place = Place::small();
    let server = place.start(&[]);
    let row = asked(&server.settled())[0];
    let answer = |answer: &str, expected: Option<&str>| {
        let one = json!({"row": row, "answer": answer, "note": "mine", "expected": expected});
        server.post("api/answers", &json!({"answers": [one]}))
    };
    assert_eq!(answer("anomaly", None).status, 200);
    let refused = answer("normal", None);
    let body = refused.json();
    assert_eq!((refused.status, &body["state"]["answers"]), (409, &json!(1)));
    assert!(body["error"].as_str().unwrap().contains(&format!("row {row} ")), "{body}");
    assert_eq!(answer("normal", Some("unsure")).status, 409);
    assert_eq!(answer("normal", Some("anomaly")).status, 200);
    // An undo of somebody who has not seen the second answer.
    let undo = |answers: u64| server.post("api/undo", &json!({"answers": answers}));
    let refused = undo(1);
    assert_eq!((refused.status, &refused.json()["state"]["answers"]), (409, &json!(2)));
    let undone = undo(2).json();
    assert_eq!((&undone["undone"]["row"], &undone["undone"]["answer"]), (&json!(row), &json!("normal")));
    let details = server.fetch(&format!("api/rows/{row}"));
    assert_eq!((&details["answer"]["answer"], &details["answer"]["note"]), (&json!("anomaly"), &json!("mine")));
    assert_eq!(place.standing().len(), 1);
    // Nothing is left to take back after the next one.
    assert_eq!(undo(1).json()["answers"], 0);
    assert_eq!(undo(0).json()["undone"], Value::Null);
}

/// Answers 25 rows as they are asked; returns those rows and the number of conflicts.
fn work(site: &Site, answer: &str) -> (Vec<u64>, usize) {
    let (mut rows, mut conflicts) = (Vec::new(), 0);
    let mut state = site.fetch("api/state");
    while rows.len() < 25 {
        // The first row that is asked is also the other one's.
        let row = asked(&state)[0];
        let one = json!({"row": row, "answer": answer, "expected": null});
        let response = site.post("api/answers", &json!({"answers": [one]}));
        let body = response.json();
        state = match response.status {
            200 => {
                rows.push(row);
                body
            }
            409 => {
                conflicts += 1;
                body["state"].clone()
            }
            status => panic!("{status}: {body}"),
        };
    }
    (rows, conflicts)
}

#[test]
fn two_pages_at_once_lose_nothing_and_see_the_same() {
    let place = Place::small();
    let server = place.start(&[]);
    let site: &Site = &server;
    let ((anomalies, _), (normals, _)) = thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| work(site, "anomaly")), scope.spawn(|| work(site, "normal")));
        (a.join().unwrap(), b.join().unwrap())
    });
    let given: HashSet<&u64> = anomalies.iter().chain(&normals).collect();
    assert_eq!(given.len(), 50, "a row was answered twice");
    let standing = place.standing();
    assert_eq!(standing.len(), 50);
    for (rows, answer) in [(anomalies, "anomaly"), (normals, "normal")] {
        let found: Vec<u64> = standing.iter().filter(|given| given.answer == answer).map(|given| given.row).collect();
        assert_eq!(found, rows, "{answer}: in the order of each page");
    }
    let state = server.settled();
    assert_eq!(state["progress"]["answered"], 50);
    assert_eq!((&state["progress"]["anomalies"], &state["progress"]["normals"]), (&json!(25), &json!(25)));
    assert_eq!(server.fetch("api/state"), state);
}

#[test]
fn a_request_that_waits_is_woken_by_each_kind_of_change() {
    let place = Place::small();
    let server = place.start(&[]);
    let mut state = server.settled();
    let row = asked(&state)[0];
    let changes = [
        ("api/skip", json!({"row": row, "skipped": true})),
        ("api/query", json!({"strategy": "random", "random_share": 0.0})),
        ("api/answers", json!({"answers": [{"row": row, "answer": "unsure"}]})),
        ("api/undo", json!({"answers": 1})),
    ];
    for (path, body) in changes {
        let version = server.settled()["version"].clone();
        let (sender, receiver) = mpsc::channel();
        let site: Site = (*server).clone();
        let waits = version.clone();
        thread::spawn(move || sender.send(site.fetch(&format!("api/state?after={waits}"))));
        // Nothing comes before the change.
        assert!(receiver.recv_timeout(Duration::from_millis(100)).is_err(), "{path}");
        server.accepted(path, &body);
        // Half of the time after which the server answers without a change.
        state = receiver.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{path} wakes nobody"));
        assert!(state["version"].as_u64() > version.as_u64(), "{path}");
    }
    assert_eq!((&state["answers"], &state["query"]["strategy"]), (&json!(0), &json!("random")));
}
