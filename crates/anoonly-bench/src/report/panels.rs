//! Small multiples: many panels of one kind, in rows.

use maud::Markup;

use super::draw::{self, Point};
use super::look::Look;
use super::scale::{Kind, Scale};

/// The width of all figures.
pub const WIDTH: f64 = 960.0;

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// How its values are spread.
    pub kind: Kind,
    /// Its lowest and highest value.
    pub domain: (f64, f64),
    /// The values that are told, instead of round ones.
    pub told: Option<Vec<(f64, String)>>,
}

impl Axis {
    /// An even axis with round values.
    pub fn linear(label: &str, domain: (f64, f64)) -> Self {
        Self { label: label.into(), kind: Kind::Linear, domain, told: None }
    }

    /// An axis of what has no unit.
    pub fn bare(domain: (f64, f64)) -> Self {
        Self { told: Some(Vec::new()), ..Self::linear("", domain) }
    }

    fn is_bare(&self) -> bool {
        self.label.is_empty() && self.told.as_ref().is_some_and(Vec::is_empty)
    }
}

/// A panel.
#[derive(Debug)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From below.
    pub y: Axis,
    /// What is drawn, the first below the others.
    pub marks: Vec<Mark>,
}

/// Something in a panel, in the values of its axes.
#[derive(Debug)]
pub enum Mark {
    /// Points joined by a line.
    Line {
        /// The points.
        points: Vec<Point>,
        /// How it looks.
        look: Look,
        /// Whether each point has its marker, with what it tells.
        told: Option<Vec<String>>,
    },
    /// The area between two lines: for each x, the lower and the upper value.
    Band(Vec<(f64, f64, f64)>, Look),
    /// A single marker, with its radius and what it tells.
    Point(Point, Look, f64, String),
    /// A line that stands for no result, such as that of chance.
    Guide(Vec<Point>),
}

/// Panels under a heading.
pub struct Group {
    /// The heading; empty for none.
    pub heading: String,
    /// The panels.
    pub panels: Vec<Panel>,
}

/// Room for the labels of an axis.
const LEFT: f64 = 50.0;
const BELOW: f64 = 44.0;
/// Room beside and under a panel.
const GAP: f64 = 12.0;
const ABOVE: f64 = 24.0;
const HEADING: f64 = 26.0;

/// Draws groups of panels, so many in a row, each so high for its width, under a legend.
pub fn draw(
    figure: (&str, &str, &str),
    groups: &[Group],
    per_row: usize,
    shape: f64,
    legend: &[(String, Look)],
) -> Markup {
    let (mut marks, mut y) = (Vec::new(), 0.0);
    if !legend.is_empty() {
        let (drawn, below) = draw_legend(legend);
        marks.push(drawn);
        y = below;
    }
    // Few panels stay small.
    let columns = per_row.clamp(3, 6) as f64;
    let bare = groups.iter().flat_map(|group| &group.panels).all(|panel| panel.y.is_bare() && panel.x.is_bare());
    let (beside, below) = if bare { (0.0, GAP) } else { (LEFT, BELOW) };
    let width = WIDTH / columns - beside - GAP;
    let height = width * shape;
    for group in groups {
        if !group.heading.is_empty() {
            marks.push(draw::text((0.0, y + 17.0), "heading", &group.heading));
            y += HEADING;
        }
        for row in group.panels.chunks(per_row.max(1)) {
            for (column, panel) in row.iter().enumerate() {
                let left = beside + column as f64 * (width + beside + GAP);
                let told = column == 0 || row[column - 1].y.label != panel.y.label;
                marks.push(panel.draw((left, y + ABOVE), (width, height), told));
            }
            y += ABOVE + height + below;
        }
    }
    let (id, title, description) = figure;
    draw::svg(id, title, description, (WIDTH, y), &marks)
}

/// The looks with their names, in as many lines as they need, and where they end.
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
    fn draw(&self, (left, top): Point, (width, height): Point, told_y: bool) -> Markup {
        let x = Scale::new(self.x.kind, self.x.domain, (left, left + width));
        let y = Scale::new(self.y.kind, self.y.domain, (top + height, top));
        let bottom = top + height;
        let told = |axis: &Axis, scale: &Scale, about| axis.told.clone().unwrap_or_else(|| scale.ticks(about));
        let mut marks = vec![
            draw::text((left, top - 8.0), "title", &draw::fitted(&self.title, width + GAP)),
            draw::rectangle((left, top), (width, height), "frame"),
        ];
        let mut last_label = f64::NEG_INFINITY;
        for (value, label) in told(&self.x, &x, (width / 55.0) as usize) {
            let at = x.at(value);
            marks.push(draw::line((at, top), (at, bottom), "grid"));
            // Labels that would run into each other are left out.
            if at - draw::text_width(&label) / 2.0 > last_label {
                marks.push(draw::text((at, bottom + 15.0), "tick middle", &label));
                last_label = at + draw::text_width(&label) / 2.0 + 2.0;
            }
        }
        for (value, label) in told(&self.y, &y, (height / 40.0) as usize) {
            marks.push(draw::line((left, y.at(value)), (left + width, y.at(value)), "grid"));
            marks.push(draw::text((left - 5.0, y.at(value) + 4.0), "tick end", &label));
        }
        marks.push(draw::text((left + width / 2.0, bottom + 32.0), "axis middle", &self.x.label));
        if told_y {
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
            Mark::Line { points, look, told } => {
                let markers = told
                    .iter()
                    .flatten()
                    .zip(points)
                    .map(|(told, point)| draw::marker(look.shape, at(point), 3.5, &look.mark(), told));
                let line = draw::path(&places(points), &look.line());
                draw::together(std::iter::once(line).chain(markers))
            }
            Mark::Band(band, look) => {
                let side =
                    |pick: fn(&(f64, f64, f64)) -> f64| band.iter().map(|b| at(&(b.0, pick(b)))).collect::<Vec<_>>();
                draw::area(&side(|band| band.2), &side(|band| band.1), &look.band())
            }
            Mark::Point(point, look, radius, told) => draw::marker(look.shape, at(point), *radius, &look.mark(), told),
            Mark::Guide(points) => draw::path(&places(points), "guide"),
        }
    }
}
