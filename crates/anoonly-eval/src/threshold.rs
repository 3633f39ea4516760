//! Thresholds: rows that score at least the threshold are flagged.
//!
//! [`best_f1`](crate::best_f1) gives the one with the highest F1 on labelled rows.

use crate::ThresholdError;

/// The lowest threshold that flags at most a share of the given rows, such as 0.05 for one in twenty. It is a score of
/// one of them: the lowest that is flagged.
///
/// Rows of one score are flagged together or not at all: where all of them would be too many, none is, and fewer rows
/// than asked for are flagged. Where no row at all can be, the threshold is just above the highest score.
///
/// # Errors
/// When there is no score, one is NaN or infinite, or the share is not strictly between 0 and 1.
pub fn share_threshold(scores: &[f32], share: f64) -> Result<f32, ThresholdError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(ThresholdError::BadShare { share });
    }
    let sorted = sorted(scores)?;
    // Below 1, the share leaves at least one row unflagged.
    let cut = sorted[sorted.len() - 1 - most_within(share, sorted.len())];
    let flagged = sorted.partition_point(|&score| score <= cut);
    Ok(sorted.get(flagged).copied().unwrap_or_else(|| cut.next_up()))
}

/// Finite scores, lowest first.
pub(crate) fn sorted(scores: &[f32]) -> Result<Vec<f32>, ThresholdError> {
    if scores.is_empty() {
        return Err(ThresholdError::NoScores);
    }
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        return Err(ThresholdError::NotFinite { row: row + 1 });
    }
    // Adding 0 turns -0 into 0, which total order would tell apart.
    let mut sorted: Vec<f32> = scores.iter().map(|score| score + 0.0).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    Ok(sorted)
}

/// The highest count whose share of `rows` is at most `share`, which is below 1.
pub(crate) fn most_within(share: f64, rows: usize) -> usize {
    let count = (share * rows as f64) as usize;
    // The product may round to either side of a whole number: 0.29 × 100 is below 29.
    if (count + 1) as f64 / rows as f64 <= share {
        count + 1
    } else if count as f64 / rows as f64 > share {
        count - 1
    } else {
        count
    }
}
