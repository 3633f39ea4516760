//! The baseline with labels: logistic regression in which both classes have the same total weight, and confirmed normals half of that of
//! the rows that are no anomalies.
//!
//! Cox, "The Regression Analysis of Binary Sequences", Journal of the Royal Statistical Society B, 1958; the class weights of
//! King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001.

#[cfg(feature = "fit")]
mod solver;

use rand::Rng;
use serde::{Deserialize, Serialize};

#[cfg(feature = "fit")]
use self::solver::Problem;
use crate::error::Checks;
use crate::graph::{Graph, Matrix};
use crate::kernels::Scorer;
use crate::kernels::products::dots_with;
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
