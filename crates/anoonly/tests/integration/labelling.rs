//! Labelling sessions.

mod answers;
mod export;
mod journal;
mod learnt;
mod promises;
mod states;
mod view;

use std::fmt::Write;
use std::io::Cursor;
use std::path::Path;

use anoonly::core::Seed;
use anoonly::data::table::Table;
use anoonly::labelling::{Answer, LabellingSetup, Session};
use anoonly::{AnyMethod, TableDetector};
use rand::{Rng, RngExt};

/// A number that is about standard normal.
fn gauss(rng: &mut impl Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// A detector with quick fits.
fn detector(method: &str) -> TableDetector {
    TableDetector::new(AnyMethod::by_name(method).unwrap())
}

/// The CSV text of a table with an identifier, two numbers and a word, and which of its rows are anomalies: those whose numbers are
/// shifted.
fn made(rows: usize, anomalies: usize, seed: u64) -> (String, Vec<bool>) {
    let mut rng = Seed(seed).stream(&["labelling tests"]);
    let every = rows / anomalies;
    let mut text = "id,size,weight,kind\n".to_owned();
    let truth: Vec<bool> = (0..rows).map(|row| row % every == every / 2).collect();
    for (row, &anomaly) in truth.iter().enumerate() {
        let shift = if anomaly { 3.0 } else { 0.0 };
        let [size, weight] = [gauss(&mut rng) + shift, gauss(&mut rng) + shift];
        let kind = ["red", "green", "blue"][rng.random_range(0..3)];
        writeln!(text, "T{row},{size:.6},{weight:.6},{kind}").unwrap();
    }
    (text, truth)
}

fn table(text: &str) -> Table {
    Table::read_csv(Path::new("made.csv"), Cursor::new(text.to_owned())).unwrap()
}

fn truly(anomaly: bool) -> Answer {
    if anomaly { Answer::Anomaly } else { Answer::Normal }
}

/// Answers the next rows truly, and fits again. Returns the rows.
fn answer_batch(session: &mut Session, truth: &[bool], count: usize) -> Vec<usize> {
    let rows: Vec<usize> = session.next(count).unwrap().into_iter().map(|question| question.row).collect();
    for &row in &rows {
        session.answer(row, truly(truth[row]), None).unwrap();
    }
    session.refit().unwrap();
    rows
}

/// The scores of all rows as bits.
fn bits(session: &Session) -> Vec<u32> {
    (0..session.table().rows()).map(|row| session.score(row).to_bits()).collect()
}

fn setup(method: &str) -> LabellingSetup {
    LabellingSetup::new(detector(method).ids(&["id"])).who("ada")
}
