//! HBOS: rows with values that are rare in the histograms of their columns.
//!
//! Goldstein and Dengel, "Histogram-based Outlier Score (HBOS): A fast Unsupervised Anomaly Detection Algorithm", KI 2012.

use std::ops::Range;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{GeneralStep, Graph, LookupTable, Matrix, Value};
use crate::tools::columns::transpose;
#[cfg(feature = "fit")]
use crate::tools::columns::transposed_of;
use crate::tools::histogram::{Bins, at_least};
use crate::{ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleMethod, SavedTensors};

/// Configuration of HBOS. The score of a row is `−Σ log₂(density + alpha)` over its columns.
///
/// Differs from PyOD for a value on the edge between two bins: here it has the density of the bin in which the fit counted it, in PyOD
/// that of the bin below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HbosConfig {
    /// The number of bins of each column. They have equal width.
    pub bins: usize,
    /// Added to a density, so that an empty bin has a finite score.
    pub alpha: f64,
    /// How far outside the range a value still counts as inside it, in bin widths. A value farther out has the smallest density of the
    /// column.
    pub tolerance: f64,
}

impl Default for HbosConfig {
    fn default() -> Self {
        Self { bins: 10, alpha: 0.1, tolerance: 0.5 }
    }
}

/// Rows that are scored at a time.
const BLOCK: usize = 256;

impl Method for HbosConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "hbos",
        title: "HBOS",
        kind: MethodKind::Unsupervised,
        source: "Goldstein, Dengel, KI 2012",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .parts("bins", self.bins)
            .positive("alpha", self.alpha)
            .not_negative("tolerance", self.tolerance)
            .done()
    }
}

impl RuleMethod for HbosConfig {
    type Fitted = Hbos;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Hbos {
        let by_column = transposed_of(&data.rows, data.columns, &data.others);
        let (mut ends, mut rarities) = (Vec::new(), Vec::new());
        for values in by_column.chunks_exact(data.others.len()) {
            let range = Bins::ends(values);
            let bins = Bins::new(range, self.bins);
            let whole = data.others.len() as f64 * bins.width();
            let rarity = |count: usize| -(count as f64 / whole + self.alpha).log2() as f32;
            ends.extend(range);
            rarities.extend(bins.counts(values).into_iter().map(rarity));
        }
        Hbos::new(ends, rarities, self)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Hbos, String> {
        let (ends, rarities) = (saved.take("ends", &[columns, 2])?, saved.take("rarities", &[columns, self.bins])?);
        Bins::check(&ends)?;
        Ok(Hbos::new(ends, rarities, self))
    }
}

/// The histograms of all columns.
#[derive(Debug)]
pub struct Hbos {
    /// The range of each column, `[columns, 2]`.
    ends: Vec<f32>,
    /// `−log₂(density + alpha)` of each bin, `[columns, bins]`.
    rarities: Vec<f32>,
    /// One for each column.
    columns: Vec<Column>,
}

/// A column, ready to score values.
#[derive(Debug)]
struct Column {
    bins: Bins,
    /// The values that count as inside the range.
    inside: Range<f64>,
    /// The score of a value outside.
    rarest: f32,
}

impl Hbos {
    /// From ranges `[columns, 2]` and the scores of bins `[columns, bins]`.
    fn new(ends: Vec<f32>, rarities: Vec<f32>, config: &HbosConfig) -> Self {
        let column = |(ends, rarities): (&[f32], &[f32])| {
            let bins = Bins::new([ends[0], ends[1]], config.bins);
            let rarest = rarities.iter().copied().fold(f32::MIN, f32::max);
            Column { bins, inside: bins.reach(config.tolerance), rarest }
        };
        let columns = ends.chunks_exact(2).zip(rarities.chunks_exact(config.bins)).map(column).collect();
        Self { ends, rarities, columns }
    }
}

impl Hbos {
    /// Adds its steps to a graph.
    pub(crate) fn describe(&self, graph: &mut Graph) -> Value {
        let (count, bins) = (self.columns.len(), self.rarities.len() / self.columns.len());
        let (mut knots, mut cells) = (Vec::new(), Vec::new());
        for (column, rarities) in self.columns.iter().zip(self.rarities.chunks_exact(bins)) {
            // Where the range starts, where each further bin starts, and where values above the range start.
            knots.push(at_least(column.inside.start));
            knots.extend(column.bins.starts());
            let above = at_least(column.inside.end);
            knots.push(if f64::from(above) == column.inside.end { above.next_up() } else { above });
            cells.extend([column.rarest].iter().chain(rarities).chain([&column.rarest]).map(|&cell| f64::from(cell)));
        }
        let knots = Matrix { shape: [count, bins + 1], cells: knots };
        let bin = graph.general(GeneralStep::Rank { of: Graph::ROWS, knots, equal: true });
        let table = LookupTable { shape: [count, bins + 2], cells };
        let rarities = graph.general(GeneralStep::Lookup { at: bin, table });
        let sum = graph.sum(rarities);
        graph.narrow(sum)
    }
}

impl FittedRule for Hbos {
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let width = self.rarities.len() / self.columns.len();
        let mut scores = Vec::with_capacity(rows.count());
        let (mut cells, mut sums, mut bins) = (vec![0.0; BLOCK * rows.columns()], [0.0f64; BLOCK], [0; BLOCK]);
        for block in rows.blocks(BLOCK) {
            let (cells, sums) = (&mut cells[..block.cells().len()], &mut sums[..block.count()]);
            transpose(block.cells(), block.columns(), cells);
            sums.fill(0.0);
            let columns = self.columns.iter().zip(self.rarities.chunks_exact(width));
            for ((column, rarities), values) in columns.zip(cells.chunks_exact(block.count())) {
                column.bins.find(values, &mut bins);
                for ((sum, &value), &bin) in sums.iter_mut().zip(values).zip(&bins) {
                    let value = f64::from(value);
                    let inside = value >= column.inside.start && value <= column.inside.end;
                    let rarity = rarities[bin as usize];
                    *sum += f64::from(if inside { rarity } else { column.rarest });
                }
            }
            scores.extend(sums.iter().map(|&sum| sum as f32));
        }
        scores
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        self.describe(&mut graph);
        Some(graph)
    }

    fn save(&self) -> SavedTensors {
        let columns = self.columns.len();
        let bins = self.rarities.len() / columns;
        SavedTensors::default().with("ends", &[columns, 2], self.ends.clone()).with(
            "rarities",
            &[columns, bins],
            self.rarities.clone(),
        )
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    /// By hand: one column of ten values in two bins, nine of them in the lower one.
    #[test]
    fn values_in_an_emptier_bin_or_far_outside_score_higher() {
        let rows = [0.0, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4, 2.0].to_vec();
        let data = RuleData { rows, columns: 1, others: (0..10).collect(), anomalies: Vec::new(), normals: Vec::new() };
        let config = HbosConfig { bins: 2, alpha: 0.1, tolerance: 0.5 };
        let hbos = config.fit(&data, &mut Seed(1).stream(&[]));
        let (common, rare) = (0.0, -(0.2f32.log2()));
        let rows = RowBlock::new(&[0.5, 1.0, -0.5, -0.51, 9.0], 1);
        for (ours, expected) in hbos.score(rows).into_iter().zip([common, rare, common, rare, rare]) {
            assert!((ours - expected).abs() < 1e-6, "{ours}, not {expected}");
        }
        let restored = config.restore(1, &mut hbos.save()).unwrap();
        assert_eq!(restored.score(rows), hbos.score(rows));
        assert!(HbosConfig { bins: 3, ..config }.restore(1, &mut hbos.save()).unwrap_err().contains("rarities"));
    }
}
