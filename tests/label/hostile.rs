//! Cells, names and notes that look like markup or scripts are shown as they are.

use anoonly_system_tests::browser::{Browser, View};
use serde_json::json;

use super::page::{at_hand, matching, passed, saved};
use super::{Place, asked};

const SCRIPT: &str = "<script>window.hacked = 1</script>";
const IMAGE: &str = "\"'><img src=x onerror=\"window.hacked = 2\">";
/// Turns the direction of what follows, unless it is isolated.
const BIDI: &str = "abc\u{202e}cba\u{2066}";

/// A table whose column names and cells are hostile; every 16th row is an anomaly, and one of these has a cell of a megabyte.
fn place() -> Place {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let header = ["id", SCRIPT, IMAGE, BIDI, "amount"].map(quoted).join(",");
    let row = |row: usize| {
        let odd = row % 16 == 3;
        let long = if row == 19 { "<b>".repeat(350_000) } else { ["a", "b", "c"][row % 3].to_owned() };
        let markup = if odd { IMAGE.to_owned() } else { format!("&lt;{}&amp;", row % 2) };
        let cells =
            [quoted(&format!("{SCRIPT}{row}")), quoted(&long), quoted(&markup), quoted(&format!("{BIDI}{}", row % 4))];
        format!("{},{}\n", cells.join(","), if odd { 900 + row } else { row % 13 })
    };
    Place::new("<b>hostile & odd.csv", &format!("{header}\n{}", (0..80).map(row).collect::<String>()))
}

#[test]
fn hostile_cells_come_as_they_are_and_cut() {
    let place = place();
    let server = place.start(&["--held-out", "0"]);
    let session = server.fetch("api/session");
    assert_eq!(session["table"], "<b>hostile & odd.csv");
    let names: Vec<&str> =
        session["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["id", SCRIPT, IMAGE, BIDI, "amount"]);
    let details = server.fetch("api/rows/20");
    assert_eq!(details["ids"], json!([["id", format!("{SCRIPT}19")]]));
    let long = details["cells"][1]["value"].as_str().unwrap();
    assert_eq!((long.chars().count(), long.starts_with("<b><b>"), long.ends_with('…')), (2001, true, true));
    let condition = json!({"column": IMAGE, "test": "in", "values": [IMAGE]});
    let request = json!({"filter": {"conditions": [condition], "text": SCRIPT.to_uppercase()}, "sort": {"by": "row"}, "from": 0, "count": 500});
    let list = server.accepted("api/rows", &request);
    assert_eq!((&list["matching"], &list["rows"][1]["row"]), (&json!(5), &json!(20)));
    let cut = list["rows"][1]["cells"][1].as_str().unwrap();
    assert_eq!((cut.chars().count(), cut.ends_with('…')), (81, true));
    let note = format!("{SCRIPT}\u{0}\n\u{1b}[2J{BIDI}");
    server.accepted("api/answers", &json!({"answers": [{"row": 20, "answer": "anomaly", "note": note}]}));
    assert_eq!(server.fetch("api/rows/20")["answer"]["note"], note);
    assert_eq!(place.standing()[0].note, Some(note));
}

#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn hostile_cells_stay_text_on_the_page() {
    let place = place();
    let server = place.start(&["--held-out", "0"]);
    let tab = Browser::start().open(&server.page(), View::DESK);
    let mut answers = 0;
    // A note on each row, and anomalies, so that rules and nearest rows are shown.
    for _ in 0..8 {
        let row = at_hand(&tab);
        tab.press("c");
        tab.type_text(IMAGE);
        tab.press("Enter");
        tab.press(if row % 16 == 4 { "y" } else { "n" });
        passed(&tab, row);
        answers += 1;
        saved(&tab, answers);
    }
    assert!(asked(&server.settled()).len() == 8);
    tab.wait("document.getElementById('learnt').dataset.fit === document.getElementById('fit').dataset.number && document.querySelector('#learnt button.rule') && document.querySelector('#nearest q')");
    tab.click("#learnt button.rule");
    tab.wait("Number(document.getElementById('list').dataset.matching) < 80");
    tab.reload();
    at_hand(&tab);
    tab.click("#search");
    tab.type_text(SCRIPT);
    matching(&tab, 80);
    tab.evaluate("document.getElementById('search').value = ''; document.getElementById('search').dispatchEvent(new Event('input'))");
    tab.type_text("<b><b>");
    matching(&tab, 1);
    tab.press("Escape");
    tab.press("Enter");
    tab.wait("document.getElementById('question').dataset.row === '20'");
    at_hand(&tab);
    for text in [format!("{SCRIPT}19"), IMAGE.to_owned(), "<b><b>".to_owned()] {
        let shown = tab.text("#question");
        assert!(shown.contains(&text), "{text} is not in {shown}");
    }
    // No text of the table became an element, and none turned the direction of the page around it.
    let facts = tab.evaluate(
        "[window.hacked ?? null, document.querySelectorAll('body script, img, b').length, document.title.includes('<b>hostile')]",
    );
    assert_eq!(facts, json!([null, 0, true]));
    let loose = "[...document.querySelectorAll('body *')].filter(element => [...element.childNodes].some(node =>
        node.nodeType === 3 && node.data.includes('\\u202e')) && !['isolate', 'plaintext'].includes(getComputedStyle(element).unicodeBidi))
        .map(element => element.outerHTML.slice(0, 200))";
    assert_eq!(tab.evaluate(loose), json!([]));
    assert_eq!(tab.beyond_the_window(), Vec::<String>::new());
    assert_eq!(tab.take_problems(), Vec::<String>::new());
}
