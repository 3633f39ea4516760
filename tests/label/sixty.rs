//! A person answers sixty rows of the guide's survey in a browser; the journal and the screen agree.

use std::collections::BTreeMap;

use anoonly::Table;
use anoonly_system_tests::browser::{Browser, Tab, View};
use anoonly_system_tests::label_server::LabelServer;
use anoonly_system_tests::survey::truth;
use serde_json::{Value, json};

use super::page::{answer, at_hand, matching, passed, saved};
use super::{Place, asked};

/// The sitting: the pages, and the answers that must be in the journal.
struct Sitting {
    place: Place,
    server: LabelServer,
    tab: Tab,
    /// Row, answer and note, in order.
    given: Vec<(u64, String, Option<String>)>,
}

impl Sitting {
    #[track_caller]
    fn add(&mut self, row: u64, answer: &str, note: Option<&str>) {
        self.given.push((row, answer.to_owned(), note.map(str::to_owned)));
        self.agree();
    }

    /// Screen, journal and script have the same answers.
    #[track_caller]
    fn agree(&self) {
        saved(&self.tab, self.given.len());
        let journal: Vec<_> =
            self.place.standing().into_iter().map(|last| (last.row, last.answer, last.note)).collect();
        assert_eq!(journal, self.given);
        let (row, answer, _) = self.given.last().unwrap();
        let status = self.tab.text("#status");
        assert!(status.contains(&format!("row {row} {answer}")), "{status}");
    }

    fn by_keys(&mut self, count: usize) {
        for _ in 0..count {
            let row = answer(&self.tab);
            self.add(row, truth(row), None);
        }
    }

    fn by_mouse(&mut self, count: usize) {
        for _ in 0..count {
            let row = at_hand(&self.tab);
            self.tab.click(if truth(row) == "anomaly" { "#yes" } else { "#no" });
            passed(&self.tab, row);
            self.add(row, truth(row), None);
        }
    }

    /// Chooses which rows the list shows.
    fn show(&self, answer: &str) {
        let script =
            "const choice = document.getElementById('answer-filter'); choice.dispatchEvent(new Event('change'))";
        let choose = format!("document.getElementById('answer-filter').value = '{answer}'");
        self.tab.evaluate(&format!("{{ {choose}; {script} }}"));
    }

    /// Scrolls the list until the row at this place, counted from 0, is in sight.
    fn scroll_to(&self, place: usize) {
        let tab = &self.tab;
        tab.evaluate(&format!("document.getElementById('list').scrollTop = {}", place.saturating_sub(1) * 28));
        tab.wait(&format!("document.querySelector(\"#list .row[data-place='{place}']:not([data-row=''])\")"));
    }

    /// The rows of the list, as a person sees them while scrolling through it: row and answer, from the top.
    fn listed(&self) -> Vec<(u64, String)> {
        let tab = &self.tab;
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok());
        let total = number(&tab.evaluate("document.getElementById('list').dataset.matching")).unwrap() as usize;
        let mut found = BTreeMap::new();
        tab.evaluate("document.getElementById('list').scrollTop = 0");
        for _ in 0..200 {
            tab.wait("!document.querySelector('#list .waiting')");
            // The last turn of the wheel may bring rows that wait for their cells only now.
            let rows = tab.evaluate(
                "[...document.querySelectorAll(\"#list .row:not([data-row=''])\")].map(row => [row.dataset.place, row.dataset.row, row.dataset.answer])",
            );
            for row in rows.as_array().unwrap() {
                let answer = row[2].as_str().unwrap().to_owned();
                found.insert(number(&row[0]).unwrap(), (number(&row[1]).unwrap(), answer));
            }
            if found.len() == total {
                return found.into_values().collect();
            }
            tab.wheel("#list", 200);
        }
        panic!("{} of {total} rows are listed", found.len());
    }

    /// The list shows each row's last answer, as the journal has it.
    fn list_agrees(&self) {
        let last: BTreeMap<u64, String> = self.given.iter().map(|(row, answer, _)| (*row, answer.clone())).collect();
        for answer in ["anomaly", "normal", "unsure"] {
            let expected: Vec<(u64, String)> =
                last.iter().filter(|(_, given)| *given == answer).map(|(row, given)| (*row, given.clone())).collect();
            self.show(answer);
            matching(&self.tab, expected.len());
            let mut listed = self.listed();
            listed.sort_unstable();
            assert_eq!(listed, expected);
        }
        self.show("any");
        matching(&self.tab, 202);
    }
}

#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn sixty_answers_in_a_browser_are_in_the_journal_as_on_the_screen() {
    let place = Place::survey();
    let server = place.start(&["--out", "labelled.csv", "--notes", "note"]);
    let browser = Browser::start();
    let tab = browser.open(&server.page(), View::DESK);
    let mut sitting = Sitting { place, server, tab, given: Vec::new() };

    sitting.by_keys(4);
    // A note, by its key.
    let row = at_hand(&sitting.tab);
    sitting.tab.press("c");
    sitting.tab.type_text("n? \"y\" é");
    sitting.tab.press("Enter");
    sitting.tab.press("y");
    passed(&sitting.tab, row);
    sitting.add(row, "anomaly", Some("n? \"y\" é"));
    // Taken back, and answered otherwise. Its note is there again.
    sitting.tab.press("z");
    sitting.tab.wait(&format!("document.getElementById('question').dataset.row === '{row}'"));
    sitting.given.pop();
    sitting.agree();
    at_hand(&sitting.tab);
    sitting.tab.press("n");
    passed(&sitting.tab, row);
    sitting.add(row, "normal", Some("n? \"y\" é"));
    // Unsure, and a skip that is taken back, and one that is not.
    let row = at_hand(&sitting.tab);
    sitting.tab.press("u");
    passed(&sitting.tab, row);
    sitting.add(row, "unsure", None);
    let row = at_hand(&sitting.tab);
    sitting.tab.press("s");
    passed(&sitting.tab, row);
    sitting.tab.press("z");
    sitting.tab.wait(&format!("document.getElementById('question').dataset.row === '{row}'"));
    at_hand(&sitting.tab);
    sitting.tab.press("s");
    let next = passed(&sitting.tab, row);
    sitting.agree();
    assert_eq!(sitting.server.fetch("api/state")["skipped"], json!([row]));
    assert_ne!(next, row);
    sitting.by_keys(14);
    sitting.by_mouse(10);
    // 30 now, and two undos in a row by mouse.
    for _ in 0..2 {
        let (row, ..) = sitting.given.pop().unwrap();
        sitting.tab.click("#undo");
        sitting.tab.wait(&format!("document.getElementById('question').dataset.row === '{row}'"));
        sitting.agree();
    }
    sitting.by_mouse(2);
    assert_eq!(sitting.given.len(), 30);

    a_ranking_arrives_without_moving_the_row(&sitting);
    the_list_is_searched_filtered_and_sorted(&sitting);
    rows_of_the_list_are_answered_together(&mut sitting);
    sitting.list_agrees();

    // The page is loaded again: nothing is lost, and the row is at hand that comes next.
    let next = asked(&sitting.server.settled())[0];
    sitting.tab.reload();
    assert_eq!(at_hand(&sitting.tab), next);
    sitting.agree();
    a_second_page_stays_in_step(&mut sitting, &browser);
    sitting.by_keys(60 - sitting.given.len());
    sitting.list_agrees();
    the_results_are_written(&sitting);
    assert_eq!(sitting.tab.take_problems(), Vec::<String>::new());
    let Sitting { place, server, given, .. } = sitting;
    assert_eq!(server.interrupt().code, Some(0));
    assert_eq!(place.standing().len(), given.len());
}

fn a_ranking_arrives_without_moving_the_row(sitting: &Sitting) {
    let tab = &sitting.tab;
    sitting.server.settled();
    let row = at_hand(tab);
    let number = |tab: &Tab| tab.evaluate("Number(document.getElementById('fit').dataset.number)").as_u64().unwrap();
    tab.wait("document.getElementById('fit').dataset.running === 'false'");
    let before = number(tab);
    // An answer from elsewhere brings a new ranking; it is taken back at once.
    let other = sitting.server.fetch("api/state")["questions"][5]["row"].as_u64().unwrap();
    let answers = sitting.server.answer(&[(other, "anomaly")])["answers"].clone();
    tab.wait(&format!("Number(document.getElementById('fit').dataset.number) > {before}"));
    assert_eq!(at_hand(tab), row);
    sitting.server.accepted("api/undo", &json!({"answers": answers}));
    sitting.server.settled();
    tab.wait(&format!("document.getElementById('status').dataset.answers === '{}'", sitting.given.len()));
    assert_eq!(at_hand(tab), row);
}

fn the_list_is_searched_filtered_and_sorted(sitting: &Sitting) {
    let Sitting { tab, place, .. } = sitting;
    let table = place.table();
    let cell = |row: u64, column: usize| table.row_values(row as usize - 1)[column].to_string();
    // P017, by a text that no other row has.
    tab.press("/");
    tab.type_text("P017");
    matching(tab, 1);
    assert_eq!(sitting.listed()[0].0, 17);
    for _ in 0..4 {
        tab.press("Backspace");
    }
    tab.type_text("dream");
    let dream = (1..=202).filter(|row| cell(*row, 1) == "Dream").count();
    matching(tab, dream);
    for _ in 0..5 {
        tab.press("Backspace");
    }
    matching(tab, 202);
    tab.press("Escape");
    // Sorted by a column, both ways: missing values come last, or at least together.
    for descending in [true, false] {
        tab.click("#list .head button[data-by='column'][data-column='bill_length_mm']");
        let order = if descending { "descending" } else { "ascending" };
        tab.wait(&format!("document.querySelector('#list [aria-sort={order}] [data-column=bill_length_mm]')"));
        tab.wait("!document.querySelector('#list .waiting')");
        let sorted = |values: &[f64]| {
            values.windows(2).all(|pair| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] })
        };
        let mut values = Vec::new();
        // The page may still show the order before.
        for _ in 0..50 {
            values = sitting.listed().into_iter().filter_map(|(row, _)| cell(row, 2).parse().ok()).collect();
            if sorted(&values) {
                break;
            }
        }
        assert!(sorted(&values) && values.len() > 190, "{order}: {values:?}");
    }
    tab.click("#list .head button[data-by='rank']");
    tab.wait("document.querySelector('#list [aria-sort=ascending] [data-by=rank]')");
    // A rule filters the list, and its conditions can be removed.
    tab.wait("document.getElementById('learnt').dataset.fit === document.getElementById('fit').dataset.number && document.querySelector('#learnt button.rule')");
    let learnt = sitting.server.fetch("api/learnt");
    tab.click("#learnt button.rule");
    let rule = &learnt["rules"][0];
    matching(tab, rule["rows"].as_u64().unwrap() as usize);
    let rows: Vec<u64> = sitting.listed().into_iter().map(|(row, _)| row).collect();
    let found =
        rows.iter().filter(|row| sitting.given.iter().any(|(given, answer, _)| given == *row && answer == "anomaly"));
    assert_eq!(found.count() as u64, rule["found"].as_u64().unwrap());
    while tab.evaluate("document.querySelectorAll('#conditions button').length") != 0 {
        tab.click("#conditions button");
    }
    matching(tab, 202);
}

/// Several rows are selected and get one answer.
fn rows_of_the_list_are_answered_together(sitting: &mut Sitting) {
    sitting.show("open");
    sitting.tab.wait("!document.querySelector('#list .row:not([data-answer=\"\"])')");
    sitting.tab.wait("!document.querySelector('#list .waiting')");
    let open: Vec<u64> = sitting.listed().into_iter().map(|(row, _)| row).collect();
    let held_out: Vec<u64> =
        (1..=202).filter(|row| sitting.server.fetch(&format!("api/rows/{row}"))["held_out"] == true).collect();
    let answerable = |row: &u64| truth(*row) == "normal" && !held_out.contains(row);
    let normal: Vec<u64> = open.iter().copied().filter(answerable).take(3).collect();
    for row in &normal {
        let place = open.iter().position(|open| open == row).unwrap();
        sitting.scroll_to(place);
        sitting.tab.click(&format!("#list .row[data-row='{row}']"));
    }
    sitting.tab.wait("document.querySelectorAll('#list .row[aria-selected=true]').length === 3");
    sitting.tab.press("n");
    for row in &normal {
        sitting.given.push((*row, "normal".into(), None));
    }
    sitting.agree();
    // The first five rows get `normal`, whatever answers they have: two clicks, one of them with the shift key, and a button.
    sitting.show("any");
    matching(&sitting.tab, 202);
    sitting.scroll_to(0);
    let from = sitting.given.len();
    for (key, held) in [("0", ""), ("4", "Shift")] {
        sitting.tab.click_with(&format!("#list .row[data-place='{key}']"), held);
    }
    sitting.tab.wait("document.querySelectorAll('#list .row[aria-selected=true]').length === 5");
    let selected = sitting.tab.evaluate(
        "[...document.querySelectorAll('#list .row[aria-selected=true]')].map(row => Number(row.dataset.row))",
    );
    sitting.tab.click("#selection button:nth-of-type(2)");
    for row in
        selected.as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).filter(|row| !held_out.contains(row))
    {
        sitting.given.push((row, "normal".into(), None));
    }
    assert!(sitting.given.len() > from);
    sitting.agree();
    // That was wrong: undo takes back all of them.
    sitting.given.truncate(from);
    sitting.tab.press("z");
    sitting.agree();
}

fn a_second_page_stays_in_step(sitting: &mut Sitting, browser: &Browser) {
    let second = browser.open(&sitting.server.page(), View::DESK);
    saved(&second, sitting.given.len());
    let row = answer(&second);
    sitting.add(row, truth(row), None);
    // The first page may have had the same row at hand. It says so, and goes on.
    if at_hand(&sitting.tab) == row {
        sitting.tab.wait("document.getElementById('question-notice').innerText.includes('another page')");
        sitting.tab.press("s");
        passed(&sitting.tab, row);
    }
    sitting.by_keys(2);
    saved(&second, sitting.given.len());
    assert_eq!(second.take_problems(), Vec::<String>::new());
}

fn the_results_are_written(sitting: &Sitting) {
    let Sitting { tab, place, given, .. } = sitting;
    tab.click("#finish");
    tab.wait("document.querySelector('#finish-dialog[open]')");
    tab.click("#save");
    tab.wait("document.querySelector('#saved pre')");
    let text = tab.text("#saved");
    assert!(text.contains("labelled.csv") && text.contains("anoonly score"), "{text}");
    tab.press("Escape");
    tab.wait("!document.querySelector('dialog[open]')");
    let table = Table::read(&place.file("labelled.csv")).unwrap();
    for (row, answer, note) in given {
        let last = given.iter().rfind(|(other, ..)| other == row).unwrap();
        if (&last.1, &last.2) != (answer, note) {
            continue;
        }
        let cells = table.row_values(*row as usize - 1);
        let [label, written] = [8, 9].map(|column| cells[column].to_string());
        assert_eq!(
            (label.as_str(), written),
            (if answer == "unsure" { "" } else { answer }, note.clone().unwrap_or_default()),
            "{row}"
        );
    }
    assert!(place.file("labelled.anoonly").exists());
}
