//! Explanations: what each column contributes to the score of a row.

mod orders;

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use self::orders::PartOrders;
use crate::fitted::GradientSource;
use crate::{FittedDetector, ScoreError};

/// What each part of the columns contributes to the difference between the score of a row and that of a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributions {
    /// The score of the baseline.
    pub baseline: f32,
    /// The score of each row.
    pub scores: Vec<f32>,
    /// The contributions, `[rows, parts]`, in units of the score. A part in which a row has the values of the baseline contributes
    /// 0.
    pub contributions: Array2<f32>,
    /// What the contributions of a row leave of the difference: its score less the baseline's, less their sum.
    pub remainders: Vec<f32>,
}

/// A path is cut into so many intervals at least,
const COARSEST: f32 = 1.0 / 8.0;
/// and into intervals of at least this length.
const FINEST: f32 = 1.0 / 1024.0;
/// The share of the difference of a path that its intervals may leave unexplained,
const TOLERANCE: f64 = 1e-3;
/// and the share of the scores beside it, which are rounded.
const ROUNDING: f64 = 1e-6;
/// Of what a path may still leave unexplained, an interval takes so much at most.
const TAKEN: f64 = 1.0 / 8.0;
/// Rows whose paths are followed together.
const ROWS: usize = 32;
/// Cells of the points whose gradients are taken at once: 4 MiB of them.
const CELLS: usize = 1 << 20;
/// Points at once, however few their cells.
const POINTS: usize = 2048;

impl FittedDetector {
    /// Explains the scores of rows, `[rows, columns]` in their original units, by integrated gradients (Sundararajan, Taly and
    /// Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, equation 1): the gradient of the score, in the mode it is
    /// computed in, is integrated along the straight line from `baseline` to the row, so that the contributions of the columns
    /// sum to the difference of the two scores. A usual row is a good baseline.
    ///
    /// `parts` are the columns that are taken together, as all that one column of a table became: each part has one contribution.
    ///
    /// Between the kinks of its ReLUs a network is smooth, and at a kink its gradient jumps. So the integral is taken by the
    /// midpoint rule over intervals, of which those are halved whose midpoint does not explain the difference of the scores
    /// at their ends; this finds the kinks. What is left is told as [`remainders`](Attributions::remainders): usually less
    /// than a thousandth of the difference, more with kNN, whose score has many kinks.
    ///
    /// A score without a gradient ([`has_gradient`](Self::has_gradient)) is explained by Shapley values instead, estimated from random
    /// orders of the parts (Štrumbelj and Kononenko, "Explaining prediction models and individual predictions with feature
    /// contributions", 2014): going from the baseline to the row a part at a time, each contributes what the score changes by,
    /// in the mean over the orders.
    ///
    /// Blocks of rows are explained in parallel, in bounded memory beside the result; the result does not depend on the
    /// number of threads.
    ///
    /// # Errors
    /// As [`score`](Self::score), for the rows and for the baseline.
    ///
    /// # Panics
    /// When a part is of columns that are not there.
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
            return attributions(start, scores, PartOrders::new(self, baseline, start, parts).contributions(features)?);
        }
        let mut contributions = Array2::zeros(features.raw_dim());
        let origin = self.scaler.transform(origin.view());

        let rows = contributions.axis_chunks_iter_mut(Axis(0), ROWS).zip(features.axis_chunks_iter(Axis(0), ROWS));
        let blocks: Vec<_> = rows.zip(scores.chunks(ROWS)).collect();
        let explained = blocks.into_par_iter().map(|((contributions, rows), scores)| {
            let gradients = self.ready.gradients()?;
            let towards = self.scaler.transform(rows) - &origin;
            Paths { gradients, origin: origin.row(0), towards, start, scores }.integrate(contributions)
        });
        explained.collect::<Result<(), ScoreError>>()?;
        let mut of_parts = Array2::zeros((features.nrows(), parts.len()));
        for (mut sum, part) in of_parts.columns_mut().into_iter().zip(parts) {
            sum.assign(&contributions.slice(s![.., part.clone()]).sum_axis(Axis(1)));
        }
        attributions(start, scores, of_parts)
    }
}

/// The contributions with their remainders.
fn attributions(start: f32, scores: Vec<f32>, contributions: Array2<f32>) -> Result<Attributions, ScoreError> {
    let left = |(row, &score): (ArrayView1<'_, f32>, &f32)| {
        let explained: f64 = row.iter().map(|&part| f64::from(part)).sum();
        (f64::from(score) - f64::from(start) - explained) as f32
    };
    let remainders = contributions.rows().into_iter().zip(&scores).map(left);
    let attributions = Attributions { baseline: start, remainders: remainders.collect(), scores, contributions };
    match attributions.remainders.iter().position(|left| !left.is_finite()) {
        None => Ok(attributions),
        Some(row) => Err(ScoreError::NoScore { row: row + 1 }),
    }
}

/// The paths from a baseline to a block of rows, all scaled.
struct Paths<'a> {
    gradients: GradientSource<'a>,
    /// The baseline.
    origin: ArrayView1<'a, f32>,
    /// From there to each row.
    towards: Array2<f32>,
    /// The score of the baseline.
    start: f32,
    /// The score of each row.
    scores: &'a [f32],
}

/// Part of a path, whose ends are shares of it, with the scores there.
#[derive(Clone, Copy)]
struct Interval {
    row: usize,
    ends: [f32; 2],
    scores: [f32; 2],
}

impl Interval {
    fn length(&self) -> f32 {
        self.ends[1] - self.ends[0]
    }

    /// The difference of its scores.
    fn difference(&self) -> f64 {
        f64::from(self.scores[1]) - f64::from(self.scores[0])
    }

    fn middle(&self) -> f32 {
        (self.ends[0] + self.ends[1]) / 2.0
    }

    /// Its halves, given the score in the middle.
    fn halves(self, score: f32) -> [Interval; 2] {
        let ([from, to], [first, last], middle) = (self.ends, self.scores, self.middle());
        let half = |ends, scores| Interval { ends, scores, ..self };
        [half([from, middle], [first, score]), half([middle, to], [score, last])]
    }
}

impl Paths<'_> {
    /// Adds the contributions, `[rows, columns]`.
    fn integrate(&self, mut contributions: ArrayViewMut2<'_, f32>) -> Result<(), ScoreError> {
        let mut sums = Array2::<f64>::zeros(self.towards.raw_dim());
        let whole = |(row, &score)| Interval { row, ends: [0.0, 1.0], scores: [self.start, score] };
        let mut level: Vec<Interval> = self.scores.iter().enumerate().map(whole).collect();
        let mut tolerances: Vec<f64> = self.scores.iter().map(|&score| self.tolerance(score)).collect();
        let at_once = (CELLS / self.origin.len()).clamp(1, POINTS);
        while !level.is_empty() {
            let mut finer = Vec::new();
            for intervals in level.chunks(at_once) {
                let (scores, gradients) = self.gradients(intervals)?;
                for ((interval, score), gradient) in intervals.iter().zip(scores).zip(gradients.rows()) {
                    let parts = gradient.iter().zip(self.towards.row(interval.row));
                    let length = f64::from(interval.length());
                    let parts = parts.map(|(&slope, &step)| f64::from(slope) * f64::from(step) * length);
                    let left = (interval.difference() - parts.clone().sum::<f64>()).abs();
                    let tolerance = &mut tolerances[interval.row];
                    let fine = interval.length() <= COARSEST && left <= TAKEN * *tolerance;
                    if fine || interval.length() <= FINEST {
                        *tolerance = (*tolerance - left).max(0.0);
                        sums.row_mut(interval.row).iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
                    } else {
                        finer.extend(interval.halves(score));
                    }
                }
            }
            level = finer;
        }
        contributions.zip_mut_with(&sums, |contribution, &sum| *contribution = sum as f32);
        Ok(())
    }

    /// What the path to a row of this score may leave unexplained.
    fn tolerance(&self, score: f32) -> f64 {
        let (score, start) = (f64::from(score), f64::from(self.start));
        TOLERANCE * (score - start).abs() + ROUNDING * (score.abs() + start.abs())
    }

    /// The scores and their gradients in the middle of intervals, `[intervals]` and `[intervals, columns]`.
    fn gradients(&self, intervals: &[Interval]) -> Result<(Vec<f32>, Array2<f32>), ScoreError> {
        let mut points = Array2::zeros((intervals.len(), self.origin.len()));
        for (mut point, interval) in points.rows_mut().into_iter().zip(intervals) {
            point.assign(&self.origin);
            point.scaled_add(interval.middle(), &self.towards.row(interval.row));
        }
        let (scores, mut gradients) = (self.gradients)(points)?;
        // Where a distance is 0 it has no gradient, but 0 is a subgradient.
        gradients.mapv_inplace(|slope| if slope.is_finite() { slope } else { 0.0 });
        Ok((scores, gradients))
    }
}
