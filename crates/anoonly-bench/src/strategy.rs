//! The strategies of a bench and the ablations of AnoOnly.

use std::fmt;
use std::str::FromStr;

use anoonly_models::recipe::Statistics;
use anoonly_models::{AnyMethod, Norm};
use anoonly_train::Supervision;
use serde::{Deserialize, Serialize};

/// How a method is trained in a run: which part of its loss trains, and optionally a change to its recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    name: String,
    supervision: Supervision,
    change: Change,
}

/// What an ablation changes besides the part of the loss that trains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    Nothing,
    UnlabelledShare(f64),
    RecomputedStatistics,
}

impl Strategy {
    /// `host`: the method as its authors train it.
    pub fn host() -> Self {
        Self::of("host", Supervision::Full)
    }

    /// `anoonly`: the method under AnoOnly.
    pub fn anoonly() -> Self {
        Self::of("anoonly", Supervision::AnomalyOnly)
    }

    /// `none`: for a method whose loss has no parts, such as a baseline.
    pub fn none() -> Self {
        Self::of("none", Supervision::Full)
    }

    fn of(name: impl Into<String>, supervision: Supervision) -> Self {
        Self { name: name.into(), supervision, change: Change::Nothing }
    }

    fn anoonly_with(name: impl Into<String>, change: Change) -> Self {
        Self { name: name.into(), supervision: Supervision::AnomalyOnly, change }
    }

    /// The name in results.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which part of the loss trains.
    pub fn supervision(&self) -> Supervision {
        self.supervision
    }

    /// Applies the change of the ablation to the recipe of a method.
    pub(crate) fn change(&self, mut method: AnyMethod) -> AnyMethod {
        if let Some(recipe) = method.recipe_mut() {
            match self.change {
                Change::Nothing => {}
                Change::UnlabelledShare(share) => recipe.batches = recipe.batches.clone().with_unlabelled_share(share),
                Change::RecomputedStatistics => recipe.statistics = Statistics::Recomputed,
            }
        }
        method
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = [Strategy::host(), Strategy::anoonly()];
        let named = known.into_iter().find(|strategy| strategy.name == name.trim());
        named.ok_or_else(|| format!("unknown strategy `{name}`: use host or anoonly"))
    }
}

/// An ablation: AnoOnly compared with variants in which one of its parts differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ablation {
    /// The normalisation: batch, layer or none.
    Norm,
    /// The weight λ of the loss on normal rows, from 0 to 1.
    Lambda,
    /// The share of unlabelled rows in a batch, from 0 to 0.9.
    NormalShare,
    /// The statistics of batch normalisation: running averages, or those of the training rows, recomputed after the fit.
    BnStats,
}

impl Ablation {
    /// All ablations.
    pub const ALL: [Ablation; 4] = [Ablation::Norm, Ablation::Lambda, Ablation::NormalShare, Ablation::BnStats];

    /// The name in plans.
    pub fn name(self) -> &'static str {
        match self {
            Ablation::Norm => "norm",
            Ablation::Lambda => "lambda",
            Ablation::NormalShare => "normal-share",
            Ablation::BnStats => "bn-stats",
        }
    }

    /// The strategies to compare: the host, AnoOnly, and AnoOnly with one change each.
    pub fn strategies(self) -> Vec<Strategy> {
        let with_norm = |name: &str, norm| Strategy::of(name, Supervision::Blend { normal_weight: 0.0, norm });
        let with_weight = |normal_weight: f64| {
            Strategy::of(format!("lambda-{normal_weight}"), Supervision::Blend { normal_weight, norm: Norm::Batch })
        };
        let with_share = |share: f64| Strategy::anoonly_with(format!("share-{share}"), Change::UnlabelledShare(share));
        let changed = match self {
            Ablation::Norm => vec![with_norm("layer-norm", Norm::Layer), with_norm("no-norm", Norm::None)],
            Ablation::Lambda => [0.1, 0.25, 0.5, 0.75, 1.0].map(with_weight).into(),
            Ablation::NormalShare => [0.0, 0.1, 0.3, 0.5, 0.7, 0.9].map(with_share).into(),
            Ablation::BnStats => vec![Strategy::anoonly_with("recomputed", Change::RecomputedStatistics)],
        };
        [vec![Strategy::host(), Strategy::anoonly()], changed].concat()
    }
}

impl FromStr for Ablation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = Ablation::ALL.into_iter().find(|ablation| ablation.name() == name);
        let names = Ablation::ALL.map(Ablation::name).join(", ");
        named.ok_or_else(|| format!("unknown ablation `{name}`: use one of {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_models::recipe::Batches;

    #[test]
    fn every_ablation_starts_from_host_and_anoonly_and_changes_one_thing() {
        for ablation in Ablation::ALL {
            assert_eq!(ablation.name().parse(), Ok(ablation));
            let strategies = ablation.strategies();
            assert_eq!(strategies[..2], [Strategy::host(), Strategy::anoonly()]);
            for strategy in &strategies[2..] {
                let differs = strategy.supervision != Supervision::AnomalyOnly;
                assert!(differs != (strategy.change != Change::Nothing), "{strategy} must change exactly one thing");
            }
        }
    }

    #[test]
    fn a_change_applies_to_the_recipe_of_every_trained_method() {
        let methods =
            AnyMethod::all().into_iter().filter_map(|mut method| method.recipe_mut().cloned().map(|r| (method, r)));
        for (method, before) in methods {
            let after = |change| {
                let mut changed = Strategy::anoonly_with("changed", change).change(method.clone());
                changed.recipe_mut().cloned().unwrap()
            };
            assert_eq!(after(Change::Nothing), before);
            assert_eq!(after(Change::RecomputedStatistics).statistics, Statistics::Recomputed);
            let Batches::Balanced { unlabelled, anomalies, .. } = after(Change::UnlabelledShare(0.9)).batches else {
                panic!("{method:?}")
            };
            assert!((8..10).contains(&(unlabelled / anomalies)), "{unlabelled} to {anomalies}");
            let Batches::Balanced { unlabelled, .. } = after(Change::UnlabelledShare(0.0)).batches else { panic!() };
            assert_eq!(unlabelled, 0);
        }
    }
}
