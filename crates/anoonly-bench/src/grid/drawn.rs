//! The splits of a grid with their rows.

use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::protocol::Trial;
use anoonly_core::synthetic::Synthetic;
use anoonly_core::{Digest, FeatureDigest, Label};
use rayon::prelude::*;

use super::{Grid, json};
use crate::summary::Setting;
use crate::{BenchError, Row, Strategy, synthetic_name};

/// What the training and test rows of a split are drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SplitSource {
    /// The index of the data set.
    pub dataset: usize,
    /// The index of the seed.
    pub seed: usize,
    /// How many training anomalies stay labelled.
    pub budget: LabelBudget,
    /// The change to the training rows.
    pub noise: Noise,
    /// The kind of synthetic rows, if any.
    pub synthetic: Option<Synthetic>,
    /// The index in the rows of the grid.
    pub rows: usize,
    /// The number of runs of methods in the grid up to the last one on this split.
    pub end: usize,
}

impl SplitSource {
    /// The values that all runs of one table share.
    pub fn setting(&self) -> Setting {
        Setting { budget: self.budget, noise: self.noise, synthetic: self.synthetic }
    }
}

/// A split with its rows.
pub(crate) struct DrawnSplit<'a> {
    pub source: &'a SplitSource,
    /// The training and test rows.
    pub trial: &'a Trial,
    /// The digests of the features of both sides.
    pub train: Digest,
    pub test: Digest,
    /// The row of a run that has not been measured yet, without a model and a strategy.
    pub row: Row,
    /// Whether the details of runs on the split are kept.
    pub detailed: bool,
}

impl DrawnSplit<'_> {
    /// The digest of everything that makes up the split: its name and settings, the rows of both sides, the labels of the training rows
    /// and the truth of the test rows. It depends neither on the program nor on a method.
    pub fn key(&self) -> Digest {
        let Row { dataset, protocol, budget, noise, synthetic, seed, .. } = &self.row;
        let name = json(&(dataset, protocol, budget, noise, synthetic_name(*synthetic), seed));
        let bytes = |labels: &[Label]| labels.iter().map(|&label| label as u8).collect::<Vec<u8>>();
        let [train, test] = [&self.trial.train, &self.trial.test].map(|side| bytes(side.labels()));
        Digest::of_parts([&name[..], &self.train.bytes()[..], &train, &self.test.bytes()[..], &test])
    }
}

impl Grid {
    /// Draws every split of the whole grid, in parallel over data sets and seeds, and passes it to `work`. The results have the order of
    /// the splits.
    ///
    /// # Errors
    /// The first error of `work`, or when a split cannot be drawn.
    pub(crate) fn each_split<T: Send>(
        &self,
        work: impl Fn(&DrawnSplit<'_>) -> Result<T, BenchError> + Sync,
    ) -> Result<Vec<T>, BenchError> {
        let groups: Vec<&[SplitSource]> = self.splits.chunk_by(|a, b| a.rows == b.rows).collect();
        let of_group = |group: &&[SplitSource]| {
            let mut before: Option<(Trial, Digest, Digest)> = None;
            let mut results = Vec::new();
            for source in *group {
                let failed = |reason| {
                    let (dataset, seed) = (&self.datasets[source.dataset].name, self.plan.seeds[source.seed].0);
                    BenchError::Split { dataset: dataset.clone(), seed, reason }
                };
                let trial = self.trial(source).map_err(failed)?;
                let row = self.row(source, Some(&trial), "", &Strategy::none());
                // Splits that differ in their labels only share their rows, which need no further digest.
                let same = |other: &Trial| {
                    other.train.features() == trial.train.features() && other.test.features() == trial.test.features()
                };
                let (train, test) = match before {
                    Some((ref other, train, test)) if same(other) => (train, test),
                    _ => {
                        let [train, test] = [&trial.train, &trial.test].map(|side| FeatureDigest::of(side.features()));
                        (train.digest(), test.digest())
                    }
                };
                let detailed = self.detailed(source);
                results.push(work(&DrawnSplit { source, trial: &trial, train, test, row, detailed })?);
                before = Some((trial, train, test));
            }
            // Synthetic rows are large; runs make them again.
            group.iter().for_each(|source| self.rows[source.rows].forget());
            Ok(results)
        };
        let results: Vec<Result<Vec<T>, BenchError>> = groups.par_iter().map(of_group).collect();
        let results: Vec<Vec<T>> = results.into_iter().collect::<Result<_, _>>()?;
        Ok(results.into_iter().flatten().collect())
    }
}
