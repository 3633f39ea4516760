//! Figures of the scores of labelled rows: ROC and precision–recall curves, and histograms.

use anoonly_eval::{MetricError, precision_recall_curve, roc_curve};
use maud::html;

use crate::draw::MarkerShape;
use crate::panels::{self, Axis, Mark, Panel, PanelGroup};
use crate::{Figure, Look};

/// The largest number of points of a curve.
const POINTS: usize = 400;
/// Bars of a histogram.
const BARS: usize = 40;

const SCORES: Look = Look { colour: "blue", strokes: "solid", shape: MarkerShape::Circle, filled: true };
const NORMAL: Look = Look { colour: "grey", strokes: "solid", shape: MarkerShape::Circle, filled: false };
const ANOMALIES: Look = Look { colour: "vermilion", strokes: "solid", shape: MarkerShape::Square, filled: true };
const THRESHOLD: Look = Look { colour: "plain", strokes: "dashed", shape: MarkerShape::Diamond, filled: true };

/// The ROC curve and the precision–recall curve, each with a marker at the threshold, if there is one.
///
/// # Errors
/// When the lengths differ, a score is NaN or a class is missing.
pub fn score_curves(scores: &[f32], anomalous: &[bool], threshold: Option<f32>) -> Result<Figure, MetricError> {
    let roc = roc_curve(scores, anomalous, Some(POINTS))?;
    let roc: Vec<(f64, f64)> = roc.iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).collect();
    let precision_recall = precision_recall_curve(scores, anomalous, Some(POINTS))?;
    let precision_recall: Vec<(f32, f32)> =
        precision_recall.iter().map(|point| (point.recall as f32, point.precision as f32)).collect();
    let anomalies = anomalous.iter().filter(|&&anomaly| anomaly).count() as f64;
    let rows = scores.len() as f64;
    let flagged = threshold.map(|threshold| {
        let flagged = |anomaly: bool| {
            scores.iter().zip(anomalous).filter(|(score, truth)| **truth == anomaly && **score >= threshold).count()
        };
        [flagged(true) as f64, flagged(false) as f64]
    });
    let at = |point: (f64, f64)| Mark::Point(point, THRESHOLD, 5.0, "the threshold".into());
    let in_roc = flagged.map(|[found, alarms]| at((alarms / (rows - anomalies), found / anomalies)));
    let in_precision_recall = flagged
        .filter(|[found, alarms]| found + alarms > 0.0)
        .map(|[found, alarms]| at((found / anomalies, found / (found + alarms))));
    let panel = |title: &str, [x, y]: [&str; 2], guide, points, mark: Option<Mark>| {
        let unit = |label: &str| Axis::linear(label, (0.0, 1.0));
        let line = Mark::Line { points, look: SCORES, titles: None };
        let marks = [Mark::Guide(guide), line].into_iter().chain(mark).collect();
        Panel { title: title.into(), x: unit(x), y: unit(y), marks }
    };
    let share = anomalies / rows;
    let panels = vec![
        panel("ROC", ["false-positive rate", "true-positive rate"], vec![(0.0, 0.0), (1.0, 1.0)], roc, in_roc),
        panel(
            "Precision–recall",
            ["recall", "precision"],
            vec![(0.0, share), (1.0, share)],
            precision_recall_steps(&precision_recall),
            in_precision_recall,
        ),
    ];
    let mut legend = vec![("all thresholds".to_owned(), SCORES)];
    legend.extend(threshold.map(|_| ("the threshold of the model".to_owned(), Look { strokes: "none", ..THRESHOLD })));
    let groups = [PanelGroup { heading: String::new(), panels }];
    let description =
        "Two panels: the true-positive rate against the false-positive rate, and precision against recall.";
    Ok(Figure {
        id: "curves",
        title: "ROC and precision–recall curves".into(),
        content: Ok(panels::draw(("curves-picture", "Curves", description), &groups, 2, 0.8, &legend)),
        caption: html! {
            p {
                "Each point is a threshold. Left: the share of anomalies that are flagged (recall) against the share of normal rows \
                 that are flagged. Right: the share of flagged rows that are anomalies (precision) against recall. The grey lines \
                 show random scores."
            }
        },
    })
}

/// The points of a precision–recall curve as steps: from each recall to the next higher one, at the precision reached there. The
/// area under the steps is average precision.
pub fn precision_recall_steps(points: &[(f32, f32)]) -> Vec<(f64, f64)> {
    let gained = points.windows(2).filter(|pair| pair[1].0 > pair[0].0);
    gained.flat_map(|pair| [(pair[0].0.into(), pair[1].1.into()), (pair[1].0.into(), pair[1].1.into())]).collect()
}

/// A histogram of the scores of normal rows beside one of the scores of anomalies.
pub fn score_histogram(scores: &[f32], anomalous: &[bool], threshold: Option<f32>) -> Figure {
    let (low, high, beyond) = extent(scores);
    let width = (high - low) / BARS as f64;
    let bar = |score: f32| (((f64::from(score) - low) / width).max(0.0) as usize).min(BARS - 1);
    let panel = |title: &str, anomaly: bool, look: Look| {
        let mut counts = vec![0usize; BARS];
        let of_class = scores.iter().zip(anomalous).filter(|(_, truth)| **truth == anomaly);
        of_class.for_each(|(score, _)| counts[bar(*score)] += 1);
        let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let edges = |place: usize| [low + place as f64 * width, low + (place + 1) as f64 * width];
        let outline: Vec<(f64, f64)> = counts
            .iter()
            .enumerate()
            .flat_map(|(place, &count)| edges(place).map(|edge| (edge, count as f64)))
            .collect();
        let band = outline.iter().map(|&(x, y)| (x, 0.0, y)).collect();
        let mut marks = vec![Mark::Band(band, look), Mark::Line { points: outline, look, titles: None }];
        marks.extend(threshold.map(|threshold| {
            let at = f64::from(threshold).clamp(low, high);
            Mark::Line { points: vec![(at, 0.0), (at, most)], look: THRESHOLD, titles: None }
        }));
        let rows: usize = counts.iter().sum();
        Panel {
            title: format!("{rows} {title}"),
            x: Axis::linear("score", (low, high)),
            y: Axis::linear("rows", (0.0, most)),
            marks,
        }
    };
    let panels = vec![panel("normal rows", false, NORMAL), panel("anomalies", true, ANOMALIES)];
    let mut legend = vec![("normal rows".to_owned(), NORMAL), ("anomalies".to_owned(), ANOMALIES)];
    legend.extend(threshold.map(|_| ("the threshold of the model".to_owned(), THRESHOLD)));
    let groups = [PanelGroup { heading: String::new(), panels }];
    let description = "Two histograms on the same axis of scores: normal rows and anomalies.";
    Figure {
        id: "scores",
        title: "Scores of normal rows and of anomalies".into(),
        content: Ok(panels::draw(("scores-picture", "Histograms of scores", description), &groups, 2, 0.8, &legend)),
        caption: html! {
            p {
                "Both panels have the same axis of scores; each has its own axis of row counts."
                @if beyond > 0 { " " (beyond) " rows lie outside the axis of scores and are counted in the outermost bars." }
                " No threshold separates rows in the range where both histograms have bars."
            }
        },
    }
}

/// The ends of the axis of scores, and the number of scores outside it. A few extreme scores must not compress all others.
fn extent(scores: &[f32]) -> (f64, f64, usize) {
    let mut sorted: Vec<f64> = scores.iter().map(|&score| f64::from(score)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let spread = 4.0 * (at(0.95) - at(0.05));
    let (low, high) = (sorted[0].max(at(0.05) - spread), sorted[sorted.len() - 1].min(at(0.95) + spread));
    let beyond = sorted.iter().filter(|&&score| score < low || score > high).count();
    match low < high {
        true => (low, high, beyond),
        false => (low - 0.5, low + 0.5, sorted.iter().filter(|&&score| (score - low).abs() > 0.5).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_under_the_steps_is_average_precision() {
        // By hand: an anomaly first, then a normal row, then an anomaly. Precision is 1 up to recall ½, then ⅔.
        let drawn = precision_recall_steps(&[(0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0), (1.0, 0.5)]);
        let area: f64 = drawn.windows(2).map(|pair| (pair[1].0 - pair[0].0) * pair[1].1).sum();
        assert!((area - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-6, "{area}");
        assert_eq!(drawn.len(), 4);
    }

    #[test]
    fn extreme_scores_do_not_widen_the_axis() {
        let mut scores: Vec<f32> = (0..100).map(|row| row as f32).collect();
        assert_eq!(extent(&scores), (0.0, 99.0, 0));
        scores.push(1e6);
        let (low, high, beyond) = extent(&scores);
        assert_eq!((low, beyond), (0.0, 1));
        assert!(high < 1000.0, "{high}");
        assert_eq!(extent(&[2.0, 2.0]), (1.5, 2.5, 0));
        assert_eq!(extent(&[f32::MIN, 0.0, 0.0, 0.0, f32::MAX]).2, 0);
    }

    #[test]
    fn every_row_is_counted_once() {
        let scores: Vec<f32> = (0..50).map(|row| (row * row) as f32).collect();
        let anomalous: Vec<bool> = (0..50).map(|row| row > 40).collect();
        let picture = score_histogram(&scores, &anomalous, Some(1600.0)).content.unwrap().into_string();
        assert!(picture.contains("41 normal rows") && picture.contains("9 anomalies"));
        let curves = score_curves(&scores, &anomalous, Some(1600.0)).unwrap().content.unwrap().into_string();
        assert!(curves.contains("<title>the threshold</title>") && !curves.contains("NaN"), "{curves}");
        assert!(score_curves(&scores, &[true; 50], None).is_err());
        // A threshold that flags nothing has no precision.
        let none = score_curves(&scores, &anomalous, Some(1e9)).unwrap().content.unwrap().into_string();
        assert_eq!(none.matches("<title>the threshold</title>").count(), 1);
    }
}
