//! Tables of results, such as host against AnoOnly for each family of data sets.

mod means;
mod ranks;
mod settings;

pub use means::{Mean, means};
pub(crate) use ranks::{ALPHA, Ranks, short_seconds};
pub use ranks::{Ranked, Standings, standings};
pub use settings::{Setting, by_setting, labels, sets, sets_differ, setting, swept};
use settings::{joined, setting_names};

use std::collections::{BTreeMap, BTreeSet};

use anoonly_eval::{Interval, mean_interval};
use anoonly_page::markdown_table;
use comfy_table::Table;

use crate::{Results, Row, Scores, Status};

/// The coverage of every interval.
pub const LEVEL: f64 = 0.95;

/// A Markdown table of host against AnoOnly, with a line for each family and model and, at the end, lines over all families.
///
/// The mean of a family is taken over its data sets for each seed, and then over seeds; the interval is Student's over the values of
/// the seeds. A difference is the value of AnoOnly minus that of the host for the same seed and data set. A data set on which a run of
/// the model failed is left out of the line of the model.
pub fn table(results: &Results) -> Table {
    let mut header = vec!["family", "sets", "model"];
    header.extend(["AUROC host", "AUROC AnoOnly", "difference", "AP host", "AP AnoOnly", "difference"]);
    let mut table = markdown_table(&header, 3);
    for line in lines(results) {
        let cells = [&line.auroc, &line.ap].into_iter().flat_map(|cells| {
            let difference = cells.difference.map_or_else(dash, |interval| percent_and_half_width(interval, true));
            let plain = |interval: Option<Interval>| {
                interval.map_or_else(dash, |interval| percent_and_half_width(interval, false))
            };
            [plain(cells.host), plain(cells.anoonly), difference]
        });
        table.add_row([line.family.clone(), line.sets.to_string(), line.model.clone()].into_iter().chain(cells));
    }
    table
}

/// A metric of a run.
pub type Metric = fn(&Scores) -> f64;

/// The metrics of the tables, with their names.
pub const METRICS: [(&str, Metric); 2] = [("AUROC", |scores| scores.auroc), ("Average precision", |scores| scores.ap)];

/// A Markdown table with a line for each model and strategy and a column for each setting. A cell is the mean of a metric over
/// families, sets and seeds. A method that was not measured in a setting has no value there.
pub fn sweep_table(settings: &[(Setting, Results)], metric: Metric) -> Table {
    let names = setting_names(settings);
    let all = |name: fn(&Row) -> &str| joined(settings.iter().map(|(_, results)| in_order(results, name)));
    let header: Vec<&str> = ["model", "strategy"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table = markdown_table(&header, 2);
    let families = all(|row| &row.family);
    for model in all(|row| &row.model) {
        for strategy in all(|row| row.strategy.name()) {
            let cells = settings.iter().map(|(_, results)| {
                let rows = complete_rows(results, &families, model);
                let values: Vec<f64> = by_seed(&rows, &[strategy], metric).into_values().collect();
                mean_interval(&values, LEVEL).map_or_else(dash, |interval| percent_and_half_width(interval, false))
            });
            let cells: Vec<String> = cells.collect();
            if cells.iter().any(|cell| *cell != dash()) {
                table.add_row([model.to_owned(), strategy.to_owned()].into_iter().chain(cells));
            }
        }
    }
    table
}

/// For each model, the number of families on which AnoOnly is above or below its host in AUROC, and on which the interval of the
/// difference contains 0, in a sentence. The intervals are over seeds on these data sets; they do not cover other data sets.
pub fn verdicts(results: &Results) -> Vec<(String, String)> {
    let mut verdicts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for line in lines(results).iter().filter(|line| line.family != OVERALL) {
        let Some(difference) = line.auroc.difference else { continue };
        let counts = verdicts.entry(line.model.clone()).or_default();
        let which = if difference.low > 0.0 {
            0
        } else if difference.high < 0.0 {
            1
        } else {
            2
        };
        counts[which] += 1;
    }
    let sentence = |(model, [above, below, open]): (String, [usize; 3])| {
        let families = above + below + open;
        let text = format!(
            "in AUROC, AnoOnly is above its host on {above} of {families} families, below on {below}, undecided on {open}."
        );
        (model, text)
    };
    verdicts.into_iter().map(sentence).collect()
}

/// The name of a line over all families.
pub(crate) const OVERALL: &str = "all families";

/// A line of the table: a model on one family or on all.
pub(crate) struct Line {
    pub family: String,
    pub sets: usize,
    pub model: String,
    pub auroc: Cells,
    pub ap: Cells,
}

/// The cells of a metric. `host` also holds the value of a model without a strategy.
#[derive(Clone, Copy)]
pub(crate) struct Cells {
    pub host: Option<Interval>,
    pub anoonly: Option<Interval>,
    pub difference: Option<Interval>,
}

/// The lines of the table.
pub(crate) fn lines(results: &Results) -> Vec<Line> {
    let families = in_order(results, |row| &row.family);
    let models = in_order(results, |row| &row.model);
    let mut lines = Vec::new();
    for &family in &families {
        for &model in &models {
            lines.push(line(results, family, &[family], model));
        }
    }
    if families.len() > 1 {
        lines.extend(models.iter().map(|model| line(results, OVERALL, &families, model)));
    }
    lines
}

/// A line over some families, which have equal weight.
fn line(results: &Results, name: &str, families: &[&str], model: &str) -> Line {
    let rows = complete_rows(results, families, model);
    let sets: BTreeSet<&str> = rows.iter().map(|row| row.dataset.as_str()).collect();
    let cells = |metric: fn(&Scores) -> f64| {
        let values = |strategies: &[&str]| by_seed(&rows, strategies, metric);
        let host = values(&["host", "none"]);
        let anoonly = values(&["anoonly"]);
        let differences: Vec<f64> = anoonly.iter().filter_map(|(seed, value)| Some(value - host.get(seed)?)).collect();
        let mean = |values: &BTreeMap<u64, f64>| mean_interval(&values.values().copied().collect::<Vec<_>>(), LEVEL);
        Cells { host: mean(&host), anoonly: mean(&anoonly), difference: mean_interval(&differences, LEVEL) }
    };
    Line { family: name.into(), sets: sets.len(), model: model.into(), auroc: cells(|s| s.auroc), ap: cells(|s| s.ap) }
}

/// The rows of a model in some families, without the data sets on which one of its runs failed.
pub(crate) fn complete_rows<'a>(results: &'a Results, families: &[&str], model: &str) -> Vec<&'a Row> {
    let rows = || results.rows.iter().filter(|row| row.model == model && families.contains(&row.family.as_str()));
    let failed: BTreeSet<&str> =
        rows().filter(|row| matches!(row.status, Status::Failed(_))).map(|row| row.dataset.as_str()).collect();
    rows().filter(|row| !failed.contains(row.dataset.as_str())).collect()
}

/// A Markdown table with a line for each model and strategy: AUROC on each family and over all families, average precision, and the
/// differences from AnoOnly for the same seed and data set.
pub fn ablation_table(results: &Results) -> Table {
    let families = in_order(results, |row| &row.family);
    let mut header = vec!["model", "strategy"];
    header.extend(families.iter().filter(|_| families.len() > 1));
    header.extend(["AUROC", "minus AnoOnly", "AP", "minus AnoOnly"]);
    let mut table = markdown_table(&header, 2);
    let auroc: fn(&Scores) -> f64 = |scores| scores.auroc;
    for model in in_order(results, |row| &row.model) {
        for strategy in in_order(results, |row| row.strategy.name()) {
            let cell = |families: &[&str], metric: fn(&Scores) -> f64, from_anoonly: bool| {
                let rows = complete_rows(results, families, model);
                let values = by_seed(&rows, &[strategy], metric);
                let anoonly = by_seed(&rows, &["anoonly"], metric);
                let base = |seed: &u64| if from_anoonly { anoonly.get(seed).copied() } else { Some(0.0) };
                let values: Vec<f64> = values.iter().filter_map(|(seed, value)| Some(value - base(seed)?)).collect();
                mean_interval(&values, LEVEL)
                    .map_or_else(dash, |interval| percent_and_half_width(interval, from_anoonly))
            };
            let mut cells = vec![model.to_owned(), strategy.to_owned()];
            cells.extend(families.iter().filter(|_| families.len() > 1).map(|family| cell(&[family], auroc, false)));
            for metric in [auroc, |scores| scores.ap] {
                cells.extend([cell(&families, metric, false), cell(&families, metric, true)]);
            }
            if cells[cells.len() - 4] != dash() {
                table.add_row(cells);
            }
        }
    }
    table
}

/// The distinct names in the results, in order of first appearance.
pub(crate) fn in_order<'a>(results: &'a Results, name: fn(&'a Row) -> &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in &results.rows {
        if !names.contains(&name(row)) {
            names.push(name(row));
        }
    }
    names
}

/// The mean over families of the mean over their data sets, for each seed.
pub(crate) fn by_seed(rows: &[&Row], strategies: &[&str], metric: fn(&Scores) -> f64) -> BTreeMap<u64, f64> {
    let mut values: BTreeMap<u64, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for row in rows {
        if let Status::Ok(scores) = &row.status
            && strategies.contains(&row.strategy.name())
        {
            values.entry(row.seed).or_default().entry(&row.family).or_default().push(metric(scores));
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let over_families =
        |families: BTreeMap<&str, Vec<f64>>| mean(&families.values().map(|sets| mean(sets)).collect::<Vec<_>>());
    values.into_iter().map(|(seed, families)| (seed, over_families(families))).collect()
}

/// Formats a share in percent, with half the width of its interval if that is finite.
pub(crate) fn percent_and_half_width(interval: Interval, signed: bool) -> String {
    let estimate = 100.0 * interval.estimate;
    let half = 100.0 * (interval.high - interval.estimate);
    let estimate = if signed { format!("{estimate:+.1}") } else { format!("{estimate:.1}") };
    if half.is_finite() { format!("{estimate} ± {half:.1}") } else { estimate }
}

/// The text of an empty cell.
pub(crate) fn dash() -> String {
    "–".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Strategy;

    fn row(dataset: &str, strategy: fn() -> Strategy, seed: u64, auroc: Option<f64>) -> Row {
        let scores = |auroc| Scores { auroc, ap: auroc, ap_normal: auroc, fit_seconds: 1.0, score_seconds: 1.0 };
        let status = auroc.map_or(Status::Failed("diverged".into()), |auroc| Status::Ok(scores(auroc)));
        Row { dataset: dataset.into(), strategy: strategy(), seed, status, ..Row::made() }
    }

    /// By hand: means over seeds 0.7 and 0.75, differences +0.1 and 0; t of one degree of freedom at 97.5 % is 12.706.
    #[test]
    fn means_differences_and_intervals_are_over_seeds() {
        let rows = vec![
            row("a", Strategy::host, 1, Some(0.6)),
            row("a", Strategy::anoonly, 1, Some(0.7)),
            row("a", Strategy::host, 2, Some(0.8)),
            row("a", Strategy::anoonly, 2, Some(0.8)),
        ];
        let line = &lines(&Results { rows })[0];
        let close = |interval: Option<Interval>, estimate: f64, half: f64| {
            let interval = interval.unwrap();
            (interval.estimate - estimate).abs() < 1e-9 && (interval.high - interval.estimate - half).abs() < 1e-4
        };
        assert_eq!(line.sets, 1);
        assert!(close(line.auroc.host, 0.7, 12.7062 * 0.1));
        assert!(close(line.auroc.anoonly, 0.75, 12.7062 * 0.05));
        assert!(close(line.auroc.difference, 0.05, 12.7062 * 0.05));
    }

    #[test]
    fn a_set_with_a_failed_run_is_left_out_of_the_line() {
        let rows = vec![
            row("a", Strategy::host, 1, Some(0.9)),
            row("a", Strategy::anoonly, 1, Some(0.8)),
            row("b", Strategy::host, 1, Some(0.1)),
            row("b", Strategy::anoonly, 1, None),
        ];
        let line = &lines(&Results { rows })[0];
        assert_eq!(line.sets, 1);
        assert!((line.auroc.host.unwrap().estimate - 0.9).abs() < 1e-9);
        assert!((line.auroc.difference.unwrap().estimate + 0.1).abs() < 1e-9);
    }
}
