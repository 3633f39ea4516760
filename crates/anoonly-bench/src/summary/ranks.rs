//! Ranks over data sets.

use std::collections::BTreeMap;

use anoonly_eval::Comparison;
use comfy_table::Table;

use super::{METRICS, Metric, complete_rows, in_order, markdown};
use crate::{Results, Status};

/// Fewer data sets say little about ranks.
const LEAST_SETS: usize = 10;

/// A Markdown table with a line for each model and strategy, by their average rank in AUROC over data sets: 1 is the best on each. Beside
/// it what the Wilcoxon signed-rank test says of the first line against this one, with Holm's correction for all lines.
/// Compared are means over seeds, on the data sets on which all are measured; `None` where these are less than ten, or where there
/// are not three lines.
///
/// The test takes data sets to be independent, which sets of one family are not, and the first line was found on the same values: a
/// p-value is then too small rather than too large.
pub fn rank_table(results: &Results) -> Option<(usize, Table)> {
    let contestants: Vec<(&str, &str)> = in_order(results, |row| &row.model)
        .into_iter()
        .flat_map(|model| in_order(results, |row| row.strategy.name()).into_iter().map(move |name| (model, name)))
        .filter(|&(model, strategy)| {
            results.rows.iter().any(|row| row.model == model && row.strategy.name() == strategy)
        })
        .collect();
    if contestants.len() < 3 {
        return None;
    }
    let compared = METRICS.map(|(_, metric)| compare(results, &contestants, metric));
    let [Some(auroc), Some(ap)] = compared else { return None };
    let ranks = [auroc.average_ranks(), ap.average_ranks()];
    let best: Vec<usize> = ranks.iter().map(|ranks| argmin(ranks)).collect();
    let p_values: Vec<Vec<Option<f64>>> = [&auroc, &ap]
        .into_iter()
        .zip(&best)
        .map(|(comparison, &best)| {
            let others: Vec<(usize, usize)> =
                (0..contestants.len()).filter(|&other| other != best).map(|other| (best, other)).collect();
            let mut p_values = vec![None; contestants.len()];
            for test in comparison.wilcoxon(&others) {
                p_values[test.second] = Some(test.adjusted_p_value);
            }
            p_values
        })
        .collect();
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    order.sort_by(|&a, &b| ranks[0][a].total_cmp(&ranks[0][b]));
    let mut table = markdown(&["model", "strategy", "rank AUROC", "p", "rank AP", "p"], 2);
    for line in order {
        let (model, strategy) = contestants[line];
        let mut cells = vec![model.to_owned(), strategy.to_owned()];
        for (ranks, p_values) in ranks.iter().zip(&p_values) {
            cells.push(format!("{:.2}", ranks[line]));
            cells.push(p_values[line].map_or_else(|| "best".into(), told));
        }
        table.add_row(cells);
    }
    Some((auroc.sets(), table))
}

fn argmin(values: &[f64]) -> usize {
    (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

fn told(p_value: f64) -> String {
    if p_value < 0.001 { "< 0.001".into() } else { format!("{p_value:.3}") }
}

fn compare(results: &Results, contestants: &[(&str, &str)], metric: Metric) -> Option<Comparison> {
    let families = in_order(results, |row| &row.family);
    let mut sets: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
    for (place, (model, strategy)) in contestants.iter().enumerate() {
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for row in complete_rows(results, &families, model) {
            if let Status::Ok(scores) = &row.status
                && row.strategy.name() == *strategy
            {
                values.entry(&row.dataset).or_default().push(metric(scores));
            }
        }
        for (dataset, values) in values {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            sets.entry(dataset).or_insert_with(|| vec![None; contestants.len()])[place] = Some(mean);
        }
    }
    let complete: Vec<Vec<f64>> = sets.into_values().filter_map(|values| values.into_iter().collect()).collect();
    if complete.len() < LEAST_SETS { None } else { Comparison::new(complete).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Row, Scores};

    fn results(sets: usize) -> Results {
        let run = |set: usize, model: &str, auroc: f64| {
            let scores = Scores { auroc, ap: 1.0 - auroc, ap_normal: 0.0, fit_seconds: 1.0, score_seconds: 1.0 };
            Row { dataset: format!("set {set}"), model: model.into(), status: Status::Ok(scores), ..Row::made() }
        };
        let of_set = |set: usize| {
            let step = 0.01 * set as f64;
            [run(set, "low", 0.1 + step), run(set, "high", 0.7 + step), run(set, "middle", 0.3 + step)]
        };
        Results { rows: (0..sets).flat_map(of_set).collect() }
    }

    /// By hand: ten differences of one sign have the p-value 2/2^10 = 0.00195; twice that after Holm's correction, for both.
    #[test]
    fn lines_stand_by_their_rank_and_are_tested_against_the_best() {
        let (sets, table) = rank_table(&results(10)).unwrap();
        let cells =
            |line: usize| -> Vec<String> { table.row(line).unwrap().cell_iter().map(|c| c.content()).collect() };
        assert_eq!(sets, 10);
        assert_eq!(cells(0)[..1], ["high"]);
        assert_eq!(cells(0)[2..], ["1.00", "best", "3.00", "0.004"]);
        assert_eq!(cells(2)[..1], ["low"]);
        assert_eq!(cells(2)[2..], ["3.00", "0.004", "1.00", "best"]);
    }

    #[test]
    fn few_sets_and_few_methods_have_no_ranks() {
        assert!(rank_table(&results(9)).is_none());
        let mut two = results(12);
        two.rows.retain(|row| row.model != "low");
        assert!(rank_table(&two).is_none());
        let mut gap = results(10);
        gap.rows.remove(0);
        assert!(rank_table(&gap).is_none());
    }
}
