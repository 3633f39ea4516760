//! The rows that are asked next.

use anoonly_core::scale::MinMaxScaler;
use anoonly_data::table::CellValue;
use anoonly_train::labelling::{QueryStrategy, Ranking};
use serde::{Deserialize, Serialize};

use super::journal::Event;
use super::{AskedBecause, LabellingError, LabellingSetting, Session};

/// How the rows are chosen that are asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryPlan {
    /// How rows are chosen by their scores.
    #[serde(with = "strategy_name")]
    pub strategy: QueryStrategy,
    /// The share of the questions that are rows drawn at random, from 0 to 1. Without random rows, nothing is known about the number
    /// of anomalies that are left.
    pub random_share: f64,
}

impl Default for QueryPlan {
    /// The rows with the highest scores, and none at random.
    ///
    /// A share such as 0.1 says little before some hundred answers: 10 random rows without an anomaly leave open whether a third of
    /// the rows are anomalies. Someone who wants to know what is left asks for random rows alone for a while.
    fn default() -> Self {
        Self { strategy: QueryStrategy::Top, random_share: 0.0 }
    }
}

impl QueryPlan {
    /// Checks the share.
    pub(super) fn check(&self) -> Result<(), LabellingError> {
        match (0.0..=1.0).contains(&self.random_share) {
            true => Ok(()),
            false => {
                let reason = format!("must be from 0 to 1, not {}", self.random_share);
                Err(LabellingError::Setting { setting: LabellingSetting::RandomShare, reason })
            }
        }
    }

    /// The share of the questions that are drawn at random.
    pub(super) fn share_drawn(&self) -> f64 {
        if self.strategy == QueryStrategy::Random { 1.0 } else { self.random_share }
    }

    /// Why a row that the strategy chose is asked.
    fn because(&self) -> AskedBecause {
        match self.strategy {
            QueryStrategy::Top => AskedBecause::HighestScore,
            QueryStrategy::Diverse => AskedBecause::SpreadOut,
            QueryStrategy::Margin => AskedBecause::NearThreshold,
            QueryStrategy::Random => AskedBecause::DrawnAtRandom,
        }
    }
}

/// The name of a strategy in a journal.
mod strategy_name {
    use super::QueryStrategy;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    const NAMES: [(QueryStrategy, &str); 4] = [
        (QueryStrategy::Top, "top"),
        (QueryStrategy::Diverse, "diverse"),
        (QueryStrategy::Margin, "margin"),
        (QueryStrategy::Random, "random"),
    ];

    pub fn serialize<S: Serializer>(strategy: &QueryStrategy, serializer: S) -> Result<S::Ok, S::Error> {
        let name = NAMES.iter().find(|(known, _)| known == strategy).map_or("", |(_, name)| name);
        serializer.serialize_str(name)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<QueryStrategy, D::Error> {
        let given = String::deserialize(deserializer)?;
        let known = NAMES.iter().find(|(_, name)| *name == given).map(|(strategy, _)| *strategy);
        known.ok_or_else(|| D::Error::custom(format!("unknown query strategy `{given}`")))
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

/// The share of held-out rows above the score at which a row counts as an anomaly, for rows that are asked because they are near it.
const THRESHOLD_SHARE: f64 = 0.05;

impl Session {
    /// At most `count` rows to look at. Rows drawn at random come first, and of them those that were asked before and have no answer
    /// yet. The same rows are returned until an answer, a refit or another plan changes something.
    ///
    /// # Errors
    /// When the journal cannot be written, which notes rows that are drawn.
    pub fn next(&mut self, count: usize) -> Result<Vec<Question>, LabellingError> {
        let due = self.state.due(count).min(count);
        let pending = self.state.pending().take(count).count();
        let drawn: Vec<usize> = self.draw(due.saturating_sub(pending))?;
        let mut rows: Vec<(usize, AskedBecause)> =
            self.state.pending().take(count).map(|row| (row, AskedBecause::DrawnAtRandom)).collect();
        debug_assert!(drawn.iter().all(|&drawn| rows.len() == count || rows.iter().any(|&(row, _)| row == drawn)));
        let because = self.state.plan().because();
        let chosen = self.chosen(count - rows.len());
        rows.extend(chosen.into_iter().map(|row| (row, because)));
        self.asked.extend(rows.iter().copied());
        Ok(rows.into_iter().map(|(row, because)| self.question(row, because)).collect())
    }

    /// Draws rows at random.
    fn draw(&mut self, count: usize) -> Result<Vec<usize>, LabellingError> {
        let mut drawn = Vec::new();
        while drawn.len() < count
            && let Some(row) = self.state.next_drawn()
        {
            self.write(&[Event::Draw { row }])?;
            self.state.draw(row);
            drawn.push(row);
        }
        Ok(drawn)
    }

    /// The rows that the strategy chooses.
    fn chosen(&self, count: usize) -> Vec<usize> {
        let plan = self.state.plan();
        if count == 0 || plan.strategy == QueryStrategy::Random {
            return Vec::new();
        }
        let rows = self.ranked.order.iter().map(|&row| row as usize);
        let open = rows.filter(|&row| self.state.is_open(row) && !self.state.is_drawn(row));
        let mut candidates: Vec<usize> = match plan.strategy {
            // The rows are in the order of their scores, so that no others need to be looked at.
            QueryStrategy::Top => open.take(count).collect(),
            _ => open.collect(),
        };
        candidates.sort_unstable();
        let scaled = self.scaled.get_or_init(|| match plan.strategy {
            QueryStrategy::Diverse => MinMaxScaler::fit(&self.features).transform(self.features.view()),
            _ => ndarray::Array2::zeros((0, 0)),
        });
        let ranking = Ranking {
            scores: &self.ranked.raw,
            features: scaled,
            candidates: &candidates,
            threshold: self.threshold(),
        };
        let moment = [self.ranked.after, self.state.events()].map(|events| events.to_string());
        let mut rng = self.detector.first_seed().stream(&["labelling", "questions", &moment[0], &moment[1]]);
        plan.strategy.choose(ranking, count, &mut rng)
    }

    /// The score above which there are 5 % of the held-out rows; `None` when they are too few.
    fn threshold(&self) -> Option<f32> {
        let mut scores: Vec<f32> = self.state.held_out().map(|row| self.ranked.raw[row]).collect();
        let above = (THRESHOLD_SHARE * (scores.len() + 1) as f64) as usize;
        let place = scores.len().checked_sub(above).filter(|_| above > 0)?;
        Some(*scores.select_nth_unstable_by(place, f32::total_cmp).1)
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
