//! The conformal p-value of a score.

use anoonly_eval::Calibration;

use super::nodes::{Nodes, integer};
use super::proto::DataType;

/// In a table with few distinct rows, new rows have the scores of held-out rows, from which the scores of a graph differ in the last digits.
/// A score that is this much above a held-out score, or this share of it, still counts as equal, unless another held-out score is nearer.
const EQUAL: f64 = 1e-5;
/// The number of scores that a score is compared with at a time.
const BRANCHES: usize = 16;

/// Adds the [p-values](Calibration::p_value) of scores `[rows]` under the name `output`: 64-bit floats.
///
/// The held-out scores are the leaves of a tree with 16 branches at each node. On its way down, a score is compared with the largest
/// held-out score of each branch, and goes on in the first branch whose largest is not below it. So a model with 2000 held-out rows
/// needs 48 comparisons for each row instead of 2000, and no operators but standard ones.
pub fn add_p_value(nodes: &mut Nodes, calibration: &Calibration, score: &str, output: &str) {
    nodes.part = "p_value".into();
    let held_out = highest_equal(calibration.scores());
    // Infinity after the last score keeps every score within the tree.
    let mut leaves = BRANCHES;
    while leaves <= held_out.len() {
        leaves *= BRANCHES;
    }
    let largest = |leaf: usize| held_out.get(leaf).copied().unwrap_or(f32::INFINITY);
    let axes = nodes.row(&[1i64]);
    let column = nodes.node("Unsqueeze", &[score, &axes], None);
    // The number of held-out scores below a score, in units of the leaves of a branch.
    let mut below: Option<String> = None;
    let mut length = leaves;
    while length > 1 {
        length /= BRANCHES;
        let bounds: Vec<f32> = (1..=leaves / length).map(|branch| largest(branch * length - 1)).collect();
        let bounds = nodes.constant(&[bounds.len() / BRANCHES, BRANCHES], &bounds);
        let of_node = match &below {
            Some(node) => nodes.node("Gather", &[&bounds, node], None),
            None => bounds,
        };
        let passed = nodes.node("Less", &[&of_node, &column], None);
        let passed = nodes.cast(&passed, DataType::Int64);
        let count = nodes.node("ReduceSum", &[&passed, &axes], [integer("keepdims", 0)]);
        below = Some(match below {
            Some(node) => {
                let before = nodes.with_row("Mul", &node, &[BRANCHES as i64]);
                nodes.node("Add", &[&before, &count], None)
            }
            None => count,
        });
    }
    let below = nodes.cast(&below.unwrap_or_default(), DataType::Double);
    let all = nodes.row(&[1.0 + calibration.rows() as f64]);
    let at_or_above = nodes.node("Sub", &[&all, &below], None);
    nodes.named("Div", &[&at_or_above, &all], None, output);
}

/// How far a score may be from a held-out one and still count as equal: at most half of the way to the next held-out one.
fn gap(held_out: f64, next: f64) -> f64 {
    (EQUAL * held_out.abs().max(1.0)).min((next - held_out).abs() / 2.0)
}

/// For each held-out score, in ascending order, the highest score that counts as equal to it.
fn highest_equal(held_out: &[f32]) -> Vec<f32> {
    let highest = |&score: &f32| {
        let next = held_out.get(held_out.partition_point(|&other| other <= score)).copied().unwrap_or(f32::INFINITY);
        let highest = (f64::from(score) + gap(score.into(), next.into())) as f32;
        // There is no value between two neighbouring floats.
        if highest < next { highest } else { score }
    };
    held_out.iter().map(highest).collect()
}

/// A threshold that divides held-out scores, in ascending order, as the given one does, and is apart from the nearest ones if it can be.
pub fn apart(threshold: f32, held_out: &[f32]) -> f32 {
    let place = held_out.partition_point(|&score| score < threshold);
    let below = place.checked_sub(1).map(|place| f64::from(held_out[place]));
    let above = held_out.get(place).map(|&score| f64::from(score));
    let given = f64::from(threshold);
    let lowest = below.map_or(given, |below| below + gap(below, above.unwrap_or(f64::INFINITY)));
    let highest = above.map_or(given, |above| above - gap(above, below.unwrap_or(f64::NEG_INFINITY)));
    let apart = given.max(lowest).min(highest.max(lowest)) as f32;
    let divides =
        below.is_none_or(|below| f64::from(apart) > below) && above.is_none_or(|above| f64::from(apart) <= above);
    if divides { apart } else { threshold }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_equal_to_held_out_ones_but_for_rounding_count_as_equal() {
        let held_out = [-1.0, 0.5, 0.5, 0.500_001, 40.0];
        let highest = highest_equal(&held_out);
        assert!(highest.is_sorted());
        let expected = [-0.999_99, 0.500_000_5, 0.500_000_5, 0.500_011, 40.0004];
        assert!(highest.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 3e-6), "{highest:?}");
        assert!(highest[1] < held_out[3]);
    }

    #[test]
    fn a_threshold_keeps_apart_from_the_scores_on_both_sides() {
        let held_out = [-1.0, 0.5, 0.5, 2.0];
        for (threshold, expected) in [
            (0.5, 0.499_99),
            (0.5f32.next_up(), 0.500_01),
            (1.0, 1.0),
            (2.0, 1.999_98),
            (2.0f32.next_up(), 2.000_02),
            (-3.0, -3.0),
        ] {
            let apart = apart(threshold, &held_out);
            assert!((apart - expected).abs() < 3e-6, "{threshold}: {apart}");
        }
        assert_eq!(apart(0.7, &[]), 0.7);
        let close = [1.0f32, 1.0f32.next_up()];
        assert_eq!(highest_equal(&close)[0], close[0]);
        assert!(apart(close[1], &close) > close[0] && apart(close[1], &close) <= close[1]);
    }
}
