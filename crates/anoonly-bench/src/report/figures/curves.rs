//! ROC and precision–recall curves of runs.

use maud::html;

use crate::Details;
use crate::report::look::model_title;
use crate::report::select::View;
use crate::summary::METRICS;
use crate::{Row, Status};
use anoonly_page::panels::{self, Axis, Mark, Panel, PanelGroup};
use anoonly_page::{Figure, precision_recall_steps};

/// The approximate largest number of panels.
const PANELS: usize = 12;

/// The figure of ROC curves.
pub fn roc(view: &View<'_>) -> Figure {
    figure(
        view,
        &CurveKind {
            id: "roc",
            title: "ROC curves",
            axes: ["false-positive rate", "true-positive rate"],
            points: |details| details.roc.iter().map(|&(x, y)| (x.into(), y.into())).collect(),
            guide: vec![(0.0, 0.0), (1.0, 1.0)],
            metric: 0,
            reading: "Each point is a threshold: the share of normal rows flagged against the share of anomalies found. The straight \
                  line shows random scores.",
        },
    )
}

/// The figure of precision–recall curves.
pub fn precision_recall(view: &View<'_>) -> Figure {
    figure(
        view,
        &CurveKind {
            id: "precision-recall",
            title: "Precision–recall curves",
            axes: ["recall", "precision"],
            points: |details| precision_recall_steps(&details.precision_recall),
            guide: Vec::new(),
            metric: 1,
            reading: "Each step is a threshold: the share of anomalies found against the share of flagged rows that are anomalies. Compare \
                  curves of one data set only: random scores give a precision equal to its share of anomalies.",
        },
    )
}

/// A kind of curve.
struct CurveKind {
    id: &'static str,
    title: &'static str,
    axes: [&'static str; 2],
    points: fn(&Details) -> Vec<(f64, f64)>,
    guide: Vec<(f64, f64)>,
    metric: usize,
    reading: &'static str,
}

fn figure(view: &View<'_>, kind: &CurveKind) -> Figure {
    let columns = if view.trained.is_empty() { &view.without_strategy } else { &view.trained };
    let sets = view.some_sets((PANELS / columns.len().max(1)).clamp(1, 4), |row| row.details.is_some());
    let unit = |label: &str| Axis::linear(label, (0.0, 1.0));
    let panel = |set: &str, model: &str| {
        let others = view.without_strategy.iter().map(|model| (*model, "none"));
        let strategies = view.strategies.iter().map(|strategy| (model, *strategy));
        let lines = others.chain(strategies).filter_map(|(model, strategy)| {
            let row = view.detailed(set, model, strategy)?;
            let points = (kind.points)(row.details.as_deref()?);
            Some(Mark::Line { points, look: view.look(model, strategy), titles: None })
        });
        let guide = Mark::Guide(kind.guide.clone());
        let area = |strategy: &str| view.detailed(set, model, strategy).and_then(|row| of(row, kind.metric));
        let title = match (area("host"), area("anoonly")) {
            (Some(host), Some(anoonly)) => format!("{} {host:.1} → {anoonly:.1}", model_title(model)),
            _ => model_title(model),
        };
        Panel {
            title,
            x: unit(kind.axes[0]),
            y: unit(kind.axes[1]),
            marks: std::iter::once(guide).chain(lines).collect(),
        }
    };
    let group = |set: &&str| PanelGroup {
        heading: (*set).into(),
        panels: columns.iter().map(|model| panel(set, model)).collect(),
    };
    let groups: Vec<PanelGroup> = sets.iter().map(group).collect();
    let seed = view.results.rows.iter().find(|row| row.details.is_some()).map_or(0, |row| row.seed);
    let picture = format!("{}-picture", kind.id);
    let description =
        "A panel for each data set and method, with a line for each strategy and each method without one.";
    let content = match groups.is_empty() {
        true => Err("no curves were kept beside these runs; a bench keeps them as it measures.".into()),
        false => {
            Ok(panels::draw((&picture, kind.title, description), &groups, columns.len().min(4), 0.8, &view.legend()))
        }
    };
    Figure {
        id: kind.id,
        title: kind.title.into(),
        content,
        caption: html! {
            p {
                (kind.reading) " The numbers above a panel are the " (METRICS[kind.metric].0) " of the host and of AnoOnly, in percent. One \
                 seed only (" (seed) "), on the first data sets of the first families: an illustration, chosen by position and not \
                 by result."
            }
        },
    }
}

fn of(row: &Row, metric: usize) -> Option<f64> {
    match &row.status {
        Status::Ok(scores) => Some(100.0 * METRICS[metric].1(scores)),
        Status::Failed(_) => None,
    }
}
