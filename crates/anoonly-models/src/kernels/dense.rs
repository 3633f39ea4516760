//! A linear layer with an activation.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};

use super::narrow::sums_of_columns;
use super::products::{FEW, FEW_OUTPUTS, StridedRows, dots};
use super::{
    Differentiating, activation_backward, add_and_activate, back, cast, columns, finish, flex, primitive, same, tensor,
    values,
};
use crate::layers::activation::Activation;

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
    let mut output = few_outputs(&rows, &weight).unwrap_or_else(|| Flex::float_matmul(rows, weight));
    let bias = bias.map(|bias| bias.to_contiguous());
    add_and_activate(output.storage_mut::<f32>(), bias.as_ref().map(values), activation.slope());
    output
}

/// The product, if it has few columns with many terms, for which [`dots`] is faster than the general product.
fn few_outputs(rows: &FlexTensor, weight: &FlexTensor) -> Option<FlexTensor> {
    let (inputs, outputs) = (columns(rows), columns(weight));
    if inputs < FEW || outputs > FEW_OUTPUTS {
        return None;
    }
    let (rows, weight) = (rows.to_contiguous(), weight.to_contiguous());
    let weight = values(&weight);
    let column = |output: usize| weight[output..].iter().step_by(outputs).copied();
    let transposed: Vec<f32> = (0..outputs).flat_map(column).collect();
    let rows = StridedRows::all(values(&rows), inputs);
    let mut product = vec![0.0; rows.len() * outputs];
    dots(rows, StridedRows::all(&transposed, inputs), &mut product);
    Some(flex(product, [rows.len(), outputs]))
}

/// What the backward pass of a layer needs. `rows` is set if the weights have a gradient, and `weight` if the rows have one.
#[derive(Clone, Debug)]
struct DenseState {
    rows: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    output: Option<FlexTensor>,
    slope: f32,
}

/// The graph node of a linear layer. Its parents are the rows, the weights and, if there is one, the bias.
#[derive(Debug)]
struct DenseNode;

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
        Some(bias) => finish(DenseNode.prepare([rows.node, weight.node, bias.node]), state, output),
        None => finish(DenseNode.prepare([rows.node, weight.node]), state, output),
    })
}

impl<const N: usize> Backward<Flex, N> for DenseNode {
    type State = DenseState;

    fn backward(self, ops: Ops<DenseState, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let DenseState { rows, weight, output, slope } = ops.state;
        let mut gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(output) = output {
            activation_backward(gradient.storage_mut::<f32>(), values(&output), slope);
        }
        let mut parents = ops.parents.into_iter();
        let mut next = || parents.next().flatten();
        let (of_rows, of_weight, of_bias) = (next(), next(), next());
        if let Some(node) = of_bias {
            let width = columns(&gradient);
            let sums = sums_of_columns(values(&gradient), width);
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
