//! The tables that a bench prints.

use maud::html;

use crate::Results;
use crate::report::look::{model_title, strategy_title};
use crate::report::select::View;
use crate::summary::{self, LEVEL, Setting};
use anoonly_page::{Figure, html_table};

/// Host against AnoOnly in the first setting.
pub fn comparison(view: &View<'_>) -> Figure {
    Figure {
        id: "table",
        title: "Host against AnoOnly".into(),
        content: Ok(html_table(&summary::table(view.results), 3, title)),
        caption: html! {
            p {
                "Percent, mean over data sets and seeds, with equal weight for the data sets of a family and for the families. A \
                 difference is AnoOnly minus host for the same seed and data set. The number after ± is half of Student's interval of "
                (format!("{:.0}", 100.0 * LEVEL)) " % over seeds, which covers other seeds on these data sets but not other data sets. \
                 With one seed there is no interval. A method without a strategy is in the column of the host."
            }
        },
    }
}

/// All strategies, if there are others than host and AnoOnly.
pub fn strategies(view: &View<'_>) -> Option<Figure> {
    let others = view.strategies.iter().any(|name| !["host", "anoonly"].contains(name));
    others.then(|| Figure {
        id: "strategies",
        title: "Every strategy".into(),
        content: Ok(html_table(&summary::ablation_table(view.results), 2, title)),
        caption: html! {
            p { "Percent, mean over families, sets and seeds; intervals as above. The columns of the families show AUROC." }
        },
    })
}

/// All settings, if there are several.
pub fn settings(settings: &[(Setting, Results)]) -> Option<Figure> {
    (settings.len() > 1).then(|| Figure {
        id: "settings",
        title: "Every setting".into(),
        content: Ok(html! {
            @for (name, metric) in summary::METRICS {
                h3 { (name) }
                (html_table(&summary::sweep_table(settings, metric), 2, title))
            }
        }),
        caption: html! {
            p {
                "Percent, mean over families, sets and seeds; intervals over seeds."
                @if summary::sets_differ(settings) {
                    " Not every data set has every setting. The number of data sets stands beside the name of a setting, and a mean over \
                     fewer sets is not comparable with one over more."
                }
            }
        },
    })
}

/// The text of a cell: the titles of methods and strategies, and all other cells unchanged.
fn title(column: &str, cell: String) -> String {
    match column {
        "model" => model_title(&cell),
        "strategy" if cell == "none" => "–".into(),
        "strategy" => strategy_title(&cell).into(),
        _ => cell,
    }
}
