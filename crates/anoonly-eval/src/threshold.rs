//! Thresholds by share. Rows that score at least the threshold are flagged.
//!
//! [`best_f1`](crate::best_f1) gives the threshold with the highest F1 on labelled rows.

use crate::ThresholdError;

/// The lowest threshold that flags at most a share of the given rows, such as 0.05 for one in twenty. It is the
/// lowest score that is flagged.
///
/// Rows of equal score are flagged together or not at all: if all of them would be too many, none is flagged, and fewer rows than the
/// share are flagged. If no row can be flagged, the threshold is just above the highest score.
///
/// # Errors
/// When there are no scores, a score is NaN or infinite, or the share is not strictly between 0 and 1.
pub fn share_threshold(scores: &[f32], share: f64) -> Result<f32, ThresholdError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(ThresholdError::BadShare { share });
    }
    let sorted = sorted(scores)?;
    // A share below 1 leaves at least one row unflagged.
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
    // Adding 0 turns -0 into 0, because `total_cmp` distinguishes them.
    let mut sorted: Vec<f32> = scores.iter().map(|score| score + 0.0).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    Ok(sorted)
}

/// The highest count whose share of `rows` is at most `share`. `share` is below 1.
pub(crate) fn most_within(share: f64, rows: usize) -> usize {
    let count = (share * rows as f64) as usize;
    // The product may round to either side of an integer: 0.29 × 100 is below 29.
    if (count + 1) as f64 / rows as f64 <= share {
        count + 1
    } else if count as f64 / rows as f64 > share {
        count - 1
    } else {
        count
    }
}
