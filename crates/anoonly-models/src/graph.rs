//! The computation of a score as plain data, for fast scoring and for export to other runtimes.
//!
//! A [`Graph`] is a list of simple steps. Each step computes a matrix with one line per row from earlier matrices.
//! [`Network::graph`](crate::Network::graph) returns the steps of scoring, in which batch normalisation uses its running statistics.
//! An exporter needs to know these steps, but no method.

#[cfg(test)]
pub(crate) mod evaluate;
mod general;
mod gradient;
mod saved;

pub use self::general::{Combination, Element, Function, GeneralStep, LookupTable, TreeNodes};
pub use self::gradient::GraphGradient;
pub use self::saved::SavedStep;

/// The steps from rows to scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    steps: Vec<Step>,
}

/// A value in a graph, `[rows, width]`: [`Graph::ROWS`] or the result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(usize);

/// A matrix of constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// The cells, row by row.
    pub cells: Vec<f32>,
}

/// A step. There is one constant for each column of a value, or a single constant for all columns. A value with one column is
/// broadcast over the columns of the other value.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `of · weight + bias`, `[rows, inputs]` to `[rows, outputs]`.
    Linear {
        /// The input.
        of: Value,
        /// `[inputs, outputs]`.
        weight: Matrix,
        /// One bias for each output.
        bias: Option<Vec<f32>>,
    },
    /// `x` above 0 and `slope · x` below. With slope 0 it is a ReLU.
    LeakyRelu {
        /// The input `x`.
        of: Value,
        /// The slope below 0.
        slope: f32,
    },
    /// Adds constants.
    Add {
        /// The input.
        of: Value,
        /// The constants.
        constants: Vec<f32>,
    },
    /// Multiplies by constants.
    Multiply {
        /// The input.
        of: Value,
        /// The constants.
        constants: Vec<f32>,
    },
    /// `left − right`.
    Subtract {
        /// The minuend.
        left: Value,
        /// The subtrahend.
        right: Value,
    },
    /// `left / right`.
    Divide {
        /// The dividend.
        left: Value,
        /// The divisor.
        right: Value,
    },
    /// The square root.
    Root {
        /// The input.
        of: Value,
    },
    /// The sum over the columns, `[rows, 1]`.
    Sum {
        /// The input.
        of: Value,
    },
    /// The sum of the squares over the columns, `[rows, 1]`.
    SumOfSquares {
        /// The input.
        of: Value,
    },
    /// The columns of several values, one after the other.
    Concat {
        /// The inputs.
        of: Vec<Value>,
    },
    /// A step that only exported graphs have.
    General(GeneralStep),
}

impl Step {
    /// The inputs of the step.
    pub fn takes(&self) -> Vec<Value> {
        match self {
            Step::Linear { of, .. }
            | Step::LeakyRelu { of, .. }
            | Step::Add { of, .. }
            | Step::Multiply { of, .. }
            | Step::Root { of }
            | Step::Sum { of }
            | Step::SumOfSquares { of } => vec![*of],
            Step::Subtract { left, right } | Step::Divide { left, right } => vec![*left, *right],
            Step::Concat { of } => of.clone(),
            Step::General(step) => step.takes(),
        }
    }
}

impl Value {
    /// 0 for the rows, and the number of the step, counted from 1, for its result.
    pub fn index(self) -> usize {
        self.0
    }
}

impl Graph {
    /// Whether two graphs have the same steps, with constants that differ at most by the rounding of another processor.
    pub fn is_close_to(&self, other: &Graph) -> bool {
        let close = |ours: &[f32], theirs: &[f32]| {
            let largest = ours.iter().fold(1e-30f32, |largest, cell| largest.max(cell.abs()));
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= 1e-4 * largest)
        };
        let is_close = |(ours, theirs): (&Step, &Step)| match (ours, theirs) {
            (Step::Linear { of, weight, bias }, Step::Linear { of: from, weight: other, bias: others }) => {
                let biases = match (bias, others) {
                    (Some(bias), Some(other)) => close(bias, other),
                    (bias, other) => bias == other,
                };
                of == from && weight.shape == other.shape && close(&weight.cells, &other.cells) && biases
            }
            (Step::Add { of, constants }, Step::Add { of: from, constants: others })
            | (Step::Multiply { of, constants }, Step::Multiply { of: from, constants: others }) => {
                of == from && close(constants, others)
            }
            (ours, theirs) => ours == theirs,
        };
        self.steps.len() == other.steps.len() && self.steps.iter().zip(&other.steps).all(is_close)
    }

    /// The scaled rows, `[rows, columns]`: the input of the network.
    pub const ROWS: Value = Value(0);

    /// The steps in order. The result of the last step is the score, `[rows, 1]`.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether fast scoring, gradients and model files take the steps: none of them is a [`GeneralStep`].
    pub fn is_dense(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step, Step::General(_)))
    }

    /// Adds a step.
    pub fn then(&mut self, step: Step) -> Value {
        self.steps.push(step);
        Value(self.steps.len())
    }

    /// Adds `of · weight + bias` with weights `[inputs, outputs]` and biases `[outputs]`.
    pub fn linear(&mut self, of: Value, weight: Matrix, bias: Option<Vec<f32>>) -> Value {
        self.then(Step::Linear { of, weight, bias })
    }

    /// Adds a step that adds constants, `[columns]`.
    pub fn add(&mut self, of: Value, constants: Vec<f32>) -> Value {
        self.then(Step::Add { of, constants })
    }

    /// Adds a step that multiplies by constants, `[columns]`.
    pub fn multiply(&mut self, of: Value, constants: Vec<f32>) -> Value {
        self.then(Step::Multiply { of, constants })
    }

    /// Adds `√(Σ x² + gap)` over the columns.
    pub fn length(&mut self, of: Value, gap: f32) -> Value {
        let squares = self.then(Step::SumOfSquares { of });
        let above_zero = self.then(Step::Add { of: squares, constants: vec![gap] });
        self.then(Step::Root { of: above_zero })
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
pub(crate) mod tests {
    use super::*;
    use crate::{AnyNetwork, AnyNetworkMethod, Network, NetworkMethod, Norm, TrainingData};
    use anoonly_core::Seed;
    use burn::backend::Autodiff;
    use burn::module::AutodiffModule;
    use burn::tensor::Tensor;
    use burn::tensor::TensorData;
    use burn::tensor::activation::leaky_relu;
    use burn_flex::Flex;

    type B = Flex;

    /// Runs the steps with burn.
    fn run(graph: &Graph, rows: Tensor<B, 2>) -> Vec<f32> {
        let device = rows.device();
        let row = |cells: &[f32]| Tensor::<B, 1>::from_data(cells, &device).unsqueeze_dim::<2>(0);
        let mut values = vec![rows];
        for step in graph.steps() {
            let at = |value: &Value| values[value.index()].clone();
            values.push(match step {
                Step::Linear { of, weight, bias } => {
                    let weight = Tensor::from_data(TensorData::new(weight.cells.clone(), weight.shape), &device);
                    let product = at(of).matmul(weight);
                    bias.as_ref().map_or(product.clone(), |bias| product + row(bias))
                }
                Step::LeakyRelu { of, slope } => leaky_relu(at(of), f64::from(*slope)),
                Step::Add { of, constants } => at(of) + row(constants),
                Step::Multiply { of, constants } => at(of) * row(constants),
                Step::Subtract { left, right } => at(left) - at(right),
                Step::Divide { left, right } => at(left) / at(right),
                Step::Root { of } => at(of).sqrt(),
                Step::Sum { of } => at(of).sum_dim(1),
                Step::SumOfSquares { of } => at(of).square().sum_dim(1),
                Step::Concat { of } => Tensor::cat(of.iter().map(at).collect(), 1),
                Step::General(step) => unreachable!("a network has dense steps, not {step:?}"),
            });
        }
        values.pop().unwrap().into_data().iter::<f32>().collect()
    }

    /// The networks of every method whose steps are all dense ([`all_networks`]).
    pub(crate) fn networks(columns: usize) -> Vec<(AnyNetworkMethod, AnyNetwork<B>)> {
        let mut networks = all_networks(columns);
        networks.retain(|(_, network)| network.graph().unwrap().is_dense());
        networks
    }

    /// The networks of every method with every normalisation. Their running statistics differ from the initial ones.
    fn all_networks(columns: usize) -> Vec<(AnyNetworkMethod, AnyNetwork<B>)> {
        let data = TrainingData {
            rows: rows(20, columns, 0),
            others: (0..15).collect(),
            anomalies: (15..20).collect(),
            normals: Vec::new(),
        };
        let norms = [Norm::None, Norm::Batch, Norm::Layer];
        let methods =
            AnyNetworkMethod::all().into_iter().flat_map(|method| norms.map(|norm| method.clone().with_norm(norm)));
        let networks = methods.map(|method| {
            let network = method.init(&data, &mut Seed(1).stream(&["weights"]));
            let network = AnyNetwork::<Autodiff<B>>::from_inner(network);
            network.score(Tensor::from_inner(rows(20, columns, 1)));
            (method, network.valid().finish(&data))
        });
        networks.collect()
    }

    pub(crate) fn rows(count: usize, columns: usize, shift: usize) -> Tensor<B, 2> {
        let cells = (0..count * columns).map(|cell| ((cell * 7 + shift) % 23) as f32 / 10.0 - 0.4).collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(cells, [count, columns]), &Default::default())
    }

    #[test]
    fn a_graph_matches_its_network() {
        let mut names = Vec::new();
        for (method, network) in networks(3) {
            names.push(crate::AnyMethod::from(method.clone()).info().name);
            let scores: Vec<f32> = network.score(rows(20, 3, 2)).into_data().iter::<f32>().collect();
            for (ours, theirs) in scores.iter().zip(run(&network.graph().unwrap(), rows(20, 3, 2))) {
                assert!((ours - theirs).abs() <= 1e-5 * (1.0 + ours.abs()), "{method:?}: {ours} and {theirs}");
            }
        }
        names.dedup();
        let all = ["devnet", "prenet", "feawad", "deepsad", "rosas", "mlp", "resnet", "autoencoder", "deepsvdd"];
        assert_eq!(names, all);
    }

    /// Also rows far outside the training rows. The steps are evaluated in 64 bits.
    #[test]
    fn every_network_has_a_graph_that_matches_it() {
        let mut checked = 0;
        for columns in [1, 3, 40] {
            for (method, network) in all_networks(columns) {
                let mut cells: Vec<f32> = rows(30, columns, 2).into_data().iter::<f32>().collect();
                cells[..3 * columns].iter_mut().for_each(|cell| *cell *= 50.0);
                let input = Tensor::from_data(TensorData::new(cells.clone(), [30, columns]), &Default::default());
                let scores: Vec<f32> = network.score(input).into_data().iter::<f32>().collect();
                let evaluated = evaluate::evaluate(&network.graph().unwrap(), &cells, columns);
                // DAGMM divides by standard deviations of 0.001, which amplifies the rounding errors of its features.
                let tolerance = if matches!(method, AnyNetworkMethod::Dagmm(_)) { 1e-4 } else { 1e-5 };
                for (row, (&ours, theirs)) in scores.iter().zip(evaluated).enumerate() {
                    let (ours, scale) = (f64::from(ours), f64::from(ours).abs().max(1.0));
                    assert!((ours - theirs).abs() <= tolerance * scale, "{method:?}, row {row}: {ours} and {theirs}");
                }
                checked += 1;
            }
        }
        assert_eq!(checked, 3 * 3 * AnyNetworkMethod::all().len());
    }
}
