//! Training steps in plain memory.
//!
//! A step of the small networks of this field is some ten microseconds of arithmetic. The graph around it costs several times as
//! much: a node a tensor, maps of nodes, gradients and optimiser states, and one lock that all threads of the process share. On
//! [`Flex`] those networks can be trained without it. [`Direct`] holds what training changes, and works out a batch's loss with
//! its gradients as one would write it down. What it has to give is defined by [`Network::terms`](crate::Network::terms), to
//! which the tests hold it; what it does not know, such as layer normalisation, is left to them.

pub(crate) mod dense;
pub(crate) mod norm;
pub(crate) mod stack;

use std::any::Any;

use burn::module::{ModuleMapper, Param, ParamId};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

use super::primitive;
use crate::TrainingData;

/// A network in training, in plain memory.
pub trait Direct {
    /// The loss of a batch as a strategy takes it, `(λ·Σ normal + Σ anomalous) / examples` and the penalty, with λ =
    /// `normal_weight`; puts the gradients beside the tensors. The batch is the training rows of the given indices, of which
    /// the first `unlabelled` are unlabelled. Running statistics take it in.
    fn descend(&mut self, indices: &[usize], unlabelled: usize, normal_weight: f32) -> f32;

    /// What an optimiser changes, always in the same order.
    fn trained(&mut self) -> Vec<&mut Trained>;

    /// The value of each tensor that training has changed, in the order of a network's tensor.
    fn values(&self) -> Vec<(ParamId, Vec<f32>)>;
}

/// A tensor that is trained, and its gradient in the same order.
#[derive(Clone, Debug)]
pub struct Trained {
    pub(crate) id: ParamId,
    /// The values.
    pub values: Vec<f32>,
    /// The gradient of the last batch's loss.
    pub gradient: Vec<f32>,
}

impl Trained {
    pub(crate) fn new(id: ParamId, values: Vec<f32>) -> Self {
        let gradient = vec![0.0; values.len()];
        Self { id, values, gradient }
    }

    pub(crate) fn of<B: Backend, const D: usize>(param: &Param<Tensor<B, D>>) -> Self {
        Self::new(param.id, read(param.val()))
    }
}

/// The values of a tensor, in its order.
pub(crate) fn read<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The network with the values that [`Direct::values`] tells.
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

/// The training rows, where they are Flex's.
pub(crate) fn rows<B: AutodiffBackend>(data: &TrainingData<B::InnerBackend>) -> Option<FlexTensor> {
    let rows: Box<dyn Any> = Box::new(data.rows.clone());
    let rows = rows.downcast::<Tensor<Flex, 2>>().ok()?;
    Some(primitive(*rows).to_contiguous())
}

/// What each example of a batch counts in its loss: normal ones, and the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    normal: f32,
    anomalous: f32,
}

impl Shares {
    pub(crate) fn new(normals: usize, anomalies: usize, normal_weight: f32) -> Self {
        let examples = (normals + anomalies).max(1) as f32;
        Self { normal: normal_weight / examples, anomalous: 1.0 / examples }
    }
}

/// The loss of examples, and its gradient by what a network makes of each, `[examples, width]`. `term` tells the loss of an
/// example and puts its gradient into the place it is given, as if it counted once.
pub(crate) fn total(
    shares: Shares,
    [examples, width]: [usize; 2],
    is_anomalous: impl Fn(usize) -> bool,
    gradient: &mut Vec<f32>,
    mut term: impl FnMut(usize, &mut [f32]) -> f32,
) -> f32 {
    let mut loss = 0.0;
    gradient.clear();
    gradient.resize(examples * width, 0.0);
    for (example, gradient) in gradient.chunks_exact_mut(width).enumerate() {
        let share = if is_anomalous(example) { shares.anomalous } else { shares.normal };
        // What does not count may be infinite.
        if share > 0.0 {
            loss += share * term(example, gradient);
            gradient.iter_mut().for_each(|cell| *cell *= share);
        }
    }
    loss
}

/// The sign, 0 at 0.
pub(crate) fn sign(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
