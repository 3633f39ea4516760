//! What can be wrong with a method's configuration.

use crate::layers::norm::NormSettings;

/// A configuration no fit can start from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No method of the zoo has this name.
    #[error("unknown model `{name}`; did you mean {nearest}? (`anoonly models` lists them all)")]
    UnknownMethod {
        /// The name given.
        name: String,
        /// The name most like it.
        nearest: String,
    },
    /// A configuration file names something that is not there.
    #[error("unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The key with the tables it stands in, as `devnet.recipe.epoch`.
        key: String,
        /// The key most like it.
        nearest: String,
    },
    /// A configuration file is no TOML, or a value has the wrong type.
    #[error("{reason}")]
    BadFile {
        /// What is wrong.
        reason: String,
    },
    /// A value outside of what the option allows.
    #[error("{method}: option `{option}` is {value}, must be {allowed}")]
    BadValue {
        /// The method.
        method: &'static str,
        /// The option's path, as `recipe.epochs`.
        option: &'static str,
        /// The value given.
        value: String,
        /// What would do, as the end of the sentence "must be …".
        allowed: &'static str,
    },
}

/// Checks one option after the other and stops at the first bad value.
pub(crate) struct Checks {
    method: &'static str,
    result: Result<(), ConfigError>,
}

impl Checks {
    pub fn of(method: &'static str) -> Self {
        Self { method, result: Ok(()) }
    }

    pub fn positive(self, option: &'static str, value: f64) -> Self {
        self.that(value > 0.0 && value.is_finite(), option, value, "a finite number above 0")
    }

    pub fn not_negative(self, option: &'static str, value: f64) -> Self {
        self.that(value >= 0.0 && value.is_finite(), option, value, "a finite number of at least 0")
    }

    pub fn share(self, option: &'static str, value: f64) -> Self {
        self.that((0.0..1.0).contains(&value), option, value, "at least 0 and below 1")
    }

    pub fn norm(self, settings: NormSettings) -> Self {
        self.positive("norm_settings.epsilon", settings.epsilon).share("norm_settings.keep", settings.keep)
    }

    pub fn at_least_one(self, option: &'static str, value: usize) -> Self {
        self.that(value > 0, option, value, "at least 1")
    }

    pub fn that(mut self, holds: bool, option: &'static str, value: impl ToString, allowed: &'static str) -> Self {
        if self.result.is_ok() && !holds {
            self.result = Err(ConfigError::BadValue { method: self.method, option, value: value.to_string(), allowed });
        }
        self
    }

    pub fn done(self) -> Result<(), ConfigError> {
        self.result
    }
}
