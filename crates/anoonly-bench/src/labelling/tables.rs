//! Tables of discovery curves.

use anoonly_page::markdown_table;
use comfy_table::Table;
use serde::Serialize;

use super::compared::{ComparedCurves, CurveFigure};
use crate::summary::{Ranks, dash, percent_and_half_width, short_seconds};

/// A line of the table as data, for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are described in docs/labelling-bench.md")]
pub struct LabellerMeans {
    pub model: String,
    pub strategy: String,
    pub query: String,
    pub peer: bool,
    pub sets: usize,
    pub seeds: usize,
    pub figures: Vec<FigureMean>,
    pub refit_seconds: Option<f64>,
}

/// One figure of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are described in docs/labelling-bench.md")]
pub struct FigureMean {
    /// `at 20` or `area`.
    pub figure: String,
    pub mean: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub rank: Option<f64>,
    pub p_value: Option<f64>,
}

impl ComparedCurves {
    /// The figures of every labeller, the best first.
    pub fn means(&self) -> Vec<LabellerMeans> {
        let figures: Vec<(CurveFigure, Option<Ranks>)> =
            self.figures().into_iter().map(|figure| (figure, self.ranks(figure))).collect();
        let line = |place: usize| {
            let labeller = &self.labellers[place];
            let of = |(figure, ranks): &(CurveFigure, Option<Ranks>)| {
                let interval = self.overall(place, *figure)?;
                let finite = |value: f64| value.is_finite().then_some(value);
                Some(FigureMean {
                    figure: figure.title(),
                    mean: interval.estimate,
                    low: finite(interval.low),
                    high: finite(interval.high),
                    rank: ranks.as_ref().map(|ranks| ranks.average[place]),
                    p_value: ranks.as_ref().and_then(|ranks| ranks.p_values[place]),
                })
            };
            LabellerMeans {
                model: labeller.model.clone(),
                strategy: labeller.strategy.clone(),
                query: labeller.query.clone(),
                peer: labeller.peer,
                sets: self.sets.len(),
                seeds: self.seeds.len(),
                figures: figures.iter().filter_map(of).collect(),
                refit_seconds: self.refit_seconds(place),
            }
        };
        self.order(self.main_figure()).into_iter().map(line).collect()
    }

    /// A Markdown table with a line for each labeller, the best first: the share of what could be found at 20, 50 and 100 labels and the
    /// area under the discovery curve, in percent, the average rank in each over data sets, and the seconds of a fit.
    ///
    /// The p-value beside a rank is that of the Wilcoxon signed-rank test over data sets between the line with the best average rank and
    /// this line, with Holm's correction for all lines.
    pub fn table(&self) -> Table {
        let figures = self.figures();
        let ranks: Vec<Option<Ranks>> = figures.iter().map(|&figure| self.ranks(figure)).collect();
        let with_strategy = self.labellers.iter().any(|labeller| labeller.strategy != "none");
        let mut header = vec!["model".to_owned()];
        header.extend(with_strategy.then(|| "strategy".to_owned()));
        header.push("query".into());
        let names = header.len();
        header.extend(figures.iter().map(|figure| figure.title()));
        for (figure, _) in figures.iter().zip(&ranks).filter(|(_, ranks)| ranks.is_some()) {
            header.extend([format!("rank {}", figure.title()), "p".into()]);
        }
        header.push("seconds a refit".into());
        let mut table = markdown_table(&header.iter().map(String::as_str).collect::<Vec<_>>(), names);
        for place in self.order(self.main_figure()) {
            let labeller = &self.labellers[place];
            let mut cells = vec![labeller.title()];
            cells.extend(with_strategy.then(|| labeller.strategy.clone()));
            cells.push(labeller.query.clone());
            let mean = |figure| self.overall(place, figure);
            cells.extend(
                figures
                    .iter()
                    .map(|&figure| mean(figure).map_or_else(dash, |interval| percent_and_half_width(interval, false))),
            );
            cells.extend(ranks.iter().flatten().flat_map(|ranks| ranks.cells(Some(place))));
            cells.push(self.refit_seconds(place).map_or_else(dash, short_seconds));
            table.add_row(cells);
        }
        table
    }

    /// A critical-difference diagram of average ranks; `None` without ranks.
    pub fn diagram(&self) -> Option<String> {
        let names: Vec<String> = self.labellers.iter().map(super::Labeller::name).collect();
        let figure = self.main_figure();
        Some(self.ranks(figure)?.diagram(&names, &format!("the share found {}", figure.title())))
    }

    /// A Markdown table with a line for each data set, those where the best labeller loses most first: its share, that of the best other
    /// labeller, and the difference in percentage points. `None` for a single labeller.
    pub fn by_set(&self) -> Option<Table> {
        let figure = self.main_figure();
        let order = self.order(figure);
        let (&best, others) = order.split_first()?;
        let mut lines: Vec<(f64, [String; 6])> = Vec::new();
        for (set, name) in self.sets.iter().enumerate() {
            let share = |labeller: usize| self.on_set(labeller, set, figure);
            // The first of several equal ones, in the order of ranks.
            let other = others.iter().copied().reduce(|a, b| if share(b) > share(a) { b } else { a })?;
            let percent = |share: f64| format!("{:.1}", 100.0 * share);
            let difference = share(best) - share(other);
            let cells = [
                name.clone(),
                format!("{:.0}", self.anomalies(set)),
                percent(share(best)),
                percent(share(other)),
                format!("{:+.1}", 100.0 * difference),
                self.labellers[other].name(),
            ];
            lines.push((difference, cells));
        }
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        let best = self.labellers[best].name();
        let mut table = markdown_table(&["data set", "anomalies", &best, "best other", "difference", "which"], 1);
        lines.into_iter().for_each(|(_, cells)| {
            table.add_row(cells);
        });
        Some(table)
    }
}
