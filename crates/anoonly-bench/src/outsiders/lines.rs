//! The lines of a file with scores of another program.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anoonly_models::AnyMethod;
use rayon::prelude::*;
use serde::Deserialize;

use super::measured::{LinePlace, MeasuredLine};
use super::{OutsiderFault, Target};
use crate::BenchError;

/// The number of lines that are read before they are measured in parallel.
const LINES: usize = 256;

/// A line, as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct WrittenLine {
    pub split: String,
    pub model: String,
    pub settings: String,
    pub scores: Option<Vec<f64>>,
    pub fit_seconds: Option<f64>,
    pub score_seconds: Option<f64>,
    pub error: Option<String>,
}

/// A file of lines, which may be larger than the memory.
pub(super) struct ScoreLines {
    path: PathBuf,
    file: BufReader<File>,
    /// The number of lines that were read.
    read: usize,
    /// The names of the methods of this program.
    known: Vec<&'static str>,
}

impl ScoreLines {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, BenchError> {
        let failed = |error: std::io::Error| BenchError::File { path: path.into(), reason: error.to_string() };
        let file = BufReader::new(File::open(path).map_err(failed)?);
        let known = AnyMethod::all().iter().map(|method| method.info().name).collect();
        Ok(Self { path: path.into(), file, read: 0, known })
    }

    /// Measures the next lines; there are none at the end of the file.
    pub fn next(&mut self, targets: &[Target], of_key: &HashMap<&str, usize>) -> Result<Vec<MeasuredLine>, BenchError> {
        let mut texts: Vec<(usize, Vec<u8>)> = Vec::new();
        while texts.len() < LINES {
            let mut text = Vec::new();
            let failed =
                |error: std::io::Error| BenchError::File { path: self.path.clone(), reason: error.to_string() };
            if self.file.read_until(b'\n', &mut text).map_err(failed)? == 0 {
                break;
            }
            self.read += 1;
            if !text.trim_ascii().is_empty() {
                texts.push((self.read, text));
            }
        }
        let measured = texts.par_iter().map(|(line, text)| {
            let place = LinePlace { path: self.path.clone(), line: *line };
            let line = self.checked(text).map_err(|fault| place.error(fault))?;
            let split = of_key.get(line.split.as_str()).copied();
            MeasuredLine::of(line, split, targets, place.clone()).map_err(|fault| place.error(fault))
        });
        // All are measured before the first error is chosen, so that it does not depend on the threads.
        let measured: Vec<Result<MeasuredLine, BenchError>> = measured.collect();
        measured.into_iter().collect()
    }

    /// Reads a line and checks everything that does not depend on its split.
    fn checked(&self, text: &[u8]) -> Result<WrittenLine, OutsiderFault> {
        let line: WrittenLine = serde_json::from_slice(text).map_err(|error| unreadable(text, &error))?;
        let model = line.model.trim();
        if model.is_empty() {
            return Err(OutsiderFault::NoName);
        }
        if model != line.model || model.contains(|letter: char| letter == '|' || letter.is_control()) {
            return Err(OutsiderFault::OddName { model: line.model });
        }
        if self.known.iter().any(|known| known.eq_ignore_ascii_case(model)) {
            return Err(OutsiderFault::KnownName { model: line.model });
        }
        let seconds = [line.fit_seconds, line.score_seconds];
        match (&line.scores, &line.error, seconds) {
            (Some(_), None, [Some(_), Some(_)]) | (None, Some(_), _) => {}
            _ => return Err(OutsiderFault::Outcome),
        }
        match seconds.into_iter().flatten().find(|seconds| *seconds < 0.0) {
            Some(seconds) => Err(OutsiderFault::Seconds { seconds }),
            None => Ok(line),
        }
    }
}

/// Why a line cannot be read. Many programs write numbers that are not finite, although JSON has none.
fn unreadable(text: &[u8], error: &serde_json::Error) -> OutsiderFault {
    let at = error.column().saturating_sub(1).min(text.len());
    let value = ["NaN", "Infinity"].into_iter().find(|value| text[at..].starts_with(value.as_bytes()));
    let sign = if text[..at].ends_with(b"-") { "-" } else { "" };
    match value {
        Some(value) => OutsiderFault::NotFinite { value: format!("{sign}{value}") },
        None => OutsiderFault::Unreadable { reason: error.to_string() },
    }
}
