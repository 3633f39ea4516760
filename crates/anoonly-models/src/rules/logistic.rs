//! The floor with labels: logistic regression in which both classes weigh the same.
//!
//! Cox, "The Regression Analysis of Binary Sequences", Journal of the Royal Statistical Society B, 1958; the class weights of
//! King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001.

use burn::module::{Module, Param, ParamId};
use burn::tensor::activation::{sigmoid, softplus};
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of balanced logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticConfig {
    /// Inverse of the penalty's weight, as scikit-learn's `C`: `‖w‖²/2 + C·Σ cᵢ·loss`, the intercept without penalty.
    pub c: f64,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { c: 1.0 }
    }
}

/// Newton steps at most; it takes about ten.
const STEPS: usize = 50;
/// Steps of conjugate gradients within one of them at most.
const INNER: usize = 200;
/// Done when the gradient has fallen to this share of the first one.
const TOLERANCE: f64 = 1e-5;

impl Method for LogisticConfig {
    type Network<B: Backend> = Logistic<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "logistic",
        title: "Balanced logistic regression",
        kind: Kind::Floor,
        source: "Cox 1958; King and Zeng 2001",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).positive("c", self.c).done()
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        columns.saturating_add(1)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Logistic<B> {
        let weights = Problem::new(data, self.c).solve();
        Logistic { weights: Param::initialized(ParamId::new(), weights) }
    }
}

/// The weights, `[columns + 1, 1]`, the intercept last.
#[derive(Module, Debug)]
pub struct Logistic<B: Backend> {
    weights: Param<Tensor<B, 2>>,
}

impl<B: Backend> Network<B> for Logistic<B> {
    fn graph(&self) -> Option<Graph> {
        let weights = self.weights.val();
        let columns = weights.dims()[0] - 1;
        let intercept = weights.clone().narrow(0, columns, 1).squeeze_dim(1);
        let mut graph = Graph::default();
        graph.linear(Graph::ROWS, weights.narrow(0, 0, columns), Some(intercept));
        Some(graph)
    }

    /// The log odds.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        with_ones(rows).matmul(self.weights.val()).squeeze_dim(1)
    }
}

fn with_ones<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    let ones = Tensor::ones([rows.dims()[0], 1], &rows.device());
    Tensor::cat(vec![rows, ones], 1)
}

/// The sum of the products, in the host's precision.
fn dot<B: Backend>(a: &Tensor<B, 2>, b: &Tensor<B, 2>) -> f64 {
    (a.clone() * b.clone()).sum().into_scalar().elem()
}

/// What is minimised, by Newton's method with conjugate gradients.
struct Problem<B: Backend> {
    /// `[rows, columns + 1]`.
    rows: Tensor<B, 2>,
    /// −1 for an unlabelled row and 1 for an anomaly, `[rows, 1]`.
    signs: Tensor<B, 2>,
    /// The weight of each row's loss, `[rows, 1]`: both classes have the same sum.
    costs: Tensor<B, 2>,
    /// 1 for each weight with a penalty, a hair above 0 for the intercept, `[columns + 1, 1]`.
    penalty: Tensor<B, 2>,
}

impl<B: Backend> Problem<B> {
    fn new(data: &TrainingData<B>, c: f64) -> Self {
        let (device, columns) = (data.rows.device(), data.columns());
        let rows = with_ones(Tensor::cat(vec![data.select(&data.unlabelled), data.select(&data.anomalies)], 0));
        let counts = [data.unlabelled.len(), data.anomalies.len()];
        let all = (counts[0] + counts[1]) as f64;
        let column = |values: [f64; 2]| {
            let parts = [0, 1].map(|class| Tensor::full([counts[class], 1], values[class], &device));
            Tensor::cat(parts.to_vec(), 0)
        };
        let penalty = Tensor::cat(vec![Tensor::ones([columns, 1], &device), Tensor::full([1, 1], 1e-6, &device)], 0);
        let costs = counts.map(|count| c * all / (2.0 * count as f64));
        Self { rows, signs: column([-1.0, 1.0]), costs: column(costs), penalty }
    }

    fn objective(&self, weights: &Tensor<B, 2>) -> f64 {
        let margins = self.rows.clone().matmul(weights.clone()) * self.signs.clone();
        dot(&self.costs, &softplus(margins.neg(), 1.0)) + dot(&self.penalty, &weights.clone().square()) / 2.0
    }

    fn solve(&self) -> Tensor<B, 2> {
        let mut weights = Tensor::zeros(self.penalty.dims(), &self.penalty.device());
        let (mut objective, mut first) = (self.objective(&weights), None);
        for _ in 0..STEPS {
            let margins = self.rows.clone().matmul(weights.clone()) * self.signs.clone();
            let missed = sigmoid(margins.neg());
            let by_row = missed.clone() * self.costs.clone() * self.signs.clone();
            let descent = self.rows.clone().transpose().matmul(by_row) - self.penalty.clone() * weights.clone();
            let length = dot(&descent, &descent).sqrt();
            if length <= TOLERANCE * *first.get_or_insert(length) {
                break;
            }
            let curvature = missed.clone() * missed.neg().add_scalar(1.0) * self.costs.clone();
            let step = self.newton_step(&curvature, descent, length);
            // Halved until it descends; where rounding hides the descent, the minimum is as near as it can be told.
            let tried = (0..20).map(|halvings| weights.clone() + step.clone().mul_scalar(0.5f64.powi(halvings)));
            let better = tried.map(|weights| (self.objective(&weights), weights)).find(|(tried, _)| *tried < objective);
            let Some((lower, new)) = better else { break };
            (objective, weights) = (lower, new);
        }
        weights
    }

    /// The solution of `H·step = descent`, `H` being the Hessian, which is never formed.
    fn newton_step(&self, curvature: &Tensor<B, 2>, descent: Tensor<B, 2>, length: f64) -> Tensor<B, 2> {
        let mut step = descent.zeros_like();
        let (mut left, mut direction) = (descent.clone(), descent);
        let mut square = length * length;
        for _ in 0..INNER {
            let along = curvature.clone() * self.rows.clone().matmul(direction.clone());
            let bent = self.rows.clone().transpose().matmul(along) + self.penalty.clone() * direction.clone();
            let size = square / dot(&direction, &bent);
            if !size.is_finite() {
                break;
            }
            step = step + direction.clone().mul_scalar(size);
            left = left - bent.mul_scalar(size);
            let new = dot(&left, &left);
            if new <= 1e-8 * length * length {
                break;
            }
            direction = left.clone() + direction.mul_scalar(new / square);
            square = new;
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn::tensor::TensorData;
    use burn_flex::Flex;
    use burn_ndarray::NdArray;

    const COLUMNS: usize = 5;
    const ANOMALIES: [usize; 4] = [0, 7, 19, 33];

    fn weights<B: Backend>(c: f64) -> Vec<f32> {
        let cell = |row: usize, column: usize| {
            let cell = ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0;
            if ANOMALIES.contains(&row) { cell + 0.3 } else { cell }
        };
        let cells: Vec<f32> = (0..40 * COLUMNS).map(|place| cell(place / COLUMNS, place % COLUMNS)).collect();
        let rows = Tensor::<B, 2>::from_data(TensorData::new(cells, [40, COLUMNS]), &Default::default());
        let unlabelled = (0..40).filter(|row| !ANOMALIES.contains(row)).collect();
        let data = TrainingData { rows, unlabelled, anomalies: ANOMALIES.to_vec() };
        let network = LogisticConfig { c }.init(&data, &mut Seed(1).stream(&[]));
        network.weights.val().into_data().iter::<f32>().collect()
    }

    /// Figures of scikit-learn 1.9.1: `LogisticRegression(C=c, class_weight="balanced", tol=1e-10, max_iter=10000)` on the
    /// same rows, coefficients and then the intercept.
    #[test]
    fn weights_agree_with_scikit_learn() {
        for (c, expected) in [
            (1.0, [0.294136, 0.564544, 2.460539, 1.322534, 1.359007, -4.047245]),
            (100.0, [2.344499, 4.872361, 10.523674, 6.064349, 6.565917, -20.466152]),
        ] {
            for weights in [weights::<NdArray>(c), weights::<Flex>(c)] {
                for (ours, theirs) in weights.iter().zip(expected) {
                    assert!((ours - theirs).abs() < 2e-3 * theirs.abs(), "{ours}, but scikit-learn says {theirs}");
                }
            }
        }
    }
}
