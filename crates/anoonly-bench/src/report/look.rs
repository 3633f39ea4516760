//! How methods and strategies are named and drawn.
//!
//! A strategy has its colour, its strokes and its marker in every figure, so that none is told by colour alone. Floors are
//! grey, each with strokes of its own.

use anoonly_models::AnyMethod;

use super::draw::Shape;

/// How a line or a point looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The class of its colour.
    pub colour: &'static str,
    /// The class of its strokes.
    pub strokes: &'static str,
    /// Its marker.
    pub shape: Shape,
    /// Whether the marker is filled.
    pub filled: bool,
}

/// Colours besides those of the host and of AnoOnly.
const COLOURS: [&str; 6] = ["green", "purple", "orange", "sky", "plain", "brown"];
const STROKES: [&str; 6] = ["solid", "dashed", "dotted", "dash-dot", "long", "short"];

impl Look {
    /// The look of a strategy, of which this is the so-manyth one that is neither the host's nor AnoOnly's.
    pub fn of_strategy(name: &str, place: usize) -> Self {
        match name {
            "host" => Self { colour: "vermilion", strokes: "dashed", shape: Shape::Square, filled: false },
            "anoonly" => Self { colour: "blue", strokes: "solid", shape: Shape::Circle, filled: true },
            _ => Self {
                colour: COLOURS[place % COLOURS.len()],
                strokes: STROKES[(place + 2) % STROKES.len()],
                shape: Shape::ALL[(place + 2) % Shape::ALL.len()],
                filled: place % 2 == 1,
            },
        }
    }

    /// The look of the so-manyth floor.
    pub fn of_floor(place: usize) -> Self {
        let strokes = ["dotted", "dash-dot", "short", "long"][place % 4];
        Self { colour: "grey", strokes, shape: Shape::ALL[(place + 4) % Shape::ALL.len()], filled: false }
    }

    /// The classes of a line.
    pub fn line(&self) -> String {
        format!("line {} {}", self.colour, self.strokes)
    }

    /// The classes of a marker.
    pub fn mark(&self) -> String {
        format!("mark {}{}", self.colour, if self.filled { "" } else { " hollow" })
    }

    /// The classes of a band.
    pub fn band(&self) -> String {
        format!("band {}", self.colour)
    }
}

/// A method's name for people.
pub fn model_title(name: &str) -> String {
    AnyMethod::by_name(name).map_or_else(|_| name.to_owned(), |method| method.info().title.to_owned())
}

/// A strategy's name for people.
pub fn strategy_title(name: &str) -> &str {
    if name == "anoonly" { "AnoOnly" } else { name }
}

/// A method under a strategy.
pub fn contestant_title(model: &str, strategy: &str) -> String {
    match strategy {
        "none" => model_title(model),
        strategy => format!("{}, {}", model_title(model), strategy_title(strategy)),
    }
}
