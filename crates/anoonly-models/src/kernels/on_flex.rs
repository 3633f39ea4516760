//! The backend [`Flex`]: casts to it, nodes of its autodiff graph, and scorers of its networks.

use std::any::{Any, TypeId};

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, OpsPrep};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Shape, Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

use super::narrow::together;
use super::{Scorer, activate, squares, vectorised};
use crate::Network;
use crate::graph::Graph;

pub(crate) type Differentiating = Autodiff<Flex>;

/// Casts a value to type `U`; returns it unchanged if it has another type.
pub(crate) fn cast<T: 'static, U: 'static>(value: T) -> Result<U, T> {
    let mut slot = Some(value);
    let cast = (&mut slot as &mut dyn Any).downcast_mut::<Option<U>>();
    if let Some(cast) = cast.and_then(Option::take) {
        return Ok(cast);
    }
    match slot {
        Some(value) => Err(value),
        None => unreachable!("a slot is only emptied when its value is returned"),
    }
}

/// Casts a result back to the caller's type, after [`cast`] has succeeded.
pub(crate) fn back<T: 'static, U: 'static>(value: U) -> T {
    match cast(value) {
        Ok(value) => value,
        Err(_) => unreachable!("the caller's tensors were of this type"),
    }
}

/// Casts a layer to the backend of its rows, after [`cast`] has succeeded for the rows.
pub(crate) fn same<T: 'static, U: 'static>(layer: &T) -> &U {
    (layer as &dyn Any).downcast_ref().expect("a layer is on the backend of its rows")
}

pub(crate) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

pub(crate) fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

pub(crate) fn flex<const N: usize>(values: Vec<f32>, shape: [usize; N]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

/// The values of a contiguous tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32 is a slice")
}

pub(crate) fn columns(tensor: &FlexTensor) -> usize {
    tensor.layout().shape()[1]
}

/// Turns the gradient of an activation's output into the gradient of its input.
pub(crate) fn activation_backward(gradient: &mut [f32], output: &[f32], slope: f32) {
    vectorised!({
        for (cell, &output) in gradient.iter_mut().zip(output) {
            *cell = if output > 0.0 { *cell } else { slope * *cell };
        }
    });
}

/// Adds the bias, if there is one, and applies the activation.
pub(crate) fn add_and_activate(cells: &mut [f32], bias: Option<&[f32]>, slope: f32) {
    match bias {
        Some(bias) => {
            let bias = bias.repeat(together(bias.len()));
            vectorised!({
                for rows in cells.chunks_mut(bias.len()) {
                    rows.iter_mut().zip(&bias).for_each(|(cell, bias)| *cell = activate(*cell + bias, slope));
                }
            });
        }
        None if slope == 1.0 => {}
        None => vectorised!(cells.iter_mut().for_each(|cell| *cell = activate(*cell, slope))),
    }
}

/// Adds a node to the autodiff graph.
pub(crate) fn finish<T: Backward<Flex, N>, const N: usize>(
    prepared: OpsPrep<T, Flex, T::State, NoCheckpointing, N>,
    state: T::State,
    output: FlexTensor,
) -> FloatTensor<Differentiating> {
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// Prepares a network; `None` unless the backend is [`Flex`] and the network has a graph.
pub fn scorer<B: Backend, N: Network<B>>(network: &N, columns: usize) -> Option<Scorer> {
    match TypeId::of::<B>() == TypeId::of::<Flex>() {
        true => network.graph().filter(Graph::is_dense).map(|graph| Scorer::new(&graph, columns)),
        false => None,
    }
}

/// Changes tensors of the same shape in place. `change` receives their cells in the same order. Meant for optimisers, which apply
/// simple rules to large tensors.
///
/// # Errors
/// Returns the tensors unchanged when they are on another backend.
pub fn in_place<B: Backend, const D: usize, const N: usize>(
    tensors: [Tensor<B, D>; N],
    mut change: impl FnMut([&mut [f32]; N]),
) -> Result<[Tensor<B, D>; N], [Tensor<B, D>; N]> {
    let mut tensors = cast::<_, [Tensor<Flex, D>; N]>(tensors)?.map(|tensor| primitive(tensor).to_contiguous());
    let mut cells = tensors.each_mut().map(|tensor| tensor.storage_mut::<f32>());
    vectorised!(change(cells.each_mut().map(|cells| &mut **cells)));
    Ok(back(tensors.map(tensor::<Flex, D>)))
}

/// The sum of the squares, `[1]`.
pub(crate) fn sum_of_squares<B: Backend>(weights: Tensor<B, 2>) -> Result<Tensor<B, 1>, Tensor<B, 2>> {
    let weights = primitive(cast::<_, Tensor<Differentiating, 2>>(weights)?);
    let state = weights.primitive.to_contiguous();
    let sum = squares(values(&state));
    Ok(back(tensor::<Differentiating, 1>(finish(
        SumOfSquaresNode.prepare([weights.node]),
        state,
        flex(vec![sum], [1]),
    ))))
}

#[derive(Debug)]
struct SumOfSquaresNode;

impl Backward<Flex, 1> for SumOfSquaresNode {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let factor = 2.0 * values(&gradients.consume::<Flex>(&ops.node).to_contiguous())[0];
        let [node] = ops.parents;
        if let Some(node) = node {
            let shape = ops.state.layout().shape().clone();
            let gradient: Vec<f32> = values(&ops.state).iter().map(|weight| factor * weight).collect();
            gradients.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(gradient, shape)));
        }
    }
}
