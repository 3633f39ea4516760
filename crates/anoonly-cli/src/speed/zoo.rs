//! Fits and scores of every method, beside other packages.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anoonly::models::{AnyMethod, MethodForm};
use anoonly_bench::speed::{Clock, FitAndScore, LABELLED, ZooTable, zoo};
use anoonly_page::markdown_table;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Options, case, cores, failed, measurement};
use crate::error::CommandError;
use crate::note;

/// All measurements of the zoo.
#[derive(Debug, Serialize)]
pub struct ZooReport {
    clock: Clock,
    cores: usize,
    cases: Vec<ZooCase>,
}

/// A method on a table and a number of threads.
#[derive(Debug, Serialize)]
struct ZooCase {
    method: &'static str,
    table: ZooTable,
    threads: usize,
    ours: Taken,
    peers: Vec<Peer>,
}

/// A package's counterpart of a method.
#[derive(Debug, Serialize, Deserialize)]
struct Peer {
    package: String,
    #[serde(flatten)]
    taken: Taken,
}

/// The seconds that were measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Taken {
    Measured(FitAndScore),
    /// More than these seconds.
    Longer(u64),
    /// An error.
    Problem(String),
}

impl Options {
    /// Measures the zoo.
    pub(super) fn zoo(&self) -> Result<ZooReport, CommandError> {
        let methods = match self.methods.as_slice() {
            [] => zoo(),
            names => names.iter().map(|name| AnyMethod::by_name(name)).collect::<Result<_, _>>()?,
        };
        let tables = if self.tables.is_empty() { ZooTable::ALL.to_vec() } else { self.tables.clone() };
        let mut cases = Vec::new();
        for threads in self.numbers_of_threads() {
            for &table in &tables {
                let chosen = |method: &&AnyMethod| !self.methods.is_empty() || by_default(method, table, threads);
                let mut peers = self.peers(table, threads)?;
                for method in methods.iter().filter(chosen) {
                    let method_case = case(method, "host", &table.to_string());
                    note(&format!("{method_case} on {threads} threads"));
                    let ours = self.limited(&method_case, threads)?;
                    let method = method.info().name;
                    let peers = match &mut peers {
                        Some(peers) => peers.measure(method)?,
                        None => Vec::new(),
                    };
                    let case = ZooCase { method, table, threads, ours, peers };
                    // An interrupted run has shown what it has measured.
                    note(&case.summary());
                    cases.push(case);
                }
            }
        }
        Ok(ZooReport { clock: self.clock, cores: cores(), cases })
    }

    /// Measures a case in a process of its own, which is ended when it takes too long.
    fn limited(&self, case: &str, threads: usize) -> Result<Taken, CommandError> {
        let mut command = self.own(case, threads)?;
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| failed(&command, error))?;
        let (start, limit) = (Instant::now(), self.limit);
        while child.try_wait().map_err(|error| failed(&command, error))?.is_none() {
            // Making the rows and starting the program take a part of it.
            if start.elapsed() > Duration::from_secs(limit + 5) {
                // It may have ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Taken::Longer(limit));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().map_err(|error| failed(&command, error))?;
        measurement(&command, &output).map(Taken::Measured)
    }

    /// Starts the script that measures the other packages on a table and a number of threads, if a Python is given.
    fn peers(&self, table: ZooTable, threads: usize) -> Result<Option<Peers>, CommandError> {
        let (Some(python), Some(folder)) = (&self.python, &self.peers) else { return Ok(None) };
        let mut command = Command::new(python);
        let reason = |error: std::io::Error| failed(&Command::new(python), error);
        let mut file = NamedTempFile::new().map_err(reason)?;
        for matrix in table.draw() {
            let cells: Vec<u8> = matrix.iter().flat_map(|cell| cell.to_le_bytes()).collect();
            file.write_all(&cells).map_err(reason)?;
        }
        command.arg(folder.join("zoo.py")).arg(file.path());
        command.args([table.rows, table.columns, threads].map(|number| number.to_string()));
        command.args([self.clock.to_string(), self.limit.to_string()]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| failed(&command, error))?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are pipes")
        };
        Ok(Some(Peers { child, questions, answers: BufReader::new(answers), command, _rows: file }))
    }
}

/// Whether a method is measured unless it is asked for. A fit of a network uses one thread, and takes as long on a table with more rows.
fn by_default(method: &AnyMethod, table: ZooTable, threads: usize) -> bool {
    match method.form() {
        MethodForm::Network(_) => threads == 1 && table == ZooTable::ALL[0],
        MethodForm::Rule(_) => true,
    }
}

/// A script that measures other packages.
struct Peers {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    command: Command,
    /// The file with the rows, which is removed when the script is not needed any more.
    _rows: NamedTempFile,
}

impl Peers {
    /// The measurements of a method's counterparts.
    fn measure(&mut self, method: &str) -> Result<Vec<Peer>, CommandError> {
        let mut answer = String::new();
        let asked = writeln!(self.questions, "{method}").and_then(|()| self.answers.read_line(&mut answer));
        asked.map_err(|error| failed(&self.command, error))?;
        serde_json::from_str(&answer).map_err(|_| failed(&self.command, "the script of the zoo's peers has ended"))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It waits for the next question; if it has ended already, nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many times as fast as its peers a method should be.
const AIM: f64 = 3.0;

impl ZooReport {
    /// Renders the report as Markdown.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        for cases in self.cases.chunk_by(|a, b| a.threads == b.threads) {
            let threads = cases[0].threads;
            let title = if threads == 1 { "One thread".into() } else { format!("{threads} threads") };
            let seconds = match self.clock {
                Clock::Wall => "seconds",
                Clock::Process => "seconds of the processor",
            };
            text += &format!("### {title}: {seconds} of fits and scores, {LABELLED} labelled anomalies\n\n");
            text += &format!("{}\n\n{}\n\n", table(cases), summary(cases));
        }
        text
    }
}

fn table(cases: &[ZooCase]) -> String {
    let compared = cases.iter().any(|case| !case.peers.is_empty());
    let mut head = vec!["method", "rows × columns", "fit", "score"];
    if compared {
        head.extend(["package", "its fit", "its score", "times as fast: fit", "score", "both"]);
    }
    let mut table = markdown_table(&head, 2);
    for case in cases {
        let size = format!("{} × {}", case.table.rows, case.table.columns);
        let ours = [case.method.to_owned(), size].into_iter().chain(case.ours.cells());
        let ours: Vec<String> = ours.collect();
        if case.peers.is_empty() {
            let others = if compared { 6 } else { 0 };
            table.add_row(ours.iter().cloned().chain(std::iter::repeat_n("–".to_owned(), others)));
        }
        for peer in &case.peers {
            let ratios = case.ours.ratio_cells(&peer.taken);
            let theirs = [peer.package.clone()].into_iter().chain(peer.taken.cells()).chain(ratios);
            table.add_row(ours.iter().cloned().chain(theirs));
        }
    }
    table.to_string()
}

/// Which comparisons miss the aim.
fn summary(cases: &[ZooCase]) -> String {
    let compared = || {
        cases.iter().flat_map(|case| {
            let ratios = |peer: &Peer| Some((case, peer.package.clone(), case.ours.ratios(&peer.taken)?));
            case.peers.iter().filter_map(ratios).collect::<Vec<_>>()
        })
    };
    let list = |missed: &dyn Fn([f64; 3]) -> bool| {
        let missing = compared().filter(|(_, _, ratios)| missed(*ratios));
        let names = missing.map(|(case, package, _)| format!("{} ({package}, {})", case.method, case.table));
        let names: Vec<String> = names.collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let slow = list(&|[.., both]| both < AIM);
    let behind = list(&|[fit, score, _]| fit < 1.0 || score < 1.0);
    match compared().count() {
        0 => String::new(),
        count => format!(
            "Of {count} comparisons, those less than {AIM} times as fast: {slow}.\n\nThose with a slower part: {behind}."
        ),
    }
}

impl ZooCase {
    /// The seconds, beside those of each package, in a line.
    fn summary(&self) -> String {
        let Self { method, table, threads, ours, peers } = self;
        let mut text = format!("{method} on {table}, {threads} threads: {}", ours.summary());
        for Peer { package, taken } in peers {
            text += &format!("; {package}: {}", taken.summary());
            if let [_, _, both] = ours.ratio_cells(taken)
                && both != "–"
            {
                text += &format!(", {both} times as fast");
            }
        }
        text
    }
}

impl Taken {
    /// The seconds, or the reason why there are none, in words.
    fn summary(&self) -> String {
        let [fit, score] = self.cells();
        match self {
            Taken::Measured(_) => format!("fit {fit} s, score {score} s"),
            Taken::Longer(_) => format!("{fit} s"),
            Taken::Problem(_) => fit,
        }
    }

    /// The seconds of the fit and of the scores, or the reason why there are none.
    fn cells(&self) -> [String; 2] {
        match self {
            Taken::Measured(taken) => [taken.fit, taken.score].map(seconds),
            Taken::Longer(limit) => [format!("> {limit}"), "–".to_owned()],
            Taken::Problem(problem) => [problem.clone(), "–".to_owned()],
        }
    }

    /// The ratios to a peer, and the least ratio of both parts to a peer that has exceeded the limit.
    fn ratio_cells(&self, peer: &Taken) -> [String; 3] {
        let dash = || "–".to_owned();
        match (self, peer, self.ratios(peer)) {
            (_, _, Some(ratios)) => ratios.map(digits),
            (Taken::Measured(ours), &Taken::Longer(limit), _) => {
                [dash(), dash(), format!("> {}", digits(limit as f64 / ours.sum()))]
            }
            _ => [dash(), dash(), dash()],
        }
    }

    /// How many times as fast as a peer: the fit, the scores, and both.
    fn ratios(&self, peer: &Taken) -> Option<[f64; 3]> {
        let (Taken::Measured(ours), Taken::Measured(theirs)) = (self, peer) else { return None };
        Some([theirs.fit / ours.fit, theirs.score / ours.score, theirs.sum() / ours.sum()])
    }
}

/// Seconds with three digits, at least to the tenth of a millisecond.
fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 10.0 => format!("{seconds:.1}"),
        seconds if seconds >= 0.1 => format!("{seconds:.3}"),
        seconds => format!("{seconds:.4}"),
    }
}

fn digits(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_seconds_of_a_case_and_how_many_times_as_fast_it_is() {
        let measured = |fit, score| Taken::Measured(FitAndScore { fit, score });
        let peer = |package: &str, taken| Peer { package: package.into(), taken };
        let peers = vec![
            peer("pyod", measured(0.4, 0.6)),
            peer("slow", Taken::Longer(30)),
            peer("absent", Taken::Problem("ModuleNotFoundError".into())),
        ];
        let case = ZooCase { method: "ecod", table: ZooTable::ALL[0], threads: 1, ours: measured(0.05, 0.2), peers };
        assert_eq!(
            case.summary(),
            "ecod on 10000x50, 1 threads: fit 0.0500 s, score 0.200 s; pyod: fit 0.400 s, score 0.600 s, 4.0 times as fast; \
             slow: > 30 s, > 120 times as fast; absent: ModuleNotFoundError"
        );
    }
}
