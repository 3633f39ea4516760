//! Training steps of DeepSAD in plain memory.

use std::any::Any;

use burn::module::ParamId;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::FlexTensor;

use super::{DISTANCE_GAP, DeepSad};
use crate::kernels::direct::stack::Stack;
use crate::kernels::direct::{Direct, ExampleWeights, Trained, Weigh, rows, total};
use crate::kernels::{Differentiating, columns, values};
use crate::layers::activation::Activation;
use crate::layers::host::cells;
use crate::network::Distinct;
use crate::{StepRows, TrainingData};

struct DirectDeepSad {
    rows: FlexTensor,
    stack: Stack,
    centre: Vec<f32>,
    eta: f32,
    gradient: Vec<f32>,
}

/// The training steps; `None` unless the backend is [`Flex`](burn_flex::Flex).
pub(super) fn direct<B: AutodiffBackend>(
    network: &DeepSad<B>,
    data: &TrainingData<B::InnerBackend>,
) -> Option<Box<dyn Direct>> {
    let rows = rows::<B>(data)?;
    let network = (network as &dyn Any).downcast_ref::<DeepSad<Differentiating>>()?;
    let (last, hidden) = network.layers.split_last()?;
    let stack = Stack::new(hidden.iter().zip(&network.norms), last, [Activation::Linear, Activation::LeakyRelu])?;
    let (centre, eta) = (cells(network.centre.val()), network.eta as f32);
    Some(Box::new(DirectDeepSad { rows, stack, centre, eta, gradient: Vec::new() }))
}

impl Direct for DirectDeepSad {
    fn descend(&mut self, step: &StepRows, weigh: Weigh<'_>) -> f32 {
        let Self { rows, stack, centre, eta, gradient } = self;
        let others = step.others();
        let batch = Distinct::of(&step.indices, others);
        let (width, rows) = (columns(rows), values(rows));
        let codes = stack.forward(rows, width, &batch);
        let shape = [step.indices.len(), centre.len()];
        let loss = total(ExampleWeights::by_row(step, weigh), shape, gradient, |row, gradient| {
            let code = &codes[row * centre.len()..][..centre.len()];
            let mut distance = 0.0;
            for ((cell, code), centre) in gradient.iter_mut().zip(code).zip(&*centre) {
                let difference = code - centre;
                distance += difference * difference;
                *cell = 2.0 * difference;
            }
            if row < others {
                return distance;
            }
            let inverse = 1.0 / (distance + DISTANCE_GAP as f32);
            let slope = -*eta * inverse * inverse;
            gradient.iter_mut().for_each(|cell| *cell *= slope);
            *eta * inverse
        });
        stack.backward(rows, width, &batch, gradient);
        loss
    }

    fn trained(&mut self) -> Vec<&mut Trained> {
        self.stack.trained()
    }

    fn values(&self) -> Vec<(ParamId, Vec<f32>)> {
        self.stack.values()
    }
}
