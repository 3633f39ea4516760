//! What a session has found, what may be left, and when it can end.

use std::fmt;

use anoonly_core::Label;
use anoonly_eval::{Interval, anomalies_left};
use serde::Serialize;

use super::questions::share_drawn;
use super::{Answer, AskedBecause, Session};

/// How far a session is. Rows that are held out, or had a label in the table, are neither answered nor left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabellingProgress {
    /// The number of rows that could be asked when the session began.
    pub rows: usize,
    /// The number of rows that are held out and never asked.
    pub held_out: usize,
    /// The number of rows that the table labels as anomalies.
    pub table_anomalies: usize,
    /// The number of rows that the table labels as normal.
    pub table_normals: usize,
    /// The number of rows with an answer.
    pub answered: usize,
    /// The number of rows that were answered to be anomalies.
    pub anomalies: usize,
    /// The number of rows that were answered to be normal.
    pub normals: usize,
    /// The number of rows that were answered to be unsure.
    pub unsure: usize,
    /// The number of answered rows that were drawn at random.
    pub drawn: usize,
    /// The number of answers that the last fit did not know.
    pub since_refit: usize,
    /// How many anomalies the next ten questions are expected to find ([`Session::expected_finds`]).
    pub expected_finds: Option<f64>,
    /// How many anomalies are left among the rows that may be asked, with an interval of 95 %. `None` without rows drawn at random: the
    /// other rows were asked for their high scores and say nothing about the rest.
    pub left: Option<Interval>,
    /// Why the session can end; `None` if it should go on.
    pub stop: Option<StopReason>,
}

/// Why a session can end. The person decides; the session goes on answering.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StopReason {
    /// Every row that may be asked has an answer.
    AllAnswered,
    /// The interval says that at least 95 % of the anomalies have been found.
    FewLeft {
        /// The upper bound of the number that is left.
        at_most: f64,
    },
    /// Of at least twenty rows that were asked for their scores, so few of the last were anomalies that the next ten are expected to
    /// have less than half of one. Anomalies of another kind may be left, about which only random rows say something.
    FewExpected {
        /// The expected number among the next ten.
        finds: f64,
    },
}

impl fmt::Display for StopReason {
    /// A sentence for the person who answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::AllAnswered => f.write_str("Every row that may be asked has an answer."),
            StopReason::FewLeft { at_most } => {
                let left = match at_most.round() {
                    0.0 => "no more are left".to_owned(),
                    1.0 => "at most 1 is left".to_owned(),
                    many => format!("at most {many} are left"),
                };
                write!(
                    f,
                    "You can stop: by the random rows, at least 95 % of the anomalies have been found, and {left}."
                )
            }
            StopReason::FewExpected { finds } => write!(
                f,
                "You can stop: about {finds:.1} anomalies are expected among the next ten rows. Only random rows would show anomalies of \
                 another kind."
            ),
        }
    }
}

/// The level of the interval.
const LEVEL: f64 = 0.95;
/// The share of the anomalies that must have been found.
const FOUND: f64 = 0.95;
/// The number of questions that are looked ahead.
const AHEAD: usize = 10;
/// The number of finds in the next questions that is too few.
const FEW: f64 = 0.5;
/// The number of rows asked by score before their finds say that few are left.
const ENOUGH: usize = 20;
/// The number of answers after which an answer counts half in the expected finds. This and the next two were chosen by simulation, on
/// other tables than those of the tests.
const HALF_LIFE: f64 = 3.0;
/// The expected share of finds before the first answer.
const GUESS: f64 = 0.02;
/// The number of answers that it counts as much as.
const GUESS_WEIGHT: f64 = 2.0;

impl Session {
    /// How far the session is.
    pub fn progress(&self) -> LabellingProgress {
        let state = &self.state;
        let count = |answer: Answer| state.counting().filter(|given| given.answer == answer).count();
        let draws = state.random_draws();
        let left = anomalies_left(&draws, self.found_in_pool(), state.open(), LEVEL);
        let expected_finds = self.expected_finds(AHEAD);
        let anomalies = count(Answer::Anomaly);
        let (table_anomalies, table_normals) = state.in_table();
        LabellingProgress {
            rows: state.pool(),
            held_out: state.held_out_rows(),
            table_anomalies,
            table_normals,
            answered: state.answered(),
            anomalies,
            normals: count(Answer::Normal),
            unsure: count(Answer::Unsure),
            drawn: draws.len(),
            since_refit: self.answers_since_refit(),
            expected_finds,
            left,
            stop: self.stop(left, expected_finds),
        }
    }

    /// The number of anomalies among the answered rows of the pool.
    fn found_in_pool(&self) -> usize {
        let in_pool = |row: usize| self.state.table_label(row) == Label::Unlabelled;
        self.state.counting().filter(|given| given.answer == Answer::Anomaly && in_pool(given.row)).count()
    }

    /// Which of the answers were anomalies, for the curve of finds: their places among the answers that count, in order and counted
    /// from 1.
    pub fn finds(&self) -> Vec<usize> {
        let answers = self.state.counting().enumerate();
        answers.filter(|(_, given)| given.answer == Answer::Anomaly).map(|(place, _)| place + 1).collect()
    }

    /// How many anomalies the next `count` questions are expected to find; `None` while fewer than five rows have been asked.
    ///
    /// For rows chosen by their scores, it is the share of anomalies among the earlier ones, in which an answer counts half after three
    /// further answers: finds come in runs, which end when all anomalies of a kind have been found. For random rows, it is their share
    /// of anomalies. An unsure row counts as no anomaly. The number is right on average over the course of
    /// a session, and too high just after the last anomaly of a kind.
    pub fn expected_finds(&self, count: usize) -> Option<f64> {
        let (mut chosen, mut drawn) = (Share::default(), Share::default());
        let fading = 0.5f64.powf(1.0 / HALF_LIFE);
        for given in self.state.counting() {
            match given.because {
                Some(AskedBecause::DrawnAtRandom) => drawn.add(given.answer, 1.0),
                Some(_) => chosen.add(given.answer, fading),
                None => {}
            }
        }
        if chosen.answers + drawn.answers < FIRST {
            return None;
        }
        let count = count.min(self.state.open()) as f64;
        let random = share_drawn(self.state.query());
        Some(count * ((1.0 - random) * chosen.share() + random * drawn.share()))
    }

    fn stop(&self, left: Option<Interval>, expected_finds: Option<f64>) -> Option<StopReason> {
        if self.state.open() == 0 {
            return Some(StopReason::AllAnswered);
        }
        if let Some(left) = left
            && left.high * FOUND <= (1.0 - FOUND) * self.found_in_pool() as f64
        {
            return Some(StopReason::FewLeft { at_most: left.high });
        }
        let by_score = |because: Option<AskedBecause>| because.is_some_and(|why| why != AskedBecause::DrawnAtRandom);
        let enough = self.state.counting().filter(|given| by_score(given.because)).count() >= ENOUGH;
        let finds = expected_finds.filter(|&finds| enough && finds < FEW)?;
        (share_drawn(self.state.query()) < 1.0).then_some(StopReason::FewExpected { finds })
    }
}

/// The smallest number of answers from which finds are expected.
const FIRST: usize = 5;

/// A share of anomalies, in which later answers may count more.
struct Share {
    anomalies: f64,
    weight: f64,
    answers: usize,
}

impl Default for Share {
    fn default() -> Self {
        Self { anomalies: GUESS * GUESS_WEIGHT, weight: GUESS_WEIGHT, answers: 0 }
    }
}

impl Share {
    fn add(&mut self, answer: Answer, fading: f64) {
        // The guess does not fade, so that no share becomes 0.
        let guess = GUESS * GUESS_WEIGHT;
        self.anomalies = guess + fading * (self.anomalies - guess) + f64::from(u8::from(answer == Answer::Anomaly));
        self.weight = GUESS_WEIGHT + fading * (self.weight - GUESS_WEIGHT) + 1.0;
        self.answers += 1;
    }

    fn share(&self) -> f64 {
        self.anomalies / self.weight
    }
}
