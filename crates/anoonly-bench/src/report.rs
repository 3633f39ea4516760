//! The report: one self-contained HTML file with figures as inline SVG.
//!
//! [`write()`] makes it from results alone, so a folder of results can be reported at any time. `select` picks the data of a figure
//! from the results, each file of `figures` makes one kind of figure, and `look` defines how methods and strategies are named and
//! drawn. The crate `anoonly-page` draws the figures and the page. The same results give the same bytes.

mod figures;
pub(crate) mod look;
mod select;
mod tsne;

use std::collections::BTreeSet;
use std::path::Path;

use anoonly_core::protocol::Protocol;
use anoonly_models::AnyMethod;
use anoonly_page::{Figure, figures_page, write_page};
use maud::{Markup, html};

use crate::summary::{self, Setting};
use crate::{BenchError, OutsiderMethod, Results, Row, RunRecord};
use figures::{curves, gain, layer, ranks, sweep, table, time, training};
use select::View;

pub use figures::picture::write as write_picture;
pub(crate) use figures::ranks::picture as ranks_picture;

/// The origin of the results, for the end of a report.
#[derive(Clone, Debug, Default)]
pub struct ReportOrigin {
    /// The command that made the results; empty if unknown.
    pub command: String,
    /// The methods with their settings; empty if the results were merged from several folders.
    pub methods: Vec<AnyMethod>,
    /// The methods of other programs with their settings.
    pub outsiders: Vec<OutsiderMethod>,
}

/// The largest number of failed runs that are listed.
const LISTED: usize = 50;

/// Writes the report of results. The file appears under its name only when it is complete.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, results: &Results, origin: &ReportOrigin) -> Result<(), BenchError> {
    Ok(write_page(path, &html(results, origin))?)
}

/// The report as text.
fn html(results: &Results, origin: &ReportOrigin) -> String {
    let settings = summary::by_setting(results);
    let Some((setting, first)) = settings.first() else {
        return figures_page(
            "anoonly bench",
            &html! { h1 { "No results" } p { "There are no runs to report." } },
            &[],
            &html! {},
        );
    };
    let view = View::of(first);
    let mut figures: Vec<Figure> = vec![table::comparison(&view)];
    figures.extend(table::strategies(&view));
    figures.push(gain::figure(&view));
    figures.extend(table::settings(&settings));
    figures.extend(sweep::figures(&settings));
    figures.extend([ranks::diagram(&view), ranks::pairs(&view)]);
    figures.extend([curves::roc(&view), curves::precision_recall(&view)]);
    figures.extend([layer::figure(&view), training::figure(&view), time::figure(&view)]);
    figures_page(
        "Does AnoOnly help?",
        &head(results, &view, *setting, settings.len()),
        &figures,
        &tail(results, origin),
    )
}

fn head(results: &Results, view: &View<'_>, setting: Setting, settings: usize) -> Markup {
    let rows = &results.rows;
    let seeds: BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
    let sets: BTreeSet<&str> = rows.iter().map(|row| row.dataset.as_str()).collect();
    let (protocol, backend) = (rows[0].protocol, rows[0].backend);
    let list = |names: Vec<String>| names.join(", ");
    let titles = |names: &[&str]| names.iter().map(|name| look::model_title(name)).collect::<Vec<_>>();
    let (baselines, others): (Vec<&str>, Vec<&str>) =
        view.without_strategy.iter().copied().partition(|name| look::is_baseline(name));
    let verdicts = summary::verdicts(view.results);
    html! {
        h1 { "Does AnoOnly help?" }
        p class="lead" {
            "AnoOnly trains a method with the loss of its few labelled anomalies alone; the host is the same method with its whole \
             loss. This page compares them on " (counted(sets.len(), "data set", "data sets")) " of "
            (counted(view.families.len(), "family", "families")) "."
        }
        @if !verdicts.is_empty() {
            ul { @for (model, verdict) in &verdicts { li { b { (look::model_title(model)) } ": " (verdict) } } }
            p { "“Above” and “below” mean that Student's interval over seeds excludes 0. They say what other seeds would give on these data sets." }
        }
        dl {
            dt { "protocol" }
            dd { (protocol) ": " (describe_protocol(protocol)) }
            dt { "labels" }
            dd {
                (summary::labels(setting.budget))
                @let measured = summary::sets(view.results);
                @if measured < sets.len() { ", on the " (counted(measured, "data set", "data sets")) " that have as many" }
            }
            dt { "noise" } dd { (setting.noise) }
            @if let Some(kind) = setting.synthetic {
                dt { "synthetic anomalies" }
                dd { (kind) ": all rows are generated from the normal rows of the data sets" }
            }
            @if settings > 1 {
                dt { "settings" }
                dd {
                    (settings) " in all. Figures that are not about a sweep show the first one, described above."
                }
            }
            dt { "methods" } dd { (list(titles(&view.trained))) }
            @if !baselines.is_empty() {
                dt { "baselines" } dd { (list(titles(&baselines))) }
            }
            @if !others.is_empty() {
                dt { "other methods without a strategy" } dd { (list(titles(&others))) }
            }
            dt { "seeds" } dd { (list(seeds.iter().map(u64::to_string).collect())) }
            dt { "runs" } dd { (rows.len()) ", " @if results.failed() == 0 { "none failed" } @else { a href="#failed" { (results.failed()) " failed" } } }
            dt { "backend" } dd { (backend) }
            dt { "program" } dd { "anoonly " (env!("CARGO_PKG_VERSION")) " on " (std::env::consts::OS) " " (std::env::consts::ARCH) }
        }
        h2 { "What these numbers are, and are not" }
        ul {
            li { "AUROC is the probability that a random anomaly scores above a random normal row. Average precision (AP) depends on the \
                  highest scores and falls with the share of anomalies, so compare it on one data set only. Both are measured on test \
                  rows that no fit has seen" @if protocol == Protocol::Adbench { ", as far as the protocol keeps them apart" } "." }
            li { "Nothing was chosen by test labels: every method runs with the same settings on every data set. Settings tuned for a \
                  data set might give better results." }
            @if !baselines.is_empty() {
                li { "A baseline is a simple rule without training. A trained method must beat it to be worth its cost." }
            }
            li { "Each interval states what varies. Over seeds: other splits, labels and weights on the same data sets. Over sets or \
                  families: other data sets like these. Generalise by the second kind; with few families it is imprecise." }
            li { "Data sets of one family are variants of one source. Every test counts them as one." }
            @if protocol == Protocol::Adbench {
                li { b { "Protocol adbench draws small sets with replacement before the split" } ", so copies of a row are in both parts. Its \
                     results are comparable with the paper, and too optimistic for new rows." }
            }
        }
    }
}

fn describe_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Clean => "no row is in both the training and the test part, and copies of a row stay together",
        Protocol::Adbench => "small sets are resampled to 1000 rows before the split, as in the paper",
    }
}

pub(crate) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn tail(results: &Results, origin: &ReportOrigin) -> Markup {
    let cells = |row: &Row| {
        let method = look::contestant_title(&row.model, row.strategy.name());
        let setting = summary::labels(row.budget) + &summary::setting(row).besides_labels();
        [row.dataset.clone(), method, setting, row.seed.to_string()]
    };
    let consequence = "A data set on which a run of a method failed is left out of that method's means.";
    html! {
        (failed_runs(results, "setting", cells, consequence))
        section id="sets" {
            h2 { "Data sets" }
            div class="scroll" { (sets(results)) }
        }
        (made_by(origin, Row::TABLE))
    }
}

/// The runs that failed, if any. `cells` gives a run's data set, method, value of the column `what`, and seed.
pub(crate) fn failed_runs<R: RunRecord>(
    results: &Results<R>,
    what: &str,
    cells: impl Fn(&R) -> [String; 4],
    consequence: &str,
) -> Markup {
    let failed: Vec<(&R, &str)> = results.rows.iter().filter_map(|row| Some((row, row.failure()?))).collect();
    html! {
        @if !failed.is_empty() {
            section id="failed" {
                h2 { (counted(failed.len(), "run", "runs")) " failed" }
                div class="scroll" {
                    table {
                        thead { tr { @for name in ["data set", "method", what, "seed", "message"] { th scope="col" { (name) } } } }
                        tbody {
                            @for (row, message) in failed.iter().take(LISTED) {
                                tr { @for cell in cells(row) { td { (cell) } } td { (message) } }
                            }
                        }
                    }
                }
                p {
                    (consequence)
                    @if failed.len() > LISTED { " The first " (LISTED) " are listed; " (R::TABLE) " has all." }
                }
            }
        }
    }
}

/// The end of a report: the command and the settings of the methods. `table` is the file that has every run.
pub(crate) fn made_by(origin: &ReportOrigin, table: &str) -> Markup {
    html! {
        section id="made-by" {
            h2 { "How the results were made" }
            @if !origin.command.is_empty() { pre { (origin.command) } }
            @if origin.methods.is_empty() {
                p { "These results were joined from several folders. The settings of the methods are part of the benches that measured them." }
            } @else {
                p { "Settings of the methods, with the keys of a plan or a configuration file:" }
                pre { @for method in &origin.methods { (settings_of(method)) "\n" } }
                @if !origin.outsiders.is_empty() {
                    p { "Methods of other programs, with their settings as these programs describe them:" }
                    pre { @for method in &origin.outsiders { (method.name) ": " (method.settings) "\n" } }
                }
            }
            p { "Every run is a row of " (table) " in the folder of results." }
        }
    }
}

/// The settings of a method in one line, with its name.
fn settings_of(method: &AnyMethod) -> String {
    serde_json::to_string(method).unwrap_or_default()
}

/// The sizes of each data set in the first setting.
fn sets(results: &Results) -> Markup {
    let mut seen = BTreeSet::new();
    let measured = results.rows.iter().filter(|row| row.n_train > 0);
    let rows: Vec<&Row> = measured.filter(|row| seen.insert(&row.dataset)).collect();
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "data set" } th scope="col" { "family" }
                    @for name in ["features", "training rows", "labelled training rows", "test rows"] { th scope="col" class="number" { (name) } }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        td { (row.dataset) } td { (row.family) }
                        @for size in [row.n_features, row.n_train, row.n_labeled, row.n_test] { td class="number" { (size) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;
    use crate::{Scores, Strategy};

    fn row(dataset: &str, strategy: fn() -> Strategy, seed: u64, auroc: f64) -> Row {
        let scores = Scores { auroc, ap: auroc / 2.0, ap_normal: auroc, fit_seconds: 1.0, score_seconds: 0.5 };
        Row {
            dataset: dataset.into(),
            family: dataset.into(),
            strategy: strategy(),
            seed,
            status: Status::Ok(scores),
            ..Row::made()
        }
    }

    fn page(rows: Vec<Row>) -> String {
        html(&Results { rows }, &ReportOrigin::default())
    }

    fn both(dataset: &str, seed: u64, host: f64, anoonly: f64) -> [Row; 2] {
        [row(dataset, Strategy::host, seed, host), row(dataset, Strategy::anoonly, seed, anoonly)]
    }

    #[test]
    fn a_figure_that_cannot_be_drawn_gives_the_reason() {
        let one = page(both("a", 1, 0.6, 0.7).into());
        for (id, why) in [
            ("ranks", "two families or more"),
            ("pairs", "two families or more"),
            ("roc", "no curves were kept"),
            ("layer", "no representations were kept"),
            ("training", "no training was kept"),
        ] {
            let section =
                one.split(&format!("<section id=\"{id}\"")).nth(1).unwrap().split("</section>").next().unwrap();
            assert!(section.contains(why), "{id}: {section}");
        }
        assert!(one.contains("<figure id=\"gain\"") && one.contains("+10.0"));
        let host = page(vec![row("a", Strategy::host, 1, 0.6)]);
        assert!(host.contains("no method was measured both under"));
        assert!(page(Vec::new()).contains("There are no runs to report"));
    }

    #[test]
    fn failed_runs_are_listed_with_their_escaped_message() {
        let mut rows: Vec<Row> = both("a", 1, 0.6, 0.7).into();
        let status = Status::Failed("<img src=x> & worse".into());
        rows.push(Row { status, ..row("b", Strategy::host, 1, 0.5) });
        let page = page(rows);
        assert!(page.contains("1 run failed") && page.contains("<a href=\"#failed\">1 failed</a>"));
        assert!(page.contains("&lt;img src=x&gt; &amp; worse") && !page.contains("<img"));
    }

    /// The smallest p-value of two families is ½, also after Holm's correction for one method.
    #[test]
    fn a_test_without_power_is_reported_as_such() {
        let rows = [both("a", 1, 0.6, 0.7), both("b", 1, 0.6, 0.8)].concat();
        let few = page(rows.clone());
        assert!(few.contains("this test cannot find a difference at 5 %") && few.contains("is 0.500, and 0.500"));
        let names = ["c", "d", "e", "f", "g", "h"];
        let more = page([rows, names.iter().flat_map(|name| both(name, 1, 0.6, 0.8)).collect()].concat());
        assert!(!more.contains("cannot find a difference"));
    }

    #[test]
    fn a_family_counts_once_however_many_sets_it_has() {
        let related = ["a", "b", "c"]
            .iter()
            .flat_map(|set| both(set, 1, 0.6, 0.7).map(|row| Row { family: "one".into(), ..row }));
        let page = page(related.chain(both("d", 1, 0.7, 0.6)).collect());
        assert!(page.contains("Means of AUROC on 2 families"), "three related sets count as three");
    }
}
