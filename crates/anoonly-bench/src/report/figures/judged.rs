//! Figures of one model on labelled rows: its curves, and where its scores lie.

use anoonly_eval::{MetricError, precision_recall_curve, roc_curve};
use maud::html;

use super::curves::steps;
use crate::report::draw::Shape;
use crate::report::look::Look;
use crate::report::page::Figure;
use crate::report::panels::{self, Axis, Group, Mark, Panel};

/// Points of a curve at most.
const POINTS: usize = 400;
/// Bars of a histogram.
const BARS: usize = 40;

const SCORES: Look = Look { colour: "blue", strokes: "solid", shape: Shape::Circle, filled: true };
const NORMAL: Look = Look { colour: "grey", strokes: "solid", shape: Shape::Circle, filled: false };
const ANOMALIES: Look = Look { colour: "vermilion", strokes: "solid", shape: Shape::Square, filled: true };
const THRESHOLD: Look = Look { colour: "plain", strokes: "dashed", shape: Shape::Diamond, filled: true };

/// The receiver operating characteristic and the precision–recall curve, each with the place of the threshold, if there is
/// one.
///
/// # Errors
/// When lengths differ, a score is NaN or a class is missing.
pub fn both_curves(scores: &[f32], anomalous: &[bool], threshold: Option<f32>) -> Result<Figure, MetricError> {
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
        let line = Mark::Line { points, look: SCORES, told: None };
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
            steps(&precision_recall),
            in_precision_recall,
        ),
    ];
    let mut legend = vec![("all thresholds".to_owned(), SCORES)];
    legend.extend(threshold.map(|_| ("the threshold of the model".to_owned(), Look { strokes: "none", ..THRESHOLD })));
    let groups = [Group { heading: String::new(), panels }];
    let described = "Two panels: the share of anomalies found against the share of normal rows flagged, and precision against recall.";
    Ok(Figure {
        id: "curves",
        title: "ROC and precision–recall curves".into(),
        content: Ok(panels::draw(("curves-picture", "Curves", described), &groups, 2, 0.8, &legend)),
        caption: html! {
            p {
                "Each point is a threshold. Left: the share of anomalies that are flagged against the share of normal rows that are. \
                 Right: how many of the flagged rows are anomalies, against the share of anomalies found. The grey lines are \
                 guessing."
            }
        },
    })
}

/// How many normal rows and anomalies have which score.
pub fn histogram(scores: &[f32], anomalous: &[bool], threshold: Option<f32>) -> Figure {
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
        let mut marks = vec![Mark::Band(band, look), Mark::Line { points: outline, look, told: None }];
        marks.extend(threshold.map(|threshold| {
            let at = f64::from(threshold).clamp(low, high);
            Mark::Line { points: vec![(at, 0.0), (at, most)], look: THRESHOLD, told: None }
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
    let groups = [Group { heading: String::new(), panels }];
    let described = "Two histograms over the same scores, of normal rows and of anomalies.";
    Figure {
        id: "scores",
        title: "Scores of normal rows and of anomalies".into(),
        content: Ok(panels::draw(("scores-picture", "Histograms of scores", described), &groups, 2, 0.8, &legend)),
        caption: html! {
            p {
                "Both panels have one axis of scores, and each its own of rows."
                @if beyond > 0 { " " (beyond) " rows lie beyond that axis and stand at its ends." }
                " What the two have in common, no threshold can tell apart."
            }
        },
    }
}

/// The axis of the scores, and how many of them lie beyond: a few extreme ones shall not push all others together.
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
    fn a_few_extreme_scores_stand_at_the_end() {
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
    fn every_row_stands_in_one_bar() {
        let scores: Vec<f32> = (0..50).map(|row| (row * row) as f32).collect();
        let anomalous: Vec<bool> = (0..50).map(|row| row > 40).collect();
        let picture = histogram(&scores, &anomalous, Some(1600.0)).content.unwrap().into_string();
        assert!(picture.contains("41 normal rows") && picture.contains("9 anomalies"));
        let curves = both_curves(&scores, &anomalous, Some(1600.0)).unwrap().content.unwrap().into_string();
        assert!(curves.contains("<title>the threshold</title>") && !curves.contains("NaN"), "{curves}");
        assert!(both_curves(&scores, &[true; 50], None).is_err());
        // A threshold that flags nothing has no precision.
        let none = both_curves(&scores, &anomalous, Some(1e9)).unwrap().content.unwrap().into_string();
        assert_eq!(none.matches("<title>the threshold</title>").count(), 1);
    }
}
