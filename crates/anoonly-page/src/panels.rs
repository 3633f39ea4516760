//! Small multiples: rows of panels that share their layout and legend.

use maud::Markup;

use crate::Look;
use crate::draw::{self, Point};
use crate::scale::{Scale, ScaleKind};

/// The width of all figures.
pub const WIDTH: f64 = 960.0;

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The quantity, with its unit.
    pub label: String,
    /// Linear or logarithmic.
    pub kind: ScaleKind,
    /// The lowest and the highest value.
    pub domain: (f64, f64),
    /// The labelled values; `None` for round ones.
    pub ticks: Option<Vec<(f64, String)>>,
}

impl Axis {
    /// A linear axis with round values.
    pub fn linear(label: &str, domain: (f64, f64)) -> Self {
        Self { label: label.into(), kind: ScaleKind::Linear, domain, ticks: None }
    }

    /// An axis without label and ticks, for a quantity without a unit.
    pub fn bare(domain: (f64, f64)) -> Self {
        Self { ticks: Some(Vec::new()), ..Self::linear("", domain) }
    }

    fn is_bare(&self) -> bool {
        self.label.is_empty() && self.ticks.as_ref().is_some_and(Vec::is_empty)
    }
}

/// One plot of a figure.
#[derive(Debug)]
pub struct Panel {
    /// The title above it.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The marks; later ones cover earlier ones.
    pub marks: Vec<Mark>,
}

/// An element of a panel, in the values of its axes.
#[derive(Debug)]
pub enum Mark {
    /// A line through points.
    Line {
        /// The points.
        points: Vec<Point>,
        /// Its look.
        look: Look,
        /// The text under the pointer for a marker at each point; `None` for no markers.
        titles: Option<Vec<String>>,
    },
    /// The area between two lines: x, the lower and the upper value.
    Band(Vec<(f64, f64, f64)>, Look),
    /// A single marker, with its radius and the text under the pointer.
    Point(Point, Look, f64, String),
    /// A reference line, such as the curve of random scores.
    Guide(Vec<Point>),
}

/// Panels under a common heading.
pub struct PanelGroup {
    /// The heading; empty for none.
    pub heading: String,
    /// The panels.
    pub panels: Vec<Panel>,
}

/// Space for the labels of an axis.
const LEFT: f64 = 50.0;
const BELOW: f64 = 44.0;
/// Space beside and below a panel.
const GAP: f64 = 12.0;
const ABOVE: f64 = 24.0;
const HEADING: f64 = 26.0;

/// Draws groups of panels below a legend.
///
/// `figure` holds the id, the title and the description of the picture. A row has `per_row` panels, and `aspect` is the height of a
/// panel divided by its width.
pub fn draw(
    figure: (&str, &str, &str),
    groups: &[PanelGroup],
    per_row: usize,
    aspect: f64,
    legend: &[(String, Look)],
) -> Markup {
    let (mut marks, mut y) = above(legend);
    // A figure of few panels keeps them small.
    let columns = per_row.clamp(3, 6) as f64;
    let bare = groups.iter().flat_map(|group| &group.panels).all(|panel| panel.y.is_bare() && panel.x.is_bare());
    let (beside, below) = if bare { (0.0, GAP) } else { (LEFT, BELOW) };
    let width = WIDTH / columns - beside - GAP;
    let height = width * aspect;
    for group in groups {
        if !group.heading.is_empty() {
            marks.push(draw::text((0.0, y + 17.0), "heading", &group.heading));
            y += HEADING;
        }
        for row in group.panels.chunks(per_row.max(1)) {
            for (column, panel) in row.iter().enumerate() {
                let left = beside + column as f64 * (width + beside + GAP);
                let label_y = column == 0 || row[column - 1].y.label != panel.y.label;
                marks.push(panel.draw((left, y + ABOVE), (width, height), label_y));
            }
            y += ABOVE + height + below;
        }
    }
    let (id, title, description) = figure;
    draw::svg(id, title, description, (WIDTH, y), &marks)
}

/// Draws a row of panels over the whole width, below a legend, and returns the height of the picture, too. The other arguments are those
/// of [`draw()`].
pub fn draw_row(figure: (&str, &str, &str), panels: &[Panel], aspect: f64, legend: &[(String, Look)]) -> (Markup, f64) {
    let (mut marks, y) = above(legend);
    let width = WIDTH / panels.len().max(1) as f64 - LEFT - GAP;
    let lefts = (0..panels.len()).map(|place| LEFT + place as f64 * (width + LEFT + GAP));
    marks.extend(
        panels.iter().zip(lefts).map(|(panel, left)| panel.draw((left, y + ABOVE), (width, width * aspect), true)),
    );
    let (id, title, description) = figure;
    let height = y + ABOVE + width * aspect + BELOW;
    (draw::svg(id, title, description, (WIDTH, height), &marks), height)
}

/// The legend, if there is one, and the y coordinate below it.
fn above(legend: &[(String, Look)]) -> (Vec<Markup>, f64) {
    if legend.is_empty() {
        return (Vec::new(), 0.0);
    }
    let (drawn, below) = draw_legend(legend);
    (vec![drawn], below)
}

/// Draws the looks with their names, in as many lines as they need, and returns the y coordinate below them.
pub fn draw_legend(legend: &[(String, Look)]) -> (Markup, f64) {
    let (mut x, mut y, mut marks) = (0.0, 14.0, Vec::new());
    for (name, look) in legend {
        let line = look.strokes != "none";
        let sample = if line { 40.0 } else { 18.0 };
        let width = sample + draw::text_width(name) + 18.0;
        if x > 0.0 && x + width > WIDTH {
            (x, y) = (0.0, y + 20.0);
        }
        if line {
            marks.push(draw::path(&[(x, y), (x + 32.0, y)], &look.line()));
        }
        marks.push(draw::marker(look.shape, (x + sample / 2.0 - 4.0, y), 4.0, &look.mark(), ""));
        marks.push(draw::text((x + sample, y + 4.0), "label", name));
        x += width;
    }
    (draw::together(marks), y + 22.0)
}

impl Panel {
    fn draw(&self, (left, top): Point, (width, height): Point, label_y: bool) -> Markup {
        let x = Scale::new(self.x.kind, self.x.domain, (left, left + width));
        let y = Scale::new(self.y.kind, self.y.domain, (top + height, top));
        let bottom = top + height;
        let ticks = |axis: &Axis, scale: &Scale, about| axis.ticks.clone().unwrap_or_else(|| scale.ticks(about));
        let mut marks = vec![
            draw::text((left, top - 8.0), "title", &draw::fitted(&self.title, width + GAP)),
            draw::rectangle((left, top), (width, height), "frame"),
        ];
        let mut last_label = f64::NEG_INFINITY;
        for (value, label) in ticks(&self.x, &x, (width / 55.0) as usize) {
            let at = x.at(value);
            marks.push(draw::line((at, top), (at, bottom), "grid"));
            // A label that would overlap the previous one is left out.
            if at - draw::text_width(&label) / 2.0 > last_label {
                marks.push(draw::text((at, bottom + 15.0), "tick middle", &label));
                last_label = at + draw::text_width(&label) / 2.0 + 2.0;
            }
        }
        for (value, label) in ticks(&self.y, &y, (height / 40.0) as usize) {
            marks.push(draw::line((left, y.at(value)), (left + width, y.at(value)), "grid"));
            marks.push(draw::text((left - 5.0, y.at(value) + 4.0), "tick end", &label));
        }
        marks.push(draw::text((left + width / 2.0, bottom + 32.0), "axis middle", &self.x.label));
        if label_y {
            let place = format!("translate({} {}) rotate(-90)", draw::px(left - 38.0), draw::px(top + height / 2.0));
            marks.push(maud::html! { g transform=(place) { (draw::text((0.0, 0.0), "axis middle", &self.y.label)) } });
        }
        let at = |point: &Point| (x.at(point.0), y.at(point.1));
        marks.extend(self.marks.iter().map(|mark| mark.draw(at)));
        draw::together(marks)
    }
}

impl Mark {
    fn draw(&self, at: impl Fn(&Point) -> Point) -> Markup {
        let places = |points: &[Point]| points.iter().map(&at).collect::<Vec<_>>();
        match self {
            Mark::Line { points, look, titles } => {
                let markers = titles
                    .iter()
                    .flatten()
                    .zip(points)
                    .map(|(title, point)| draw::marker(look.shape, at(point), 3.5, &look.mark(), title));
                let line = draw::path(&places(points), &look.line());
                draw::together(std::iter::once(line).chain(markers))
            }
            Mark::Band(band, look) => {
                let side =
                    |pick: fn(&(f64, f64, f64)) -> f64| band.iter().map(|b| at(&(b.0, pick(b)))).collect::<Vec<_>>();
                draw::area(&side(|band| band.2), &side(|band| band.1), &look.band())
            }
            Mark::Point(point, look, radius, title) => {
                draw::marker(look.shape, at(point), *radius, &look.mark(), title)
            }
            Mark::Guide(points) => draw::path(&places(points), "guide"),
        }
    }
}
