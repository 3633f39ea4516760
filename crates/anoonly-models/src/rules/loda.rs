//! LODA: rows that are rare in the histograms of many random projections.
//!
//! Pevný, "Loda: Lightweight on-line detector of anomalies", Machine Learning 2016.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
#[cfg(feature = "fit")]
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{GeneralStep, Graph, LookupTable, Matrix};
use crate::kernels::vectorised;
use crate::tools::columns::transpose;
#[cfg(feature = "fit")]
use crate::tools::columns::transposed_of;
use crate::tools::histogram::Bins;
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of LODA. The score of a row is the mean of `−ln p` over the projections, where `p` is the share of unlabelled rows in
/// the bin of the row's projection. A value outside the range belongs to the first or the last bin. Each projection has `√columns`
/// non-zero weights, drawn from the standard normal distribution.
///
/// Departs from PyOD, which looks a value up one bin above its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LodaConfig {
    /// The number of projections.
    pub cuts: usize,
    /// The number of bins of each projection; they have equal widths.
    pub bins: usize,
}

impl Default for LodaConfig {
    fn default() -> Self {
        Self { cuts: 100, bins: 10 }
    }
}

/// Rows that are projected at a time.
const BLOCK: usize = 256;
/// Added to the number of rows in a bin, so that an empty bin has a logarithm.
const EMPTY: f64 = 1e-12;

impl Method for LodaConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "loda",
        title: "LODA",
        kind: MethodKind::Unsupervised,
        source: "Pevný, Machine Learning 2016",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).parts("cuts", self.cuts).parts("bins", self.bins).done()
    }
}

impl RuleMethod for LodaConfig {
    type Fitted = Loda;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> Loda {
        let (columns, rows) = (data.columns, data.others.len());
        let by_column = transposed_of(&data.rows, columns, &data.others);
        let mut values = vec![0.0; rows];
        let kept = columns.isqrt();
        let mut order: Vec<usize> = (0..columns).collect();
        let mut cuts = Vec::with_capacity(self.cuts);
        for _ in 0..self.cuts {
            let mut projection = vec![0.0f32; columns];
            for &column in order.partial_shuffle(rng, kept).0.iter() {
                projection[column] = rng.sample::<f64, _>(StandardNormal) as f32;
            }
            let weights = non_zero(&projection);
            for first in (0..rows).step_by(BLOCK) {
                let last = rows.min(first + BLOCK);
                project(&weights, |column| &by_column[column * rows..][first..last], &mut values[first..last]);
            }
            let ends = Bins::ends(&values);
            let counts = Bins::new(ends, self.bins).counts(&values);
            let total = values.len() as f64 + EMPTY * self.bins as f64;
            let rarities = counts.into_iter().map(|count| -((count as f64 + EMPTY) / total).ln() as f32).collect();
            cuts.push(Cut { weights, ends, rarities });
        }
        Loda { columns, cuts }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Loda, String> {
        let projections = saved.take("projections", &[self.cuts, columns])?;
        let ends = saved.take("ends", &[self.cuts, 2])?;
        let rarities = saved.take("rarities", &[self.cuts, self.bins])?;
        Bins::check(&ends)?;
        let ends = ends.chunks_exact(2).map(|ends| [ends[0], ends[1]]);
        let cuts = projections.chunks_exact(columns).zip(ends).zip(rarities.chunks_exact(self.bins));
        let cut = |((projection, ends), rarities): ((&[f32], [f32; 2]), &[f32])| Cut {
            weights: non_zero(projection),
            ends,
            rarities: rarities.to_vec(),
        };
        Ok(Loda { columns, cuts: cuts.map(cut).collect() })
    }
}

/// A projection and its histogram.
#[derive(Clone, Debug)]
struct Cut {
    /// The columns with a non-zero weight, and their weights.
    weights: Vec<(usize, f32)>,
    /// The range of the unlabelled rows' projections.
    ends: [f32; 2],
    /// `−ln` of the share of unlabelled rows in each bin, `[bins]`.
    rarities: Vec<f32>,
}

/// The non-zero weights of a projection, `[columns]`, with their columns.
fn non_zero(projection: &[f32]) -> Vec<(usize, f32)> {
    projection.iter().copied().enumerate().filter(|(_, weight)| *weight != 0.0).collect()
}

/// Writes the projections of at most [`BLOCK`] rows, given by column. The order of a row's sum is fixed, so that it always falls into the
/// same bin.
fn project<'a>(weights: &[(usize, f32)], of_column: impl Fn(usize) -> &'a [f32], values: &mut [f32]) {
    vectorised!({
        let mut sums = [0.0f64; BLOCK];
        for &(column, weight) in weights {
            let weight = f64::from(weight);
            sums.iter_mut().zip(of_column(column)).for_each(|(sum, &cell)| *sum += weight * f64::from(cell));
        }
        values.iter_mut().zip(&sums).for_each(|(value, &sum)| *value = sum as f32);
    });
}

/// The projections with their histograms.
#[derive(Clone, Debug)]
pub struct Loda {
    columns: usize,
    cuts: Vec<Cut>,
}

impl FittedRule for Loda {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let mut scores = Vec::with_capacity(rows.count());
        let mut cells = vec![0.0; BLOCK * self.columns];
        let (mut sums, mut values, mut bins) = ([0.0f64; BLOCK], [0.0; BLOCK], [0; BLOCK]);
        for block in rows.blocks(BLOCK) {
            let count = block.count();
            let (cells, sums, values) = (&mut cells[..block.cells().len()], &mut sums[..count], &mut values[..count]);
            transpose(block.cells(), self.columns, cells);
            sums.fill(0.0);
            for cut in &self.cuts {
                project(&cut.weights, |column| &cells[column * count..][..count], values);
                Bins::new(cut.ends, cut.rarities.len()).find(values, &mut bins);
                sums.iter_mut().zip(&bins).for_each(|(sum, &bin)| *sum += f64::from(cut.rarities[bin as usize]));
            }
            scores.extend(sums.iter().map(|sum| (sum / self.cuts.len() as f64) as f32));
        }
        scores
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let count = self.cuts.len();
        let mut weight = vec![0.0; self.columns * count];
        for (place, cut) in self.cuts.iter().enumerate() {
            cut.weights.iter().for_each(|&(column, factor)| weight[column * count + place] = factor);
        }
        let wide = graph.widen(Graph::ROWS);
        let projected = graph.linear(wide, Matrix { shape: [self.columns, count], cells: weight }, None);
        let projected = graph.narrow(projected);
        let bins = self.cuts.first().map_or(0, |cut| cut.rarities.len());
        // A single bin has no start.
        let starts =
            self.cuts.iter().flat_map(|cut| Bins::new(cut.ends, bins).starts().chain([f32::MAX]).collect::<Vec<_>>());
        let knots = Matrix { shape: [count, bins], cells: starts.collect() };
        let bin = graph.general(GeneralStep::Rank { of: projected, knots, equal: true });
        let rarities = self.cuts.iter().flat_map(|cut| cut.rarities.iter().chain(cut.rarities.last()));
        let table =
            LookupTable { shape: [count, bins + 1], cells: rarities.map(|&rarity| f64::from(rarity)).collect() };
        let values = graph.general(GeneralStep::Lookup { at: bin, table });
        let sum = graph.sum(values);
        let mean = graph.affine(sum, 1.0 / count as f64, 0.0);
        graph.narrow(mean);
        Some(graph)
    }

    /// `projections`, `[cuts, columns]`, `ends`, `[cuts, 2]`, and `rarities`, `[cuts, bins]`.
    fn save(&self) -> SavedTensors {
        let mut projections = vec![0.0; self.cuts.len() * self.columns];
        for (projection, cut) in projections.chunks_exact_mut(self.columns).zip(&self.cuts) {
            cut.weights.iter().for_each(|&(column, weight)| projection[column] = weight);
        }
        let ends = self.cuts.iter().flat_map(|cut| cut.ends).collect();
        let rarities: Vec<f32> = self.cuts.iter().flat_map(|cut| &cut.rarities).copied().collect();
        let count = self.cuts.len();
        SavedTensors::default()
            .with("projections", &[count, self.columns], projections)
            .with("ends", &[count, 2], ends)
            .with("rarities", &[count, rarities.len() / count.max(1)], rarities)
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{check_saving, data};

    #[test]
    fn saved_histograms_score_the_same_bits() {
        let names: [(&str, &[usize]); 3] = [("ends", &[9, 2]), ("projections", &[9, 5]), ("rarities", &[9, 4])];
        check_saving(&LodaConfig { cuts: 9, bins: 4 }, &data(40, 3, 5), &names);
    }
}
