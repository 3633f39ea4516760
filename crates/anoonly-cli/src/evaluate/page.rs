//! The page of `anoonly evaluate --report`.

use std::path::Path;

use anoonly::data::table::Table;
use anoonly::pipeline::{AtThreshold, Evaluation, Judged, Model};
use anoonly_page::{figures_page, score_curves, score_histogram, write_page};
use maud::{Markup, html};

use super::percent;
use crate::error::CommandError;

/// What the page tells of.
pub struct Told<'a> {
    pub model_file: &'a Path,
    pub model: &'a Model,
    pub table: &'a Table,
    pub judged: &'a Judged,
}

/// Rows that are listed on either side.
const LISTED: usize = 10;

/// Writes the page, complete or not at all.
pub fn write(path: &Path, told: &Told<'_>, evaluation: &Evaluation) -> Result<(), CommandError> {
    let Judged { scores, anomalous, .. } = told.judged;
    let threshold = told.model.threshold().and_then(|threshold| threshold.score);
    let figures = [score_curves(scores, anomalous, threshold)?, score_histogram(scores, anomalous, threshold)];
    let tail = html! { (flags(told, evaluation)) (mistakes(told)?) };
    let page = figures_page("What the model is worth", &head(told, evaluation), &figures, &tail);
    write_page(path, &page).map_err(CommandError::Page)
}

fn head(told: &Told<'_>, evaluation: &Evaluation) -> Markup {
    let about = told.model.about();
    let share = evaluation.anomalies as f64 / evaluation.rows as f64;
    html! {
        h1 { "What the model is worth" }
        p class="lead" {
            "The model ranked " (evaluation.rows) " rows whose truth is known, " (evaluation.anomalies) " of them anomalies. What it \
             says holds for rows like these, and only if the model was not trained on them."
        }
        dl {
            dt { "model" } dd { (told.model_file.display()) }
            dt { "trained on" } dd { (about.table) ", " (about.counts.anomalies) " labelled anomalies among " (about.counts.rows) " rows" }
            dt { "judged by" } dd { (told.table.path().display()) }
            @if told.table.rows() > evaluation.rows {
                dt { "left aside" } dd { (told.table.rows() - evaluation.rows) " rows without a label" }
            }
            dt { "program" } dd { "anoonly " (env!("CARGO_PKG_VERSION")) }
        }
        table {
            thead { tr { th scope="col" { "figure" } th scope="col" { "value, and its 95 % interval" } th scope="col" { "guessing" } } }
            tbody {
                tr { td { "AUROC" } td { (percent(evaluation.auroc)) } td { "50.0 %" } }
                tr { td { "average precision" } td { (percent(evaluation.average_precision)) } td { (format!("{:.1} %", 100.0 * share)) } }
                tr {
                    td { "precision among the " (evaluation.anomalies) " highest scores" }
                    td { (format!("{:.1} %", 100.0 * evaluation.precision_at_anomalies)) } td { (format!("{:.1} %", 100.0 * share)) }
                }
                tr { td { "best F1 of any threshold" } td { (format!("{:.1} %", 100.0 * evaluation.best_f1)) } td {} }
            }
        }
        p {
            "AUROC is the probability that an anomaly scores above a normal row. Average precision looks at the highest scores, and \
             falls with the share of anomalies. Their intervals are bootstraps over the rows: other rows like these, the model as it is. \
             The best F1 was looked for on these very rows, so that a threshold chosen beforehand has less."
        }
    }
}

/// What the threshold makes of the rows.
fn flags(told: &Told<'_>, evaluation: &Evaluation) -> Markup {
    let table = |at: &AtThreshold| {
        let normal = evaluation.rows - evaluation.anomalies;
        let (missed, alarms) = (evaluation.anomalies - at.flagged_anomalies, at.flagged - at.flagged_anomalies);
        html! {
            table {
                thead { tr { th scope="col" {} th scope="col" class="number" { "flagged" } th scope="col" class="number" { "not flagged" } th scope="col" class="number" { "all" } } }
                tbody {
                    tr { td { "anomalies" } td class="number" { (at.flagged_anomalies) } td class="number" { (missed) } td class="number" { (evaluation.anomalies) } }
                    tr { td { "normal rows" } td class="number" { (alarms) } td class="number" { (normal - alarms) } td class="number" { (normal) } }
                    tr class="overall" { td { "all" } td class="number" { (at.flagged) } td class="number" { (evaluation.rows - at.flagged) } td class="number" { (evaluation.rows) } }
                }
            }
            dl {
                dt { "normal rows that are flagged" } dd { (percent(at.false_positive_rate)) }
                dt { "anomalies that are flagged (recall)" } dd { (percent(at.recall)) }
                dt { "flagged rows that are anomalies (precision)" }
                dd { @match at.precision { Some(precision) => (percent(precision)), None => "no row is flagged" } }
            }
            p { "Intervals of shares are Wilson's, of 95 %." }
        }
    };
    html! {
        section id="threshold" {
            h2 { "At the threshold of the model" }
            @match (told.model.threshold(), &evaluation.at_threshold) {
                (Some(threshold), Some(at)) => {
                    p {
                        @match threshold.score {
                            Some(score) => { "Rows that score at least " (score) " are flagged: " },
                            None => "Rows are flagged table by table: ",
                        }
                        (threshold.promise()) "."
                    }
                    (table(at))
                },
                _ => p { "The model has no threshold: anoonly threshold sets one." },
            }
        }
    }
}

/// The rows that the model is most wrong about.
fn mistakes(told: &Told<'_>) -> Result<Markup, CommandError> {
    let Judged { rows, scores, anomalous, .. } = told.judged;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let highest: Vec<usize> = order.iter().copied().filter(|&place| !anomalous[place]).take(LISTED).collect();
    let lowest: Vec<usize> = order.iter().rev().copied().filter(|&place| anomalous[place]).take(LISTED).collect();
    let names = told.model.ids();
    let there: Vec<String> =
        names.iter().filter(|name| told.table.columns().contains(&name.as_str())).cloned().collect();
    let ids = told.table.select(&there)?;
    let numbers = told.table.row_numbers();
    let list = |title: &str, places: &[usize]| {
        html! {
            h3 { (title) }
            table {
                thead {
                    tr {
                        @for name in &there { th scope="col" { (name) } }
                        th scope="col" class="number" { "row" }
                        th scope="col" class="number" { "score" }
                        th scope="col" class="number" { "rank" }
                    }
                }
                tbody {
                    @for &place in places {
                        tr {
                            @if !there.is_empty() { @for text in ids.row_text(rows[place]) { td { (text) } } }
                            td class="number" { (numbers[rows[place]]) }
                            td class="number" { (format!("{:.2}", scores[place])) }
                            td class="number" { (1 + scores.iter().filter(|&&score| score > scores[place]).count()) }
                        }
                    }
                }
            }
        }
    };
    Ok(html! {
        section id="mistakes" {
            h2 { "What the model is most wrong about" }
            div class="scroll" {
                (list("Normal rows with the highest scores", &highest))
                (list("Anomalies with the lowest scores", &lowest))
            }
            p { "Ranks are among the labelled rows. anoonly explain tells which columns make a score." }
        }
    })
}
