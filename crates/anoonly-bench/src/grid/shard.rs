//! Parts of a grid for several machines.

use std::str::FromStr;

/// A part of a grid, for one of several machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The part, counted from 1.
    pub part: usize,
    /// The number of parts.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Self { part, of }),
            _ => Err("give PART/PARTS, as 2/5 for the second part of five".into()),
        }
    }
}

/// Keeps a part of some jobs, with the same share of the jobs of each method, in the order of their places.
pub(crate) fn shard<J>(jobs: &mut Vec<J>, part: Shard, model: impl Fn(&J) -> usize, place: impl Fn(&J) -> usize) {
    let mut all = std::mem::take(jobs);
    all.sort_by_key(|job| (model(job), place(job)));
    *jobs = all.into_iter().skip(part.part - 1).step_by(part.of).collect();
    jobs.sort_by_key(place);
}
