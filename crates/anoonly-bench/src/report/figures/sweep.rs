//! Metrics over the levels of a sweep.

use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_eval::mean_interval;
use maud::html;

use crate::Results;
use crate::report::look::model_title;
use crate::report::select::View;
use crate::summary::{self, LEVEL, METRICS, Metric, Setting, by_seed, complete_rows};
use anoonly_page::Figure;
use anoonly_page::panels::{self, Axis, Mark, Panel, PanelGroup};
use anoonly_page::scale::{ScaleKind, span};

/// A sweep over one setting.
pub struct Sweep<'a> {
    id: &'static str,
    name: String,
    /// What the levels are, with their unit.
    pub axis: &'static str,
    /// The levels with their results, lowest first.
    pub levels: Vec<(f64, &'a Results)>,
    /// The settings that all levels share.
    pub fixed: String,
}

/// Where the levels of a sweep are drawn.
pub struct SweepAxis {
    /// Logarithmic for levels that differ by a factor of 20 or more.
    pub kind: ScaleKind,
    /// The place of level 0. A logarithmic axis has none, so it gets one a factor of two below the lowest level.
    zero: f64,
}

impl SweepAxis {
    /// The axis for levels, lowest first.
    pub fn of(levels: impl Iterator<Item = f64>) -> Self {
        let positive: Vec<f64> = levels.filter(|level| *level > 0.0).collect();
        match positive.as_slice() {
            [first, .., last] if last / first >= 20.0 => Self { kind: ScaleKind::Log, zero: first / 2.0 },
            _ => Self { kind: ScaleKind::Linear, zero: 0.0 },
        }
    }

    /// The place of a level.
    pub fn at(&self, level: f64) -> f64 {
        if level > 0.0 { level } else { self.zero }
    }
}

/// A figure for each sweep.
pub fn figures(settings: &[(Setting, Results)]) -> Vec<Figure> {
    sweeps(settings).into_iter().map(figure).collect()
}

/// A sweep of labels and one of noise levels, if the settings have them.
pub fn sweeps(settings: &[(Setting, Results)]) -> Vec<Sweep<'_>> {
    let Some((first, _)) = settings.first() else { return Vec::new() };
    let levels = |level: &dyn Fn(&Setting) -> Option<f64>| {
        let mut levels: Vec<(f64, &Results)> =
            settings.iter().filter_map(|(setting, results)| Some((level(setting)?, results))).collect();
        levels.sort_by(|a, b| a.0.total_cmp(&b.0));
        levels
    };
    let labels = levels(&|other| {
        (Setting { budget: first.budget, ..*other } == *first).then_some(match other.budget {
            LabelBudget::Ratio(ratio) => ratio,
            LabelBudget::Count(count) => count as f64,
        })
    });
    let noises = levels(&|other| (Setting { noise: first.noise, ..*other } == *first).then_some(other.noise.level()));
    let fixed_noise = if first.noise == Noise::None { "without noise".into() } else { format!("with {}", first.noise) };
    let synthetic = Setting { noise: Noise::None, ..*first }.besides_labels();
    let sweeps = [
        Sweep {
            id: "sweep-labels",
            name: "More labels".into(),
            axis: match first.budget {
                LabelBudget::Ratio(_) => "share of training anomalies labelled",
                LabelBudget::Count(_) => "labelled anomalies",
            },
            levels: labels,
            fixed: fixed_noise + &synthetic,
        },
        Sweep {
            id: "sweep-noise",
            name: match settings.iter().map(|(setting, _)| setting.noise.name()).find(|name| *name != "none") {
                Some(name) => format!("More {}", name.replace('-', " ")),
                None => String::new(),
            },
            axis: "level of the noise",
            levels: noises,
            fixed: summary::labels(first.budget) + &synthetic,
        },
    ];
    sweeps.into_iter().filter(|sweep| sweep.levels.len() > 1).collect()
}

fn figure(sweep: Sweep<'_>) -> Figure {
    // A method may be missing at some levels, and a data set too.
    let all = Results { rows: sweep.levels.iter().flat_map(|(_, results)| results.rows.clone()).collect() };
    let view = View::of(&all);
    let sets: Vec<usize> = sweep.levels.iter().map(|(_, results)| summary::sets(results)).collect();
    let sets_differ = sets.iter().any(|number| *number != sets[0]);
    let sets_by_level = sweep.levels.iter().zip(&sets).map(|((level, _), sets)| format!("{sets} at {level}"));
    let sets_by_level = sets_by_level.collect::<Vec<String>>().join(", ");
    let values: Vec<f64> = sweep.levels.iter().map(|(level, _)| *level).collect();
    let axis = SweepAxis::of(values.iter().copied());
    let x = Axis {
        label: sweep.axis.into(),
        kind: axis.kind,
        domain: (axis.at(values[0]), axis.at(values[values.len() - 1])),
        ticks: Some(values.iter().map(|value| (axis.at(*value), value.to_string())).collect()),
    };
    let group = |(title, metric): &(&str, Metric)| {
        let models = if view.trained.is_empty() { &view.without_strategy } else { &view.trained };
        let curves =
            models.iter().map(|model| (model, curves(&view, &sweep, &axis, model, *metric))).collect::<Vec<_>>();
        // All methods share an axis. It covers the lines; bands are clipped to it.
        let lines = curves.iter().flat_map(|(_, curves)| {
            curves.iter().flat_map(|mark| match mark {
                Mark::Line { points, .. } => points.iter().map(|point| point.1).collect::<Vec<_>>(),
                _ => Vec::new(),
            })
        });
        let (low, high) = span(lines, 0.12).unwrap_or((0.0, 100.0));
        let y = Axis::linear(&format!("{title}, %"), (low.max(0.0), high.min(100.0)));
        let panel = |(model, marks): (&&str, Vec<Mark>)| {
            let marks = marks.into_iter().map(|mark| clipped(mark, y.domain)).collect();
            Panel { title: model_title(model), x: x.clone(), y: y.clone(), marks }
        };
        PanelGroup { heading: (*title).into(), panels: curves.into_iter().map(panel).collect() }
    };
    let groups: Vec<PanelGroup> = METRICS.iter().map(group).collect();
    let title = format!("{}: quality by {}", sweep.name, sweep.axis);
    let description =
        "A panel for each method with a line and a band for each strategy, and lines for the methods without one.";
    let picture = format!("{}-picture", sweep.id);
    let drawn =
        panels::draw((&picture, &title, description), &groups, view.trained.len().clamp(1, 4), 0.85, &view.legend());
    Figure {
        id: sweep.id,
        title: sweep.name.clone(),
        content: Ok(drawn),
        caption: html! {
            p {
                "Mean over families of the mean over their data sets, " (sweep.fixed) ". Each panel is a method, with its \
                 strategies in colour and the same methods without a strategy in grey. Bands are Student's intervals of "
                (format!("{:.0}", 100.0 * LEVEL)) " % over seeds: they show what other seeds would give on these data sets, not what \
                 other data sets would give. A data set on which a run of a method failed is left out for that method at that \
                 level."
                @if sets_differ {
                    " Not every data set has every level. Data sets: " (sets_by_level) ". A mean over fewer sets is not comparable with one \
                     over more."
                }
            }
        },
    }
}

/// The curves of the methods without a strategy and of the strategies of one method, above their bands.
fn curves(view: &View<'_>, sweep: &Sweep<'_>, axis: &SweepAxis, model: &str, metric: Metric) -> Vec<Mark> {
    let others = view.without_strategy.iter().map(|model| (*model, "none"));
    let strategies = view.strategies.iter().filter(|_| !view.trained.is_empty()).map(|strategy| (model, *strategy));
    let (mut bands, mut lines) = (Vec::new(), Vec::new());
    for (model, strategy) in others.chain(strategies) {
        let look = view.look(model, strategy);
        let (mut points, mut band, mut titles) = (Vec::new(), Vec::new(), Vec::new());
        for (level, results) in &sweep.levels {
            let rows = complete_rows(results, &view.families, model);
            let values: Vec<f64> =
                by_seed(&rows, &[strategy], metric).into_values().map(|value| 100.0 * value).collect();
            let Some(interval) = mean_interval(&values, LEVEL) else { continue };
            let at = axis.at(*level);
            points.push((at, interval.estimate));
            if interval.low.is_finite() {
                band.push((at, interval.low, interval.high));
            }
            titles.push(format!(
                "{} at {level}: {:.1}",
                crate::report::look::contestant_title(model, strategy),
                interval.estimate
            ));
        }
        if strategy != "none" {
            bands.push(Mark::Band(band, look));
        }
        lines.push(Mark::Line { points, look, titles: Some(titles) });
    }
    bands.into_iter().chain(lines).collect()
}

/// A band cut to the axis.
pub fn clipped(mark: Mark, (low, high): (f64, f64)) -> Mark {
    match mark {
        Mark::Band(band, look) => {
            let cut = |(x, a, b): (f64, f64, f64)| (x, a.clamp(low, high), b.clamp(low, high));
            Mark::Band(band.into_iter().map(cut).collect(), look)
        }
        mark => mark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_sweep_is_drawn_on_a_logarithmic_axis_also_from_0_on() {
        let places = |levels: &[f64]| {
            let axis = SweepAxis::of(levels.iter().copied());
            (axis.kind == ScaleKind::Log, axis.at(levels[0]))
        };
        assert_eq!(places(&[1.0, 5.0, 100.0]), (true, 1.0));
        assert_eq!(places(&[0.0, 3.0, 100.0]), (true, 1.5));
        assert_eq!(places(&[0.0, 1.0, 10.0]), (false, 0.0));
        assert_eq!(places(&[0.0, 1.0]), (false, 0.0));
    }
}
