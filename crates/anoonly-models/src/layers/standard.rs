//! Standardisation of the columns.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::TrainingData;
use crate::graph::{Graph, Value};
use crate::layers::host::{cells, parameter, unlabelled};

/// The mean and the inverse standard deviation of each column over the unlabelled rows, both `[columns]`.
#[derive(Module, Debug)]
pub(crate) struct Standard<B: Backend> {
    mean: Param<Tensor<B, 1>>,
    scale: Param<Tensor<B, 1>>,
}

/// A column with a smaller variance is constant up to rounding. It is centred but not scaled.
const CONSTANT: f64 = 1e-12;

/// The number of values in a [`Standard`].
pub(crate) fn weights(columns: usize) -> usize {
    columns.saturating_mul(2)
}

impl<B: Backend> Standard<B> {
    /// Computes mean and deviation of the unlabelled training rows.
    pub fn of(data: &TrainingData<B>) -> Self {
        let (rows, columns, device) = (unlabelled(data), data.columns(), data.rows.device());
        let count = data.others.len() as f64;
        let of_column = |column: usize| rows.iter().skip(column).step_by(columns).map(|&cell| f64::from(cell));
        let (mut means, mut scales) = (vec![0.0; columns], vec![1.0; columns]);
        for (column, (mean, scale)) in means.iter_mut().zip(&mut scales).enumerate() {
            let centre = of_column(column).sum::<f64>() / count;
            let variance = of_column(column).map(|cell| (cell - centre).powi(2)).sum::<f64>() / count;
            *mean = centre as f32;
            if variance > CONSTANT {
                *scale = variance.sqrt().recip() as f32;
            }
        }
        Self { mean: parameter(means, [columns], &device), scale: parameter(scales, [columns], &device) }
    }

    /// Standardises rows, `[rows, columns]`.
    pub fn forward(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        (rows - self.mean.val().unsqueeze_dim(0)) * self.scale.val().unsqueeze_dim(0)
    }

    /// Adds the steps of [`forward`](Self::forward) to a graph.
    pub fn describe(&self, graph: &mut Graph, of: Value) -> Value {
        let centred = graph.add(of, cells(self.mean.val().neg()));
        graph.multiply(centred, cells(self.scale.val()))
    }
}
