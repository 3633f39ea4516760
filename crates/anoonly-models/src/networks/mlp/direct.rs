//! Training steps of a multi-layer perceptron in plain memory.

use std::any::Any;

use burn::module::ParamId;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::FlexTensor;

use super::Mlp;
use crate::kernels::direct::stack::Stack;
use crate::kernels::direct::{Direct, ExampleWeights, Trained, Weigh, balanced_cross_entropy, rows, total};
use crate::kernels::{Differentiating, columns, values};
use crate::layers::activation::Activation;
use crate::network::Distinct;
use crate::{StepRows, TrainingData};

struct DirectMlp {
    rows: FlexTensor,
    stack: Stack,
    gradient: Vec<f32>,
}

/// The training steps; `None` unless the backend is [`Flex`](burn_flex::Flex).
pub(super) fn direct<B: AutodiffBackend>(
    network: &Mlp<B>,
    data: &TrainingData<B::InnerBackend>,
) -> Option<Box<dyn Direct>> {
    let rows = rows::<B>(data)?;
    let network = (network as &dyn Any).downcast_ref::<Mlp<Differentiating>>()?;
    let stack = Stack::new(network.hidden.layers(), &network.output, [Activation::Relu, Activation::Linear])?;
    Some(Box::new(DirectMlp { rows, stack, gradient: Vec::new() }))
}

impl Direct for DirectMlp {
    fn descend(&mut self, step: &StepRows, weigh: Weigh<'_>) -> f32 {
        let Self { rows, stack, gradient } = self;
        let others = step.others();
        let batch = Distinct::of(&step.indices, others);
        let (width, rows) = (columns(rows), values(rows));
        let scores = stack.forward(rows, width, &batch);
        let entropy = balanced_cross_entropy([others, scores.len() - others]);
        let loss = total(ExampleWeights::by_row(step, weigh), [scores.len(), 1], gradient, |row, gradient| {
            let (value, slope) = entropy(row, scores[row]);
            gradient[0] = slope;
            value
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
