//! A residual network for tables that classifies labelled anomalies against unlabelled rows.
//!
//! Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.

mod direct;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step};
use crate::kernels::Direct;
use crate::layers::activation::{Activation, dense, linear_score};
use crate::layers::cross_entropy::balanced_cross_entropy;
use crate::layers::draws::{Draws, dropout};
use crate::layers::init::{WeightInit, linear_weights, total};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::recipe_accessors;
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of a residual network. The defaults are those of ADBench, except that every batch contains both classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNetConfig {
    /// The width of the residual stream through the blocks.
    pub width: usize,
    /// The width of the hidden layer of each block.
    pub hidden: usize,
    /// The number of blocks.
    pub blocks: usize,
    /// The dropout rate of the hidden layer of each block.
    pub dropout: f64,
    /// The normalisation at the start of each block and before the score. The original method uses batch normalisation, too.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// How the network is trained.
    pub recipe: Recipe,
}

impl Default for ResNetConfig {
    fn default() -> Self {
        Self {
            width: 128,
            hidden: 256,
            blocks: 2,
            dropout: 0.2,
            norm: Norm::Batch,
            norm_settings: NormSettings::PYTORCH,
            recipe: Recipe::new(
                Batches::Balanced { unlabelled: 32, anomalies: 32, steps: 20 },
                50,
                Optimiser::adam(1e-3, 0.0),
            ),
        }
    }
}

/// The most blocks. The bound protects against model files that ask for too much memory; no one trains as many on tables.
const MOST_BLOCKS: usize = 64;

impl Method for ResNetConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "resnet",
        title: "Tabular ResNet",
        kind: MethodKind::FewLabels,
        source: "Gorishniy et al., NeurIPS 2021",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .width("width", self.width)
            .width("hidden", self.hidden)
            .that((1..=MOST_BLOCKS).contains(&self.blocks), "blocks", self.blocks, "from 1 to 64")
            .share("dropout", self.dropout)
            .norm(self.norm_settings)
            .done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for ResNetConfig {
    type Network<B: Backend> = ResNet<B>;

    recipe_accessors!();

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let Self { width, hidden, blocks, norm, .. } = *self;
        let block = [norm.weights(width), linear_weights(width, hidden, true), linear_weights(hidden, width, true)];
        let block = total(block);
        let ends = [linear_weights(columns, width, true), norm.weights(width), linear_weights(width, 1, true)];
        total(ends.into_iter().chain([block.saturating_mul(blocks)]))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> ResNet<B> {
        let Self { width, hidden, blocks, norm, norm_settings, .. } = *self;
        let device = data.rows.device();
        let norm = || NormLayer::new(norm, width, norm_settings, &device);
        let mut linear = |inputs, outputs| WeightInit::PytorchUniform.linear(inputs, outputs, true, rng, &device);
        let mut block = |_| Block { norm: norm(), wide: linear(width, hidden), narrow: linear(hidden, width) };
        let blocks = (0..blocks).map(&mut block).collect();
        ResNet {
            blocks,
            input: linear(data.columns(), width),
            norm: norm(),
            output: linear(width, 1),
            dropout: self.dropout,
            draws: Draws::new(rng),
        }
    }
}

/// A linear layer, blocks `x + Linear(ReLU(Linear(norm(x))))`, and a linear score of `ReLU(norm(x))`.
#[derive(Module, Debug)]
pub struct ResNet<B: Backend> {
    input: Linear<B>,
    blocks: Vec<Block<B>>,
    norm: NormLayer<B>,
    output: Linear<B>,
    dropout: f64,
    #[module(skip)]
    draws: Draws,
}

#[derive(Module, Debug)]
struct Block<B: Backend> {
    norm: NormLayer<B>,
    wide: Linear<B>,
    narrow: Linear<B>,
}

impl<B: Backend> ResNet<B> {
    /// The layer before the score. `drop` is applied to the hidden layer of each block.
    fn code(&self, batch: &Batch<B>, mut drop: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        let start = batch.by_row(|rows| dense(rows, &self.input, Activation::Linear));
        let code = self.blocks.iter().fold(start, |stream, Block { norm, wide, narrow }| {
            let hidden = drop(dense(norm.forward(stream.clone()), wide, Activation::Relu));
            stream + dense(hidden, narrow, Activation::Linear)
        });
        self.norm.then(code, Activation::Relu)
    }

    fn scores(&self, code: Tensor<B, 2>) -> Tensor<B, 1> {
        linear_score(code, &self.output)
    }
}

impl<B: Backend> Network<B> for ResNet<B> {
    /// The cross-entropy of each row. Labelled anomalies and all other rows have the same total weight.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let mut rng = self.draws.next();
        let code = self.code(batch, |hidden| dropout(hidden, self.dropout, &mut rng));
        let (others, anomalies) = batch.part(self.scores(code));
        balanced_cross_entropy(batch, others, anomalies)
    }

    fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        direct::direct(self, data)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.blocks.iter_mut().map(|block| &mut block.norm).chain([&mut self.norm]).collect()
    }

    /// The residual stream after the last block, normalised, after its ReLU.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.code(&Batch::of_unlabelled(rows), |hidden| hidden))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let mut stream = graph.dense(Graph::ROWS, &self.input, Activation::Linear);
        for Block { norm, wide, narrow } in &self.blocks {
            let normal = norm.describe(&mut graph, stream, Activation::Linear);
            let hidden = graph.dense(normal, wide, Activation::Relu);
            let change = graph.dense(hidden, narrow, Activation::Linear);
            // Graphs have no addition of two values.
            let negated = graph.then(Step::Multiply { of: change, constants: vec![-1.0] });
            stream = graph.then(Step::Subtract { left: stream, right: negated });
        }
        let code = self.norm.describe(&mut graph, stream, Activation::Relu);
        graph.dense(code, &self.output, Activation::Linear);
        Some(graph)
    }

    /// The log odds that a row is a labelled anomaly.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.scores(self.code(&Batch::of_unlabelled(rows), |hidden| hidden))
    }
}
