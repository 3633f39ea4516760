//! The questions in a terminal, for a computer without a browser.

use std::fmt::Write;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anoonly::labelling::{Answer, AskedBecause};

use super::desk::{DeskError, NewAnswer};
use super::messages::{GivenRow, QuestionRow, State, shown};
use super::save::DEFAULT_THRESHOLD;
use super::server::Service;
use crate::error::CommandError;
use crate::terminal::{one_line, print_partly};
use crate::{counted, print};

/// What can be typed.
const HELP: &str = "y  it is an anomaly          y TEXT  with a note
n  it is normal              n TEXT
u  you cannot tell           u TEXT
s  skip: ask later           z  undo the last answer
w  write the labelled table and the model
q  quit: every answer is saved, and the same command goes on from there
";

/// The most columns of a row that are shown.
const SHOWN_COLUMNS: usize = 30;
/// The most characters of a value.
const LONGEST_CELL: usize = 60;
/// The width of the longest bar.
const WIDEST: f32 = 20.0;

/// Asks until the input ends, the user quits or a signal comes.
pub fn ask(service: &Arc<Service>, stopped: &'static AtomicBool) -> Result<(), CommandError> {
    let lines = lines();
    print(HELP);
    let mut asked = None;
    let mut fit = 1;
    loop {
        let state = service.desk.state().map_err(failed)?;
        let Some(question) = state.questions.first() else {
            print("every row that may be asked has an answer\n");
            return Ok(());
        };
        if asked != Some(question.row) {
            if state.fit.number != fit {
                fit = state.fit.number;
                print(&format!("ranking {fit} knows {}\n", counted(state.fit.answers, "answer", "answers")));
            }
            print(&format!("\n{}{}", row_text(service, question)?, progress_line(&state)));
            asked = Some(question.row);
        }
        print_partly("anomaly? y n u s z w q, or ? for help: ");
        let Some(line) = next(&lines, stopped) else {
            print("\n");
            return Ok(());
        };
        match act(service, &state, question.row, line.trim()) {
            Ok(Next::Go) => asked = None,
            Ok(Next::Stay) => {}
            Ok(Next::Quit) => return Ok(()),
            Err(error) => print(&format!("{}\n", one_line(&error.to_string()))),
        }
    }
}

enum Next {
    Go,
    Stay,
    Quit,
}

/// Does what a line says.
fn act(service: &Service, state: &State, row: u64, line: &str) -> Result<Next, CommandError> {
    let (key, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let index = row as usize - 1;
    let answer = match key {
        "y" | "Y" | "yes" => Answer::Anomaly,
        "n" | "N" | "no" => Answer::Normal,
        "u" | "U" | "unsure" => Answer::Unsure,
        "s" | "S" | "skip" => {
            service.desk.skip(index, true).map_err(failed)?;
            return Ok(Next::Go);
        }
        "z" | "Z" | "undo" => {
            let undone = service.desk.undo(state.answers).map_err(failed)?.undone;
            print(&match undone {
                Some(last) => format!("the answer on row {} is taken back\n", last.row),
                None => "there is no answer to take back\n".into(),
            });
            return Ok(Next::Go);
        }
        "w" | "W" | "write" => {
            print(&service.saving.save(&service.desk, Some(DEFAULT_THRESHOLD))?.text());
            return Ok(Next::Stay);
        }
        "q" | "Q" | "quit" => return Ok(Next::Quit),
        "" => return Ok(Next::Stay),
        _ => {
            print(HELP);
            return Ok(Next::Stay);
        }
    };
    let note = (!rest.trim().is_empty()).then(|| rest.trim().to_owned());
    service.desk.answer(&[NewAnswer { row: index, answer, note, expected: None }]).map_err(failed)?;
    Ok(Next::Go)
}

fn failed(error: DeskError) -> CommandError {
    super::save::command_error(error)
}

/// A row with its columns: those that make its score come first.
fn row_text(service: &Service, question: &QuestionRow) -> Result<String, CommandError> {
    let row = question.row as usize - 1;
    let given = service.desk.row(row).map_err(failed)?;
    let (_, explainer) = service.desk.explainer();
    let explained = explainer.explain(row)?;
    let view = service.desk.view();
    let (values, places) = (view.values(row), view.place(row));
    let part = |column: &str| explained.contributions.iter().position(|part| part.column == column);
    let mut columns: Vec<(usize, Option<usize>)> =
        view.columns().iter().enumerate().map(|(at, column)| (at, part(&column.name))).collect();
    columns.sort_by_key(|(at, part)| (part.unwrap_or(usize::MAX), *at));
    let largest = explained.contributions.first().map_or(0.0, |part| part.contribution.abs());

    let mut text = headline(&given, question.because);
    let width = columns.iter().take(SHOWN_COLUMNS).map(|(at, _)| view.columns()[*at].name.chars().count());
    let width = width.max().unwrap_or(0).min(LONGEST_CELL);
    for (at, part) in columns.iter().take(SHOWN_COLUMNS) {
        let name = one_line(&view.columns()[*at].name).into_owned();
        let value =
            shown(&values[*at], LONGEST_CELL).map_or_else(|| "(missing)".into(), |value| one_line(&value).into_owned());
        let place = places[*at].as_ref().map_or_else(String::new, |place| place.to_string());
        let reason = part.map_or_else(String::new, |part| bar(explained.contributions[part].contribution, largest));
        let _ = writeln!(text, "  {name:width$}  {value:20}  {place:28}  {reason}");
    }
    if columns.len() > SHOWN_COLUMNS {
        let _ = writeln!(text, "  and {} more columns", columns.len() - SHOWN_COLUMNS);
    }
    let nearest = given.nearest.iter().take(3).map(|near| {
        let note = near.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        format!("row {} {}{note}", near.row, answer_word(near.answer))
    });
    let nearest: Vec<String> = nearest.collect();
    if !nearest.is_empty() {
        let _ = writeln!(text, "  most like it: {}", one_line(&nearest.join(", ")));
    }
    Ok(text)
}

fn headline(given: &GivenRow, because: AskedBecause) -> String {
    let ids: Vec<String> = given.ids.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
    let why = match because {
        AskedBecause::HighestScore => "the highest score",
        AskedBecause::SpreadOut => "a high score, unlike the others",
        AskedBecause::NearThreshold => "a score next to the threshold",
        AskedBecause::DrawnAtRandom => "drawn at random",
        _ => "chosen",
    };
    let line = format!("row {}{ids}: score {:.2}, rank {}; asked as {why}", given.row, given.score, given.rank);
    format!("{}\n", one_line(&line))
}

/// A contribution with its bar.
fn bar(part: f32, largest: f32) -> String {
    let length = if largest > 0.0 { (WIDEST * part.abs() / largest).round() as usize } else { 0 };
    let mark = if part < 0.0 { "-" } else { "#" };
    format!("{part:+8.2} {}", mark.repeat(length))
}

fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Anomaly => "anomaly",
        Answer::Normal => "normal",
        Answer::Unsure => "unsure",
    }
}

fn progress_line(state: &State) -> String {
    let progress = &state.progress;
    let mut line = format!(
        "{} in {}",
        counted(progress.anomalies, "anomaly", "anomalies"),
        counted(progress.answered, "answer", "answers")
    );
    if let Some(finds) = progress.expected_finds {
        let _ = write!(line, "; about {finds:.1} expected among the next ten");
    }
    if let Some(left) = progress.left {
        let _ = write!(line, "; {:.0} to {:.0} left to find", left.low, left.high);
    }
    if let Some(message) = &state.stop_message {
        let _ = write!(line, "; {message}");
    }
    line.push('\n');
    line
}

/// The lines of standard input, read by a thread of its own, so that a signal ends the command while it waits.
fn lines() -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// The next line; nothing at the end of the input or after a signal.
fn next(lines: &Receiver<String>, stopped: &AtomicBool) -> Option<String> {
    loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => return Some(line),
            Err(RecvTimeoutError::Timeout) if !stopped.load(Ordering::Relaxed) => {}
            Err(_) => return None,
        }
    }
}
