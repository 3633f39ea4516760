//! The number of training epochs, chosen by cross-validation on the training rows.

use std::ops::ControlFlow;
use std::sync::{Mutex, OnceLock, PoisonError};

use anoonly_core::{Samples, Seed};
use anoonly_eval::average_precision;
use anoonly_train::{ComputeDevice, Epoch, ScoreError, fit_members};

use super::folds::{Fold, Folds};
use super::{PipelineError, ScoreScale, Stopping, TableDetector, TableSetting};

const FOLDS: usize = 5;
/// The minimum number of labelled anomalies and of other rows. With fewer, the folds say almost nothing.
const LEAST: usize = 3;

impl TableDetector {
    /// Chooses the number of epochs by cross-validation on the given rows.
    pub(super) fn choose_epochs(&self, samples: &Samples, device: &ComputeDevice) -> Result<Stopping, PipelineError> {
        let invalid = |reason: String| Err(PipelineError::Setting { setting: TableSetting::EarlyStopping, reason });
        let Some(recipe) = self.method.recipe() else {
            return invalid(format!("{} is not trained in epochs", self.method.info().name));
        };
        let folds = Folds::new(samples, FOLDS, self.seed, "folds of early stopping");
        if folds.count < LEAST {
            return invalid(format!("at least {LEAST} labelled anomalies and {LEAST} other rows are needed"));
        }
        let at_once = self.folds_at_once(folds.count, device)?;
        let all: Vec<Fold> = folds.iter().collect();
        let mut curves = Vec::with_capacity(folds.count);
        for some in all.chunks(at_once) {
            curves.extend(self.precisions_by_epoch(samples, some, device)?);
        }
        let mean = |epoch: usize| curves.iter().map(|curve| curve[epoch]).sum::<f64>() / curves.len() as f64;
        let last = recipe.epochs - 1;
        let chosen = choose(&curves);
        Ok(Stopping {
            epochs: chosen + 1,
            of: recipe.epochs,
            folds: folds.count,
            ap: mean(chosen),
            ap_at_end: mean(last),
        })
    }

    /// The average precision on the left-out rows of each fold after each epoch.
    fn precisions_by_epoch(
        &self,
        samples: &Samples,
        folds: &[Fold],
        device: &ComputeDevice,
    ) -> Result<Vec<Vec<f64>>, PipelineError> {
        let left_out: Vec<Samples> = folds.iter().map(|fold| samples.select(&fold.left_out)).collect();
        let others: Vec<Vec<usize>> = left_out.iter().map(|rows| rows.by_class().others).collect();
        // The standardised scores of the left-out rows after each epoch of each member.
        let epochs: Vec<Mutex<Vec<Vec<f64>>>> = (0..folds.len() * self.members).map(|_| Mutex::default()).collect();
        let failed: OnceLock<ScoreError> = OnceLock::new();
        let watch = |index: usize, epoch: Option<Epoch<'_>>| {
            let (fold, Some(epoch)) = (index / self.members, epoch) else { return ControlFlow::Continue(()) };
            match epoch.fitted().score_on_one_thread(left_out[fold].features()) {
                Ok(scores) => {
                    let of_others: Vec<f32> = others[fold].iter().map(|&row| scores[row]).collect();
                    let ScoreScale { mean, deviation } = ScoreScale::of(&of_others);
                    let scores = scores.iter().map(|&score| (f64::from(score) - mean) / deviation).collect();
                    epochs[index].lock().unwrap_or_else(PoisonError::into_inner).push(scores);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed.get_or_init(|| error);
                    ControlFlow::Break(())
                }
            }
        };
        let rows: Vec<Option<&[usize]>> = folds.iter().map(|fold| Some(&fold.fitted_on[..])).collect();
        fit_members(samples, &self.fits_of(&rows)?, device, &watch).map_err(|error| self.of_member(error))?;
        if let Some(error) = failed.into_inner() {
            return Err(error.into());
        }
        let epochs: Vec<Vec<Vec<f64>>> =
            epochs.into_iter().map(|of| of.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        let curve = |(left_out, members): (&Samples, &[Vec<Vec<f64>>])| {
            let truth = left_out.anomalous();
            let precision = |epoch: usize| {
                let sum = |row: usize| members.iter().map(|epochs| epochs[epoch][row]).sum::<f64>() as f32;
                Ok(average_precision(&(0..left_out.rows()).map(sum).collect::<Vec<_>>(), &truth)?)
            };
            (0..members[0].len()).map(precision).collect()
        };
        left_out.iter().zip(epochs.chunks(self.members)).map(curve).collect()
    }

    /// The detector of a member before its fit.
    pub(crate) fn member(&self, member: usize) -> Result<anoonly_train::Detector, PipelineError> {
        let seed = Seed(self.seed.0.wrapping_add(member as u64));
        Ok(anoonly_train::Detector::new(self.method.clone(), self.supervision, seed)?)
    }
}

/// The index of the epoch to stop after, given the average precision of each fold after each epoch.
fn choose(curves: &[Vec<f64>]) -> usize {
    let folds = curves.len() as f64;
    let mean = |of: &dyn Fn(&Vec<f64>) -> f64| curves.iter().map(of).sum::<f64>() / folds;
    let last = curves[0].len() - 1;
    let mut best = last;
    let at = |epoch: usize| mean(&|curve| curve[epoch]);
    for epoch in (0..last).rev() {
        if at(epoch) >= at(best) {
            best = epoch;
        }
    }
    let gain = |curve: &Vec<f64>| curve[best] - curve[last];
    let mean_gain = mean(&gain);
    let variance = mean(&|curve| (gain(curve) - mean_gain).powi(2)) * folds / (folds - 1.0);
    if mean_gain > (variance / folds).sqrt() { best } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_stops_early_only_if_the_folds_agree() {
        let agreeing = vec![vec![0.2, 0.9, 0.9, 0.5], vec![0.3, 0.8, 0.7, 0.5], vec![0.2, 0.7, 0.8, 0.4]];
        assert_eq!(choose(&agreeing), 1, "the first of the best epochs");
        let disagreeing = vec![vec![0.2, 1.0, 0.5], vec![0.3, 0.4, 0.5], vec![0.2, 0.3, 0.5]];
        assert_eq!(choose(&disagreeing), 2, "one fold gains, two do not");
        assert_eq!(choose(&[vec![0.5; 4], vec![0.5; 4]]), 3, "no gain");
        assert_eq!(choose(&[vec![0.1], vec![0.2]]), 0);
    }
}
