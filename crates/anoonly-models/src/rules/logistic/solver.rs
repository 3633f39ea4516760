//! The weights that minimise the loss, by Newton's method.
//!
//! Products with rows are in single precision, all other sums in double precision. Rows are read where they are, in parts that all cores
//! share; the results of the parts are added in their order, so that the number of cores changes no bit.

use std::borrow::Cow;

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatRef, Par, Side};

use crate::RuleData;
use crate::kernels::products::{Factors, StridedRows, dots_with, sums};
use crate::tools::balance::weight_divisors;
use crate::tools::parallel::each_part;

/// The most Newton steps; about ten are usual.
const STEPS: usize = 50;
/// The most steps of conjugate gradients within a Newton step.
const INNER: usize = 200;
/// The fit ends when the gradient has fallen to this share of the first one.
pub(super) const TOLERANCE: f64 = 1e-5;
/// On a sample, which only gives the weights to begin with.
const ROUGH: f64 = 1e-3;
/// The fit ends after a step that is expected to gain no larger share of the loss. That step is taken in full; what it leaves is far less.
const GAIN: f64 = 1e-8;
/// The weight of the intercept's penalty; that of the other weights is 1. Above 0, so that the Hessian can be inverted.
const INTERCEPT_PENALTY: f64 = 1e-6;
/// How many cells of rows a product takes at a time; they stay in the cache.
const CELLS: usize = 1 << 14;
/// The fewest rows of a part.
const PART_ROWS: usize = 1 << 11;
/// The most parts.
const PARTS: usize = 64;
/// The most cells of the Hessians of all parts together.
const HESSIAN_CELLS: usize = 1 << 22;
/// Up to this number of columns, the Hessian is formed. Beyond, it takes longer than the steps of conjugate gradients.
const FORMED: usize = 512;
/// The most rows of each kind in a sample.
const SAMPLE: usize = 1 << 14;
/// Fewer rows than this many times those of a sample are not sampled.
const LARGE: usize = 3;

/// A row that takes no part, an unlabelled row, a confirmed normal and an anomaly.
const KINDS: usize = 4;
const ANOMALY: u8 = 3;

/// What is minimised. The weight of the intercept comes last.
pub(super) struct Problem<'a> {
    /// `[rows, columns]`.
    rows: Cow<'a, [f32]>,
    columns: usize,
    /// What each row is.
    kinds: Vec<u8>,
    /// The weight of the loss of a row of each kind.
    costs: [f64; KINDS],
}

/// The loss at some weights, and what a step depends on.
struct Point {
    weights: Vec<f64>,
    objective: f64,
    /// The negative gradient, `[columns + 1]`.
    descent: Vec<f64>,
    /// The second derivative of each row's loss by its product, `[rows]`.
    curvature: Vec<f32>,
}

impl<'a> Problem<'a> {
    pub fn new(data: &'a RuleData, c: f64) -> Self {
        let (others, normals, anomalies) = (data.others.len(), data.normals.len(), data.anomalies.len());
        let mut kinds = vec![0; data.rows.len() / data.columns];
        for (kind, rows) in [(1, &data.others), (2, &data.normals), (ANOMALY, &data.anomalies)] {
            rows.iter().for_each(|&row| kinds[row] = kind);
        }
        let divisors = weight_divisors([others - normals, normals, anomalies]);
        let [unlabelled, normal, anomalous] = divisors.map(|divisor| c * (others + anomalies) as f64 / divisor);
        let costs = [0.0, unlabelled, normal, anomalous];
        Self { rows: Cow::Borrowed(&data.rows), columns: data.columns, kinds, costs }
    }

    /// The weights at the minimum.
    pub fn solve(&self) -> Vec<f64> {
        let (mut start, mut first) = (vec![0.0; self.columns + 1], None);
        if let Some(sample) = self.sample() {
            let (rough, length) = sample.solve_from(start, None, ROUGH);
            (start, first) = (rough, Some(length));
        }
        self.solve_from(start, first, TOLERANCE).0
    }

    /// A problem with the rows of rare kinds and some of the other rows, whose weights are larger in return. Its minimum is near that of
    /// all rows. `None` where there are not many rows.
    fn sample(&self) -> Option<Problem<'static>> {
        let mut counts = [0; KINDS];
        self.kinds.iter().for_each(|&kind| counts[usize::from(kind)] += 1);
        counts[0] = 0;
        let steps = counts.map(|count: usize| count.div_ceil(SAMPLE).max(1));
        let taken: [usize; KINDS] = std::array::from_fn(|kind| counts[kind].div_ceil(steps[kind]));
        if self.kinds.len() < LARGE * taken.iter().sum::<usize>() {
            return None;
        }
        let (mut seen, mut rows, mut kinds) = ([0; KINDS], Vec::new(), Vec::new());
        for (row, &kind) in self.rows.chunks_exact(self.columns).zip(&self.kinds).filter(|(_, kind)| **kind > 0) {
            let place = usize::from(kind);
            if seen[place] % steps[place] == 0 {
                rows.extend_from_slice(row);
                kinds.push(kind);
            }
            seen[place] += 1;
        }
        let costs = std::array::from_fn(|kind| self.costs[kind] * counts[kind] as f64 / taken[kind].max(1) as f64);
        Some(Problem { rows: Cow::Owned(rows), columns: self.columns, kinds, costs })
    }

    /// The weights at the minimum, and the length of the first gradient. `first` is this length where it is known.
    fn solve_from(&self, weights: Vec<f64>, first: Option<f64>, tolerance: f64) -> (Vec<f64>, f64) {
        let mut point = self.at(weights);
        let first = first.unwrap_or_else(|| length(&point.descent));
        for _ in 0..STEPS {
            if length(&point.descent) <= tolerance * first {
                break;
            }
            let step = self.newton_step(&point);
            let last = dot(&point.descent, &step) <= 2.0 * GAIN * point.objective;
            // The step is halved until the objective falls. If rounding hides the descent, the minimum is reached.
            let tried = (0..20).map(|halvings| {
                let size = 0.5f64.powi(halvings);
                point.weights.iter().zip(&step).map(|(weight, step)| weight + size * step).collect::<Vec<f64>>()
            });
            let better = tried.take(if last { 1 } else { 20 }).map(|weights| self.at(weights));
            let Some(lower) = { better }.find(|tried| tried.objective < point.objective) else { break };
            point = lower;
            if last {
                break;
            }
        }
        (point.weights, first)
    }

    /// The results of a function for parts of the rows, in their order.
    fn each_part<T: Send>(&self, most: usize, work: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
        each_part(self.kinds.len(), PART_ROWS, most, work)
    }

    /// Blocks of some rows: the place of the first row, and the cells.
    fn blocks(&self, rows: std::ops::Range<usize>) -> impl Iterator<Item = (usize, &[f32])> {
        let count = (CELLS / self.columns).max(4);
        let cells = &self.rows[rows.start * self.columns..rows.end * self.columns];
        cells.chunks(count * self.columns).enumerate().map(move |(place, cells)| (rows.start + place * count, cells))
    }

    /// The weight of the penalty on each weight.
    fn penalties(&self) -> impl Iterator<Item = f64> {
        std::iter::repeat_n(1.0, self.columns).chain([INTERCEPT_PENALTY])
    }

    /// The loss at some weights.
    fn at(&self, weights: Vec<f64>) -> Point {
        let (short, intercept) = self.single(&weights);
        let parts = self.each_part(PARTS, |rows| {
            let (mut loss, mut descent) = (0.0, vec![0.0; self.columns + 1]);
            let mut curvature = Vec::with_capacity(rows.len());
            let mut factors = Vec::new();
            for (first, block) in self.blocks(rows) {
                factors.clear();
                for (product, &kind) in dots_with(block, &short).into_iter().zip(&self.kinds[first..]) {
                    let cost = self.costs[usize::from(kind)];
                    let sign = if kind == ANOMALY { 1.0 } else { -1.0 };
                    let margin = sign * (f64::from(product) + intercept);
                    // ln(1 + e⁻ᵐ) and 1/(1 + eᵐ) without an overflow.
                    let small = (-margin.abs()).exp();
                    let missed = if margin > 0.0 { small } else { 1.0 } / (1.0 + small);
                    loss += cost * ((-margin).max(0.0) + small.ln_1p());
                    factors.push(missed * cost * sign);
                    curvature.push((missed * (1.0 - missed) * cost) as f32);
                }
                self.add_multiples(block, &factors, &mut descent);
            }
            (loss, descent, curvature)
        });
        let squares = self.penalties().zip(&weights).map(|(penalty, weight)| penalty * weight * weight);
        let mut objective = squares.sum::<f64>() / 2.0;
        let mut descent: Vec<f64> = self.penalties().zip(&weights).map(|(penalty, weight)| -penalty * weight).collect();
        let mut curvature = Vec::with_capacity(self.kinds.len());
        for (loss, part, bends) in parts {
            objective += loss;
            descent.iter_mut().zip(part).for_each(|(sum, cell)| *sum += cell);
            curvature.extend(bends);
        }
        Point { weights, objective, descent, curvature }
    }

    /// The weights of the columns in single precision, and that of the intercept.
    fn single(&self, weights: &[f64]) -> (Vec<f32>, f64) {
        (weights[..self.columns].iter().map(|&weight| weight as f32).collect(), weights[self.columns])
    }

    /// Adds to `sum`, `[columns + 1]`, each row of a block multiplied by its factor, and the factor itself for the intercept.
    fn add_multiples(&self, block: &[f32], factors: &[f64], sum: &mut [f64]) {
        let mut by_column = vec![0.0; self.columns];
        let cells: Vec<f32> = factors.iter().map(|&factor| factor as f32).collect();
        let factors_of_rows = Factors { cells: &cells, strides: [cells.len(), 1] };
        sums(factors_of_rows, StridedRows::all(block, self.columns), &mut by_column);
        sum.iter_mut().zip(by_column).for_each(|(sum, cell)| *sum += f64::from(cell));
        sum[self.columns] += factors.iter().sum::<f64>();
    }

    /// The solution of `H·step = descent`, where `H` is the Hessian.
    fn newton_step(&self, point: &Point) -> Vec<f64> {
        let formed = (self.columns <= FORMED).then(|| self.hessian(&point.curvature).llt(Side::Lower).ok()).flatten();
        let Some(hessian) = formed else { return self.conjugate_gradients(point) };
        let descent = Mat::from_fn(point.descent.len(), 1, |row, _| point.descent[row]);
        let step: Vec<f64> = hessian.solve(&descent).col(0).iter().copied().collect();
        match step.iter().all(|cell| cell.is_finite()) && dot(&step, &point.descent) > 0.0 {
            true => step,
            false => self.conjugate_gradients(point),
        }
    }

    /// The lower triangle of the Hessian, `[columns + 1, columns + 1]`.
    fn hessian(&self, curvature: &[f32]) -> Mat<f64> {
        let width = self.columns + 1;
        let parts = self.each_part((HESSIAN_CELLS / (width * width)).clamp(1, PARTS), |rows| {
            let mut products = Mat::zeros(width, width);
            let mut scaled = Vec::new();
            for (first, block) in self.blocks(rows) {
                scaled.clear();
                for (row, &bend) in block.chunks_exact(self.columns).zip(&curvature[first..]) {
                    let scale = f64::from(bend).sqrt();
                    scaled.extend(row.iter().map(|&cell| f64::from(cell) * scale));
                    scaled.push(scale);
                }
                let rows = MatRef::from_row_major_slice(&scaled, scaled.len() / width, width);
                let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
                matmul(products.as_mut(), lower, Accum::Add, rows.transpose(), whole, rows, whole, 1.0, Par::Seq);
            }
            products
        });
        let mut hessian = Mat::zeros(width, width);
        parts.into_iter().for_each(|part| hessian += part);
        self.penalties().enumerate().for_each(|(place, penalty)| hessian[(place, place)] += penalty);
        hessian
    }

    /// The same solution without the Hessian.
    fn conjugate_gradients(&self, point: &Point) -> Vec<f64> {
        let (mut left, mut direction) = (point.descent.clone(), point.descent.clone());
        let mut step = vec![0.0; left.len()];
        let first = dot(&left, &left);
        let mut square = first;
        for _ in 0..INNER {
            let bent = self.bent(&point.curvature, &direction);
            let size = square / dot(&direction, &bent);
            if !size.is_finite() {
                break;
            }
            step.iter_mut().zip(&direction).for_each(|(step, cell)| *step += size * cell);
            left.iter_mut().zip(&bent).for_each(|(left, cell)| *left -= size * cell);
            let new = dot(&left, &left);
            if new <= 1e-8 * first {
                break;
            }
            direction.iter_mut().zip(&left).for_each(|(cell, left)| *cell = left + new / square * *cell);
            square = new;
        }
        step
    }

    /// The product of the Hessian and a direction.
    fn bent(&self, curvature: &[f32], direction: &[f64]) -> Vec<f64> {
        let (short, intercept) = self.single(direction);
        let parts = self.each_part(PARTS, |rows| {
            let mut bent = vec![0.0; self.columns + 1];
            for (first, block) in self.blocks(rows) {
                let products = dots_with(block, &short).into_iter().zip(&curvature[first..]);
                let factors: Vec<f64> =
                    products.map(|(product, &bend)| (f64::from(product) + intercept) * f64::from(bend)).collect();
                self.add_multiples(block, &factors, &mut bent);
            }
            bent
        });
        let mut bent: Vec<f64> = self.penalties().zip(direction).map(|(penalty, cell)| penalty * cell).collect();
        parts.iter().for_each(|part| bent.iter_mut().zip(part).for_each(|(sum, cell)| *sum += cell));
        bent
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn length(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::data;

    fn close(ours: &[f64], theirs: &[f64], tolerance: f64) {
        let scale = length(theirs);
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - theirs).abs() <= tolerance * scale, "{ours} and {theirs}, beside {scale}");
        }
    }

    /// At the minimum the gradient is 0; here on more rows than one block holds.
    #[test]
    fn the_gradient_vanishes_at_the_fitted_weights() {
        let data = data(900, 30, 70);
        let problem = Problem::new(&data, 1.0);
        assert!(problem.blocks(0..930).count() > 1);
        let length = |weights: Vec<f64>| length(&problem.at(weights).descent);
        let (start, end) = (length(vec![0.0; 71]), length(problem.solve()));
        assert!(end <= 2.0 * TOLERANCE * start, "{end} of {start}");
    }

    #[test]
    fn both_ways_to_a_step_agree() {
        let data = data(900, 30, 70);
        let problem = Problem::new(&data, 1.0);
        let point = problem.at(vec![0.1; 71]);
        close(&problem.conjugate_gradients(&point), &problem.newton_step(&point), 1e-3);
        let (hessian, direction) = (problem.hessian(&point.curvature), vec![1.0; 71]);
        let product = |row: usize| {
            (0..71).map(|column| if row >= column { hessian[(row, column)] } else { hessian[(column, row)] }).sum()
        };
        close(&problem.bent(&point.curvature, &direction), &(0..71).map(product).collect::<Vec<f64>>(), 1e-5);
    }

    /// The minimum is that of all rows, although the way there begins with a sample.
    #[test]
    fn a_sample_changes_only_the_way_to_the_minimum() {
        let mut data = data(60_000, 300, 4);
        data.normals = (700..900).collect();
        let problem = Problem::new(&data, 1.0);
        let sample = problem.sample().unwrap();
        let count = |kind: u8| sample.kinds.iter().filter(|&&of| of == kind).count();
        assert_eq!((count(0), count(1), count(2), count(3)), (0, 59_800usize.div_ceil(4), 200, 300));
        let total =
            |problem: &Problem<'_>| -> f64 { problem.kinds.iter().map(|&kind| problem.costs[usize::from(kind)]).sum() };
        assert!((total(&sample) / total(&problem) - 1.0).abs() < 1e-9);
        let from_zero = problem.solve_from(vec![0.0; 5], None, TOLERANCE).0;
        close(&problem.solve(), &from_zero, 1e-4);
    }

    #[test]
    fn the_weights_have_the_same_bits_on_any_number_of_threads() {
        let data = data(9000, 50, 6);
        let solve = || Problem::new(&data, 1.0).solve();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(solve), solve());
    }
}
