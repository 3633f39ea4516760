//! The table a bench prints: host beside AnoOnly, for each family of data sets.

use std::collections::BTreeMap;

use anoonly_eval::{Interval, mean_interval};
use anoonly_train::Supervision;
use comfy_table::{CellAlignment, Table, presets};

use crate::{Results, Row, Scores, Status, Strategy};

/// The coverage of every interval in the table.
pub const LEVEL: f64 = 0.95;

/// A Markdown table with a line for each family and model, floors below, and a line of means over families at the end.
///
/// The mean of a family is taken over its data sets for each seed, and then over seeds; the interval is Student's over
/// those values of seeds. A difference is AnoOnly's value minus the host's of the same seed and data set.
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
/// difference holds 0.
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
    let mut sets: Vec<&str> = Vec::new();
    for row in results.rows.iter().filter(|row| row.model == model && families.contains(&row.family.as_str())) {
        if !sets.contains(&row.dataset.as_str()) {
            sets.push(&row.dataset);
        }
    }
    let cells = |metric: fn(&Scores) -> f64| {
        let values = |strategy: fn(Strategy) -> bool| by_seed(results, families, model, strategy, metric);
        let host = values(|s| matches!(s, Strategy::None | Strategy::Of(Supervision::Full)));
        let anoonly = values(|s| s == Strategy::Of(Supervision::AnomalyOnly));
        let differences: Vec<f64> = anoonly.iter().filter_map(|(seed, value)| Some(value - host.get(seed)?)).collect();
        let mean = |values: &BTreeMap<u64, f64>| mean_interval(&values.values().copied().collect::<Vec<_>>(), LEVEL);
        Cells { host: mean(&host), anoonly: mean(&anoonly), difference: mean_interval(&differences, LEVEL) }
    };
    Line { family: name.into(), sets: sets.len(), model: model.into(), auroc: cells(|s| s.auroc), ap: cells(|s| s.ap) }
}

/// For each seed, the mean over families of the mean over their data sets. A failed run leaves its set out of the mean.
fn by_seed(
    results: &Results,
    families: &[&str],
    model: &str,
    strategy: fn(Strategy) -> bool,
    metric: fn(&Scores) -> f64,
) -> BTreeMap<u64, f64> {
    let mut values: BTreeMap<u64, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for row in &results.rows {
        if let Status::Ok(scores) = &row.status
            && row.model == model
            && families.contains(&row.family.as_str())
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
