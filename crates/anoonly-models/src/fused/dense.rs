//! A layer with its activation.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};
use pulp::Arch;

use super::{Differentiating, back, bent, cast, columns, finish, flex, primitive, same, tensor, unbend, values};
use crate::activation::Activation;

/// `activation(rows · weight + bias)`.
pub(crate) fn dense<B: Backend>(
    rows: Tensor<B, 2>,
    layer: &Linear<B>,
    activation: Activation,
) -> Result<Tensor<B, 2>, Tensor<B, 2>> {
    let rows = match cast::<_, Tensor<Differentiating, 2>>(rows) {
        Ok(rows) => {
            return Ok(back(dense_node(rows, same(layer), activation)));
        }
        Err(rows) => rows,
    };
    let rows = cast::<_, Tensor<Flex, 2>>(rows)?;
    let layer: &Linear<Flex> = same(layer);
    let bias = layer.bias.as_ref().map(|bias| primitive(bias.val()));
    let output = dense_forward(primitive(rows), primitive(layer.weight.val()), bias, activation);
    Ok(back(tensor::<Flex, 2>(output)))
}

fn dense_forward(rows: FlexTensor, weight: FlexTensor, bias: Option<FlexTensor>, activation: Activation) -> FlexTensor {
    let mut output = Flex::float_matmul(rows, weight);
    let width = columns(&output);
    let slope = activation.slope();
    let cells = output.storage_mut::<f32>();
    let bias = bias.map(|bias| bias.to_contiguous());
    match bias.as_ref().map(values) {
        Some(bias) => Arch::new().dispatch(|| {
            for row in cells.chunks_exact_mut(width) {
                row.iter_mut().zip(bias).for_each(|(cell, bias)| *cell = bent(*cell + bias, slope));
            }
        }),
        None if slope == 1.0 => {}
        None => Arch::new().dispatch(|| cells.iter_mut().for_each(|cell| *cell = bent(*cell, slope))),
    }
    output
}

/// What the backward of a layer wants to know; `rows` and `weight` only where a gradient flows to the other one.
#[derive(Clone, Debug)]
struct DenseState {
    rows: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    output: Option<FlexTensor>,
    slope: f32,
}

/// `weight` and `rows` have a gradient each, and the bias where there is one.
#[derive(Debug)]
struct Dense;

fn dense_node(
    rows: Tensor<Differentiating, 2>,
    layer: &Linear<Differentiating>,
    activation: Activation,
) -> Tensor<Differentiating, 2> {
    let rows = primitive(rows);
    let weight = primitive(layer.weight.val());
    let bias = layer.bias.as_ref().map(|bias| primitive(bias.val()));
    let bias_values = bias.as_ref().map(|bias| bias.primitive.clone());
    let output = dense_forward(rows.primitive.clone(), weight.primitive.clone(), bias_values, activation);
    let slope = activation.slope();
    let state = DenseState {
        rows: weight.is_tracked().then(|| rows.primitive.clone()),
        weight: rows.is_tracked().then(|| weight.primitive.clone()),
        output: (slope != 1.0).then(|| output.clone()),
        slope,
    };
    tensor(match bias {
        Some(bias) => finish(Dense.prepare([rows.node, weight.node, bias.node]), state, output),
        None => finish(Dense.prepare([rows.node, weight.node]), state, output),
    })
}

impl<const N: usize> Backward<Flex, N> for Dense {
    type State = DenseState;

    fn backward(self, ops: Ops<DenseState, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let DenseState { rows, weight, output, slope } = ops.state;
        let mut gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(output) = output {
            unbend(&mut gradient, &output, slope);
        }
        let mut parents = ops.parents.into_iter();
        let mut next = || parents.next().flatten();
        let (of_rows, of_weight, of_bias) = (next(), next(), next());
        if let Some(node) = of_bias {
            let width = columns(&gradient);
            let mut sums = vec![0.0f32; width];
            let cells = values(&gradient);
            Arch::new().dispatch(|| {
                for row in cells.chunks_exact(width) {
                    sums.iter_mut().zip(row).for_each(|(sum, cell)| *sum += cell);
                }
            });
            gradients.register::<Flex>(node.id, flex(sums, [width]));
        }
        if let (Some(node), Some(weight)) = (of_rows, weight) {
            let value = Flex::float_matmul(gradient.clone(), Flex::float_transpose(weight));
            gradients.register::<Flex>(node.id, value);
        }
        if let (Some(node), Some(rows)) = (of_weight, rows) {
            gradients.register::<Flex>(node.id, Flex::float_matmul(Flex::float_transpose(rows), gradient));
        }
    }
}
