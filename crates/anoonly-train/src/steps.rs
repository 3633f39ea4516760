//! Networks that are known by the steps of their scores. They need no backend.

use anoonly_models::RowBlock;
#[cfg(feature = "fit")]
use anoonly_models::SavedTensors;
use anoonly_models::graph::{Graph, GraphGradient};
use anoonly_models::kernels::Scorer;
use ndarray::Array2;

use crate::ScoreError;
use crate::fitted::{GradientSource, Ready};

/// A network as the steps of its score.
#[derive(Debug)]
pub(crate) struct ReadySteps {
    graph: Graph,
    columns: usize,
    scorer: Scorer,
    gradient: GraphGradient,
    /// The tensors of the network.
    #[cfg(feature = "fit")]
    pub saved: SavedTensors,
}

impl ReadySteps {
    /// For rows with `columns` columns.
    pub fn new(graph: Graph, columns: usize, #[cfg(feature = "fit")] saved: SavedTensors) -> Self {
        let (scorer, gradient) = (Scorer::new(&graph, columns), GraphGradient::new(&graph, columns));
        Self {
            graph,
            columns,
            scorer,
            gradient,
            #[cfg(feature = "fit")]
            saved,
        }
    }
}

/// The gradients of steps, for explanations.
pub(crate) fn gradients_of_steps(gradient: &GraphGradient) -> GradientSource<'_> {
    Box::new(move |points| {
        let shape = points.raw_dim();
        let cells = points.into_raw_vec_and_offset().0;
        let (scores, gradients) = gradient.of(RowBlock::new(&cells, shape[1]));
        Ok((scores, Array2::from_shape_vec(shape, gradients).map_err(|_| ScoreError::NoGradient)?))
    })
}

impl Ready for ReadySteps {
    fn scorer(&self) -> Option<&Scorer> {
        Some(&self.scorer)
    }

    fn score(&self, rows: Array2<f32>) -> Vec<f32> {
        let copy = |rows: &[f32], scaled: &mut [f32], stride: usize| {
            for (row, scaled) in rows.chunks_exact(self.columns).zip(scaled.chunks_exact_mut(stride)) {
                scaled[..self.columns].copy_from_slice(row);
            }
            true
        };
        self.scorer.score(&rows.into_raw_vec_and_offset().0, copy).unwrap_or_default()
    }

    fn values(&self) -> usize {
        0
    }

    fn representation(&self, _rows: Array2<f32>) -> Option<Array2<f32>> {
        None
    }

    fn has_gradient(&self) -> bool {
        true
    }

    fn gradients(&self) -> Result<GradientSource<'_>, ScoreError> {
        Ok(gradients_of_steps(&self.gradient))
    }

    fn graph(&self) -> Option<Graph> {
        Some(self.graph.clone())
    }

    #[cfg(feature = "fit")]
    fn save(&self) -> SavedTensors {
        self.saved.clone()
    }
}
