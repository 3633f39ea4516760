//! The table a bench prints: host beside AnoOnly, for each family of data sets.

use std::collections::{BTreeMap, BTreeSet};

use anoonly_eval::{Interval, mean_interval};
use anoonly_train::Supervision;
use comfy_table::{CellAlignment, Table, presets};

use crate::{Results, Row, Scores, Status, Strategy};

/// The coverage of every interval in the table.
pub const LEVEL: f64 = 0.95;

/// A Markdown table with a line for each family and model, floors below, and a line of means over families at the end.
///
/// The mean of a family is taken over its data sets for each seed, and then over seeds; the interval is Student's over
/// those values of seeds. A difference is AnoOnly's value minus the host's of the same seed and data set. A data set on which
/// a run of the model failed is left out of the model's line.
pub fn table(results: &Results) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "family",
        "sets",
        "model",
        "AUROC host",
        "AUROC AnoOnly",
        "difference",
        "AP host",
        "AP AnoOnly",
        "difference",
    ]);
    for column in 3..9 {
        table.column_mut(column).into_iter().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    }
    for line in lines(results) {
        let cells = [&line.auroc, &line.ap].into_iter().flat_map(|cells| {
            let difference = cells.difference.map_or_else(dash, |interval| shown(interval, true));
            let plain = |interval: Option<Interval>| interval.map_or_else(dash, |interval| shown(interval, false));
            [plain(cells.host), plain(cells.anoonly), difference]
        });
        table.add_row([line.family.clone(), line.sets.to_string(), line.model.clone()].into_iter().chain(cells));
    }
    table.to_string()
}

/// For each model, on how many families AnoOnly is above or below its host in AUROC, and on how many the interval of the
/// difference holds 0. The intervals speak of other seeds on these data sets, not of other data sets.
pub fn verdicts(results: &Results) -> Vec<String> {
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
    let told = |(model, [above, below, open]): (String, [usize; 3])| {
        let families = above + below + open;
        format!(
            "{model}: in AUROC, AnoOnly is above its host on {above} of {families} families, below on {below}, undecided on {open}."
        )
    };
    verdicts.into_iter().map(told).collect()
}

const OVERALL: &str = "all families";

struct Line {
    family: String,
    sets: usize,
    model: String,
    auroc: Cells,
    ap: Cells,
}

/// `host` also holds the value of a model that runs without a strategy.
#[derive(Clone, Copy)]
struct Cells {
    host: Option<Interval>,
    anoonly: Option<Interval>,
    difference: Option<Interval>,
}

fn lines(results: &Results) -> Vec<Line> {
    let in_order = |name: fn(&Row) -> &str| {
        let mut names: Vec<&str> = Vec::new();
        for row in &results.rows {
            if !names.contains(&name(row)) {
                names.push(name(row));
            }
        }
        names
    };
    let families = in_order(|row| &row.family);
    let models = in_order(|row| &row.model);
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

/// One line over some families, each family weighing the same.
fn line(results: &Results, name: &str, families: &[&str], model: &str) -> Line {
    let rows = || results.rows.iter().filter(|row| row.model == model && families.contains(&row.family.as_str()));
    let failed: BTreeSet<&str> =
        rows().filter(|row| matches!(row.status, Status::Failed(_))).map(|row| row.dataset.as_str()).collect();
    let rows: Vec<&Row> = rows().filter(|row| !failed.contains(row.dataset.as_str())).collect();
    let sets: BTreeSet<&str> = rows.iter().map(|row| row.dataset.as_str()).collect();
    let cells = |metric: fn(&Scores) -> f64| {
        let values = |strategy: fn(Strategy) -> bool| by_seed(&rows, strategy, metric);
        let host = values(|s| matches!(s, Strategy::None | Strategy::Of(Supervision::Full)));
        let anoonly = values(|s| s == Strategy::Of(Supervision::AnomalyOnly));
        let differences: Vec<f64> = anoonly.iter().filter_map(|(seed, value)| Some(value - host.get(seed)?)).collect();
        let mean = |values: &BTreeMap<u64, f64>| mean_interval(&values.values().copied().collect::<Vec<_>>(), LEVEL);
        Cells { host: mean(&host), anoonly: mean(&anoonly), difference: mean_interval(&differences, LEVEL) }
    };
    Line { family: name.into(), sets: sets.len(), model: model.into(), auroc: cells(|s| s.auroc), ap: cells(|s| s.ap) }
}

/// For each seed, the mean over families of the mean over their data sets.
fn by_seed(rows: &[&Row], strategy: fn(Strategy) -> bool, metric: fn(&Scores) -> f64) -> BTreeMap<u64, f64> {
    let mut values: BTreeMap<u64, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for row in rows {
        if let Status::Ok(scores) = &row.status
            && strategy(row.strategy)
        {
            values.entry(row.seed).or_default().entry(&row.family).or_default().push(metric(scores));
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let over_families =
        |families: BTreeMap<&str, Vec<f64>>| mean(&families.values().map(|sets| mean(sets)).collect::<Vec<_>>());
    values.into_iter().map(|(seed, families)| (seed, over_families(families))).collect()
}

/// A share as percent, with the half width of its interval where that is finite.
fn shown(interval: Interval, signed: bool) -> String {
    let estimate = 100.0 * interval.estimate;
    let half = 100.0 * (interval.high - interval.estimate);
    let estimate = if signed { format!("{estimate:+.1}") } else { format!("{estimate:.1}") };
    if half.is_finite() { format!("{estimate} ± {half:.1}") } else { estimate }
}

fn dash() -> String {
    "–".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_data::budget::LabelBudget;
    use anoonly_data::protocol::Protocol;
    use anoonly_train::BackendName;

    fn row(dataset: &str, strategy: Supervision, seed: u64, auroc: Option<f64>) -> Row {
        let scores = |auroc| Scores { auroc, ap: auroc, ap_normal: auroc, fit_seconds: 1.0, score_seconds: 1.0 };
        Row {
            dataset: dataset.into(),
            family: "made".into(),
            model: "devnet".into(),
            strategy: Strategy::Of(strategy),
            protocol: Protocol::Clean,
            budget: LabelBudget::Ratio(0.1),
            n_labeled: 1,
            seed,
            n_train: 7,
            n_test: 3,
            n_features: 1,
            backend: BackendName::Flex,
            status: auroc.map_or(Status::Failed("diverged".into()), |auroc| Status::Ok(scores(auroc))),
        }
    }

    /// Worked by hand: means over seeds 0.7 and 0.75, differences +0.1 and 0; t of one degree of freedom at 97.5 % is 12.706.
    #[test]
    fn means_differences_and_intervals_are_over_seeds() {
        use Supervision::{AnomalyOnly, Full};
        let rows = vec![
            row("a", Full, 1, Some(0.6)),
            row("a", AnomalyOnly, 1, Some(0.7)),
            row("a", Full, 2, Some(0.8)),
            row("a", AnomalyOnly, 2, Some(0.8)),
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
    fn a_set_with_a_failed_run_leaves_the_line() {
        use Supervision::{AnomalyOnly, Full};
        let rows = vec![
            row("a", Full, 1, Some(0.9)),
            row("a", AnomalyOnly, 1, Some(0.8)),
            row("b", Full, 1, Some(0.1)),
            row("b", AnomalyOnly, 1, None),
        ];
        let line = &lines(&Results { rows })[0];
        assert_eq!(line.sets, 1);
        assert!((line.auroc.host.unwrap().estimate - 0.9).abs() < 1e-9);
        assert!((line.auroc.difference.unwrap().estimate + 0.1).abs() < 1e-9);
    }
}
