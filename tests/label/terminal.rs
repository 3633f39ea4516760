//! `anoonly label --terminal`, typed through a pipe.

use std::io::Write;
use std::process::{Output, Stdio};

use anoonly_system_tests::{command, done};

use super::{Place, Standing};

/// Types these lines, and ends the input.
fn typed(place: &Place, more: &[&str], lines: &str) -> Output {
    let mut command = command(place.words(&["--terminal"]));
    command.args(more).current_dir(place.folder.path());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

/// The rows that were shown, in order.
fn shown(text: &str) -> Vec<u64> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("row "));
    rows.map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn rows_are_asked_and_answered_in_a_terminal() {
    let place = Place::survey();
    let text =
        done(typed(&place, &["--out", "labelled.csv"], "y pale bill\nn\nperhaps\nu\nz\nn no doubt\ns\nz\ny\nw\nq\n"));
    let rows = shown(&text);
    // Shown again: the third row after its answer was taken back, the sixth after its skip was.
    assert_eq!((rows.len(), rows[2], rows[5]), (9, rows[4], rows[7]), "{text}");
    let answer = |row: u64, answer: &str, note: Option<&str>| Standing {
        row,
        answer: answer.into(),
        note: note.map(str::to_owned),
    };
    assert_eq!(
        place.standing(),
        [
            answer(rows[0], "anomaly", Some("pale bill")),
            answer(rows[1], "normal", None),
            answer(rows[4], "normal", Some("no doubt")),
            answer(rows[7], "anomaly", None),
        ]
    );
    for part in
        ["(id P", "bill_length_mm", "% of rows", "most like it: ", "2 anomalies in 4 answers", "labelled.csv written"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(place.file("labelled.csv").exists() && place.file("labelled.anoonly").exists());

    // Another sitting goes on; the end of the input ends it.
    let text = done(typed(&place, &[], "n\n"));
    assert!(
        text.contains("5 answers in ")
            && !shown(&text).iter().any(|row| place.standing()[..4].iter().any(|given| given.row == *row)),
        "{text}"
    );
    assert_eq!(place.standing().len(), 5);
}

#[test]
fn a_terminal_shows_hostile_cells_on_one_line_without_control_characters() {
    let row = |row: usize| {
        let name =
            if row % 20 == 3 { "\"\u{1b}[2Jred\u{202e}\nrow 1: no\"".to_owned() } else { format!("plain {}", row % 3) };
        format!("T{row},{},{name}\n", if row % 20 == 3 { 500 } else { row % 7 })
    };
    let place = Place::new("hostile.csv", &format!("id,size,name\n{}", (0..80).map(row).collect::<String>()));
    let text = done(typed(&place, &[], "y\ny\ny\nn\n"));
    assert!(text.contains("[2Jred"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains("\nrow 1: no"), "{text}");
}
