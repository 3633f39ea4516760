//! What the tests do with the page, and how it looks in windows of several kinds.

use anoonly_system_tests::accessibility::violations;
use anoonly_system_tests::browser::{Browser, Tab, View};
use anoonly_system_tests::survey::truth;

use super::Place;

/// The row at hand, once it is shown and can be answered.
#[track_caller]
pub fn at_hand(tab: &Tab) -> u64 {
    tab.wait("document.getElementById('question')?.getAttribute('aria-busy') === 'false'");
    tab.wait("document.getElementById('yes').getAttribute('aria-disabled') === 'false'");
    let row = tab.evaluate("document.getElementById('question').dataset.row");
    row.as_str().and_then(|row| row.parse().ok()).unwrap_or_else(|| panic!("the row at hand is {row}"))
}

/// Waits until the server has confirmed everything, and its number of answers is on the screen.
#[track_caller]
pub fn saved(tab: &Tab, answers: usize) {
    let status = "document.getElementById('status').dataset";
    tab.wait(&format!("{status}.pending === '0' && {status}.answers === '{answers}'"));
}

/// Waits until another row is at hand.
#[track_caller]
pub fn passed(tab: &Tab, row: u64) -> u64 {
    tab.wait(&format!("document.getElementById('question').dataset.row !== '{row}'"));
    at_hand(tab)
}

/// Waits until the list shows this many rows.
#[track_caller]
pub fn matching(tab: &Tab, rows: usize) {
    tab.wait(&format!("document.getElementById('list').dataset.matching === '{rows}'"));
    tab.wait("!document.querySelector('#list .waiting')");
}

/// Answers the row at hand truly by key; returns it.
#[track_caller]
pub fn answer(tab: &Tab) -> u64 {
    let row = at_hand(tab);
    tab.press(if truth(row) == "anomaly" { "y" } else { "n" });
    passed(tab, row);
    row
}

/// Waits until the page shows what the last fit learnt.
#[track_caller]
pub fn learnt(tab: &Tab) {
    tab.wait("document.getElementById('learnt').dataset.fit === document.getElementById('fit').dataset.number");
}

/// Whether the page shows a rule.
fn rule(tab: &Tab) -> bool {
    tab.evaluate("document.querySelector('#learnt button.rule') !== null") == true
}

/// The windows in which nothing may stick out, and everything must be legible. What is new is not animated, so that no check falls into
/// the middle of an animation.
fn views() -> Vec<View> {
    let desk = View { still: true, ..View::DESK };
    let widths = [View { still: true, ..View::PHONE }, View { width: 768, height: 1024, ..desk }, desk];
    let zoomed = View { zoom: 2, ..desk };
    widths.into_iter().chain([zoomed]).flat_map(|view| [view, view.dark()]).collect()
}

/// Checks the page in all windows.
#[track_caller]
fn is_fine(tab: &Tab, what: &str) {
    for view in views() {
        tab.show(view);
        // Whatever follows the window has followed.
        tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
        assert_eq!(tab.beyond_the_window(), Vec::<String>::new(), "{what}, {view:?}");
        assert_eq!(violations(tab), Vec::<String>::new(), "{what}, {view:?}");
    }
    tab.show(View::DESK);
}

#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn the_page_fits_every_window_and_is_accessible() {
    let place = Place::survey();
    let server = place.start(&[]);
    let browser = Browser::start();
    let tab = browser.open(&server.page(), View { still: true, ..View::DESK });
    at_hand(&tab);
    is_fine(&tab, "at the start");
    for _ in 0..12 {
        answer(&tab);
    }
    saved(&tab, 12);
    server.settled();
    learnt(&tab);
    is_fine(&tab, "with answers");
    // Which rows were asked depends on how soon each fit was done, and so does the answer from which a rule describes the anomalies.
    for answers in 13..=60 {
        if rule(&tab) {
            break;
        }
        answer(&tab);
        saved(&tab, answers);
        server.settled();
        learnt(&tab);
    }
    assert!(rule(&tab), "no rule after sixty answers: {}", tab.text("#learnt"));
    for place in [1, 2] {
        tab.click(&format!("#list .row[data-place='{place}']"));
    }
    tab.click("#learnt button.rule");
    tab.wait("!document.getElementById('conditions').hidden");
    is_fine(&tab, "with a selection and conditions");
    for (button, dialog) in [("#help", "#help-dialog"), ("#finish", "#finish-dialog")] {
        tab.click(button);
        tab.wait(&format!("document.querySelector('{dialog}[open]')"));
        is_fine(&tab, dialog);
        if dialog == "#finish-dialog" {
            tab.click("#save");
            tab.wait("document.querySelector('#saved pre')");
            is_fine(&tab, "when saved");
        }
        tab.press("Escape");
        tab.wait("!document.querySelector('dialog[open]')");
    }
    assert_eq!(tab.take_problems(), Vec::<String>::new());
    // Nothing comes from elsewhere.
    let requests = tab.requests();
    assert!(requests.len() > 20, "{requests:?}");
    let own = |address: &&String| address.starts_with(&server.page()) || address.starts_with("data:,");
    assert_eq!(requests.iter().filter(|address| !own(address)).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Whoever has no mouse reaches everything with Tab, and a held key answers one row.
#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn the_keyboard_reaches_everything() {
    let place = Place::survey();
    let server = place.start(&[]);
    let browser = Browser::start();
    let tab = browser.open(&server.page(), View::DESK);
    at_hand(&tab);
    let mut missing: Vec<&str> =
        vec!["finish", "help", "yes", "no", "unsure", "skip", "undo", "note", "search", "list"];
    for _ in 0..60 {
        tab.press("Tab");
        let focus = tab.evaluate("[document.activeElement.id, document.activeElement.closest('#list')?.id]");
        missing.retain(|id| focus[0] != **id && focus[1] != **id);
    }
    assert_eq!(missing, Vec::<&str>::new());
    tab.evaluate("document.getElementById('no').focus()");
    let row = at_hand(&tab);
    tab.press("Enter");
    let next = passed(&tab, row);
    tab.hold("n", 5);
    let third = passed(&tab, next);
    saved(&tab, 2);
    tab.hold("Enter", 5);
    saved(&tab, 3);
    assert_eq!(place.standing().iter().map(|given| given.row).collect::<Vec<_>>(), [row, next, third]);
    // A key with a modifier, and one in a field, is no answer.
    let row = at_hand(&tab);
    tab.press("Control+z");
    tab.click("#note");
    tab.type_text("yes, no, unsure?");
    tab.press("Escape");
    tab.press("?");
    tab.wait("document.querySelector('#help-dialog[open]')");
    tab.press("y");
    tab.press("Escape");
    assert_eq!((at_hand(&tab), place.standing().len()), (row, 3));
    tab.press("u");
    passed(&tab, row);
    saved(&tab, 4);
    let last = place.standing().pop().unwrap();
    assert_eq!((last.row, last.answer.as_str(), last.note.as_deref()), (row, "unsure", Some("yes, no, unsure?")));
    assert_eq!(tab.take_problems(), Vec::<String>::new());
}

/// An answer that cannot be sent is shown as not saved, is sent when the server can be reached, and is not silently dropped when it is
/// gone for good.
#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn answers_wait_for_the_server_and_conflicts_are_shown() {
    let place = Place::survey();
    let server = place.start(&[]);
    let browser = Browser::start();
    let tab = browser.open(&server.page(), View::DESK);
    let row = at_hand(&tab);
    tab.set_offline(true);
    // Somebody else answers the row that this page has at hand.
    server.answer(&[(row, "normal")]);
    tab.press("y");
    let second = passed(&tab, row);
    tab.press("n");
    tab.wait("!document.getElementById('trouble').hidden && document.getElementById('status').dataset.pending === '2'");
    assert_eq!(place.standing().len(), 1);
    tab.set_offline(false);
    saved(&tab, 2);
    let known = |row: u64| server.fetch(&format!("api/rows/{row}"))["answer"]["answer"].clone();
    assert_eq!((known(row), known(second)), ("normal".into(), "normal".into()));
    // The row comes back, and a second press replaces the answer knowingly.
    while at_hand(&tab) != row {
        let other = at_hand(&tab);
        tab.press("n");
        passed(&tab, other);
    }
    let notice = tab.text("#question-notice");
    assert!(notice.contains("normal"), "{notice}");
    tab.press("y");
    passed(&tab, row);
    tab.wait("document.getElementById('status').dataset.pending === '0'");
    assert_eq!(known(row), "anomaly");
    let problems = tab.take_problems();
    let expected = |text: &&String| !text.contains("ERR_INTERNET_DISCONNECTED") && !text.contains("409");
    assert_eq!(problems.iter().filter(expected).collect::<Vec<_>>(), Vec::<&String>::new());

    let answers = place.standing().len();
    let row = at_hand(&tab);
    server.kill();
    tab.press("n");
    tab.wait("document.getElementById('trouble').innerText.includes('stopped')");
    let trouble = tab.text("#trouble");
    assert!(trouble.contains(&format!("row {row}: normal")), "{trouble}");
    assert_eq!(place.standing().len(), answers);
}
