//! The dual problem of the one-class machine: minimise `½αᵀKα` subject to `0 ≤ αᵢ ≤ 1` and a given `Σα`.
//!
//! Solved by sequential minimal optimisation, with pairs chosen by second-order information: Fan, Chen and Lin, "Working Set
//! Selection Using Second Order Information for Training Support Vector Machines", JMLR 2005.

/// The solution.
pub(super) struct Solution {
    /// α, `[rows]`.
    pub weights: Vec<f64>,
    /// ρ, the threshold for `Σ αᵢk(xᵢ, x)`.
    pub offset: f64,
}

/// The largest number of steps per row, hundreds of times the usual number.
const STEPS: usize = 1000;
/// The smallest curvature along a pair.
const FLAT: f64 = 1e-12;

/// Solves the problem for a kernel matrix, `[rows, rows]`, with ones on the diagonal, until the violation of the optimality conditions
/// is below the tolerance.
pub(super) fn solve(kernel: &[f32], rows: usize, sum: f64, tolerance: f64) -> Solution {
    let mut weights: Vec<f64> = (0..rows).map(|row| (sum - row as f64).clamp(0.0, 1.0)).collect();
    let of = |row: usize| &kernel[row * rows..][..rows];
    let mut gradient = vec![0.0f64; rows];
    for (row, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        gradient.iter_mut().zip(of(row)).for_each(|(sum, &cell)| *sum += weight * f64::from(cell));
    }
    for _ in 0..STEPS.saturating_mul(rows) {
        let Some((up, down)) = pair(&weights, &gradient, of, tolerance) else { break };
        let (from, to) = (of(up), of(down));
        let curvature = (2.0 - 2.0 * f64::from(from[down])).max(FLAT);
        // One weight grows and the other falls by the same amount, within the bounds of both.
        let wanted = (gradient[down] - gradient[up]) / curvature;
        let step = wanted.min(1.0 - weights[up]).min(weights[down]);
        // Reaches a bound exactly.
        weights[up] = if step == 1.0 - weights[up] { 1.0 } else { weights[up] + step };
        weights[down] -= step;
        let cells = from.iter().zip(to);
        gradient.iter_mut().zip(cells).for_each(|(sum, (&a, &b))| *sum += step * (f64::from(a) - f64::from(b)));
    }
    let offset = offset(&weights, &gradient);
    Solution { weights, offset }
}

/// The row with a weight to increase and the row with a weight to decrease; `None` once the conditions hold.
fn pair<'a>(
    weights: &[f64],
    gradient: &[f64],
    of: impl Fn(usize) -> &'a [f32],
    tolerance: f64,
) -> Option<(usize, usize)> {
    let rows = || weights.iter().zip(gradient).enumerate();
    let least = rows().filter(|(_, (weight, _))| **weight < 1.0).min_by(|a, b| a.1.1.total_cmp(b.1.1));
    let (up, (_, &lowest)) = least?;
    let (mut best, mut highest) = (None, f64::NEG_INFINITY);
    for ((down, (&weight, &slope)), &cell) in rows().zip(of(up)) {
        if weight <= 0.0 {
            continue;
        }
        highest = highest.max(slope);
        let falls = slope - lowest;
        if falls > 0.0 {
            let gain = falls * falls / (2.0 - 2.0 * f64::from(cell)).max(FLAT);
            if best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, down));
            }
        }
    }
    if highest - lowest < tolerance {
        return None;
    }
    best.map(|(_, down)| (up, down))
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
mod tests {
    use super::*;

    fn kernel(points: &[f64]) -> Vec<f32> {
        let cell = |a: f64, b: f64| (-(a - b).powi(2)).exp() as f32;
        points.iter().flat_map(|&a| points.iter().map(move |&b| cell(a, b))).collect()
    }

    /// Figures from scikit-learn 1.9.1: `OneClassSVM(gamma=1, nu=0.5, tol=1e-10)`, `dual_coef_` and `offset_`.
    #[test]
    fn the_solution_of_a_small_problem_agrees_with_scikit_learn() {
        let points = [0.0, 0.3, 0.5, 1.1, 1.2, 2.0, 4.0];
        let Solution { weights, offset } = solve(&kernel(&points), 7, 3.5, 1e-10);
        for (ours, theirs) in weights.iter().chain([&offset]).zip(WEIGHTS.iter().chain([&OFFSET])) {
            assert!((ours - theirs).abs() < 1e-6, "{ours}, but scikit-learn says {theirs}");
        }
    }

    const WEIGHTS: [f64; 7] = [1.0, 0.0, 0.016_087_31, 0.497_589_32, 0.0, 0.986_323_37, 1.0];
    const OFFSET: f64 = 1.246_006_87;

    /// The conditions of every solution.
    #[test]
    fn weights_keep_their_sum_and_no_pair_can_be_improved() {
        let points: Vec<f64> = (0..200).map(|point| (point * 7919 % 1000) as f64 / 100.0).collect();
        let kernel = kernel(&points);
        for share in [0.1, 0.5, 1.0] {
            let Solution { weights, offset } = solve(&kernel, 200, share * 200.0, 1e-3);
            assert!((weights.iter().sum::<f64>() - share * 200.0).abs() < 1e-6);
            assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
            for (row, &weight) in weights.iter().enumerate() {
                let sum: f64 = weights.iter().zip(&kernel[row * 200..]).map(|(w, &k)| w * f64::from(k)).sum();
                assert!(weight >= 1.0 || sum >= offset - 2e-3, "{share}: {weight}, {sum} and {offset}");
                assert!(weight <= 0.0 || sum <= offset + 2e-3, "{share}: {weight}, {sum} and {offset}");
            }
        }
    }

    #[test]
    fn the_offset_for_equal_rows_is_the_sum_of_their_weights() {
        for rows in [1, 4] {
            let Solution { weights, offset } = solve(&vec![1.0; rows * rows], rows, rows as f64 / 2.0, 1e-3);
            assert_eq!((weights.iter().sum::<f64>(), offset), (rows as f64 / 2.0, rows as f64 / 2.0));
        }
    }
}
