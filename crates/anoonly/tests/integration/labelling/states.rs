//! What programs show of a session besides its questions.

use anoonly::core::Label;
use anoonly::labelling::{Answer, LabellingSetup, StopReason};

use super::{detector, made, setup, table, truly};

#[test]
fn finds_and_what_a_fit_knew_follow_the_answers() {
    let (text, _) = made(200, 10, 1);
    let folder = tempfile::tempdir().unwrap();
    let setup = setup("isolation-forest").journal(&folder.path().join("a.jsonl"));
    let mut session = setup.open(&table(&text)).unwrap();
    let rows: Vec<usize> = (0..200).filter(|&row| session.is_open(row)).take(5).collect();
    use Answer::{Anomaly, Normal, Unsure};
    for (row, answer) in rows.iter().zip([Anomaly, Normal, Anomaly, Unsure, Anomaly]) {
        session.answer(*row, answer, None).unwrap();
    }
    assert_eq!((session.finds(), session.ranked_rows().answers()), (vec![1, 3, 5], 0));
    session.refit().unwrap();
    let ranked = session.ranked_rows();
    assert_eq!(ranked.answers(), 5);
    // A new answer on a row is the last one.
    session.answer(rows[0], Normal, None).unwrap();
    assert_eq!((session.finds(), session.ranked_rows().answers()), (vec![2, 4], 5));
    session.undo().unwrap();
    session.undo().unwrap();
    assert_eq!((session.finds(), session.is_open(rows[4]), session.is_open(rows[0])), (vec![1, 3], true, false));
    drop(session);
    let session = setup.open(&table(&text)).unwrap();
    assert_eq!((session.finds(), session.ranked_rows().answers()), (vec![1, 3], 5));
    let reopened = session.ranked_rows();
    assert_eq!(ranked.order(), reopened.order());
    for row in 0..200 {
        assert_eq!((ranked.rank(row), ranked.score(row)), (session.rank(row), session.score(row)));
    }
}

#[test]
fn progress_counts_labels_and_held_out_rows_of_the_table() {
    let (text, truth) = made(200, 10, 2);
    let mut labelled = String::new();
    for (at, line) in text.lines().enumerate() {
        let label = match at {
            0 => "label",
            1..=40 if truth[at - 1] => "anomaly",
            1..=40 => "normal",
            _ => "",
        };
        labelled.push_str(&format!("{line},{label}\n"));
    }
    let table = table(&labelled);
    let mut session =
        LabellingSetup::new(detector("isolation-forest").ids(&["id"])).label("label").open(&table).unwrap();
    let count = |label: Label| (0..200).filter(|&row| session.table_label(row) == label).count();
    let (anomalies, normals) = (count(Label::Anomaly), count(Label::Normal));
    let held_out = (0..200).filter(|&row| session.is_held_out(row)).count();
    assert_eq!((anomalies, normals), (truth[..40].iter().filter(|&&anomaly| anomaly).count(), 40 - anomalies));
    // Another answer does not change what the table says.
    session.answer(0, truly(!truth[0]), None).unwrap();
    let progress = session.progress();
    assert_eq!((progress.table_anomalies, progress.table_normals, progress.held_out), (anomalies, normals, held_out));
    assert_eq!(session.table_label(0), if truth[0] { Label::Anomaly } else { Label::Normal });
}

#[test]
fn reasons_to_stop_are_sentences() {
    let sentence = |reason: StopReason| reason.to_string();
    assert_eq!(sentence(StopReason::AllAnswered), "Every row that may be asked has an answer.");
    let few = sentence(StopReason::FewLeft { at_most: 1.0 });
    assert_eq!(
        few,
        "You can stop: by the random rows, at least 95 % of the anomalies have been found, and at most 1 is left."
    );
    assert!(sentence(StopReason::FewLeft { at_most: 0.0 }).ends_with("no more are left."));
    assert!(sentence(StopReason::FewLeft { at_most: 12.0 }).ends_with("at most 12 are left."));
    assert!(sentence(StopReason::FewExpected { finds: 0.31 }).contains("about 0.3 anomalies are expected"));
}

#[test]
fn a_table_of_anomalies_only_is_refused_and_a_wrong_column_of_notes_is_named() {
    let labelled: String = "size,weight,bad\n".to_owned() + &"1,2,yes\n3,5,yes\n4,9,yes\n".repeat(3);
    let setup = || LabellingSetup::new(detector("pu-forest")).label("bad");
    let error = setup().open(&table(&labelled)).unwrap_err().to_string();
    assert!(error.starts_with("every row is labelled an anomaly"), "{error}");
    let session = setup().open(&table(&labelled.replacen("9,yes", "9,no", 1))).unwrap();
    session.check_notes("why").unwrap();
    for taken in ["size", "bad"] {
        let error = session.check_notes(taken).unwrap_err().to_string();
        assert!(error.contains(&format!("the table has a column `{taken}` already")), "{error}");
    }
}
