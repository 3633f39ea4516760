//! DeepSVDD: maps rows close to a centre. The score is the distance from the centre.
//!
//! Ruff et al., "Deep One-Class Classification", ICML 2018.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::layers::norm::{NormLayer, NormSettings};
use crate::network::recipe_accessors;
use crate::networks::deepsad::{DeepSad, DeepSadConfig};
use crate::recipe::{Batches, Keep, Optimiser, Recipe};
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of DeepSVDD: the network of DeepSAD with the widths and the training of PyOD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepSvddConfig {
    /// The widths of the layers. The last one is the dimension of the centre. No layer has a bias, which could map every row onto
    /// the centre.
    pub widths: Vec<usize>,
    /// The normalisation between a layer and its leaky ReLU, without scale and shift.
    pub norm: Norm,
    /// Settings of `norm`.
    pub norm_settings: NormSettings,
    /// How the network is trained on unlabelled rows.
    pub recipe: Recipe,
}

impl Default for DeepSvddConfig {
    fn default() -> Self {
        Self {
            widths: vec![64, 32],
            norm: Norm::Batch,
            norm_settings: NormSettings { epsilon: 1e-4, keep: 0.9 },
            recipe: Recipe {
                keep: Keep::LowestLoss,
                ..Recipe::new(Batches::Unlabelled { rows: 32 }, 100, Optimiser::adam(1e-4, 5e-7))
            },
        }
    }
}

impl DeepSvddConfig {
    /// The configuration of DeepSAD for the same network.
    fn network(&self) -> DeepSadConfig {
        let Self { widths, norm, norm_settings, .. } = self.clone();
        DeepSadConfig { widths, norm, norm_settings, ..Default::default() }
    }
}

impl Method for DeepSvddConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "deepsvdd",
        title: "DeepSVDD",
        kind: MethodKind::Unsupervised,
        source: "Ruff et al., ICML 2018",
    };

    fn check(&self) -> Result<(), ConfigError> {
        self.network().check_network(Self::INFO.name)?;
        self.recipe.check_unlabelled(Self::INFO.name)
    }
}

impl NetworkMethod for DeepSvddConfig {
    type Network<B: Backend> = DeepSvdd<B>;

    recipe_accessors!();

    fn stacks(&self) -> bool {
        true
    }

    /// Learns without labels, so no strategy changes the normalisation.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        self.network().weights(columns, saved)
    }

    /// The centre is the mean of the unlabelled rows only.
    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> DeepSvdd<B> {
        let rows = data.select(&data.others);
        let unlabelled =
            TrainingData { rows, others: (0..data.others.len()).collect(), anomalies: Vec::new(), normals: Vec::new() };
        DeepSvdd { network: self.network().init(&unlabelled, rng) }
    }
}

/// The network φ and the centre c of DeepSAD.
#[derive(Module, Debug)]
pub struct DeepSvdd<B: Backend> {
    network: DeepSad<B>,
}

impl<B: Backend> Network<B> for DeepSvdd<B> {
    /// `‖φ(x) − c‖²` of each unlabelled row (equation 4 of the paper).
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let (normal, _) = batch.part(self.network.score(batch.by_row(|rows| rows)));
        LossTerms::normal_only(normal)
    }

    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        self.network.norms_mut()
    }

    /// `φ(x)`. The score is its distance from the centre.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        self.network.representation(rows)
    }

    fn graph(&self) -> Option<Graph> {
        self.network.graph()
    }

    /// `‖φ(x) − c‖²`.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        self.network.score(rows)
    }
}
