//! Every method of the zoo by its name.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::deepsad::{DeepSad, DeepSadConfig};
use crate::devnet::{DevNet, DevNetConfig};
use crate::feawad::{Feawad, FeawadConfig};
use crate::knn::{Knn, KnnConfig};
use crate::logistic::{Logistic, LogisticConfig};
use crate::mean_difference::{MeanDifference, MeanDifferenceConfig};
use crate::norm::NormLayer;
use crate::prenet::{PReNet, PReNetConfig};
use crate::recipe::Recipe;
use crate::{Batch, ConfigError, LossTerms, Method, MethodInfo, Network, Norm, TrainingData};

/// Makes [`AnyMethod`] and [`AnyNetwork`] from one line a method: its name in configuration files, configuration and network.
macro_rules! registry {
    ($($name:literal => $variant:ident($config:ty, $network:ident)),* $(,)?) => {
        /// The configuration of any method of the zoo; in a configuration file, the key `model` tells which.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant holds the documented configuration of its name")]
        pub enum AnyMethod {
            $(#[serde(rename = $name)] $variant($config),)*
        }

        /// The network of any method of the zoo.
        #[derive(Module, Debug)]
        #[expect(missing_docs, reason = "each variant holds the documented network of its name")]
        pub enum AnyNetwork<B: Backend> {
            $($variant($network<B>),)*
        }

        impl AnyMethod {
            /// Every method in its default configuration.
            pub fn all() -> Vec<AnyMethod> {
                vec![$(AnyMethod::$variant(Default::default()),)*]
            }

            /// Name, kind and source.
            pub fn info(&self) -> MethodInfo {
                match self {
                    $(AnyMethod::$variant(_) => <$config as Method>::INFO,)*
                }
            }

            /// Checks every value.
            ///
            /// # Errors
            /// Names the first option with a value that no fit could start from.
            pub fn check(&self) -> Result<(), ConfigError> {
                match self {
                    $(AnyMethod::$variant(method) => method.check(),)*
                }
            }
        }

        impl Method for AnyMethod {
            type Network<B: Backend> = AnyNetwork<B>;

            /// Of any method; [`AnyMethod::info`] tells of the one at hand.
            const INFO: MethodInfo = MethodInfo {
                name: "any",
                title: "Any method",
                kind: crate::Kind::FewLabels,
                source: "the registry",
            };

            fn check(&self) -> Result<(), ConfigError> {
                AnyMethod::check(self)
            }

            fn recipe(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$variant(method) => method.recipe(),)*
                }
            }

            fn pretraining(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$variant(method) => method.pretraining(),)*
                }
            }

            fn recipe_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyMethod::$variant(method) => method.recipe_mut(),)*
                }
            }

            fn anomaly_only(self) -> Self {
                match self {
                    $(AnyMethod::$variant(method) => AnyMethod::$variant(method.anomaly_only()),)*
                }
            }

            fn with_norm(self, norm: Norm) -> Self {
                match self {
                    $(AnyMethod::$variant(method) => AnyMethod::$variant(method.with_norm(norm)),)*
                }
            }

            fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> AnyNetwork<B> {
                match self {
                    $(AnyMethod::$variant(method) => AnyNetwork::$variant(method.init(data, rng)),)*
                }
            }
        }

        impl<B: Backend> Network<B> for AnyNetwork<B> {
            fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
                match self {
                    $(AnyNetwork::$variant(network) => network.terms(batch),)*
                }
            }

            fn penalty(&self) -> Option<Tensor<B, 1>> {
                match self {
                    $(AnyNetwork::$variant(network) => Network::<B>::penalty(network),)*
                }
            }

            fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$variant(network) => network.pretraining_loss(batch),)*
                }
            }

            fn pretrained(self, from: &Self) -> Self {
                match (self, from) {
                    $((AnyNetwork::$variant(network), AnyNetwork::$variant(from)) => {
                        AnyNetwork::$variant(network.pretrained(from))
                    })*
                    (network, _) => network,
                }
            }

            fn finish(self, data: &TrainingData<B>) -> Self {
                match self {
                    $(AnyNetwork::$variant(network) => AnyNetwork::$variant(network.finish(data)),)*
                }
            }

            fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
                match self {
                    $(AnyNetwork::$variant(network) => network.norms_mut(),)*
                }
            }

            fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$variant(network) => network.score(rows),)*
                }
            }
        }
    };
}

registry! {
    "devnet" => DevNet(DevNetConfig, DevNet),
    "prenet" => PReNet(PReNetConfig, PReNet),
    "feawad" => Feawad(FeawadConfig, Feawad),
    "deepsad" => DeepSad(DeepSadConfig, DeepSad),
    "logistic" => Logistic(LogisticConfig, Logistic),
    "mean-difference" => MeanDifference(MeanDifferenceConfig, MeanDifference),
    "knn" => Knn(KnnConfig, Knn),
}

impl AnyMethod {
    /// The method of this name in its default configuration.
    ///
    /// # Errors
    /// When there is none; the nearest name is told.
    pub fn by_name(name: &str) -> Result<AnyMethod, ConfigError> {
        let all = AnyMethod::all();
        if let Some(method) = all.iter().find(|method| method.info().name == name) {
            return Ok(method.clone());
        }
        let nearest = nearest(name, all.iter().map(|method| method.info().name));
        Err(ConfigError::UnknownMethod { name: name.into(), nearest })
    }
}

/// The name most like the wanted one.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(&wanted.to_lowercase(), name);
    names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default().to_owned()
}

impl Default for AnyMethod {
    /// [`DevNetConfig`].
    fn default() -> Self {
        AnyMethod::DevNet(DevNetConfig::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_same_in_files() {
        let all = AnyMethod::all();
        for method in &all {
            let name = method.info().name;
            assert_eq!(&AnyMethod::by_name(name).unwrap(), method);
            assert_eq!(serde_json::to_value(method).unwrap()["model"], name);
            assert_eq!(all.iter().filter(|other| other.info().name == name).count(), 1);
            method.check().unwrap();
        }
    }

    #[test]
    fn unknown_names_suggest_the_nearest() {
        let message = AnyMethod::by_name("DevNett").unwrap_err().to_string();
        assert_eq!(message, "unknown model `DevNett`; did you mean devnet? (`anoonly models` lists them all)");
    }

    #[test]
    fn a_file_gives_only_what_differs_and_bad_values_are_named() {
        let method: AnyMethod = serde_json::from_str(r#"{"model": "devnet", "depth": 4}"#).unwrap();
        let AnyMethod::DevNet(config) = &method else { panic!("{method:?}") };
        assert_eq!(config, &DevNetConfig { depth: crate::devnet::Depth::Four, ..Default::default() });
        assert!(serde_json::from_str::<AnyMethod>(r#"{"model": "devnet", "depth": 3}"#).is_err());
        assert!(serde_json::from_str::<AnyMethod>(r#"{"model": "devnet", "dept": 2}"#).is_err());
        let bad = AnyMethod::DevNet(DevNetConfig { margin: -1.0, ..Default::default() });
        let message = bad.check().unwrap_err().to_string();
        assert_eq!(message, "devnet: option `margin` is -1, must be a finite number above 0");
    }
}
