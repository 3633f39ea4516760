//! Errors in the configuration of a method.

use crate::norm::NormSettings;

/// An invalid configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No method of the zoo has this name.
    #[error("unknown model `{name}`; did you mean {nearest}?")]
    UnknownMethod {
        /// The given name.
        name: String,
        /// The most similar known name.
        nearest: String,
    },
    /// A configuration file contains an unknown key.
    #[error("unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The key with the tables that contain it, such as `devnet.recipe.epoch`.
        key: String,
        /// The most similar known key.
        nearest: String,
    },
    /// A configuration file is not valid TOML, or a value has the wrong type.
    #[error("{reason}")]
    BadFile {
        /// What is wrong.
        reason: String,
    },
    /// A value is outside the allowed range.
    #[error("{method}: option `{option}` is {value}, must be {allowed}")]
    BadValue {
        /// The method.
        method: &'static str,
        /// The path of the option, such as `recipe.epochs`.
        option: &'static str,
        /// The given value.
        value: String,
        /// The allowed values, as the end of the sentence "must be …".
        allowed: &'static str,
    },
}

/// The largest width of a layer. No one trains wider layers on tables.
pub(crate) const MOST_WIDTH: usize = 16_384;

/// Checks options in order and keeps the first error.
pub(crate) struct Checks {
    method: &'static str,
    result: Result<(), ConfigError>,
}

impl Checks {
    pub fn of(method: &'static str) -> Self {
        Self { method, result: Ok(()) }
    }

    /// Above 0, and not so large that arithmetic with it overflows.
    pub fn positive(self, option: &'static str, value: f64) -> Self {
        self.that(value > 0.0 && value.is_finite(), option, value, "a finite number above 0").moderate(option, value)
    }

    /// At least 0, and not so large that arithmetic with it overflows.
    pub fn not_negative(self, option: &'static str, value: f64) -> Self {
        let checked = self.that(value >= 0.0 && value.is_finite(), option, value, "a finite number of at least 0");
        checked.moderate(option, value)
    }

    fn moderate(self, option: &'static str, value: f64) -> Self {
        self.that(value <= 1e12, option, value, "at most 1e12")
    }

    pub fn share(self, option: &'static str, value: f64) -> Self {
        self.that((0.0..1.0).contains(&value), option, value, "at least 0 and below 1")
    }

    pub fn norm(self, settings: NormSettings) -> Self {
        self.positive("norm_settings.epsilon", settings.epsilon).share("norm_settings.keep", settings.keep)
    }

    /// A number that may be larger than the number of rows, which then decides.
    pub fn at_least_one(self, option: &'static str, value: usize) -> Self {
        self.that(value > 0, option, value, "at least 1")
    }

    /// The width of a layer.
    pub fn width(self, option: &'static str, value: usize) -> Self {
        self.that((1..=MOST_WIDTH).contains(&value), option, value, "from 1 to 16384")
    }

    /// The number of trees, histograms or their bins.
    pub fn parts(self, option: &'static str, value: usize) -> Self {
        self.that((1..=10_000).contains(&value), option, value, "from 1 to 10000")
    }

    /// The number of epochs or of steps in an epoch.
    pub fn rounds(self, option: &'static str, value: usize) -> Self {
        self.that((1..=100_000).contains(&value), option, value, "from 1 to 100000")
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
