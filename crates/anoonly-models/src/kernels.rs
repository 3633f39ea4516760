//! Fast network blocks on the backend [`Flex`].
//!
//! Written with burn's operations, a layer with its activation or a batch normalisation is a dozen nodes of the autodiff graph, each
//! with its own buffers. In the small networks of this field, these nodes cost more than the matrix products. Here each block is a
//! single node with its own backward pass.
//!
//! On another backend, the functions return their input as an error and the caller uses burn's operations. Those operations are the
//! definition, and the tests compare the two.

mod batch_norm;
mod dense;
pub(crate) mod direct;
pub(crate) mod panels;
pub(crate) mod products;
mod scorer;
#[cfg(test)]
mod tests;

use std::any::Any;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, OpsPrep};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Shape, Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};
use pulp::{Arch, Simd, WithSimd};

pub(crate) use batch_norm::batch_norm;
pub(crate) use dense::dense;
pub use direct::{Direct, ExampleCounts, NormalWeights, Put, Trained, Weigh};
pub use scorer::{Scorer, scorer};

pub(crate) type Differentiating = Autodiff<Flex>;

/// Casts a value to type `U`; returns it unchanged if it has another type.
fn cast<T: 'static, U: 'static>(value: T) -> Result<U, T> {
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
fn back<T: 'static, U: 'static>(value: U) -> T {
    match cast(value) {
        Ok(value) => value,
        Err(_) => unreachable!("the caller's tensors were of this type"),
    }
}

/// Casts a layer to the backend of its rows, after [`cast`] has succeeded for the rows.
fn same<T: 'static, U: 'static>(layer: &T) -> &U {
    (layer as &dyn Any).downcast_ref().expect("a layer is on the backend of its rows")
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

fn flex<const N: usize>(values: Vec<f32>, shape: [usize; N]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

/// The values of a contiguous tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32 is a slice")
}

pub(crate) fn columns(tensor: &FlexTensor) -> usize {
    tensor.layout().shape()[1]
}

/// The activation with the given slope below 0. NaN stays NaN.
#[inline(always)]
fn activate(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { slope * value }
}

/// Turns the gradient of an activation's output into the gradient of its input.
fn activation_backward(gradient: &mut [f32], output: &[f32], slope: f32) {
    Arch::new().dispatch(|| {
        for (cell, &output) in gradient.iter_mut().zip(output) {
            *cell = if output > 0.0 { *cell } else { slope * *cell };
        }
    });
}

/// Adds up the rows, `[rows, width]` to `[width]`.
fn add_rows(cells: &[f32], sums: &mut [f32]) {
    Arch::new().dispatch(|| {
        for row in cells.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, cell)| *sum += cell);
        }
    });
}

/// Adds the bias, if there is one, and applies the activation.
fn add_and_activate(cells: &mut [f32], bias: Option<&[f32]>, slope: f32) {
    match bias {
        Some(bias) => Arch::new().dispatch(|| {
            for row in cells.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(cell, bias)| *cell = activate(*cell + bias, slope));
            }
        }),
        None if slope == 1.0 => {}
        None => Arch::new().dispatch(|| cells.iter_mut().for_each(|cell| *cell = activate(*cell, slope))),
    }
}

/// Adds a node to the autodiff graph.
fn finish<T: Backward<Flex, N>, const N: usize>(
    prepared: OpsPrep<T, Flex, T::State, NoCheckpointing, N>,
    state: T::State,
    output: FlexTensor,
) -> FloatTensor<Differentiating> {
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// Changes tensors of the same shape in place. `change` receives their cells in the same order. Meant for optimisers, which apply
/// simple rules to large tensors.
///
/// # Errors
/// Returns the tensors unchanged when they are on another backend.
pub fn in_place<B: Backend, const D: usize, const N: usize>(
    tensors: [Tensor<B, D>; N],
    change: impl FnOnce([&mut [f32]; N]),
) -> Result<[Tensor<B, D>; N], [Tensor<B, D>; N]> {
    let mut tensors = cast::<_, [Tensor<Flex, D>; N]>(tensors)?.map(|tensor| primitive(tensor).to_contiguous());
    let cells = tensors.each_mut().map(|tensor| tensor.storage_mut::<f32>());
    Arch::new().dispatch(|| change(cells));
    Ok(back(tensors.map(tensor::<Flex, D>)))
}

/// The sum of the squares.
pub(crate) fn squares(values: &[f32]) -> f32 {
    Arch::new().dispatch(SumOfSquares { values })
}

struct SumOfSquares<'a> {
    values: &'a [f32],
}

impl WithSimd for SumOfSquares<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (vectors, rest) = S::as_simd_f32s(self.values);
        // Four independent sums, so that no addition waits for another one.
        let (parts, others) = vectors.as_chunks::<4>();
        let mut sums = [simd.splat_f32s(0.0); 4];
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(sum, values)| *sum = simd.mul_add_e_f32s(*values, *values, *sum));
        }
        let last = simd.partial_load_f32s(rest);
        for (sum, values) in sums.iter_mut().zip(others.iter().chain([&last])) {
            *sum = simd.mul_add_e_f32s(*values, *values, *sum);
        }
        let [a, b, c, d] = sums;
        simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
    }
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
