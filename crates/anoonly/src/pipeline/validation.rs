//! How well a detector ranks rows it was not fitted on.

use anoonly_data::table::{LabelColumn, Table};
use anoonly_eval::{Interval, auroc, average_precision, bootstrap};
use anoonly_train::backend::Backend;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::model::mean_scores;
use super::{Detector, PipelineError, Prepared};

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
    pub fn validate<B: Backend>(
        &self,
        table: &Table,
        label: impl Into<LabelColumn>,
        device: &B::Device,
    ) -> Result<Validation, PipelineError> {
        self.check()?;
        let Prepared { samples, .. } = self.prepare(table, &label.into())?;
        let mut classes = samples.by_class();
        let folds = FOLDS.min(classes.anomalies.len()).min(classes.others.len());
        if folds < 2 {
            let reason = "needs at least two labelled anomalies and two other rows".into();
            return Err(PipelineError::Option { option: "validate", reason });
        }
        let mut rng = self.seed.stream(&["folds"]);
        classes.anomalies.shuffle(&mut rng);
        classes.others.shuffle(&mut rng);
        let mut scores = vec![0.0; samples.rows()];
        for fold in 0..folds {
            let of_fold = |rows: &[usize], inside: bool| -> Vec<usize> {
                rows.iter()
                    .enumerate()
                    .filter(|(place, _)| (place % folds == fold) == inside)
                    .map(|(_, &row)| row)
                    .collect()
            };
            let [fitted_on, judged] = [false, true].map(|inside| {
                let mut rows = [of_fold(&classes.anomalies, inside), of_fold(&classes.others, inside)].concat();
                rows.sort_unstable();
                rows
            });
            let (members, standards) = self.fit_members::<B>(&samples.select(&fitted_on), device)?;
            let judged_scores = mean_scores(&members, &standards, samples.select(&judged).features())?;
            for (row, score) in judged.iter().zip(judged_scores) {
                scores[*row] = score;
            }
        }
        let anomalous = samples.anomalous();
        let interval =
            |metric: fn(&[f32], &[bool]) -> _| bootstrap(metric, &scores, &anomalous, DRAWS, LEVEL, self.seed.0);
        Ok(Validation { folds, auroc: interval(auroc)?, ap: interval(average_precision)? })
    }
}
