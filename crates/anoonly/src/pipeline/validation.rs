//! How well a detector ranks rows it was not fitted on.

use anoonly_data::table::{LabelColumn, Table};
use anoonly_eval::{Interval, auroc, average_precision, bootstrap};
use anoonly_train::ComputeDevice;
use serde::{Deserialize, Serialize};

use super::folds::{Fold, Folds};
use super::model::mean_scores;
use super::{Detector, Fitted, PipelineError, Prepared};

/// Cross-validated metrics. Every row is scored by members that were fitted without it; unlabelled rows count as normal, so
/// that hidden anomalies among them make the figures lower than the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Folds.
    pub folds: usize,
    /// AUROC with a 95 % bootstrap interval.
    pub auroc: Interval,
    /// Average precision with a 95 % bootstrap interval.
    pub ap: Interval,
}

const FOLDS: usize = 5;
const DRAWS: usize = 1000;
const LEVEL: f64 = 0.95;

impl Detector {
    /// Cross-validates on a table: five folds, or as many as there are labelled anomalies if these are fewer.
    ///
    /// # Errors
    /// When there are fewer than two labelled anomalies or two other rows, or when a fit fails.
    pub fn validate(
        &self,
        table: &Table,
        label: impl Into<LabelColumn>,
        device: &ComputeDevice,
    ) -> Result<Validation, PipelineError> {
        self.check()?;
        let Prepared { samples, .. } = self.prepare(table, &label.into())?;
        let folds = Folds::new(&samples, FOLDS, self.seed, "folds");
        if folds.count < 2 {
            let reason = "needs at least two labelled anomalies and two other rows".into();
            return Err(PipelineError::Option { option: "validate", reason });
        }
        let mut scores = vec![0.0; samples.rows()];
        for Fold { fitted_on, judged } in folds.iter() {
            let Fitted { members, standards, .. } = self.fit_members(&samples.select(&fitted_on), device)?;
            let judged_scores = mean_scores(&members, &standards, samples.select(&judged).features())?;
            for (row, score) in judged.iter().zip(judged_scores) {
                scores[*row] = score;
            }
        }
        let anomalous = samples.anomalous();
        let interval =
            |metric: fn(&[f32], &[bool]) -> _| bootstrap(metric, &scores, &anomalous, DRAWS, LEVEL, self.seed.0);
        Ok(Validation { folds: folds.count, auroc: interval(auroc)?, ap: interval(average_precision)? })
    }
}
