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
use super::messages::{GivenRow, State, shown};
use super::save::DEFAULT_THRESHOLD;
use super::server::Service;
use crate::error::CommandError;
use crate::terminal::{one_line, print_partly};
use crate::{counted, print};

/// What can be typed.
const HELP: &str = "y  it is an anomaly          y TEXT  with a note
n  it is normal              n TEXT
u  you cannot tell           u TEXT
s  skip: ask later           z  undo the last answer or skip
l  what was learnt: the columns that count, and rules that describe the anomalies found
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
    let mut fit = 1;
    let mut next = Next::Ask;
    let mut skipped = None;
    loop {
        let state = service.desk.state().map_err(failed)?;
        let question = match (next, state.questions.first()) {
            (Next::Again(row), _) => Some((row, None)),
            (Next::Ask, Some(question)) => Some((question.row, Some(question.because))),
            (Next::Ask, None) => None,
        };
        let row = question.map(|(row, _)| row);
        if state.fit.number != fit {
            fit = state.fit.number;
            print(&format!("ranking {fit}, fitted with {}\n", counted(state.fit.answers, "answer", "answers")));
        }
        let shown = match question {
            Some((row, because)) => row_text(service, row, because)?,
            None => String::new(),
        };
        print(&format!("\n{shown}{}", progress_line(&state)));
        // The row stays until something was done with it.
        next = loop {
            print_partly(match row {
                Some(_) => "anomaly? y n u s z l w q, or ? for help: ",
                None => "z l w q, or ? for help: ",
            });
            let Some(line) = next_line(&lines, stopped) else {
                print("\n");
                return Ok(());
            };
            match Typed::read(line.trim()) {
                Typed::Quit => return Ok(()),
                Typed::Help => print(HELP),
                Typed::Nothing => {}
                Typed::Do(action) => match act(service, &state, row, action, &mut skipped) {
                    Ok(Some(next)) => break next,
                    Ok(None) => {}
                    Err(error) => print(&format!("{}\n", one_line(&error.to_string()))),
                },
            }
        };
    }
}

/// The row that is shown next.
enum Next {
    /// The row that the session asks.
    Ask,
    /// This one, whose answer or skip was taken back.
    Again(u64),
}

/// What a line says.
enum Typed {
    Do(Action),
    Help,
    Nothing,
    Quit,
}

enum Action {
    Answer(Answer, Option<String>),
    Skip,
    Undo,
    Learnt,
    Write,
}

impl Typed {
    fn read(line: &str) -> Self {
        let (key, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let note = Some(rest.trim()).filter(|note| !note.is_empty()).map(str::to_owned);
        Typed::Do(match key.to_ascii_lowercase().as_str() {
            "y" | "yes" => Action::Answer(Answer::Anomaly, note),
            "n" | "no" => Action::Answer(Answer::Normal, note),
            "u" | "unsure" => Action::Answer(Answer::Unsure, note),
            "s" | "skip" => Action::Skip,
            "z" | "undo" => Action::Undo,
            "l" | "learnt" => Action::Learnt,
            "w" | "write" => Action::Write,
            "q" | "quit" => return Typed::Quit,
            "" => return Typed::Nothing,
            _ => return Typed::Help,
        })
    }
}

/// Does what was typed. Returns what is shown next, unless the row stays. `skipped` is the row of the last action, if it was put aside.
fn act(
    service: &Service,
    state: &State,
    row: Option<u64>,
    action: Action,
    skipped: &mut Option<u64>,
) -> Result<Option<Next>, CommandError> {
    let index = |row: u64| row as usize - 1;
    match (action, row) {
        (Action::Answer(..) | Action::Skip, None) => {
            print("every row that may be asked has an answer\n");
            return Ok(None);
        }
        (Action::Answer(answer, note), Some(row)) => {
            let expected = service.desk.row(index(row)).map_err(failed)?.answer.map(|given| given.answer);
            let new = NewAnswer { row: index(row), answer, note, expected };
            service.desk.answer(&[new]).map_err(failed)?;
            *skipped = None;
        }
        (Action::Skip, Some(row)) => {
            service.desk.skip(index(row), true).map_err(failed)?;
            *skipped = Some(row);
        }
        (Action::Undo, _) => match skipped.take() {
            Some(row) => {
                service.desk.skip(index(row), false).map_err(failed)?;
                return Ok(Some(Next::Again(row)));
            }
            None => {
                let undone = service.desk.undo(state.answers).map_err(failed)?;
                let Some(last) = undone.undone else {
                    print("there is no answer to take back\n");
                    return Ok(None);
                };
                print(&match undone.together {
                    1 => format!("the answer on row {} is taken back\n", last.row),
                    several => format!("{several} answers that were given together are taken back\n"),
                });
                return Ok(Some(Next::Again(last.row)));
            }
        },
        (Action::Learnt, _) => {
            print(&learnt_text(service));
            return Ok(None);
        }
        (Action::Write, _) => {
            print(&service.saving.save(&service.desk, Some(DEFAULT_THRESHOLD))?.text());
            return Ok(None);
        }
    }
    Ok(Some(Next::Ask))
}

fn failed(error: DeskError) -> CommandError {
    super::save::command_error(error)
}

/// A row with its columns: those that make its score come first.
fn row_text(service: &Service, number: u64, because: Option<AskedBecause>) -> Result<String, CommandError> {
    let row = number as usize - 1;
    let given = service.desk.row(row).map_err(failed)?;
    let (_, explainer) = service.desk.explainer();
    let explained = explainer.explain(row)?;
    let view = service.desk.view();
    let (values, contexts, known) = (view.values(row)?, view.contexts(row)?, view.columns()?);
    let part = |column: &str| explained.contributions.iter().position(|part| part.column == column);
    let mut columns: Vec<(usize, Option<usize>)> =
        known.iter().enumerate().map(|(at, column)| (at, part(&column.name))).collect();
    columns.sort_by_key(|(at, part)| (part.unwrap_or(usize::MAX), *at));
    let largest = explained.contributions.first().map_or(0.0, |part| part.contribution.abs());

    let mut text = headline(&given, because);
    let width = columns.iter().take(SHOWN_COLUMNS).map(|(at, _)| known[*at].name.chars().count());
    let width = width.max().unwrap_or(0).min(LONGEST_CELL);
    let places: Vec<String> =
        contexts.iter().map(|context| context.as_ref().map(ToString::to_string).unwrap_or_default()).collect();
    let place_width = columns.iter().take(SHOWN_COLUMNS).map(|(at, _)| places[*at].chars().count()).max().unwrap_or(0);
    for (at, part) in columns.iter().take(SHOWN_COLUMNS) {
        let name = one_line(&known[*at].name).into_owned();
        let value =
            shown(&values[*at], LONGEST_CELL).map_or_else(|| "(missing)".into(), |value| one_line(&value).into_owned());
        let place = &places[*at];
        let reason = part.map_or_else(String::new, |part| bar(explained.contributions[part].contribution, largest));
        let _ = writeln!(text, "  {name:width$}  {value:20}  {place:place_width$}  {reason}");
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

fn headline(given: &GivenRow, because: Option<AskedBecause>) -> String {
    let ids: Vec<String> = given.ids.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
    let why = match because {
        None => "; asked again",
        Some(AskedBecause::HighestScore) => "; the highest score of all rows without an answer",
        Some(AskedBecause::SpreadOut) => "; a high score, unlike the other rows that are asked",
        Some(AskedBecause::NearThreshold) => "; a score next to the threshold",
        Some(_) => "; drawn at random",
    };
    let line = format!("row {}{ids}: score {:.2}, rank {}{why}", given.row, given.score, given.rank);
    format!("{}\n", one_line(&line))
}

/// The columns that count most, and the rules that describe the anomalies found.
fn learnt_text(service: &Service) -> String {
    let Some((_, learnt)) = service.desk.learnt() else { return "nothing was learnt yet\n".into() };
    let mut text = String::new();
    for column in learnt.columns.iter().take(5) {
        let _ = writeln!(text, "  {:5.1} %  {}", 100.0 * column.share, one_line(&column.column));
    }
    for rule in &learnt.rules {
        let _ = writeln!(
            text,
            "  {}: {} of {} found, {} false; {} without an answer",
            one_line(&rule.text),
            rule.found,
            rule.of,
            rule.normals,
            counted(rule.open, "row", "rows")
        );
    }
    text
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
fn next_line(lines: &Receiver<String>, stopped: &AtomicBool) -> Option<String> {
    loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => return Some(line),
            Err(RecvTimeoutError::Timeout) if !stopped.load(Ordering::Relaxed) => {}
            Err(_) => return None,
        }
    }
}
