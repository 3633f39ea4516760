//! The simulated analyst.

use anoonly_core::{Label, Seed};
use anoonly_train::labelling::{Query, Ranking, separating_threshold};
use ndarray::Array2;

use super::row::{Discovery, SecondsKind};
use crate::usage::Stopwatch;

/// What an analyst does with a table.
pub(super) struct Analyst<'a> {
    /// The true labels, which are the answers.
    pub truth: &'a [Label],
    /// The features of the rows, scaled, `[rows, columns]`.
    pub features: &'a Array2<f32>,
    /// How the rows to ask about are chosen.
    pub query: Query,
    /// The number of rows that are asked before the next fit.
    pub batch: usize,
    /// The number of rows that are asked in all.
    pub budget: usize,
    /// The seed of the query strategy.
    pub seed: Seed,
}

impl Analyst<'_> {
    /// Labels rows until the budget is spent. `rank` fits to the labels so far and returns the score of each row. `None` if `stop`
    /// says so before the end.
    ///
    /// When all anomalies are found, nothing more can be: the rest of the curve is filled in without further fits.
    pub fn work(
        &self,
        mut rank: impl FnMut(&[Label]) -> Result<Vec<f32>, String>,
        stop: impl Fn() -> bool,
    ) -> Result<Option<Discovery>, String> {
        let anomalies = self.truth.iter().filter(|label| label.is_anomaly()).count();
        let mut labels = vec![Label::Unlabelled; self.truth.len()];
        let mut rng = self.seed.stream(&["queries"]);
        let (mut found, mut count) = (Vec::with_capacity(self.budget), 0);
        let (mut seconds, mut kind) = (Vec::new(), SecondsKind::Wall);
        while found.len() < self.budget && count < anomalies {
            if stop() {
                return Ok(None);
            }
            let watch = Stopwatch::start();
            let scores = rank(&labels)?;
            let (elapsed, processor) = watch.seconds();
            kind = if processor { SecondsKind::Processor } else { SecondsKind::Wall };
            if count > 0 {
                seconds.push(elapsed);
            }
            let candidates: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == Label::Unlabelled).collect();
            let threshold = separating_threshold(&scores, &labels);
            let ranking = Ranking { scores: &scores, features: self.features, candidates: &candidates, threshold };
            let asked = self.query.choose(ranking, self.batch.min(self.budget - found.len()), &mut rng);
            for chosen in asked {
                labels[chosen.row] = self.truth[chosen.row];
                count += usize::from(self.truth[chosen.row].is_anomaly());
                found.push(count);
            }
        }
        found.resize(self.budget, count);
        let refit_seconds = match seconds.len() {
            0 => None,
            fits => Some(seconds.iter().sum::<f64>() / fits as f64),
        };
        Ok(Some(Discovery { found, refit_seconds, seconds: kind }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_train::labelling::QueryStrategy;

    /// Runs an analyst on rows whose true labels are given as 1 for an anomaly, and returns the curve and the labels of each fit.
    fn work(
        truth: &[u8],
        (batch, budget): (usize, usize),
        rank: impl Fn(&[Label]) -> Vec<f32>,
    ) -> (Discovery, Vec<Vec<Label>>) {
        let truth: Vec<Label> =
            truth.iter().map(|&one| if one == 1 { Label::Anomaly } else { Label::Normal }).collect();
        let features = Array2::zeros((truth.len(), 1));
        let query = QueryStrategy::Top.into();
        let analyst = Analyst { truth: &truth, features: &features, query, batch, budget, seed: Seed(1) };
        let mut fits = Vec::new();
        let fit = |labels: &[Label]| {
            fits.push(labels.to_vec());
            Ok(rank(labels))
        };
        (analyst.work(fit, || false).unwrap().unwrap(), fits)
    }

    /// By hand: the first fit ranks rows from the first to the last, and every later one the other way round. Rows 0 and 1 are asked,
    /// then 7 and 6, then 5.
    #[test]
    fn an_analyst_asks_answers_and_fits_again() {
        let forwards = |labels: &[Label]| -> Vec<f32> {
            let sign = if labels.iter().all(|label| *label == Label::Unlabelled) { -1.0 } else { 1.0 };
            (0..8).map(|row| sign * row as f32).collect()
        };
        let (discovery, fits) = work(&[0, 1, 1, 0, 0, 1, 0, 1], (2, 5), forwards);
        assert_eq!(discovery.found, [0, 1, 2, 2, 3]);
        assert_eq!(fits.len(), 3);
        use Label::{Anomaly as A, Normal as N, Unlabelled as U};
        assert_eq!(fits[0], [U; 8]);
        assert_eq!(fits[1], [N, A, U, U, U, U, U, U]);
        assert_eq!(fits[2], [N, A, U, U, U, U, N, A]);
        assert!(discovery.refit_seconds.is_some());
    }

    #[test]
    fn the_curve_goes_on_when_all_anomalies_are_found_or_no_row_is_left() {
        let equal = |labels: &[Label]| vec![0.0; labels.len()];
        let (discovery, fits) = work(&[1, 0, 0, 0], (1, 3), equal);
        assert_eq!((discovery.found, fits.len()), (vec![1, 1, 1], 1));
        assert_eq!(discovery.refit_seconds, None, "no fit had a labelled anomaly");
        let (discovery, fits) = work(&[0, 1], (5, 7), equal);
        assert_eq!((discovery.found, fits.len()), (vec![0, 1, 1, 1, 1, 1, 1], 1));
    }

    #[test]
    fn an_analyst_stops_and_passes_on_errors() {
        let (truth, features) = ([Label::Anomaly, Label::Normal], Array2::zeros((2, 1)));
        let query = QueryStrategy::Top.into();
        let analyst = Analyst { truth: &truth, features: &features, query, batch: 1, budget: 2, seed: Seed(1) };
        assert_eq!(analyst.work(|_| Ok(vec![0.0; 2]), || true), Ok(None));
        assert_eq!(analyst.work(|_| Err("no fit".into()), || false), Err("no fit".into()));
    }
}
