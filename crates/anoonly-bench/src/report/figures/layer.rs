//! The layer before the score in two dimensions, for the host and for AnoOnly.

use anoonly_core::Seed;
use maud::html;
use rayon::prelude::*;

use crate::RowKind;
use crate::report::look::{model_title, strategy_title};
use crate::report::select::View;
use crate::report::tsne;
use anoonly_page::Figure;
use anoonly_page::Look;
use anoonly_page::draw::MarkerShape;
use anoonly_page::panels::{self, Axis, Mark, Panel, PanelGroup};
use anoonly_page::scale::span;

/// The approximate largest number of pairs of panels.
const PAIRS: usize = 8;
const PERPLEXITY: f64 = 30.0;

const KINDS: [(RowKind, &str, Look); 3] = [
    (RowKind::Normal, "normal", Look { colour: "grey", strokes: "none", shape: MarkerShape::Circle, filled: false }),
    (
        RowKind::Hidden,
        "anomaly of the test rows",
        Look { colour: "vermilion", strokes: "none", shape: MarkerShape::Triangle, filled: true },
    ),
    (
        RowKind::Labelled,
        "labelled anomaly of the training rows",
        Look { colour: "plain", strokes: "none", shape: MarkerShape::Plus, filled: true },
    ),
];

/// The figure.
pub fn figure(view: &View<'_>) -> Figure {
    let has_layer = |model: &str| {
        let mut rows = view.results.rows.iter().filter(|row| row.model == model);
        rows.any(|row| row.details.as_ref().is_some_and(|details| details.layer.is_some()))
    };
    let models: Vec<&str> = view.trained.iter().copied().filter(|model| has_layer(model)).collect();
    let strategies: Vec<&str> =
        view.strategies.iter().copied().filter(|name| ["host", "anoonly"].contains(name)).collect();
    let sets = view.some_sets((PAIRS / models.len().max(1)).clamp(1, 3), |row| {
        row.details.as_ref().is_some_and(|details| details.layer.is_some())
    });
    let places: Vec<(&str, &str, &str)> = sets
        .iter()
        .flat_map(|set| models.iter().map(move |model| (*set, *model)))
        .flat_map(|(set, model)| strategies.iter().map(move |strategy| (set, model, *strategy)))
        .collect();
    let panels: Vec<Option<Panel>> = places.par_iter().map(|place| panel(view, *place)).collect();
    let mut groups: Vec<PanelGroup> =
        sets.iter().map(|set| PanelGroup { heading: (*set).into(), panels: Vec::new() }).collect();
    for ((set, ..), panel) in places.iter().zip(panels) {
        if let Some(group) = groups.iter_mut().find(|group| group.heading == *set) {
            group.panels.extend(panel);
        }
    }
    groups.retain(|group| !group.panels.is_empty());
    let per_row = if models.len() * strategies.len() <= 6 { models.len() * strategies.len() } else { 4 };
    let title = "The layer before the score, by t-SNE";
    let description = "A panel for each data set, method and strategy, with a marker for each row by its kind.";
    let legend: Vec<(String, Look)> = KINDS.iter().map(|(_, name, look)| ((*name).to_owned(), *look)).collect();
    let content = match groups.is_empty() {
        true => Err(
            "no representations were kept beside these runs; a bench keeps them as it measures methods that have one."
                .into(),
        ),
        false => Ok(panels::draw(("layer-picture", title, description), &groups, per_row, 1.0, &legend)),
    };
    Figure {
        id: "layer",
        title: title.into(),
        content,
        caption: html! {
            p {
                "The outputs of the last layer before the score for the same few hundred rows, embedded in the plane by t-SNE \
                 (perplexity " (PERPLEXITY) "): rows with similar outputs are near each other. One seed only, on the first data sets \
                 of the first families, chosen by position and not by result."
            }
            p { "See whether the anomalies of the test rows are near the labelled anomalies or among the normal rows. The sizes of \
                 clusters and the distances between them have no meaning in such a picture, and no scores are drawn." }
        },
    }
}

fn panel(view: &View<'_>, (set, model, strategy): (&str, &str, &str)) -> Option<Panel> {
    let row = view.detailed(set, model, strategy)?;
    let layer = row.details.as_ref()?.layer.as_ref()?;
    let rows: Vec<&[f32]> = layer.iter().map(|(_, row)| row.as_slice()).collect();
    // The same start for both strategies.
    let points = tsne::embed(&rows, PERPLEXITY, &mut Seed(row.seed).stream(&[set, model, "t-SNE"]))?;
    let axis = |pick: fn(&(f64, f64)) -> f64| Some(Axis::bare(span(points.iter().map(pick), 0.05)?));
    let of_kind = |(kind, _, look): &(RowKind, &str, Look)| {
        let rows = layer.iter().zip(&points).filter(|((of, _), _)| of == kind).map(|(_, point)| *point);
        let radius = match kind {
            RowKind::Normal => 2.0,
            RowKind::Hidden => 3.2,
            RowKind::Labelled => 4.6,
        };
        rows.map(|point| Mark::Point(point, *look, radius, String::new())).collect::<Vec<_>>()
    };
    Some(Panel {
        title: format!("{}, {}", model_title(model), strategy_title(strategy)),
        x: axis(|point| point.0)?,
        y: axis(|point| point.1)?,
        marks: KINDS.iter().flat_map(of_kind).collect(),
    })
}
