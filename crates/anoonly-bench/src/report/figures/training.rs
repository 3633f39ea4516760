//! Training losses over epochs.

use maud::html;

use crate::report::look::model_title;
use crate::report::select::View;
use anoonly_page::Figure;
use anoonly_page::panels::{self, Axis, Mark, Panel, PanelGroup};
use anoonly_page::scale::span;

/// The approximate largest number of panels.
const PANELS: usize = 12;

/// The figure.
pub fn figure(view: &View<'_>) -> Figure {
    let trains = |model: &str| {
        let mut rows = view.results.rows.iter().filter(|row| row.model == model);
        rows.any(|row| row.details.as_ref().is_some_and(|details| details.history.losses.len() > 1))
    };
    let models: Vec<&str> = view.trained.iter().copied().filter(|model| trains(model)).collect();
    let sets = view.some_sets((PANELS / models.len().max(1)).clamp(1, 4), |row| row.details.is_some());
    let group = |set: &&str| PanelGroup {
        heading: (*set).into(),
        panels: models.iter().map(|model| panel(view, set, model)).collect(),
    };
    let groups: Vec<PanelGroup> = sets.iter().map(group).collect();
    let title = "Training curves";
    let description =
        "A panel for each data set and method, with the loss of each strategy over epochs, scaled to its own range.";
    let mut legend = view.legend();
    legend.truncate(view.strategies.len());
    let content = match groups.is_empty() || models.is_empty() {
        true => {
            Err("no training was kept beside these runs; a bench keeps it as it measures methods that are trained."
                .into())
        }
        false => Ok(panels::draw(("training-picture", title, description), &groups, models.len().min(4), 0.6, &legend)),
    };
    Figure {
        id: "training",
        title: title.into(),
        content,
        caption: html! {
            p {
                "The mean loss of each epoch. Each curve has its own scale from its lowest value (0) to its highest (1), because the \
                 losses of different strategies have different terms and cannot be compared by height. A curve shows whether and \
                 when training converged; the marker is the epoch whose weights were kept. A loss without a lower bound, such as \
                 that of DevNet under AnoOnly, falls to the end. One seed only, on the first data sets of the first families."
            }
        },
    }
}

fn panel(view: &View<'_>, set: &str, model: &str) -> Panel {
    let (mut lines, mut kept, mut epochs) = (Vec::new(), Vec::new(), 2);
    for strategy in &view.strategies {
        let Some(details) = view.detailed(set, model, strategy).and_then(|row| row.details.as_deref()) else {
            continue;
        };
        let losses = &details.history.losses;
        let Some((low, high)) = span(losses.iter().copied(), 0.0) else { continue };
        let share = |loss: f64| if high > low { (loss - low) / (high - low) } else { 0.5 };
        let points: Vec<(f64, f64)> =
            losses.iter().zip(1..).map(|(loss, epoch)| (f64::from(epoch), share(*loss))).collect();
        epochs = epochs.max(losses.len());
        let look = view.look(model, strategy);
        let title = format!("epoch {} of {}, {low:.4} to {high:.4}", details.history.kept_epoch, losses.len());
        let point = points.get(details.history.kept_epoch.wrapping_sub(1)).copied();
        kept.extend(point.map(|point| Mark::Point(point, look, 4.0, title)));
        lines.push(Mark::Line { points, look, titles: None });
    }
    let y = Axis {
        ticks: Some(vec![(0.0, "lowest".into()), (1.0, "highest".into())]),
        ..Axis::linear("loss", (-0.08, 1.08))
    };
    let x = Axis::linear("epoch", (1.0, epochs as f64));
    Panel { title: model_title(model), x, y, marks: lines.into_iter().chain(kept).collect() }
}
