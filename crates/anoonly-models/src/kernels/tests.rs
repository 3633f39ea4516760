//! Compares the fast blocks with burn's operations.

use super::{Differentiating, activate, in_place};
use burn::backend::Autodiff;
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;

use crate::layers::activation::{Activation, dense, sum_of_squares};
use crate::layers::host::cells;
use crate::layers::norm::{NormLayer, NormSettings};
use burn::module::{AutodiffModule, Param};
use burn::tensor::backend::AutodiffBackend;
use burn_ndarray::NdArray;

const ACTIVATIONS: [Activation; 3] = [Activation::Linear, Activation::Relu, Activation::LeakyRelu];

/// A fixed irregular sequence within ±1.
fn numbers<B: Backend, const D: usize>(shape: [usize; D], start: usize) -> Tensor<B, D> {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| ((i + start) * 7919 % 2003) as f32 / 1001.0 - 1.0);
    Tensor::from_data(TensorData::new(values.collect(), shape), &Default::default())
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

/// The output of a layer and the gradients of rows, weights and bias. The rows are a view into a larger tensor.
fn dense_results<B: AutodiffBackend>(activation: Activation, bias: bool) -> Vec<Vec<f32>> {
    let leaf = |tensor: Tensor<B, 2>| tensor.require_grad();
    let (rows, weight) = (leaf(numbers([9, 7], 1)), leaf(numbers([7, 5], 100)));
    let offset = bias.then(|| numbers::<B, 1>([5], 200).require_grad());
    let layer = Linear { weight: Param::from_tensor(weight.clone()), bias: offset.clone().map(Param::from_tensor) };
    let output = dense(rows.clone().narrow(0, 2, 6), &layer, activation);
    // The gradient of the output differs from cell to cell and is transposed in memory.
    let loss = (output.clone() * numbers::<B, 2>([5, 6], 300).transpose()).sum();
    let gradients = loss.backward();
    let mut results = vec![cells(output)];
    results.extend([&rows, &weight].map(|leaf| cells(leaf.grad(&gradients).unwrap())));
    results.extend(offset.map(|leaf| cells(leaf.grad(&gradients).unwrap())));
    results.push(cells(dense(rows.inner(), &layer.valid(), activation)));
    results
}

#[test]
fn a_layer_matches_burns_operations() {
    for activation in ACTIVATIONS {
        for bias in [true, false] {
            let plain = dense_results::<Autodiff<NdArray>>(activation, bias);
            close(&plain, &dense_results::<Differentiating>(activation, bias), &format!("{activation:?} {bias}"));
        }
    }
}

/// The output, the gradients of rows, scale and shift, the running statistics after two batches, and the output with these
/// statistics.
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
    let mut results = vec![cells(output), cells(rows.grad(&gradients).unwrap())];
    results.extend([&scale, &shift].map(|leaf| cells(leaf.grad(&gradients).unwrap())));
    let norm = layer.batch_mut().unwrap();
    results.extend([&norm.running_mean, &norm.running_var].map(|running| cells(running.value_sync())));
    results.push(cells(layer.valid().then(numbers([3, 4], 700), activation)));
    results
}

#[test]
fn batch_normalisation_matches_burns_operations() {
    for activation in ACTIVATIONS {
        let plain = norm_results::<Autodiff<NdArray>>(activation);
        close(&plain, &norm_results::<Differentiating>(activation), &format!("{activation:?}"));
    }
}

#[test]
fn a_sum_of_squares_matches_burns_operations() {
    fn results<B: AutodiffBackend>() -> Vec<Vec<f32>> {
        let weights = numbers::<B, 2>([13, 17], 3).require_grad();
        let sum = sum_of_squares(weights.clone(), 1);
        let gradients = sum.clone().mul_scalar(0.3).backward();
        vec![cells(sum), cells(weights.grad(&gradients).unwrap())]
    }
    close(&results::<Autodiff<NdArray>>(), &results::<Differentiating>(), "squares");
}

/// NaN stays NaN, so that a diverging fit is detected.
#[test]
fn activations_keep_nan() {
    for activation in ACTIVATIONS {
        assert!(activate(f32::NAN, activation.slope()).is_nan());
    }
}

#[test]
fn in_place_changes_do_not_affect_clones() {
    let tensor = numbers::<Flex, 1>([3], 1);
    let held = tensor.clone();
    let [changed] = in_place([tensor], |[cells]| cells.fill(7.0)).unwrap();
    assert_eq!(cells(changed), [7.0; 3]);
    assert_eq!(cells(held), cells(numbers::<Flex, 1>([3], 1)));
    assert!(in_place([numbers::<NdArray, 1>([3], 1)], |_| panic!("not on this backend")).is_err());
}
