//! Host against AnoOnly, as the bench prints it.

use maud::html;

use crate::Results;
use crate::report::look::{model_title, strategy_title};
use crate::report::select::View;
use crate::summary::{self, LEVEL, Setting};
use anoonly_page::{Figure, html_table};

/// The table of the first setting.
pub fn comparison(view: &View<'_>) -> Figure {
    Figure {
        id: "table",
        title: "Host against AnoOnly".into(),
        content: Ok(html_table(&summary::table(view.results), 3, title)),
        caption: html! {
            p {
                "Percent, mean over data sets and seeds, each data set of a family and each family weighing the same. A difference is \
                 AnoOnly minus host of the same seed and data set. Behind ± stands half of Student's interval of "
                (format!("{:.0}", 100.0 * LEVEL)) " % over seeds: it speaks of other seeds on these very data sets, not of other data \
                 sets. With one seed there is none. A method that no strategy trains stands in the host's column."
            }
        },
    }
}

/// Where there are other strategies than the host's and AnoOnly: all of them.
pub fn strategies(view: &View<'_>) -> Option<Figure> {
    let others = view.strategies.iter().any(|name| !["host", "anoonly"].contains(name));
    others.then(|| Figure {
        id: "strategies",
        title: "Every strategy".into(),
        content: Ok(html_table(&summary::ablation_table(view.results), 2, title)),
        caption: html! {
            p { "Percent, mean over families, sets and seeds; intervals as above. Families' columns hold AUROC." }
        },
    })
}

/// Where there are several settings: all of them.
pub fn settings(settings: &[(Setting, Results)]) -> Option<Figure> {
    let names: Vec<String> = settings.iter().map(|(setting, _)| summary::setting_name(*setting, settings)).collect();
    let results: Vec<&Results> = settings.iter().map(|(_, results)| results).collect();
    (settings.len() > 1).then(|| Figure {
        id: "settings",
        title: "Every setting".into(),
        content: Ok(html! {
            @for (name, metric) in summary::METRICS {
                h3 { (name) }
                (html_table(&summary::sweep_table(&names, &results, metric), 2, title))
            }
        }),
        caption: html! { p { "Percent, mean over families, sets and seeds; intervals over seeds." } },
    })
}

/// What a method or a strategy is called; all else stays.
fn title(column: &str, cell: String) -> String {
    match column {
        "model" => model_title(&cell),
        "strategy" if cell == "none" => "–".into(),
        "strategy" => strategy_title(&cell).into(),
        _ => cell,
    }
}
