//! Training steps in plain memory.
//!
//! A training step of the small networks of this field takes some ten microseconds of arithmetic. The autodiff graph costs several
//! times as much: a node per tensor, maps of nodes, gradients and optimiser states, and a lock that all threads of the process share.
//! On [`Flex`], these networks can be trained without it.
//!
//! [`Direct`] holds the values that training changes and computes the loss of a batch with its gradients. The definition is
//! [`Network::terms`](crate::Network::terms), with which the tests compare it. Networks with unsupported parts, such as layer
//! normalisation, are trained through the graph.

pub(crate) mod dense;
pub(crate) mod norm;
pub(crate) mod stack;

use std::any::Any;

use burn::module::{ModuleMapper, Param, ParamId};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

use super::primitive;
use crate::layers::host::cells;
use crate::{StepRows, TrainingData};

/// A network that is trained in plain memory.
pub trait Direct {
    /// Computes the loss of a batch, stores the gradients beside the tensors, and updates the running statistics.
    ///
    /// The loss is `(ν·Σ normal + κ·Σ confirmed + Σ anomalous) / examples` plus the penalty, with the weights that `weigh` gives to the
    /// counts of these examples.
    fn descend(&mut self, step: &StepRows, weigh: Weigh<'_>) -> f32;

    /// The tensors that an optimiser changes, always in the same order.
    fn trained(&mut self) -> Vec<&mut Trained>;

    /// The values of each tensor that training has changed, in the memory order of the network's tensor.
    fn values(&self) -> Vec<(ParamId, Vec<f32>)>;
}

/// The number of examples of each part of a loss ([`LossTerms`](crate::LossTerms)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExampleCounts {
    /// Examples whose target is normal and that involve an unlabelled row.
    pub normal: usize,
    /// Examples of confirmed normals.
    pub confirmed: usize,
    /// Examples that involve a labelled anomaly.
    pub anomalous: usize,
}

impl ExampleCounts {
    /// The number of all examples.
    pub fn total(self) -> usize {
        self.normal + self.confirmed + self.anomalous
    }
}

/// The weight of the loss of an example whose target is normal. That of an anomalous example is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalWeights {
    /// Of an example that involves an unlabelled row.
    pub normal: f64,
    /// Of an example of confirmed normals.
    pub confirmed: f64,
}

/// A function from the counts of examples to their weights.
pub type Weigh<'a> = &'a dyn Fn(ExampleCounts) -> NormalWeights;

/// A trained tensor and its gradient.
#[derive(Clone, Debug)]
pub struct Trained {
    pub(crate) id: ParamId,
    /// The values.
    pub values: Vec<f32>,
    /// The gradient of the loss of the last batch, in the order of `values`.
    pub gradient: Vec<f32>,
}

impl Trained {
    pub(crate) fn new(id: ParamId, values: Vec<f32>) -> Self {
        let gradient = vec![0.0; values.len()];
        Self { id, values, gradient }
    }

    pub(crate) fn of<B: Backend, const D: usize>(param: &Param<Tensor<B, D>>) -> Self {
        Self::new(param.id, cells(param.val()))
    }
}

/// Copies the values that [`Direct::values`] returns into a network.
pub struct Put(pub Vec<(ParamId, Vec<f32>)>);

impl<B: Backend> ModuleMapper<B> for Put {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        match self.0.iter().position(|(id, _)| *id == param.id) {
            Some(place) => {
                let (_, values) = self.0.swap_remove(place);
                param.map(|tensor| Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device()))
            }
            None => param,
        }
    }
}

/// The training rows, if they are on the backend Flex.
pub(crate) fn rows<B: AutodiffBackend>(data: &TrainingData<B::InnerBackend>) -> Option<FlexTensor> {
    let rows: Box<dyn Any> = Box::new(data.rows.clone());
    let rows = rows.downcast::<Tensor<Flex, 2>>().ok()?;
    Some(primitive(*rows).to_contiguous())
}

/// The weight of each example of a part in the loss of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExampleWeights {
    pub normal: f32,
    pub confirmed: f32,
    pub anomalous: f32,
}

impl ExampleWeights {
    pub(crate) fn new(counts: ExampleCounts, weigh: Weigh<'_>) -> Self {
        let examples = counts.total().max(1) as f32;
        let NormalWeights { normal, confirmed } = weigh(counts);
        Self { normal: normal as f32 / examples, confirmed: confirmed as f32 / examples, anomalous: 1.0 / examples }
    }

    /// The weights of a network whose examples are the rows of a batch, and which of them a row has.
    pub(crate) fn by_row(step: &StepRows, weigh: Weigh<'_>) -> impl Fn(usize) -> f32 {
        let (unlabelled, others) = (step.unlabelled, step.others());
        let weights = Self::new(
            ExampleCounts { normal: unlabelled, confirmed: step.normals, anomalous: step.indices.len() - others },
            weigh,
        );
        move |row| match row {
            row if row < unlabelled => weights.normal,
            row if row < others => weights.confirmed,
            _ => weights.anomalous,
        }
    }
}

/// The loss of a batch, and its gradient with respect to the network's outputs, `[examples, width]`. `term` returns the loss of an
/// example and writes the gradient of this loss, both without the example's weight.
pub(crate) fn total(
    weight_of: impl Fn(usize) -> f32,
    [examples, width]: [usize; 2],
    gradient: &mut Vec<f32>,
    mut term: impl FnMut(usize, &mut [f32]) -> f32,
) -> f32 {
    let mut loss = 0.0;
    gradient.clear();
    gradient.resize(examples * width, 0.0);
    for (example, gradient) in gradient.chunks_exact_mut(width).enumerate() {
        let weight = weight_of(example);
        // A term without weight may be infinite, so it is skipped.
        if weight > 0.0 {
            loss += weight * term(example, gradient);
            gradient.iter_mut().for_each(|cell| *cell *= weight);
        }
    }
    loss
}

/// The loss and its slope of a row of [`balanced_cross_entropy`](crate::layers::cross_entropy::balanced_cross_entropy) for a batch
/// with the given numbers of other rows and of labelled anomalies.
pub(crate) fn balanced_cross_entropy(counts: [usize; 2]) -> impl Fn(usize, f32) -> (f32, f32) {
    let weight = |count: usize| (counts[0] + counts[1]) as f32 / (2 * count.max(1)) as f32;
    let weights = counts.map(weight);
    move |row, score| {
        let [weight, sign] = if row < counts[0] { [weights[0], 1.0] } else { [weights[1], -1.0] };
        let odds = sign * score;
        let small = (-odds.abs()).exp();
        let larger = 1.0 / (1.0 + small);
        let share = if odds > 0.0 { larger } else { small * larger };
        // `max` would drop NaN.
        let above = if odds <= 0.0 { 0.0 } else { odds };
        (weight * (above + small.ln_1p()), weight * sign * share)
    }
}

/// The sign of a value; 0 at 0.
pub(crate) fn sign(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
