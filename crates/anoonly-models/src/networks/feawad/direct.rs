//! Training steps of FEAWAD in plain memory.

use std::any::Any;

use burn::module::ParamId;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::FlexTensor;

use super::{ErrorTerms, FIRST, Feawad, SECOND};
use crate::kernels::direct::dense::DirectDense;
use crate::kernels::direct::norm::{DirectNorm, NormPass};
use crate::kernels::direct::stack::{gather_rows, spread_rows};
use crate::kernels::direct::{Direct, ExampleWeights, Trained, Weigh, rows, sign, total};
use crate::kernels::products::StridedRows;
use crate::kernels::vectorised;
use crate::kernels::{Differentiating, columns, squares, values};
use crate::layers::activation::{Activation, LENGTH_GAP};
use crate::network::Distinct;
use crate::{StepRows, TrainingData};

/// The autoencoder.
struct DirectAutoencoder {
    layers: Vec<DirectDense>,
    /// The layer whose output is the code.
    code: usize,
    /// The residuals of the last rows, `[rows, columns]`.
    residual: Vec<f32>,
    /// The gradient of the residual, and then of the decoded rows.
    of_residual: Vec<f32>,
    /// The gradient of each layer's output but the last one's.
    gradients: Vec<Vec<f32>>,
}

impl DirectAutoencoder {
    fn new(network: &Feawad<Differentiating>) -> Self {
        let layers = network.encoder.iter().chain(&network.decoder);
        let layers: Vec<_> = layers.map(|layer| DirectDense::new(layer, Activation::Relu)).collect();
        let gradients = vec![Vec::new(); layers.len()];
        let (residual, of_residual) = Default::default();
        Self { layers, code: network.encoder.len() - 1, residual, of_residual, gradients }
    }

    fn code(&self) -> &[f32] {
        &self.layers[self.code].output
    }

    fn code_width(&self) -> usize {
        self.layers[self.code].outputs()
    }

    /// Computes the code and the residual.
    fn forward(&mut self, rows: StridedRows<'_>) {
        let mut left = &mut self.layers[..];
        let mut input = rows;
        while let Some((layer, others)) = left.split_first_mut() {
            layer.forward(input);
            input = StridedRows::all(&layer.output, layer.outputs());
            left = others;
        }
        self.residual.resize(input.cells.len(), 0.0);
        for place in 0..rows.len() {
            let (row, decoded) = (rows.row(place), input.row(place));
            let residual = &mut self.residual[place * rows.width..][..rows.width];
            residual.iter_mut().zip(row).zip(decoded).for_each(|((cell, row), decoded)| *cell = row - decoded);
        }
    }

    /// Computes the gradients of the weights from those of the residual, in `of_residual`, and of the code.
    fn backward(&mut self, rows: StridedRows<'_>, of_code: &[f32]) {
        let Self { layers, code, of_residual, gradients, .. } = self;
        vectorised!(of_residual.iter_mut().for_each(|cell| *cell = -*cell));
        let mut of_output = of_residual;
        let mut left = &mut layers[..];
        for of_input in gradients.iter_mut().rev() {
            let Some((layer, before)) = left.split_last_mut() else { return };
            if before.len() == *code {
                of_output.iter_mut().zip(of_code).for_each(|(sum, cell)| *sum += cell);
            }
            match before.last() {
                Some(input) => {
                    layer.backward(StridedRows::all(&input.output, input.outputs()), of_output, Some(of_input));
                }
                None => layer.backward(rows, of_output, None),
            }
            (of_output, left) = (of_input, before);
        }
    }

    fn trained(&mut self) -> impl Iterator<Item = &mut Trained> {
        self.layers.iter_mut().flat_map(DirectDense::trained)
    }

    fn values(&self) -> impl Iterator<Item = (ParamId, Vec<f32>)> {
        self.layers.iter().flat_map(DirectDense::values)
    }
}

struct DirectPretraining {
    rows: FlexTensor,
    autoencoder: DirectAutoencoder,
}

/// The steps of pretraining; `None` unless the backend is [`Flex`](burn_flex::Flex).
pub(super) fn pretraining<B: AutodiffBackend>(
    network: &Feawad<B>,
    data: &TrainingData<B::InnerBackend>,
) -> Option<Box<dyn Direct>> {
    let rows = rows::<B>(data)?;
    let network = (network as &dyn Any).downcast_ref::<Feawad<Differentiating>>()?;
    Some(Box::new(DirectPretraining { rows, autoencoder: DirectAutoencoder::new(network) }))
}

impl Direct for DirectPretraining {
    /// Every row weighs the same.
    fn descend(&mut self, step: &StepRows, _: Weigh<'_>) -> f32 {
        let Self { rows, autoencoder } = self;
        let rows = StridedRows { cells: values(rows), width: columns(rows), indices: Some(&step.indices) };
        autoencoder.forward(rows);
        let share = 1.0 / autoencoder.residual.len().max(1) as f32;
        let of_residual = &mut autoencoder.of_residual;
        of_residual.clone_from(&autoencoder.residual);
        vectorised!(of_residual.iter_mut().for_each(|cell| *cell *= 2.0 * share));
        let loss = share * squares(&autoencoder.residual);
        autoencoder.backward(rows, &[]);
        loss
    }

    fn trained(&mut self) -> Vec<&mut Trained> {
        self.autoencoder.trained().collect()
    }

    fn values(&self) -> Vec<(ParamId, Vec<f32>)> {
        self.autoencoder.values().collect()
    }
}

struct DirectFeawad {
    rows: FlexTensor,
    autoencoder: DirectAutoencoder,
    first: DirectDense,
    second: DirectDense,
    norm: Option<DirectNorm>,
    pass: NormPass,
    output: DirectDense,
    margin: f32,
    error_terms: ErrorTerms,
    buffers: Buffers,
}

/// Inputs of the layers after the autoencoder, and gradients.
#[derive(Default)]
struct Buffers {
    /// The length of each distinct row's residual.
    errors: Vec<f32>,
    /// The inputs of the first and of the second layer.
    inputs: [Vec<f32>; 2],
    /// The output of the second layer with the error, for each distinct row and for each row of the batch.
    last: [Vec<f32>; 2],
    /// The gradients of score and error of each row of the batch, and of the score alone.
    of_terms: Vec<f32>,
    of_scores: Vec<f32>,
    of_last: [Vec<f32>; 2],
    of_hidden: Vec<f32>,
    of_inputs: [Vec<f32>; 2],
    of_errors: Vec<f32>,
    of_code: Vec<f32>,
}

/// The training steps; `None` unless the backend is [`Flex`](burn_flex::Flex).
pub(super) fn direct<B: AutodiffBackend>(
    network: &Feawad<B>,
    data: &TrainingData<B::InnerBackend>,
) -> Option<Box<dyn Direct>> {
    let rows = rows::<B>(data)?;
    let network = (network as &dyn Any).downcast_ref::<Feawad<Differentiating>>()?;
    let norm =
        if network.norm.is_none() { None } else { Some(DirectNorm::new(network.norm.batch()?, Activation::Linear)) };
    Some(Box::new(DirectFeawad {
        rows,
        autoencoder: DirectAutoencoder::new(network),
        first: DirectDense::new(&network.first, Activation::Relu),
        second: DirectDense::new(&network.second, Activation::Relu),
        norm,
        pass: NormPass::default(),
        output: DirectDense::new(&network.output, Activation::Linear),
        margin: network.margin as f32,
        error_terms: network.error_terms,
        buffers: Buffers::default(),
    }))
}

impl DirectFeawad {
    /// Computes the scores of the rows of a batch from its distinct rows.
    fn forward(&mut self, rows: StridedRows<'_>, batch: &Distinct) {
        let Self { autoencoder, first, second, norm, pass, output, buffers, .. } = self;
        let Buffers { errors, inputs: [all, beside], last: [distinct, last], .. } = buffers;
        autoencoder.forward(rows);
        let residuals = autoencoder.residual.chunks_exact(rows.width);
        errors.clear();
        errors.extend(residuals.clone().map(|row| (squares(row) + LENGTH_GAP as f32).sqrt()));
        all.clear();
        for ((residual, code), error) in
            residuals.zip(autoencoder.code().chunks_exact(autoencoder.code_width())).zip(&*errors)
        {
            all.extend(residual.iter().map(|cell| cell / error));
            all.extend_from_slice(code);
            all.push(*error);
        }
        first.forward(StridedRows::all(all, rows.width + autoencoder.code_width() + 1));
        join(&first.output, FIRST, errors, beside);
        second.forward(StridedRows::all(beside, FIRST + 1));
        join(&second.output, SECOND, errors, distinct);
        match &batch.places {
            Some(places) => spread_rows(distinct, SECOND + 1, places, last),
            None => last.clone_from(distinct),
        }
        let code = match norm {
            Some(norm) => {
                norm.begin();
                norm.forward(last, pass);
                &pass.output
            }
            None => last,
        };
        output.forward(StridedRows::all(code, SECOND + 1));
    }

    /// Computes the gradients of all weights from those of the scores and of the errors of a batch, in `of_terms`.
    fn backward(&mut self, rows: StridedRows<'_>, batch: &Distinct) {
        let Self { autoencoder, first, second, norm, pass, output, buffers, .. } = self;
        let Buffers { errors, inputs: [all, beside], last: [_, last], of_terms, of_scores, .. } = buffers;
        let Buffers { of_last: [of_last, of_distinct], of_hidden, of_inputs: [of_all, of_beside], .. } = buffers;
        let Buffers { of_errors, of_code, .. } = buffers;
        of_scores.clear();
        of_scores.extend(of_terms.iter().step_by(2));
        let code = if norm.is_some() { &pass.output } else { &*last };
        output.backward(StridedRows::all(code, SECOND + 1), of_scores, Some(of_last));
        if let Some(norm) = norm {
            norm.backward(of_last, pass);
        }
        for (cells, terms) in of_last.chunks_exact_mut(SECOND + 1).zip(of_terms.chunks_exact(2)) {
            cells[SECOND] += terms[1];
        }
        if let Some(places) = &batch.places {
            of_distinct.clear();
            of_distinct.resize(batch.rows.len() * (SECOND + 1), 0.0);
            gather_rows(of_last.chunks_exact(SECOND + 1), places, of_distinct);
            std::mem::swap(of_last, of_distinct);
        }
        of_errors.clear();
        of_errors.resize(errors.len(), 0.0);
        part(of_last, SECOND, of_hidden, of_errors);
        second.backward(StridedRows::all(beside, FIRST + 1), of_hidden, Some(of_beside));
        part(of_beside, FIRST, of_hidden, of_errors);
        let code_width = autoencoder.code_width();
        let width = rows.width + code_width + 1;
        first.backward(StridedRows::all(all, width), of_hidden, Some(of_all));
        let of_residual = &mut autoencoder.of_residual;
        of_residual.clear();
        of_code.clear();
        for (((cells, residual), error), of_error) in
            of_all.chunks_exact(width).zip(autoencoder.residual.chunks_exact(rows.width)).zip(&*errors).zip(&*of_errors)
        {
            let (of_direction, others) = cells.split_at(rows.width);
            of_code.extend_from_slice(&others[..code_width]);
            // The direction r/e depends on the residual r itself and on its length e, whose gradient is r/e.
            let along: f32 = of_direction.iter().zip(residual).map(|(cell, residual)| cell * residual).sum();
            let of_error = of_error + others[code_width] - along / (error * error);
            of_residual
                .extend(of_direction.iter().zip(residual).map(|(cell, residual)| (cell + of_error * residual) / error));
        }
        autoencoder.backward(rows, of_code);
    }
}

/// Rows with a column beside them.
fn join(cells: &[f32], width: usize, column: &[f32], joined: &mut Vec<f32>) {
    joined.clear();
    for (row, cell) in cells.chunks_exact(width).zip(column) {
        joined.extend_from_slice(row);
        joined.push(*cell);
    }
}

/// The backward pass of [`join`]: takes rows apart and adds the last column to `column`.
fn part(joined: &[f32], width: usize, cells: &mut Vec<f32>, column: &mut [f32]) {
    cells.clear();
    for (row, cell) in joined.chunks_exact(width + 1).zip(column) {
        cells.extend_from_slice(&row[..width]);
        *cell += row[width];
    }
}

impl Direct for DirectFeawad {
    fn descend(&mut self, step: &StepRows, weigh: Weigh<'_>) -> f32 {
        let others = step.others();
        let batch = Distinct::of(&step.indices, others);
        let data = self.rows.clone();
        let rows = StridedRows { cells: values(&data), width: columns(&data), indices: Some(&batch.rows) };
        self.forward(rows, &batch);
        let Self { output, buffers, margin, error_terms, .. } = self;
        let of_error = if *error_terms == ErrorTerms::Train { 1.0 } else { 0.0 };
        let (scores, last) = (&output.output, &buffers.last[1]);
        // `max(0, value)` and its slope. NaN stays NaN.
        let above = |value: f32| if value > 0.0 { (value, 1.0) } else { (0.0 * value, 0.0) };
        let shape = [step.indices.len(), 2];
        let loss = total(ExampleWeights::by_row(step, weigh), shape, &mut buffers.of_terms, |row, gradient| {
            let (score, error) = (scores[row], last[row * (SECOND + 1) + SECOND]);
            let ((value, slope), (error, error_slope)) = match row {
                row if row < step.unlabelled => ((score.abs(), sign(score)), (error, 1.0)),
                row if row < others => (above(score), (error, 1.0)),
                _ => {
                    let (short, error_short) = (above(*margin - score), above(*margin - error));
                    ((short.0, -short.1), (error_short.0, -error_short.1))
                }
            };
            gradient.copy_from_slice(&[slope, of_error * error_slope]);
            value + error
        });
        self.backward(rows, &batch);
        loss
    }

    fn trained(&mut self) -> Vec<&mut Trained> {
        let Self { autoencoder, first, second, norm, output, .. } = self;
        let norm = norm.iter_mut().flat_map(DirectNorm::trained);
        let after = first.trained().chain(second.trained()).chain(norm).chain(output.trained());
        autoencoder.trained().chain(after).collect()
    }

    fn values(&self) -> Vec<(ParamId, Vec<f32>)> {
        let Self { autoencoder, first, second, norm, output, .. } = self;
        let norm = norm.iter().flat_map(DirectNorm::values);
        let after = first.values().chain(second.values()).chain(norm).chain(output.values());
        autoencoder.values().chain(after).collect()
    }
}
