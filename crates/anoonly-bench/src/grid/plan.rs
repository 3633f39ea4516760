//! What is to be run.

use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::protocol::Protocol;
use anoonly_core::split::Split;
use anoonly_core::synthetic::Synthetic;
use anoonly_core::{Dataset, Seed};
use anoonly_data::catalogue::Source;
use anoonly_models::AnyMethod;
use anoonly_train::ComputeDevice;

use crate::{BenchError, Strategy, synthetic_name};

/// What to run: every combination of its lists.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the data sets are.
    pub source: Source,
    /// Names or patterns of data sets; none for all.
    pub datasets: Vec<String>,
    /// The methods.
    pub models: Vec<AnyMethod>,
    /// The strategies for methods that learn from few labels. Methods without a loss to take apart run once, without one.
    pub strategies: Vec<Strategy>,
    /// How many training anomalies stay labelled; every one of them is run.
    pub budgets: Vec<LabelBudget>,
    /// What is done to the rows; every one of them is run.
    pub noises: Vec<Noise>,
    /// Kinds of synthetic rows in place of a data set's own, `None` for its own; every one of them is run.
    pub synthetic: Vec<Option<Synthetic>>,
    /// The seeds; each draws its own split, labels, weights and batches.
    pub seeds: Vec<Seed>,
    /// How a data set becomes a training and a test part.
    pub protocol: Protocol,
    /// What computes.
    pub compute: ComputeDevice,
}

impl Plan {
    /// Checks what can be checked without the data.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        for model in &self.models {
            model.check()?;
        }
        check_list("--seeds", &self.seeds, |seed| seed.0.to_string())?;
        check_list("--models", &self.models, |model| model.info().name.to_owned())?;
        check_list("--strategies", &self.strategies, Strategy::to_string)?;
        check_list("--label-ratio or --label-count", &self.budgets, |budget| format!("{budget:?}"))?;
        check_list("--noise-level", &self.noises, Noise::to_string)?;
        check_list("--synthetic", &self.synthetic, |kind| synthetic_name(*kind).to_owned())?;
        for budget in &self.budgets {
            budget.checked()?;
        }
        Ok(())
    }

    /// The split of a data set's own rows, each label budget of which can be kept.
    pub(super) fn own_rows(&self, dataset: &Dataset, seed: Seed) -> Result<Split, BenchError> {
        let split = self.protocol.split(dataset, seed).map_err(|error| error.in_dataset(&dataset.name))?;
        let labels = dataset.samples.labels();
        let anomalies = split.train.iter().filter(|&&row| labels[row].is_anomaly()).count();
        // A noise may change the number of anomalies: what it makes impossible is a run that fails.
        for budget in self.budgets.iter().filter(|_| self.noises.contains(&Noise::None)) {
            budget.labelled(anomalies).map_err(|error| error.in_dataset(&dataset.name))?;
        }
        Ok(split)
    }

    /// The strategies of a method; one that no strategy has a say in has none.
    pub(super) fn strategies_of(&self, model: usize) -> Vec<Strategy> {
        match self.models[model].takes_strategy() {
            true => self.strategies.clone(),
            false => vec![Strategy::none()],
        }
    }
}

/// Refuses a list that is empty or names something twice.
fn check_list<T>(option: &'static str, values: &[T], name: impl Fn(&T) -> String) -> Result<(), BenchError> {
    let names: Vec<String> = values.iter().map(name).collect();
    let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
    match twice {
        _ if names.is_empty() => Err(BenchError::Option { option, reason: "at least one value is needed".into() }),
        Some((_, name)) => Err(BenchError::Option { option, reason: format!("{name} stands there twice") }),
        None => Ok(()),
    }
}
