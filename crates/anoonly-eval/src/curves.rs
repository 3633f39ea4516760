//! Curves over all thresholds.

use serde::{Deserialize, Serialize};

use crate::MetricError;
use crate::ranking::Ranking;

/// A point of the ROC curve (receiver operating characteristic).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// The share of normal rows that score at least the threshold.
    pub false_positive_rate: f64,
    /// The share of anomalies that score at least the threshold.
    pub true_positive_rate: f64,
    /// The threshold; `None` for the first point, where no row is flagged.
    pub threshold: Option<f32>,
}

/// A point of the precision–recall curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    /// The share of anomalies that score at least the threshold.
    pub recall: f64,
    /// The share of anomalies among the rows that score at least the threshold; 1 by convention if there are none.
    pub precision: f64,
    /// The threshold; `None` for the first point, where no row is flagged.
    pub threshold: Option<f32>,
}

/// The ROC curve: one point for each distinct score, from (0, 0) to (1, 1), to be joined by straight lines (scikit-learn's `roc_curve` with `drop_intermediate=False`). The area under it is
/// [`auroc`](crate::auroc).
///
/// With `most`, the curve has at most that many points: the first, the last, and those nearest to equal steps along the curve.
///
/// # Errors
/// As [`auroc`](crate::auroc).
///
/// # Panics
/// When `most` is below 2.
pub fn roc_curve(scores: &[f32], anomalous: &[bool], most: Option<usize>) -> Result<Vec<RocPoint>, MetricError> {
    let ranking = Ranking::new(scores, anomalous)?;
    let points = cuts(&ranking)
        .map(|cut| RocPoint {
            false_positive_rate: (cut.rows - cut.anomalies) as f64 / ranking.normals as f64,
            true_positive_rate: cut.anomalies as f64 / ranking.anomalies as f64,
            threshold: cut.threshold,
        })
        .collect();
    Ok(thin(points, most, |point| (point.false_positive_rate, point.true_positive_rate)))
}

/// The precision–recall curve: one point for each distinct score, from recall 0 to recall 1, to be drawn as steps
/// (scikit-learn's `precision_recall_curve`, which starts at the other end).
/// [Average precision](crate::average_precision) is the area under the steps.
///
/// With `most`, the curve has at most that many points: the first, the last, and those nearest to equal steps along the curve.
///
/// # Errors
/// As [`auroc`](crate::auroc).
///
/// # Panics
/// When `most` is below 2.
pub fn precision_recall_curve(
    scores: &[f32],
    anomalous: &[bool],
    most: Option<usize>,
) -> Result<Vec<PrecisionRecallPoint>, MetricError> {
    let ranking = Ranking::new(scores, anomalous)?;
    let points = cuts(&ranking)
        .map(|cut| PrecisionRecallPoint {
            recall: cut.anomalies as f64 / ranking.anomalies as f64,
            precision: if cut.rows == 0 { 1.0 } else { cut.anomalies as f64 / cut.rows as f64 },
            threshold: cut.threshold,
        })
        .collect();
    Ok(thin(points, most, |point| (point.recall, point.precision)))
}

/// The counts of rows at or above a threshold.
#[derive(Clone, Copy)]
struct Cut {
    threshold: Option<f32>,
    anomalies: usize,
    rows: usize,
}

/// The cut above all scores and the cut at each distinct score, highest first.
fn cuts(ranking: &Ranking) -> impl Iterator<Item = Cut> {
    let none = Cut { threshold: None, anomalies: 0, rows: 0 };
    let at_scores = ranking.ties.iter().scan(none, |cut, tie| {
        *cut =
            Cut { threshold: Some(tie.score), anomalies: cut.anomalies + tie.anomalies, rows: cut.rows + tie.rows() };
        Some(*cut)
    });
    std::iter::once(none).chain(at_scores)
}

/// Keeps the first and the last point, and those nearest to equal steps of |Δx| + |Δy| in between.
fn thin<P: Copy>(points: Vec<P>, most: Option<usize>, place: impl Fn(&P) -> (f64, f64)) -> Vec<P> {
    let Some(most) = most else { return points };
    assert!(most >= 2, "a curve has at least two points");
    if points.len() <= most {
        return points;
    }
    let mut travelled = vec![0.0];
    for pair in points.windows(2) {
        let ((x, y), (next_x, next_y)) = (place(&pair[0]), place(&pair[1]));
        travelled.push(travelled[travelled.len() - 1] + (next_x - x).abs() + (next_y - y).abs());
    }
    let last = points.len() - 1;
    let mut kept: Vec<usize> = (1..most - 1)
        .map(|step| {
            let goal = travelled[last] * step as f64 / (most - 1) as f64;
            let after = travelled.partition_point(|&way| way < goal);
            if after > 0 && goal - travelled[after - 1] < travelled[after] - goal { after - 1 } else { after }
        })
        .chain([0, last])
        .collect();
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().map(|place| points[place]).collect()
}
