//! The conformal p-value of a score.

use anoonly_eval::Calibration;

use super::nodes::{Nodes, integer};
use super::proto::DataType;

/// The number of scores that a score is compared with at a time.
const BRANCHES: usize = 16;

/// Adds the [p-values](Calibration::p_value) of scores `[rows]` under the name `output`: 64-bit floats.
///
/// The held-out scores are the leaves of a tree with 16 branches at each node. On its way down, a score is compared with the largest
/// held-out score of each branch, and goes on in the first branch whose largest is not below it. So a model with 2000 held-out rows
/// needs 48 comparisons for each row instead of 2000, and no operators but standard ones.
pub fn add_p_value(nodes: &mut Nodes, calibration: &Calibration, score: &str, output: &str) {
    nodes.part = "p_value".into();
    let held_out = calibration.scores();
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
