//! Fitted rules.

#[cfg(feature = "fit")]
use anoonly_models::SavedTensors;
use anoonly_models::graph::Graph;
use anoonly_models::kernels::Scorer;
use anoonly_models::{FittedRule, RowBlock};
use ndarray::Array2;

use crate::ScoreError;
use crate::fitted::{GradientSource, Ready};

/// A fitted rule. If the steps of its score are known as plain data, a [`Scorer`] is prepared from them.
#[derive(Debug)]
pub(crate) struct ReadyRule {
    /// The name of the method's part in a model file.
    #[cfg_attr(not(feature = "fit"), expect(dead_code, reason = "only needed to save a rule"))]
    part: &'static str,
    columns: usize,
    rule: Box<dyn FittedRule>,
    scorer: Option<Scorer>,
}

impl ReadyRule {
    pub fn new(part: &'static str, columns: usize, rule: Box<dyn FittedRule>) -> Self {
        let scorer = rule.scorer(columns);
        Self { part, columns, rule, scorer }
    }
}

impl Ready for ReadyRule {
    fn scorer(&self) -> Option<&Scorer> {
        self.scorer.as_ref()
    }

    fn score(&self, rows: Array2<f32>) -> Vec<f32> {
        self.rule.score(RowBlock::new(&rows.into_raw_vec_and_offset().0, self.columns))
    }

    fn values(&self) -> usize {
        // Scoring a rule has no cost for each block, so larger blocks would not help.
        0
    }

    fn representation(&self, _rows: Array2<f32>) -> Option<Array2<f32>> {
        None
    }

    fn has_gradient(&self) -> bool {
        self.rule.gradient().is_some()
    }

    fn gradients(&self) -> Result<GradientSource<'_>, ScoreError> {
        let gradient = self.rule.gradient().ok_or(ScoreError::NoGradient)?;
        Ok(Box::new(move |points| {
            let shape = points.raw_dim();
            let cells = points.into_raw_vec_and_offset().0;
            let rows = RowBlock::new(&cells, self.columns);
            let gradients = Array2::from_shape_vec(shape, gradient.gradient(rows));
            Ok((self.rule.score(rows), gradients.map_err(|_| ScoreError::NoGradient)?))
        }))
    }

    fn graph(&self) -> Option<Graph> {
        self.rule.graph()
    }

    #[cfg(feature = "fit")]
    fn save(&self) -> SavedTensors {
        SavedTensors::default().with_part(self.part, self.rule.save())
    }
}
