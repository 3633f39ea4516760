//! DevNet: pushes the scores of labelled anomalies above those of all other rows by a margin.
//!
//! Pang, Shen and van den Hengel, "Deep Anomaly Detection with Deviation Networks", KDD 2019, in the variant of the AnoOnly paper
//! (Zhou et al. 2024). That variant compares scores with 0. The KDD paper compares them with the mean and deviation of draws from a
//! reference distribution (its equation 6).

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
use crate::layers::activation::{Activation, dense, linear_score, sum_of_squares};
use crate::layers::init::{WeightInit, layer_sizes, linear_weights, total};
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::recipe_accessors;
use crate::recipe::{Batches, EpsilonAt, Keep, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of DevNet. The defaults are those of DevNet in the AnoOnly paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevNetConfig {
    /// The number of linear layers.
    pub depth: Depth,
    /// The normalisation after the ReLU of each hidden layer; at depth 1, the normalisation of the input.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// The target score `a` of labelled anomalies.
    pub margin: f64,
    /// The loss of a labelled anomaly.
    pub anomaly_loss: AnomalyLoss,
    /// The factor of the penalty, which is the sum of the squared weights of all hidden layers.
    pub l2: f64,
    /// How the network is trained.
    pub recipe: Recipe,
}

/// The number of linear layers. The last one computes the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Depth {
    /// No hidden layer.
    One,
    /// One hidden layer with 20 units.
    Two,
    /// Three hidden layers with 1000, 250 and 20 units.
    Four,
}

/// The loss of a labelled anomaly with score `s` and margin `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyLoss {
    /// `|a − s|`, the loss of the original method in the AnoOnly paper.
    Absolute,
    /// `a − s` without a lower bound, the loss under AnoOnly. Batch normalisation keeps the scores bounded.
    Unbounded,
    /// `max(0, a − s)`, the loss of the KDD paper.
    Hinge,
}

impl Default for DevNetConfig {
    fn default() -> Self {
        Self {
            depth: Depth::Two,
            norm: Norm::None,
            norm_settings: NormSettings::KERAS,
            margin: 5.0,
            anomaly_loss: AnomalyLoss::Absolute,
            l2: 0.01,
            recipe: Recipe {
                keep: Keep::LowestLoss,
                ..Recipe::new(
                    Batches::Balanced { unlabelled: 32, anomalies: 32, steps: 20 },
                    50,
                    Optimiser::RmsProp {
                        learning_rate: 2e-4,
                        decay: 0.9,
                        epsilon: 1e-7,
                        epsilon_at: EpsilonAt::InsideRoot,
                        weight_decay: 0.0,
                    },
                )
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

    recipe_accessors!();

    fn stacks(&self) -> bool {
        true
    }

    fn anomaly_only(self) -> Self {
        Self { norm: Norm::Batch, anomaly_loss: AnomalyLoss::Unbounded, ..self }
    }

    fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let hidden = self.depth.hidden();
        let output = (hidden.last().copied().unwrap_or(columns), 1);
        let layers = layer_sizes(columns, hidden).chain([output]).map(|(from, to)| linear_weights(from, to, true));
        let norms = if hidden.is_empty() { std::slice::from_ref(&columns) } else { hidden };
        total(layers.chain(norms.iter().map(|&width| self.norm.weights(width))))
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

/// The network of DevNet: `Linear – ReLU – norm` for each hidden layer, followed by a linear score.
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
    /// The input of the linear score: the last hidden layer, or the normalised rows at depth 1.
    fn code(&self, batch: &Batch<B>) -> Tensor<B, 2> {
        let apply = |layer: &Hidden<B>, rows| dense(rows, &layer.linear, Activation::Relu);
        match self.hidden.split_first() {
            Some((first, others)) => {
                let start = first.norm.forward(batch.by_row(|rows| apply(first, rows)));
                others.iter().fold(start, |rows, layer| layer.norm.forward(apply(layer, rows)))
            }
            None => {
                let rows = batch.by_row(|rows| rows);
                self.input_norm.as_ref().map_or(rows.clone(), |norm| norm.forward(rows))
            }
        }
    }

    fn scores(&self, batch: &Batch<B>) -> Tensor<B, 1> {
        linear_score(self.code(batch), &self.output)
    }
}

impl<B: Backend> Network<B> for DevNet<B> {
    /// Equation 7 of the KDD paper with the score itself as the deviation: `|s|` for an unlabelled row, the configured loss for a
    /// labelled anomaly. A confirmed normal has the loss `max(0, s)`: under AnoOnly, unlabelled rows may have scores below 0, and `|s|`
    /// would raise a confirmed normal above them.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (others, anomalies) = batch.part(self.scores(batch));
        let shortfall = anomalies.neg().add_scalar(self.margin);
        let anomalous = match self.anomaly_loss {
            AnomalyLoss::Absolute => shortfall.abs(),
            AnomalyLoss::Unbounded => shortfall,
            AnomalyLoss::Hinge => relu(shortfall),
        };
        let terms = LossTerms::by_row(batch, others.clone().abs(), anomalous);
        match batch.confirmed(others) {
            Some(confirmed) => LossTerms { confirmed: relu(confirmed), ..terms },
            None => terms,
        }
    }

    fn penalty(&self, members: usize) -> Option<Tensor<B, 1>> {
        let squares = self.hidden.iter().map(|layer| sum_of_squares(layer.linear.weight.val(), members));
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

    /// The normalised output of the last hidden layer; `None` at depth 1.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        (!self.hidden.is_empty()).then(|| self.code(&Batch::of_unlabelled(rows)))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let norm = self.input_norm.as_ref();
        let mut code = norm.map_or(Graph::ROWS, |norm| norm.describe(&mut graph, Graph::ROWS, Activation::Linear));
        for Hidden { linear, norm } in &self.hidden {
            let hidden = graph.dense(code, linear, Activation::Relu);
            code = norm.describe(&mut graph, hidden, Activation::Linear);
        }
        graph.dense(code, &self.output, Activation::Linear);
        Some(graph)
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.scores(&Batch::of_unlabelled(rows))
    }
}
