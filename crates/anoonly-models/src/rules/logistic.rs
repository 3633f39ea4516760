//! The baseline with labels: logistic regression in which both classes have the same total weight, and confirmed normals half of that of
//! the rows that are no anomalies.
//!
//! Cox, "The Regression Analysis of Binary Sequences", Journal of the Royal Statistical Society B, 1958; the class weights of
//! King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Matrix};
use crate::kernels::Scorer;
use crate::kernels::products::{Factors, StridedRows, dots_with, sums};
use crate::tools::balance::weight_divisors;
use crate::{
    ConfigError, FittedRule, Method, MethodInfo, MethodKind, RowBlock, RuleData, RuleGradient, RuleMethod, SavedTensors,
};

/// Configuration of balanced logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticConfig {
    /// The inverse weight of the penalty, scikit-learn's `C`: `‖w‖²/2 + C·Σ cᵢ·loss` is minimised, without a penalty on the intercept.
    pub c: f64,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { c: 1.0 }
    }
}

/// The most Newton steps; about ten are usual.
const STEPS: usize = 50;
/// The most steps of conjugate gradients within a Newton step.
const INNER: usize = 200;
/// The fit ends when the gradient has fallen to this share of the first one.
const TOLERANCE: f64 = 1e-5;
/// The weight of the intercept's penalty; that of the other weights is 1. Above 0, so that the Hessian can be inverted.
const INTERCEPT_PENALTY: f64 = 1e-6;
/// How many cells of rows a product takes at a time; they stay in the cache.
const CELLS: usize = 1 << 15;

impl Method for LogisticConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "logistic",
        title: "Balanced logistic regression",
        kind: MethodKind::Baseline,
        source: "Cox 1958; King and Zeng 2001",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).positive("c", self.c).done()
    }
}

impl RuleMethod for LogisticConfig {
    type Fitted = Logistic;

    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, _: &mut impl Rng) -> Logistic {
        let weights = Problem::new(data, self.c).solve();
        let (weights, intercept) = weights.split_at(data.columns);
        Logistic { weights: weights.iter().map(|&weight| weight as f32).collect(), intercept: intercept[0] as f32 }
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Logistic, String> {
        let mut weights = saved.take("weights", &[columns + 1, 1])?;
        let intercept = weights.pop().unwrap_or_default();
        Ok(Logistic { weights, intercept })
    }
}

/// The weights of the columns, `[columns]`, and the intercept.
#[derive(Clone, Debug)]
pub struct Logistic {
    weights: Vec<f32>,
    intercept: f32,
}

impl FittedRule for Logistic {
    /// The log odds.
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        dots_with(rows.cells(), &self.weights).into_iter().map(|product| product + self.intercept).collect()
    }

    /// `weights`, `[columns + 1, 1]`, the intercept last.
    fn save(&self) -> SavedTensors {
        let mut weights = self.weights.clone();
        weights.push(self.intercept);
        SavedTensors::default().with("weights", &[weights.len(), 1], weights)
    }

    fn gradient(&self) -> Option<&dyn RuleGradient> {
        Some(self)
    }

    fn scorer(&self, columns: usize) -> Option<Scorer> {
        self.graph().map(|graph| Scorer::new(&graph, columns))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let weights = Matrix { shape: [self.weights.len(), 1], cells: self.weights.clone() };
        graph.linear(Graph::ROWS, weights, Some(vec![self.intercept]));
        Some(graph)
    }
}

/// The weights, for every row.
impl RuleGradient for Logistic {
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32> {
        self.weights.repeat(rows.count())
    }
}

/// What is minimised, by Newton's method with conjugate gradients. Products with rows are in single precision, all other sums in double
/// precision. The weight of the intercept comes last.
struct Problem<'a> {
    data: &'a RuleData,
    /// The indices of the unlabelled rows, the confirmed normals and then the anomalies.
    rows: Vec<usize>,
    columns: usize,
    /// The number of unlabelled rows, and of all rows that are no anomalies.
    ends: [usize; 2],
    /// The weights of the loss of an unlabelled row, of a confirmed normal and of an anomaly.
    costs: [f64; 3],
}

impl<'a> Problem<'a> {
    fn new(data: &'a RuleData, c: f64) -> Self {
        let (others, normals, anomalies) = (data.others.len(), data.normals.len(), data.anomalies.len());
        let unlabelled = others - normals;
        let divisors = weight_divisors([unlabelled, normals, anomalies]);
        let costs = divisors.map(|divisor| c * (others + anomalies) as f64 / divisor);
        let rows = [&data.unlabelled()[..], &data.normals, &data.anomalies].concat();
        Self { data, rows, columns: data.columns, ends: [unlabelled, others], costs }
    }

    /// The sign of a row, 1 if it is an anomaly and −1 if not, and the weight of its loss.
    fn class(&self, row: usize) -> (f64, f64) {
        match row {
            row if row < self.ends[0] => (-1.0, self.costs[0]),
            row if row < self.ends[1] => (-1.0, self.costs[1]),
            _ => (1.0, self.costs[2]),
        }
    }

    /// Calls a function with the cells of all rows, block by block, each with the place of its first row.
    fn for_each_block(&self, mut with: impl FnMut(usize, &[f32])) {
        let count = (CELLS / self.columns).max(4);
        let mut cells = Vec::with_capacity(count * self.columns);
        for (place, rows) in self.rows.chunks(count).enumerate() {
            cells.clear();
            rows.iter().for_each(|&row| cells.extend_from_slice(self.data.row(row)));
            with(place * count, &cells);
        }
    }

    /// `row · weights + intercept` for each row of a block.
    fn products(&self, block: &[f32], weights: &[f64]) -> impl Iterator<Item = f64> {
        let intercept = weights[self.columns];
        let weights: Vec<f32> = weights[..self.columns].iter().map(|&weight| weight as f32).collect();
        dots_with(block, &weights).into_iter().map(move |product| f64::from(product) + intercept)
    }

    /// Adds to `sum`, `[columns + 1]`, each row of a block multiplied by its factor, and the factor itself for the intercept.
    fn add_multiples(&self, block: &[f32], factors: &[f64], sum: &mut [f64]) {
        let mut by_column = vec![0.0; self.columns];
        let cells: Vec<f32> = factors.iter().map(|&factor| factor as f32).collect();
        sums(
            Factors { cells: &cells, strides: [cells.len(), 1] },
            StridedRows::all(block, self.columns),
            &mut by_column,
        );
        sum.iter_mut().zip(by_column).for_each(|(sum, cell)| *sum += f64::from(cell));
        sum[self.columns] += factors.iter().sum::<f64>();
    }

    /// The weight of the penalty on each weight.
    fn penalties(&self) -> impl Iterator<Item = f64> {
        std::iter::repeat_n(1.0, self.columns).chain([INTERCEPT_PENALTY])
    }

    fn objective(&self, weights: &[f64]) -> f64 {
        let mut loss = 0.0;
        self.for_each_block(|first, block| {
            for (offset, product) in self.products(block, weights).enumerate() {
                let (sign, cost) = self.class(first + offset);
                loss += cost * softplus(-sign * product);
            }
        });
        loss + self.penalties().zip(weights).map(|(penalty, weight)| penalty * weight * weight).sum::<f64>() / 2.0
    }

    /// The negative gradient, `[columns + 1]`, and the second derivative of each row's loss by its product, `[rows]`.
    fn descent(&self, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut descent: Vec<f64> = self.penalties().zip(weights).map(|(penalty, weight)| -penalty * weight).collect();
        let mut curvature = Vec::with_capacity(self.rows.len());
        self.for_each_block(|first, block| {
            let mut factors = Vec::with_capacity(block.len() / self.columns);
            for (offset, product) in self.products(block, weights).enumerate() {
                let (sign, cost) = self.class(first + offset);
                let missed = 1.0 / (1.0 + (sign * product).exp());
                factors.push(missed * cost * sign);
                curvature.push(missed * (1.0 - missed) * cost);
            }
            self.add_multiples(block, &factors, &mut descent);
        });
        (descent, curvature)
    }

    fn solve(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.columns + 1];
        let (mut objective, mut first) = (self.objective(&weights), None);
        for _ in 0..STEPS {
            let (descent, curvature) = self.descent(&weights);
            let length = dot(&descent, &descent).sqrt();
            if length <= TOLERANCE * *first.get_or_insert(length) {
                break;
            }
            let step = self.newton_step(&curvature, descent, length);
            // The step is halved until the objective falls. If rounding hides the descent, the minimum is reached.
            let tried = (0..20).map(|halvings| {
                let size = 0.5f64.powi(halvings);
                weights.iter().zip(&step).map(|(weight, step)| weight + size * step).collect::<Vec<f64>>()
            });
            let better = tried.map(|weights| (self.objective(&weights), weights)).find(|(tried, _)| *tried < objective);
            let Some((lower, new)) = better else { break };
            (objective, weights) = (lower, new);
        }
        weights
    }

    /// The product of the Hessian and a direction.
    fn bent(&self, curvature: &[f64], direction: &[f64]) -> Vec<f64> {
        let mut bent: Vec<f64> = self.penalties().zip(direction).map(|(penalty, cell)| penalty * cell).collect();
        self.for_each_block(|first, block| {
            let products = self.products(block, direction).zip(&curvature[first..]);
            let factors: Vec<f64> = products.map(|(product, curvature)| product * curvature).collect();
            self.add_multiples(block, &factors, &mut bent);
        });
        bent
    }

    /// The solution of `H·step = descent`, where `H` is the Hessian, which is never formed.
    fn newton_step(&self, curvature: &[f64], descent: Vec<f64>, length: f64) -> Vec<f64> {
        let mut step = vec![0.0; descent.len()];
        let (mut left, mut direction) = (descent.clone(), descent);
        let mut square = length * length;
        for _ in 0..INNER {
            let bent = self.bent(curvature, &direction);
            let size = square / dot(&direction, &bent);
            if !size.is_finite() {
                break;
            }
            step.iter_mut().zip(&direction).for_each(|(step, cell)| *step += size * cell);
            left.iter_mut().zip(&bent).for_each(|(left, cell)| *left -= size * cell);
            let new = dot(&left, &left);
            if new <= 1e-8 * length * length {
                break;
            }
            direction.iter_mut().zip(&left).for_each(|(cell, left)| *cell = left + new / square * *cell);
            square = new;
        }
        step
    }
}

/// `ln(1 + eˣ)`.
fn softplus(value: f64) -> f64 {
    value.max(0.0) + (-value.abs()).exp().ln_1p()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use crate::rule::tests::{cells, check_gradient, check_saving, data};
    use anoonly_core::Seed;

    const COLUMNS: usize = 5;
    const ANOMALIES: [usize; 4] = [0, 7, 19, 33];

    fn weights(c: f64, normals: &[usize]) -> Vec<f32> {
        let cell = |row: usize, column: usize| {
            let cell = ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0;
            if ANOMALIES.contains(&row) { cell + 0.3 } else { cell }
        };
        let rows: Vec<f32> = (0..40 * COLUMNS).map(|place| cell(place / COLUMNS, place % COLUMNS)).collect();
        let unlabelled = (0..40).filter(|row| !ANOMALIES.contains(row)).collect();
        let data = RuleData {
            rows,
            columns: COLUMNS,
            others: unlabelled,
            anomalies: ANOMALIES.to_vec(),
            normals: normals.to_vec(),
        };
        let fitted = LogisticConfig { c }.fit(&data, &mut Seed(1).stream(&[]));
        fitted.weights.into_iter().chain([fitted.intercept]).collect()
    }

    /// Figures of scikit-learn 1.9.1: `LogisticRegression(C=c, class_weight="balanced", tol=1e-10, max_iter=10000)` on the
    /// same rows, coefficients and then the intercept.
    #[test]
    fn weights_agree_with_scikit_learn() {
        for (c, expected) in [
            (1.0, [0.294136, 0.564544, 2.460539, 1.322534, 1.359007, -4.047245]),
            (100.0, [2.344499, 4.872361, 10.523674, 6.064349, 6.565917, -20.466152]),
        ] {
            for (ours, theirs) in weights(c, &[]).iter().zip(expected) {
                assert!((ours - theirs).abs() < 2e-3 * theirs.abs(), "{ours}, but scikit-learn has {theirs}");
            }
        }
    }

    /// Figures of scikit-learn 1.9.1 on the same rows: `LogisticRegression(C=1, tol=1e-10, max_iter=10000)` with a sample weight of 40/8 for
    /// an anomaly, 40/12 for the confirmed normals 2, 3 and 30, and 40/132 for the 33 other rows.
    #[test]
    fn weights_with_confirmed_normals_agree_with_scikit_learn() {
        let expected = [-0.011427, 0.558419, 2.718143, 1.041498, 1.136724, -3.645678];
        for (ours, theirs) in weights(1.0, &[2, 3, 30]).iter().zip(expected) {
            assert!((ours - theirs).abs() < 2e-3 * theirs.abs().max(0.1), "{ours}, but scikit-learn has {theirs}");
        }
    }

    /// At the minimum the gradient is 0; here on more rows than one block holds.
    #[test]
    fn the_gradient_vanishes_at_the_fitted_weights() {
        let data = data(900, 30, 70);
        let problem = Problem::new(&data, 1.0);
        let mut blocks = 0;
        problem.for_each_block(|_, _| blocks += 1);
        assert!(blocks > 1);
        let length = |weights: &[f64]| {
            let (descent, _) = problem.descent(weights);
            dot(&descent, &descent).sqrt()
        };
        let (start, end) = (length(&[0.0; 71]), length(&problem.solve()));
        assert!(end <= 2.0 * TOLERANCE * start, "{end} of {start}");
    }

    #[test]
    fn a_saved_regression_scores_the_same_bits() {
        check_saving(&LogisticConfig::default(), &data(40, 3, 5), &[("weights", &[6, 1])]);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_score() {
        let fitted = LogisticConfig::default().fit(&data(40, 3, 5), &mut Seed(1).stream(&[]));
        check_gradient(&fitted, RowBlock::new(&cells(4, 5), 5), 0.1, 1e-3);
    }
}
