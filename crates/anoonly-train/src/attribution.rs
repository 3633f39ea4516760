//! Explanations: how much each column contributes to the score of a row.

mod orders;

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use self::orders::PartOrders;
use crate::fitted::GradientSource;
use crate::{FittedDetector, ScoreError};

/// How much each part of the columns contributes to the difference between the score of a row and the score of a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributions {
    /// The score of the baseline.
    pub baseline: f32,
    /// The score of each row.
    pub scores: Vec<f32>,
    /// The contributions, `[rows, parts]`, in units of the score. A part whose values equal those of the baseline contributes
    /// 0.
    pub contributions: Array2<f32>,
    /// The unexplained rest of each row: its score minus the score of the baseline minus the sum of its contributions.
    pub remainders: Vec<f32>,
}

/// The largest length of an interval. A path has length 1.
const MAX_LENGTH: f32 = 1.0 / 8.0;
/// The smallest length of an interval.
const MIN_LENGTH: f32 = 1.0 / 1024.0;
/// The share of the difference of its scores that a path may leave unexplained.
const TOLERANCE: f64 = 1e-3;
/// The share of the scores themselves that a path may leave unexplained in addition, because scores are rounded.
const ROUNDING: f64 = 1e-6;
/// The largest share of the remaining tolerance of a path that one interval may use.
const INTERVAL_SHARE: f64 = 1.0 / 8.0;
/// The number of rows whose paths are integrated together.
const ROWS_AT_ONCE: usize = 32;
/// The largest number of cells of the points whose gradients are computed at once: 4 MiB.
const CELLS_AT_ONCE: usize = 1 << 20;
/// The largest number of points whose gradients are computed at once.
const POINTS_AT_ONCE: usize = 2048;

impl FittedDetector {
    /// Explains the scores of rows, `[rows, columns]` in their original units. A typical row is a good `baseline`.
    ///
    /// `parts` are ranges of columns that are explained together, such as all features that come from one column of a table.
    /// Each part has one contribution.
    ///
    /// A score with a gradient ([`has_gradient`](Self::has_gradient)) is explained by integrated gradients (Sundararajan, Taly
    /// and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, equation 1). The gradient of the score is integrated
    /// along the straight line from the baseline to the row, with the network in evaluation mode. The contributions of the
    /// columns therefore sum to the difference of the two scores.
    ///
    /// The gradient of a network with ReLUs jumps at their kinks and is smooth between them. The integral is therefore computed
    /// by the midpoint rule over intervals. An interval is halved when its midpoint does not explain the difference of the
    /// scores at its ends, which isolates the kinks. [`remainders`](Attributions::remainders) reports the rest: usually less
    /// than a thousandth of the difference, and more for kNN, whose score has many kinks.
    ///
    /// A score without a gradient is explained by Shapley values, estimated from random orders of the parts (Štrumbelj and
    /// Kononenko, "Explaining prediction models and individual predictions with feature contributions", 2014). In each order,
    /// the parts change one after the other from their values in the baseline to those in the row. The contribution of a part
    /// is the change of the score that it makes, averaged over the orders. Each order comes with its reverse, and each part has its
    /// places spread evenly over the orders, so that few orders are enough.
    ///
    /// Rows are explained in parallel, and the working memory is bounded. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// As [`score`](Self::score), for the rows and for the baseline.
    ///
    /// # Panics
    /// When a part includes a column that does not exist.
    pub fn attributions(
        &self,
        features: &Array2<f32>,
        baseline: &[f32],
        parts: &[Range<usize>],
    ) -> Result<Attributions, ScoreError> {
        let origin = Array2::from_shape_fn((1, baseline.len()), |(_, column)| baseline[column]);
        let start = self.score(&origin).map_err(|error| ScoreError::Baseline(Box::new(error)))?[0];
        let scores = self.score(features)?;
        if !self.has_gradient() {
            let contributions = PartOrders::new(self, baseline, start, parts).contributions(features)?;
            return Ok(attributions(start, scores, contributions));
        }
        let mut contributions = Array2::zeros(features.raw_dim());
        let origin = self.scaler.transform(origin.view());

        let rows = contributions.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE);
        let rows = rows.zip(features.axis_chunks_iter(Axis(0), ROWS_AT_ONCE));
        let blocks: Vec<_> = rows.zip(scores.chunks(ROWS_AT_ONCE)).collect();
        let explained = blocks.into_par_iter().map(|((contributions, rows), scores)| {
            let gradients = self.ready.gradients()?;
            let steps = self.scaler.transform(rows) - &origin;
            Paths { gradients, origin: origin.row(0), steps, start, scores }.integrate(contributions)
        });
        explained.collect::<Result<(), ScoreError>>()?;
        let mut by_part = Array2::zeros((features.nrows(), parts.len()));
        for (mut sum, part) in by_part.columns_mut().into_iter().zip(parts) {
            let of_part = contributions.slice(s![.., part.clone()]);
            sum.assign(&of_part.sum_axis(Axis(1)));
            for (sum, row) in sum.iter_mut().zip(of_part.rows()).filter(|(sum, _)| !sum.is_finite()) {
                *sum = nearest(row.iter().map(|&part| f64::from(part)).sum());
            }
        }
        Ok(attributions(start, scores, by_part))
    }
}

/// Adds the remainders to the contributions.
fn attributions(start: f32, scores: Vec<f32>, contributions: Array2<f32>) -> Attributions {
    let remainder = |(row, &score): (ArrayView1<'_, f32>, &f32)| {
        let explained: f64 = row.iter().map(|&part| f64::from(part)).sum();
        nearest(f64::from(score) - f64::from(start) - explained)
    };
    let remainders = contributions.rows().into_iter().zip(&scores).map(remainder).collect();
    Attributions { baseline: start, remainders, scores, contributions }
}

/// The nearest `f32`. Contributions to a score of [`f32::MAX`] may be beyond its range.
fn nearest(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

/// The paths from a baseline to the rows of a block. All values are scaled.
struct Paths<'a> {
    gradients: GradientSource<'a>,
    /// The baseline.
    origin: ArrayView1<'a, f32>,
    /// The row minus the baseline, for each row.
    steps: Array2<f32>,
    /// The score of the baseline.
    start: f32,
    /// The score of each row.
    scores: &'a [f32],
}

/// Part of the path to a row. Its ends are positions on the path, from 0 at the baseline to 1 at the row.
#[derive(Clone, Copy)]
struct Interval {
    row: usize,
    ends: [f32; 2],
    /// The scores at the ends.
    scores: [f32; 2],
}

impl Interval {
    fn length(&self) -> f32 {
        self.ends[1] - self.ends[0]
    }

    /// The difference of the scores at its ends.
    fn difference(&self) -> f64 {
        f64::from(self.scores[1]) - f64::from(self.scores[0])
    }

    fn middle(&self) -> f32 {
        (self.ends[0] + self.ends[1]) / 2.0
    }

    /// The two halves of the interval, given the score in its middle.
    fn halves(self, score: f32) -> [Interval; 2] {
        let ([from, to], [first, last], middle) = (self.ends, self.scores, self.middle());
        let half = |ends, scores| Interval { ends, scores, ..self };
        [half([from, middle], [first, score]), half([middle, to], [score, last])]
    }
}

impl Paths<'_> {
    /// Writes the contributions of the columns, `[rows, columns]`.
    fn integrate(&self, mut contributions: ArrayViewMut2<'_, f32>) -> Result<(), ScoreError> {
        let mut sums = Array2::<f64>::zeros(self.steps.raw_dim());
        let whole = |(row, &score)| Interval { row, ends: [0.0, 1.0], scores: [self.start, score] };
        let mut level: Vec<Interval> = self.scores.iter().enumerate().map(whole).collect();
        let mut tolerances: Vec<f64> = self.scores.iter().map(|&score| self.tolerance(score)).collect();
        let at_once = (CELLS_AT_ONCE / self.origin.len()).clamp(1, POINTS_AT_ONCE);
        while !level.is_empty() {
            let mut finer = Vec::new();
            for intervals in level.chunks(at_once) {
                let (scores, gradients) = self.gradients(intervals)?;
                for ((interval, score), gradient) in intervals.iter().zip(scores).zip(gradients.rows()) {
                    let parts = gradient.iter().zip(self.steps.row(interval.row));
                    let length = f64::from(interval.length());
                    let parts = parts.map(|(&slope, &step)| f64::from(slope) * f64::from(step) * length);
                    let unexplained = (interval.difference() - parts.clone().sum::<f64>()).abs();
                    let tolerance = &mut tolerances[interval.row];
                    let explained = interval.length() <= MAX_LENGTH && unexplained <= INTERVAL_SHARE * *tolerance;
                    if explained || interval.length() <= MIN_LENGTH {
                        *tolerance = (*tolerance - unexplained).max(0.0);
                        sums.row_mut(interval.row).iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
                    } else {
                        finer.extend(interval.halves(score));
                    }
                }
            }
            level = finer;
        }
        contributions.zip_mut_with(&sums, |contribution, &sum| *contribution = nearest(sum));
        Ok(())
    }

    /// How much the path to a row with this score may leave unexplained.
    fn tolerance(&self, score: f32) -> f64 {
        let (score, start) = (f64::from(score), f64::from(self.start));
        TOLERANCE * (score - start).abs() + ROUNDING * (score.abs() + start.abs())
    }

    /// The scores in the middle of the intervals, `[intervals]`, and their gradients, `[intervals, columns]`.
    fn gradients(&self, intervals: &[Interval]) -> Result<(Vec<f32>, Array2<f32>), ScoreError> {
        let mut points = Array2::zeros((intervals.len(), self.origin.len()));
        for (mut point, interval) in points.rows_mut().into_iter().zip(intervals) {
            point.assign(&self.origin);
            point.scaled_add(interval.middle(), &self.steps.row(interval.row));
        }
        let (scores, mut gradients) = (self.gradients)(points)?;
        // A distance of 0 has no gradient, but 0 is a subgradient.
        gradients.mapv_inplace(|slope| if slope.is_finite() { slope } else { 0.0 });
        Ok((scores, gradients))
    }
}
