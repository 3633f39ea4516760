//! The few marks that the figures are made of, as SVG.
//!
//! Colours and strokes are classes of `style.css`, so that one picture serves on white, on dark and in print, and text stays
//! text. No plotting crate at hand gives that: their colours are written into each mark. `maud` escapes whatever is put in.

use maud::{Markup, PreEscaped, html};

/// A point in the picture, in its units.
pub type Point = (f64, f64);

/// A number of the picture, short.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).into()
}

/// A picture with a title and a description for those who do not see it.
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

/// Text that starts, ends or has its middle at a place, as its class says.
pub fn text((x, y): Point, class: &str, words: &str) -> Markup {
    html! { text x=(px(x)) y=(px(y)) class=(class) { (words) } }
}

/// About how wide a text is in the pictures' font.
pub fn text_width(words: &str) -> f64 {
    6.2 * words.chars().count() as f64
}

/// A text cut to a width, its end marked.
pub fn fitted(words: &str, width: f64) -> String {
    if text_width(words) <= width {
        return words.into();
    }
    let kept = (width / text_width("…")) as usize;
    words.chars().take(kept.saturating_sub(1)).chain(['…']).collect()
}

/// A straight line.
pub fn line((x1, y1): Point, (x2, y2): Point, class: &str) -> Markup {
    html! { line x1=(px(x1)) y1=(px(y1)) x2=(px(x2)) y2=(px(y2)) class=(class) {} }
}

/// A rectangle by its corner and size.
pub fn rectangle((x, y): Point, (width, height): Point, class: &str) -> Markup {
    html! { rect x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height)) class=(class) {} }
}

/// Points joined by straight lines.
pub fn path(points: &[Point], class: &str) -> Markup {
    html! { path d=(commands(points)) class=(class) {} }
}

/// The area between an upper line and a lower one, both from left to right.
pub fn area(upper: &[Point], lower: &[Point], class: &str) -> Markup {
    let around: Vec<Point> = upper.iter().chain(lower.iter().rev()).copied().collect();
    html! { path d={ (commands(&around)) "Z" } class=(class) {} }
}

fn commands(points: &[Point]) -> String {
    let command =
        |(index, (x, y)): (usize, &Point)| format!("{}{} {}", if index == 0 { "M" } else { "L" }, px(*x), px(*y));
    points.iter().enumerate().map(command).collect()
}

/// The form of a marker: with its colour, told by form too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Plus,
    Wedge,
    Bar,
}

impl Shape {
    /// All forms.
    pub const ALL: [Shape; 8] = [
        Shape::Circle,
        Shape::Square,
        Shape::Triangle,
        Shape::Diamond,
        Shape::Cross,
        Shape::Plus,
        Shape::Wedge,
        Shape::Bar,
    ];

    /// Its outline around (0, 0), for a radius of 1.
    fn outline(self) -> &'static [&'static [Point]] {
        match self {
            Shape::Circle => &[],
            Shape::Square => &[&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]],
            Shape::Triangle => &[&[(0.0, -1.1), (1.05, 0.8), (-1.05, 0.8)]],
            Shape::Diamond => &[&[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)]],
            Shape::Cross => &[&[(-0.9, -0.9), (0.9, 0.9)], &[(-0.9, 0.9), (0.9, -0.9)]],
            Shape::Plus => &[&[(-1.2, 0.0), (1.2, 0.0)], &[(0.0, -1.2), (0.0, 1.2)]],
            Shape::Wedge => &[&[(0.0, 1.1), (1.05, -0.8), (-1.05, -0.8)]],
            Shape::Bar => &[&[(-1.3, -0.45), (1.3, -0.45), (1.3, 0.45), (-1.3, 0.45)]],
        }
    }
}

/// A marker; what it tells shows where a pointer rests on it.
pub fn marker(shape: Shape, (x, y): Point, radius: f64, class: &str, told: &str) -> Markup {
    let title = html! { @if !told.is_empty() { title { (told) } } };
    if shape == Shape::Circle {
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

/// Marks one after the other.
pub fn together(marks: impl IntoIterator<Item = Markup>) -> Markup {
    PreEscaped(marks.into_iter().map(PreEscaped::into_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        let name = "<script>\"&'";
        let picture = svg("id", name, name, (10.0, 20.5), &[text((0.0, 1.25), "label", name)]).into_string();
        assert!(!picture.contains("<script"), "{picture}");
        assert!(picture.contains("&lt;script&gt;&quot;&amp;"));
        assert!(picture.contains("viewBox=\"0 0 10 20.5\"") && picture.contains("aria-labelledby=\"id-title\""));
        assert!(!marker(Shape::Circle, (0.0, 0.0), 1.0, "a", name).into_string().contains("<script"));
    }

    #[test]
    fn paths_go_through_their_points() {
        let path = path(&[(0.0, 1.0), (2.25, -3.04)], "line").into_string();
        assert_eq!(path, "<path d=\"M0 1L2.2 -3\" class=\"line\"></path>");
        let area = area(&[(0.0, 2.0), (1.0, 2.0)], &[(0.0, 0.0), (1.0, 1.0)], "band").into_string();
        assert!(area.contains("M0 2L1 2L1 1L0 0Z"), "{area}");
    }

    #[test]
    fn a_long_name_is_cut_and_says_so() {
        assert_eq!(fitted("short", 100.0), "short");
        let cut = fitted("a name that is much too long", 60.0);
        assert!(cut.ends_with('…') && text_width(&cut) <= 60.0, "{cut}");
    }
}
