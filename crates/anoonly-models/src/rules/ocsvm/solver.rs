//! The dual problem of the one-class machine: minimise `½αᵀKα` subject to `0 ≤ αᵢ ≤ 1` and a given `Σα`.
//!
//! Solved by sequential minimal optimisation, with pairs chosen by second-order information: Fan, Chen and Lin, "Working Set
//! Selection Using Second Order Information for Training Support Vector Machines", JMLR 2005. Rows whose weights seem to stay at a bound
//! are left out meanwhile: Joachims, "Making Large-Scale SVM Learning Practical", 1999.

mod active;

use self::active::Active;
use super::cache::Cache;
use super::kernel::Kernel;
use crate::kernels::vectorised;
use crate::tools::parallel;

/// The solution.
pub(super) struct Solution {
    /// α, `[rows]`.
    pub weights: Vec<f64>,
    /// ρ, the threshold for `Σ αᵢk(xᵢ, x)`.
    pub offset: f64,
}

/// The largest number of steps per row, hundreds of times the usual number.
const STEPS: usize = 1000;
/// The number of steps before rows are left out.
const PERIOD: usize = 1000;
/// The most memory for kernels that may be needed again.
pub(super) const CACHE: usize = 256 << 20;

/// Solves the problem for rows, `[rows, columns]`, until the violation of the optimality conditions is below the tolerance.
pub(super) fn solve(rows: &[f32], columns: usize, sum: f64, tolerance: f64) -> Solution {
    let count = rows.len() / columns;
    let weights: Vec<f64> = (0..count).map(|row| (sum - row as f64).clamp(0.0, 1.0)).collect();
    let gradient = sums(rows, &weights, rows, columns);
    let mut problem = Problem { rows, columns, tolerance, weights, gradient, steps: STEPS.saturating_mul(count) };
    while violation(&problem.weights, &problem.gradient) >= tolerance {
        let steps = problem.steps;
        problem.improve();
        // Without a step, another round would change nothing either.
        if problem.steps == 0 || problem.steps == steps {
            break;
        }
    }
    Solution { offset: offset(&problem.weights, &problem.gradient), weights: problem.weights }
}

struct Problem<'a> {
    /// `[rows, columns]`.
    rows: &'a [f32],
    columns: usize,
    tolerance: f64,
    /// α, `[rows]`.
    weights: Vec<f64>,
    /// `Kα`, `[rows]`.
    gradient: Vec<f64>,
    /// The number of steps left.
    steps: usize,
}

impl Problem<'_> {
    /// Improves pairs until none violates the conditions, of the rows that are not left out. Then all rows have their gradient again.
    fn improve(&mut self) {
        let before = self.weights.clone();
        let mut places: Vec<usize> = (0..before.len()).collect();
        // The rows with their weights and slopes.
        let (mut part, mut weights, mut slopes) = (self.rows.to_vec(), before.clone(), self.gradient.clone());
        loop {
            let kernel = Kernel::new(&part, self.columns);
            let mut active = Active::new(weights, slopes, Cache::new(&part, self.columns, &kernel, CACHE));
            let left = loop {
                let most = PERIOD.min(self.steps);
                let taken = active.improve(self.tolerance, most);
                self.steps -= taken;
                if taken < most || self.steps == 0 {
                    break None;
                }
                // The kernels of what is left are computed again, so little must be left.
                let left = active.undecided();
                if left.is_empty() {
                    break None;
                }
                if left.len() <= places.len() / 2 {
                    break Some(left);
                }
            };
            (weights, slopes) = active.into_parts();
            places.iter().zip(&weights).for_each(|(&place, &weight)| self.weights[place] = weight);
            let Some(left) = left else { break };
            part = left.iter().flat_map(|&row| &part[row * self.columns..][..self.columns]).copied().collect();
            (weights, slopes) = left.iter().map(|&row| (weights[row], slopes[row])).unzip();
            places = left.into_iter().map(|row| places[row]).collect();
        }
        self.take_in(&before, &places, &slopes);
    }

    /// Brings the gradient up to date: the slopes of the rows at the places are known, and the other rows learn what has changed.
    fn take_in(&mut self, before: &[f64], places: &[usize], slopes: &[f64]) {
        let mut known = vec![false; before.len()];
        for (&place, &slope) in places.iter().zip(slopes) {
            (known[place], self.gradient[place]) = (true, slope);
        }
        let row = |&place: &usize| &self.rows[place * self.columns..][..self.columns];
        let others: Vec<usize> = (0..before.len()).filter(|&place| !known[place]).collect();
        let changed: Vec<usize> = (0..before.len()).filter(|&place| self.weights[place] != before[place]).collect();
        let changes: Vec<f64> = changed.iter().map(|&place| self.weights[place] - before[place]).collect();
        let [sources, targets] =
            [&changed, &others].map(|places| places.iter().flat_map(row).copied().collect::<Vec<f32>>());
        let missing = sums(&sources, &changes, &targets, self.columns);
        others.into_iter().zip(missing).for_each(|(place, sum)| self.gradient[place] += sum);
    }
}

/// Rows whose sums are computed together; their packed cells stay in the cache.
const TARGETS: usize = 2048;
/// Rows that are added together.
const SOURCES: usize = 120;

/// `Σ factorᵢ·k(sourceᵢ, target)` for each target. Runs on the threads that `parallel::each` names.
fn sums(sources: &[f32], factors: &[f64], targets: &[f32], columns: usize) -> Vec<f64> {
    let (rows, factors): (Vec<&[f32]>, Vec<f64>) =
        sources.chunks_exact(columns).zip(factors).filter(|(_, factor)| **factor != 0.0).unzip();
    let sources = rows.concat();
    let of = |targets: &[f32]| {
        let kernel = Kernel::new(targets, columns);
        let (mut sums, mut kernels) = (vec![0.0; targets.len() / columns], vec![0.0; SOURCES * kernel.stride()]);
        for (sources, factors) in sources.chunks(SOURCES * columns).zip(factors.chunks(SOURCES)) {
            let kernels = &mut kernels[..factors.len() * kernel.stride()];
            kernel.of(sources, 1.0, kernels);
            vectorised!({
                for (kernels, factor) in kernels.chunks_exact(kernel.stride()).zip(factors) {
                    sums.iter_mut().zip(kernels).for_each(|(sum, &cell)| *sum += factor * f64::from(cell));
                }
            });
        }
        sums
    };
    let blocks: Vec<&[f32]> = targets.chunks(TARGETS * columns).collect();
    parallel::each(blocks.len(), |block| of(blocks[block])).concat()
}

/// How much the best pair could gain at first: the largest slope of the rows whose weights can fall minus the smallest slope of those
/// whose weights can grow.
fn violation(weights: &[f64], gradient: &[f64]) -> f64 {
    let rows = || weights.iter().zip(gradient);
    let lowest = rows().filter(|(weight, _)| **weight < 1.0).fold(f64::INFINITY, |least, (_, &slope)| least.min(slope));
    let falling = rows().filter(|(weight, _)| **weight > 0.0);
    falling.fold(f64::NEG_INFINITY, |most, (_, &slope)| most.max(slope)) - lowest
}

/// The mean gradient of the rows with weights between the bounds, which is the same for all of them at the optimum. If there are none,
/// the middle of the range that the other rows allow.
fn offset(weights: &[f64], gradient: &[f64]) -> f64 {
    let (mut sum, mut free) = (0.0, 0usize);
    let (mut above, mut below) = (f64::INFINITY, f64::NEG_INFINITY);
    for (&weight, &slope) in weights.iter().zip(gradient) {
        match weight {
            _ if weight >= 1.0 => below = below.max(slope),
            _ if weight <= 0.0 => above = above.min(slope),
            _ => (sum, free) = (sum + slope, free + 1),
        }
    }
    match free {
        0 if above.is_infinite() => below,
        0 if below.is_infinite() => above,
        0 => (above + below) / 2.0,
        _ => sum / free as f64,
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests;
