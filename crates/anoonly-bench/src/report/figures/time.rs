//! AUROC against the time of a run.

use anoonly_eval::mean_interval;
use maud::html;

use crate::report::look::{contestant_title, model_title, strategy_title};
use crate::report::select::{View, mean};
use crate::summary::{LEVEL, METRICS, by_seed, complete_rows};
use anoonly_page::Figure;
use anoonly_page::Look;
use anoonly_page::draw::{self, MarkerShape, Point};
use anoonly_page::panels::WIDTH;
use anoonly_page::scale::{Scale, ScaleKind, span};

/// A method under a strategy in the figure.
struct TimedMethod {
    name: String,
    look: Look,
    seconds: f64,
    quality: f64,
    low: f64,
    high: f64,
}

/// The figure.
pub fn figure(view: &View<'_>) -> Figure {
    let places: Vec<TimedMethod> =
        view.contestants().into_iter().filter_map(|(model, strategy)| place(view, model, strategy)).collect();
    let title = "Time against quality";
    let content = match places.is_empty() {
        true => Err("nothing was measured.".into()),
        false => Ok(picture(title, &places, &legend(view))),
    };
    Figure {
        id: "time",
        title: title.into(),
        content,
        caption: html! {
            p {
                "AUROC, mean over families, against the seconds of one fit and of scoring the test rows on one thread, mean over \
                 families, on a logarithmic axis; up and left is better. Colours show strategies, shapes show methods. Vertical lines are Student's \
                 intervals of " (format!("{:.0}", 100.0 * LEVEL)) " % over seeds, cut to the picture. Seconds were measured on \
                 one machine that ran several fits in parallel: compare them with each other only."
            }
        },
    }
}

fn place(view: &View<'_>, model: &str, strategy: &str) -> Option<TimedMethod> {
    let rows = complete_rows(view.results, &view.families, model);
    let values: Vec<f64> = by_seed(&rows, &[strategy], METRICS[0].1).into_values().map(|value| 100.0 * value).collect();
    let quality = mean_interval(&values, LEVEL)?;
    let seconds =
        mean(&view.nested(&view.families, model, strategy, |scores| scores.fit_seconds + scores.score_seconds));
    let all: Vec<&str> = view.trained.iter().chain(&view.without_strategy).copied().collect();
    let form = all.iter().position(|name| *name == model).unwrap_or(0);
    let look = Look { shape: MarkerShape::ALL[form % MarkerShape::ALL.len()], ..view.look(model, strategy) };
    let name = contestant_title(model, strategy);
    // The logarithmic axis needs a positive time.
    let seconds = seconds.max(1e-6);
    Some(TimedMethod { name, look, seconds, quality: quality.estimate, low: quality.low, high: quality.high })
}

fn legend(view: &View<'_>) -> Vec<(String, Look)> {
    let strategies = view.strategies.iter().map(|name| {
        let look = Look { shape: MarkerShape::Circle, ..view.look("", name) };
        (strategy_title(name).to_owned(), look)
    });
    let all = view.trained.iter().chain(&view.without_strategy).enumerate();
    let models = all.map(|(form, name)| {
        (
            model_title(name),
            Look {
                colour: "plain",
                strokes: "none",
                shape: MarkerShape::ALL[form % MarkerShape::ALL.len()],
                filled: true,
            },
        )
    });
    strategies.chain(models).collect()
}

fn picture(title: &str, places: &[TimedMethod], legend: &[(String, Look)]) -> maud::Markup {
    let (drawn, top) = anoonly_page::panels::draw_legend(legend);
    let (left, right, bottom) = (60.0, WIDTH - 20.0, top + 380.0);
    let seconds = span(places.iter().map(|place| place.seconds), 0.0).unwrap_or((0.1, 1.0));
    // The axis also covers a part of the intervals.
    let quality =
        span(places.iter().flat_map(|place| [place.quality - 4.0, place.quality + 4.0]), 0.05).unwrap_or((0.0, 100.0));
    let x = Scale::new(ScaleKind::Log, (seconds.0 / 1.7, seconds.1 * 3.0), (left, right));
    let y = Scale::new(ScaleKind::Linear, (quality.0.max(0.0), quality.1.min(100.0)), (bottom, top));
    let mut marks = vec![drawn, draw::rectangle((left, top), (right - left, bottom - top), "frame")];
    for (value, label) in x.ticks(6) {
        marks.push(draw::line((x.at(value), top), (x.at(value), bottom), "grid"));
        marks.push(draw::text((x.at(value), bottom + 16.0), "tick middle", &label));
    }
    for (value, label) in y.ticks(7) {
        marks.push(draw::line((left, y.at(value)), (right, y.at(value)), "grid"));
        marks.push(draw::text((left - 6.0, y.at(value) + 4.0), "tick end", &label));
    }
    let at = |place: &TimedMethod| (x.at(place.seconds), y.at(place.quality));
    for place in places {
        if place.low.is_finite() {
            let end = |value: f64| (at(place).0, y.at(value).clamp(top, bottom));
            marks.push(draw::line(end(place.low), end(place.high), &format!("wide {}", place.look.colour)));
        }
    }
    for place in places {
        let title = format!("{}: AUROC {:.1} %, {:.3} s", place.name, place.quality, place.seconds);
        marks.push(draw::marker(place.look.shape, at(place), 5.5, &place.look.mark(), &title));
    }
    let names: Vec<(Point, &str)> = places.iter().map(|place| (at(place), place.name.as_str())).collect();
    for (corner, name) in named(&names, (left, right)) {
        marks.push(draw::text(corner, "label haloed", name));
    }
    marks.push(draw::text(((left + right) / 2.0, bottom + 36.0), "axis middle", "seconds to fit and to score"));
    let turned = format!("translate(16 {}) rotate(-90)", draw::px((top + bottom) / 2.0));
    marks.push(html! { g transform=(turned) { (draw::text((0.0, 0.0), "axis middle", "AUROC, %")) } });
    let listed: Vec<String> =
        places.iter().map(|p| format!("{} {:.1} % in {:.3} s", p.name, p.quality, p.seconds)).collect();
    draw::svg("time-picture", title, &format!("{}.", listed.join("; ")), (WIDTH, bottom + 46.0), &marks)
}

/// Places the name of each point beside it, above it or below it, such that it covers no other name and no point if possible and
/// stays between `left` and `right`.
fn named<'a>(points: &[(Point, &'a str)], (left, right): (f64, f64)) -> Vec<(Point, &'a str)> {
    const HEIGHT: f64 = 13.0;
    const AWAY: f64 = 9.0;
    // Lower left corners, with sizes.
    let mut taken: Vec<(Point, Point)> = points
        .iter()
        .map(|((x, y), _)| ((x - AWAY + 2.0, y + AWAY - 3.0), (2.0 * AWAY - 4.0, 2.0 * AWAY - 6.0)))
        .collect();
    let mut placed = Vec::new();
    for &((x, y), name) in points {
        let width = draw::text_width(name);
        let sides = [x + AWAY, x - AWAY - width];
        let heights = [4.0, 4.0 + HEIGHT, 4.0 - HEIGHT, 4.0 + 2.0 * HEIGHT, 4.0 - 2.0 * HEIGHT];
        let corners: Vec<Point> = heights.iter().flat_map(|down| sides.map(|side| (side, y + down))).collect();
        let covers = |(a, b): Point| {
            taken.iter().any(|((c, d), (wide, high))| a < c + wide && a + width > *c && b > d - high && b - HEIGHT < *d)
        };
        let fits = |(a, _): Point| a >= left && a + width <= right;
        let corner = corners.iter().copied().find(|&corner| fits(corner) && !covers(corner)).unwrap_or(corners[0]);
        taken.push((corner, (width, HEIGHT)));
        placed.push((corner, name));
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_and_do_not_overlap() {
        let points = [((100.0, 50.0), "the first"), ((104.0, 52.0), "the second"), ((108.0, 49.0), "the third")];
        let placed = named(&points, (0.0, 170.0));
        let boxes: Vec<_> =
            placed.iter().map(|((x, y), name)| (*x, x + draw::text_width(name), y - 10.0, *y)).collect();
        for (place, a) in boxes.iter().enumerate() {
            assert!(a.0 >= 0.0 && a.1 <= 170.0, "{a:?}");
            assert!(boxes[..place].iter().all(|b| a.1 <= b.0 || b.1 <= a.0 || a.3 <= b.2 || b.3 <= a.2), "{boxes:?}");
            let inside = |((x, y), _): &&(Point, &str)| a.0 < *x && *x < a.1 && a.2 < *y && *y < a.3;
            assert!(!points.iter().any(|point| inside(&point)), "{a:?}");
        }
    }
}
