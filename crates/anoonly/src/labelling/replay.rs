//! A journal back into a session.

use std::path::Path;

use anoonly_core::Label;

use super::LabellingError;
use super::journal::Event;
use super::ranked::KnownAnswers;
use super::state::State;

/// Applies the events of a journal, and returns the labels and the answers that the last fit knew. Nothing is fitted:
/// scores depend on those labels alone.
pub(super) fn replay(
    state: &mut State,
    events: Vec<(usize, Event)>,
    ids: &[Vec<Option<String>>],
    path: &Path,
) -> Result<(Vec<Label>, KnownAnswers), LabellingError> {
    let last_fit = events.iter().rev().find_map(|(_, event)| match event {
        Event::Refit { after } => Some(*after),
        _ => None,
    });
    let last_fit = last_fit.unwrap_or(0);
    let known = |state: &State| (state.labels(), KnownAnswers { after: last_fit, answers: state.answers().len() });
    let mut fitted = (last_fit == 0).then(|| known(state));
    for (line, event) in events {
        apply(state, event, ids).map_err(|reason| LabellingError::DamagedLine { path: path.into(), line, reason })?;
        if state.events() == last_fit {
            fitted = Some(known(state));
        }
    }
    Ok(fitted.unwrap_or_else(|| known(state)))
}

/// Applies an event, or says why it cannot be one of this session.
fn apply(state: &mut State, event: Event, ids: &[Vec<Option<String>>]) -> Result<(), String> {
    let exists = |row: usize, state: &State| match row < state.rows() {
        true => Ok(()),
        false => Err(format!("there is no row {}", row + 1)),
    };
    match event {
        Event::Answer(given) => {
            exists(given.row, state)?;
            if !given.ids.iter().eq(ids.iter().map(|values| &values[given.row])) {
                return Err(format!("row {} has other identifiers", given.row + 1));
            }
            if state.is_held_out(given.row) {
                return Err(format!("row {} is held out", given.row + 1));
            }
            state.answer(given);
        }
        Event::Undo { row, .. } => {
            if state.last_answer().is_none_or(|given| given.row != row) {
                return Err(format!("the last answer is not on row {}", row + 1));
            }
            state.undo();
        }
        Event::Draw { row } => {
            exists(row, state)?;
            if !state.is_open(row) || state.is_drawn(row) {
                return Err(format!("row {} could not be drawn", row + 1));
            }
            state.draw(row);
        }
        Event::Refit { after } => {
            if after > state.events() {
                return Err(format!("a fit knew {after} events, but there were {}", state.events()));
            }
            state.refit();
        }
        Event::Query(query) => state.set_query(query),
    }
    Ok(())
}
