//! How any method is fitted.

use std::fmt::Debug;

use rand::Rng;

use super::AnyNetworkMethod;
use crate::{FittedRule, RuleData, RuleMethod, RuleRefits, SavedTensors};

/// How a method is fitted.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one form per fit, and the larger takes some hundred bytes")]
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
