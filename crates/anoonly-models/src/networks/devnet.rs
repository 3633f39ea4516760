//! DevNet: a network whose score of a labelled anomaly is pushed above that of all other rows by a margin.
//!
//! Pang, Shen and van den Hengel, "Deep Anomaly Detection with Deviation Networks", KDD 2019. As the AnoOnly paper (Zhou et
//! al. 2024) runs it: scores are measured against 0 instead of against the mean and deviation of draws from a reference
//! distribution, which the KDD paper uses in its equation 6.

mod direct;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::activation::{Activation, dense, sum_of_squares};
use crate::layers::init::{WeightInit, linear_weights};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::recipe::{Augmentation, Batches, EpsilonAt, Keep, Optimiser, Recipe, Schedule, Statistics};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// DevNet's configuration. The defaults are those of the AnoOnly paper's host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevNetConfig {
    /// The number of linear layers.
    pub depth: Depth,
    /// What stands after each hidden layer's ReLU (at depth 1, on the input).
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The score `a` that labelled anomalies are pushed to.
    pub margin: f64,
    /// The loss of a labelled anomaly.
    pub anomaly_loss: AnomalyLoss,
    /// The penalty is this times the sum of the squared weights of all hidden layers.
    pub l2: f64,
    /// How it is trained.
    pub recipe: Recipe,
}

/// The number of linear layers; the last one gives the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Depth {
    /// No hidden layer.
    One,
    /// One hidden layer, of 20.
    Two,
    /// Three hidden layers, of 1000, 250 and 20.
    Four,
}

/// The loss of a labelled anomaly with score `s`, the margin being `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyLoss {
    /// `|a − s|`: the host's.
    Absolute,
    /// `a − s`, without a lower bound: AnoOnly's. Batch normalisation keeps the scores from running away.
    Unbounded,
    /// `max(0, a − s)`: the KDD paper's.
    Hinge,
}

impl Default for DevNetConfig {
    fn default() -> Self {
        Self {
            depth: Depth::Two,
            norm: Norm::None,
            norm_settings: NormSettings { epsilon: 1e-3, keep: 0.99 },
            margin: 5.0,
            anomaly_loss: AnomalyLoss::Absolute,
            l2: 0.01,
            recipe: Recipe {
                batches: Batches::Balanced { unlabelled: 32, anomalies: 32, steps: 20 },
                epochs: 50,
                optimiser: Optimiser::RmsProp {
                    learning_rate: 2e-4,
                    decay: 0.9,
                    epsilon: 1e-7,
                    epsilon_at: EpsilonAt::InsideRoot,
                    weight_decay: 0.0,
                },
                schedule: Schedule::Constant,
                keep: Keep::LowestLoss,
                statistics: Statistics::Running,
                augmentation: Augmentation::None,
            },
        }
    }
}

impl Depth {
    /// The widths of the hidden layers.
    pub fn hidden(self) -> &'static [usize] {
        match self {
            Depth::One => &[],
            Depth::Two => &[20],
            Depth::Four => &[1000, 250, 20],
        }
    }
}

impl From<Depth> for u8 {
    fn from(depth: Depth) -> u8 {
        depth.hidden().len() as u8 + 1
    }
}

impl TryFrom<u8> for Depth {
    type Error = String;

    fn try_from(layers: u8) -> Result<Self, String> {
        let depths = [Depth::One, Depth::Two, Depth::Four];
        depths.into_iter().find(|&d| u8::from(d) == layers).ok_or(format!("depth {layers}: must be 1, 2 or 4"))
    }
}

impl Method for DevNetConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "devnet",
        title: "DevNet",
        kind: MethodKind::FewLabels,
        source: "Pang, Shen, van den Hengel, KDD 2019",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .norm(self.norm_settings)
            .positive("margin", self.margin)
            .not_negative("l2", self.l2)
            .done()?;
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for DevNetConfig {
    type Network<B: Backend> = DevNet<B>;

    fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    fn recipe_mut(&mut self) -> &mut Recipe {
        &mut self.recipe
    }

    fn anomaly_only(self) -> Self {
        Self { norm: Norm::Batch, anomaly_loss: AnomalyLoss::Unbounded, ..self }
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let hidden = self.depth.hidden();
        let inputs = std::iter::once(&columns).chain(hidden);
        let layers = inputs.zip(hidden.iter().chain([&1])).map(|(&from, &to)| linear_weights(from, to, true));
        let norms = if hidden.is_empty() { std::slice::from_ref(&columns) } else { hidden };
        layers.chain(norms.iter().map(|&width| self.norm.weights(width))).fold(0, usize::saturating_add)
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> DevNet<B> {
        let device = data.rows.device();
        let mut width = data.columns();
        let norm = |width| NormLayer::new(self.norm, width, self.norm_settings, &device);
        let input_norm = self.depth.hidden().is_empty().then(|| norm(width));
        let mut hidden = Vec::new();
        for &outputs in self.depth.hidden() {
            let linear = WeightInit::GlorotUniform.linear(width, outputs, true, rng, &device);
            hidden.push(Hidden { linear, norm: norm(outputs) });
            width = outputs;
        }
        let output = WeightInit::GlorotUniform.linear(width, 1, true, rng, &device);
        DevNet { input_norm, hidden, output, margin: self.margin, l2: self.l2, anomaly_loss: self.anomaly_loss }
    }
}

/// DevNet's network: `Linear – ReLU – norm` for each hidden layer, then a linear score.
#[derive(Module, Debug)]
pub struct DevNet<B: Backend> {
    pub(crate) input_norm: Option<NormLayer<B>>,
    pub(crate) hidden: Vec<Hidden<B>>,
    pub(crate) output: Linear<B>,
    pub(crate) margin: f64,
    pub(crate) l2: f64,
    #[module(skip)]
    pub(crate) anomaly_loss: AnomalyLoss,
}

#[derive(Module, Debug)]
pub(crate) struct Hidden<B: Backend> {
    pub(crate) linear: Linear<B>,
    pub(crate) norm: NormLayer<B>,
}

impl<B: Backend> DevNet<B> {
    /// What the linear score is one of: the last hidden layer, or the normalised rows where there is none.
    fn code(&self, batch: &Batch<B>) -> Tensor<B, 2> {
        let through = |layer: &Hidden<B>, rows| dense(rows, &layer.linear, Activation::Relu);
        match self.hidden.split_first() {
            Some((first, others)) => {
                let start = first.norm.forward(batch.by_row(|rows| through(first, rows)));
                others.iter().fold(start, |rows, layer| layer.norm.forward(through(layer, rows)))
            }
            None => {
                let rows = batch.by_row(|rows| rows);
                self.input_norm.as_ref().map_or(rows.clone(), |norm| norm.forward(rows))
            }
        }
    }

    fn scores(&self, batch: &Batch<B>) -> Tensor<B, 1> {
        dense(self.code(batch), &self.output, Activation::Linear).squeeze_dim(1)
    }
}

impl<B: Backend> Network<B> for DevNet<B> {
    /// Equation 7 of the KDD paper with the score itself as the deviation: `|s|` for an unlabelled row, and the configured
    /// loss for a labelled anomaly.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (unlabelled, anomalies) = batch.part(self.scores(batch));
        let short = anomalies.neg().add_scalar(self.margin);
        let anomalous = match self.anomaly_loss {
            AnomalyLoss::Absolute => short.abs(),
            AnomalyLoss::Unbounded => short,
            AnomalyLoss::Hinge => relu(short),
        };
        LossTerms { normal: unlabelled.abs(), anomalous }
    }

    fn penalty(&self) -> Option<Tensor<B, 1>> {
        let squares = self.hidden.iter().map(|layer| sum_of_squares(layer.linear.weight.val()));
        let sum = squares.reduce(|sum, square| sum + square)?;
        (self.l2 > 0.0).then(|| sum.mul_scalar(self.l2))
    }

    fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        direct::direct(self, data)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        let hidden = self.hidden.iter_mut().map(|layer| &mut layer.norm);
        self.input_norm.iter_mut().chain(hidden).collect()
    }

    /// The last hidden layer, normalised; none at depth 1.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        let count = rows.dims()[0];
        (!self.hidden.is_empty()).then(|| self.code(&Batch::new(rows, count)))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let norm = self.input_norm.as_ref();
        let mut code = norm.map_or(Graph::ROWS, |norm| norm.describe(&mut graph, Graph::ROWS, Activation::Linear));
        for Hidden { linear, norm } in &self.hidden {
            let made = graph.dense(code, linear, Activation::Relu);
            code = norm.describe(&mut graph, made, Activation::Linear);
        }
        graph.dense(code, &self.output, Activation::Linear);
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let count = rows.dims()[0];
        self.scores(&Batch::new(rows, count))
    }
}
