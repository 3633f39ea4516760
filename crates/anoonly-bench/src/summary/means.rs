//! The means of the tables as data.

use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::protocol::Protocol;
use anoonly_core::synthetic::Synthetic;
use anoonly_eval::{Interval, mean_interval};
use serde::Serialize;

use super::{LEVEL, Metric, OVERALL, by_seed, by_setting, complete_rows, in_order};
use crate::{Results, Row};

/// The means of a model under a strategy, in one setting and on one family of data sets or on all.
///
/// A mean is taken over data sets for each seed, with equal weight for each family, and then over seeds. Its interval is Student's
/// 95 % interval over seeds, without bounds for a single seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// How data sets were split into training and test rows.
    pub protocol: Protocol,
    /// How many training anomalies stayed labelled.
    pub labels: LabelBudget,
    /// The change to the training rows.
    pub noise: Noise,
    /// The kind of synthetic rows, if any.
    pub synthetic: Option<Synthetic>,
    /// The family, or `all families`.
    pub family: String,
    /// The number of its data sets on which no run of the model failed.
    pub sets: usize,
    /// The model.
    pub model: String,
    /// The strategy; `none` for a model without one.
    pub strategy: String,
    /// AUROC.
    pub auroc: Interval,
    /// Average precision.
    pub ap: Interval,
    /// AUROC minus that of the host for the same seed and data set; none for the host itself.
    pub auroc_minus_host: Option<Interval>,
    /// Average precision minus that of the host; none for the host itself.
    pub ap_minus_host: Option<Interval>,
}

const HOST: &str = "host";

/// The means of all results.
pub fn means(results: &Results) -> Vec<Mean> {
    by_setting(results).iter().flat_map(|(_, results)| of_setting(results)).collect()
}

fn of_setting(results: &Results) -> Vec<Mean> {
    let families = in_order(results, |row| &row.family);
    let mut groups: Vec<(&str, &[&str])> =
        families.iter().map(|family| (*family, std::slice::from_ref(family))).collect();
    if families.len() > 1 {
        groups.push((OVERALL, &families));
    }
    let mut means = Vec::new();
    for (name, families) in groups {
        for model in in_order(results, |row| &row.model) {
            let rows = complete_rows(results, families, model);
            let of_model = in_order(results, |row| row.strategy.name()).into_iter();
            means.extend(of_model.filter_map(|strategy| mean(name, model, strategy, &rows)));
        }
    }
    means
}

/// None where the model has no run under the strategy.
fn mean(family: &str, model: &str, strategy: &str, rows: &[&Row]) -> Option<Mean> {
    let first = rows.iter().find(|row| row.strategy.name() == strategy)?;
    let mut sets: Vec<&str> = rows.iter().map(|row| row.dataset.as_str()).collect();
    sets.sort_unstable();
    sets.dedup();
    let interval = |metric: Metric| {
        let values: Vec<f64> = by_seed(rows, &[strategy], metric).into_values().collect();
        mean_interval(&values, LEVEL)
    };
    let minus_host = |metric: Metric| {
        let host = by_seed(rows, &[HOST], metric);
        let values = by_seed(rows, &[strategy], metric).into_iter();
        let differences: Vec<f64> = values.filter_map(|(seed, value)| Some(value - host.get(&seed)?)).collect();
        mean_interval(&differences, LEVEL).filter(|_| strategy != HOST)
    };
    Some(Mean {
        protocol: first.protocol,
        labels: first.budget,
        noise: first.noise,
        synthetic: first.synthetic,
        family: family.into(),
        sets: sets.len(),
        model: model.into(),
        strategy: strategy.into(),
        auroc: interval(|scores| scores.auroc)?,
        ap: interval(|scores| scores.ap)?,
        auroc_minus_host: minus_host(|scores| scores.auroc),
        ap_minus_host: minus_host(|scores| scores.ap),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scores, Status, Strategy};

    #[test]
    fn means_match_a_calculation_by_hand() {
        let row = |dataset: &str, strategy: Strategy, seed, auroc: f64| {
            let scores = Scores { auroc, ap: auroc / 2.0, ap_normal: auroc, fit_seconds: 1.0, score_seconds: 1.0 };
            let (dataset, family) = (dataset.into(), dataset.into());
            Row { dataset, family, strategy, seed, status: Status::Ok(scores), ..Row::made() }
        };
        let rows = vec![
            row("a", Strategy::host(), 1, 0.6),
            row("a", Strategy::anoonly(), 1, 0.7),
            row("a", Strategy::host(), 2, 0.8),
            row("a", Strategy::anoonly(), 2, 0.8),
            row("b", Strategy::host(), 1, 0.4),
            row("b", Strategy::host(), 2, 0.4),
        ];
        let means = means(&Results { rows });
        let of =
            |family: &str, strategy: &str| means.iter().find(|mean| mean.family == family && mean.strategy == strategy);
        let anoonly = of("a", "anoonly").unwrap();
        assert!((anoonly.auroc.estimate - 0.75).abs() < 1e-9 && (anoonly.ap.estimate - 0.375).abs() < 1e-9);
        let gain = anoonly.auroc_minus_host.unwrap();
        assert!((gain.estimate - 0.05).abs() < 1e-9 && (gain.high - 0.05 - 12.7062 * 0.05).abs() < 1e-4);
        let host = of(OVERALL, "host").unwrap();
        assert_eq!((host.sets, host.auroc_minus_host), (2, None));
        assert!((host.auroc.estimate - 0.55).abs() < 1e-9);
        assert!(of("b", "anoonly").is_none());
    }
}
