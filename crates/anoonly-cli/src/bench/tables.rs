//! The printed tables of a bench.

use std::collections::BTreeSet;

use anoonly_bench::{Results, summary};

use crate::print;

/// What the columns of the result tables compare.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    /// Host and AnoOnly on each family.
    Strategies,
    /// AnoOnly and variants of it.
    Ablation,
    /// All methods.
    Standings,
}

impl Layout {
    pub fn new(standings: bool, ablation: bool) -> Self {
        match (standings, ablation) {
            (true, _) => Layout::Standings,
            (false, true) => Layout::Ablation,
            (false, false) => Layout::Strategies,
        }
    }
}

/// Prints a heading and one table of results for each setting. If there are several settings, also prints tables that compare them.
pub(super) fn print_results(results: &Results, layout: Layout) {
    let Some(first) = results.rows.first() else { return };
    let seeds: BTreeSet<u64> = results.rows.iter().map(|row| row.seed).collect();
    let seeds = match seeds.len() {
        1 => "one seed".into(),
        seeds => format!("{seeds} seeds ± half of the interval"),
    };
    let heading =
        format!("Percent, mean over data sets and {seeds}. Intervals: {:.0} %, over seeds.\n", 100.0 * summary::LEVEL);
    let rest = format!("backend {}. A method without strategies is in the host column.", first.backend);
    print(&heading);
    let (settings, all_sets) = (summary::by_setting(results), summary::sets(results));
    for (setting, results) in &settings {
        let table = match layout {
            Layout::Ablation => summary::ablation_table(results).to_string(),
            Layout::Standings => {
                let summary::Standings { table, ranks } = summary::standings(results);
                match ranks {
                    None => table.to_string(),
                    Some(summary::Ranked { sets, diagram }) => format!(
                        "Ranks are averages over {sets} data sets. p compares each method with the best rank (Wilcoxon test, Holm correction).\n\n\
                         {table}\n\n{diagram}"
                    ),
                }
            }
            Layout::Strategies => {
                let verdicts =
                    summary::verdicts(results).into_iter().map(|(model, verdict)| format!("{model}: {verdict}"));
                format!("{}\n\n{}", summary::table(results), verdicts.collect::<Vec<_>>().join("\n"))
            }
        };
        let sets = match summary::sets(results) {
            sets if sets < all_sets => format!(", {sets} of {all_sets} data sets"),
            _ => String::new(),
        };
        let setting_text = format!("{}{}{sets}", summary::labels(setting.budget), setting.besides_labels());
        print(&format!("Protocol {}, {setting_text}, {rest}\n\n{table}\n", first.protocol));
        if settings.len() > 1 {
            print("\n");
        }
    }
    if settings.len() > 1 {
        for (title, metric) in summary::METRICS {
            let table = summary::sweep_table(&settings, metric);
            let over = if summary::sets_differ(&settings) {
                "families of the data sets that have a setting"
            } else {
                "families"
            };
            print(&format!("{title} by {}, mean over {over}:\n\n{table}\n\n", summary::swept(&settings)));
        }
    }
}
