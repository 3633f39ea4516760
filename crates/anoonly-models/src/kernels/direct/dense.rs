//! A linear layer with an activation, trained in plain memory.

use burn::module::ParamId;
use burn::nn::Linear;

use super::super::narrow::sums_of_columns;
use super::super::packed::{Finish, Left, Order, Packed, product};
use super::super::products::{FEW, FEW_OUTPUTS, Factors, StridedRows, dots, sums};
use super::super::{Differentiating, activation_backward, add_and_activate};
use super::Trained;
use crate::layers::activation::Activation;
use crate::layers::host::cells;

/// `activation(rows · weight + bias)`.
#[derive(Debug)]
pub(crate) struct DirectDense {
    /// In the order of `shape`.
    pub weight: Trained,
    bias: Option<Trained>,
    inputs: usize,
    outputs: usize,
    slope: f32,
    shape: WeightOrder,
    /// The output for the last rows, `[rows, outputs]`.
    pub output: Vec<f32>,
    /// The last rows, if they were at indices of a larger matrix. Their product reads them several times.
    gathered: Vec<f32>,
    /// Buffers for the padded bias, the packed gradient of the output, and the packed transpose of the weights.
    padded: Vec<f32>,
    packed: Vec<f32>,
    transposed: Vec<f32>,
}

/// The order of the weights.
#[derive(Clone, Copy, Debug)]
enum WeightOrder {
    /// `[outputs, inputs]`, for few outputs of many inputs, which would not fill vectors.
    Transposed,
    /// `[inputs, outputs]` in panels.
    Panels,
}

impl DirectDense {
    pub fn new(layer: &Linear<Differentiating>, activation: Activation) -> Self {
        let [inputs, outputs] = layer.weight.dims();
        let shape = if inputs >= FEW && outputs <= FEW_OUTPUTS { WeightOrder::Transposed } else { WeightOrder::Panels };
        let rows = cells(layer.weight.val());
        let weight = match shape {
            WeightOrder::Transposed => transposed(&rows, outputs),
            WeightOrder::Panels => {
                let mut panels = Vec::new();
                Packed::pack(StridedRows::all(&rows, outputs), &mut panels);
                panels
            }
        };
        let weight = Trained::new(layer.weight.id, weight);
        let bias = layer.bias.as_ref().map(Trained::of);
        let [output, gathered, padded, packed, transposed] = Default::default();
        let slope = activation.slope();
        Self { weight, bias, inputs, outputs, slope, shape, output, gathered, padded, packed, transposed }
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes `output`.
    pub fn forward(&mut self, rows: StridedRows<'_>) {
        self.output.resize(rows.len() * self.outputs, 0.0);
        let bias = self.bias.as_ref().map_or(&[][..], |bias| &bias.values);
        match self.shape {
            WeightOrder::Transposed => {
                dots(rows, StridedRows::all(&self.weight.values, self.inputs), &mut self.output);
                let bias = self.bias.is_some().then_some(bias);
                add_and_activate(&mut self.output, bias, self.slope);
            }
            WeightOrder::Panels => {
                self.padded.clear();
                self.padded.extend_from_slice(bias);
                self.padded.resize(Packed::cells(1, self.outputs), 0.0);
                let finish = Finish { bias: &self.padded, slope: self.slope };
                let rows = StridedRows::all(rows.gathered(&mut self.gathered), self.inputs);
                let weight = Packed { cells: &self.weight.values, width: self.outputs };
                product(Left::Rows(rows), weight, Some(finish), Order::Rows, &mut self.output);
            }
        }
    }

    /// Computes the gradients of the weights from the gradient of `output`, and the gradient of the rows if `of_rows` is given.
    pub fn backward(&mut self, rows: StridedRows<'_>, gradient: &mut [f32], of_rows: Option<&mut Vec<f32>>) {
        if self.slope != 1.0 {
            activation_backward(gradient, &self.output, self.slope);
        }
        if let Some(bias) = &mut self.bias {
            bias.gradient = sums_of_columns(gradient, self.outputs);
        }
        match self.shape {
            WeightOrder::Transposed => {
                let factors = Factors { cells: gradient, strides: [1, self.outputs] };
                sums(factors, rows, &mut self.weight.gradient);
                if let Some(of_rows) = of_rows {
                    of_rows.resize(rows.len() * self.inputs, 0.0);
                    let factors = Factors { cells: gradient, strides: [self.outputs, 1] };
                    sums(factors, StridedRows::all(&self.weight.values, self.inputs), of_rows);
                }
            }
            WeightOrder::Panels => {
                Packed::pack(StridedRows::all(gradient, self.outputs), &mut self.packed);
                let packed = Packed { cells: &self.packed, width: self.outputs };
                let rows = if rows.indices.is_some() { StridedRows::all(&self.gathered, self.inputs) } else { rows };
                product(Left::Columns(rows), packed, None, Order::Panels, &mut self.weight.gradient);
                if let Some(of_rows) = of_rows {
                    of_rows.resize(rows.len() * self.inputs, 0.0);
                    let weight = Packed { cells: &self.weight.values, width: self.outputs };
                    weight.transpose(self.inputs, &mut self.transposed);
                    let weight = Packed { cells: &self.transposed, width: self.inputs };
                    product(Left::Rows(StridedRows::all(gradient, self.outputs)), weight, None, Order::Rows, of_rows);
                }
            }
        }
    }

    pub fn trained(&mut self) -> impl Iterator<Item = &mut Trained> {
        std::iter::once(&mut self.weight).chain(&mut self.bias)
    }

    pub fn values(&self) -> impl Iterator<Item = (ParamId, Vec<f32>)> {
        let weight = match self.shape {
            WeightOrder::Transposed => transposed(&self.weight.values, self.inputs),
            WeightOrder::Panels => Packed { cells: &self.weight.values, width: self.outputs }.unpacked(self.inputs),
        };
        std::iter::once((self.weight.id, weight)).chain(self.bias.as_ref().map(|bias| (bias.id, bias.values.clone())))
    }
}

/// The transpose of a matrix with rows of the given width.
fn transposed(cells: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| cells.iter().skip(column).step_by(width).copied()).collect()
}
