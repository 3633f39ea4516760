//! The registry of all methods, with one line per method.

use serde::Deserialize;

use crate::{ConfigError, FittedRule, Method, MethodInfo, RuleMethod, SavedTensors};

/// Passes every method to a macro: its name in configuration files, its module, its name in code and its configuration.
macro_rules! methods {
    ($make:ident) => {
        $make! {
            networks {
                "devnet" => devnet::DevNet(DevNetConfig),
                "prenet" => prenet::PReNet(PReNetConfig),
                "feawad" => feawad::Feawad(FeawadConfig),
                "deepsad" => deepsad::DeepSad(DeepSadConfig),
                "rosas" => rosas::Rosas(RosasConfig),
                "repen" => repen::Repen(RepenConfig),
                "mlp" => mlp::Mlp(MlpConfig),
                "resnet" => resnet::ResNet(ResNetConfig),
                "ft-transformer" => ft_transformer::FtTransformer(FtTransformerConfig),
                "autoencoder" => autoencoder::Autoencoder(AutoencoderConfig),
                "deepsvdd" => deepsvdd::DeepSvdd(DeepSvddConfig),
                "dagmm" => dagmm::Dagmm(DagmmConfig),
                "ganomaly" => ganomaly::Ganomaly(GanomalyConfig),
            }
            rules {
                "quorum" => quorum::Quorum(QuorumConfig),
                "pu-forest" => pu_forest::PuForest(PuForestConfig),
                "random-forest" => random_forest::RandomForest(RandomForestConfig),
                "extra-trees" => extra_trees::ExtraTrees(ExtraTreesConfig),
                "gbdt" => gbdt::Gbdt(GbdtConfig),
                "xgbod" => xgbod::Xgbod(XgbodConfig),
                "logistic" => logistic::Logistic(LogisticConfig),
                "mean-difference" => mean_difference::MeanDifference(MeanDifferenceConfig),
                "mahalanobis" => mahalanobis::Mahalanobis(MahalanobisConfig),
                "fisher" => fisher::Fisher(FisherConfig),
                "whitened-cosine" => whitened_cosine::WhitenedCosine(WhitenedCosineConfig),
                "whitened-cosine-mahalanobis" => whitened_cosine_mahalanobis::WhitenedCosineMahalanobis(WhitenedCosineMahalanobisConfig),
                "knn" => knn::Knn(KnnConfig),
                "isolation-forest" => isolation_forest::IsolationForest(IsolationForestConfig),
                "lof" => lof::Lof(LofConfig),
                "ecod" => ecod::Ecod(EcodConfig),
                "copod" => copod::Copod(CopodConfig),
                "hbos" => hbos::Hbos(HbosConfig),
                "pca" => pca::Pca(PcaConfig),
                "cblof" => cblof::Cblof(CblofConfig),
                "loda" => loda::Loda(LodaConfig),
                "ocsvm" => ocsvm::Ocsvm(OcsvmConfig),
            }
        }
    };
}

/// Generates [`AnyRule`].
macro_rules! rules {
    (
        networks { $($network_name:literal => $_module:ident::$_network:ident($_config:ident)),* $(,)? }
        rules { $($rule_name:literal => $rule_module:ident::$rule:ident($rule_config:ident)),* $(,)? }
    ) => {
        /// The names of the methods with a network that is trained by gradient descent.
        pub const NETWORK_NAMES: &[&str] = &[$($network_name),*];

        /// The configuration of any rule, from which a fitted rule is restored. In serialised form, the key `model` names the method.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyRule {
            $(#[serde(rename = $rule_name)] $rule(crate::rules::$rule_module::$rule_config),)*
        }

        impl AnyRule {
            /// Name, kind and source.
            pub fn info(&self) -> MethodInfo {
                match self {
                    $(AnyRule::$rule(_) => <crate::rules::$rule_module::$rule_config as Method>::INFO,)*
                }
            }

            /// Checks every value.
            ///
            /// # Errors
            /// Names the first invalid option.
            pub fn check(&self) -> Result<(), ConfigError> {
                match self {
                    $(AnyRule::$rule(method) => method.check(),)*
                }
            }

            /// The name of the method in the tensor paths of a model file.
            pub fn part(&self) -> &'static str {
                match self {
                    $(AnyRule::$rule(_) => stringify!($rule),)*
                }
            }

            /// Restores a fitted rule ([`RuleMethod::restore`]).
            ///
            /// # Errors
            /// When a tensor is missing or has the wrong shape, or a value is impossible.
            pub fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Box<dyn FittedRule>, String> {
                match self {
                    $(AnyRule::$rule(method) => Ok(Box::new(RuleMethod::restore(method, columns, saved)?)),)*
                }
            }
        }
    };
}

methods!(rules);

#[cfg(feature = "fit")]
mod any;

#[cfg(feature = "fit")]
pub(crate) use any::closest;
#[cfg(feature = "fit")]
pub use any::{AnyMethod, AnyNetwork, AnyNetworkMethod, AnyRuleMethod, MethodForm};
