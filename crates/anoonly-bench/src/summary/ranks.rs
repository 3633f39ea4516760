//! Methods ranked over data sets.

use std::collections::BTreeMap;

use anoonly_eval::{Comparison, Interval, critical_difference, mean_interval};
use anoonly_page::markdown_table;
use comfy_table::Table;

use super::{LEVEL, METRICS, Metric, by_seed, complete_rows, dash, in_order, percent_and_half_width};
use crate::{Results, Row, Status};

/// The fewest data sets on which ranks are computed.
const LEAST_SETS: usize = 10;

/// All methods, the best first.
pub struct Standings {
    /// The table.
    pub table: Table,
    /// The ranks, if there are any.
    pub ranks: Option<Ranked>,
}

/// Average ranks and their critical-difference diagram.
pub struct Ranked {
    /// The number of data sets.
    pub sets: usize,
    /// The critical-difference diagram of ranks in AUROC.
    pub diagram: String,
}

/// The level of the Nemenyi test.
pub(crate) const ALPHA: f64 = 0.05;

/// A Markdown table with a line for each model and strategy, the best first: the mean AUROC on each family and over all families, mean
/// average precision, the average rank in both metrics over data sets, and the median seconds of a fit. If there are ranks, a
/// critical-difference diagram (Demšar 2006) compares all lines with each other.
///
/// A method of rank 1 is the best on every data set. The p-value beside a rank is that of the Wilcoxon signed-rank test between the
/// line with the best average rank and this line, with Holm's correction for all lines. The tests compare means over seeds on the
/// data sets on which all lines were measured. There are no ranks for fewer than ten such data sets or fewer than three lines, and a line
/// that was measured on no data set has no rank.
///
/// The test assumes independent data sets, but sets of one family are not independent, and the best line was chosen on the same
/// values. The p-values are therefore too small rather than too large.
pub fn standings(results: &Results) -> Standings {
    let contestants: Vec<(&str, &str)> = in_order(results, |row| &row.model)
        .into_iter()
        .flat_map(|model| in_order(results, |row| row.strategy.name()).into_iter().map(move |name| (model, name)))
        .filter(|&(model, strategy)| {
            results.rows.iter().any(|row| row.model == model && row.strategy.name() == strategy)
        })
        .collect();
    let families = in_order(results, |row| &row.family);
    let shown_families: &[&str] = if families.len() > 1 { &families } else { &[] };
    let ranked: Vec<(&str, &str)> = contestants
        .iter()
        .copied()
        .filter(|(model, strategy)| is_measured(results, &families, model, strategy))
        .collect();
    let compared = METRICS.map(|(_, metric)| Ranks::new(&compare(results, &ranked, metric)?));
    let ranks = match &compared {
        [Some(auroc), Some(ap)] => Some([auroc, ap]),
        _ => None,
    };

    let mut header = vec!["model", "strategy"];
    header.extend(shown_families);
    header.extend(["AUROC", "AP"]);
    header.extend(ranks.iter().flat_map(|_| ["rank AUROC", "p", "rank AP", "p"]));
    header.push("seconds a fit");
    let mut table = markdown_table(&header, 2);
    let mut lines: Vec<(f64, Vec<String>)> = Vec::new();
    for &(model, strategy) in &contestants {
        let rank = ranked.iter().position(|contestant| *contestant == (model, strategy));
        let cell = |families: &[&str], metric: Metric| {
            let values = by_seed(&complete_rows(results, families, model), &[strategy], metric);
            mean_interval(&values.into_values().collect::<Vec<_>>(), LEVEL)
        };
        let with_interval =
            |interval: Option<Interval>| interval.map_or_else(dash, |interval| percent_and_half_width(interval, false));
        let mean = |interval: Option<Interval>| {
            interval.map_or_else(dash, |interval| format!("{:.1}", 100.0 * interval.estimate))
        };
        let [auroc, ap] = METRICS.map(|(_, metric)| cell(&families, metric));
        let mut cells = vec![model.to_owned(), strategy.to_owned()];
        cells.extend(shown_families.iter().map(|family| mean(cell(&[family], METRICS[0].1))));
        cells.extend([with_interval(auroc), with_interval(ap)]);
        cells.extend(ranks.iter().flatten().flat_map(|ranks| ranks.cells(rank)));
        cells.push(seconds(results, model, strategy));
        // Without ranks, the lines are sorted by AUROC.
        let order = match &ranks {
            Some([auroc, _]) => rank.map_or(f64::INFINITY, |rank| auroc.average[rank]),
            None => auroc.map_or(f64::INFINITY, |interval| -interval.estimate),
        };
        lines.push((order, cells));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.into_iter().for_each(|(_, cells)| {
        table.add_row(cells);
    });
    let name = |(model, strategy): &(&str, &str)| {
        if *strategy == "none" { (*model).to_owned() } else { format!("{model} {strategy}") }
    };
    let names: Vec<String> = ranked.iter().map(name).collect();
    let ranks = ranks.map(|[auroc, _]| Ranked { sets: auroc.sets, diagram: auroc.diagram(&names, "AUROC") });
    Standings { table, ranks }
}

/// Whether a line was measured on a data set, with no failed run there. Otherwise it would take all data sets from the others' ranks.
fn is_measured(results: &Results, families: &[&str], model: &str, strategy: &str) -> bool {
    let rows = complete_rows(results, families, model);
    rows.iter().any(|row| row.strategy.name() == strategy && matches!(row.status, Status::Ok(_)))
}

/// The median seconds of a fit.
fn seconds(results: &Results, model: &str, strategy: &str) -> String {
    let of = |row: &Row| match &row.status {
        Status::Ok(scores) if row.model == model && row.strategy.name() == strategy => Some(scores.fit_seconds),
        _ => None,
    };
    let mut seconds: Vec<f64> = results.rows.iter().filter_map(of).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).map_or_else(dash, |&median| short_seconds(median))
}

/// Formats seconds with two or three digits.
pub(crate) fn short_seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.095 => format!("{seconds:.3}"),
        seconds if seconds < 9.5 => format!("{seconds:.2}"),
        seconds => format!("{seconds:.0}"),
    }
}

/// Average ranks in one metric, and the tests of the best line against the others.
pub(crate) struct Ranks {
    pub sets: usize,
    pub average: Vec<f64>,
    /// The p-value of the best line against each line; `None` for itself.
    pub p_values: Vec<Option<f64>>,
}

impl Ranks {
    /// `None` for too few lines or data sets.
    pub fn new(comparison: &Comparison) -> Option<Self> {
        if comparison.methods() < 3 || comparison.sets() < LEAST_SETS {
            return None;
        }
        let average = comparison.average_ranks();
        let best = argmin(&average);
        let others: Vec<(usize, usize)> =
            (0..average.len()).filter(|&other| other != best).map(|other| (best, other)).collect();
        let mut p_values = vec![None; average.len()];
        for test in comparison.wilcoxon(&others) {
            p_values[test.second] = Some(test.adjusted_p_value);
        }
        Some(Self { sets: comparison.sets(), average, p_values })
    }

    /// A diagram with a line for each method, the best first: a mark at its average rank, followed by dashes over the critical
    /// difference. The Nemenyi test finds no difference between a method and those whose marks lie above its dashes.
    pub fn diagram(&self, names: &[String], quantity: &str) -> String {
        let last = names.len();
        // With many methods, only every fifth rank is marked.
        let (letters_a_rank, marked) = if last <= 10 { (6.0, 1) } else { (2.0, 5) };
        let column = |rank: f64| ((rank - 1.0) * letters_a_rank).round() as usize;
        let critical = critical_difference(last, self.sets, ALPHA);
        let mut lines = vec![String::new(), String::new()];
        for rank in (1..=last).filter(|rank| *rank == 1 || rank % marked == 0) {
            let at = column(rank as f64);
            lines.iter_mut().for_each(|line| line.extend(std::iter::repeat_n(' ', at - line.chars().count())));
            lines[0] += &rank.to_string();
            lines[1] += "|";
        }
        let mut order: Vec<usize> = (0..last).collect();
        order.sort_by(|&a, &b| self.average[a].total_cmp(&self.average[b]));
        for method in order {
            let rank = self.average[method];
            let [at, end] = [rank, (rank + critical).min(last as f64)].map(column);
            let name = &names[method];
            let drawn = format!("{}o{}", " ".repeat(at), "-".repeat(end - at));
            lines.push(format!("{drawn:<width$}  {name} {rank:.2}", width = column(last as f64) + 1));
        }
        let title = format!(
            "Average rank in {quantity}; the dashes are as long as the critical difference of {critical:.2} (Nemenyi, 5 %)."
        );
        format!("{title}\n\n```text\n{}\n```", lines.join("\n"))
    }

    /// The cells of a line: its rank and the p-value. Both are empty for a line without a rank.
    pub fn cells(&self, place: Option<usize>) -> [String; 2] {
        let Some(place) = place else { return [dash(), dash()] };
        [format!("{:.2}", self.average[place]), self.p_values[place].map_or_else(|| "best".into(), short_p_value)]
    }
}

fn argmin(values: &[f64]) -> usize {
    (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

fn short_p_value(p_value: f64) -> String {
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
    Comparison::new(complete).ok()
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

    fn cells(table: &Table, line: usize) -> Vec<String> {
        table.row(line).unwrap().cell_iter().map(|cell| cell.content()).collect()
    }

    /// By hand: ten differences of one sign have the p-value 2/2^10 = 0.00195; twice that after Holm's correction, for both. The means
    /// are those of 0.7, 0.71 and so on.
    #[test]
    fn lines_are_sorted_by_rank_and_tested_against_the_best() {
        let Standings { table, ranks } = standings(&results(10));
        assert_eq!(ranks.unwrap().sets, 10);
        assert_eq!(cells(&table, 0), ["high", "anoonly", "74.5", "25.5", "1.00", "best", "3.00", "0.004", "1.00"]);
        assert_eq!(cells(&table, 2)[..4], ["low", "anoonly", "14.5", "85.5"]);
        assert_eq!(cells(&table, 2)[4..], ["3.00", "0.004", "1.00", "best", "1.00"]);
    }

    /// By hand (Demšar 2006, table 5): q = 2.343 for three methods, times √(3·4/(6·10)) is 1.05.
    #[test]
    fn dashes_in_the_diagram_cover_the_critical_difference() {
        let diagram = standings(&results(10)).ranks.unwrap().diagram;
        let lines: Vec<&str> = diagram.lines().collect();
        assert!(lines[0].contains("difference of 1.05 "), "{diagram}");
        assert_eq!(
            lines[3..8],
            [
                "1     2     3",
                "|     |     |",
                "o------        high anoonly 1.00",
                "      o------  middle anoonly 2.00",
                "            o  low anoonly 3.00"
            ]
        );
    }

    #[test]
    fn there_are_no_ranks_for_few_sets_or_few_methods() {
        let Standings { table, ranks } = standings(&results(9));
        assert!(ranks.is_none());
        assert_eq!(cells(&table, 0), ["high", "anoonly", "74.0", "26.0", "1.00"]);
        let mut two = results(12);
        two.rows.retain(|row| row.model != "low");
        assert!(standings(&two).ranks.is_none());
        let mut gap = results(10);
        gap.rows.remove(0);
        assert!(standings(&gap).ranks.is_none());
    }

    #[test]
    fn a_line_that_failed_everywhere_has_no_rank_and_leaves_those_of_the_others() {
        let mut all = results(10);
        for set in 0..10 {
            let status = Status::Failed("one label is too few".into());
            all.rows.push(Row { model: "none".into(), dataset: format!("set {set}"), status, ..Row::made() });
        }
        let Standings { table, ranks } = standings(&all);
        assert!(!ranks.unwrap().diagram.contains("none"));
        assert_eq!(cells(&table, 0), ["high", "anoonly", "74.5", "25.5", "1.00", "best", "3.00", "0.004", "1.00"]);
        assert_eq!(cells(&table, 3), ["none", "anoonly", "–", "–", "–", "–", "–", "–", "–"]);
    }

    #[test]
    fn families_have_a_column_each_and_equal_weight() {
        let mut results = results(2);
        results.rows.iter_mut().filter(|row| row.dataset == "set 1").for_each(|row| row.family = "other".into());
        let table = standings(&results).table;
        assert_eq!(cells(&table, 0), ["high", "anoonly", "70.0", "71.0", "70.5", "29.5", "1.00"]);
    }
}
