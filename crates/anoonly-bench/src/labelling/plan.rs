//! The plan of a labelling bench.

use anoonly_core::Seed;
use anoonly_data::catalogue::Source;
use anoonly_models::AnyMethod;
use anoonly_train::ComputeDevice;
use anoonly_train::labelling::Query;

use crate::grid::check_list;
use crate::{BenchError, PlanList, Strategy};

/// A plan: every combination of the values in its lists is a run.
#[derive(Clone, Debug)]
pub struct LabellingPlan {
    /// Where the data sets are.
    pub source: Source,
    /// Names or patterns of data sets; empty for all.
    pub datasets: Vec<String>,
    /// The methods.
    pub models: Vec<AnyMethod>,
    /// The strategies for methods that are trained on labels. A method whose loss has no parts runs once, without a strategy.
    pub strategies: Vec<Strategy>,
    /// How the rows to ask about are chosen.
    pub queries: Vec<Query>,
    /// The number of rows that are labelled.
    pub budget: usize,
    /// The number of rows that are labelled between two fits.
    pub batch: usize,
    /// The largest number of rows of a data set; of a larger one, as many rows are drawn.
    pub most_rows: usize,
    /// The seeds. Each draws its own rows, and determines the fits and the queries.
    pub seeds: Vec<Seed>,
    /// The backend and device to run on.
    pub compute: ComputeDevice,
}

impl LabellingPlan {
    /// Checks everything that does not need the data.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        for model in &self.models {
            model.check()?;
        }
        check_list(PlanList::Seeds, &self.seeds, |seed| seed.0.to_string())?;
        check_list(PlanList::Models, &self.models, |model| model.info().name.to_owned())?;
        check_list(PlanList::Strategies, &self.strategies, Strategy::to_string)?;
        check_list(PlanList::Queries, &self.queries, Query::to_string)?;
        match self.batch {
            batch if (1..=self.budget).contains(&batch) => Ok(()),
            batch => Err(BenchError::Batch { batch, budget: self.budget }),
        }
    }

    /// The strategies of a method: those of the plan, or none if the method takes no strategy.
    pub(super) fn strategies_of(&self, model: usize) -> Vec<Strategy> {
        match self.models[model].takes_strategy() {
            true => self.strategies.clone(),
            false => vec![Strategy::none()],
        }
    }
}
