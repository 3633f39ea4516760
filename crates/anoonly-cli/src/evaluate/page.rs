//! The page of `anoonly evaluate --report`.

use std::path::Path;

use anoonly::data::table::Table;
use anoonly::pipeline::{AtThreshold, Evaluation, LabelledScores, Model, PipelineError};
use anoonly_page::{figures_page, score_curves, score_histogram, write_page};
use maud::{Markup, html};

use super::{TRAINED_ON, percent};
use crate::error::CommandError;

/// What the page is about.
pub struct Subject<'a> {
    pub model_file: &'a Path,
    pub model: &'a Model,
    pub table: &'a Table,
    pub scored: &'a LabelledScores,
}

/// The number of rows in each list of mistakes.
const LISTED: usize = 10;

/// Writes the page, complete or not at all.
pub fn write(path: &Path, subject: &Subject<'_>, evaluation: &Evaluation) -> Result<(), CommandError> {
    let LabelledScores { scores, anomalous, .. } = subject.scored;
    let threshold = subject.model.threshold().and_then(|threshold| threshold.score);
    let curves = score_curves(scores, anomalous, threshold).map_err(PipelineError::from)?;
    let figures = [curves, score_histogram(scores, anomalous, threshold)];
    let tail = html! { (flags(subject, evaluation)) (mistakes(subject)?) };
    let page = figures_page("Evaluation of the model", &head(subject, evaluation), &figures, &tail);
    Ok(write_page(path, &page)?)
}

fn head(subject: &Subject<'_>, evaluation: &Evaluation) -> Markup {
    let provenance = subject.model.provenance();
    let share = evaluation.anomalies as f64 / evaluation.rows as f64;
    html! {
        h1 { "Evaluation of the model" }
        p class="lead" {
            "The model ranked " (evaluation.rows) " labelled rows, " (evaluation.anomalies) " of them anomalies. These results hold \
             for rows like these, and only if the model was not trained on them."
        }
        @if evaluation.trained_on { p class="lead" { strong { "Warning: " (TRAINED_ON) "." } } }
        dl {
            dt { "model" } dd { (subject.model_file.display()) }
            dt { "trained on" } dd { (provenance.table) ", " (provenance.counts.anomalies) " labelled anomalies among " (provenance.counts.rows) " rows" }
            dt { "evaluated on" } dd { (subject.table.path().display()) }
            @if subject.table.rows() > evaluation.rows {
                dt { "ignored" } dd { (subject.table.rows() - evaluation.rows) " unlabelled rows" }
            }
            dt { "program" } dd { "anoonly " (env!("CARGO_PKG_VERSION")) }
        }
        table {
            thead { tr { th scope="col" { "metric" } th scope="col" { "value with 95 % interval" } th scope="col" { "random guessing" } } }
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
            "AUROC is the probability that an anomaly scores above a normal row. Average precision depends mostly on the highest \
             scores, and decreases with the share of anomalies. The intervals are bootstrap intervals over the rows: they describe \
             other rows like these, scored by the same model. The threshold with the best F1 was chosen on these same rows, so a \
             threshold chosen beforehand has a lower F1."
        }
    }
}

/// The confusion matrix at the threshold.
fn flags(subject: &Subject<'_>, evaluation: &Evaluation) -> Markup {
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
            p { "The intervals of shares are 95 % Wilson intervals." }
        }
    };
    html! {
        section id="threshold" {
            h2 { "At the threshold of the model" }
            @match (subject.model.threshold(), &evaluation.at_threshold) {
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
                _ => p { "The model has no threshold. The command anoonly threshold sets one." },
            }
        }
    }
}

/// The normal rows with the highest scores and the anomalies with the lowest.
fn mistakes(subject: &Subject<'_>) -> Result<Markup, CommandError> {
    let LabelledScores { rows, scores, anomalous, .. } = subject.scored;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let highest: Vec<usize> = order.iter().copied().filter(|&place| !anomalous[place]).take(LISTED).collect();
    let lowest: Vec<usize> = order.iter().rev().copied().filter(|&place| anomalous[place]).take(LISTED).collect();
    let names = subject.model.ids();
    let shown: Vec<String> =
        names.iter().filter(|name| subject.table.columns().contains(&name.as_str())).cloned().collect();
    let ids = subject.table.select(&shown)?;
    let numbers = subject.table.row_numbers();
    let list = |title: &str, places: &[usize]| {
        html! {
            h3 { (title) }
            table {
                thead {
                    tr {
                        @for name in &shown { th scope="col" { (name) } }
                        th scope="col" class="number" { "row" }
                        th scope="col" class="number" { "score" }
                        th scope="col" class="number" { "rank" }
                    }
                }
                tbody {
                    @for &place in places {
                        tr {
                            @if !shown.is_empty() { @for text in ids.row_text(rows[place]) { td { (text) } } }
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
            h2 { "The largest mistakes" }
            div class="scroll" {
                (list("Normal rows with the highest scores", &highest))
                (list("Anomalies with the lowest scores", &lowest))
            }
            p { "Ranks count the labelled rows only. The command anoonly explain shows how much each column contributes to a score." }
        }
    })
}
