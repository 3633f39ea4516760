//! The plan of a bench.

use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::protocol::Protocol;
use anoonly_core::split::Split;
use anoonly_core::synthetic::Synthetic;
use anoonly_core::{CoreError, Dataset, Seed};
use anoonly_data::catalogue::Source;
use anoonly_models::AnyMethod;
use anoonly_train::ComputeDevice;

use crate::summary::labels;
use crate::{BenchError, PlanList, Strategy, synthetic_name};

/// A plan: every combination of the values in its lists is a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the data sets are.
    pub source: Source,
    /// Names or patterns of data sets; empty for all.
    pub datasets: Vec<String>,
    /// The methods.
    pub models: Vec<AnyMethod>,
    /// The strategies for methods that are trained on labels. A method whose loss has no parts runs once, without a strategy.
    pub strategies: Vec<Strategy>,
    /// How many training anomalies stay labelled.
    pub budgets: Vec<LabelBudget>,
    /// Changes to the training rows.
    pub noises: Vec<Noise>,
    /// Kinds of synthetic rows that replace the rows of each data set; `None` keeps its own rows.
    pub synthetic: Vec<Option<Synthetic>>,
    /// The seeds. Each draws its own split, labels, weights and batches.
    pub seeds: Vec<Seed>,
    /// How a data set is split into training and test rows.
    pub protocol: Protocol,
    /// The backend and device to run on.
    pub compute: ComputeDevice,
}

impl Plan {
    /// Checks everything that does not need the data.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        for model in &self.models {
            model.check()?;
        }
        check_list(PlanList::Seeds, &self.seeds, |seed| seed.0.to_string())?;
        check_list(PlanList::Models, &self.models, |model| model.info().name.to_owned())?;
        check_list(PlanList::Strategies, &self.strategies, Strategy::to_string)?;
        check_list(PlanList::Budgets, &self.budgets, |budget| labels(*budget))?;
        check_list(PlanList::Noises, &self.noises, Noise::to_string)?;
        check_list(PlanList::Synthetic, &self.synthetic, |kind| synthetic_name(*kind).to_owned())?;
        for budget in &self.budgets {
            budget.checked()?;
        }
        Ok(())
    }

    /// The splits of the rows of a data set, one for each seed. `None` for rows that cannot be split and that no run needs, because all
    /// rows are synthetic.
    pub(super) fn own_splits(&self, dataset: &Dataset) -> Result<Vec<Option<Split>>, BenchError> {
        let split = |seed: &Seed| match self.protocol.split(dataset, *seed) {
            Ok(split) => Ok(Some(split)),
            Err(_) if !self.synthetic.contains(&None) => Ok(None),
            Err(error) => Err(error.in_dataset(&dataset.name).into()),
        };
        self.seeds.iter().map(split).collect()
    }

    /// The label budgets that a data set allows: at every seed, its training rows have that many anomalies before any noise. If noise
    /// leaves fewer, the run fails.
    ///
    /// # Errors
    /// When none of the budgets is possible.
    pub(super) fn budgets_on(&self, dataset: &Dataset, own: &[Option<Split>]) -> Result<Vec<LabelBudget>, BenchError> {
        let labels = dataset.samples.labels();
        let anomalies = |split: &Split| split.train.iter().filter(|&&row| labels[row].is_anomaly()).count();
        let Some(fewest) = own.iter().flatten().map(anomalies).min() else { return Ok(self.budgets.clone()) };
        let possible: Vec<LabelBudget> =
            self.budgets.iter().copied().filter(|budget| budget.labelled(fewest).is_ok()).collect();
        if possible.is_empty() {
            let counts = self.budgets.iter().map(|budget| match budget {
                LabelBudget::Count(count) => *count,
                LabelBudget::Ratio(_) => 0,
            });
            let count = counts.min().unwrap_or(0);
            return Err(CoreError::TooFewAnomalies { count, anomalies: fewest }.in_dataset(&dataset.name).into());
        }
        Ok(possible)
    }

    /// The methods that run with a label budget: without labels, only those that need none.
    pub(super) fn models_on(&self, budget: LabelBudget) -> impl Iterator<Item = usize> {
        let unlabelled = budget == LabelBudget::Count(0);
        (0..self.models.len()).filter(move |&model| !(unlabelled && self.models[model].needs_labels()))
    }

    /// The number of runs on a split with a label budget.
    pub(super) fn runs_on(&self, budget: LabelBudget) -> usize {
        self.models_on(budget).map(|model| self.strategies_of(model).len()).sum()
    }

    /// The strategies of a method: those of the plan, or none if the method takes no strategy.
    pub(super) fn strategies_of(&self, model: usize) -> Vec<Strategy> {
        match self.models[model].takes_strategy() {
            true => self.strategies.clone(),
            false => vec![Strategy::none()],
        }
    }
}

/// Refuses a list that is empty or has a value twice.
pub(crate) fn check_list<T>(list: PlanList, values: &[T], name: impl Fn(&T) -> String) -> Result<(), BenchError> {
    let names: Vec<String> = values.iter().map(name).collect();
    let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
    match twice {
        _ if names.is_empty() => Err(BenchError::EmptyList { list }),
        Some((_, name)) => Err(BenchError::ListedTwice { list, value: name.clone() }),
        None => Ok(()),
    }
}
