//! What the events of a session add up to. Nothing here reads or writes files or fits anything.

use anoonly_core::{Label, Seed};
use anoonly_eval::RandomDraw;
use rand::seq::SliceRandom;

use super::questions::share_drawn;
use super::{Answer, GivenAnswer, Query};

/// The answers of a session, and the rows it has drawn.
#[derive(Debug)]
pub(super) struct State {
    /// The labels that stand in the table.
    table_labels: Vec<Label>,
    held_out: Vec<bool>,
    /// All answers that were not taken back, in their order. Of several on one row, the last counts.
    answers: Vec<GivenAnswer>,
    /// For each answer, the answer on the same row that it replaced.
    replaced: Vec<Option<usize>>,
    /// The answer that counts for each row.
    latest: Vec<Option<u32>>,
    /// The number of rows with an answer.
    answered: usize,
    /// The numbers of rows that the table labels as anomalies, and as normal.
    in_table: (usize, usize),
    /// The number of rows that are held out.
    held_out_rows: usize,
    /// The rows of the pool, in the random order in which they are drawn.
    order: Vec<u32>,
    /// The rows that were drawn, in order.
    draws: Vec<usize>,
    /// When each row was drawn; 0 for a row that was not.
    drawn_at: Vec<u64>,
    /// When each answered row was answered first.
    known_since: Vec<u64>,
    /// The number of events.
    events: u64,
    /// Which of them were answers or took one back.
    changes: Vec<u64>,
    query: Query,
    /// The number of rows with an answer, and of draws, when the query was set.
    query_set: (usize, usize),
}

impl State {
    /// The state before the first event. The pool are the rows without a label in the table that are not held out.
    pub fn new(table_labels: Vec<Label>, held_out: Vec<bool>, query: Query, seed: Seed) -> Self {
        let rows = table_labels.len();
        let in_pool = |&row: &usize| table_labels[row] == Label::Unlabelled && !held_out[row];
        let mut order: Vec<u32> = (0..rows).filter(in_pool).map(|row| row as u32).collect();
        order.shuffle(&mut seed.stream(&["labelling", "random rows"]));
        let count = |label: Label| table_labels.iter().filter(|&&other| other == label).count();
        Self {
            in_table: (count(Label::Anomaly), count(Label::Normal)),
            held_out_rows: held_out.iter().filter(|&&held_out| held_out).count(),
            latest: vec![None; rows],
            known_since: vec![0; rows],
            table_labels,
            held_out,
            answers: Vec::new(),
            replaced: Vec::new(),
            answered: 0,
            order,
            draws: Vec::new(),
            drawn_at: vec![0; rows],
            events: 0,
            changes: Vec::new(),
            query,
            query_set: (0, 0),
        }
    }

    pub fn rows(&self) -> usize {
        self.table_labels.len()
    }

    /// The number of rows that could be asked when the session began.
    pub fn pool(&self) -> usize {
        self.order.len()
    }

    pub fn events(&self) -> u64 {
        self.events
    }

    pub fn query(&self) -> Query {
        self.query
    }

    pub fn is_held_out(&self, row: usize) -> bool {
        self.held_out[row]
    }

    pub fn held_out(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows()).filter(|&row| self.held_out[row])
    }

    /// The number of rows that are held out.
    pub fn held_out_rows(&self) -> usize {
        self.held_out_rows
    }

    /// The numbers of rows that the table labels as anomalies, and as normal.
    pub fn in_table(&self) -> (usize, usize) {
        self.in_table
    }

    /// The label that stands in the table.
    pub fn table_label(&self, row: usize) -> Label {
        self.table_labels[row]
    }

    /// The answer that counts for a row.
    pub fn answer_on(&self, row: usize) -> Option<&GivenAnswer> {
        self.latest[row].map(|at| &self.answers[at as usize])
    }

    /// All answers. The last one on each row counts.
    pub fn answers(&self) -> &[GivenAnswer] {
        &self.answers
    }

    /// The number of rows with an answer.
    pub fn answered(&self) -> usize {
        self.answered
    }

    /// The label of a row: its answer, or what stands in the table.
    pub fn label(&self, row: usize) -> Label {
        self.answer_on(row).map_or(self.table_labels[row], |given| given.answer.label())
    }

    pub fn labels(&self) -> Vec<Label> {
        (0..self.rows()).map(|row| self.label(row)).collect()
    }

    /// Whether a row is in the pool and has no answer.
    pub fn is_open(&self, row: usize) -> bool {
        self.latest[row].is_none() && self.table_labels[row] == Label::Unlabelled && !self.held_out[row]
    }

    /// The number of rows of the pool without an answer.
    pub fn open(&self) -> usize {
        let in_pool = |given: &&GivenAnswer| self.table_labels[given.row] == Label::Unlabelled;
        self.pool() - self.counting().filter(in_pool).count()
    }

    /// The answers that count, in their order.
    pub fn counting(&self) -> impl Iterator<Item = &GivenAnswer> + '_ {
        let counts = |(at, given): &(usize, &GivenAnswer)| self.latest[given.row] == Some(*at as u32);
        self.answers.iter().enumerate().filter(counts).map(|(_, given)| given)
    }

    pub fn answer(&mut self, given: GivenAnswer) {
        self.events += 1;
        self.changes.push(self.events);
        let row = given.row;
        let replaced = self.latest[row].replace(self.answers.len() as u32);
        if replaced.is_none() {
            self.answered += 1;
            self.known_since[row] = self.events;
        }
        self.replaced.push(replaced.map(|at| at as usize));
        self.answers.push(given);
    }

    /// The number of answers, and of answers taken back, after a number of events.
    pub fn changes_since(&self, events: u64) -> usize {
        self.changes.len() - self.changes.partition_point(|&at| at <= events)
    }

    /// The answer that [`undo`](Self::undo) takes back.
    pub fn last_answer(&self) -> Option<&GivenAnswer> {
        self.answers.last()
    }

    /// Takes back the last answer. Its row has the answer again that it had before, if any.
    pub fn undo(&mut self) -> Option<GivenAnswer> {
        let given = self.answers.pop()?;
        self.events += 1;
        self.changes.push(self.events);
        let replaced = self.replaced.pop().flatten();
        self.latest[given.row] = replaced.map(|at| at as u32);
        self.answered -= usize::from(replaced.is_none());
        Some(given)
    }

    pub fn draw(&mut self, row: usize) {
        self.events += 1;
        self.draws.push(row);
        self.drawn_at[row] = self.events;
    }

    pub fn refit(&mut self) {
        self.events += 1;
    }

    pub fn set_query(&mut self, query: Query) {
        self.events += 1;
        self.query = query;
        self.query_set = (self.answered, self.draws.len());
    }

    /// The rows that were drawn and have no answer yet.
    pub fn pending(&self) -> impl Iterator<Item = usize> + '_ {
        self.draws.iter().copied().filter(|&row| self.latest[row].is_none())
    }

    /// Whether a row was drawn at random.
    pub fn is_drawn(&self, row: usize) -> bool {
        self.drawn_at[row] > 0
    }

    /// How many of the next `count` questions are random rows that were not drawn before.
    pub fn due(&self, count: usize) -> usize {
        let (answered, drawn) = self.query_set;
        let asked = self.answered.saturating_sub(answered) + count;
        // A product such as 0.29 · 100 may lie just below its integer.
        let wanted = (share_drawn(self.query) * asked as f64 + 1e-9) as usize;
        wanted.saturating_sub(self.draws.len() - drawn)
    }

    /// The rows that can be drawn next, in the random order.
    pub fn undrawn(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().map(|&row| row as usize).filter(|&row| self.is_open(row) && !self.is_drawn(row))
    }

    /// The draws that have an answer, for the estimate of what is left. An unsure row counts as no anomaly.
    ///
    /// A row was drawn from those that were neither answered nor drawn before. Those that have no answer now are counted among the rows
    /// that it was drawn from, because nothing is known about them.
    pub fn random_draws(&self) -> Vec<RandomDraw> {
        let mut known: Vec<(u64, bool)> = Vec::new();
        for given in self.counting().filter(|given| self.table_labels[given.row] == Label::Unlabelled) {
            let (drawn, answered) = (self.drawn_at[given.row], self.known_since[given.row]);
            let since = if drawn > 0 { drawn.min(answered) } else { answered };
            known.push((since, given.answer == Answer::Anomaly));
        }
        known.sort_unstable();
        let mut found = vec![0; known.len() + 1];
        for (at, (_, anomaly)) in known.iter().enumerate() {
            found[at + 1] = found[at] + usize::from(*anomaly);
        }
        let draw = |&row: &usize| {
            let anomaly = self.answer_on(row)?.answer == Answer::Anomaly;
            let before = known.partition_point(|&(since, _)| since < self.drawn_at[row]);
            Some(RandomDraw { unknown: self.pool() - before, found: found[before], anomaly })
        };
        self.draws.iter().filter_map(draw).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labelling::{AskedBecause, QueryStrategy};

    fn given(row: usize, answer: Answer) -> GivenAnswer {
        GivenAnswer {
            row,
            ids: Vec::new(),
            answer,
            note: None,
            score: 0.0,
            rank: 1,
            because: Some(AskedBecause::HighestScore),
            time: String::new(),
            who: String::new(),
        }
    }

    fn draw(unknown: usize, found: usize, anomaly: bool) -> RandomDraw {
        RandomDraw { unknown, found, anomaly }
    }

    /// Ten rows: row 0 has a label in the table, row 9 is held out, and the pool has eight rows.
    #[test]
    fn a_draw_knows_what_was_known_when_it_was_drawn() {
        let mut labels = vec![Label::Unlabelled; 10];
        labels[0] = Label::Anomaly;
        let held_out = (0..10).map(|row| row == 9).collect();
        let mut state = State::new(labels, held_out, QueryStrategy::Top.into(), Seed(1));
        assert_eq!((state.pool(), state.open(), state.undrawn().count()), (8, 8, 8));
        state.answer(given(1, Answer::Anomaly));
        state.answer(given(0, Answer::Normal));
        state.draw(2);
        state.answer(given(3, Answer::Anomaly));
        state.draw(4);
        assert_eq!(state.pending().collect::<Vec<_>>(), [2, 4]);
        assert!(state.random_draws().is_empty(), "nothing is known about rows that wait for an answer");
        // Row 2 still waits, so that it counts among the rows that row 4 was drawn from.
        state.answer(given(4, Answer::Normal));
        assert_eq!(state.random_draws(), [draw(6, 2, false)]);
        state.answer(given(2, Answer::Anomaly));
        assert_eq!(state.random_draws(), [draw(7, 1, true), draw(5, 3, false)]);
        // What is known now counts, also about earlier rows.
        state.answer(given(1, Answer::Unsure));
        assert_eq!(state.random_draws(), [draw(7, 0, true), draw(5, 2, false)]);
        assert_eq!((state.undo().unwrap().row, state.undo().unwrap().row), (1, 2));
        assert_eq!(state.random_draws(), [draw(6, 2, false)]);
        assert_eq!((state.label(0), state.open()), (Label::Normal, 5));
    }
}
