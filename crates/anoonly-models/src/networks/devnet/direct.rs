//! Training steps of DevNet in plain memory.

use std::any::Any;

use burn::module::ParamId;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::FlexTensor;

use super::{AnomalyLoss, DevNet};
use crate::kernels::direct::stack::Stack;
use crate::kernels::direct::{Direct, ExampleWeights, Trained, Weigh, rows, sign, total};
use crate::kernels::vectorised;
use crate::kernels::{Differentiating, columns, squares, values};
use crate::layers::activation::Activation;
use crate::network::Distinct;
use crate::{StepRows, TrainingData};

struct DirectDevNet {
    rows: FlexTensor,
    stack: Stack,
    margin: f32,
    /// The weight of the sum of the squared weights of the hidden layers in the loss.
    l2: f32,
    anomaly_loss: AnomalyLoss,
    gradient: Vec<f32>,
}

/// The training steps; `None` unless the backend is [`Flex`](burn_flex::Flex) and there is a hidden layer.
pub(super) fn direct<B: AutodiffBackend>(
    network: &DevNet<B>,
    data: &TrainingData<B::InnerBackend>,
) -> Option<Box<dyn Direct>> {
    let rows = rows::<B>(data)?;
    let network = (network as &dyn Any).downcast_ref::<DevNet<Differentiating>>()?;
    let hidden = network.hidden.iter().map(|layer| (&layer.linear, &layer.norm));
    let stack = Stack::new(hidden, &network.output, [Activation::Relu, Activation::Linear])?;
    let (margin, l2, anomaly_loss) = (network.margin as f32, network.l2 as f32, network.anomaly_loss);
    let direct = DirectDevNet { rows, stack, margin, l2, anomaly_loss, gradient: Vec::new() };
    network.input_norm.is_none().then(|| Box::new(direct) as Box<dyn Direct>)
}

impl Direct for DirectDevNet {
    fn descend(&mut self, step: &StepRows, weigh: Weigh<'_>) -> f32 {
        let Self { rows, stack, margin, l2, anomaly_loss, gradient } = self;
        let others = step.others();
        let batch = Distinct::of(&step.indices, others);
        let (width, rows) = (columns(rows), values(rows));
        let scores = stack.forward(rows, width, &batch);
        let loss = total(ExampleWeights::by_row(step, weigh), [scores.len(), 1], gradient, |row, gradient| {
            let score = scores[row];
            let shortfall = *margin - score;
            let (value, slope) = match anomaly_loss {
                _ if row < step.unlabelled => (score.abs(), sign(score)),
                _ if row < others && score > 0.0 => (score, 1.0),
                // NaN stays NaN, here and below.
                _ if row < others => (0.0 * score, 0.0),
                AnomalyLoss::Absolute => (shortfall.abs(), -sign(shortfall)),
                AnomalyLoss::Unbounded => (shortfall, -1.0),
                AnomalyLoss::Hinge if shortfall > 0.0 => (shortfall, -1.0),
                AnomalyLoss::Hinge => (0.0 * shortfall, 0.0),
            };
            gradient[0] = slope;
            value
        });
        stack.backward(rows, width, &batch, gradient);
        if *l2 == 0.0 {
            return loss;
        }
        let squares: f32 = stack.hidden_weights().map(|weight| add_penalty(weight, *l2)).sum();
        loss + *l2 * squares
    }

    fn trained(&mut self) -> Vec<&mut Trained> {
        self.stack.trained()
    }

    fn values(&self) -> Vec<(ParamId, Vec<f32>)> {
        self.stack.values()
    }
}

/// Adds the gradient of `l2` times the sum of the squares, and returns the sum of the squares.
fn add_penalty(weight: &mut Trained, l2: f32) -> f32 {
    let sum = squares(&weight.values);
    let factor = 2.0 * l2;
    vectorised!({
        weight.gradient.iter_mut().zip(&weight.values).for_each(|(cell, value)| *cell += factor * value);
    });
    sum
}
