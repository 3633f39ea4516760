//! Any method as one type: its configuration, its network and its fit.

mod form;
mod network;
#[cfg(test)]
mod tests;

use anoonly_core::closest_names;
use serde::{Deserialize, Serialize};

use crate::networks::devnet::DevNetConfig;
use crate::recipe::Recipe;
use crate::{ConfigError, Method, MethodInfo, NetworkMethod, Norm};

pub use form::{AnyRuleMethod, MethodForm};
pub use network::{AnyNetwork, AnyNetworkMethod};

/// Generates [`AnyMethod`] from one line per method.
macro_rules! any_method {
    (
        networks { $($network_name:literal => $network_module:ident::$network:ident($network_config:ident)),* $(,)? }
        rules { $($rule_name:literal => $rule_module:ident::$rule:ident($rule_config:ident)),* $(,)? }
    ) => {
        /// The configuration of any method. In serialised form, the key `model` names the method.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyMethod {
            $(#[serde(rename = $network_name)] $network(crate::networks::$network_module::$network_config),)*
            $(#[serde(rename = $rule_name)] $rule(crate::rules::$rule_module::$rule_config),)*
        }

        $(
            impl From<crate::networks::$network_module::$network_config> for AnyMethod {
                fn from(config: crate::networks::$network_module::$network_config) -> Self {
                    AnyMethod::$network(config)
                }
            }
        )*

        $(
            impl From<crate::rules::$rule_module::$rule_config> for AnyMethod {
                fn from(config: crate::rules::$rule_module::$rule_config) -> Self {
                    AnyMethod::$rule(config)
                }
            }
        )*

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
                    $(AnyMethod::$network(_) => <crate::networks::$network_module::$network_config as Method>::INFO,)*
                    $(AnyMethod::$rule(_) => <crate::rules::$rule_module::$rule_config as Method>::INFO,)*
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
    };
}

methods!(any_method);

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
