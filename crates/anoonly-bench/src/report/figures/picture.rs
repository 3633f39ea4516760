//! A sweep as one picture, for a page or a paper: all methods share a panel for AUROC and one for average precision.

use std::collections::BTreeSet;
use std::path::Path;

use anoonly_eval::{Interval, mean_interval};
use anoonly_page::panels::{self, Axis, Mark, Panel, WIDTH};
use anoonly_page::scale::span;
use anoonly_page::{Look, picture_file, write_page};

use super::sweep::{Sweep, SweepAxis, clipped, sweeps};
use crate::report::look::{contestant_look, contestant_title};
use crate::report::select::View;
use crate::summary::{LEVEL, METRICS, Metric, by_seed, by_setting, complete_rows};
use crate::{BenchError, Results, Row};

/// Writes the first sweep of the results as an SVG file: that of label budgets, or that of noise levels. The file appears under its name
/// only when it is complete.
///
/// Each level shows the data sets on which every method of that level was measured; the axis says how many. Bands are Student's intervals
/// over seeds.
///
/// # Errors
/// When the results have no sweep, or the file cannot be written.
pub fn write(path: &Path, results: &Results) -> Result<(), BenchError> {
    let settings = by_setting(results);
    let sweep = sweeps(&settings).into_iter().next().ok_or(BenchError::NoSweep)?;
    Ok(write_page(path, &picture(&View::of(results).contestants(), &sweep))?)
}

/// The results of a level, on the data sets that its methods have in common.
struct LevelMeans<'a> {
    /// The position on the axis.
    at: f64,
    name: String,
    view: View<'a>,
    sets: BTreeSet<&'a str>,
}

impl<'a> LevelMeans<'a> {
    fn new(at: f64, level: f64, results: &'a Results) -> Self {
        let view = View::of(results);
        let contestants = view.contestants();
        let sets = view.families.iter().flat_map(|family| view.common_sets(family, &contestants)).collect();
        let name = if level == 0.0 { "none".into() } else { level.to_string() };
        Self { at, name, view, sets }
    }

    /// The mean over families of the mean over sets, in percent, with its interval over seeds.
    fn mean(&self, (model, strategy): (&str, &str), metric: Metric) -> Option<Interval> {
        let rows = complete_rows(self.view.results, &self.view.families, model);
        let rows: Vec<&Row> = rows.into_iter().filter(|row| self.sets.contains(row.dataset.as_str())).collect();
        let values: Vec<f64> = by_seed(&rows, &[strategy], metric).into_values().map(|value| 100.0 * value).collect();
        mean_interval(&values, LEVEL)
    }
}

fn picture(contestants: &[(&str, &str)], sweep: &Sweep<'_>) -> String {
    let axis = SweepAxis::of(sweep.levels.iter().map(|(level, _)| *level));
    let levels: Vec<LevelMeans<'_>> =
        sweep.levels.iter().map(|(level, results)| LevelMeans::new(axis.at(*level), *level, results)).collect();
    let looks: Vec<Look> = (0..contestants.len()).map(contestant_look).collect();
    let x = Axis {
        label: format!("{} ({})", sweep.axis, sets_of(&levels)),
        kind: axis.kind,
        domain: (levels[0].at, levels[levels.len() - 1].at),
        ticks: Some(levels.iter().map(|level| (level.at, level.name.clone())).collect()),
    };
    let panel = |(title, metric): &(&str, Metric)| {
        let (mut bands, mut lines) = (Vec::new(), Vec::new());
        for (contestant, look) in contestants.iter().zip(&looks) {
            let name = contestant_title(contestant.0, contestant.1);
            let means: Vec<(&LevelMeans<'_>, Interval)> =
                levels.iter().filter_map(|level| Some((level, level.mean(*contestant, *metric)?))).collect();
            let title =
                |(level, mean): &(&LevelMeans<'_>, Interval)| format!("{name}, {}: {:.1}", level.name, mean.estimate);
            let known = means.iter().filter(|(_, mean)| mean.low.is_finite());
            bands.push(Mark::Band(known.map(|(level, mean)| (level.at, mean.low, mean.high)).collect(), *look));
            lines.push(Mark::Line {
                points: means.iter().map(|(level, mean)| (level.at, mean.estimate)).collect(),
                look: *look,
                titles: Some(means.iter().map(title).collect()),
            });
        }
        let heights = lines.iter().flat_map(|line| match line {
            Mark::Line { points, .. } => points.iter().map(|point| point.1).collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let (low, high) = span(heights, 0.06).unwrap_or((0.0, 100.0));
        let y = Axis::linear("%", (low.max(0.0), high.min(100.0)));
        let marks = bands.into_iter().map(|band| clipped(band, y.domain)).chain(lines).collect();
        Panel { title: (*title).into(), x: x.clone(), y, marks }
    };
    let panels: Vec<Panel> = METRICS.iter().map(panel).collect();
    let legend: Vec<(String, Look)> = contestants
        .iter()
        .map(|(model, strategy)| contestant_title(model, strategy))
        .zip(looks.iter().copied())
        .collect();
    let title = format!("AUROC and average precision by {}", sweep.axis);
    let description = format!("A line and a band for each method, {}.", sweep.fixed);
    let (drawn, height) = panels::draw_row(("sweep-picture", &title, &description), &panels, 0.8, &legend);
    picture_file(&drawn, (WIDTH, height))
}

/// Describes the number of data sets at each level.
fn sets_of(levels: &[LevelMeans<'_>]) -> String {
    let counts: Vec<usize> = levels.iter().map(|level| level.sets.len()).collect();
    match counts.windows(2).all(|pair| pair[0] == pair[1]) {
        true => crate::report::counted(counts.first().copied().unwrap_or(0), "data set", "data sets"),
        false => format!("{} data sets", counts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scores, Status, Strategy};
    use anoonly_core::budget::LabelBudget;

    fn row(model: &str, count: usize, dataset: &str, auroc: f64) -> Row {
        let scores = Scores { auroc, ap: auroc / 2.0, ap_normal: auroc, fit_seconds: 1.0, score_seconds: 1.0 };
        Row {
            model: model.into(),
            dataset: dataset.into(),
            family: dataset.into(),
            budget: LabelBudget::Count(count),
            strategy: Strategy::none(),
            status: Status::Ok(scores),
            ..Row::made()
        }
    }

    fn drawn(rows: Vec<Row>) -> Result<String, BenchError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.svg");
        write(&path, &Results { rows })?;
        Ok(std::fs::read_to_string(path).unwrap())
    }

    /// Only the first set has ten anomalies, and only one method runs without labels.
    #[test]
    fn a_level_shows_the_common_sets_and_says_how_many() {
        let mut rows = vec![row("quorum", 0, "a", 0.5), row("quorum", 0, "b", 0.6)];
        for model in ["quorum", "boosting"] {
            rows.extend([row(model, 1, "a", 0.7), row(model, 1, "b", 0.8), row(model, 25, "a", 0.9)]);
        }
        let failed = Row { status: Status::Failed("diverged".into()), ..row("boosting", 25, "b", 0.0) };
        rows.extend([row("quorum", 25, "b", 0.1), failed]);
        let picture = drawn(rows).unwrap();
        for part in
            ["labelled anomalies (2, 2, 1 data sets)", "Quorum, none: 55.0", "Quorum, 25: 90.0", "boosting, 1: 75.0"]
        {
            assert!(picture.contains(part), "{part}: {picture}");
        }
        assert!(!picture.contains("boosting, none"));
    }

    #[test]
    fn results_without_a_sweep_are_refused() {
        let rows = vec![row("quorum", 5, "a", 0.5), row("quorum", 5, "b", 0.5)];
        assert!(matches!(drawn(rows), Err(BenchError::NoSweep)));
    }
}
