//! How long a person who labels rows waits: `cargo xtask bench-label`.
//!
//! A synthetic table is labelled in Chromium, one answer a second, by real key presses.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are printed")]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anoonly_system_tests::browser::{Browser, Tab, View};
use anoonly_system_tests::draw::Draw;
use anoonly_system_tests::label_server::{LabelServer, Site};

/// Rows and columns of the tables, unless others are named.
const TABLES: [(usize, usize); 3] = [(5_000, 10), (50_000, 50), (1_000_000, 20)];
const ANSWERS: usize = 100;
const PACE: Duration = Duration::from_secs(1);
/// One row of so many is an anomaly.
const ANOMALIES: u64 = 200;
/// The columns in which anomalies differ.
const TELLING: usize = 3;

/// Notes the milliseconds from each answer's key press until the next row is painted.
const NOTE_KEYS: &str = "window.waits = [];
addEventListener('keydown', event => {
    const question = document.getElementById('question');
    const before = question.dataset.row;
    const observer = new MutationObserver(() => {
        if (question.dataset.row === before || question.getAttribute('aria-busy') !== 'false') return;
        observer.disconnect();
        requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => window.waits.push(performance.now() - event.timeStamp);
            channel.port2.postMessage(null);
        });
    });
    observer.observe(question, { attributes: true });
}, { capture: true });";

/// What a person waited for on one table.
struct Waits {
    /// From the start of the program until the first row is shown.
    first: Duration,
    /// From each key press until the next row is painted, in milliseconds.
    next: Vec<f64>,
    /// From each key press until there is a ranking that knows the answer, in milliseconds.
    ranking: Vec<f64>,
}

fn main() {
    let wanted: Vec<(usize, usize)> = std::env::args().skip(1).map(|size| shape(&size)).collect();
    let tables = if wanted.is_empty() { TABLES.to_vec() } else { wanted };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{ANSWERS} answers, one a second, in Chromium on the same computer; {cores} cores.\n");
    println!(
        "| table | first row after the start | key to next row, median | 99 % | key to new ranking, median | 99 % |"
    );
    println!("|---|---|---|---|---|---|");
    for (rows, columns) in tables {
        let Waits { first, mut next, mut ranking } = measured(rows, columns);
        let [key, slow_key] = [0.5, 0.99].map(|share| quantile(&mut next, share));
        let [new, slow_new] = [0.5, 0.99].map(|share| quantile(&mut ranking, share) / 1000.0);
        println!(
            "| {rows} × {columns} | {:.1} s | {key:.0} ms | {slow_key:.0} ms | {new:.2} s | {slow_new:.2} s |",
            first.as_secs_f64()
        );
    }
}

/// Rows and columns, as in `5000x10`.
fn shape(text: &str) -> (usize, usize) {
    let parts = text.split_once('x').and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
    parts.unwrap_or_else(|| panic!("{text} is no size such as 5000x10"))
}

/// The smallest value that this share of the values does not exceed.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1]
}

fn measured(rows: usize, columns: usize) -> Waits {
    let folder = tempfile::tempdir().expect("a temporary folder");
    eprintln!("writing {rows} × {columns}");
    let anomalies = write(&folder.path().join("table.csv"), rows, columns).expect("the table is written");
    let browser = Browser::start();
    eprintln!("labelling it");
    let start = Instant::now();
    let server = LabelServer::start(folder.path(), &["table.csv", "--id", "id"]);
    let tab = browser.open(&server.page(), View::DESK);
    at_hand(&tab);
    let first = start.elapsed();
    tab.evaluate(NOTE_KEYS);
    let rankings = rankings((*server).clone());
    let mut pressed = Vec::new();
    for _ in 0..ANSWERS {
        let row = at_hand(&tab);
        let now = Instant::now();
        tab.press(if anomalies[row - 1] { "y" } else { "n" });
        pressed.push(now);
        tab.wait(&format!("window.waits.length === {}", pressed.len()));
        thread::sleep((now + PACE).saturating_duration_since(Instant::now()));
    }
    let next = tab.evaluate("window.waits");
    let next = next.as_array().expect("a list").iter().map(|wait| wait.as_f64().expect("a number")).collect();
    let mut ranking = Vec::new();
    for (at, answers) in rankings {
        let known = pressed.iter().take(answers).skip(ranking.len());
        let waits: Vec<f64> = known.map(|pressed| (at - *pressed).as_secs_f64() * 1000.0).collect();
        ranking.extend(waits);
        if ranking.len() == ANSWERS {
            break;
        }
    }
    let problems = tab.take_problems();
    assert!(problems.is_empty(), "{problems:#?}");
    Waits { first, next, ranking }
}

/// The row at hand, counted from 1, as soon as it is shown.
fn at_hand(tab: &Tab) -> usize {
    tab.wait("document.getElementById('question')?.getAttribute('aria-busy') === 'false'");
    let row = tab.evaluate("Number(document.getElementById('question').dataset.row)");
    row.as_u64().filter(|row| *row > 0).expect("a row is at hand") as usize
}

/// The moments of new rankings, and the number of answers that each knows.
fn rankings(site: Site) -> Receiver<(Instant, usize)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut client = site.client();
        let mut version = 0;
        loop {
            let asked = client.send(&site.get_request(&format!("api/state?after={version}")));
            let Ok(response) = asked.and_then(|()| client.receive()) else { return };
            let (now, state) = (Instant::now(), response.json());
            version = state["version"].as_u64().expect("a version");
            let answers = state["fit"]["answers"].as_u64().expect("a number of answers") as usize;
            if sender.send((now, answers)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Writes a table with two columns of categories and otherwise numbers; returns which rows are anomalies.
fn write(path: &Path, rows: usize, columns: usize) -> io::Result<Vec<bool>> {
    let mut file = BufWriter::new(File::create(path)?);
    let names: Vec<String> = (0..columns).map(|column| format!(",c{column}")).collect();
    writeln!(file, "id{}", names.concat())?;
    let mut draw = Draw(1);
    let mut anomalies = Vec::with_capacity(rows);
    for row in 0..rows {
        let anomaly = draw.bits().is_multiple_of(ANOMALIES);
        write!(file, "R{row}")?;
        for column in 0..columns {
            if column + 2 >= columns {
                write!(file, ",{}", ["north", "east", "south", "west"][draw.below(4)])?;
                continue;
            }
            // The sum of four is nearly normal, with a standard deviation of 1.
            let sum: f64 = (0..4).map(|_| draw.share()).sum();
            let moved = if anomaly && column < TELLING { 4.0 } else { 0.0 };
            write!(file, ",{:.4}", (sum - 2.0) * 3f64.sqrt() + moved)?;
        }
        writeln!(file)?;
        anomalies.push(anomaly);
    }
    file.flush()?;
    Ok(anomalies)
}
