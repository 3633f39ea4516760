//! The gain of AnoOnly over its host, for each family and method.

use anoonly_eval::{Inference, Interval, hierarchical_bootstrap};
use maud::{Markup, html};

use crate::report::look::model_title;
use crate::report::select::View;
use crate::summary::{LEVEL, Line, METRICS, Metric, OVERALL, lines};
use anoonly_page::Figure;
use anoonly_page::draw::{self, MarkerShape};
use anoonly_page::panels::WIDTH;
use anoonly_page::scale::{Scale, ScaleKind};

/// The number of draws of a bootstrap, and its seed.
const DRAWS: usize = 4000;
const SEED: u64 = 1;

/// A line of the figure: a method on a family.
struct Gain {
    family: String,
    model: String,
    /// For each metric, the gain with its interval over seeds, and the interval over sets or families.
    metrics: Vec<(Interval, Option<Interval>)>,
}

/// The dot plot, and its numbers as a table.
pub fn figure(view: &View<'_>) -> Figure {
    let gains: Vec<Gain> = lines(view.results).iter().filter_map(|line| gain(view, line)).collect();
    let content = match gains.is_empty() {
        true => Err("no method was measured both under its host's loss and under AnoOnly.".into()),
        false => Ok(html! { (picture(&gains)) (table(&gains)) }),
    };
    Figure {
        id: "gain",
        title: "What AnoOnly adds to its host".into(),
        content,
        caption: html! {
            p {
                "AnoOnly minus host in percentage points, for the same split, labels, starting weights and batches. AnoOnly is better to \
                 the right of the line. The dot is the mean over sets and seeds. Two intervals of "
                (format!("{:.0}", 100.0 * LEVEL)) " % answer two questions:"
            }
            ul {
                li { b { "thick" } ", Student's over seeds: what would other seeds give on these data sets? A dot is filled if this \
                     interval excludes 0." }
                li { b { "thin, below it" } ", a hierarchical bootstrap: for a family, what would other data sets of this family give (sets \
                     and seeds are resampled)? For all families, what would other families give (families, sets and seeds are \
                     resampled)? A family of one set has none. With few sets or families it is too narrow: for two it hardly \
                     extends beyond the two values, for 5 it contains the truth in about 84 % of cases, for 10 in 90 %." }
            }
            p { "A line that is cut off ends in a wedge. The intervals are not corrected for their number; the test below is." }
        },
    }
}

fn gain(view: &View<'_>, line: &Line) -> Option<Gain> {
    let families: Vec<&str> = match line.family.as_str() {
        OVERALL => view.families.clone(),
        family => vec![family],
    };
    let inference = if line.family == OVERALL { Inference::Families } else { Inference::Sets };
    let of = |interval: Option<Interval>, metric: Metric| {
        let gains = view.gains(&families, &line.model, metric);
        let wide = hierarchical_bootstrap(&gains, inference, DRAWS, LEVEL, SEED).ok();
        Some((interval?, wide.filter(|wide| wide.low.is_finite())))
    };
    let metrics = vec![of(line.auroc.difference, METRICS[0].1)?, of(line.ap.difference, METRICS[1].1)?];
    Some(Gain { family: line.family.clone(), model: model_title(&line.model), metrics })
}

const LINE: f64 = 20.0;
const HEAD: f64 = 44.0;
const NAMES: f64 = 290.0;

fn picture(gains: &[Gain]) -> Markup {
    let bottom = HEAD + LINE * gains.len() as f64;
    let width = (WIDTH - NAMES - 40.0) / 2.0;
    let mut marks = Vec::new();
    for (row, gain) in gains.iter().enumerate() {
        let y = HEAD + LINE * row as f64;
        let first = row == 0 || gains[row - 1].family != gain.family;
        if gain.family == OVERALL {
            marks.push(draw::rectangle((0.0, y), (WIDTH, LINE), "stripe"));
        }
        if first {
            marks.push(draw::line((0.0, y), (WIDTH, y), "grid"));
            let family = draw::fitted(&gain.family, 165.0);
            marks.push(draw::text((4.0, y + 14.0), "label strong", &family));
        }
        marks.push(draw::text((NAMES - 12.0, y + 14.0), "label end", &draw::fitted(&gain.model, 120.0)));
    }
    for (metric, (title, _)) in METRICS.iter().enumerate() {
        let left = NAMES + metric as f64 * (width + 40.0);
        let limit = limit(gains, metric);
        let x = Scale::new(ScaleKind::Linear, (-limit, limit), (left, left + width));
        marks.push(draw::text((left + width / 2.0, 14.0), "title middle", title));
        marks.push(draw::text((left, 32.0), "tick", "← host better"));
        marks.push(draw::text((left + width, 32.0), "tick end", "AnoOnly better →"));
        for (value, label) in x.ticks(6) {
            marks.push(draw::line((x.at(value), HEAD), (x.at(value), bottom), "grid"));
            marks.push(draw::text((x.at(value), bottom + 15.0), "tick middle", &label));
        }
        marks.push(draw::line((x.at(0.0), HEAD), (x.at(0.0), bottom), "zero"));
        for (row, gain) in gains.iter().enumerate() {
            let y = HEAD + LINE * (row as f64 + 0.5);
            marks.push(dot(gain.metrics[metric], &x, y, limit));
        }
        marks.push(draw::text((left + width / 2.0, bottom + 33.0), "axis middle", "AnoOnly minus host, points"));
    }
    let title = "Gain of AnoOnly over its host, by family and method";
    let description = "A dot plot with intervals and a line at zero; the table below it has the same numbers.";
    draw::svg("gain-picture", title, description, (WIDTH, bottom + 42.0), &marks)
}

/// The limit of the axis. It covers all dots with a margin, and the intervals unless they are much wider.
fn limit(gains: &[Gain], metric: usize) -> f64 {
    let ends = |interval: &Interval| 100.0 * interval.low.abs().max(interval.high.abs());
    let of = |gain: &Gain| {
        let (near, wide) = &gain.metrics[metric];
        [ends(near), wide.as_ref().map_or(0.0, ends)].into_iter().filter(|end| end.is_finite()).fold(0.0, f64::max)
    };
    let dots = gains.iter().map(|gain| 100.0 * gain.metrics[metric].0.estimate.abs()).fold(0.0, f64::max);
    gains.iter().map(of).fold(0.0, f64::max).min((1.5 * dots).max(10.0)).max(1.0)
}

fn dot((near, wide): (Interval, Option<Interval>), x: &Scale, y: f64, limit: f64) -> Markup {
    let points = |value: f64| 100.0 * value;
    let stroke = |interval: &Interval, y: f64, class: &str| {
        let [low, high] = [interval.low, interval.high].map(|end| points(end).clamp(-limit, limit));
        let wedge = |end: f64, inward: f64| {
            let at = x.at(end.clamp(-limit, limit));
            beyond(end, limit)
                .then(|| draw::path(&[(at + inward, y - 3.5), (at, y), (at + inward, y + 3.5)], "line blue"))
        };
        let wedges = [wedge(points(interval.low), 5.0), wedge(points(interval.high), -5.0)];
        let line = draw::line((x.at(low), y), (x.at(high), y), class);
        draw::together(std::iter::once(line).chain(wedges.into_iter().flatten()))
    };
    let decided = near.low > 0.0 || near.high < 0.0;
    let title = format!(
        "{:+.1}, other seeds {}, other sets or families {}",
        points(near.estimate),
        range(Some(near)),
        range(wide)
    );
    let class = if decided { "mark blue" } else { "mark blue hollow" };
    // The intervals are drawn one below the other, because either may be the wider one.
    let mut marks: Vec<Markup> = wide.iter().map(|wide| stroke(wide, y + 5.5, "wide blue")).collect();
    if near.low.is_finite() {
        marks.push(stroke(&near, y - 1.0, "near blue"));
    }
    marks.push(draw::marker(MarkerShape::Circle, (x.at(points(near.estimate)), y - 1.0), 4.5, class, &title));
    draw::together(marks)
}

fn beyond(end: f64, limit: f64) -> bool {
    end.abs() > limit * (1.0 + 1e-9)
}

/// The ends of an interval in percentage points.
fn range(interval: Option<Interval>) -> String {
    match interval.filter(|interval| interval.low.is_finite()) {
        Some(interval) => format!("{:+.1} to {:+.1}", 100.0 * interval.low, 100.0 * interval.high),
        None => "–".into(),
    }
}

fn table(gains: &[Gain]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "family" } th scope="col" { "method" }
                    @for (name, _) in METRICS {
                        th scope="col" class="number" { (name) }
                        th scope="col" class="number" { "other seeds" }
                        th scope="col" class="number" { "other sets, or families" }
                    }
                }
            }
            tbody {
                @for gain in gains {
                    tr class=[(gain.family == OVERALL).then_some("overall")] {
                        td { (gain.family) } td { (gain.model) }
                        @for (near, wide) in &gain.metrics {
                            td class="number" { (format!("{:+.1}", 100.0 * near.estimate)) }
                            td class="number" { (range(Some(*near))) }
                            td class="number" { (range(*wide)) }
                        }
                    }
                }
            }
        }
    }
}
