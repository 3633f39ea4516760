//! A sequence of layers, trained in plain memory.

use burn::module::ParamId;
use burn::nn::Linear;

use super::super::Differentiating;
use super::super::products::StridedRows;
use super::Trained;
use super::dense::DirectDense;
use super::norm::{DirectNorm, NormPass};
use crate::layers::activation::Activation;
use crate::layers::norm::NormLayer;
use crate::network::Distinct;

/// `linear layer – activation – norm – activation` for each hidden layer, followed by a linear layer.
#[derive(Debug)]
pub(crate) struct Stack {
    hidden: Vec<Hidden>,
    last: DirectDense,
    /// Buffer for the first layer's output for every row of a batch.
    spread: Vec<f32>,
    /// Buffers for the gradients of a layer's output and input.
    gradients: [Vec<f32>; 2],
}

#[derive(Debug)]
struct Hidden {
    dense: DirectDense,
    norm: Option<DirectNorm>,
    pass: NormPass,
}

impl Hidden {
    /// The input of the next layer for the rows of a batch, `[rows, outputs]`.
    fn output<'a>(&'a self, spread: &'a [f32]) -> &'a [f32] {
        match (&self.norm, spread.is_empty()) {
            (Some(_), _) => &self.pass.output,
            (None, true) => &self.dense.output,
            (None, false) => spread,
        }
    }
}

impl Stack {
    /// Copies hidden layers, each with its normalisation, and the last layer. `before` and `after` are the activations before and
    /// after a normalisation; one of them is linear. `None` if a normalisation is not batch normalisation.
    pub fn new<'a>(
        hidden: impl IntoIterator<Item = (&'a Linear<Differentiating>, &'a NormLayer<Differentiating>)>,
        last: &Linear<Differentiating>,
        [before, after]: [Activation; 2],
    ) -> Option<Self> {
        let hidden = hidden.into_iter().map(|(layer, norm)| {
            let of_layer = if norm.is_none() && before == Activation::Linear { after } else { before };
            let norm = if norm.is_none() { None } else { Some(DirectNorm::new(norm.batch()?, after)) };
            Some(Hidden { dense: DirectDense::new(layer, of_layer), norm, pass: NormPass::default() })
        });
        let hidden = hidden.collect::<Option<Vec<_>>>()?;
        Some(Self {
            hidden,
            last: DirectDense::new(last, Activation::Linear),
            spread: Vec::new(),
            gradients: Default::default(),
        })
    }

    /// The output of the last layer for a batch, `[rows, outputs]`.
    pub fn forward(&mut self, rows: &[f32], width: usize, batch: &Distinct) -> &[f32] {
        let distinct = StridedRows { cells: rows, width, indices: Some(&batch.rows) };
        let Self { hidden, last, spread, .. } = self;
        spread.clear();
        let Some((first, others)) = hidden.split_first_mut() else {
            last.forward(distinct);
            return match &batch.places {
                Some(places) => {
                    spread_rows(&last.output, last.outputs(), places, spread);
                    spread
                }
                None => &last.output,
            };
        };
        first.dense.forward(distinct);
        if let Some(places) = &batch.places {
            spread_rows(&first.dense.output, first.dense.outputs(), places, spread);
        }
        if let Some(norm) = &mut first.norm {
            norm.begin();
            norm.forward(if spread.is_empty() { &first.dense.output } else { spread }, &mut first.pass);
        }
        let (mut cells, mut width) = (first.output(spread), first.dense.outputs());
        for layer in others {
            layer.dense.forward(StridedRows::all(cells, width));
            if let Some(norm) = &mut layer.norm {
                norm.begin();
                norm.forward(&layer.dense.output, &mut layer.pass);
            }
            (cells, width) = (layer.output(&[]), layer.dense.outputs());
        }
        last.forward(StridedRows::all(cells, width));
        &last.output
    }

    /// Computes the gradients of all weights from the gradient of [`forward`](Self::forward)'s output.
    pub fn backward(&mut self, rows: &[f32], width: usize, batch: &Distinct, gradient: &mut Vec<f32>) {
        let Self { hidden, last, spread, gradients: [of_output, of_input] } = self;
        let distinct = StridedRows { cells: rows, width, indices: Some(&batch.rows) };
        std::mem::swap(gradient, of_output);
        let mut layer = last;
        let mut left = &mut hidden[..];
        while let Some((before, others)) = left.split_last_mut() {
            let cells = before.output(if others.is_empty() { spread } else { &[] });
            layer.backward(StridedRows::all(cells, before.dense.outputs()), of_output, Some(of_input));
            if let Some(norm) = &mut before.norm {
                norm.backward(of_input, &before.pass);
            }
            std::mem::swap(of_output, of_input);
            (layer, left) = (&mut before.dense, others);
        }
        if let Some(places) = &batch.places {
            of_input.clear();
            of_input.resize(batch.rows.len() * layer.outputs(), 0.0);
            gather_rows(of_output.chunks_exact(layer.outputs()), places, of_input);
            std::mem::swap(of_output, of_input);
        }
        layer.backward(distinct, of_output, None);
        std::mem::swap(gradient, of_output);
    }

    /// The weights of the hidden layers.
    pub fn hidden_weights(&mut self) -> impl Iterator<Item = &mut Trained> {
        self.hidden.iter_mut().map(|layer| &mut layer.dense.weight)
    }

    pub fn trained(&mut self) -> Vec<&mut Trained> {
        let hidden = self.hidden.iter_mut();
        let hidden =
            hidden.flat_map(|layer| layer.dense.trained().chain(layer.norm.iter_mut().flat_map(DirectNorm::trained)));
        hidden.chain(self.last.trained()).collect()
    }

    pub fn values(&self) -> Vec<(ParamId, Vec<f32>)> {
        let hidden = self.hidden.iter();
        let hidden =
            hidden.flat_map(|layer| layer.dense.values().chain(layer.norm.iter().flat_map(DirectNorm::values)));
        hidden.chain(self.last.values()).collect()
    }
}

/// Copies the row at each place to `spread`.
pub(crate) fn spread_rows(rows: &[f32], width: usize, places: &[usize], spread: &mut Vec<f32>) {
    spread.clear();
    places.iter().for_each(|place| spread.extend_from_slice(&rows[place * width..][..width]));
}

/// Adds rows to those at their places, which have the same width: the backward pass of [`spread_rows`].
pub(crate) fn gather_rows<'a>(spread: impl Iterator<Item = &'a [f32]>, places: &[usize], rows: &mut [f32]) {
    for (row, place) in spread.zip(places) {
        rows[place * row.len()..][..row.len()].iter_mut().zip(row).for_each(|(sum, cell)| *sum += cell);
    }
}
