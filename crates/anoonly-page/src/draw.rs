//! The SVG elements that figures are made of.
//!
//! Colours and strokes are classes of `style.css`, so one picture serves on a light page, on a dark page and in print, and text
//! stays text. Plotting crates write colours into each element instead. `maud` escapes all text.

use maud::{Markup, PreEscaped, html};

/// A point in a picture, in the units of its view box.
pub type Point = (f64, f64);

/// Formats a coordinate with at most one decimal.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).into()
}

/// A picture with a title and a description for screen readers.
pub fn svg(id: &str, title: &str, description: &str, (width, height): (f64, f64), marks: &[Markup]) -> Markup {
    let (title_id, description_id) = (format!("{id}-title"), format!("{id}-description"));
    html! {
        svg viewBox={ "0 0 " (px(width)) " " (px(height)) } style={ "max-width:" (px(width)) "px" } role="img"
            aria-labelledby=(title_id) aria-describedby=(description_id) {
            title id=(title_id) { (title) }
            desc id=(description_id) { (description) }
            @for mark in marks { (mark) }
        }
    }
}

/// Text at a point. It starts there, or its class centres it (`middle`) or ends it there (`end`).
pub fn text((x, y): Point, class: &str, text: &str) -> Markup {
    html! { text x=(px(x)) y=(px(y)) class=(class) { (text) } }
}

/// An estimate of the width of a text in the font of the pictures.
pub fn text_width(text: &str) -> f64 {
    6.2 * text.chars().count() as f64
}

/// Cuts a text to a width; a text that was cut ends in an ellipsis.
pub fn fitted(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.into();
    }
    let kept = (width / text_width("…")) as usize;
    text.chars().take(kept.saturating_sub(1)).chain(['…']).collect()
}

/// A straight line.
pub fn line((x1, y1): Point, (x2, y2): Point, class: &str) -> Markup {
    html! { line x1=(px(x1)) y1=(px(y1)) x2=(px(x2)) y2=(px(y2)) class=(class) {} }
}

/// A rectangle from its upper left corner and its size.
pub fn rectangle((x, y): Point, (width, height): Point, class: &str) -> Markup {
    html! { rect x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height)) class=(class) {} }
}

/// Straight lines through points.
pub fn path(points: &[Point], class: &str) -> Markup {
    html! { path d=(commands(points)) class=(class) {} }
}

/// The area between an upper and a lower line, both given from left to right.
pub fn area(upper: &[Point], lower: &[Point], class: &str) -> Markup {
    let around: Vec<Point> = upper.iter().chain(lower.iter().rev()).copied().collect();
    html! { path d={ (commands(&around)) "Z" } class=(class) {} }
}

fn commands(points: &[Point]) -> String {
    let command =
        |(index, (x, y)): (usize, &Point)| format!("{}{} {}", if index == 0 { "M" } else { "L" }, px(*x), px(*y));
    points.iter().enumerate().map(command).collect()
}

/// The shape of a marker. Series differ in shape as well as in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the variants describe the shapes")]
pub enum MarkerShape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Plus,
    Wedge,
    Bar,
}

impl MarkerShape {
    /// All shapes.
    pub const ALL: [MarkerShape; 8] = [
        MarkerShape::Circle,
        MarkerShape::Square,
        MarkerShape::Triangle,
        MarkerShape::Diamond,
        MarkerShape::Cross,
        MarkerShape::Plus,
        MarkerShape::Wedge,
        MarkerShape::Bar,
    ];

    /// The outline around (0, 0) for a radius of 1; none for a circle.
    fn outline(self) -> &'static [&'static [Point]] {
        match self {
            MarkerShape::Circle => &[],
            MarkerShape::Square => &[&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]],
            MarkerShape::Triangle => &[&[(0.0, -1.1), (1.05, 0.8), (-1.05, 0.8)]],
            MarkerShape::Diamond => &[&[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)]],
            MarkerShape::Cross => &[&[(-0.9, -0.9), (0.9, 0.9)], &[(-0.9, 0.9), (0.9, -0.9)]],
            MarkerShape::Plus => &[&[(-1.2, 0.0), (1.2, 0.0)], &[(0.0, -1.2), (0.0, 1.2)]],
            MarkerShape::Wedge => &[&[(0.0, 1.1), (1.05, -0.8), (-1.05, -0.8)]],
            MarkerShape::Bar => &[&[(-1.3, -0.45), (1.3, -0.45), (1.3, 0.45), (-1.3, 0.45)]],
        }
    }
}

/// A marker. `title` is the text that appears under the pointer; empty for none.
pub fn marker(shape: MarkerShape, (x, y): Point, radius: f64, class: &str, title: &str) -> Markup {
    let title = html! { @if !title.is_empty() { title { (title) } } };
    if shape == MarkerShape::Circle {
        return html! { circle cx=(px(x)) cy=(px(y)) r=(px(radius)) class=(class) { (title) } };
    }
    let part = |part: &&[Point]| {
        let points: Vec<Point> = part.iter().map(|(a, b)| (x + radius * a, y + radius * b)).collect();
        let end = if part.len() > 2 { "Z" } else { "" };
        commands(&points) + end
    };
    let outline: String = shape.outline().iter().map(part).collect();
    html! { path d=(outline) class=(class) { (title) } }
}

/// Joins elements; later ones cover earlier ones.
pub fn together(marks: impl IntoIterator<Item = Markup>) -> Markup {
    PreEscaped(marks.into_iter().map(PreEscaped::into_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let name = "<script>\"&'";
        let picture = svg("id", name, name, (10.0, 20.5), &[text((0.0, 1.25), "label", name)]).into_string();
        assert!(!picture.contains("<script"), "{picture}");
        assert!(picture.contains("&lt;script&gt;&quot;&amp;"));
        assert!(picture.contains("viewBox=\"0 0 10 20.5\"") && picture.contains("aria-labelledby=\"id-title\""));
        assert!(!marker(MarkerShape::Circle, (0.0, 0.0), 1.0, "a", name).into_string().contains("<script"));
    }

    #[test]
    fn a_path_has_a_command_for_each_point() {
        let path = path(&[(0.0, 1.0), (2.25, -3.04)], "line").into_string();
        assert_eq!(path, "<path d=\"M0 1L2.2 -3\" class=\"line\"></path>");
        let area = area(&[(0.0, 2.0), (1.0, 2.0)], &[(0.0, 0.0), (1.0, 1.0)], "band").into_string();
        assert!(area.contains("M0 2L1 2L1 1L0 0Z"), "{area}");
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis() {
        assert_eq!(fitted("short", 100.0), "short");
        let cut = fitted("a name that is much too long", 60.0);
        assert!(cut.ends_with('…') && text_width(&cut) <= 60.0, "{cut}");
    }
}
