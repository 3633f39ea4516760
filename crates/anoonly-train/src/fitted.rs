//! Fitted detectors.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use anoonly_core::scale::MinMaxScaler;
use anoonly_models::SavedTensors;
use anoonly_models::graph::Graph;
use anoonly_models::kernels::Scorer;
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rayon::prelude::*;

use crate::ScoreError;
use crate::detector::{Detector, History};

/// A detector that can score rows. It is a plain value, whatever backend it was fitted on; a clone shares the weights.
#[derive(Clone, Debug)]
pub struct FittedDetector {
    pub(crate) detector: Detector,
    pub(crate) scaler: MinMaxScaler,
    pub(crate) history: History,
    pub(crate) ready: Arc<dyn Ready>,
}

/// The scores of scaled points, `[points, columns]`, and their gradients.
pub(crate) type GradientSource<'a> = Box<dyn Fn(Array2<f32>) -> Result<(Vec<f32>, Array2<f32>), ScoreError> + 'a>;

/// What a fit makes: it holds everything that scoring needs, in the form in which scoring needs it. Rows are scaled.
pub(crate) trait Ready: Debug + Send + Sync {
    /// The form that scores in plain memory, with the scaling in the same pass; none where there is no such form.
    fn scorer(&self) -> Option<&Scorer>;

    /// One score a row, for rows in standard layout.
    fn score(&self, rows: Array2<f32>) -> Vec<f32>;

    /// The number of values that scoring goes through once a block.
    fn values(&self) -> usize;

    /// The output of the layer before the score, `[rows, width]`.
    fn representation(&self, rows: Array2<f32>) -> Option<Array2<f32>>;

    /// Whether the score has a gradient.
    fn has_gradient(&self) -> bool;

    /// Prepares the gradient of the score.
    ///
    /// # Errors
    /// [`ScoreError::NoGradient`] when the score has none.
    fn gradients(&self) -> Result<GradientSource<'_>, ScoreError>;

    /// The steps of the score as plain data.
    fn graph(&self) -> Option<Graph>;

    /// Its tensors.
    fn save(&self) -> SavedTensors;
}

/// Rows scored at a time, at most and at least.
const BLOCK: std::ops::RangeInclusive<usize> = 64..=2048;
/// Cells scored at a time, half a MiB: they stay in the cache of a core while a network works on them.
const CELLS: usize = 1 << 17;
/// Cells that are scored in plain memory at a time, in parallel.
const PART: usize = 1 << 20;

impl FittedDetector {
    pub(crate) fn new(detector: Detector, scaler: MinMaxScaler, history: History, ready: impl Ready + 'static) -> Self {
        Self { detector, scaler, history, ready: Arc::new(ready) }
    }

    /// One anomaly score a row, for features of shape `[rows, columns]` in their original units; higher means more anomalous.
    /// Blocks of rows are scored in parallel, on the threads of the rayon pool this is called in; the scores do not depend on
    /// their number.
    ///
    /// # Errors
    /// When the number of columns is not that of the rows fitted on, or a value or a score is NaN or infinite.
    pub fn score(&self, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
        let rows = match self.ready.scorer() {
            Some(_) => PART / self.columns(),
            None => self.block(),
        };
        let blocks = self.blocks(features, rows)?.into_par_iter();
        all_scores(blocks.map(|block| self.score_block(block)).collect(), features)
    }

    /// The same scores on the calling thread alone, as wanted where many detectors are at work side by side.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_on_one_thread(&self, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
        let rows = match self.ready.scorer() {
            Some(_) => features.nrows(),
            None => self.block(),
        };
        let blocks = self.blocks(features, rows)?.into_iter();
        all_scores(blocks.map(|block| self.score_block(block)).collect(), features)
    }

    /// The scores of a block; none where a value is not finite.
    fn score_block(&self, block: ArrayView2<'_, f32>) -> Option<Vec<f32>> {
        match self.ready.scorer() {
            Some(scorer) => {
                let scaler = self.scaler.by_row();
                scorer.score(&standard(block), |rows, to, stride| scaler.scale(rows, to, stride))
            }
            None => Some(self.ready.score(self.scaler.transform_finite(block)?)),
        }
    }

    /// The output of the layer before the score for each row, `[rows, width]`; none for a method without such a layer.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn representation(&self, features: &Array2<f32>) -> Result<Option<Array2<f32>>, ScoreError> {
        let mut codes = Vec::new();
        for block in self.blocks(features, self.block())? {
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

    fn blocks<'a>(&self, features: &'a Array2<f32>, rows: usize) -> Result<Vec<ArrayView2<'a, f32>>, ScoreError> {
        match features.ncols() == self.scaler.columns() {
            true => Ok(features.axis_chunks_iter(Axis(0), rows.max(1)).collect()),
            false => Err(ScoreError::Columns { expected: self.scaler.columns(), found: features.ncols() }),
        }
    }

    /// The rows of a block: of a network that is larger than [`CELLS`], enough that going through it once a block costs little
    /// beside the rows.
    fn block(&self) -> usize {
        let cells = CELLS.max(self.ready.values());
        (cells / self.columns()).clamp(*BLOCK.start(), *BLOCK.end())
    }

    /// The columns of the rows it was fitted on and can score.
    pub fn columns(&self) -> usize {
        self.scaler.columns()
    }

    /// The scaling of the features before the method.
    pub fn scaler(&self) -> &MinMaxScaler {
        &self.scaler
    }

    /// The steps from a scaled row to its score as plain data; none for a method that has no such steps.
    pub fn graph(&self) -> Option<Graph> {
        self.ready.graph()
    }

    /// Whether the score has a gradient, by which [`attributions`](Self::attributions) explains it.
    pub fn has_gradient(&self) -> bool {
        self.ready.has_gradient()
    }

    /// What was fitted.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// What the training loop recorded.
    pub fn history(&self) -> &History {
        &self.history
    }
}

/// The cells of a block, row by row.
fn standard(block: ArrayView2<'_, f32>) -> Cow<'_, [f32]> {
    match block.to_slice() {
        Some(cells) => Cow::Borrowed(cells),
        None => Cow::Owned(block.iter().copied().collect()),
    }
}

fn all_scores(blocks: Option<Vec<Vec<f32>>>, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
    let scores = blocks.map(|blocks| blocks.concat()).ok_or_else(|| not_finite(features))?;
    match scores.iter().position(|score| !score.is_finite()) {
        None => Ok(scores),
        Some(row) => Err(ScoreError::NoScore { row: row + 1 }),
    }
}

/// The place of the first value that is not finite.
fn not_finite(features: &Array2<f32>) -> ScoreError {
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
