//! The data of the figures, selected from the results.

use std::collections::{BTreeMap, BTreeSet};

use crate::summary::{Metric, complete_rows, in_order};
use crate::{Results, Row, Status};

use anoonly_page::Look;

use super::look::{model_title, plain_look, strategy_look, strategy_title};

/// Values by family, data set and seed.
pub type Nested = Vec<Vec<Vec<f64>>>;

/// The results of one setting, with the names in them in order of first appearance.
pub struct View<'a> {
    /// The results.
    pub results: &'a Results,
    /// The families of data sets.
    pub families: Vec<&'a str>,
    /// The methods that are trained under a strategy.
    pub trained: Vec<&'a str>,
    /// The methods without a strategy, such as baselines.
    pub without_strategy: Vec<&'a str>,
    /// The strategies of the trained methods.
    pub strategies: Vec<&'a str>,
}

impl<'a> View<'a> {
    /// A view of results.
    pub fn of(results: &'a Results) -> Self {
        // The rows decide, not the registry: the results may come from another version.
        let untrained =
            |model: &str| results.rows.iter().any(|row| row.model == model && row.strategy.name() == "none");
        let (without_strategy, trained) =
            in_order(results, |row| &row.model).into_iter().partition(|model| untrained(model));
        let mut strategies = in_order(results, |row| row.strategy.name());
        strategies.retain(|strategy| *strategy != "none");
        Self { results, families: in_order(results, |row| &row.family), trained, without_strategy, strategies }
    }

    /// Every method under each of its strategies; methods without a strategy come last. A method that failed on every data set is left
    /// out, because it has no data set in common with the others.
    pub fn contestants(&self) -> Vec<(&'a str, &'a str)> {
        let trained =
            self.trained.iter().flat_map(|model| self.strategies.iter().map(move |strategy| (*model, *strategy)));
        let all = trained.chain(self.without_strategy.iter().map(|model| (*model, "none")));
        let ok = |row: &&Row| matches!(row.status, Status::Ok(_));
        let measured: BTreeSet<(&str, &str)> =
            self.results.rows.iter().filter(ok).map(|row| (row.model.as_str(), row.strategy.name())).collect();
        all.filter(|contestant| measured.contains(contestant)).collect()
    }

    /// The look of a method under a strategy.
    pub fn look(&self, model: &str, strategy: &str) -> Look {
        match self.without_strategy.iter().position(|name| *name == model) {
            Some(place) => plain_look(place),
            None => {
                let others = self.strategies.iter().filter(|name| !["host", "anoonly"].contains(*name));
                strategy_look(strategy, others.clone().position(|name| *name == strategy).unwrap_or(0))
            }
        }
    }

    /// The legend of a panel of one trained method: the strategies, and the methods without one.
    pub fn legend(&self) -> Vec<(String, Look)> {
        let strategies = self.strategies.iter().map(|name| {
            let title = if *name == "host" { "host, the whole loss" } else { strategy_title(name) };
            (title.to_owned(), self.look("", name))
        });
        let others = self.without_strategy.iter().map(|name| (model_title(name), self.look(name, "none")));
        strategies.chain(others).collect()
    }

    /// At most `most` data sets that have a wanted row: the first set of each family, then the second, and so on. Their position
    /// decides, not their results.
    pub fn some_sets(&self, most: usize, wanted: impl Fn(&Row) -> bool) -> Vec<&'a str> {
        let mut by_family: Vec<std::vec::IntoIter<&str>> = Vec::new();
        for family in &self.families {
            let rows = self.results.rows.iter().filter(|row| row.family == *family && wanted(row));
            let mut sets: Vec<&str> = Vec::new();
            rows.for_each(|row| {
                if !sets.contains(&row.dataset.as_str()) {
                    sets.push(&row.dataset)
                }
            });
            by_family.push(sets.into_iter());
        }
        let mut chosen = Vec::new();
        while chosen.len() < most && by_family.iter().any(|sets| sets.len() > 0) {
            chosen.extend(by_family.iter_mut().filter_map(Iterator::next));
        }
        chosen.truncate(most);
        chosen
    }

    /// The run with details of a method under a strategy on a data set.
    pub fn detailed(&self, dataset: &str, model: &str, strategy: &str) -> Option<&'a Row> {
        self.results.rows.iter().find(|row| {
            row.details.is_some() && row.dataset == dataset && row.model == model && row.strategy.name() == strategy
        })
    }

    /// A metric by family, set and seed, on the sets on which no run of the method failed.
    pub fn nested(&self, families: &[&str], model: &str, strategy: &str, metric: Metric) -> Nested {
        self.nested_by(families, model, |rows| {
            let of = rows.iter().filter(|row| row.strategy.name() == strategy);
            of.filter_map(|row| value(row, metric)).collect()
        })
    }

    /// A metric by family, set and seed, on some of the sets.
    pub fn nested_on(
        &self,
        sets: &BTreeSet<&str>,
        families: &[&str],
        model: &str,
        strategy: &str,
        metric: Metric,
    ) -> Nested {
        self.nested_by(families, model, |rows| {
            let of = rows.iter().filter(|row| row.strategy.name() == strategy && sets.contains(row.dataset.as_str()));
            of.filter_map(|row| value(row, metric)).collect()
        })
    }

    /// The sets of a family on which every contestant was measured and no run failed.
    pub fn common_sets(&self, family: &str, contestants: &[(&str, &str)]) -> BTreeSet<&'a str> {
        let of = |(model, strategy): &(&str, &str)| -> BTreeSet<&'a str> {
            let rows = complete_rows(self.results, &[family], model).into_iter();
            rows.filter(|row| row.strategy.name() == *strategy).map(|row| row.dataset.as_str()).collect()
        };
        let sets = contestants.iter().map(of).reduce(|common, sets| &common & &sets);
        sets.unwrap_or_default()
    }

    /// The metric of AnoOnly minus that of the host with the same seed, by family, set and seed.
    pub fn gains(&self, families: &[&str], model: &str, metric: Metric) -> Nested {
        self.nested_by(families, model, |rows| {
            let by_seed = |strategy: &str| -> BTreeMap<u64, f64> {
                let of = rows.iter().filter(|row| row.strategy.name() == strategy);
                of.filter_map(|row| Some((row.seed, value(row, metric)?))).collect()
            };
            let (host, anoonly) = (by_seed("host"), by_seed("anoonly"));
            anoonly.iter().filter_map(|(seed, value)| Some(value - host.get(seed)?)).collect()
        })
    }

    fn nested_by(&self, families: &[&str], model: &str, values: impl Fn(&[&Row]) -> Vec<f64>) -> Nested {
        let of_family = |family: &&str| {
            let rows = complete_rows(self.results, &[*family], model);
            let sets: BTreeSet<&str> = rows.iter().map(|row| row.dataset.as_str()).collect();
            let of_set = |set: &str| values(&rows.iter().copied().filter(|row| row.dataset == set).collect::<Vec<_>>());
            sets.into_iter().map(of_set).filter(|seeds| !seeds.is_empty()).collect::<Vec<_>>()
        };
        families.iter().map(of_family).filter(|sets| !sets.is_empty()).collect()
    }
}

fn value(row: &Row, metric: Metric) -> Option<f64> {
    match &row.status {
        Status::Ok(scores) => Some(metric(scores)),
        Status::Failed(_) => None,
    }
}

/// The mean over families of the mean over sets of the mean over seeds.
pub fn mean(families: &Nested) -> f64 {
    let over = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let family = |sets: &Vec<Vec<f64>>| over(&sets.iter().map(|seeds| over(seeds)).collect::<Vec<_>>());
    over(&families.iter().map(family).collect::<Vec<_>>())
}
