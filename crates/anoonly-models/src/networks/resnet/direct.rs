//! Training steps of a residual network in plain memory.

use std::any::Any;

use burn::module::ParamId;
use burn::nn::BatchNorm;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::FlexTensor;

use super::ResNet;
use crate::kernels::direct::dense::DirectDense;
use crate::kernels::direct::norm::{DirectNorm, NormPass};
use crate::kernels::direct::stack::{gather_rows, spread_rows};
use crate::kernels::direct::{Direct, ExampleWeights, Trained, Weigh, balanced_cross_entropy, rows, total};
use crate::kernels::products::StridedRows;
use crate::kernels::vectorised;
use crate::kernels::{Differentiating, columns, values};
use crate::layers::activation::Activation;
use crate::layers::draws::{Draws, draw_dropout};
use crate::layers::norm::NormLayer;
use crate::network::Distinct;
use crate::{StepRows, TrainingData};

struct DirectResNet {
    rows: FlexTensor,
    input: DirectDense,
    blocks: Vec<DirectBlock>,
    norm: DirectNorm,
    pass: NormPass,
    output: DirectDense,
    dropout: f64,
    draws: Draws,
    /// The residual stream, `[rows, width]`.
    stream: Vec<f32>,
    gradient: Vec<f32>,
    /// Buffers for gradients of the stream, of a layer's input, and of a hidden layer.
    gradients: [Vec<f32>; 3],
}

struct DirectBlock {
    norm: DirectNorm,
    pass: NormPass,
    wide: DirectDense,
    /// The factors of dropout, and the hidden layer after it.
    factors: Vec<f32>,
    dropped: Vec<f32>,
    narrow: DirectDense,
}

/// The training steps; `None` unless the backend is [`Flex`](burn_flex::Flex) and the network has batch normalisation.
pub(super) fn direct<B: AutodiffBackend>(
    network: &ResNet<B>,
    data: &TrainingData<B::InnerBackend>,
) -> Option<Box<dyn Direct>> {
    let rows = rows::<B>(data)?;
    let network = (network as &dyn Any).downcast_ref::<ResNet<Differentiating>>()?;
    let norm = |norm| batch(norm).map(|norm| DirectNorm::new(norm, Activation::Linear));
    let blocks = network.blocks.iter().map(|block| {
        Some(DirectBlock {
            norm: norm(&block.norm)?,
            pass: NormPass::default(),
            wide: DirectDense::new(&block.wide, Activation::Relu),
            factors: Vec::new(),
            dropped: Vec::new(),
            narrow: DirectDense::new(&block.narrow, Activation::Linear),
        })
    });
    Some(Box::new(DirectResNet {
        rows,
        input: DirectDense::new(&network.input, Activation::Linear),
        blocks: blocks.collect::<Option<_>>()?,
        norm: DirectNorm::new(batch(&network.norm)?, Activation::Relu),
        pass: NormPass::default(),
        output: DirectDense::new(&network.output, Activation::Linear),
        dropout: network.dropout,
        draws: network.draws.clone(),
        stream: Vec::new(),
        gradient: Vec::new(),
        gradients: Default::default(),
    }))
}

fn batch(norm: &NormLayer<Differentiating>) -> Option<&BatchNorm<Differentiating>> {
    norm.batch()
}

/// `cells[i] = f(cells[i], others[i])`.
fn change(cells: &mut [f32], others: &[f32], f: impl Fn(f32, f32) -> f32) {
    vectorised!(cells.iter_mut().zip(others).for_each(|(cell, other)| *cell = f(*cell, *other)));
}

impl DirectResNet {
    /// Computes the scores of the rows of a batch.
    fn forward(&mut self, rows: StridedRows<'_>, batch: &Distinct) {
        let Self { input, blocks, norm, pass, output, dropout, draws, stream, .. } = self;
        let mut rng = draws.next();
        input.forward(rows);
        let width = input.outputs();
        match &batch.places {
            Some(places) => spread_rows(&input.output, width, places, stream),
            None => stream.clone_from(&input.output),
        }
        for DirectBlock { norm, pass, wide, factors, dropped, narrow } in blocks {
            norm.begin();
            norm.forward(stream, pass);
            wide.forward(StridedRows::all(&pass.output, width));
            dropped.clone_from(&wide.output);
            if *dropout > 0.0 {
                factors.resize(dropped.len(), 0.0);
                draw_dropout(factors, *dropout, &mut rng);
                change(dropped, factors, |cell, factor| cell * factor);
            }
            narrow.forward(StridedRows::all(dropped, wide.outputs()));
            change(stream, &narrow.output, |cell, other| cell + other);
        }
        norm.begin();
        norm.forward(stream, pass);
        output.forward(StridedRows::all(&pass.output, width));
    }

    /// Computes the gradients of all weights from that of the scores, in `gradient`.
    fn backward(&mut self, rows: StridedRows<'_>, batch: &Distinct) {
        let Self { input, blocks, norm, pass, output, dropout, gradient, .. } = self;
        let [of_stream, of_input, of_hidden] = &mut self.gradients;
        let width = input.outputs();
        output.backward(StridedRows::all(&pass.output, width), gradient, Some(of_stream));
        norm.backward(of_stream, pass);
        for DirectBlock { norm, pass, wide, factors, dropped, narrow } in blocks.iter_mut().rev() {
            narrow.backward(StridedRows::all(dropped, wide.outputs()), of_stream, Some(of_hidden));
            if *dropout > 0.0 {
                change(of_hidden, factors, |cell, factor| cell * factor);
            }
            wide.backward(StridedRows::all(&pass.output, width), of_hidden, Some(of_input));
            norm.backward(of_input, pass);
            change(of_stream, of_input, |cell, other| cell + other);
        }
        if let Some(places) = &batch.places {
            of_input.clear();
            of_input.resize(batch.rows.len() * width, 0.0);
            gather_rows(of_stream.chunks_exact(width), places, of_input);
            std::mem::swap(of_stream, of_input);
        }
        input.backward(rows, of_stream, None);
    }
}

impl Direct for DirectResNet {
    fn descend(&mut self, step: &StepRows, weigh: Weigh<'_>) -> f32 {
        let others = step.others();
        let batch = Distinct::of(&step.indices, others);
        let data = self.rows.clone();
        let rows = StridedRows { cells: values(&data), width: columns(&data), indices: Some(&batch.rows) };
        self.forward(rows, &batch);
        let scores = &self.output.output;
        let entropy = balanced_cross_entropy([others, scores.len() - others]);
        let (weights, shape) = (ExampleWeights::by_row(step, weigh), [scores.len(), 1]);
        let loss = total(weights, shape, &mut self.gradient, |row, gradient| {
            let (value, slope) = entropy(row, scores[row]);
            gradient[0] = slope;
            value
        });
        self.backward(rows, &batch);
        loss
    }

    fn trained(&mut self) -> Vec<&mut Trained> {
        let Self { input, blocks, norm, output, .. } = self;
        let blocks = blocks.iter_mut().flat_map(|DirectBlock { norm, wide, narrow, .. }| {
            norm.trained().chain(wide.trained()).chain(narrow.trained())
        });
        input.trained().chain(blocks).chain(norm.trained()).chain(output.trained()).collect()
    }

    fn values(&self) -> Vec<(ParamId, Vec<f32>)> {
        let Self { input, blocks, norm, output, .. } = self;
        let blocks = blocks.iter().flat_map(|DirectBlock { norm, wide, narrow, .. }| {
            norm.values().chain(wide.values()).chain(narrow.values())
        });
        input.values().chain(blocks).chain(norm.values()).chain(output.values()).collect()
    }
}
