//! Fits of all members of a detector, on all rows or on folds.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use anoonly_core::Samples;
use anoonly_train::{ComputeDevice, Epoch, FitError, FittedDetector, MemberFit, fit_members};
use rand::seq::index;
use rayon::prelude::*;

use super::{FitStep, FitWatch, PipelineError, ScoreScale, Stopping, TableDetector, scores_of};

/// The maximum number of rows whose scores give the scale of a member.
const SCALE_ROWS: usize = 100_000;

/// The fitted members, the scales of their scores, and the epoch at which training stopped.
pub(super) struct Fitted {
    pub members: Vec<FittedDetector>,
    pub scales: Vec<ScoreScale>,
    pub stopping: Option<Stopping>,
}

impl TableDetector {
    /// The rows whose scores give the scale of a member: all of the given ones, or some drawn ones if there are many, because the scores of
    /// millions of rows take longer than a fit. All members have the same rows, and a scale changes no ranking. Where a few rows have
    /// scores far above all others, the scale depends on whether they are drawn.
    fn scale_rows(&self, others: Vec<usize>) -> Vec<usize> {
        if others.len() <= SCALE_ROWS {
            return others;
        }
        let mut rng = self.seed.stream(&["score scale"]);
        let mut drawn = index::sample(&mut rng, others.len(), SCALE_ROWS).into_vec();
        drawn.sort_unstable();
        drawn.into_iter().map(|place| others[place]).collect()
    }

    /// Fits all members.
    pub(super) fn fit_members(
        &self,
        samples: &Samples,
        device: &ComputeDevice,
        watch: &FitWatch<'_>,
    ) -> Result<Fitted, PipelineError> {
        Ok(self.fit_folds(samples, &[None], device, watch)?.swap_remove(0))
    }

    /// Fits all members on each of several parts of the rows; `None` stands for all rows.
    pub(super) fn fit_folds(
        &self,
        samples: &Samples,
        folds: &[Option<&[usize]>],
        device: &ComputeDevice,
        watch: &FitWatch<'_>,
    ) -> Result<Vec<Fitted>, PipelineError> {
        let choose = |rows: &Option<&[usize]>| match rows {
            Some(rows) => self.choose_epochs(&samples.select(rows), device),
            None => self.choose_epochs(samples, device),
        };
        let stopping = |rows| self.early_stopping.then(|| choose(rows)).transpose();
        let stoppings = folds.iter().map(stopping).collect::<Result<Vec<_>, _>>()?;
        let all_epochs = self.method.recipe().map(|recipe| recipe.epochs).unwrap_or_default();
        let stopped = AtomicBool::new(false);
        let watch_members = |index: usize, epoch: Option<Epoch<'_>>| {
            let last = stoppings[index / self.members].map(|stopping| stopping.epochs);
            let (member, epoch) = (index % self.members, epoch.map_or(0, |epoch| epoch.number()));
            let step = FitStep { member, members: self.members, epoch, epochs: last.unwrap_or(all_epochs) };
            if stopped.load(Ordering::Relaxed) || watch(step).is_break() {
                stopped.store(true, Ordering::Relaxed);
                return ControlFlow::Break(());
            }
            if last == Some(epoch) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let fits = self.fits_of(folds)?;
        let fitted = fit_members(samples, &fits, device, &watch_members);
        if stopped.into_inner() {
            return Err(PipelineError::Stopped);
        }
        let fitted = fitted.map_err(|error| self.of_member(error))?;
        let classes = samples.by_class();
        let others_of = |rows: &Option<&[usize]>| -> Vec<usize> {
            let is_other = |row: &usize| classes.others.binary_search(row).is_ok();
            rows.map_or_else(|| classes.others.clone(), |rows| rows.iter().copied().filter(is_other).collect())
        };
        let others: Vec<Vec<usize>> = folds.iter().map(|rows| self.scale_rows(others_of(rows))).collect();
        let scale = |(index, fitted): (usize, &FittedDetector)| {
            Ok(ScoreScale::of(&scores_of(fitted, samples, &others[index / self.members])?))
        };
        let scales = fitted.par_iter().enumerate().map(scale).collect::<Result<Vec<_>, PipelineError>>()?;
        let mut fitted = fitted.into_iter();
        let mut members = || fitted.by_ref().take(self.members).collect();
        let of_fold = |(stopping, scales): (Option<Stopping>, &[ScoreScale])| Fitted {
            members: members(),
            scales: scales.to_vec(),
            stopping,
        };
        Ok(stoppings.into_iter().zip(scales.chunks(self.members)).map(of_fold).collect())
    }

    /// The members on each of several parts of the rows.
    pub(super) fn fits_of<'a>(&self, folds: &[Option<&'a [usize]>]) -> Result<Vec<MemberFit<'a>>, PipelineError> {
        let mut fits = Vec::with_capacity(folds.len() * self.members);
        for &rows in folds {
            for member in 0..self.members {
                fits.push(MemberFit { detector: self.member(member)?, rows });
            }
        }
        Ok(fits)
    }

    /// The number of folds to fit at a time. Members that are trained together gain from more of them; others only take more memory.
    pub(super) fn folds_at_once(&self, folds: usize, device: &ComputeDevice) -> Result<usize, PipelineError> {
        Ok(if self.member(0)?.trains_together(device) { folds } else { 1 })
    }

    /// The error of a fit of members on folds, which names the member and not its place among all fits.
    pub(super) fn of_member(&self, error: FitError) -> PipelineError {
        match error {
            FitError::Diverged { member: Some(index), epoch } => {
                let member = (self.members > 1).then_some(index % self.members);
                FitError::Diverged { member, epoch }.into()
            }
            error => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    #[test]
    fn of_many_rows_some_give_the_scale_of_scores() {
        let detector = TableDetector::quorum();
        let rows = |count: usize| (0..count).map(|row| 3 * row).collect::<Vec<_>>();
        assert_eq!(detector.scale_rows(rows(SCALE_ROWS)), rows(SCALE_ROWS));
        let drawn = detector.scale_rows(rows(3 * SCALE_ROWS));
        assert!(drawn.len() == SCALE_ROWS && drawn.is_sorted_by(|a, b| a < b) && drawn.iter().all(|row| row % 3 == 0));
        let middle = drawn.iter().filter(|&&row| row < 9 * SCALE_ROWS / 2).count() as f64 / SCALE_ROWS as f64;
        assert!((middle - 0.5).abs() < 0.01, "{middle}");
        assert_ne!(drawn, TableDetector::quorum().seed(Seed(2)).scale_rows(rows(3 * SCALE_ROWS)));
    }
}
