//! The report of a labelling bench.

use std::path::Path;

use anoonly_eval::critical_difference;
use anoonly_page::panels::{self, Axis, Mark, Panel, PanelGroup};
use anoonly_page::{Figure, Look, figures_page, html_table, markdown_table, write_page};
use comfy_table::Table;
use maud::{Markup, html};

use super::compared::ComparedCurves;
use super::row::LabellingRow;
use crate::report::{ReportOrigin, counted, failed_runs, look, made_by, ranks_picture};
use crate::summary::{ALPHA, LEVEL};
use crate::{BenchError, Results, RunRecord};

/// The largest number of curves in the panel of a data set.
const MOST_CURVES: usize = 8;
/// The mean curves have a marker every so many labels.
const EVERY: usize = 10;

/// Writes the report of a labelling bench, one HTML file. The file appears under its name only when it is complete.
///
/// # Errors
/// When the file cannot be written.
pub fn write_report(
    path: &Path,
    results: &Results<LabellingRow>,
    compared: &ComparedCurves,
    origin: &ReportOrigin,
) -> Result<(), BenchError> {
    Ok(write_page(path, &page(results, compared, origin))?)
}

/// The report as text.
pub(super) fn page(results: &Results<LabellingRow>, compared: &ComparedCurves, origin: &ReportOrigin) -> String {
    let figures =
        [table(compared), curves(compared), ranks(compared), by_set(compared), panels(compared), every_set(compared)];
    figures_page("How fast are anomalies found?", &head(results, compared), &figures, &tail(results, origin))
}

fn head(results: &Results<LabellingRow>, compared: &ComparedCurves) -> Markup {
    let seeds = compared.seeds.iter().map(u64::to_string).collect::<Vec<String>>().join(", ");
    let failed = results.failed();
    let left_out = compared.all_sets - compared.sets.len();
    html! {
        h1 { "How fast are anomalies found?" }
        p class="lead" {
            "A simulated analyst starts with a table without labels. A method ranks all rows, the analyst labels some of them, and the method \
             is fitted again. This page compares methods and query strategies on "
            (counted(compared.sets.len(), "data set", "data sets")) "."
        }
        dl {
            dt { "labels" } dd { (compared.budget) " a run, in batches of " (compared.batch) "; the true labels are the answers" }
            dt { "start" } dd { "until the first anomaly is found, an isolation forest stands in for a method that needs one" }
            dt { "rows" } dd { "all rows of a data set, or as many as the limit, drawn anew for each seed" }
            dt { "seeds" } dd { (seeds) }
            dt { "runs" } dd { (results.rows.len()) ", " @if failed == 0 { "none failed" } @else { a href="#failed" { (failed) " failed" } } }
            @if left_out > 0 {
                dt { "left out" }
                dd { (counted(left_out, "data set", "data sets")) " on which not every line was measured with every seed" }
            }
            @if let Some(row) = results.rows.first() { dt { "backend" } dd { (row.backend) } }
            dt { "program" } dd { "anoonly " (env!("CARGO_PKG_VERSION")) " on " (std::env::consts::OS) " " (std::env::consts::ARCH) }
        }
    }
}

/// The table that the bench prints.
fn table(compared: &ComparedCurves) -> Figure {
    let content = match compared.sets.is_empty() {
        true => Err("there is no data set on which every line was measured.".into()),
        false => Ok(html_table(&compared.table(), 2, title)),
    };
    Figure {
        id: "table",
        title: "Found, in percent of what could be found".into(),
        content,
        caption: html! {
            p {
                "After k labels, min(k, anomalies of the data set) could be found. The area is the mean of that share over all numbers of labels up \
                 to the budget. Mean over seeds and then over data sets; the number after ± is half of Student's interval of "
                (format!("{:.0}", 100.0 * LEVEL)) " % over seeds, which covers other seeds on these data sets but not other data sets."
            }
            p {
                "Ranks are averages over data sets (1 is best). The p-value beside a rank is that of the Wilcoxon signed-rank test between the line \
                 of the best rank and this line, with Holm's correction for all lines. Sets of one source are not independent and the best \
                 line was chosen on the same values, so the p-values are too small rather than too large. There are no ranks for fewer than \
                 ten data sets or three lines."
            }
            p {
                "Seconds a refit: fit and scores of all rows, the mean over fits with a labelled anomaly. Where the system reports them, they \
                 are processor seconds of one thread."
            }
            @if compared.labellers.iter().any(|labeller| labeller.peer) {
                p { "A line marked “peer” was measured by another program on the same rows." }
            }
        },
    }
}

/// The looks of the labellers. Those of other programs are grey.
fn looks(compared: &ComparedCurves) -> Vec<Look> {
    let (mut own, mut peers) = (0, 0);
    let look = |labeller: &super::Labeller| {
        let count = if labeller.peer { &mut peers } else { &mut own };
        *count += 1;
        if labeller.peer { look::plain_look(*count - 1) } else { look::strategy_look("", *count - 1) }
    };
    compared.labellers.iter().map(look).collect()
}

fn line(shares: &[f64], look: Look) -> Mark {
    let points = shares.iter().enumerate().map(|(place, share)| ((place + 1) as f64, 100.0 * share)).collect();
    Mark::Line { points, look, titles: None }
}

fn axes(compared: &ComparedCurves) -> (Axis, Axis) {
    (Axis::linear("labels", (0.0, compared.budget as f64)), Axis::linear("% of what could be found", (0.0, 100.0)))
}

fn legend(compared: &ComparedCurves, order: &[usize], looks: &[Look]) -> Vec<(String, Look)> {
    order.iter().map(|&place| (compared.labellers[place].name(), looks[place])).collect()
}

/// The mean discovery curves.
fn curves(compared: &ComparedCurves) -> Figure {
    let (order, looks) = (compared.order(compared.main_figure()), looks(compared));
    let (x, y) = axes(compared);
    // The best line is drawn last, over the others.
    let marks = order.iter().rev().flat_map(|&place| {
        let (curve, look, name) = (compared.mean_curve(place), looks[place], compared.labellers[place].name());
        let markers = (0..curve.len()).skip(EVERY - 1).step_by(EVERY).map(|before| {
            let share = 100.0 * curve[before];
            let title = format!("{name}: {share:.1} % after {} labels", before + 1);
            Mark::Point(((before + 1) as f64, share), look, 3.5, title)
        });
        let markers: Vec<Mark> = markers.collect();
        std::iter::once(line(&curve, look)).chain(markers)
    });
    let marks = marks.collect();
    let panel = Panel { title: "mean over data sets".into(), x, y, marks };
    let description =
        "A line for each method and query: the mean share of what could be found after each number of labels.";
    let content = match compared.sets.is_empty() {
        true => Err("there is no data set on which every line was measured.".into()),
        false => Ok(panels::draw_row(
            ("curves-picture", "Discovery curves", description),
            &[panel],
            0.45,
            &legend(compared, &order, &looks),
        )
        .0),
    };
    Figure {
        id: "curves",
        title: "Discovery curves".into(),
        content,
        caption: html! {
            p {
                "Anomalies found after each label, in percent of what could be found after as many labels; mean over seeds and data sets. The \
                 legend is in the order of the table. A curve may fall: the number that could be found grows with the labels."
            }
        },
    }
}

/// The critical-difference diagram.
fn ranks(compared: &ComparedCurves) -> Figure {
    let figure = compared.main_figure();
    let names: Vec<String> = compared.labellers.iter().map(super::Labeller::name).collect();
    let compare = || compared.ranks(figure).and(compared.comparison(figure));
    let content = compare().ok_or("ranks need ten data sets and three lines or more.".to_owned());
    let critical = critical_difference(names.len().max(2), compared.sets.len().max(2), ALPHA);
    Figure {
        id: "ranks",
        title: "Ranks, with the critical difference".into(),
        content: content.map(|comparison| ranks_picture(&comparison, &names, "data sets")),
        caption: html! {
            p {
                "Rank of each line by the share found " (figure.title()) " labels on each data set, averaged over data sets. Lines joined by \
                 a bar differ by less than the critical difference of " (format!("{critical:.2}")) " ranks: the Nemenyi test at "
                (format!("{:.0}", 100.0 * ALPHA)) " % finds no difference between them."
            }
        },
    }
}

/// The best line against the best of the others on each data set.
fn by_set(compared: &ComparedCurves) -> Figure {
    let table = compared.by_set().filter(|_| !compared.sets.is_empty());
    Figure {
        id: "losers",
        title: "Where the best line loses".into(),
        content: table.map(|table| html_table(&table, 1, title)).ok_or("there is one line only.".into()),
        caption: html! {
            p {
                "The share found " (compared.main_figure().title()) " labels by the line with the best rank, and by the best of the others on \
                 each data set, which may be another one each time; the largest losses first. The difference is in percentage points."
            }
        },
    }
}

/// The curves of each data set.
fn panels(compared: &ComparedCurves) -> Figure {
    let (mut order, looks) = (compared.order(compared.main_figure()), looks(compared));
    order.truncate(MOST_CURVES);
    let panel = |set: usize| {
        let (x, y) = axes(compared);
        let marks = order.iter().rev().map(|&place| line(&compared.set_curve(place, set), looks[place])).collect();
        Panel { title: format!("{}, {:.0} anomalies", compared.sets[set], compared.anomalies(set)), x, y, marks }
    };
    let group = PanelGroup { heading: String::new(), panels: (0..compared.sets.len()).map(panel).collect() };
    let description = "A panel for each data set, with a line for each method and query.";
    let content = match compared.sets.is_empty() {
        true => Err("there is no data set on which every line was measured.".into()),
        false => Ok(panels::draw(
            ("sets-picture", "Discovery curves of each data set", description),
            &[group],
            4,
            0.8,
            &legend(compared, &order, &looks),
        )),
    };
    Figure {
        id: "curves-of-sets",
        title: "Discovery curves of each data set".into(),
        content,
        caption: html! {
            p {
                "As above, mean over seeds."
                @if compared.labellers.len() > MOST_CURVES { " Only the first " (MOST_CURVES) " lines of the table are drawn." }
            }
        },
    }
}

/// The share of every line on every data set.
fn every_set(compared: &ComparedCurves) -> Figure {
    let figure = compared.main_figure();
    let order = compared.order(figure);
    let names: Vec<String> = order.iter().map(|&place| compared.labellers[place].name()).collect();
    let header: Vec<&str> = ["data set", "anomalies"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table: Table = markdown_table(&header, 1);
    for (set, name) in compared.sets.iter().enumerate() {
        let shares = order.iter().map(|&place| format!("{:.1}", 100.0 * compared.on_set(place, set, figure)));
        let head = [name.clone(), format!("{:.0}", compared.anomalies(set))];
        table.add_row(head.into_iter().chain(shares));
    }
    Figure {
        id: "sets",
        title: "Every data set".into(),
        content: Ok(html_table(&table, 1, title)),
        caption: html! { p { "The share found " (figure.title()) " labels, in percent, mean over seeds." } },
    }
}

/// The text of a cell: the titles of methods, and all other cells unchanged.
fn title(column: &str, cell: String) -> String {
    if column == "model" { look::model_title(&cell) } else { cell }
}

fn tail(results: &Results<LabellingRow>, origin: &ReportOrigin) -> Markup {
    let cells = |row: &LabellingRow| {
        let method = look::contestant_title(&row.model, row.strategy.name());
        [row.dataset.clone(), method, row.query.to_string(), row.seed.to_string()]
    };
    html! {
        (failed_runs(results, "query", cells, "A data set on which a run failed is left out for all lines."))
        (made_by(origin, LabellingRow::TABLE))
    }
}
