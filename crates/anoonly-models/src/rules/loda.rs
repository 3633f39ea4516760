//! LODA: rows that are rare in the histograms of many random projections.
//!
//! Pevný, "Loda: Lightweight on-line detector of anomalies", Machine Learning 2016.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host::{cells, parameter, tensor, unlabelled};
use crate::tools::histogram::Bins;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of LODA. The score of a row is the mean of `−ln p` over the projections, `p` being the share of unlabelled rows in
/// the bin that its projection falls in; beyond the range, in the bin at that end. Each projection has `√columns` weights other
/// than 0, drawn from the standard normal distribution.
///
/// Departs from PyOD, which looks a value up one bin above its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LodaConfig {
    /// Projections.
    pub cuts: usize,
    /// Bins of each, of equal width.
    pub bins: usize,
}

impl Default for LodaConfig {
    fn default() -> Self {
        Self { cuts: 100, bins: 10 }
    }
}

/// Added to the number of rows in a bin, so that an empty one has a logarithm.
const EMPTY: f64 = 1e-12;

impl Method for LodaConfig {
    type Network<B: Backend> = Loda<B>;

    const INFO: MethodInfo =
        MethodInfo { name: "loda", title: "LODA", kind: Kind::Unsupervised, source: "Pevný, Machine Learning 2016" };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).at_least_one("cuts", self.cuts).at_least_one("bins", self.bins).done()
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        columns.saturating_add(self.bins).saturating_add(2).saturating_mul(self.cuts)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Loda<B> {
        let (rows, columns, device) = (unlabelled(data), data.columns(), data.rows.device());
        let kept = columns.isqrt();
        let mut order: Vec<usize> = (0..columns).collect();
        let mut projections = vec![0.0f32; self.cuts * columns];
        let (mut ends, mut rarities) = (Vec::new(), Vec::new());
        for projection in projections.chunks_exact_mut(columns) {
            for &column in order.partial_shuffle(rng, kept).0.iter() {
                projection[column] = rng.sample::<f64, _>(StandardNormal) as f32;
            }
            let values = Cut::new(projection).of(&rows, columns);
            let range = Bins::ends(values.iter().copied());
            let counts = Bins::new(range, self.bins).counts(values.iter().copied());
            let whole = values.len() as f64 + EMPTY * self.bins as f64;
            ends.extend(range);
            rarities.extend(counts.into_iter().map(|count| -((count as f64 + EMPTY) / whole).ln() as f32));
        }
        Loda {
            projections: parameter(projections, [self.cuts, columns], &device),
            ends: parameter(ends, [self.cuts, 2], &device),
            rarities: parameter(rarities, [self.cuts, self.bins], &device),
        }
    }
}

/// The weights of a projection other than 0.
struct Cut(Vec<(usize, f32)>);

impl Cut {
    fn new(projection: &[f32]) -> Self {
        Self(projection.iter().copied().enumerate().filter(|(_, weight)| *weight != 0.0).collect())
    }

    /// The projections of rows, each summed by itself and in one order: a row comes into the same bin wherever it stands.
    fn of(&self, rows: &[f32], columns: usize) -> Vec<f32> {
        let project = |row: &[f32]| {
            self.0.iter().map(|&(column, weight)| f64::from(weight) * f64::from(row[column])).sum::<f64>() as f32
        };
        rows.chunks_exact(columns).map(project).collect()
    }
}

/// The projections, `[cuts, columns]`, the range of each, `[cuts, 2]`, and `−ln` of the share of rows in each of its bins,
/// `[cuts, bins]`.
#[derive(Module, Debug)]
pub struct Loda<B: Backend> {
    projections: Param<Tensor<B, 2>>,
    ends: Param<Tensor<B, 2>>,
    rarities: Param<Tensor<B, 2>>,
}

impl<B: Backend> Network<B> for Loda<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let [cuts, width] = self.rarities.val().dims();
        let (projections, ends, rarities) =
            (cells(self.projections.val()), cells(self.ends.val()), cells(self.rarities.val()));
        let (rows, mut scores) = (cells(rows), vec![0.0f64; count]);
        let bins = ends.chunks_exact(2).zip(rarities.chunks_exact(width));
        for (projection, (ends, rarities)) in projections.chunks_exact(columns).zip(bins) {
            let bins = Bins::new([ends[0], ends[1]], width);
            let values = Cut::new(projection).of(&rows, columns);
            scores.iter_mut().zip(values).for_each(|(score, value)| *score += f64::from(rarities[bins.of(value)]));
        }
        tensor(scores.into_iter().map(|score| (score / cuts as f64) as f32).collect(), [count], &device)
    }
}
