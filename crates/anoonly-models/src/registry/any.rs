//! Any method as one type: its configuration, its network and its fit.

#![expect(clippy::large_enum_variant, reason = "there is one network per fit, and the largest takes kilobytes")]

use std::fmt::Debug;

use anoonly_core::closest_names;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::norm::NormLayer;
use crate::networks::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::networks::dagmm::{Dagmm, DagmmConfig};
use crate::networks::deepsad::{DeepSad, DeepSadConfig};
use crate::networks::deepsvdd::{DeepSvdd, DeepSvddConfig};
use crate::networks::devnet::{DevNet, DevNetConfig};
use crate::networks::feawad::{Feawad, FeawadConfig};
use crate::networks::ft_transformer::{FtTransformer, FtTransformerConfig};
use crate::networks::ganomaly::{Ganomaly, GanomalyConfig};
use crate::networks::mlp::{Mlp, MlpConfig};
use crate::networks::prenet::{PReNet, PReNetConfig};
use crate::networks::repen::{Repen, RepenConfig};
use crate::networks::resnet::{ResNet, ResNetConfig};
use crate::networks::rosas::{Rosas, RosasConfig};
use crate::recipe::Recipe;
use crate::rules::cblof::CblofConfig;
use crate::rules::copod::CopodConfig;
use crate::rules::ecod::EcodConfig;
use crate::rules::extra_trees::ExtraTreesConfig;
use crate::rules::fisher::FisherConfig;
use crate::rules::gbdt::GbdtConfig;
use crate::rules::hbos::HbosConfig;
use crate::rules::isolation_forest::IsolationForestConfig;
use crate::rules::knn::KnnConfig;
use crate::rules::loda::LodaConfig;
use crate::rules::lof::LofConfig;
use crate::rules::logistic::LogisticConfig;
use crate::rules::mahalanobis::MahalanobisConfig;
use crate::rules::mean_difference::MeanDifferenceConfig;
use crate::rules::ocsvm::OcsvmConfig;
use crate::rules::pca::PcaConfig;
use crate::rules::pu_forest::PuForestConfig;
use crate::rules::quorum::QuorumConfig;
use crate::rules::random_forest::RandomForestConfig;
use crate::rules::whitened_cosine::WhitenedCosineConfig;
use crate::rules::whitened_cosine_mahalanobis::WhitenedCosineMahalanobisConfig;
use crate::rules::xgbod::XgbodConfig;
use crate::{
    Batch, ConfigError, FittedRule, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, RuleData,
    RuleMethod, RuleRefits, SavedTensors, Shapes, TrainingData,
};

/// Generates [`AnyMethod`], [`AnyNetworkMethod`] and [`AnyNetwork`] from one line per method: its name in configuration files, its
/// configuration and, for a network, its module.
macro_rules! registry {
    (
        networks { $($network_name:literal => $network:ident($network_config:ty, $module:ident)),* $(,)? }
        rules { $($rule_name:literal => $rule:ident($rule_config:ty)),* $(,)? }
    ) => {
        /// The configuration of any method. In serialised form, the key `model` names the method.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyMethod {
            $(#[serde(rename = $network_name)] $network($network_config),)*
            $(#[serde(rename = $rule_name)] $rule($rule_config),)*
        }

        /// The configuration of any method that is trained by gradient descent.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyNetworkMethod {
            $(#[serde(rename = $network_name)] $network($network_config),)*
        }

        /// The network of any method that is trained by gradient descent.
        #[derive(Module, Debug)]
        #[expect(missing_docs, reason = "each variant contains the documented network of the same name")]
        pub enum AnyNetwork<B: Backend> {
            $($network($module<B>),)*
        }

        $(
            impl From<$network_config> for AnyMethod {
                fn from(config: $network_config) -> Self {
                    AnyMethod::$network(config)
                }
            }
        )*

        $(
            impl From<$rule_config> for AnyMethod {
                fn from(config: $rule_config) -> Self {
                    AnyMethod::$rule(config)
                }
            }
        )*

        impl From<AnyNetworkMethod> for AnyMethod {
            fn from(method: AnyNetworkMethod) -> Self {
                match method {
                    $(AnyNetworkMethod::$network(config) => AnyMethod::$network(config),)*
                }
            }
        }

        impl AnyMethod {
            /// Every method in its default configuration, sorted by kind. Methods that learn from few labels come first.
            pub fn all() -> Vec<AnyMethod> {
                let mut all = vec![
                    $(AnyMethod::$network(Default::default()),)*
                    $(AnyMethod::$rule(Default::default()),)*
                ];
                all.sort_by_key(|method| method.info().kind);
                all
            }

            /// Name, kind and source.
            pub fn info(&self) -> MethodInfo {
                match self {
                    $(AnyMethod::$network(_) => <$network_config as Method>::INFO,)*
                    $(AnyMethod::$rule(_) => <$rule_config as Method>::INFO,)*
                }
            }

            /// Checks every value.
            ///
            /// # Errors
            /// Names the first invalid option.
            pub fn check(&self) -> Result<(), ConfigError> {
                match self {
                    $(AnyMethod::$network(method) => method.check(),)*
                    $(AnyMethod::$rule(method) => method.check(),)*
                }
            }

            /// Whether a fit needs a labelled anomaly.
            pub fn needs_labels(&self) -> bool {
                match self {
                    $(AnyMethod::$network(method) => method.needs_labels(),)*
                    $(AnyMethod::$rule(method) => method.needs_labels(),)*
                }
            }

            /// Whether a fit distinguishes rows that are confirmed as normal from unlabelled rows.
            pub fn learns_from_normals(&self) -> bool {
                match self {
                    $(AnyMethod::$network(method) => method.learns_from_normals(),)*
                    $(AnyMethod::$rule(method) => method.learns_from_normals(),)*
                }
            }

            /// How the method is fitted.
            pub fn form(&self) -> MethodForm {
                match self {
                    $(AnyMethod::$network(method) => MethodForm::Network(AnyNetworkMethod::$network(method.clone())),)*
                    $(AnyMethod::$rule(method) => MethodForm::Rule(Box::new(method.clone())),)*
                }
            }

            /// The name of the method in the tensor paths of a model file.
            pub fn part(&self) -> &'static str {
                match self {
                    $(AnyMethod::$network(_) => stringify!($network),)*
                    $(AnyMethod::$rule(_) => stringify!($rule),)*
                }
            }

            /// How the method is trained; `None` for a rule.
            pub fn recipe(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$network(method) => Some(method.recipe()),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// Mutable access to [`recipe`](Self::recipe).
            pub fn recipe_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyMethod::$network(method) => Some(method.recipe_mut()),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// How the method is pretrained; `None` for a method without pretraining.
            pub fn pretraining(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$network(method) => method.pretraining(),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// Mutable access to [`pretraining`](Self::pretraining).
            pub fn pretraining_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyMethod::$network(method) => method.pretraining_mut(),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// Whether a strategy decides which part of the loss trains. A rule has no loss.
            pub fn takes_strategy(&self) -> bool {
                match self {
                    $(AnyMethod::$network(method) => method.takes_strategy(),)*
                    $(AnyMethod::$rule(_) => false,)*
                }
            }

            /// The form that AnoOnly trains ([`NetworkMethod::anomaly_only`]). A rule is returned unchanged.
            pub fn anomaly_only(self) -> Self {
                match self {
                    $(AnyMethod::$network(method) => AnyMethod::$network(method.anomaly_only()),)*
                    rule => rule,
                }
            }

            /// The same method with another normalisation ([`NetworkMethod::with_norm`]). A rule is returned unchanged.
            pub fn with_norm(self, norm: Norm) -> Self {
                match self {
                    $(AnyMethod::$network(method) => AnyMethod::$network(method.with_norm(norm)),)*
                    rule => rule,
                }
            }
        }

        impl AnyNetworkMethod {
            /// Every method that is trained by gradient descent, in its default configuration.
            pub fn all() -> Vec<AnyNetworkMethod> {
                vec![$(AnyNetworkMethod::$network(Default::default()),)*]
            }
        }

        impl Method for AnyNetworkMethod {
            /// A placeholder; [`AnyMethod::info`] describes the actual method.
            const INFO: MethodInfo =
                MethodInfo { name: "any", title: "Any method", kind: MethodKind::FewLabels, source: "the registry" };

            fn check(&self) -> Result<(), ConfigError> {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.check(),)*
                }
            }
        }

        impl NetworkMethod for AnyNetworkMethod {
            type Network<B: Backend> = AnyNetwork<B>;

            fn recipe(&self) -> &Recipe {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.recipe(),)*
                }
            }

            fn recipe_mut(&mut self) -> &mut Recipe {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.recipe_mut(),)*
                }
            }

            fn pretraining(&self) -> Option<&Recipe> {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.pretraining(),)*
                }
            }

            fn pretraining_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.pretraining_mut(),)*
                }
            }

            fn takes_strategy(&self) -> bool {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.takes_strategy(),)*
                }
            }

            fn stacks(&self) -> bool {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.stacks(),)*
                }
            }

            fn anomaly_only(self) -> Self {
                match self {
                    $(AnyNetworkMethod::$network(method) => AnyNetworkMethod::$network(method.anomaly_only()),)*
                }
            }

            fn with_norm(self, norm: Norm) -> Self {
                match self {
                    $(AnyNetworkMethod::$network(method) => AnyNetworkMethod::$network(method.with_norm(norm)),)*
                }
            }

            fn weights(&self, columns: usize, saved: &Shapes) -> usize {
                match self {
                    $(AnyNetworkMethod::$network(method) => {
                        method.weights(columns, &saved.within(stringify!($network)))
                    })*
                }
            }

            fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> AnyNetwork<B> {
                match self {
                    $(AnyNetworkMethod::$network(method) => {
                        AnyNetwork::$network(method.blank(columns, &saved.within(stringify!($network)), device))
                    })*
                }
            }

            fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> AnyNetwork<B> {
                match self {
                    $(AnyNetworkMethod::$network(method) => AnyNetwork::$network(method.init(data, rng)),)*
                }
            }
        }

        impl<B: Backend> Network<B> for AnyNetwork<B> {
            fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
                match self {
                    $(AnyNetwork::$network(network) => network.terms(batch),)*
                }
            }

            fn penalty(&self, members: usize) -> Option<Tensor<B, 1>> {
                match self {
                    $(AnyNetwork::$network(network) => Network::<B>::penalty(network, members),)*
                }
            }

            fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$network(network) => network.pretraining_loss(batch),)*
                }
            }

            fn pretrained(self, from: &Self) -> Self {
                match (self, from) {
                    $((AnyNetwork::$network(network), AnyNetwork::$network(from)) => {
                        AnyNetwork::$network(network.pretrained(from))
                    })*
                    (network, _) => network,
                }
            }

            fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
            where
                B: AutodiffBackend,
            {
                match self {
                    $(AnyNetwork::$network(network) => network.direct(data),)*
                }
            }

            fn direct_pretraining(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
            where
                B: AutodiffBackend,
            {
                match self {
                    $(AnyNetwork::$network(network) => network.direct_pretraining(data),)*
                }
            }

            fn finish(self, data: &TrainingData<B>) -> Self {
                match self {
                    $(AnyNetwork::$network(network) => AnyNetwork::$network(network.finish(data)),)*
                }
            }

            fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
                match self {
                    $(AnyNetwork::$network(network) => network.norms_mut(),)*
                }
            }

            fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
                match self {
                    $(AnyNetwork::$network(network) => network.representation(rows),)*
                }
            }

            fn graph(&self) -> Option<Graph> {
                match self {
                    $(AnyNetwork::$network(network) => Network::<B>::graph(network),)*
                }
            }

            fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$network(network) => network.score(rows),)*
                }
            }
        }
    };
}

methods!(registry);

/// How a method is fitted.
#[derive(Debug)]
pub enum MethodForm {
    /// By gradient descent.
    Network(AnyNetworkMethod),
    /// In plain memory.
    Rule(Box<dyn AnyRuleMethod>),
}

/// An object-safe form of [`RuleMethod`].
pub trait AnyRuleMethod: Debug + Send + Sync {
    /// Fits the rule ([`RuleMethod::fit`]).
    fn fit(&self, data: &RuleData, rng: &mut dyn Rng) -> Box<dyn FittedRule>;

    /// Fits on the same rows under changing labels ([`RuleMethod::refits`]).
    fn refits(&self, data: RuleData) -> Box<dyn RuleRefits>;

    /// The memory that a fit takes ([`RuleMethod::memory`]).
    fn memory(&self, rows: usize, columns: usize) -> u64;

    /// Restores a fitted rule ([`RuleMethod::restore`]).
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong shape.
    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Box<dyn FittedRule>, String>;
}

impl<M: RuleMethod<Fitted: 'static>> AnyRuleMethod for M {
    fn fit(&self, data: &RuleData, mut rng: &mut dyn Rng) -> Box<dyn FittedRule> {
        Box::new(RuleMethod::fit(self, data, &mut rng))
    }

    fn refits(&self, data: RuleData) -> Box<dyn RuleRefits> {
        RuleMethod::refits(self, data)
    }

    fn memory(&self, rows: usize, columns: usize) -> u64 {
        RuleMethod::memory(self, rows, columns)
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Box<dyn FittedRule>, String> {
        Ok(Box::new(RuleMethod::restore(self, columns, saved)?))
    }
}

impl AnyMethod {
    /// The method of this name in its default configuration.
    ///
    /// # Errors
    /// When there is no such method. The error contains the most similar name.
    pub fn by_name(name: &str) -> Result<AnyMethod, ConfigError> {
        let all = AnyMethod::all();
        if let Some(method) = all.iter().find(|method| method.info().name == name) {
            return Ok(method.clone());
        }
        let nearest = closest(name, all.iter().map(|method| method.info().name));
        Err(ConfigError::UnknownMethod { name: name.into(), nearest })
    }
}

/// The most similar name.
pub(crate) fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    closest_names(wanted, names, 1).concat()
}

impl Default for AnyMethod {
    /// [`DevNetConfig`].
    fn default() -> Self {
        AnyMethod::DevNet(DevNetConfig::default())
    }
}

impl Default for AnyNetworkMethod {
    /// [`DevNetConfig`].
    fn default() -> Self {
        AnyNetworkMethod::DevNet(DevNetConfig::default())
    }
}

#[cfg(test)]
mod tests;
