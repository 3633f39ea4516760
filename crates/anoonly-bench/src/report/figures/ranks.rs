//! Ranks of all methods on families, and AnoOnly against each host.

use anoonly_eval::{Comparison, critical_difference};
use maud::{Markup, html};

use crate::report::look::{contestant_title, model_title};
use crate::report::select::{View, mean};
use crate::summary::METRICS;
use anoonly_page::Figure;
use anoonly_page::draw;
use anoonly_page::panels::WIDTH;
use anoonly_page::scale::{Scale, ScaleKind};

/// The level of all tests.
const ALPHA: f64 = 0.05;
/// A gain of at most this, a tenth of a percentage point, is a tie.
const TIE: f64 = 0.001;

/// The critical-difference diagram.
pub fn diagram(view: &View<'_>) -> Figure {
    let contestants = view.contestants();
    let compared = compare(view, &contestants);
    let caption = match &compared {
        Err(_) => html! {},
        Ok(comparison) => {
            let (methods, families) = (comparison.methods(), comparison.sets());
            let critical = critical_difference(methods, families, ALPHA);
            let friedman = comparison.friedman();
            html! {
                p {
                    "Rank of each method under each strategy by AUROC on each family (1 is best), averaged over " (families)
                    " families. A family counts once, however many data sets it has, because related sets are not \
                     independent. Methods joined by a bar differ by less than the critical difference (CD) of "
                    (format!("{critical:.2}")) " ranks: the Nemenyi test at " (percent(ALPHA)) " finds no difference between them."
                }
                p {
                    "Friedman's test of whether all methods are equally good, in the form of Iman and Davenport: p "
                    (p_value(friedman.f_p_value)) "."
                    @if families < 10 { " The test is an approximation for ten families or more." }
                    @if critical >= (methods - 1) as f64 {
                        " " b { "On so few families this test has no power:" } " even a method that is first on every family and one that is last on \
                         every family are only " (methods - 1) " ranks apart, less than the critical difference. The bar over all \
                         methods is no finding."
                    } @else if families < 10 {
                        " On " (families) " families these tests have little power: joined methods may well differ."
                    }
                }
            }
        }
    };
    Figure {
        id: "ranks",
        title: "Ranks on families, with the critical difference".into(),
        content: compared.map(|comparison| {
            let names: Vec<String> =
                contestants.iter().map(|(model, strategy)| contestant_title(model, strategy)).collect();
            picture(&comparison, &names, "families")
        }),
        caption,
    }
}

/// AnoOnly against each host: wins and the Wilcoxon test.
pub fn pairs(view: &View<'_>) -> Figure {
    let both = ["host", "anoonly"].iter().all(|name| view.strategies.contains(name));
    let contestants: Vec<(&str, &str)> =
        view.trained.iter().flat_map(|model| [(*model, "anoonly"), (*model, "host")]).collect();
    let compared = match both {
        true => compare(view, &contestants),
        false => Err("no method was measured both under its host's loss and under AnoOnly.".into()),
    };
    let mut caption = html! {};
    let content = compared.map(|comparison| {
        let (tested, families) = (view.trained.len(), comparison.sets());
        let least = (2.0 / 2f64.powi(families as i32)).min(1.0);
        caption = html! {
            p {
                "Means of AUROC on " (families) " families, AnoOnly against its host. A gain of at most "
                (format!("{:.1}", 100.0 * TIE)) " points is a tie. The Wilcoxon signed-rank test asks whether the gains on families are \
                 centred on 0; Holm's correction accounts for the " (tested) " methods tested."
            }
            p {
                "The smallest possible p-value on " (families) " families is " (number(least)) ", and "
                (number((least * tested as f64).min(1.0))) " for the first of the " (tested) " methods after Holm's correction. "
                @if least * tested as f64 > ALPHA {
                    b { "Therefore this test cannot find a difference at " (percent(ALPHA)) ", whatever the gains are" }
                    ": its p-values are no evidence for or against AnoOnly."
                }
            }
        };
        pairs_table(view, &comparison)
    });
    Figure { id: "pairs", title: "AnoOnly against each host: wins, ties, losses".into(), content, caption }
}

fn pairs_table(view: &View<'_>, comparison: &Comparison) -> Markup {
    let pairs: Vec<(usize, usize)> = (0..view.trained.len()).map(|model| (2 * model, 2 * model + 1)).collect();
    let tests = comparison.wilcoxon(&pairs);
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "method" }
                    @for name in ["wins", "ties", "losses", "mean gain", "p, Wilcoxon", "p, Holm"] {
                        th scope="col" class="number" { (name) }
                    }
                }
            }
            tbody {
                @for (model, test) in view.trained.iter().zip(&tests) {
                    @let wins = comparison.wins(test.first, test.second, TIE);
                    @let gain = 100.0 * mean(&view.gains(&view.families, model, METRICS[0].1));
                    tr {
                        td { (model_title(model)) }
                        @for count in [wins.wins, wins.ties, wins.losses] { td class="number" { (count) } }
                        td class="number" { (format!("{gain:+.1}")) }
                        td class="number" { (number(test.test.p_value)) }
                        td class="number" { (number(test.adjusted_p_value)) }
                    }
                }
            }
        }
    }
}

/// The mean AUROC by family and contestant, over the data sets on which no run of any contestant failed.
fn compare(view: &View<'_>, contestants: &[(&str, &str)]) -> Result<Comparison, String> {
    let of_family = |family: &&str| -> Option<Vec<f64>> {
        let common = view.common_sets(family, contestants);
        let value = |(model, strategy): &(&str, &str)| {
            let values = view.nested_on(&common, &[*family], model, strategy, METRICS[0].1);
            (!values.is_empty()).then(|| mean(&values))
        };
        contestants.iter().map(value).collect()
    };
    let values: Vec<Vec<f64>> = view.families.iter().filter_map(of_family).collect();
    match (values.len(), contestants.len()) {
        (0 | 1, _) => Err("ranks over families need two families or more on which every method was measured.".into()),
        (_, 0 | 1) => Err("there is one method only.".into()),
        _ => Comparison::new(values).map_err(|error| error.to_string()),
    }
}

/// The critical-difference diagram of methods with these names, ranked on what is named `on`.
pub(crate) fn picture(comparison: &Comparison, contestants: &[String], on: &str) -> Markup {
    const SIDE: f64 = 250.0;
    const STEP: f64 = 19.0;
    let (ranks, count) = (comparison.average_ranks(), contestants.len());
    let x = Scale::new(ScaleKind::Linear, (1.0, count as f64), (SIDE, WIDTH - SIDE));
    let critical = critical_difference(count, comparison.sets(), ALPHA);
    let groups = comparison.groups(ALPHA);
    let axis = 62.0;
    let mut marks = vec![draw::line((x.at(1.0), axis), (x.at(count as f64), axis), "rule")];
    for (value, label) in x.ticks(count.min(12)) {
        marks.push(draw::line((x.at(value), axis), (x.at(value), axis - 6.0), "rule"));
        marks.push(draw::text((x.at(value), axis - 10.0), "tick middle", &label));
    }
    // The critical difference, cut to the length of the axis.
    let end = (1.0 + critical).min(count as f64);
    let label = if end < 1.0 + critical {
        format!("CD {critical:.2}, longer than the axis")
    } else {
        format!("CD {critical:.2}")
    };
    marks.push(draw::path(&[(x.at(1.0), 24.0), (x.at(1.0), 18.0), (x.at(end), 18.0), (x.at(end), 24.0)], "rule"));
    marks.push(draw::text(((x.at(1.0) + x.at(end)) / 2.0, 12.0), "label middle", &label));
    let bars = axis + 12.0;
    for (place, group) in groups.iter().enumerate() {
        let y = bars + 8.0 * place as f64;
        let [from, to] = [group[0], group[group.len() - 1]].map(|method| x.at(ranks[method]));
        marks.push(draw::line((from - 5.0, y), (to + 5.0, y), "bar"));
    }
    let names = bars + 8.0 * groups.len() as f64 + 14.0;
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| ranks[a].total_cmp(&ranks[b]));
    let left = count.div_ceil(2);
    for (place, &method) in order.iter().enumerate() {
        let at = x.at(ranks[method]);
        let name = format!("{} {:.2}", draw::fitted(&contestants[method], SIDE - 60.0), ranks[method]);
        // The better half is listed on the left from the top, the other half on the right from the bottom, so that no lines cross.
        let (y, side, text, class) = match place < left {
            true => (names + STEP * place as f64, SIDE - 14.0, SIDE - 18.0, "label end"),
            false => (names + STEP * (count - 1 - place) as f64, WIDTH - SIDE + 14.0, WIDTH - SIDE + 18.0, "label"),
        };
        marks.push(draw::path(&[(at, axis), (at, y), (side, y)], "pointer"));
        marks.push(draw::text((text, y + 4.0), class, &name));
    }
    let title = format!("Critical-difference diagram of average ranks on {on}");
    let listed: Vec<String> = order.iter().map(|&m| format!("{} {:.2}", contestants[m], ranks[m])).collect();
    let description = format!("Average ranks, best first: {}.", listed.join("; "));
    draw::svg("ranks-picture", &title, &description, (WIDTH, names + STEP * left as f64), &marks)
}

fn number(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

fn p_value(p: f64) -> String {
    if p < 0.001 { number(p) } else { format!("= {}", number(p)) }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
