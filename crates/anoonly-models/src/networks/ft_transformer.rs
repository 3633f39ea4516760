//! A transformer for tables that classifies labelled anomalies against unlabelled rows. Its tokens are columns.
//!
//! Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Combination, GeneralStep, Graph, Matrix, Value};
use crate::layers::activation::{Activation, dense, linear_score};
use crate::layers::cross_entropy::balanced_cross_entropy;
use crate::layers::draws::{Draws, dropout};
use crate::layers::host::cells;
use crate::layers::init::{WeightInit, linear_weights, total, uniform_parameter};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::recipe_accessors;
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of an FT-Transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FtTransformerConfig {
    /// The most tokens of a row, without the class token from which the score is read. Rows with more columns first pass through a
    /// linear layer with this number of outputs.
    pub tokens: usize,
    /// The width of a token; a multiple of `heads`.
    pub width: usize,
    /// The number of blocks.
    pub blocks: usize,
    /// The number of heads of each attention layer.
    pub heads: usize,
    /// The width of the hidden layer of each block.
    pub hidden: usize,
    /// The dropout rate of the attention weights.
    pub attention_dropout: f64,
    /// The dropout rate of the hidden layer of each block.
    pub dropout: f64,
    /// The normalisation before the score, after the layer normalisation and the ReLU of the head.
    pub norm: Norm,
    /// Settings of `norm`. The layer normalisations inside the network use the same epsilon.
    pub norm_settings: NormSettings,
    /// How the network is trained.
    pub recipe: Recipe,
}

impl Default for FtTransformerConfig {
    fn default() -> Self {
        Self {
            tokens: 32,
            width: 64,
            blocks: 2,
            heads: 8,
            hidden: 85,
            attention_dropout: 0.15,
            dropout: 0.05,
            norm: Norm::None,
            norm_settings: NormSettings::PYTORCH,
            recipe: Recipe::new(
                Batches::Balanced { unlabelled: 32, anomalies: 32, steps: 20 },
                50,
                Optimiser::adam(1e-4, 1e-5),
            ),
        }
    }
}

/// Bounds that protect against model files that ask for too much memory. No one trains networks as large on tables.
const MOST_BLOCKS: usize = 64;
const MOST_HEADS: usize = 64;
/// Attention compares all pairs of tokens.
const MOST_TOKENS: usize = 512;

impl Method for FtTransformerConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "ft-transformer",
        title: "FT-Transformer",
        kind: MethodKind::FewLabels,
        source: "Gorishniy et al., NeurIPS 2021",
    };

    fn check(&self) -> Result<(), ConfigError> {
        let divides = self.heads > 0 && self.width.is_multiple_of(self.heads);
        Checks::of(Self::INFO.name)
            .that((1..=MOST_TOKENS).contains(&self.tokens), "tokens", self.tokens, "from 1 to 512")
            .width("width", self.width)
            .that((1..=MOST_BLOCKS).contains(&self.blocks), "blocks", self.blocks, "from 1 to 64")
            .that(divides, "heads", self.heads, "a divisor of `width`")
            .that(self.heads <= MOST_HEADS, "heads", self.heads, "at most 64")
            .width("hidden", self.hidden)
            .share("attention_dropout", self.attention_dropout)
            .share("dropout", self.dropout)
            .norm(self.norm_settings)
            .done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for FtTransformerConfig {
    type Network<B: Backend> = FtTransformer<B>;

    recipe_accessors!();

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let Self { tokens, width, blocks, hidden, norm, .. } = *self;
        let layer_norm = Norm::Layer.weights(width);
        let attention = linear_weights(width, width, true).saturating_mul(4);
        let gated = linear_weights(width, hidden, true).saturating_mul(2);
        let block = total([attention, layer_norm, gated, linear_weights(hidden, width, true)]);
        let first = if columns > tokens { linear_weights(columns, tokens, true) } else { 0 };
        let tokenizer = width.saturating_mul(tokens.min(columns).saturating_mul(2).saturating_add(1));
        let head = total([layer_norm, norm.weights(width), linear_weights(width, 1, true)]);
        // The first block has no normalisation before its attention.
        let before = layer_norm.saturating_mul(blocks.saturating_sub(1));
        total([first, tokenizer, block.saturating_mul(blocks), before, head])
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> FtTransformer<B> {
        let Self { width, hidden, norm_settings, .. } = *self;
        let (columns, device) = (data.columns(), data.rows.device());
        let tokens = self.tokens.min(columns);
        let first = (columns > tokens).then(|| WeightInit::PytorchUniform.linear(columns, tokens, true, rng, &device));
        let limit = 1.0 / (width as f64).sqrt();
        let mut table = |rows| uniform_parameter([rows, width], limit, rng, &device);
        let [direction, offset, class] = [tokens, tokens, 1].map(&mut table);
        let normalise = |norm| NormLayer::new(norm, width, norm_settings, &device);
        let mut linear = |inputs, outputs| WeightInit::PytorchUniform.linear(inputs, outputs, true, rng, &device);
        let mut block = |at: usize| Block {
            before: normalise(if at == 0 { Norm::None } else { Norm::Layer }),
            query: linear(width, width),
            key: linear(width, width),
            value: linear(width, width),
            joined: linear(width, width),
            between: normalise(Norm::Layer),
            wide: linear(width, hidden),
            gate: linear(width, hidden),
            narrow: linear(hidden, width),
        };
        FtTransformer {
            first,
            direction,
            offset,
            class,
            blocks: (0..self.blocks).map(&mut block).collect(),
            head: normalise(Norm::Layer),
            norm: normalise(self.norm),
            output: linear(width, 1),
            heads: self.heads,
            attention_dropout: self.attention_dropout,
            dropout: self.dropout,
            draws: Draws::new(rng),
        }
    }
}

/// Tokens, transformer blocks, and a linear score of the class token's output. The class token is the same for every row.
#[derive(Module, Debug)]
pub struct FtTransformer<B: Backend> {
    first: Option<Linear<B>>,
    direction: Param<Tensor<B, 2>>,
    offset: Param<Tensor<B, 2>>,
    class: Param<Tensor<B, 2>>,
    blocks: Vec<Block<B>>,
    head: NormLayer<B>,
    norm: NormLayer<B>,
    output: Linear<B>,
    heads: usize,
    attention_dropout: f64,
    dropout: f64,
    #[module(skip)]
    draws: Draws,
}

/// `y = x + attention(norm(x))`, then `y + Linear(ReGLU(norm(y)))`.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    before: NormLayer<B>,
    query: Linear<B>,
    key: Linear<B>,
    value: Linear<B>,
    joined: Linear<B>,
    between: NormLayer<B>,
    wide: Linear<B>,
    gate: Linear<B>,
    narrow: Linear<B>,
}

/// Dropout in training, nothing in scoring.
trait Dropout<B: Backend> {
    /// Applies dropout to attention weights.
    fn attention(&mut self, cells: Tensor<B, 2>) -> Tensor<B, 2>;
    /// Applies dropout to a hidden layer.
    fn hidden(&mut self, cells: Tensor<B, 2>) -> Tensor<B, 2>;
}

/// No dropout.
struct NoDropout;

impl<B: Backend> Dropout<B> for NoDropout {
    fn attention(&mut self, cells: Tensor<B, 2>) -> Tensor<B, 2> {
        cells
    }

    fn hidden(&mut self, cells: Tensor<B, 2>) -> Tensor<B, 2> {
        cells
    }
}

/// Dropout with the two rates.
struct RandomDropout<R> {
    attention: f64,
    hidden: f64,
    rng: R,
}

impl<B: Backend, R: Rng> Dropout<B> for RandomDropout<R> {
    fn attention(&mut self, cells: Tensor<B, 2>) -> Tensor<B, 2> {
        dropout(cells, self.attention, &mut self.rng)
    }

    fn hidden(&mut self, cells: Tensor<B, 2>) -> Tensor<B, 2> {
        dropout(cells, self.hidden, &mut self.rng)
    }
}

impl<B: Backend> Block<B> {
    /// `[rows, tokens, width]` to the same shape, or to `[rows, 1, width]` with `first_only`: then only the first token queries the
    /// others.
    fn forward(
        &self,
        tokens: Tensor<B, 3>,
        heads: usize,
        first_only: bool,
        drop: &mut impl Dropout<B>,
    ) -> Tensor<B, 3> {
        let [rows, count, width] = tokens.dims();
        let queries = if first_only { 1 } else { count };
        let querying = |tokens: Tensor<B, 3>| if first_only { tokens.narrow(1, 0, 1) } else { tokens };
        let flat = |tokens: Tensor<B, 3>, count: usize| tokens.reshape([rows * count, width]);
        let normal = self.before.forward(flat(tokens.clone(), count));
        let querying_normal = flat(querying(normal.clone().reshape([rows, count, width])), queries);
        let split = |cells: Tensor<B, 2>, layer: &Linear<B>, count: usize| {
            let output = dense(cells, layer, Activation::Linear);
            output.reshape([rows, count, heads, width / heads]).swap_dims(1, 2)
        };
        let query = split(querying_normal, &self.query, queries).mul_scalar(((width / heads) as f64).sqrt().recip());
        let key = split(normal.clone(), &self.key, count);
        let value = split(normal, &self.value, count);
        let weights = softmax(query.matmul(key.swap_dims(2, 3)), 3);
        let weights = drop.attention(weights.reshape([rows * heads * queries, count]));
        let attended = weights.reshape([rows, heads, queries, count]).matmul(value).swap_dims(1, 2);
        let attended = dense(attended.reshape([rows * queries, width]), &self.joined, Activation::Linear);
        let stream = flat(querying(tokens), queries) + attended;

        let normal = self.between.forward(stream.clone());
        let wide = dense(normal.clone(), &self.wide, Activation::Linear);
        let hidden = drop.hidden(wide * dense(normal, &self.gate, Activation::Relu));
        (stream + dense(hidden, &self.narrow, Activation::Linear)).reshape([rows, queries, width])
    }
}

impl<B: Backend> Block<B> {
    /// Adds [`forward`](Self::forward) without dropout to a graph: `[rows · tokens, width]` to `[rows · queries, width]`.
    fn describe(&self, graph: &mut Graph, tokens: Value, counts: [usize; 2], heads: [usize; 2]) -> Value {
        let ([queries, count], width) = (counts, heads[0] * heads[1]);
        let querying = |graph: &mut Graph, of: Value| match queries {
            1 => {
                let rows = graph.general(GeneralStep::Reshape { of, width: count * width });
                graph.select(rows, 0..width)
            }
            _ => of,
        };
        let normal = self.before.describe(graph, tokens, Activation::Linear);
        let asking = querying(graph, normal);
        let query = graph.dense(asking, &self.query, Activation::Linear);
        let query = graph.multiply(query, vec![(heads[1] as f32).sqrt().recip()]);
        let key = graph.dense(normal, &self.key, Activation::Linear);
        let value = graph.dense(normal, &self.value, Activation::Linear);
        let attended = graph.general(GeneralStep::Attention { query, key, value, counts, heads });
        let attended = graph.dense(attended, &self.joined, Activation::Linear);
        let asking = querying(graph, tokens);
        let stream = graph.combine(asking, Combination::Sum, attended);

        let normal = self.between.describe(graph, stream, Activation::Linear);
        let wide = graph.dense(normal, &self.wide, Activation::Linear);
        let gate = graph.dense(normal, &self.gate, Activation::Relu);
        let hidden = graph.combine(wide, Combination::Product, gate);
        let narrow = graph.dense(hidden, &self.narrow, Activation::Linear);
        graph.combine(stream, Combination::Sum, narrow)
    }
}

impl<B: Backend> FtTransformer<B> {
    /// The class token followed by `xⱼ·wⱼ + bⱼ` of each column, `[rows, columns]` to `[rows, tokens + 1, width]`.
    fn tokens(&self, rows: Tensor<B, 2>) -> Tensor<B, 3> {
        let rows = match &self.first {
            Some(first) => dense(rows, first, Activation::Linear),
            None => rows,
        };
        let [count, _] = rows.dims();
        let tokens = rows.unsqueeze_dim::<3>(2) * self.direction.val().unsqueeze() + self.offset.val().unsqueeze();
        let class = self.class.val().unsqueeze::<3>().repeat_dim(0, count);
        Tensor::cat(vec![class, tokens], 1)
    }

    /// The layer before the score, `[rows, width]`.
    fn code(&self, batch: &Batch<B>, drop: &mut impl Dropout<B>) -> Tensor<B, 2> {
        let class = batch.by_row(|rows| {
            let last = self.blocks.len() - 1;
            let blocks = self.blocks.iter().enumerate();
            let output = blocks
                .fold(self.tokens(rows), |tokens, (at, block)| block.forward(tokens, self.heads, at == last, drop));
            self.head.then(output.squeeze_dim(1), Activation::Relu)
        });
        self.norm.forward(class)
    }

    fn scores(&self, code: Tensor<B, 2>) -> Tensor<B, 1> {
        linear_score(code, &self.output)
    }

    /// The layer before the score, without dropout, `[rows, columns]` to `[rows, width]`.
    fn code_without_dropout(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        self.code(&Batch::of_unlabelled(rows), &mut NoDropout)
    }
}

impl<B: Backend> Network<B> for FtTransformer<B> {
    /// The cross-entropy of each row. Labelled anomalies and all other rows have the same total weight.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let mut drop =
            RandomDropout { attention: self.attention_dropout, hidden: self.dropout, rng: self.draws.next() };
        let (others, anomalies) = batch.part(self.scores(self.code(batch, &mut drop)));
        balanced_cross_entropy(batch, others, anomalies)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        vec![&mut self.norm]
    }

    /// The class token after the last block, normalised, after the ReLU of the head.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.code_without_dropout(rows))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let rows = match &self.first {
            Some(first) => graph.dense(Graph::ROWS, first, Activation::Linear),
            None => Graph::ROWS,
        };
        let [columns, width] = self.direction.val().dims();
        let (count, direction) = (columns + 1, cells(self.direction.val()));
        // The class token, which is the same for every row, and a token for each column.
        let mut weight = vec![0.0; columns * count * width];
        for (column, direction) in direction.chunks_exact(width).enumerate() {
            weight[(column * count + column + 1) * width..][..width].copy_from_slice(direction);
        }
        let weight = Matrix { shape: [columns, count * width], cells: weight };
        let bias = [cells(self.class.val()), cells(self.offset.val())].concat();
        let tokens = graph.linear(rows, weight, Some(bias));
        let mut tokens = graph.general(GeneralStep::Reshape { of: tokens, width });
        for (at, block) in self.blocks.iter().enumerate() {
            let queries = if at + 1 == self.blocks.len() { 1 } else { count };
            tokens = block.describe(&mut graph, tokens, [queries, count], [self.heads, width / self.heads]);
        }
        let class = self.head.describe(&mut graph, tokens, Activation::Relu);
        let code = self.norm.describe(&mut graph, class, Activation::Linear);
        graph.dense(code, &self.output, Activation::Linear);
        Some(graph)
    }

    /// The log odds that a row is a labelled anomaly.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.scores(self.code_without_dropout(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use anoonly_core::Seed;
    use burn::tensor::TensorData;
    use burn_ndarray::NdArray;

    #[test]
    fn a_width_that_is_not_a_multiple_of_the_heads_is_rejected() {
        for (heads, width) in [(3, 64), (0, 64), (8, 4)] {
            let method = FtTransformerConfig { heads, width, ..Default::default() };
            let message = method.check().unwrap_err().to_string();
            assert_eq!(message, format!("ft-transformer: option `heads` is {heads}, must be a divisor of `width`"));
        }
    }

    /// Without dropout, the losses follow from the scores. With dropout, they differ from step to step and the scores do not change.
    #[test]
    fn dropout_acts_in_training_only() {
        let cells_of = |rows: usize| (0..rows * 3).map(|cell| ((cell * 7) % 11) as f32 / 10.0).collect::<Vec<_>>();
        let rows = Tensor::<NdArray, 2>::from_data(TensorData::new(cells_of(5), [5, 3]), &Default::default());
        let data =
            TrainingData { rows: rows.clone(), others: (0..3).collect(), anomalies: vec![3, 4], normals: Vec::new() };
        let batch = Batch::new(rows.clone(), 3);
        let small = FtTransformerConfig { width: 8, heads: 2, hidden: 6, ..Default::default() };
        let network = |attention_dropout, dropout| {
            let method = FtTransformerConfig { attention_dropout, dropout, ..small.clone() };
            method.init::<NdArray>(&data, &mut Seed(1).stream(&[]))
        };
        let losses = |network: &FtTransformer<NdArray>| {
            let LossTerms { normal, anomalous, .. } = network.terms(&batch);
            [cells(normal), cells(anomalous)]
        };
        let plain = network(0.0, 0.0);
        let scores = cells(plain.score(rows.clone()));
        let LossTerms { normal, anomalous, .. } = balanced_cross_entropy(
            &batch,
            plain.score(rows.clone()).narrow(0, 0, 3),
            plain.score(rows.clone()).narrow(0, 3, 2),
        );
        assert_eq!(losses(&plain), [cells(normal), cells(anomalous)]);
        assert_eq!(losses(&plain), losses(&plain));
        for network in [network(0.5, 0.0), network(0.0, 0.5)] {
            assert_ne!(losses(&network), losses(&plain));
            assert_ne!(losses(&network), losses(&network));
            assert_eq!(cells(network.score(rows.clone())), scores);
        }
    }
}
