//! A residual network for tables that is trained to tell labelled anomalies from unlabelled rows.
//!
//! Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{Graph, Step};
use crate::layers::activation::{Activation, dense};
use crate::layers::cross_entropy::balanced_cross_entropy;
use crate::layers::draws::{Draws, dropout};
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::recipe::{Augmentation, Batches, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of a residual network. The defaults are those of ADBench, with batches that hold both classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNetConfig {
    /// Width of what runs through all blocks.
    pub width: usize,
    /// Width of each block's hidden layer.
    pub hidden: usize,
    /// Blocks.
    pub blocks: usize,
    /// The probability with which a value of a block's hidden layer is left out in a step of the training.
    pub dropout: f64,
    /// What stands at the start of each block and before the score. The host has batch normalisation already.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// How it is trained.
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
            norm_settings: NormSettings { epsilon: 1e-5, keep: 0.9 },
            recipe: Recipe {
                batches: Batches::Balanced { unlabelled: 32, anomalies: 32, steps: 20 },
                epochs: 50,
                optimiser: Optimiser::Adam {
                    learning_rate: 1e-3,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-8,
                    weight_decay: 0.0,
                },
                schedule: Schedule::Constant,
                keep: Keep::Last,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

/// More blocks than anyone trains on tables; a bound on what a model file can ask for.
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
            .at_least_one("width", self.width)
            .at_least_one("hidden", self.hidden)
            .that((1..=MOST_BLOCKS).contains(&self.blocks), "blocks", self.blocks, "from 1 to 64")
            .share("dropout", self.dropout)
            .norm(self.norm_settings)
            .done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for ResNetConfig {
    type Network<B: Backend> = ResNet<B>;

    fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    fn recipe_mut(&mut self) -> &mut Recipe {
        &mut self.recipe
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let Self { width, hidden, blocks, norm, .. } = *self;
        let block = [norm.weights(width), linear_weights(width, hidden, true), linear_weights(hidden, width, true)];
        let block = block.into_iter().fold(0, usize::saturating_add);
        let ends = [linear_weights(columns, width, true), norm.weights(width), linear_weights(width, 1, true)];
        ends.into_iter().fold(block.saturating_mul(blocks), usize::saturating_add)
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

/// A linear layer, blocks of the form `x + Linear(ReLU(Linear(norm(x))))`, and a linear score of `ReLU(norm(x))`.
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
    /// The layer before the score; `drop` is done to each block's hidden layer.
    fn code(&self, batch: &Batch<B>, mut drop: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        let start = batch.by_row(|rows| dense(rows, &self.input, Activation::Linear));
        let code = self.blocks.iter().fold(start, |through, Block { norm, wide, narrow }| {
            let hidden = drop(dense(norm.forward(through.clone()), wide, Activation::Relu));
            through + dense(hidden, narrow, Activation::Linear)
        });
        self.norm.then(code, Activation::Relu)
    }

    fn scores(&self, code: Tensor<B, 2>) -> Tensor<B, 1> {
        dense(code, &self.output, Activation::Linear).squeeze_dim(1)
    }
}

impl<B: Backend> Network<B> for ResNet<B> {
    /// The cross-entropy of each row, of which those of unlabelled rows and those of labelled anomalies weigh the same together.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let mut rng = self.draws.next();
        let code = self.code(batch, |hidden| dropout(hidden, self.dropout, &mut rng));
        let (unlabelled, anomalies) = batch.part(self.scores(code));
        balanced_cross_entropy(unlabelled, anomalies)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.blocks.iter_mut().map(|block| &mut block.norm).chain([&mut self.norm]).collect()
    }

    /// What runs through the blocks, normalised, behind its ReLU.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        let count = rows.dims()[0];
        Some(self.code(&Batch::new(rows, count), |hidden| hidden))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let mut through = graph.dense(Graph::ROWS, &self.input, Activation::Linear);
        for Block { norm, wide, narrow } in &self.blocks {
            let normal = norm.describe(&mut graph, through, Activation::Linear);
            let hidden = graph.dense(normal, wide, Activation::Relu);
            let change = graph.dense(hidden, narrow, Activation::Linear);
            let back = graph.then(Step::Multiply { of: change, constants: vec![-1.0] });
            through = graph.then(Step::Subtract { left: through, right: back });
        }
        let code = self.norm.describe(&mut graph, through, Activation::Relu);
        graph.dense(code, &self.output, Activation::Linear);
        Some(graph)
    }

    /// The log odds of being a labelled anomaly.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let count = rows.dims()[0];
        self.scores(self.code(&Batch::new(rows, count), |hidden| hidden))
    }
}
