//! Copies between tensors on a device and plain memory.

use burn::module::{Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::TrainingData;
use crate::graph::Matrix;

/// The values of a tensor in row-major order.
pub(crate) fn cells<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The values of a tensor as a [`Matrix`].
pub(crate) fn matrix<B: Backend>(tensor: Tensor<B, 2>) -> Matrix {
    Matrix { shape: tensor.dims(), cells: cells(tensor) }
}

/// The values of the unlabelled rows, row by row.
pub(crate) fn unlabelled<B: Backend>(data: &TrainingData<B>) -> Vec<f32> {
    cells(data.select(&data.others))
}

/// A tensor with the given values.
pub(crate) fn tensor<B: Backend, const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A constant parameter with the given values.
pub(crate) fn parameter<B: Backend, const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    Param::initialized(ParamId::new(), tensor(values, shape, device))
}

/// A tensor of row indices.
pub(crate) fn places<B: Backend>(places: impl Iterator<Item = u32>, device: &B::Device) -> Tensor<B, 1, Int> {
    let places: Vec<i64> = places.map(i64::from).collect();
    let count = places.len();
    Tensor::from_data(TensorData::new(places, [count]), device)
}
