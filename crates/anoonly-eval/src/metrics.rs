//! Metrics of a ranking.
//!
//! Each takes a score and a truth (`true` for an anomaly) for each row. None depends on the order of rows with equal scores.

use serde::{Deserialize, Serialize};

use crate::MetricError;
use crate::ranking::Ranking;

/// Area under the receiver operating characteristic: the probability that a random anomaly scores above a random normal
/// row, ties counting half (Mann and Whitney 1947; scikit-learn's `roc_auc_score`).
///
/// # Errors
/// When the lengths differ, a score is NaN or a class is missing. The other metrics have the same errors.
pub fn auroc(scores: &[f32], anomalous: &[bool]) -> Result<f64, MetricError> {
    let ranking = Ranking::new(scores, anomalous)?;
    let mut normals_above = 0;
    // Twice the number of pairs won, which is an integer under ties too.
    let mut won: u128 = 0;
    for tie in &ranking.ties {
        let normals_below = ranking.normals - normals_above - tie.normals;
        won += tie.anomalies as u128 * (2 * normals_below + tie.normals) as u128;
        normals_above += tie.normals;
    }
    Ok(won as f64 / (2.0 * ranking.anomalies as f64 * ranking.normals as f64))
}

/// Average precision: precision at each distinct score, weighted by the recall it adds, without interpolation
/// (scikit-learn's `average_precision_score`; ADBench and the AnoOnly paper call it AUC-PR).
///
/// # Errors
/// As [`auroc`].
pub fn average_precision(scores: &[f32], anomalous: &[bool]) -> Result<f64, MetricError> {
    let ranking = Ranking::new(scores, anomalous)?;
    Ok(precision_by_recall(ranking.ties.iter().map(|tie| (tie.anomalies, tie.rows())), ranking.anomalies))
}

/// Average precision of the normal class: normal rows are the hits, and low scores are ranked first.
///
/// # Errors
/// As [`auroc`].
pub fn average_precision_normal(scores: &[f32], anomalous: &[bool]) -> Result<f64, MetricError> {
    let ranking = Ranking::new(scores, anomalous)?;
    Ok(precision_by_recall(ranking.ties.iter().rev().map(|tie| (tie.normals, tie.rows())), ranking.normals))
}

/// Average precision from the hits and rows of each tie, best rank first, and the total number of hits.
fn precision_by_recall(ties: impl Iterator<Item = (usize, usize)>, all_hits: usize) -> f64 {
    let (mut hits, mut rows, mut sum) = (0, 0, 0.0);
    for (more_hits, more_rows) in ties {
        hits += more_hits;
        rows += more_rows;
        sum += more_hits as f64 * hits as f64 / rows as f64;
    }
    sum / all_hits as f64
}

/// The share of anomalies among the `k` highest scores. If only some rows of equal score are among them, it is the expectation over a
/// random choice of those rows.
///
/// # Errors
/// As [`auroc`], and when `k` is 0 or above the number of rows.
pub fn precision_at_k(scores: &[f32], anomalous: &[bool], k: usize) -> Result<f64, MetricError> {
    let ranking = Ranking::new(scores, anomalous)?;
    if k == 0 || k > scores.len() {
        return Err(MetricError::BadK { k, rows: scores.len() });
    }
    let (mut left, mut hits) = (k, 0.0);
    for tie in &ranking.ties {
        let taken = left.min(tie.rows());
        hits += tie.anomalies as f64 * taken as f64 / tie.rows() as f64;
        left -= taken;
    }
    Ok(hits / k as f64)
}

/// The threshold with the highest F1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestF1 {
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Rows that score at least this are flagged. If several thresholds have the same F1, it is the highest.
    pub threshold: f32,
}

/// The highest F1 over all thresholds, with its threshold.
///
/// # Errors
/// As [`auroc`].
pub fn best_f1(scores: &[f32], anomalous: &[bool]) -> Result<BestF1, MetricError> {
    let ranking = Ranking::new(scores, anomalous)?;
    let (mut hits, mut rows) = (0, 0);
    let mut best = BestF1 { f1: -1.0, threshold: f32::INFINITY };
    for tie in &ranking.ties {
        hits += tie.anomalies;
        rows += tie.rows();
        let f1 = 2.0 * hits as f64 / (rows + ranking.anomalies) as f64;
        if f1 > best.f1 {
            best = BestF1 { f1, threshold: tie.score };
        }
    }
    Ok(best)
}
