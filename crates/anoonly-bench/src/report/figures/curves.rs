//! ROC and precision–recall curves.

use maud::html;

use crate::Details;
use crate::report::look::model_title;
use crate::report::select::View;
use crate::summary::METRICS;
use crate::{Row, Status};
use anoonly_page::panels::{self, Axis, Mark, Panel, PanelGroup};
use anoonly_page::{Figure, precision_recall_steps};

/// Panels at most, about.
const PANELS: usize = 12;

/// The receiver operating characteristics.
pub fn roc(view: &View<'_>) -> Figure {
    figure(
        view,
        &Kind {
            id: "roc",
            title: "ROC curves",
            axes: ["false-positive rate", "true-positive rate"],
            points: |details| details.roc.iter().map(|&(x, y)| (x.into(), y.into())).collect(),
            guide: vec![(0.0, 0.0), (1.0, 1.0)],
            metric: 0,
            reading: "Each point is a threshold: the share of normal rows called anomalies against the share of anomalies found. The \
                  straight line is guessing.",
        },
    )
}

/// The precision–recall curves.
pub fn precision_recall(view: &View<'_>) -> Figure {
    figure(
        view,
        &Kind {
            id: "precision-recall",
            title: "Precision–recall curves",
            axes: ["recall", "precision"],
            points: |details| precision_recall_steps(&details.precision_recall),
            guide: Vec::new(),
            metric: 1,
            reading: "Each step is a threshold: the share of anomalies found against how many of the rows called anomalies are. Only \
                  curves of one data set can be compared: guessing gives its share of anomalies.",
        },
    )
}

struct Kind {
    id: &'static str,
    title: &'static str,
    axes: [&'static str; 2],
    points: fn(&Details) -> Vec<(f64, f64)>,
    guide: Vec<(f64, f64)>,
    metric: usize,
    reading: &'static str,
}

fn figure(view: &View<'_>, kind: &Kind) -> Figure {
    let columns = if view.trained.is_empty() { &view.floors } else { &view.trained };
    let sets = view.some_sets((PANELS / columns.len().max(1)).clamp(1, 4), |row| row.details.is_some());
    let unit = |label: &str| Axis::linear(label, (0.0, 1.0));
    let panel = |set: &str, model: &str| {
        let floors = view.floors.iter().map(|floor| (*floor, "none"));
        let strategies = view.strategies.iter().map(|strategy| (model, *strategy));
        let lines = floors.chain(strategies).filter_map(|(model, strategy)| {
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
    let description = "A panel for each data set and method, with a line for each strategy and floor.";
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
                (kind.reading) " The figures over a panel are the host's " (METRICS[kind.metric].0) " and AnoOnly's, in percent. One \
                 seed only (" (seed) "), on the first data sets of the first families: an illustration, chosen by place and not \
                 by outcome."
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
