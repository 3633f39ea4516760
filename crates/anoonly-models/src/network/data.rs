//! The training rows of a network.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

/// The training rows, on the device.
#[derive(Clone, Debug)]
pub struct TrainingData<B: Backend> {
    /// All rows, scaled, `[rows, columns]`.
    pub rows: Tensor<B, 2>,
    /// Indices of the labelled anomalies, in ascending order.
    pub anomalies: Vec<usize>,
    /// Indices of all other rows, in ascending order. Confirmed normals are among them.
    pub others: Vec<usize>,
    /// Indices of the confirmed normals, in ascending order.
    pub normals: Vec<usize>,
}

impl<B: Backend> TrainingData<B> {
    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.rows.dims()[1]
    }

    /// The rows at the given indices, `[indices, columns]`.
    pub fn select(&self, indices: &[usize]) -> Tensor<B, 2> {
        self.rows.clone().select(0, index_tensor(indices, &self.rows.device()))
    }
}

pub(super) fn index_tensor<B: Backend>(indices: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    Tensor::from_data(TensorData::new(values, [indices.len()]), device)
}
