//! The rows that are asked next.

use anoonly_data::table::CellValue;
use anoonly_train::labelling::{Query, QueryStrategy, Ranking, separating_threshold};
use ndarray::Array2;
use serde::Serialize;

use super::journal::Event;
use super::{AskedBecause, GivenAnswer, LabellingError, Session};

/// The share of the questions that are drawn at random.
pub(super) fn share_drawn(query: Query) -> f64 {
    if query.strategy() == QueryStrategy::Random { 1.0 } else { query.random_share() }
}

/// Why a row that a strategy chose is asked.
fn because(strategy: QueryStrategy) -> AskedBecause {
    match strategy {
        QueryStrategy::Top => AskedBecause::HighestScore,
        QueryStrategy::Diverse => AskedBecause::SpreadOut,
        QueryStrategy::Margin => AskedBecause::NearThreshold,
        QueryStrategy::Random => AskedBecause::DrawnAtRandom,
    }
}

/// A row to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// The index of the row in the table, counted from 0.
    pub row: usize,
    /// The number of the row in its file, counted from 1.
    pub number: u64,
    /// Its identifiers, each with the name of the column.
    pub ids: Vec<(String, CellValue)>,
    /// Its score: 0 is typical, and a row that scores 3 lies three standard deviations above.
    pub score: f32,
    /// Its rank among all rows: 1 for the highest score.
    pub rank: usize,
    /// Why it is asked.
    pub because: AskedBecause,
}

impl Session {
    /// At most `count` rows to look at. The same rows are returned until an answer, a refit or another query changes something.
    ///
    /// A row that is drawn at random is noted in the journal and stays drawn until it has an answer, so that nobody passes over difficult
    /// rows, and rates stay unbiased. Such rows come first. The number of random rows is their share of all questions since the query
    /// was set, rounded down.
    ///
    /// # Errors
    /// When the journal cannot be written, which notes rows that are drawn.
    pub fn next(&mut self, count: usize) -> Result<Vec<Question>, LabellingError> {
        let pending = self.state.pending().take(count).count();
        self.draw(self.state.due(count).min(count - pending))?;
        let mut rows: Vec<(usize, AskedBecause)> =
            self.state.pending().take(count).map(|row| (row, AskedBecause::DrawnAtRandom)).collect();
        let strategy = self.state.query().strategy();
        let chosen = self.chosen(strategy, count - rows.len());
        rows.extend(chosen.into_iter().map(|row| (row, because(strategy))));
        self.asked.extend(rows.iter().copied());
        Ok(rows.into_iter().map(|(row, because)| self.question(row, because)).collect())
    }

    /// Draws rows at random. They are written together.
    fn draw(&mut self, count: usize) -> Result<(), LabellingError> {
        let rows: Vec<usize> = self.state.undrawn().take(count).collect();
        if !rows.is_empty() {
            self.write(&rows.iter().map(|&row| Event::Draw { row }).collect::<Vec<_>>())?;
        }
        rows.into_iter().for_each(|row| self.state.draw(row));
        Ok(())
    }

    /// The rows that a strategy chooses.
    fn chosen(&self, strategy: QueryStrategy, count: usize) -> Vec<usize> {
        if count == 0 || strategy == QueryStrategy::Random {
            return Vec::new();
        }
        let rows = self.ranked.order.iter().map(|&row| row as usize);
        let open = rows.filter(|&row| self.state.is_open(row) && !self.state.is_drawn(row));
        let candidates: Vec<usize> = match strategy {
            // The rows are in the order of their scores, so that no others need to be looked at.
            QueryStrategy::Top => open.take(count).collect(),
            _ => open.collect(),
        };
        let nothing = Array2::zeros((0, 0));
        let features = match strategy {
            QueryStrategy::Diverse => self.scaled(),
            _ => &nothing,
        };
        let threshold = match strategy {
            QueryStrategy::Margin => separating_threshold(&self.ranked.raw, &self.state.labels()),
            _ => None,
        };
        let ranking = Ranking { scores: &self.ranked.raw, features, candidates: &candidates, threshold };
        // Only the strategy `random` uses it.
        let mut rng = self.detector.first_seed().stream(&["labelling", "questions"]);
        strategy.choose(ranking, count, &mut rng)
    }

    /// The features, each scaled to [0, 1].
    fn scaled(&self) -> &Array2<f32> {
        self.scaled.get_or_init(|| self.scaler.transform(self.features.view()))
    }

    /// The answers on the rows that are most like a row, the nearest first: at most `count`, one a row, and none on the row itself. The
    /// distance is that of the features, each scaled to [0, 1].
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn nearest_answers(&self, row: usize, count: usize) -> Vec<&GivenAnswer> {
        let scale = self.scaler.scale();
        let distance = |other: usize| -> f64 {
            let pairs = self.features.row(row).into_iter().zip(self.features.row(other));
            pairs.zip(scale).map(|((&a, &b), scale)| ((f64::from(a) - f64::from(b)) * scale).powi(2)).sum()
        };
        let others = self.state.counting().filter(|given| given.row != row);
        let mut answers: Vec<(f64, &GivenAnswer)> = others.map(|given| (distance(given.row), given)).collect();
        answers.sort_by(|a, b| a.0.total_cmp(&b.0));
        answers.into_iter().take(count).map(|(_, given)| given).collect()
    }

    fn question(&self, row: usize, because: AskedBecause) -> Question {
        Question {
            row,
            number: self.number(row),
            ids: self.identifiers(row),
            score: self.score(row),
            rank: self.rank(row),
            because,
        }
    }
}
