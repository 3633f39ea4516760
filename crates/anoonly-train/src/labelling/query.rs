//! The choice of the rows to ask about next.

mod choice;
mod threshold;

use std::fmt;
use std::str::FromStr;

use ndarray::Array2;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

pub use threshold::separating_threshold;

/// A rule that chooses the rows to ask about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryStrategy {
    /// `top`: the rows with the highest scores.
    #[default]
    Top,
    /// `diverse`: rows with high scores that are far from each other. Three times as many different rows as are asked come into
    /// question, those with the highest scores. The highest is asked first, and then always the row that is farthest from those
    /// already chosen (Gonzalez 1985), so that equal rows never fill a batch.
    Diverse,
    /// `margin`: the rows whose scores are nearest to the threshold; as `top` while no threshold is known.
    Margin,
    /// `random`: rows drawn at random, each with the same probability.
    Random,
}

/// A query strategy, with the share of the rows that are drawn at random in addition to those that the strategy chooses.
///
/// The strategy asks about rows that it expects to be anomalies, so its answers say little about the other rows. Rows drawn at random
/// give unbiased rates. As text, `top` or, with a share of random rows of 10 %, `top+0.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "QueryFields", into = "QueryFields")]
pub struct Query {
    strategy: QueryStrategy,
    random_share: f64,
}

/// A [`Query`] that has not been checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryFields {
    strategy: QueryStrategy,
    random_share: f64,
}

/// The rows from which a query chooses.
#[derive(Clone, Copy, Debug)]
pub struct Ranking<'a> {
    /// The score of each row of the table. A score that is not a number counts as the lowest one.
    pub scores: &'a [f32],
    /// The features of each row of the table, scaled, `[rows, columns]`.
    pub features: &'a Array2<f32>,
    /// The indices of the rows that may be asked, each once.
    pub candidates: &'a [usize],
    /// The score from which a row counts as an anomaly, if it is known.
    pub threshold: Option<f32>,
}

/// A row to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChosenRow {
    /// The index of the row.
    pub row: usize,
    /// Whether the row was drawn at random: at that moment, every row that might be asked had the same probability. The answers to
    /// such rows give unbiased rates.
    pub random: bool,
}

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No query strategy has this name.
    #[error("unknown query strategy `{name}`: use {}", names())]
    UnknownStrategy {
        /// The name.
        name: String,
    },
    /// The share of random rows is not a number from 0 to 1.
    #[error("the share of random rows is {share}: must be a number from 0 to 1")]
    BadShare {
        /// The share, as it was given.
        share: String,
    },
}

impl QueryStrategy {
    /// All strategies.
    pub const ALL: [QueryStrategy; 4] =
        [QueryStrategy::Top, QueryStrategy::Diverse, QueryStrategy::Margin, QueryStrategy::Random];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            QueryStrategy::Top => "top",
            QueryStrategy::Diverse => "diverse",
            QueryStrategy::Margin => "margin",
            QueryStrategy::Random => "random",
        }
    }

    /// At most `count` different candidates, in the order in which they are asked. Ties go to the row with the smaller index.
    /// Only [`Random`](Self::Random) uses the generator.
    ///
    /// # Panics
    /// When a candidate is not a row of the scores and features.
    pub fn choose(self, ranking: Ranking<'_>, count: usize, rng: &mut impl Rng) -> Vec<usize> {
        match self {
            QueryStrategy::Top => choice::top(&ranking, count),
            QueryStrategy::Diverse => choice::diverse(&ranking, count),
            QueryStrategy::Margin => choice::margin(&ranking, count),
            QueryStrategy::Random => choice::random(ranking.candidates, count, rng),
        }
    }
}

impl Query {
    /// A strategy with a share of random rows, from 0 to 1.
    ///
    /// # Errors
    /// When the share is not in that range.
    pub fn new(strategy: QueryStrategy, random_share: f64) -> Result<Self, QueryError> {
        match (0.0..=1.0).contains(&random_share) {
            // Adding 0 makes -0 the same share as 0.
            true => Ok(Self { strategy, random_share: random_share + 0.0 }),
            false => Err(QueryError::BadShare { share: random_share.to_string() }),
        }
    }

    /// The strategy.
    pub fn strategy(self) -> QueryStrategy {
        self.strategy
    }

    /// The expected share of the rows of a batch that are drawn at random in addition to those that the strategy chooses.
    pub fn random_share(self) -> f64 {
        self.random_share
    }

    /// At most `count` different candidates, in the order in which they are asked.
    ///
    /// The random rows are drawn first, from all candidates. Their number is the share of `count`, rounded up or down at random so that
    /// its expectation is exact. The strategy chooses the rest from the remaining candidates. The random rows are asked at random places
    /// of the batch, so that the first rows of a batch that is not finished contain their share.
    ///
    /// # Panics
    /// When a candidate is not a row of the scores and features.
    pub fn choose(self, ranking: Ranking<'_>, count: usize, rng: &mut impl Rng) -> Vec<ChosenRow> {
        let count = count.min(ranking.candidates.len());
        if self.strategy == QueryStrategy::Random || self.random_share == 0.0 {
            let random = self.strategy == QueryStrategy::Random;
            let rows = self.strategy.choose(ranking, count, rng);
            return rows.into_iter().map(|row| ChosenRow { row, random }).collect();
        }
        let expected = self.random_share * count as f64;
        let drawn = expected.floor() as usize + usize::from(rng.random::<f64>() < expected.fract());
        let drawn = choice::random(ranking.candidates, drawn.min(count), rng);
        let rest: Vec<usize> = ranking.candidates.iter().copied().filter(|row| !drawn.contains(row)).collect();
        let chosen = self.strategy.choose(Ranking { candidates: &rest, ..ranking }, count - drawn.len(), rng);
        let mut batch: Vec<ChosenRow> = chosen.into_iter().map(|row| ChosenRow { row, random: false }).collect();
        for row in drawn {
            batch.insert(rng.random_range(0..=batch.len()), ChosenRow { row, random: true });
        }
        batch
    }
}

impl fmt::Display for QueryStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for QueryStrategy {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        let named = QueryStrategy::ALL.into_iter().find(|strategy| strategy.name() == name);
        named.ok_or_else(|| QueryError::UnknownStrategy { name: name.into() })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.random_share {
            0.0 => f.pad(self.strategy.name()),
            share => f.pad(&format!("{}+{share}", self.strategy)),
        }
    }
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let (strategy, share) = text.split_once('+').unwrap_or((text, "0"));
        let number = share.parse().map_err(|_| QueryError::BadShare { share: share.into() })?;
        Query::new(strategy.parse()?, number)
    }
}

impl From<QueryStrategy> for Query {
    fn from(strategy: QueryStrategy) -> Self {
        Self { strategy, random_share: 0.0 }
    }
}

impl TryFrom<QueryFields> for Query {
    type Error = QueryError;

    fn try_from(fields: QueryFields) -> Result<Self, QueryError> {
        Query::new(fields.strategy, fields.random_share)
    }
}

impl From<Query> for QueryFields {
    fn from(Query { strategy, random_share }: Query) -> Self {
        Self { strategy, random_share }
    }
}

fn names() -> String {
    QueryStrategy::ALL.map(QueryStrategy::name).join(", ")
}

#[cfg(test)]
mod tests;
