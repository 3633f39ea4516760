//! `anoonly label`: its server, its page and its terminal.

mod analyst;
mod endings;
mod hostile;
mod kills;
mod page;
mod refusals;
mod sharing;
mod sixty;
mod terminal;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use anoonly::Table;
use anoonly_system_tests::label_server::LabelServer;
use anoonly_system_tests::{command, survey};
use serde_json::Value;
use tempfile::TempDir;

/// A table in a folder of its own, for the files of a session.
struct Place {
    folder: TempDir,
    /// The table's file name.
    name: String,
}

impl Place {
    fn new(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        Self { folder, name: name.into() }
    }

    /// The guide's survey without its label column.
    fn survey() -> Self {
        Self::new("survey.csv", &survey::unlabelled())
    }

    /// A small table that is ranked at once: 80 rows, some of them far from the others.
    fn small() -> Self {
        let row =
            |row: usize| format!("T{row},{},{}\n", (row * 7) % 11, if row % 16 == 3 { 90 } else { (row * 5) % 13 });
        Self::new("small.csv", &format!("id,size,weight\n{}", (0..80).map(row).collect::<String>()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `anoonly label` with this table and these words, in its folder. The column `id` identifies rows.
    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["label", &self.name, "--id", "id"], more].concat()
    }

    #[track_caller]
    fn start(&self, more: &[&str]) -> LabelServer {
        LabelServer::start(self.folder.path(), &self.words(more)[1..])
    }

    /// The file that keeps the answers, unless another one is named.
    fn journal(&self) -> PathBuf {
        self.file(&format!("{}.answers.jsonl", self.name))
    }

    /// Runs the program in the folder of the table.
    fn run(&self, words: &[&str]) -> Output {
        command(words).current_dir(self.folder.path()).output().unwrap()
    }

    fn table(&self) -> Table {
        Table::read(&self.file(&self.name)).unwrap()
    }

    /// The events of the journal.
    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.journal()).unwrap();
        text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The answers in the journal that were not taken back, in order.
    fn standing(&self) -> Vec<Standing> {
        let mut standing: Vec<Standing> = Vec::new();
        for event in self.events() {
            match event["event"].as_str().unwrap() {
                "answer" => standing.push(Standing::of(&event)),
                "undo" => assert_eq!(Some(event["row"].as_u64().unwrap()), standing.pop().map(|last| last.row)),
                _ => {}
            }
        }
        standing
    }
}

/// An answer as the journal has it.
#[derive(Clone, Debug, PartialEq)]
struct Standing {
    /// Counted from 1.
    row: u64,
    answer: String,
    note: Option<String>,
}

impl Standing {
    fn of(event: &Value) -> Self {
        let text = |key: &str| event[key].as_str().map(str::to_owned);
        Self { row: event["row"].as_u64().unwrap(), answer: text("answer").unwrap(), note: text("note") }
    }
}

/// The rows that a state asks next.
fn asked(state: &Value) -> Vec<u64> {
    state["questions"].as_array().unwrap().iter().map(|question| question["row"].as_u64().unwrap()).collect()
}
