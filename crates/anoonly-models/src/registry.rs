//! The registry of all methods, with one line per method.

use serde::Deserialize;

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
use crate::{ConfigError, FittedRule, Method, MethodInfo, RuleMethod, SavedTensors};

/// Passes every method to a macro: its name in configuration files, its configuration and, for a network, its module.
macro_rules! methods {
    ($make:ident) => {
        $make! {
            networks {
                "devnet" => DevNet(DevNetConfig, DevNet),
                "prenet" => PReNet(PReNetConfig, PReNet),
                "feawad" => Feawad(FeawadConfig, Feawad),
                "deepsad" => DeepSad(DeepSadConfig, DeepSad),
                "rosas" => Rosas(RosasConfig, Rosas),
                "repen" => Repen(RepenConfig, Repen),
                "mlp" => Mlp(MlpConfig, Mlp),
                "resnet" => ResNet(ResNetConfig, ResNet),
                "ft-transformer" => FtTransformer(FtTransformerConfig, FtTransformer),
                "autoencoder" => Autoencoder(AutoencoderConfig, Autoencoder),
                "deepsvdd" => DeepSvdd(DeepSvddConfig, DeepSvdd),
                "dagmm" => Dagmm(DagmmConfig, Dagmm),
                "ganomaly" => Ganomaly(GanomalyConfig, Ganomaly),
            }
            rules {
                "quorum" => Quorum(QuorumConfig),
                "pu-forest" => PuForest(PuForestConfig),
                "random-forest" => RandomForest(RandomForestConfig),
                "extra-trees" => ExtraTrees(ExtraTreesConfig),
                "gbdt" => Gbdt(GbdtConfig),
                "xgbod" => Xgbod(XgbodConfig),
                "logistic" => Logistic(LogisticConfig),
                "mean-difference" => MeanDifference(MeanDifferenceConfig),
                "mahalanobis" => Mahalanobis(MahalanobisConfig),
                "fisher" => Fisher(FisherConfig),
                "whitened-cosine" => WhitenedCosine(WhitenedCosineConfig),
                "whitened-cosine-mahalanobis" => WhitenedCosineMahalanobis(WhitenedCosineMahalanobisConfig),
                "knn" => Knn(KnnConfig),
                "isolation-forest" => IsolationForest(IsolationForestConfig),
                "lof" => Lof(LofConfig),
                "ecod" => Ecod(EcodConfig),
                "copod" => Copod(CopodConfig),
                "hbos" => Hbos(HbosConfig),
                "pca" => Pca(PcaConfig),
                "cblof" => Cblof(CblofConfig),
                "loda" => Loda(LodaConfig),
                "ocsvm" => Ocsvm(OcsvmConfig),
            }
        }
    };
}

/// Generates [`AnyRule`].
macro_rules! rules {
    (
        networks { $($network_name:literal => $network:ident($network_config:ty, $module:ident)),* $(,)? }
        rules { $($rule_name:literal => $rule:ident($rule_config:ty)),* $(,)? }
    ) => {
        /// The names of the methods with a network that is trained by gradient descent.
        pub const NETWORK_NAMES: &[&str] = &[$($network_name),*];

        /// The configuration of any rule, from which a fitted rule is restored. In serialised form, the key `model` names the method.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyRule {
            $(#[serde(rename = $rule_name)] $rule($rule_config),)*
        }

        impl AnyRule {
            /// Name, kind and source.
            pub fn info(&self) -> MethodInfo {
                match self {
                    $(AnyRule::$rule(_) => <$rule_config as Method>::INFO,)*
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
