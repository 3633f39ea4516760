//! The measurement of one line of scores.

use std::path::PathBuf;
use std::sync::Arc;

use anoonly_core::Digest;
use anoonly_eval::{MetricError, auroc, average_precision, average_precision_normal};

use super::lines::WrittenLine;
use super::{OutsiderFault, OutsiderSplit, Target};
use crate::{BenchError, Details, Key, Row, Scores, Status, Strategy};

/// The position of a line.
#[derive(Clone, Debug)]
pub(super) struct LinePlace {
    pub path: PathBuf,
    pub line: usize,
}

impl LinePlace {
    pub fn error(&self, fault: OutsiderFault) -> BenchError {
        BenchError::Outsider { path: self.path.clone(), line: self.line, fault: Box::new(fault) }
    }
}

/// A line whose scores are measured.
#[derive(Clone, Debug)]
pub(super) struct MeasuredLine {
    /// The index of the split; `None` for one that is not in the bench.
    pub split: Option<usize>,
    pub model: String,
    pub settings: String,
    status: Status,
    details: Option<Arc<Details>>,
    /// The digest of the scores, or of the reason of the failure.
    digest: Digest,
    place: LinePlace,
}

impl MeasuredLine {
    /// Measures a line on its split; without one, there is nothing to measure it with.
    pub fn of(
        line: WrittenLine,
        split: Option<usize>,
        targets: &[Target],
        place: LinePlace,
    ) -> Result<Self, OutsiderFault> {
        let target = split.map(|split| &targets[split]);
        let (status, details, digest) = match (&line.scores, target) {
            (Some(scores), Some(target)) => {
                let (scores, details) = measured(&line, scores, target)?;
                (Status::Ok(scores), details.map(Arc::new), digest(line.scores.iter().flatten()))
            }
            _ => {
                let reason = line.error.unwrap_or_default();
                let digest = Digest::of(reason.as_bytes());
                (Status::Failed(reason), None, digest)
            }
        };
        Ok(Self { split, model: line.model, settings: line.settings, status, details, digest, place })
    }

    /// The line that counts of two for one split and method: scores count before an error, and a later error before an earlier one.
    ///
    /// # Errors
    /// When both have scores.
    pub fn or(self, later: Self, split: &OutsiderSplit) -> Result<Self, BenchError> {
        match (&self.status, &later.status) {
            (Status::Ok(_), Status::Ok(_)) => {
                let LinePlace { path, line } = self.place;
                let fault = OutsiderFault::Twice { model: self.model, split: Box::new(split.clone()), path, line };
                Err(later.place.error(fault))
            }
            (Status::Ok(_), Status::Failed(_)) => Ok(self),
            (Status::Failed(_), _) => Ok(later),
        }
    }

    /// Checks that the settings are those of another line: a mean over runs with several settings would describe none of them.
    pub fn check_settings(&self, other: &Self) -> Result<(), BenchError> {
        if self.settings == other.settings {
            return Ok(());
        }
        let (model, settings, others) = (self.model.clone(), self.settings.clone(), other.settings.clone());
        let LinePlace { path, line } = other.place.clone();
        Err(self.place.error(OutsiderFault::Settings { model, settings, others, path, line }))
    }

    /// The key of the run on a split.
    pub fn key(&self, split: &str) -> Key {
        let parts = [split.as_bytes(), self.maker().as_bytes(), self.digest.bytes()].map(<[u8]>::to_vec);
        Key(Digest::of_parts(parts).to_string())
    }

    /// The digest of the method and its settings.
    pub fn maker(&self) -> String {
        let length = (self.model.len() as u64).to_le_bytes();
        Digest::of_parts([&length[..], self.model.as_bytes(), self.settings.as_bytes()]).to_string()
    }

    /// The row of the run.
    pub fn row(self, of_split: &Row) -> Row {
        let (model, strategy) = (self.model, Strategy::none());
        Row { model, strategy, status: self.status, details: self.details, ..of_split.clone() }
    }
}

fn digest<'a>(scores: impl Iterator<Item = &'a f64>) -> Digest {
    Digest::of_parts(scores.map(|score| score.to_le_bytes()))
}

fn measured(line: &WrittenLine, scores: &[f64], target: &Target) -> Result<(Scores, Option<Details>), OutsiderFault> {
    let (model, split) = (line.model.clone(), Box::new(target.name.clone()));
    let rows = target.truth.len();
    if scores.len() != rows {
        return Err(OutsiderFault::Length { model, split, scores: scores.len(), rows });
    }
    let failed = |reason: String| OutsiderFault::Unmeasurable { model: model.clone(), split: split.clone(), reason };
    let ranks = ranks(scores);
    let measure = |metric: fn(&[f32], &[bool]) -> Result<f64, MetricError>| {
        metric(&ranks, &target.truth).map_err(|error| failed(error.to_string()))
    };
    let details = target.detailed.then(|| Details::of_scores(&ranks, &target.truth)).transpose().map_err(failed)?;
    let measured = Scores {
        auroc: measure(auroc)?,
        ap: measure(average_precision)?,
        ap_normal: measure(average_precision_normal)?,
        fit_seconds: line.fit_seconds.unwrap_or_default(),
        score_seconds: line.score_seconds.unwrap_or_default(),
    };
    Ok((measured, details))
}

/// The ranks of scores, lowest first, with the same rank for equal scores. All metrics depend on ranks only, and ranks are exact as 32-bit
/// numbers where different scores near 1 would become equal.
fn ranks(scores: &[f64]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut rank = 0.0;
    for pair in order.windows(2) {
        if scores[pair[0]] != scores[pair[1]] {
            rank += 1.0;
        }
        ranks[pair[1]] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_keep_apart_what_32_bits_would_make_equal() {
        let near_one = [1.0 - 1e-12, 1.0, 1.0 - 2e-12, 1.0, -0.0, 0.0];
        assert_eq!(ranks(&near_one), [2.0, 3.0, 1.0, 3.0, 0.0, 0.0]);
        assert_eq!(ranks(&[]), Vec::<f32>::new());
    }
}
