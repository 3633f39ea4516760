//! A linear layer with an activation, trained in plain memory.

use burn::module::ParamId;
use burn::nn::Linear;

use super::super::products::{FEW, Factors, StridedRows, dots, sums};
use super::super::{Differentiating, activation_backward, add_and_activate, add_rows};
use super::Trained;
use crate::layers::activation::Activation;
use crate::layers::host::cells;

/// `activation(rows · weight + bias)`.
#[derive(Debug)]
pub(crate) struct DirectDense {
    /// The transposed weights, `[outputs, inputs]`.
    pub weight: Trained,
    bias: Option<Trained>,
    inputs: usize,
    outputs: usize,
    slope: f32,
    /// The output for the last rows, `[rows, outputs]`.
    pub output: Vec<f32>,
    /// Buffers for a copy of the weights in their original orientation, and for gathered rows.
    upright: Vec<f32>,
    gathered: Vec<f32>,
}

impl DirectDense {
    pub fn new(layer: &Linear<Differentiating>, activation: Activation) -> Self {
        let [inputs, outputs] = layer.weight.dims();
        let weight = Trained::new(layer.weight.id, transposed(&cells(layer.weight.val()), outputs));
        let bias = layer.bias.as_ref().map(Trained::of);
        let [output, upright, gathered] = Default::default();
        Self { weight, bias, inputs, outputs, slope: activation.slope(), output, upright, gathered }
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes `output`.
    pub fn forward(&mut self, rows: StridedRows<'_>) {
        self.output.resize(rows.len() * self.outputs, 0.0);
        if self.inputs < FEW {
            transpose(&self.weight.values, self.inputs, &mut self.upright);
            let cells = rows.gathered(&mut self.gathered);
            let factors = Factors { cells, strides: [self.inputs, 1] };
            sums(factors, StridedRows::all(&self.upright, self.outputs), &mut self.output);
        } else {
            dots(rows, StridedRows::all(&self.weight.values, self.inputs), &mut self.output);
        }
        add_and_activate(&mut self.output, self.bias.as_ref().map(|bias| &bias.values[..]), self.slope);
    }

    /// Computes the gradients of the weights from the gradient of `output`, and the gradient of the rows if `of_rows` is given.
    pub fn backward(&mut self, rows: StridedRows<'_>, gradient: &mut [f32], of_rows: Option<&mut Vec<f32>>) {
        if self.slope != 1.0 {
            activation_backward(gradient, &self.output, self.slope);
        }
        if let Some(bias) = &mut self.bias {
            bias.gradient.fill(0.0);
            add_rows(gradient, &mut bias.gradient);
        }
        sums(Factors { cells: gradient, strides: [1, self.outputs] }, rows, &mut self.weight.gradient);
        if let Some(of_rows) = of_rows {
            of_rows.resize(rows.len() * self.inputs, 0.0);
            let factors = Factors { cells: gradient, strides: [self.outputs, 1] };
            sums(factors, StridedRows::all(&self.weight.values, self.inputs), of_rows);
        }
    }

    pub fn trained(&mut self) -> impl Iterator<Item = &mut Trained> {
        std::iter::once(&mut self.weight).chain(&mut self.bias)
    }

    pub fn values(&self) -> impl Iterator<Item = (ParamId, Vec<f32>)> {
        let weight = (self.weight.id, transposed(&self.weight.values, self.inputs));
        std::iter::once(weight).chain(self.bias.as_ref().map(|bias| (bias.id, bias.values.clone())))
    }
}

/// The transpose of a matrix with rows of the given width.
fn transposed(cells: &[f32], width: usize) -> Vec<f32> {
    let mut columns = Vec::new();
    transpose(cells, width, &mut columns);
    columns
}

fn transpose(cells: &[f32], width: usize, columns: &mut Vec<f32>) {
    columns.clear();
    columns.extend((0..width).flat_map(|column| cells.iter().skip(column).step_by(width)));
}
