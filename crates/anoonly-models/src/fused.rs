//! Whole blocks of a network in one pass, on the backend [`Flex`].
//!
//! Written with burn's operations, a layer with its activation, or a batch normalisation, is a dozen nodes of the graph, each
//! with buffers of its own; in the small networks of this field they cost more than the products. Here each block is one
//! node with its own backward. The functions return what they were given where it is on another backend, and the caller
//! goes on with burn's operations: these remain the definition, and the tests hold the two together.

use std::any::Any;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, OpsPrep};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::backend::Backend;
use burn::tensor::ops::{FloatTensor, FloatTensorOps};
use burn::tensor::{Shape, Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};
use pulp::Arch;

use crate::activation::Activation;

type Differentiating = Autodiff<Flex>;

/// The value as one of type `U`, where it is one.
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

/// A result as a tensor of the caller's backend, which [`cast`] has found to be `U`.
fn back<T: 'static, U: 'static>(value: U) -> T {
    match cast(value) {
        Ok(value) => value,
        Err(_) => unreachable!("the caller's tensors were of this type"),
    }
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
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32 is a slice")
}

fn columns(tensor: &FlexTensor) -> usize {
    tensor.layout().shape()[1]
}

/// `activation(rows · weight + bias)`.
pub(crate) fn dense<B: Backend>(
    rows: Tensor<B, 2>,
    layer: &Linear<B>,
    activation: Activation,
) -> Result<Tensor<B, 2>, Tensor<B, 2>> {
    let rows = match cast::<_, Tensor<Differentiating, 2>>(rows) {
        Ok(rows) => {
            let layer = (layer as &dyn Any).downcast_ref::<Linear<Differentiating>>();
            let layer = layer.expect("a layer is on the backend of its rows");
            return Ok(back(dense_node(rows, layer, activation)));
        }
        Err(rows) => rows,
    };
    let rows = cast::<_, Tensor<Flex, 2>>(rows)?;
    let layer = (layer as &dyn Any).downcast_ref::<Linear<Flex>>().expect("a layer is on the backend of its rows");
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

/// The activation, by its slope below 0; NaN stays NaN.
#[inline(always)]
fn bent(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { slope * value }
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

/// Turns the gradient of an activation's output into that of its input.
fn unbend(gradient: &mut FlexTensor, output: &FlexTensor, slope: f32) {
    let (cells, output) = (gradient.storage_mut::<f32>(), values(output));
    Arch::new().dispatch(|| {
        for (cell, &output) in cells.iter_mut().zip(output) {
            *cell = if output > 0.0 { *cell } else { slope * *cell };
        }
    });
}

/// Puts a node into the graph.
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

/// `activation(batch normalisation)`: by the statistics of the rows, which the running ones take in, on a backend that
/// differentiates, and by the running ones on one that does not.
pub(crate) fn batch_norm<B: Backend>(
    rows: Tensor<B, 2>,
    norm: &BatchNorm<B>,
    activation: Activation,
) -> Result<Tensor<B, 2>, Tensor<B, 2>> {
    let rows = match cast::<_, Tensor<Differentiating, 2>>(rows) {
        Ok(rows) => {
            let norm = (norm as &dyn Any).downcast_ref::<BatchNorm<Differentiating>>();
            let norm = norm.expect("a layer is on the backend of its rows");
            return Ok(back(batch_norm_node(rows, norm, activation)));
        }
        Err(rows) => rows,
    };
    let rows = cast::<_, Tensor<Flex, 2>>(rows)?;
    let norm = (norm as &dyn Any).downcast_ref::<BatchNorm<Flex>>().expect("a layer is on the backend of its rows");
    let [mean, variance, scale, shift] =
        [norm.running_mean.value(), norm.running_var.value(), norm.gamma.val(), norm.beta.val()]
            .map(|values| primitive(values).to_contiguous());
    let (mean, scale, shift) = (values(&mean), values(&scale), values(&shift));
    let epsilon = norm.epsilon as f32;
    let factor: Vec<f32> =
        values(&variance).iter().zip(scale).map(|(variance, scale)| scale / (variance + epsilon).sqrt()).collect();
    let slope = activation.slope();
    let mut output = primitive(rows).to_contiguous();
    let width = columns(&output);
    let cells = output.storage_mut::<f32>();
    Arch::new().dispatch(|| {
        for row in cells.chunks_exact_mut(width) {
            for ((cell, mean), (factor, shift)) in row.iter_mut().zip(mean).zip(factor.iter().zip(shift)) {
                *cell = bent((*cell - mean) * factor + shift, slope);
            }
        }
    });
    Ok(back(tensor::<Flex, 2>(output)))
}

#[derive(Clone, Debug)]
struct NormState {
    /// The rows, centred and divided by their deviation.
    whitened: FlexTensor,
    /// One over the deviation of each column.
    inverse: Vec<f32>,
    scale: FlexTensor,
    output: Option<FlexTensor>,
    slope: f32,
}

#[derive(Debug)]
struct Norm;

fn batch_norm_node(
    rows: Tensor<Differentiating, 2>,
    norm: &BatchNorm<Differentiating>,
    activation: Activation,
) -> Tensor<Differentiating, 2> {
    let rows = primitive(rows);
    let (scale, shift) = (primitive(norm.gamma.val()), primitive(norm.beta.val()));
    let input = rows.primitive.to_contiguous();
    let (cells, width) = (values(&input), columns(&input));
    // In f64: a pass that recomputes the statistics goes over the whole training set.
    let count = (cells.len() / width) as f64;
    let means = column_sums(cells, width, |cell, _| f64::from(cell)).map(|sum| (sum / count) as f32);
    let means: Vec<f32> = means.collect();
    let variances = column_sums(cells, width, |cell, column| f64::from(cell - means[column]).powi(2));
    let variances: Vec<f32> = variances.map(|sum| (sum / count) as f32).collect();
    let keep = |running: &burn::module::RunningState<Tensor<Differentiating, 1>>, new: &[f32]| {
        let mut old = primitive(running.value_sync().inner()).to_contiguous();
        let taken = norm.momentum as f32;
        old.storage_mut::<f32>().iter_mut().zip(new).for_each(|(old, new)| *old = *old * (1.0 - taken) + new * taken);
        running.update(Tensor::from_inner(tensor::<Flex, 1>(old)));
    };
    keep(&norm.running_mean, &means);
    keep(&norm.running_var, &variances);

    let inverse: Vec<f32> = variances.iter().map(|variance| 1.0 / (variance + norm.epsilon as f32).sqrt()).collect();
    let slope = activation.slope();
    let (scale_values, shift_values) = (scale.primitive.to_contiguous(), shift.primitive.to_contiguous());
    let mut whitened = cells.to_vec();
    let mut output = vec![0.0; cells.len()];
    let (scales, shifts) = (values(&scale_values), values(&shift_values));
    Arch::new().dispatch(|| {
        for (row, output) in whitened.chunks_exact_mut(width).zip(output.chunks_exact_mut(width)) {
            let columns = means.iter().zip(&inverse).zip(scales.iter().zip(shifts));
            for ((cell, output), ((mean, inverse), (scale, shift))) in row.iter_mut().zip(output).zip(columns) {
                *cell = (*cell - mean) * inverse;
                *output = bent(*cell * scale + shift, slope);
            }
        }
    });
    let height = cells.len() / width;
    let output = flex(output, [height, width]);
    let state = NormState {
        whitened: flex(whitened, [height, width]),
        inverse,
        scale: scale_values,
        output: (slope != 1.0).then(|| output.clone()),
        slope,
    };
    tensor(finish(Norm.prepare([rows.node, scale.node, shift.node]), state, output))
}

/// The sum over the rows of what `f` makes of each cell and the index of its column.
fn column_sums(cells: &[f32], width: usize, f: impl Fn(f32, usize) -> f64) -> impl Iterator<Item = f64> {
    let mut sums = vec![0.0; width];
    for row in cells.chunks_exact(width) {
        for (column, (sum, &cell)) in sums.iter_mut().zip(row).enumerate() {
            *sum += f(cell, column);
        }
    }
    sums.into_iter()
}

impl Backward<Flex, 3> for Norm {
    type State = NormState;

    /// With `x̂` the whitened rows, `g` the gradient and `n` the rows: `γ/(n·σ) · (n·g − Σg − x̂·Σ(g·x̂))`.
    fn backward(self, ops: Ops<NormState, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let NormState { whitened, inverse, scale, output, slope } = ops.state;
        let mut gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(output) = output {
            unbend(&mut gradient, &output, slope);
        }
        let width = inverse.len();
        let white = values(&whitened);
        let (mut of_shift, mut of_scale) = (vec![0.0f32; width], vec![0.0f32; width]);
        let cells = values(&gradient);
        Arch::new().dispatch(|| {
            for (row, white) in cells.chunks_exact(width).zip(white.chunks_exact(width)) {
                let sums = of_shift.iter_mut().zip(&mut of_scale);
                for ((of_shift, of_scale), (cell, white)) in sums.zip(row.iter().zip(white)) {
                    *of_shift += cell;
                    *of_scale += cell * white;
                }
            }
        });
        let [rows, gamma, beta] = ops.parents;
        if let Some(node) = rows {
            let count = (white.len() / width) as f32;
            let factors: Vec<f32> =
                values(&scale).iter().zip(&inverse).map(|(scale, inverse)| scale * inverse / count).collect();
            let cells = gradient.storage_mut::<f32>();
            Arch::new().dispatch(|| {
                for (row, white) in cells.chunks_exact_mut(width).zip(white.chunks_exact(width)) {
                    let columns = factors.iter().zip(of_shift.iter().zip(&of_scale));
                    for ((cell, white), (factor, (of_shift, of_scale))) in row.iter_mut().zip(white).zip(columns) {
                        *cell = factor * (count * *cell - of_shift - white * of_scale);
                    }
                }
            });
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = gamma {
            gradients.register::<Flex>(node.id, flex(of_scale, [width]));
        }
        if let Some(node) = beta {
            gradients.register::<Flex>(node.id, flex(of_shift, [width]));
        }
    }
}

/// Changes tensors of one shape in place: `change` is given their cells in the same order. For optimisers, whose rules are
/// simple and whose tensors are large.
///
/// # Errors
/// Gives the tensors back where they are on another backend.
pub fn in_place<B: Backend, const D: usize, const N: usize>(
    tensors: [Tensor<B, D>; N],
    change: impl FnOnce([&mut [f32]; N]),
) -> Result<[Tensor<B, D>; N], [Tensor<B, D>; N]> {
    let mut tensors = cast::<_, [Tensor<Flex, D>; N]>(tensors)?.map(|tensor| primitive(tensor).to_contiguous());
    let cells = tensors.each_mut().map(|tensor| tensor.storage_mut::<f32>());
    Arch::new().dispatch(|| change(cells));
    Ok(back(tensors.map(tensor::<Flex, D>)))
}

/// The sum of the squares, `[1]`.
pub(crate) fn sum_of_squares<B: Backend>(weights: Tensor<B, 2>) -> Result<Tensor<B, 1>, Tensor<B, 2>> {
    let weights = primitive(cast::<_, Tensor<Differentiating, 2>>(weights)?);
    let state = weights.primitive.to_contiguous();
    // Sixteen sums side by side, which fit the processor's vectors.
    let sums = Arch::new().dispatch(|| {
        let (parts, rest) = values(&state).as_chunks::<16>();
        let mut sums = [0.0f32; 16];
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(sum, weight)| *sum += weight * weight);
        }
        sums.iter_mut().zip(rest).for_each(|(sum, weight)| *sum += weight * weight);
        sums
    });
    let sum = sums.iter().sum();
    Ok(back(tensor::<Differentiating, 1>(finish(Squares.prepare([weights.node]), state, flex(vec![sum], [1])))))
}

#[derive(Debug)]
struct Squares;

impl Backward<Flex, 1> for Squares {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::{dense, sum_of_squares};
    use crate::norm::{NormLayer, NormSettings};
    use burn::module::{AutodiffModule, Param};
    use burn::tensor::backend::AutodiffBackend;
    use burn_ndarray::NdArray;

    const ACTIVATIONS: [Activation; 3] = [Activation::Linear, Activation::Relu, Activation::LeakyRelu];

    /// A fixed sequence without a pattern, within ±1.
    fn numbers<B: Backend, const D: usize>(shape: [usize; D], start: usize) -> Tensor<B, D> {
        let count = shape.iter().product::<usize>();
        let values = (0..count).map(|i| ((i + start) * 7919 % 2003) as f32 / 1001.0 - 1.0);
        Tensor::from_data(TensorData::new(values.collect(), shape), &Default::default())
    }

    fn told<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[track_caller]
    fn close(plain: &[Vec<f32>], fused: &[Vec<f32>], what: &str) {
        assert_eq!(plain.len(), fused.len());
        for (index, (plain, fused)) in plain.iter().zip(fused).enumerate() {
            assert_eq!(plain.len(), fused.len(), "{what}, {index}");
            let largest = plain.iter().fold(0.0f32, |max, value| max.max(value.abs()));
            assert!(largest > 0.0, "{what}, {index}: nothing to compare");
            for (plain, fused) in plain.iter().zip(fused) {
                assert!((plain - fused).abs() <= 1e-4 * largest, "{what}, {index}: {plain} and {fused}");
            }
        }
    }

    /// A layer's output and its gradients by rows, weights and bias, for rows that are a view into others.
    fn dense_results<B: AutodiffBackend>(activation: Activation, bias: bool) -> Vec<Vec<f32>> {
        let leaf = |tensor: Tensor<B, 2>| tensor.require_grad();
        let (rows, weight) = (leaf(numbers([9, 7], 1)), leaf(numbers([7, 5], 100)));
        let offset = bias.then(|| numbers::<B, 1>([5], 200).require_grad());
        let layer = Linear { weight: Param::from_tensor(weight.clone()), bias: offset.clone().map(Param::from_tensor) };
        let output = dense(rows.clone().narrow(0, 2, 6), &layer, activation);
        // The gradient of the output differs from cell to cell, and comes transposed.
        let loss = (output.clone() * numbers::<B, 2>([5, 6], 300).transpose()).sum();
        let gradients = loss.backward();
        let mut results = vec![told(output)];
        results.extend([&rows, &weight].map(|leaf| told(leaf.grad(&gradients).unwrap())));
        results.extend(offset.map(|leaf| told(leaf.grad(&gradients).unwrap())));
        results.push(told(dense(rows.inner(), &layer.valid(), activation)));
        results
    }

    #[test]
    fn a_layer_agrees_with_burns_operations() {
        for activation in ACTIVATIONS {
            for bias in [true, false] {
                let plain = dense_results::<Autodiff<NdArray>>(activation, bias);
                close(&plain, &dense_results::<Differentiating>(activation, bias), &format!("{activation:?} {bias}"));
            }
        }
    }

    /// Output, gradient by rows, scale and shift, running statistics after two batches, and output by these.
    fn norm_results<B: AutodiffBackend>(activation: Activation) -> Vec<Vec<f32>> {
        let settings = NormSettings { epsilon: 1e-3, keep: 0.8 };
        let layer = NormLayer::<B::InnerBackend>::new(crate::Norm::Batch, 4, settings, &Default::default());
        let mut layer = NormLayer::<B>::from_inner(layer);
        let norm = layer.batch_mut().unwrap();
        let (scale, shift) = (numbers::<B, 1>([4], 5).require_grad(), numbers::<B, 1>([4], 50).require_grad());
        norm.gamma = Param::from_tensor(scale.clone());
        norm.beta = Param::from_tensor(shift.clone());
        let rows = numbers::<B, 2>([11, 4], 20).require_grad();
        layer.then(numbers([11, 4], 500), activation);
        let output = layer.then(rows.clone(), activation);
        let gradients = (output.clone() * numbers::<B, 2>([11, 4], 300)).sum().backward();
        let mut results = vec![told(output), told(rows.grad(&gradients).unwrap())];
        results.extend([&scale, &shift].map(|leaf| told(leaf.grad(&gradients).unwrap())));
        let norm = layer.batch_mut().unwrap();
        results.extend([&norm.running_mean, &norm.running_var].map(|running| told(running.value_sync())));
        results.push(told(layer.valid().then(numbers([3, 4], 700), activation)));
        results
    }

    #[test]
    fn a_batch_normalisation_agrees_with_burns_operations() {
        for activation in ACTIVATIONS {
            let plain = norm_results::<Autodiff<NdArray>>(activation);
            close(&plain, &norm_results::<Differentiating>(activation), &format!("{activation:?}"));
        }
    }

    #[test]
    fn a_sum_of_squares_agrees_with_burns_operations() {
        fn results<B: AutodiffBackend>() -> Vec<Vec<f32>> {
            let weights = numbers::<B, 2>([13, 17], 3).require_grad();
            let sum = sum_of_squares(weights.clone());
            let gradients = sum.clone().mul_scalar(0.3).backward();
            vec![told(sum), told(weights.grad(&gradients).unwrap())]
        }
        close(&results::<Autodiff<NdArray>>(), &results::<Differentiating>(), "squares");
    }

    /// A value that is not a number stays one, so that a fit that diverges is seen.
    #[test]
    fn not_a_number_passes_an_activation() {
        for activation in ACTIVATIONS {
            assert!(bent(f32::NAN, activation.slope()).is_nan());
        }
    }

    #[test]
    fn changes_in_place_leave_other_holders_of_a_tensor_alone() {
        let tensor = numbers::<Flex, 1>([3], 1);
        let held = tensor.clone();
        let [changed] = in_place([tensor], |[cells]| cells.fill(7.0)).unwrap();
        assert_eq!(told(changed), [7.0; 3]);
        assert_eq!(told(held), told(numbers::<Flex, 1>([3], 1)));
        assert!(in_place([numbers::<NdArray, 1>([3], 1)], |_| panic!("not on this backend")).is_err());
    }
}
