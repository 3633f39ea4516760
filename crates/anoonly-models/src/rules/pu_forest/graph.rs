//! The score without a labelled anomaly as steps of a graph.

use super::start::{ISOLATION_FIRST, NEIGHBOUR, REPULSION, Start, TREES};
use crate::graph::{Combination, Function, GeneralStep, Graph, Step, Value};
use crate::tools::trees::{Forest, isolation};

impl Start {
    /// Adds its steps to a graph.
    pub fn describe(&self, graph: &mut Graph) {
        let isolated = isolation::describe(&self.forest, graph, Graph::ROWS);
        let isolated = self.isolation.describe(graph, isolated);
        let [_, squares] = self.known.describe(graph, Graph::ROWS, NEIGHBOUR);
        let square = graph.select(squares, [NEIGHBOUR.min(self.known.rows()) - 1]);
        let distance = graph.then(Step::Root { of: square });
        let distance = graph.narrow(distance);
        let distance = self.distance.describe(graph, distance);
        let levels = graph.then(Step::Concat { of: vec![isolated, distance] });
        let shared = self.refuting().describe_sum(graph, Graph::ROWS);
        let lost = graph.affine(shared, REPULSION / TREES as f64, 0.0);
        let below = graph.then(Step::Subtract { left: lost, right: levels });
        let shares = log_of_normal_share(graph, below);
        let [isolated, far] = [0, 1].map(|column| graph.select(shares, [column]));
        let far = graph.affine(far, 1.0, ISOLATION_FIRST.ln());
        let share = graph.combine(isolated, Combination::Smaller, far);
        let share = graph.at_least(share, f64::MIN_POSITIVE.ln());
        let score = graph.affine(share, -1.0, 0.0);
        graph.narrow(score);
    }

    /// The trees with the value 1 at a leaf with a confirmed normal, and 0 at any other.
    fn refuting(&self) -> Forest {
        self.forest.with_values(self.refuted.iter().map(|&refuted| f32::from(u8::from(refuted))))
    }
}

/// The coefficients of `ln(eᶻ²·erfc(z)/t)` as a polynomial in `t = 1/(1 + z/2)` for `z ≥ 0`, with a relative error of `erfc` of at most
/// 1.2e-7: Press, Teukolsky, Vetterling and Flannery, "Numerical Recipes in C", 1992, section 6.2.
const TAIL: [f64; 10] = [
    -1.265_512_23,
    1.000_023_68,
    0.374_091_96,
    0.096_784_18,
    -0.186_288_06,
    0.278_868_07,
    -1.135_203_98,
    1.488_515_87,
    -0.822_152_23,
    0.170_872_77,
];

/// Adds `ln Φ(x)`, with 64-bit elements: the logarithm of the share of a standard normal distribution below each cell.
fn log_of_normal_share(graph: &mut Graph, of: Value) -> Value {
    let size = graph.map(of, Function::Absolute);
    let z = graph.affine(size, std::f64::consts::FRAC_1_SQRT_2, 0.0);
    let denominator = graph.affine(z, 0.5, 1.0);
    let minus_log_t = graph.map(denominator, Function::Log);
    let log_t = graph.affine(minus_log_t, -1.0, 0.0);
    let t = graph.map(log_t, Function::Exp);
    let mut polynomial = graph.affine(t, 0.0, TAIL[9]);
    for coefficient in TAIL[..9].iter().rev() {
        let product = graph.combine(polynomial, Combination::Product, t);
        polynomial = graph.affine(product, 1.0, *coefficient);
    }
    let square = graph.combine(z, Combination::Product, z);
    let factor = graph.combine(log_t, Combination::Sum, polynomial);
    let tail = graph.then(Step::Subtract { left: factor, right: square });
    // The share beyond the cell, away from 0.
    let outer = graph.affine(tail, 1.0, -std::f64::consts::LN_2);
    let beyond = graph.map(outer, Function::Exp);
    let rest = graph.affine(beyond, -1.0, 1.0);
    let inner = graph.map(rest, Function::Log);
    graph.general(GeneralStep::Choose { condition: of, then: inner, otherwise: outer })
}
