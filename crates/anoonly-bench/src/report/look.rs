//! How methods and strategies are named and drawn.
//!
//! A strategy has the same colour, stroke and marker in every figure, so colour is never the only difference. Methods without a
//! strategy are grey, each with its own stroke.

use anoonly_models::{AnyMethod, MethodKind};
use anoonly_page::Look;
use anoonly_page::draw::MarkerShape;

/// The colours of strategies other than the host and AnoOnly.
const COLOURS: [&str; 6] = ["green", "purple", "orange", "sky", "plain", "brown"];
const STROKES: [&str; 6] = ["solid", "dashed", "dotted", "dash-dot", "long", "short"];

/// The look of a strategy. `place` counts the strategies that are neither the host nor AnoOnly.
pub fn strategy_look(name: &str, place: usize) -> Look {
    match name {
        "host" => Look { colour: "vermilion", strokes: "dashed", shape: MarkerShape::Square, filled: false },
        "anoonly" => Look { colour: "blue", strokes: "solid", shape: MarkerShape::Circle, filled: true },
        _ => Look {
            colour: COLOURS[place % COLOURS.len()],
            strokes: STROKES[(place + 2) % STROKES.len()],
            shape: MarkerShape::ALL[(place + 2) % MarkerShape::ALL.len()],
            filled: place % 2 == 1,
        },
    }
}

/// The look of the method at `place` among those without a strategy.
pub fn plain_look(place: usize) -> Look {
    let strokes = ["dotted", "dash-dot", "short", "long"][place % 4];
    Look { colour: "grey", strokes, shape: MarkerShape::ALL[(place + 4) % MarkerShape::ALL.len()], filled: false }
}

/// The look of the method at `place` where all methods share a panel.
pub fn contestant_look(place: usize) -> Look {
    const SHARED: [&str; 8] = ["blue", "vermilion", "green", "purple", "orange", "brown", "plain", "grey"];
    Look {
        colour: SHARED[place % SHARED.len()],
        strokes: STROKES[(place + place / SHARED.len()) % STROKES.len()],
        shape: MarkerShape::ALL[place % MarkerShape::ALL.len()],
        filled: place.is_multiple_of(2),
    }
}

/// Whether the registry calls a method a baseline.
pub fn is_baseline(name: &str) -> bool {
    AnyMethod::by_name(name).is_ok_and(|method| method.info().kind == MethodKind::Baseline)
}

/// The title of a method; its name if the registry does not know it.
pub fn model_title(name: &str) -> String {
    AnyMethod::by_name(name).map_or_else(|_| name.to_owned(), |method| method.info().title.to_owned())
}

/// The title of a strategy.
pub fn strategy_title(name: &str) -> &str {
    if name == "anoonly" { "AnoOnly" } else { name }
}

/// The title of a method under a strategy.
pub fn contestant_title(model: &str, strategy: &str) -> String {
    match strategy {
        "none" => model_title(model),
        strategy => format!("{}, {}", model_title(model), strategy_title(strategy)),
    }
}
