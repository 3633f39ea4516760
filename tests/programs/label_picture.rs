//! A picture of the labelling page on the guide's survey: `cargo xtask picture`.

use std::fs;

use anoonly_system_tests::browser::{Browser, View};
use anoonly_system_tests::label_server::LabelServer;
use anoonly_system_tests::survey;

/// Enough to show what was learnt, and few enough that there is more to find.
const ANSWERS: usize = 12;

fn main() {
    let path = std::env::args().nth(1).expect("the path of the picture");
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("survey.csv"), survey::labelled()).expect("a file in it");
    let server = LabelServer::start(folder.path(), &["survey.csv", "--label", "chinstrap", "--id", "id"]);
    let browser = Browser::start();
    let tab = browser.open(&server.page(), View { still: true, ..View::DESK });
    let shown = "document.getElementById('question').getAttribute('aria-busy') === 'false'";
    for answers in 0..ANSWERS {
        // The page knows the ranking that decides which row comes next, so that each run of this program has the same rows.
        let ranking = &server.settled()["fit"]["number"];
        tab.wait(&format!("{shown} && document.getElementById('fit').dataset.number === '{ranking}'"));
        let row = tab.evaluate("Number(document.getElementById('question').dataset.row)").as_u64().unwrap_or(0);
        tab.press(if survey::truth(row) == "anomaly" { "y" } else { "n" });
        tab.wait(&format!("document.getElementById('status').dataset.answers === '{}'", answers + 1));
    }
    server.settled();
    tab.wait(
        "document.getElementById('learnt').dataset.fit === document.getElementById('fit').dataset.number && document.querySelector('#learnt button.rule') && document.getElementById('fit').dataset.running === 'false'",
    );
    // As later visitors see the page: without the hint for the first one, and with what the last ranking knows.
    tab.reload();
    tab.wait(shown);
    tab.evaluate("document.getElementById('hint').hidden || document.getElementById('hint-close').click()");
    // From the last rows that have an answer to those that come next.
    tab.evaluate("document.getElementById('list').scrollTop = 12 * 28");
    tab.wait("document.querySelector('#question .bar') && !document.querySelector('#list .waiting')");
    tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
    fs::write(&path, tab.picture()).unwrap_or_else(|error| panic!("{path}: {error}"));
    let problems = tab.take_problems();
    assert!(problems.is_empty(), "{problems:#?}");
}
