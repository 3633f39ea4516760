//! The look of a series.

use crate::draw::MarkerShape;

/// The colour, stroke and marker of a series of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The class of the colour in `style.css`.
    pub colour: &'static str,
    /// The class of the stroke in `style.css`; `none` for a series of markers without a line.
    pub strokes: &'static str,
    /// The shape of the markers.
    pub shape: MarkerShape,
    /// Whether the markers are filled.
    pub filled: bool,
}

impl Look {
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
