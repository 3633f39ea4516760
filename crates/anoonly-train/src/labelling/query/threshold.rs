//! A threshold from answers.

use anoonly_core::Label;

/// The score that separates the rows labelled anomalies from those labelled normal with the fewest errors, halfway between two scores;
/// of several, the highest. `None` unless there are rows of both kinds.
///
/// Rows that were asked for their high scores are no random sample, so this threshold promises no rate. It is where a detector is
/// least certain.
pub fn separating_threshold(scores: &[f32], labels: &[Label]) -> Option<f32> {
    let labelled = scores.iter().zip(labels).filter(|(_, label)| **label != Label::Unlabelled);
    let mut rows: Vec<(f32, bool)> = labelled.map(|(&score, label)| (score, label.is_anomaly())).collect();
    let anomalies = rows.iter().filter(|(_, anomaly)| *anomaly).count();
    if anomalies == 0 || anomalies == rows.len() {
        return None;
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Above all scores, every anomaly is an error.
    let (mut errors, mut fewest, mut best) = (anomalies, anomalies, rows[0].0);
    for (place, &(score, anomaly)) in rows.iter().enumerate() {
        errors = if anomaly { errors - 1 } else { errors + 1 };
        let next = rows.get(place + 1).map_or(score, |row| row.0);
        let between = place + 1 == rows.len() || next < score;
        if between && errors < fewest {
            fewest = errors;
            best = score + (next - score) / 2.0;
        }
    }
    Some(best)
}
