//! Scorers of rows in original units.

use super::{PreparedStep, RowShape, Scorer, Weights};
use crate::graph::{Graph, Matrix, Step};

/// The largest distance of a column from 0, in units of its range, at which rows need no scaling before their product. Rounding errors are
/// at most so many times as large.
const MOST_RANGES: f32 = 8.0;

impl Scorer {
    /// Prepares a graph for rows in original units, which are scaled by `(x − minimum) · scale`: the weights of the first product are
    /// scaled once instead.
    ///
    /// `None` if another step takes the rows, too, or if a column's smallest value is large compared with its range. Such a column
    /// would cancel in the product.
    pub fn unscaled(graph: &Graph, minimum: &[f32], scale: &[f32]) -> Option<Self> {
        let columns = minimum.len();
        let takes_rows = |step: &&Step| step.takes().iter().any(|of| of.index() == 0);
        let (first, others) = graph.steps().split_first()?;
        let Step::Linear { of, weight, bias } = first else { return None };
        let cancels = minimum.iter().zip(scale).any(|(minimum, scale)| minimum.abs() * scale > MOST_RANGES);
        if of.index() != 0 || others.iter().any(|step| takes_rows(&step)) || cancels {
            return None;
        }
        let outputs = weight.shape[1];
        let mut cells = weight.cells.clone();
        let mut shift = vec![0.0; outputs];
        for ((row, minimum), scale) in cells.chunks_exact_mut(outputs).zip(minimum).zip(scale) {
            let lowest = f64::from(*minimum) * f64::from(*scale);
            for (cell, shift) in row.iter_mut().zip(&mut shift) {
                *shift += lowest * f64::from(*cell);
                *cell *= scale;
            }
        }
        let bias = bias.clone().unwrap_or_else(|| vec![0.0; outputs]);
        let bias = bias.iter().zip(shift).map(|(bias, shift)| (f64::from(*bias) - shift) as f32).collect();
        let mut folded = Graph::default();
        folded.linear(Graph::ROWS, Matrix { shape: weight.shape, cells }, Some(bias));
        others.iter().for_each(|step| {
            folded.then(step.clone());
        });
        let mut scorer = Self::new(&folded, columns);
        // The rows have no padding.
        if let Some(PreparedStep::Dense(_, Weights::Dots(weights, _), _)) = scorer.steps.first_mut() {
            let stride = RowShape::new(columns).stride;
            *weights = weights.chunks_exact(stride).flat_map(|row| &row[..columns]).copied().collect();
        }
        Some(Self { unscaled: true, ..scorer })
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::super::{FEW, MOST, TALL};
    use super::*;
    use crate::Network;
    use crate::graph::tests::{networks, rows};
    use crate::kernels::scorer;

    /// Rows in original units have the scores of their scaled rows, and NaN where a product overflows, whatever the other rows are.
    #[test]
    fn scaled_weights_match_scaled_rows() {
        let mut prepared = 0;
        for columns in [3, 70, FEW + 5] {
            let minimum: Vec<f32> = (0..columns).map(|column| (column % 7) as f32 - 3.0).collect();
            let scale: Vec<f32> = (0..columns).map(|column| 1.0 / (1.0 + (column % 5) as f32)).collect();
            for (method, network) in networks(columns) {
                let graph = network.graph().unwrap();
                let Some(unscaled) = Scorer::unscaled(&graph, &minimum, &scale) else { continue };
                prepared += 1;
                let count = MOST + TALL + 5;
                let scaled: Vec<f32> = rows(count, columns, 2).into_data().iter::<f32>().collect();
                let ranges = minimum.iter().zip(&scale).cycle();
                let mut cells: Vec<f32> =
                    scaled.iter().zip(ranges).map(|(cell, (minimum, scale))| cell / scale + minimum).collect();
                let copy = |rows: &[f32], scaled: &mut [f32], stride: usize| {
                    for (row, scaled) in rows.chunks_exact(columns).zip(scaled.chunks_exact_mut(stride)) {
                        scaled[..columns].copy_from_slice(row);
                    }
                    true
                };
                let expected = scorer(&network, columns).unwrap().score(&scaled, copy).unwrap();
                let scores = unscaled.score(&cells, copy).unwrap();
                let largest = expected.iter().fold(0.0f32, |largest, score| largest.max(score.abs()));
                for (ours, theirs) in scores.iter().zip(&expected) {
                    assert!((ours - theirs).abs() <= 2e-5 * (1.0 + largest), "{method:?}: {ours} and {theirs}");
                }
                cells[7 * columns + 1] = f32::INFINITY;
                cells[9 * columns + 2] = f32::NAN;
                for (row, (found, score)) in unscaled.score(&cells, copy).unwrap().iter().zip(&scores).enumerate() {
                    assert!(
                        if [7, 9].contains(&row) { found.is_nan() } else { found == score },
                        "{method:?}, row {row}"
                    );
                }
                // The smallest value of a column is far from 0.
                let far = [vec![1e4], minimum[1..].to_vec()].concat();
                assert!(Scorer::unscaled(&graph, &far, &scale).is_none());
            }
        }
        assert!(prepared > 30, "{prepared} networks start with a product");
    }
}
