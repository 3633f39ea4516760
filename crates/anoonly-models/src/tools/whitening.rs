//! Rows brought to a space in which the unlabelled ones spread alike in all directions.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::graph::{Graph, Value};
use crate::layers::host::parameter;
use crate::tools::covariance::Covariance;

/// `(row − mean) · axes`.
#[derive(Module, Debug)]
pub struct Whitening<B: Backend> {
    /// `[columns]`.
    mean: Param<Tensor<B, 1>>,
    /// `[columns, columns]`.
    axes: Param<Tensor<B, 2>>,
}

/// The number of values in it.
pub(crate) fn weights(columns: usize) -> usize {
    columns.saturating_mul(columns).saturating_add(columns)
}

impl<B: Backend> Whitening<B> {
    /// By the covariance, with a ridge as told at [`Covariance::whitening`].
    pub fn new(covariance: &Covariance, ridge: f64, device: &B::Device) -> Self {
        let columns = covariance.columns();
        let mean = covariance.mean.iter().map(|&cell| cell as f32).collect();
        Self {
            mean: parameter(mean, [columns], device),
            axes: parameter(covariance.whitening(ridge), [columns, columns], device),
        }
    }

    /// One whose values are still to be replaced.
    pub(crate) fn blank(columns: usize, device: &B::Device) -> Self {
        Self {
            mean: parameter(vec![0.0; columns], [columns], device),
            axes: parameter(vec![0.0; columns * columns], [columns, columns], device),
        }
    }

    /// The whitened rows, `[rows, columns]`.
    pub fn apply(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        (rows - self.mean.val().unsqueeze_dim(0)).matmul(self.axes.val())
    }

    /// Its steps.
    pub fn describe(&self, graph: &mut Graph) -> Value {
        let centred = graph.add(Graph::ROWS, self.mean.val().neg());
        graph.linear(centred, self.axes.val(), None)
    }
}
