//! Answers, undo and skips at a desk, and the fits behind them.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use anoonly::data::table::Table;
use anoonly::labelling::LabellingSetup;
use anoonly::pipeline::TableDetector;

use super::*;

fn desk() -> Arc<Desk> {
    let row = |row: usize| format!("{},{}\n", (row * 7) % 11, if row % 20 == 3 { 90 } else { (row * 5) % 13 });
    let text = format!("a,b\n{}", (0..100).map(row).collect::<String>());
    let table = Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap();
    Desk::open(LabellingSetup::new(TableDetector::pu_forest()).open(&table).unwrap())
}

fn new(row: u64, answer: Answer, expected: Option<Answer>) -> NewAnswer {
    NewAnswer { row: row as usize - 1, answer, note: None, expected }
}

fn wait(desk: &Desk, ready: impl Fn(&State) -> bool) -> SharedState {
    for _ in 0..2000 {
        let state = desk.state().unwrap();
        if ready(&state) {
            return state;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not come: {:?}", desk.state().unwrap());
}

#[test]
fn an_answer_that_knows_another_one_is_refused_with_all_that_came_with_it() {
    let desk = desk();
    let rows: Vec<u64> = desk.state().unwrap().questions.iter().map(|question| question.row).collect();
    desk.answer(&[new(rows[0], Answer::Anomaly, None)]).unwrap();
    let both = [new(rows[1], Answer::Normal, None), new(rows[0], Answer::Normal, None)];
    let Err(DeskError::Conflict { reason, state }) = desk.answer(&both) else { panic!("it is accepted") };
    assert!(reason.ends_with("was labelled an anomaly") && state.answers == 1, "{reason}");
    let state = desk.answer(&[new(rows[0], Answer::Normal, Some(Answer::Anomaly))]).unwrap();
    assert_eq!((state.answers, state.progress.answered, state.progress.normals), (2, 1, 1));
    assert!(matches!(desk.undo(1), Err(DeskError::Conflict { .. })));
    assert_eq!(desk.undo(2).unwrap().undone.unwrap().answer, Answer::Normal);
    assert_eq!(desk.state().unwrap().progress.anomalies, 1);
}

#[test]
fn a_fit_follows_the_answers_and_a_description_the_fit() {
    let desk = desk();
    let mut versions = desk.versions();
    let first = desk.state().unwrap();
    let rows: Vec<u64> = first.questions.iter().take(4).map(|question| question.row).collect();
    let answers: Vec<NewAnswer> = rows.iter().map(|&row| new(row, Answer::Anomaly, None)).collect();
    let state = desk.answer(&answers).unwrap();
    assert!(state.version > first.version && state.progress.since_refit == 4);
    assert!(state.questions.iter().all(|question| !rows.contains(&question.row)));
    let state = wait(&desk, |state| state.learnt == Some(2));
    assert_eq!((state.fit.number, state.fit.answers, state.progress.since_refit), (2, 4, 0));
    assert!(!state.fit.running && state.fit.error.is_none());
    assert_eq!(*versions.borrow_and_update(), state.version);
    assert!(desk.rankings().previous.is_some() && desk.learnt().is_some());
}

#[test]
fn answers_that_were_given_together_are_taken_back_together() {
    let desk = desk();
    let rows: Vec<u64> = desk.state().unwrap().questions.iter().map(|question| question.row).collect();
    desk.answer(&[new(rows[0], Answer::Anomaly, None)]).unwrap();
    desk.answer(&[1, 2, 3].map(|at: usize| new(rows[at], Answer::Normal, None))).unwrap();
    let undone = desk.undo(4).unwrap();
    assert_eq!((undone.together, undone.undone.unwrap().row, undone.state.answers), (3, rows[1], 1));
    let undone = desk.undo(1).unwrap();
    assert_eq!((undone.together, undone.undone.unwrap().row, undone.state.answers), (1, rows[0], 0));
    assert!(desk.undo(0).unwrap().undone.is_none());
}

#[test]
fn skipped_rows_come_back_when_no_others_are_left() {
    let desk = desk();
    let first = desk.state().unwrap().questions[0].row;
    let state = desk.skip(first as usize - 1, true).unwrap();
    assert!(state.skipped == [first] && state.questions.iter().all(|question| question.row != first));
    assert_eq!(state.questions.len(), AHEAD);
    assert_eq!(desk.skip(first as usize - 1, false).unwrap().questions[0].row, first);
    desk.skip(first as usize - 1, true).unwrap();
    loop {
        let rows: Vec<u64> = desk.state().unwrap().questions.iter().map(|question| question.row).collect();
        if rows == [first] {
            break;
        }
        assert!(!rows.contains(&first));
        desk.answer(&rows.iter().map(|&row| new(row, Answer::Normal, None)).collect::<Vec<_>>()).unwrap();
    }
    let state = desk.answer(&[new(first, Answer::Unsure, None)]).unwrap();
    assert!(state.questions.is_empty() && state.skipped.is_empty() && state.stop_message.is_some());
    assert!(desk.skip(100, true).is_err());
}
