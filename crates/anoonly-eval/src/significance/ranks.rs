//! Ranks under ties.

/// Ranks of values, starting from 1 for the lowest.
#[derive(Clone, Debug, PartialEq)]
pub struct MidRanks {
    /// The rank of each value; equal values share the mean of their ranks.
    pub ranks: Vec<f64>,
    /// The sum of t³ − t over all groups of t equal values, used in corrections for ties; 0 without ties.
    pub tie_term: f64,
}

/// The ranks of values without NaN.
pub fn mid_ranks(values: impl Iterator<Item = f64>) -> MidRanks {
    // Adding 0 turns -0 into 0, because `total_cmp` distinguishes them.
    let mut sorted: Vec<(usize, f64)> = values.map(|value| value + 0.0).enumerate().collect();
    sorted.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; sorted.len()];
    let (mut below, mut tie_term) = (0, 0.0);
    for tie in sorted.chunk_by(|a, b| a.1 == b.1) {
        let size = tie.len() as f64;
        for &(place, _) in tie {
            ranks[place] = below as f64 + (size + 1.0) / 2.0;
        }
        below += tie.len();
        tie_term += size.powi(3) - size;
    }
    MidRanks { ranks, tie_term }
}
