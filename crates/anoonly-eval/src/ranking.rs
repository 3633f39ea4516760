//! Rows sorted by score, with equal scores joined.

use crate::MetricError;

/// The rows of one score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tie {
    pub score: f32,
    pub anomalies: usize,
    pub normals: usize,
}

impl Tie {
    pub fn rows(&self) -> usize {
        self.anomalies + self.normals
    }
}

/// The distinct scores, highest first, with the counts of their rows.
#[derive(Clone, Debug)]
pub(crate) struct Ranking {
    pub ties: Vec<Tie>,
    pub anomalies: usize,
    pub normals: usize,
}

impl Ranking {
    pub fn new(scores: &[f32], anomalous: &[bool]) -> Result<Self, MetricError> {
        if scores.len() != anomalous.len() {
            return Err(MetricError::Lengths { scores: scores.len(), truths: anomalous.len() });
        }
        if let Some(row) = scores.iter().position(|score| score.is_nan()) {
            return Err(MetricError::NanScore { row: row + 1 });
        }
        let anomalies = anomalous.iter().filter(|&&anomaly| anomaly).count();
        if anomalies == 0 || anomalies == scores.len() {
            return Err(MetricError::OneClass { anomalies, rows: scores.len() });
        }
        // Adding 0 turns -0 into 0, because `total_cmp` distinguishes them.
        let mut rows: Vec<(f32, bool)> =
            scores.iter().map(|score| score + 0.0).zip(anomalous.iter().copied()).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let ties = rows
            .chunk_by(|a, b| a.0 == b.0)
            .map(|tie| {
                let anomalies = tie.iter().filter(|(_, anomaly)| *anomaly).count();
                Tie { score: tie[0].0, anomalies, normals: tie.len() - anomalies }
            })
            .collect();
        Ok(Self { ties, anomalies, normals: scores.len() - anomalies })
    }
}

/// The rank of each score: 1 for the highest. Equal scores share the better rank.
pub fn ranks(scores: &[f32]) -> Vec<u64> {
    // One number for each score: in the order of `total_cmp`, highest first, with the row in the lower half.
    let key = |(row, score): (usize, &f32)| {
        let bits = score.to_bits();
        let descending = if bits >> 31 == 0 { !bits & !(1 << 31) } else { bits };
        u64::from(descending) << 32 | row as u64
    };
    let mut order: Vec<u64> = scores.iter().enumerate().map(key).collect();
    order.sort_unstable();
    let order: Vec<u32> = order.into_iter().map(|key| key as u32).collect();
    let mut ranks = vec![0; scores.len()];
    let mut rank = 0;
    for (place, &row) in order.iter().enumerate() {
        if place == 0 || scores[row as usize] != scores[order[place - 1] as usize] {
            rank = place as u64 + 1;
        }
        ranks[row as usize] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_share_the_better_rank() {
        assert_eq!(ranks(&[0.5, 2.0, 0.5, f32::MAX, -1.0]), [3, 2, 3, 1, 5]);
        assert_eq!(ranks(&[0.0, -0.0]), [1, 1]);
        assert!(ranks(&[]).is_empty());
        assert_eq!(ranks(&[-1.0, -f32::MAX, f32::INFINITY, -1e-20, 1e-20]), [4, 5, 1, 3, 2]);
    }
}
