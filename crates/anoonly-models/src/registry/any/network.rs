//! The configuration and the network of any method that is trained by gradient descent.

#![expect(clippy::large_enum_variant, reason = "there is one network per fit, and the largest takes kilobytes")]

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::AnyMethod;
use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::norm::NormLayer;
use crate::networks::devnet::DevNetConfig;
use crate::recipe::Recipe;
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// Generates [`AnyNetworkMethod`] and [`AnyNetwork`] from one line per network.
macro_rules! any_network {
    (
        networks { $($network_name:literal => $network_module:ident::$network:ident($network_config:ident)),* $(,)? }
        rules { $($_rules:tt)* }
    ) => {
        /// The configuration of any method that is trained by gradient descent.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyNetworkMethod {
            $(#[serde(rename = $network_name)] $network(crate::networks::$network_module::$network_config),)*
        }

        /// The network of any method that is trained by gradient descent.
        #[derive(Module, Debug)]
        #[expect(missing_docs, reason = "each variant contains the documented network of the same name")]
        pub enum AnyNetwork<B: Backend> {
            $($network(crate::networks::$network_module::$network<B>),)*
        }

        impl From<AnyNetworkMethod> for AnyMethod {
            fn from(method: AnyNetworkMethod) -> Self {
                match method {
                    $(AnyNetworkMethod::$network(config) => AnyMethod::$network(config),)*
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

methods!(any_network);

impl Default for AnyNetworkMethod {
    /// [`DevNetConfig`].
    fn default() -> Self {
        AnyNetworkMethod::DevNet(DevNetConfig::default())
    }
}
