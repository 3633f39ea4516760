//! `kill -9` at any moment loses no answer that was acknowledged.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anoonly::labelling::LabellingSetup;
use anoonly_system_tests::draw::Draw;
use anoonly_system_tests::http::{Client, Response};
use anoonly_system_tests::label_server::Site;
use serde_json::{Value, json};

use super::{Place, Standing};

const KILLS: u64 = 100;
/// The process is killed at most so long after the first request.
const LONGEST: u64 = 40_000;
/// The most answers of one request.
const MOST_TOGETHER: usize = 4;

/// Someone who answers rows of their own and takes answers back, until the server is gone.
struct Person<'a> {
    name: String,
    site: &'a Site,
    client: Client,
    draw: Draw,
    rows: Vec<u64>,
    /// The answers that the rows have.
    given: HashMap<u64, String>,
    /// The notes of the answers that were acknowledged, in order. No note is given twice.
    acknowledged: Vec<String>,
    /// The notes of the answers whose undo was acknowledged.
    undone: Vec<String>,
    /// The number of undos that were sent.
    undos: usize,
}

impl Person<'_> {
    fn work(&mut self) {
        let mut answers = None;
        for turn in 0.. {
            let done = match (self.draw.below(8), answers) {
                (0, Some(number)) => self.undo(number),
                (1, _) => self.skip(turn % 2 == 0),
                (kind, _) => self.answer(turn, if kind < 5 { 1 } else { kind + MOST_TOGETHER - 7 }),
            };
            match done {
                Ok(number) => answers = number,
                Err(_) => return,
            }
        }
    }

    fn post(&mut self, path: &str, body: &Value) -> io::Result<Response> {
        self.client.send(&self.site.post_request(path, body))?;
        self.client.receive()
    }

    /// Answers some rows at once. Returns the number of answers.
    fn answer(&mut self, turn: usize, count: usize) -> io::Result<Option<u64>> {
        let first = self.draw.below(self.rows.len());
        let rows: Vec<u64> = (0..count).map(|at| self.rows[(first + at) % self.rows.len()]).collect();
        let notes: Vec<String> = (0..count).map(|at| format!("{}-{turn}-{at}", self.name)).collect();
        let answer = ["anomaly", "normal", "unsure"][self.draw.below(3)];
        let one = |(row, note): (&u64, &String)| json!({"row": row, "answer": answer, "note": note, "expected": self.given.get(row)});
        let answers: Vec<Value> = rows.iter().zip(&notes).map(one).collect();
        let response = self.post("api/answers", &json!({"answers": answers}))?;
        let reply = response.json();
        match response.status {
            200 => {
                self.acknowledged.extend(notes);
                self.given.extend(rows.iter().map(|row| (*row, answer.to_owned())));
                Ok(reply["answers"].as_u64())
            }
            // The other one has taken back an answer on these rows.
            409 => {
                for row in rows {
                    self.look_up(row)?;
                }
                Ok(reply["state"]["answers"].as_u64())
            }
            status => panic!("{status}: {reply}"),
        }
    }

    fn undo(&mut self, answers: u64) -> io::Result<Option<u64>> {
        self.undos += 1;
        let response = self.post("api/undo", &json!({"answers": answers}))?;
        let reply = response.json();
        if response.status == 409 {
            return Ok(reply["state"]["answers"].as_u64());
        }
        assert_eq!(response.status, 200, "{reply}");
        if let Some(row) = reply["undone"]["row"].as_u64() {
            // Answers that were given together are taken back together. Those on other rows are met by conflicts.
            self.undone.push(reply["undone"]["note"].as_str().unwrap().to_owned());
            self.look_up(row)?;
        }
        Ok(reply["answers"].as_u64())
    }

    fn skip(&mut self, skipped: bool) -> io::Result<Option<u64>> {
        let row = self.rows[self.draw.below(self.rows.len())];
        let response = self.post("api/skip", &json!({"row": row, "skipped": skipped}))?;
        assert_eq!(response.status, 200, "{}", response.text());
        Ok(response.json()["answers"].as_u64())
    }

    fn look_up(&mut self, row: u64) -> io::Result<()> {
        self.client.send(&self.site.get_request(&format!("api/rows/{row}")))?;
        match self.client.receive()?.json()["answer"]["answer"].as_str() {
            Some(answer) => self.given.insert(row, answer.to_owned()),
            None => self.given.remove(&row),
        };
        Ok(())
    }
}

/// What the whole lines of the journal say: the notes of all answers in order, the notes of those that were taken back, and the answers
/// that stand.
fn journal(place: &Place) -> (Vec<String>, Vec<String>, Vec<Standing>) {
    let text = fs::read_to_string(place.journal()).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let (mut notes, mut undone, mut standing) = (Vec::new(), Vec::new(), Vec::<Standing>::new());
    for line in whole.lines().skip(1) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        match event["event"].as_str().unwrap() {
            "answer" => {
                let answer = Standing::of(&event);
                notes.extend(answer.note.clone());
                standing.push(answer);
            }
            "undo" => {
                let last = standing.pop().unwrap();
                assert_eq!(event["row"], last.row);
                undone.extend(last.note);
            }
            _ => {}
        }
    }
    (notes, undone, standing)
}

/// Whether all of these occur in this order.
fn in_order(wanted: &[String], all: &[String]) -> bool {
    let mut rest = all.iter();
    wanted.iter().all(|wanted| rest.any(|found| found == wanted))
}

#[test]
fn a_kill_at_any_moment_loses_no_acknowledged_answer() {
    let place = Place::small();
    let table = place.table();
    let mut draw = Draw(20);
    let (mut acknowledged, mut undone, mut undos) = (0, 0, 0);
    let mut standing: Vec<Standing> = Vec::new();
    let mut answerable = Vec::new();
    for round in 0..KILLS {
        let server = place.start(&[]);
        let state = server.fetch("api/state");
        assert_eq!(state["answers"], standing.len(), "round {round}: the next start goes on with other answers");
        if answerable.is_empty() {
            let held_out = |row: &u64| server.fetch(&format!("api/rows/{row}"))["held_out"] == true;
            answerable = (1..=80).filter(|row| !held_out(row)).collect::<Vec<u64>>();
        }
        let given: HashMap<u64, String> = standing.iter().map(|last| (last.row, last.answer.clone())).collect();
        let site: Site = (*server).clone();
        let mut people: Vec<Person> = (0..3)
            .map(|person| Person {
                name: format!("{round}-{person}"),
                site: &site,
                client: server.client(),
                draw: Draw(round * 3 + person),
                rows: answerable.iter().copied().filter(|row| row % 3 == person).collect(),
                given: given.clone(),
                acknowledged: Vec::new(),
                undone: Vec::new(),
                undos: 0,
            })
            .collect();
        let moment = Duration::from_micros(draw.below(LONGEST as usize) as u64);
        let start = Barrier::new(people.len() + 1);
        thread::scope(|scope| {
            for person in &mut people {
                scope.spawn(|| {
                    start.wait();
                    person.work();
                });
            }
            start.wait();
            thread::sleep(moment);
            server.kill();
        });

        let (notes, taken_back, now) = journal(&place);
        assert_eq!(
            notes.iter().collect::<HashSet<_>>().len(),
            notes.len(),
            "round {round}: an answer was written twice"
        );
        for person in &people {
            let all = &person.acknowledged;
            assert!(in_order(all, &notes), "round {round}: of {all:#?}, the journal has {notes:#?}");
            assert!(person.undone.iter().all(|note| taken_back.contains(note)), "round {round}: an undo is lost");
            acknowledged += all.len();
            undone += person.undone.len();
            undos += person.undos;
        }
        assert!(
            (undone..=MOST_TOGETHER * undos).contains(&taken_back.len()),
            "round {round}: {undone} {undos} {}",
            taken_back.len()
        );
        // The library reads the same from the journal.
        let session = LabellingSetup::of_journal(&place.journal()).unwrap().open(&table).unwrap();
        let known = session.answers().iter().map(|given| Standing {
            row: session.number(given.row),
            answer: serde_json::to_value(given.answer).unwrap().as_str().unwrap().to_owned(),
            note: given.note.clone(),
        });
        assert_eq!(known.collect::<Vec<_>>(), now, "round {round}");
        standing = now;
    }
    assert!(
        acknowledged > KILLS as usize && undone > 0,
        "{acknowledged} answers and {undone} undos are too few for a test"
    );
}
