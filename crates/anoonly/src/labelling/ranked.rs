//! The scores of a fit, and fits that other threads run.

use std::sync::{Arc, Mutex, PoisonError};

use anoonly_core::Label;
use anoonly_train::labelling::Refitter;
use anoonly_train::{FitError, FittedDetector};

use super::{LabellingError, Session};
use crate::pipeline::ScoreScale;

/// What a fit knew.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownAnswers {
    /// The number of events.
    pub after: u64,
    /// The number of answers that were not taken back.
    pub answers: usize,
}

/// The scores of all rows by one fit.
#[derive(Debug)]
pub(super) struct Ranked {
    /// The answers that the fit knew.
    pub known: KnownAnswers,
    /// The scores as the detector gives them.
    pub raw: Vec<f32>,
    pub scale: ScoreScale,
    /// The rows, the highest score first; of equal scores, the first row.
    pub order: Vec<u32>,
    /// The rank of each row, counted from 1. Equal scores share the better rank.
    pub ranks: Vec<u32>,
    /// The detector, which explains the scores.
    pub fitted: Option<FittedDetector>,
}

impl Ranked {
    fn new(raw: Vec<f32>, labels: &[Label], fitted: Option<FittedDetector>, known: KnownAnswers) -> Self {
        let others: Vec<f32> =
            raw.iter().zip(labels).filter(|(_, label)| !label.is_anomaly()).map(|(&score, _)| score).collect();
        let mut order: Vec<u32> = (0..raw.len() as u32).collect();
        order.sort_by(|&a, &b| raw[b as usize].total_cmp(&raw[a as usize]));
        let mut ranks = vec![0; raw.len()];
        let mut rank = 0;
        for (place, &row) in order.iter().enumerate() {
            if place == 0 || raw[order[place - 1] as usize] != raw[row as usize] {
                rank = place as u32 + 1;
            }
            ranks[row as usize] = rank;
        }
        Self { known, scale: ScoreScale::of(&others), raw, order, ranks, fitted }
    }

    /// The standardised score of a row.
    pub fn score(&self, row: usize) -> f32 {
        self.standardised(self.raw[row])
    }

    /// A score on the scale of a model: a typical row scores 0.
    pub fn standardised(&self, raw: f32) -> f32 {
        ((f64::from(raw) - self.scale.mean) / self.scale.deviation).clamp(f32::MIN.into(), f32::MAX.into()) as f32
    }
}

/// The scores and ranks of all rows by one fit. Clones share what they hold, and threads may use them while the session goes on.
#[derive(Clone, Debug)]
pub struct RankedRows(pub(super) Arc<Ranked>);

impl RankedRows {
    /// The score of a row ([`Session::score`]).
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn score(&self, row: usize) -> f32 {
        self.0.score(row)
    }

    /// The rank of a row ([`Session::rank`]).
    ///
    /// # Panics
    /// When the row does not exist.
    pub fn rank(&self, row: usize) -> usize {
        self.0.ranks[row] as usize
    }

    /// All rows, the highest score first; of equal scores, the first row.
    pub fn order(&self) -> &[u32] {
        &self.0.order
    }

    /// The number of answers that the fit knew.
    pub fn answers(&self) -> usize {
        self.0.known.answers
    }
}

impl Session {
    /// The scores and ranks of all rows by the last fit, for another thread.
    pub fn ranked_rows(&self) -> RankedRows {
        RankedRows(Arc::clone(&self.ranked))
    }
}

/// A fit with the answers that a session has now. Another thread may run it while the session takes further answers.
#[derive(Debug)]
pub struct RefitJob {
    pub(super) refitter: Arc<Mutex<Refitter>>,
    pub(super) labels: Vec<Label>,
    pub(super) known: KnownAnswers,
}

/// The scores of a fit, for [`Session::install`].
#[derive(Debug)]
pub struct RefitResult(pub(super) Ranked);

impl RefitJob {
    /// Fits, and ranks all rows. Jobs of one session run one after another.
    ///
    /// # Errors
    /// When every row is labelled an anomaly, or the training diverges.
    pub fn run(self) -> Result<RefitResult, LabellingError> {
        // A fit depends on the labels alone: what a fit that panicked left behind does no harm.
        let mut refitter = self.refitter.lock().unwrap_or_else(PoisonError::into_inner);
        if self.labels.iter().all(|label| label.is_anomaly()) {
            return Err(FitError::OnlyAnomalies.into());
        }
        let scores = refitter.refit(&self.labels)?;
        let fitted = refitter.fitted().cloned();
        drop(refitter);
        Ok(RefitResult(Ranked::new(scores, &self.labels, fitted, self.known)))
    }
}
