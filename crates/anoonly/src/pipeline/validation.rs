//! Cross-validated metrics of a detector.

use std::ops::ControlFlow;

use anoonly_data::table::Table;
use anoonly_eval::{auroc, average_precision, bootstrap};
use anoonly_train::ComputeDevice;

use super::folds::{Fold, Folds};
use super::{Fitted, LabelSource, PipelineError, Prepared, TableDetector, TableSetting, Validation};
use crate::model::mean_scores;

const FOLDS: usize = 5;
const DRAWS: usize = 1000;
const LEVEL: f64 = 0.95;

impl TableDetector {
    /// Cross-validates on a table, with five folds or, if there are fewer than five labelled anomalies, one fold for each.
    ///
    /// # Errors
    /// If there are fewer than two labelled anomalies or two other rows, or if a fit fails.
    pub fn validate(
        &self,
        table: &Table,
        labels: impl Into<LabelSource>,
        device: &ComputeDevice,
    ) -> Result<Validation, PipelineError> {
        self.check()?;
        let Prepared { samples, .. } = self.prepare(table, &labels.into())?;
        let folds = Folds::new(&samples, FOLDS, self.seed, "folds");
        if folds.count < 2 {
            let reason = "at least two labelled anomalies and two other rows are needed".into();
            return Err(PipelineError::Setting { setting: TableSetting::Validation, reason });
        }
        let mut scores = vec![0.0; samples.rows()];
        let all: Vec<Fold> = folds.iter().collect();
        for some in all.chunks(self.folds_at_once(folds.count, device)?) {
            let rows: Vec<Option<&[usize]>> = some.iter().map(|fold| Some(&fold.fitted_on[..])).collect();
            let fitted = self.fit_folds(&samples, &rows, device, &|_| ControlFlow::Continue(()))?;
            for (Fold { left_out, .. }, Fitted { members, scales, .. }) in some.iter().zip(fitted) {
                let left_out_scores = mean_scores(&members, &scales, samples.select(left_out).features())?;
                for (row, score) in left_out.iter().zip(left_out_scores) {
                    scores[*row] = score;
                }
            }
        }
        let anomalous = samples.anomalous();
        let interval =
            |metric: fn(&[f32], &[bool]) -> _| bootstrap(metric, &scores, &anomalous, DRAWS, LEVEL, self.seed.0);
        Ok(Validation { folds: folds.count, auroc: interval(auroc)?, ap: interval(average_precision)? })
    }
}
