//! Fitted detectors.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use anoonly_core::Seed;
use anoonly_core::scale::MinMaxScaler;
#[cfg(feature = "fit")]
use anoonly_models::SavedTensors;
use anoonly_models::graph::Graph;
use anoonly_models::kernels::Scorer;
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rayon::prelude::*;

use crate::ScoreError;
#[cfg(feature = "fit")]
use crate::detector::Detector;
use crate::history::History;

/// A detector that can score rows. It is a plain value without a backend in its type. A clone shares the weights.
#[derive(Clone, Debug)]
pub struct FittedDetector {
    #[cfg(feature = "fit")]
    pub(crate) detector: Detector,
    /// The seed of the fit, from which explanations draw orders of columns.
    pub(crate) seed: Seed,
    pub(crate) scaler: MinMaxScaler,
    pub(crate) history: History,
    pub(crate) ready: Arc<dyn Ready>,
    /// The form that scores rows in original units. It is made when rows are first scored.
    pub(crate) unscaled: Arc<OnceLock<Option<Scorer>>>,
}

/// Computes the scores of scaled points, `[points, columns]`, and their gradients, of the same shape as the points.
pub(crate) type GradientSource<'a> = Box<dyn Fn(Array2<f32>) -> Result<(Vec<f32>, Array2<f32>), ScoreError> + 'a>;

/// Scores scaled rows with all members of a stack, member after member, and the number of rows to score at a time.
#[cfg(feature = "fit")]
pub(crate) type StackedScore = (Box<dyn Fn(Array2<f32>) -> Vec<f32>>, usize);

/// The result of a fit. It holds everything that scoring needs, in the form that scoring needs. All rows it takes are scaled.
pub(crate) trait Ready: Any + Debug + Send + Sync {
    /// The form that scales and scores rows in one pass in plain memory, if there is one.
    fn scorer(&self) -> Option<&Scorer>;

    /// One score for each row. The rows are in standard layout.
    fn score(&self, rows: Array2<f32>) -> Vec<f32>;

    /// The number of weights that scoring reads once for each block of rows.
    fn values(&self) -> usize;

    /// The output of the layer before the score, `[rows, width]`; `None` for a method without such a layer.
    fn representation(&self, rows: Array2<f32>) -> Option<Array2<f32>>;

    /// Whether the score has a gradient.
    fn has_gradient(&self) -> bool;

    /// Prepares the gradient of the score.
    ///
    /// # Errors
    /// [`ScoreError::NoGradient`] when the score has none.
    fn gradients(&self) -> Result<GradientSource<'_>, ScoreError>;

    /// The steps of the score as plain data; `None` for a score that is not made of such steps.
    fn graph(&self) -> Option<Graph>;

    /// The tensors to save in a model file.
    #[cfg(feature = "fit")]
    fn save(&self) -> SavedTensors;

    /// Whether the network is on a GPU.
    #[cfg(feature = "fit")]
    fn is_on_gpu(&self) -> bool {
        false
    }

    /// Several networks of one method as one, this one among them; `None` unless all are networks on the same backend.
    #[cfg(feature = "fit")]
    fn stacked(&self, _members: &[&dyn Ready]) -> Option<StackedScore> {
        None
    }
}

/// The smallest number of rows in a block.
const MIN_BLOCK_ROWS: usize = 64;
/// The largest number of rows in a block.
const MAX_BLOCK_ROWS: usize = 2048;
/// The number of cells in a block: half a MiB, which stays in the cache of a core while a network works on it.
const BLOCK_CELLS: usize = 1 << 17;
/// The number of cells that a [`Scorer`] gets at a time when rows are scored in parallel.
const SCORER_CELLS: usize = 1 << 20;

impl FittedDetector {
    #[cfg(feature = "fit")]
    pub(crate) fn new(detector: Detector, scaler: MinMaxScaler, history: History, ready: impl Ready + 'static) -> Self {
        Self { seed: detector.seed, detector, scaler, history, ready: Arc::new(ready), unscaled: Arc::default() }
    }

    /// One anomaly score for each row of `features`, `[rows, columns]` in their original units. Higher means more anomalous.
    ///
    /// Every row of finite features has a finite score. A row may be so far from the training rows that the arithmetic of the
    /// method overflows. Its score is then [`f32::MAX`], the highest score there is.
    ///
    /// Blocks of rows are scored in parallel, in the rayon pool of the caller. The scores do not depend on the number of
    /// threads.
    ///
    /// # Errors
    /// When the number of columns differs from the training rows, or a value is NaN or infinite.
    pub fn score(&self, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
        let rows = match self.ready.scorer() {
            Some(_) => SCORER_CELLS / self.columns(),
            None => self.block_rows(),
        };
        let blocks = self.blocks(features, rows)?.into_par_iter();
        all_scores(blocks.map(|block| self.score_block(block)).collect(), features)
    }

    /// The same scores, computed on the calling thread alone. For callers that run many detectors in parallel.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_on_one_thread(&self, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
        let rows = match self.ready.scorer() {
            Some(_) => features.nrows(),
            None => self.block_rows(),
        };
        let blocks = self.blocks(features, rows)?.into_iter();
        all_scores(blocks.map(|block| self.score_block(block)).collect(), features)
    }

    /// The scores of a block of rows; `None` when a value is not finite.
    fn score_block(&self, block: ArrayView2<'_, f32>) -> Option<Vec<f32>> {
        let Some(scorer) = self.ready.scorer() else {
            return Some(self.ready.score(self.scaler.transform_finite(block)?));
        };
        let (cells, scaler) = (cells_by_row(block), self.scaler.by_row());
        let scaled = |rows: &[f32]| scorer.score(rows, |rows, to, stride| scaler.scale(rows, to, stride));
        let Some(unscaled) = self.unscaled() else { return scaled(&cells) };
        let mut scores = unscaled.score(&cells, |_, _, _| false)?;
        for (score, row) in scores.iter_mut().zip(cells.chunks_exact(self.columns())) {
            // A value that is not finite, or one so large that the product overflows before its scaling.
            if !score.is_finite() {
                *score = *scaled(row)?.first()?;
            }
        }
        Some(scores)
    }

    /// The scorer of rows in original units, if scaling its weights is as precise as scaling rows.
    fn unscaled(&self) -> Option<&Scorer> {
        let make = || {
            let graph = self.ready.graph().filter(Graph::is_dense)?;
            Scorer::unscaled(&graph, self.scaler.minimum(), &self.scaler.short_scale()?)
        };
        self.unscaled.get_or_init(make).as_ref()
    }

    /// The output of the layer before the score, `[rows, width]`; `None` for a method without such a layer.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn representation(&self, features: &Array2<f32>) -> Result<Option<Array2<f32>>, ScoreError> {
        let mut codes = Vec::new();
        for block in self.blocks(features, self.block_rows())? {
            let scaled = self.scaler.transform_finite(block).ok_or_else(|| not_finite(features))?;
            let Some(code) = self.ready.representation(scaled) else { return Ok(None) };
            codes.push(code);
        }
        let views: Vec<_> = codes.iter().map(|code| code.view()).collect();
        let joined = if views.is_empty() {
            Array2::zeros((0, 0))
        } else {
            concatenate(Axis(0), &views).expect("codes have one width")
        };
        Ok(Some(joined))
    }

    /// Whether a row in the middle of the range of the training rows has a finite score. After a fit it has; values from a file may be
    /// so large that every score overflows.
    pub(crate) fn scores_a_usual_row(&self) -> bool {
        let middle = Array2::from_elem((1, self.columns()), 0.5);
        self.ready.score(middle).iter().all(|score| score.is_finite())
    }

    /// The features in blocks of at most `rows` rows.
    pub(crate) fn blocks<'a>(
        &self,
        features: &'a Array2<f32>,
        rows: usize,
    ) -> Result<Vec<ArrayView2<'a, f32>>, ScoreError> {
        let (expected, found) = (self.columns(), features.ncols());
        if found != expected {
            return Err(ScoreError::Columns { expected, found });
        }
        Ok(features.axis_chunks_iter(Axis(0), rows.max(1)).collect())
    }

    /// The number of rows in a block. A network with many weights gets larger blocks, so that reading the weights once for each
    /// block costs little.
    fn block_rows(&self) -> usize {
        let cells = BLOCK_CELLS.max(self.ready.values());
        (cells / self.columns()).clamp(MIN_BLOCK_ROWS, MAX_BLOCK_ROWS)
    }

    /// The number of feature columns.
    pub fn columns(&self) -> usize {
        self.scaler.columns()
    }

    /// The scaling that is applied to the features before the method.
    pub fn scaler(&self) -> &MinMaxScaler {
        &self.scaler
    }

    /// The steps from a scaled row to its score as plain data; `None` for a score that is not made of such steps.
    pub fn graph(&self) -> Option<Graph> {
        self.ready.graph()
    }

    /// Whether the score has a gradient. It decides how [`attributions`](Self::attributions) explains the score.
    pub fn has_gradient(&self) -> bool {
        self.ready.has_gradient()
    }

    /// The configuration that was fitted.
    #[cfg(feature = "fit")]
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The record of the training loop.
    pub fn history(&self) -> &History {
        &self.history
    }
}

/// The cells of a block, row by row.
fn cells_by_row(block: ArrayView2<'_, f32>) -> Cow<'_, [f32]> {
    match block.to_slice() {
        Some(cells) => Cow::Borrowed(cells),
        None => Cow::Owned(block.iter().copied().collect()),
    }
}

/// The scores of all blocks. `None` stands for a block with a value that is not finite.
fn all_scores(blocks: Option<Vec<Vec<f32>>>, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
    let mut scores = blocks.map(|blocks| blocks.concat()).ok_or_else(|| not_finite(features))?;
    make_finite(&mut scores);
    Ok(scores)
}

/// Replaces scores that are not finite by the highest score there is (see [`FittedDetector::score`]).
pub(crate) fn make_finite(scores: &mut [f32]) {
    scores.iter_mut().filter(|score| !score.is_finite()).for_each(|score| *score = f32::MAX);
}

/// The error that names the first value that is not finite.
pub(crate) fn not_finite(features: &Array2<f32>) -> ScoreError {
    let bad = features.indexed_iter().find(|(_, value)| !value.is_finite());
    let (row, column) = bad.map_or((0, 0), |((row, column), _)| (row + 1, column + 1));
    ScoreError::NotFinite { row, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fitted_detector_can_be_shared_between_threads() {
        fn shared<T: Send + Sync + Clone + 'static>() {}
        shared::<FittedDetector>();
    }
}
